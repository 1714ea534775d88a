"""Run a command of the package as a process, and wait for its output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from support.fork_server import Fork, ForkServer

from bev_semseg_ros.ros.node.shutdown import end_process


def shared_memory(pid: int) -> set[Path]:
    """Return the files in /dev/shm that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {
        Path(place)
        for line in lines
        if (place := line.split(maxsplit=5)[-1]).startswith("/dev/shm/")
    }


COMMAND = ("-m", "bev_semseg_ros.cli.main")


def node_arguments(*remappings: str, **parameters: object) -> list[str]:
    """Return the command line of a node whose results are the same on every machine.

    Args:
        remappings: Further arguments of ROS, such as "-r", "__ns:=/name".
        parameters: Parameters by name, including `checkpoint` and `calibration`.
    """
    values = {"engine": "torch", "precision": "fp32", "num_threads": 1} | parameters
    options = [part for name, value in values.items() for part in ("-p", f"{name}:={value}")]
    return ["--ros-args", *remappings, *options]


PATIENCE = 120.0  # seconds; only failing tests wait this long, and a busy machine may be slow


class Process:
    """`bev-semseg ARGUMENTS`, or another Python program.

    The end of a `with` block ends the process.

    Attributes:
        server: Runs the programs as forks; None: each has an interpreter of its own.
        arguments: Its arguments.
        lines: Its output so far.
    """

    server: ClassVar[ForkServer | None] = None

    def __init__(
        self, *arguments: str, program: tuple[str, ...] = COMMAND, fresh: bool = False
    ) -> None:
        """Start it.

        Args:
            arguments: Its arguments.
            program: Arguments of Python that select the program.
            fresh: Start a separate interpreter even if there is a server.
        """
        self.arguments, self.lines = arguments, []
        self._has_output = threading.Condition()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process: subprocess.Popen[str] | Fork
        if self.server is None or fresh:
            self._process = subprocess.Popen(
                [sys.executable, "-u", *program, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
            )
        else:
            self._process = self.server.start([*program, *arguments], environment)
        # A daemon: a process that a failed test leaves behind must not keep pytest from ending.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._has_output:
                self.lines.append(line.rstrip())
                self._has_output.notify_all()
        with self._has_output:
            self._has_output.notify_all()

    def wait_for(self, pattern: str, timeout: float = PATIENCE, after: int = 0) -> str:
        """Return the first line that matches, starting at the index `after`.

        The test fails with all output if none comes in time or the process ends.
        """
        end = time.monotonic() + timeout
        with self._has_output:
            while True:
                for line in self.lines[after:]:
                    if re.search(pattern, line):
                        return line
                if time.monotonic() > end or not self._reader.is_alive():
                    pytest.fail(f"no line {pattern!r} in:\n" + "\n".join(self.lines))
                self._has_output.wait(0.2)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self._process.send_signal(number)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def shared_memory(self) -> set[Path]:
        """The files in /dev/shm that the process has mapped and this one has not."""
        return shared_memory(self._process.pid) - shared_memory(os.getpid())

    @property
    def resident(self) -> int:
        """Bytes of memory that the process holds."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def children(self) -> set[int]:
        """The running processes that it has started."""
        lists = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return {int(number) for children in lists for number in children.read_text().split()}

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the end, read all output, and return the exit code."""
        code = self._process.wait(timeout)
        self._reader.join()
        return code

    def end(self) -> None:
        """End it with SIGINT, so that it leaves nothing in /dev/shm; kill it if that fails."""
        end_process(self._process)
        self.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
