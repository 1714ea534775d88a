"""The process of the node."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

INTERRUPTED = """
from bev_semseg_ros.ros.node import main as process

shut_down, calls = process._shut_down, []

def interrupted(executor):
    calls.append(executor)
    if len(calls) == 1:
        raise KeyboardInterrupt  # as the handler of a signal that arrives here
    shut_down(executor)

process._shut_down = interrupted
process.main(["perception", "--ros-args", "-p", "mode:=none"])  # ends without a signal
"""


def test_a_signal_while_the_node_begins_to_shut_down_is_no_error():
    """The node once exited with 130 if SIGTERM came while it configured."""
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
