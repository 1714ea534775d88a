"""Declare the parameters of an rclpy node, and read the values given at its start."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from bev_semseg_ros.ros.parameters.class_parameters import (
    ClassParameters,
    check_given,
    for_classes,
    is_class_parameter,
)
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS, Parameters


def given_values(node: Any) -> dict[str, Any]:
    """Return the values that the command line and parameter files set for a node, by name."""
    # rclpy has no public API for them.
    overrides = getattr(node, "_parameter_overrides", {})
    return {name: parameter.value for name, parameter in overrides.items()}


def declare(node: Any) -> Parameters:
    """Declare the parameters that do not depend on the checkpoint.

    Args:
        node: The rclpy node.

    Returns:
        The values with which the node was started.

    Raises:
        ValueError: If a value is not allowed; the message names the parameter.
    """
    from rclpy.parameter import Parameter

    values: dict[str, Any] = {}
    for name, specification in SPECIFICATIONS.items():
        default = specification.default
        if default == ():  # rclpy would declare an array of bytes
            of_names = specification.length is None
            default = Parameter.Type.STRING_ARRAY if of_names else Parameter.Type.DOUBLE_ARRAY
        elif specification.is_array:
            default = list(default)
        value = node.declare_parameter(name, default, specification.descriptor()).value
        values[name] = specification.default if value is None else value
    check_given(given_values(node))
    parameters = Parameters(**values)
    return dataclasses.replace(parameters, by_sensor=_declare_by_sensor(node, parameters))


def _declare_by_sensor(node: Any, parameters: Parameters) -> dict[str, Any]:
    """Declare the parameters of named sensors, and return their values by name."""
    return {
        name: node.declare_parameter(name, specification.default, specification.descriptor()).value
        for name, specification in parameters.sensor_specifications().items()
    }


def choose_by_class(
    node: Any,
    classes: tuple[str, ...],
    remembered: Mapping[str, tuple[Any, ...]],
    distance_bands: tuple[float, ...],
) -> tuple[ClassParameters, list[str]]:
    """Choose the values of the class parameters; see `for_classes`."""
    return for_classes(classes, given_values(node), remembered, len(distance_bands) + 1)


def declare_by_class(node: Any, parameters: ClassParameters) -> None:
    """Declare the class parameters with their values."""
    values = parameters.values()
    for name, specification in parameters.specifications().items():
        node.declare_parameter(
            name, list(values[name]), specification.descriptor(), ignore_override=True
        )


def undeclare_by_class(node: Any, parameters: ClassParameters) -> None:
    """Undeclare the parameters that `declare_by_class` declared."""
    for name in parameters.values():
        if node.has_parameter(name):
            node.undeclare_parameter(name)


def unknown_parameters(node: Any, parameters: Parameters) -> str:
    """Name the given parameters that the node does not declare.

    rclpy ignores such parameters without a warning. `for_classes` checks class parameters.

    Args:
        node: The rclpy node.
        parameters: The declared parameters.

    Returns:
        The names, each with what is wrong or what was probably meant; empty if there are none.
    """
    texts = []
    for name in sorted(given_values(node)):
        if not node.has_parameter(name) and not is_class_parameter(name):
            texts.append(explain_unknown(name, parameters))
    return ", ".join(texts)


def explain_unknown(name: str, parameters: Parameters) -> str:
    """Return the name of a parameter that does not exist, with what is wrong or probably meant."""
    sensors = {sensor.name for sensor in parameters.sensors.all if sensor.prefix}
    sensor, dot, own = name.partition(".")
    if dot and sensor not in sensors and own in SPECIFICATIONS:
        return f"{name} (lidars and cameras have no {sensor})"
    known = (*SPECIFICATIONS, *parameters.sensor_specifications(), "classes", "use_sim_time")
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"{name} (did you mean {nearest[0]}?)" if nearest else name
