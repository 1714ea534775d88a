"""Python programs as forks of one process that has torch, ROS and the package loaded.

Loading them takes four to five seconds of a core, and the system tests start dozens of programs.
A fork runs a program from its first line to its last exit function, with its own environment,
output and signals. It differs from a program of `subprocess` in two ways: its modules are loaded
already, and it does not unload them at the end.

Run as a program, this file is the server.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn, TextIO

PRELOADED = (
    "torch",
    "bev_semseg_ros.inference.predictor",
    "bev_semseg_ros.ros.bag.player",
    "bev_semseg_ros.ros.doctor.diagnose",
    "bev_semseg_ros.ros.doctor.live",
    "bev_semseg_ros.ros.node.main",
)
MAX_REQUEST = 1 << 20  # bytes


class Fork:
    """A program that the server runs, with the interface of `subprocess.Popen`.

    Attributes:
        pid: Its process.
        stdout: What it writes to stdout and stderr.
        returncode: Its exit code, negative for a signal; None while it runs.
    """

    def __init__(self, pid: int, stdout: TextIO, status: int) -> None:
        self.pid, self.stdout = pid, stdout
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit code, or None while the program runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when the program has ended.

        Raises:
            subprocess.TimeoutExpired: It still runs after `timeout` seconds.
        """
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            # Nothing to read means that the server has ended before the program.
            self.returncode = int(os.read(self._status, 100) or -signal.SIGKILL)
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the program, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the program at once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server's process. It ends when this process ends."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-u", __file__, str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},  # torch reads this when it is loaded
            )

    def start(self, arguments: list[str], environment: dict[str, str]) -> Fork:
        """Run a program.

        Args:
            arguments: What would follow `python` on a command line: "-m" or "-c", the module or
                code, and its arguments.
            environment: All environment variables of the program.
        """
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        request = {"arguments": arguments, "environment": environment, "folder": os.getcwd()}
        message = json.dumps(request).encode()
        socket.send_fds(self._socket, [message], [output_end, status_end])
        os.close(output_end)
        os.close(status_end)
        pid = int(self._socket.recv(100))
        return Fork(pid, os.fdopen(output), status)

    def close(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.wait()


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until the other side of the channel closes.

    Returns:
        In a fork, its request; in the server, None at the end.
    """
    statuses: dict[int, int] = {}  # process id of a running fork -> pipe for its exit code
    wakeup, wakeup_end = os.pipe()
    os.set_blocking(wakeup_end, False)
    signal.set_wakeup_fd(wakeup_end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([channel, wakeup], [], [])
        if wakeup in ready:
            os.read(wakeup, 1000)
            reap(statuses)
        if channel not in ready:
            continue
        message, files, _, _ = socket.recv_fds(channel, MAX_REQUEST, 2)
        if not message:
            return None
        output, status = files
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in (1, 2):
                os.dup2(output, number)
            for file in (output, status, wakeup, wakeup_end, *statuses.values()):
                os.close(file)
            channel.close()
            return json.loads(message)
        os.close(output)
        statuses[pid] = status
        channel.send(str(pid).encode())


def reap(statuses: dict[int, int]) -> None:
    """Write the exit codes of the forks that have ended, and forget them."""
    for pid, status in list(statuses.items()):
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            os.write(status, str(os.waitstatus_to_exitcode(code)).encode())
            os.close(status)
            del statuses[pid]


def run_to_the_end(request: dict[str, Any]) -> NoReturn:
    """Run a program and end the process with its exit code."""
    code = 0
    try:
        run(request)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # waits for non-daemon threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # unloading torch would take another second


def run(request: dict[str, Any]) -> None:
    """Run a program as the interpreter does."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    option, program, *arguments = request["arguments"]
    if option == "-m":
        sys.argv = [program, *arguments]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *arguments]
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # Python adds this folder for a script
    for module in PRELOADED:
        __import__(module)
    gc.collect()
    gc.freeze()  # the garbage collectors of the forks can skip what is loaded
    found = serve(socket.socket(fileno=int(sys.argv[1])))
    if found is not None:
        run_to_the_end(found)
