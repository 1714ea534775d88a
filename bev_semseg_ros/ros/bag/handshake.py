"""Checks whether another node has discovered the publishers of this one."""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node, NodeNameNonExistentError

ASK_INTERVAL = 1.0  # seconds between requests to a node that has not answered


class Handshake:
    """Checks whether another node has discovered the publishers of this one.

    DDS announces the endpoints of a process reliably, in the order of their creation. A node that
    answers a request has discovered the client that sent it, and so also all publishers that were
    created before the client.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Prepare the requests.

        Args:
            node: Node with the publishers. Nothing else may spin it until `close`.
            name: Name of the other node with its namespace, such as /perception.
        """
        self._node, self._name = node, name
        self._service = f"{name}/get_parameters"  # every node has it, unless it was disabled
        self._client: Any = None
        self._answers: list[Any] = []
        self._asked = 0.0
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def is_done(self) -> bool:
        """Send a request if one is due, and return whether the node has answered any.

        A node without the service cannot answer; for such a node this returns True at once.
        """
        namespace, _, name = self._name.rpartition("/")
        try:
            services = self._node.get_service_names_and_types_by_node(name, namespace or "/")
        except NodeNameNonExistentError:  # it has ended, or is not discovered yet
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
        """Stop the requests."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        if self._client is not None:
            self._node.destroy_client(self._client)
