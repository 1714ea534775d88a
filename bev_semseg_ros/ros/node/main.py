"""The process of a perception node: its environment, its signals and its exit codes."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
from typing import NoReturn

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import uninstall_signal_handlers

from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.node.perception import Perception

END_LIMIT = 10.0  # seconds after which a process that cannot end is ended, with exit code 1 and where it hung
EXIT_OK, EXIT_CONFIGURE_FAILED, EXIT_BAD_PARAMETERS, EXIT_DEVICE_FAILED = 0, 1, 2, 3
EXIT_CODES = {  # as `bev-semseg node --help` shows them
    EXIT_OK: "ended by SIGINT or SIGTERM",
    EXIT_CONFIGURE_FAILED: "could not configure or activate: a file or the device; the last line says why (also: "
    f"could not end within {END_LIMIT:g} s)",
    EXIT_BAD_PARAMETERS: "a parameter or the parameter file is wrong: starting it again will not help",
    EXIT_DEVICE_FAILED: "the device failed while working (out of memory or lost): start it again",
}


def main(args: list[str] | None = None) -> NoReturn:
    """The process of a node: `_run`, then out at once. All is freed then, and unloading torch takes another second."""
    code = _run(args)
    gc.collect()  # of the node and what it holds, and then of the context, or its shared memory stays
    rclpy.get_default_context().destroy()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM, without a manager also until the device fails. Returns an exit code."""
    # Threads that spin between layers would take the cores from DDS and from the drivers. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    use_shared_memory_profile()
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # such as a params file that is missing or no YAML
        print(f"perception: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = Perception()
        executor.add_node(node)
        if not node.parameters.autostart:
            node.get_logger().info("waiting for a lifecycle manager (autostart is false)")
            executor.spin()
        elif not node.start(executor):
            return EXIT_CONFIGURE_FAILED if rclpy.ok() else EXIT_OK
        else:
            while (
                rclpy.ok() and not node.failed
            ):  # spin_until_future_complete keeps a callback for every message
                executor.spin_once()
            return EXIT_DEVICE_FAILED if node.failed else EXIT_OK
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, ParameterException) as error:
        if node is not None:
            raise
        print(f"perception: {error}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    except RuntimeError:
        if rclpy.ok():
            raise
        # Otherwise a signal took the context from what was at hand, such as a transition that wants to be announced.
    finally:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # a terminal and a launch both send one: the second must not
        signal.signal(
            signal.SIGTERM, signal.SIG_DFL
        )  # break what follows, and whoever loses patience may end it
        uninstall_signal_handlers()  # its thread still wakes what is freed next: a crash now and then
        faulthandler.dump_traceback_later(
            END_LIMIT, exit=True
        )  # Fast DDS can wait for itself where many nodes end
        executor.shutdown()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return EXIT_OK


if __name__ == "__main__":
    main()
