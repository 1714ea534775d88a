"""Listen to TF in a separate thread, so that it delays nothing else.

tf2_ros's Python listener handles every transform of every message. On a busy vehicle, this would
take much of the time of the executor's thread and delay frames. `TfListener` therefore has its own
node and thread, and exists only as long as it is needed.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC

# After each message, a listener that may lag sleeps for REST times the processing time of the
# message. Python runs only one thread at a time: without these pauses, loading a network while /tf
# is busy would take minutes. DDS drops the messages that do not fit into its queue.
REST = 9.0
LOG_PERIOD = 5.0  # seconds between two log lines about errors


class TfListener:
    """Fills a tf2_ros.Buffer from TF, in a thread of its own.

    Args:
        tf2_ros: The module tf2_ros.
        buffer: A tf2_ros.Buffer.
        node: The node for which to listen. Its namespace and its remappings of TF's topics apply.
        name: Suffix of the name of the listener's own node.
        may_lag: Whether transforms may arrive late, because only static ones are needed.
    """

    def __init__(
        self, tf2_ros: Any, buffer: Any, node: Node, name: str, may_lag: bool = False
    ) -> None:
        self._rest = REST if may_lag else 0.0
        # Global arguments are not used, because a remapping of the node's name would also apply to
        # this node. The topics are remapped like those of `node`.
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
            except Exception as error:  # an error in one message must not end the thread
                if not self._node.context.ok():  # rclpy also has other errors for a lost context
                    return
                text = f"a message of TF was skipped: {type(error).__name__}: {error}"
                self._node.get_logger().error(text, throttle_duration_sec=LOG_PERIOD)
            worked = time.thread_time() - before
            self._is_closed.wait(self._rest * worked)
