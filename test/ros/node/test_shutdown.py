"""A process has time to exit by itself before another one kills it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from bev_semseg_ros.ros.node import shutdown
from bev_semseg_ros.ros.node.shutdown import KILL_AFTER, SHUTDOWN_LIMIT, end_process


def start(on_sigint: str) -> subprocess.Popen[str]:
    """Start a process that runs a statement on SIGINT."""
    code = (
        "import signal, sys\n"
        "def stop(*_):\n"
        f"    {on_sigint}\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_node_that_hangs_can_say_where_before_it_is_killed():
    """With equal limits, the node might be killed before it has printed where it hung."""
    assert KILL_AFTER >= SHUTDOWN_LIMIT + 5


def test_a_process_ends_by_sigint_with_its_own_exit_code():
    process = start("sys.exit(7)")
    end_process(process)
    assert process.returncode == 7
    end_process(process)  # it has exited already: nothing to do


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutdown, "KILL_AFTER", 0.2)
    process = start("pass")
    end_process(process)
    assert process.returncode == -signal.SIGKILL
