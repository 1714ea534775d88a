"""Whether a node has found the publishers of another one."""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node, NodeNameNonExistentError

ASK_INTERVAL = 1.0  # seconds after which a node that has not answered is asked again


class Handshake:
    """Finds out whether a node has found the publishers of this one.

    DDS announces the endpoints of a process in the order in which they were made, and reliably. A
    node that answers the request of a client has found all publishers that were made before it.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Begin.

        Args:
            node: The node whose publishers are to be found. Nothing else may spin it meanwhile.
            name: The other node, with its namespace.
        """
        self._node, self._name = node, name
        self._service = f"{name}/get_parameters"  # every node has it, unless that was switched off
        self._client: Any = None
        self._answers: list[Any] = []
        self._asked = 0.0
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def is_done(self) -> bool:
        """Ask the node, which must be in the graph, and return whether it has answered.

        A node without the service cannot be asked: then this is true at once.
        """
        namespace, _, name = self._name.rpartition("/")
        try:
            services = self._node.get_service_names_and_types_by_node(name, namespace or "/")
        except NodeNameNonExistentError:  # it has just ended
            return False
        if self._service not in dict(services):
            return True
        if self._client is None:
            self._client = self._node.create_client(GetParameters, self._service)
        now = time.monotonic()
        if self._client.service_is_ready() and now - self._asked >= ASK_INTERVAL:
            self._asked = now
            self._answers.append(self._client.call_async(GetParameters.Request()))
        self._executor.spin_once(timeout_sec=0.02)
        return any(answer.done() for answer in self._answers)

    def close(self) -> None:
        """End the requests."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        if self._client is not None:
            self._node.destroy_client(self._client)
