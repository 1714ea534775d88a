"""How the process of a node ends: time limit, exit codes, and how another process stops it.

Needs no rclpy.
"""

from __future__ import annotations

import signal
import subprocess

# Time limit of shutdown, seconds. A process that exceeds it exits with code 1 and prints where it
# hung.
SHUTDOWN_LIMIT = 10.0
# Time from SIGINT until another process kills the node, seconds. The difference gives the node time
# to print where it hung.
KILL_AFTER = SHUTDOWN_LIMIT + 5.0

EXIT_OK, EXIT_CONFIGURE_FAILED, EXIT_BAD_PARAMETERS, EXIT_DEVICE_FAILED = 0, 1, 2, 3
EXIT_CODES = {  # as `bev-semseg node --help` shows them
    EXIT_OK: "ended by SIGINT or SIGTERM",
    EXIT_CONFIGURE_FAILED: "configure or activate failed for a reason that code 2 does not cover "
    f"(see the last log line), or shutdown took more than {SHUTDOWN_LIMIT:g} s",
    EXIT_BAD_PARAMETERS: "a parameter has a value that is not allowed, or the parameter file "
    "cannot be read: starting the node again will not help",
    EXIT_DEVICE_FAILED: "the device failed while the node was running (out of memory or lost): "
    "start the node again",
}


def end_process(process: subprocess.Popen) -> None:
    """Stop a process with SIGINT, so that it frees its shared memory, and wait for its exit.

    Args:
        process: The process, which may have exited already. It is killed after `KILL_AFTER`.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(KILL_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
