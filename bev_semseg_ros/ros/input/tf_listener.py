"""Listening to TF where it holds up nothing else.

tf2_ros's Python listener handles every transform of every message. On a busy vehicle that takes a
good part of the executor's thread, and frames wait for it. So it listens with a node and a thread
of its own, and only as long as somebody needs it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC

# After a message the thread rests for so many times the time that it took: Python lets only one
# thread work at a time, and loading a network beside a busy /tf would take minutes. Transforms that
# are asked for once may come late; DDS drops what is too much.
REST = 9.0
LOG_PERIOD = 5.0  # seconds between two lines about errors


class TfListener:
    """Fills a tf2_ros.Buffer from TF, in a thread of its own.

    Args:
        tf2_ros: The module.
        buffer: A tf2_ros.Buffer.
        node: The node for which it listens; its namespace and its remappings of TF's topics hold.
        name: What the name of its own node ends with.
        may_lag: Whether transforms may come late, because nothing that moves is asked for.
    """

    def __init__(
        self, tf2_ros: Any, buffer: Any, node: Node, name: str, may_lag: bool = False
    ) -> None:
        self._rest = REST if may_lag else 0.0
        # A remapping of the process's node name would hold for this node, too; those of the topics
        # are taken from the node.
        remappings = [f"{topic}:={node.resolve_topic_name(topic)}" for topic in (MOVING, STATIC)]
        self._node = rclpy.create_node(
            f"_{node.get_name()}_{name}",  # the underscore hides it from `ros2 node list`
            namespace=node.get_namespace(),
            context=node.context,
            cli_args=["--ros-args", *(part for each in remappings for part in ("-r", each))],
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._listener = tf2_ros.TransformListener(buffer, self._node)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="tf", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._is_closed.set()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self._listener.unregister()
        self._node.destroy_node()

    def _spin(self) -> None:
        """Handle messages until `close` or the end of the context."""
        while self._node.context.ok() and not self._is_closed.is_set():
            before = time.thread_time()
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
            except Exception as error:  # one message must not end the listening
                if not self._node.context.ok():  # rclpy has other errors, too, for a lost context
                    return
                text = f"a message of TF is left out: {type(error).__name__}: {error}"
                self._node.get_logger().error(text, throttle_duration_sec=LOG_PERIOD)
            worked = time.thread_time() - before
            self._is_closed.wait(self._rest * worked)
