"""The process of a perception node: environment, signals and exit codes."""

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
from bev_semseg_ros.ros.node.command_line import misplaced_arguments
from bev_semseg_ros.ros.node.perception import Perception
from bev_semseg_ros.ros.node.shutdown import (
    EXIT_BAD_PARAMETERS,
    EXIT_CONFIGURE_FAILED,
    EXIT_DEVICE_FAILED,
    EXIT_OK,
    SHUTDOWN_LIMIT,
)
from bev_semseg_ros.ros.parameters.parameter_file import unused_files


def main(args: list[str] | None = None) -> NoReturn:
    """Run the node and end the process with its exit code.

    Args:
        args: The command line; None for `sys.argv`.
    """
    code = _run(args)
    # The node and all its objects must be freed before the context; otherwise, its shared memory
    # is left behind.
    gc.collect()
    rclpy.get_default_context().destroy()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # everything is freed, and unloading torch would take another second


def _run(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM, or, with autostart, until the device fails.

    Returns:
        The exit code.
    """
    # OpenMP threads that spin between layers would keep the cores from DDS and the drivers. torch
    # reads these variables when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    use_shared_memory_profile()
    arguments = (sys.argv if args is None else args)[1:]
    if problem := misplaced_arguments(arguments):
        print(f"perception: {problem}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    # rclpy passes signals on to Python's handlers. With the handler of SIGINT, SIGTERM also
    # interrupts transitions that a lifecycle manager has requested.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # such as a parameter file that is missing or not YAML
        print(f"perception: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    executor = SingleThreadedExecutor()
    try:
        try:
            return _work(executor, arguments)
        finally:
            _shut_down(executor)
    except KeyboardInterrupt:
        _shut_down(executor)  # the signal may have interrupted the first call
        return EXIT_OK


def _work(executor: SingleThreadedExecutor, arguments: list[str]) -> int:
    """Create the node, add it to the executor, run it, and return the exit code."""
    node = None
    try:
        node = Perception()
        executor.add_node(node)
        for problem in unused_files(node.get_fully_qualified_name(), arguments):
            node.get_logger().warning(problem)
        return _spin(node, executor)
    except ExternalShutdownException:
        return EXIT_OK
    except (ValueError, ParameterException) as error:
        if node is not None:
            raise
        print(f"perception: {error}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    except RuntimeError:
        if rclpy.ok():
            raise
        return EXIT_OK  # a signal shut down the context during something else, such as a transition


def _spin(node: Perception, executor: SingleThreadedExecutor) -> int:
    """Configure and activate the node if autostart is set, spin, and return the exit code."""
    if not node.parameters.autostart:
        node.get_logger().info("waiting for a lifecycle manager (autostart is false)")
        executor.spin()
        return EXIT_OK
    if not node.start(executor):
        if not rclpy.ok():
            return EXIT_OK
        return EXIT_BAD_PARAMETERS if node.has_bad_parameters else EXIT_CONFIGURE_FAILED
    # Not spin_until_future_complete, which would keep a callback for every message.
    while rclpy.ok() and not node.failed:
        executor.spin_once()
    return EXIT_DEVICE_FAILED if node.failed else EXIT_OK


def _shut_down(executor: SingleThreadedExecutor) -> None:
    # A terminal and ros2 launch both send SIGINT: the second one must not interrupt what follows.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # rclpy's signal thread would wake up objects that are freed below, which sometimes crashes.
    uninstall_signal_handlers()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # may end the process at once
    # Fast DDS can deadlock if many nodes shut down at the same time.
    faulthandler.dump_traceback_later(SHUTDOWN_LIMIT, exit=True)
    nodes = executor.get_nodes()
    executor.shutdown()
    for node in nodes:
        assert isinstance(node, Perception)
        node.close()
        node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
