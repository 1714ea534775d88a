"""A lifecycle node that may declare parameters in one thread and serve them in another."""

from __future__ import annotations

import threading
from typing import Any

from rcl_interfaces.msg import ListParametersResult, ParameterDescriptor, SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter


class LockedParametersNode(LifecycleNode):
    """A lifecycle node whose parameters are used by one thread at a time.

    rclpy keeps the parameters in a dictionary without a lock. If one thread declares a parameter
    while another lists them, `list_parameters` raises "dictionary changed size during iteration",
    which ends the executor. The methods here are those that rclpy's parameter services call, and
    those that declare and undeclare.

    Attributes:
        parameters_lock: Held by each of these methods. Hold it for several changes that belong
            together.
    """

    def __init__(self, name: str) -> None:
        """Create the node.

        Args:
            name: Its name.
        """
        self.parameters_lock = threading.RLock()  # rclpy's constructor declares parameters
        super().__init__(name)

    def declare_parameters(self, *arguments: Any, **options: Any) -> list[Parameter]:
        """Declare parameters; `declare_parameter` calls it too."""
        with self.parameters_lock:
            return super().declare_parameters(*arguments, **options)

    def undeclare_parameter(self, name: str) -> None:
        """Undeclare a parameter."""
        with self.parameters_lock:
            super().undeclare_parameter(name)

    def list_parameters(self, prefixes: list[str], depth: int) -> ListParametersResult:
        """Return the names of the parameters."""
        with self.parameters_lock:
            return super().list_parameters(prefixes, depth)

    def get_parameter(self, name: str) -> Parameter:
        """Return a parameter."""
        with self.parameters_lock:
            return super().get_parameter(name)

    def get_parameter_type(self, name: str) -> Any:
        """Return the type of a parameter."""
        with self.parameters_lock:
            return super().get_parameter_type(name)

    def describe_parameter(self, name: str) -> ParameterDescriptor:
        """Return the descriptor of a parameter."""
        with self.parameters_lock:
            return super().describe_parameter(name)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters, all or none."""
        with self.parameters_lock:
            return super().set_parameters_atomically(parameter_list)
