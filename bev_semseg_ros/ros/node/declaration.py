"""Declare the parameters at an rclpy node, and read the values that the node was given."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from bev_semseg_ros.ros.node.class_parameters import (
    ClassParameters,
    check_given,
    for_classes,
    is_class_parameter,
)
from bev_semseg_ros.ros.node.parameters import SPECIFICATIONS, Parameters


def given_values(node: Any) -> dict[str, Any]:
    """Return what the command line and parameter files set on an rclpy node, by name."""
    # rclpy has no public way to ask for them.
    overrides = getattr(node, "_parameter_overrides", {})
    return {name: parameter.value for name, parameter in overrides.items()}


def why_none_given(node: Any, arguments: Sequence[str]) -> str:
    """Say so if there are parameter files and none of them has a parameter for an rclpy node.

    Args:
        node: The rclpy node.
        arguments: The command line.

    Returns:
        What is wrong and what to do; empty if all is well.
    """
    if "--params-file" not in arguments or given_values(node):
        return ""
    name = node.get_fully_qualified_name()
    return f"no parameter file has parameters for {name}: write them below {name}, or below /**"


def declare(node: Any) -> Parameters:
    """Declare the parameters that exist whatever the checkpoint is.

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
        if default == ():  # rclpy takes an empty list for one of bytes
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
    """Choose the values of the parameters that follow the classes; see `for_classes`."""
    return for_classes(classes, given_values(node), remembered, len(distance_bands) + 1)


def declare_by_class(node: Any, parameters: ClassParameters) -> None:
    """Declare the parameters that follow the classes, with their values."""
    values = parameters.values()
    for name, specification in parameters.specifications().items():
        node.declare_parameter(
            name, list(values[name]), specification.descriptor(), ignore_override=True
        )


def undeclare_by_class(node: Any, parameters: ClassParameters) -> None:
    """Undeclare what `declare_by_class` has declared."""
    for name in parameters.values():
        if node.has_parameter(name):
            node.undeclare_parameter(name)


def unknown_parameters(node: Any, parameters: Parameters) -> str:
    """Name what the command line and parameter files set but no node of ours declares.

    rclpy ignores such names without a warning. Names of class parameters are judged by
    `for_classes`.

    Args:
        node: The rclpy node.
        parameters: What was declared.

    Returns:
        The names, each with what is wrong or what was probably meant; empty if there are none.
    """
    of_sensors = parameters.sensor_specifications()
    sensors = {sensor.name for sensor in parameters.sensors.all if sensor.prefix}
    known = (*SPECIFICATIONS, *of_sensors, "classes", "use_sim_time")
    texts = []
    for name in sorted(getattr(node, "_parameter_overrides", {})):
        if node.has_parameter(name) or is_class_parameter(name):
            continue
        sensor, dot, own = name.partition(".")
        if dot and sensor not in sensors and own in SPECIFICATIONS:
            texts.append(f"{name} (lidars and cameras have no {sensor})")
            continue
        nearest = difflib.get_close_matches(name, known, n=1)
        texts.append(f"{name} (did you mean {nearest[0]}?)" if nearest else name)
    return ", ".join(texts)
