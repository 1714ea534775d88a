"""A lifecycle node with thread-safe parameters."""

from __future__ import annotations

import threading
from typing import Any

from rcl_interfaces.msg import ListParametersResult, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterUninitializedException
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter


class LockedParametersNode(LifecycleNode):
    """A lifecycle node whose parameters only one thread can access at a time.

    rclpy keeps the parameters in a dictionary without a lock. If one thread declares a parameter
    while another lists them, `list_parameters` raises "dictionary changed size during iteration",
    which ends the executor. This class therefore locks the methods that declare and undeclare
    parameters, and those that rclpy's parameter services call.

    An array that was declared with a type but without a value reads as empty. Otherwise, rclpy
    would return no values at all to a client that requests all parameters in one call. An integer
    that is set for a floating-point parameter is converted.

    Attributes:
        parameters_lock: Held by each of these methods. Hold it during several changes that belong
            together.
    """

    def __init__(self, name: str) -> None:
        """Create the node.

        Args:
            name: Name of the node.
        """
        self.parameters_lock = threading.RLock()  # rclpy's constructor declares parameters
        super().__init__(name)

    def declare_parameters(
        self, namespace: str, parameters: list[Any], *arguments: Any, **options: Any
    ) -> list[Parameter]:
        """Declare parameters; `declare_parameter` calls it too."""
        with self.parameters_lock:
            # rclpy's constructor declares parameters before it knows the given values.
            given = getattr(self, "_parameter_overrides", {})
            for name, default, *_ in parameters:
                if name in given and default is not None:
                    is_type = isinstance(default, Parameter.Type)
                    kind = default if is_type else Parameter.Type.from_parameter_value(default)
                    given[name] = as_declared(given[name], kind.value)
            return super().declare_parameters(namespace, parameters, *arguments, **options)

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
            try:
                return super().get_parameter(name)
            except ParameterUninitializedException:
                return Parameter(name, Parameter.Type(self.describe_parameter(name).type), [])

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
            changes = [
                as_declared(change, self.describe_parameter(change.name).type)
                if self.has_parameter(change.name)
                else change
                for change in parameter_list
            ]
            return super().set_parameters_atomically(changes)


def as_declared(parameter: Parameter, kind: int) -> Parameter:
    """Return a parameter, with integers converted to floating point if it was declared as such.

    Args:
        parameter: The parameter as given.
        kind: The declared type, a value of rcl_interfaces/ParameterType.
    """
    given, declared = parameter.type_, Parameter.Type(kind)
    if (given, declared) == (Parameter.Type.INTEGER, Parameter.Type.DOUBLE):
        return Parameter(parameter.name, declared, float(parameter.value))
    if (given, declared) == (Parameter.Type.INTEGER_ARRAY, Parameter.Type.DOUBLE_ARRAY):
        return Parameter(parameter.name, declared, [float(value) for value in parameter.value])
    return parameter
