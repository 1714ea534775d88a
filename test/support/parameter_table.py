"""The table of docs/parameters.md."""

from __future__ import annotations

import dataclasses

from bev_semseg_ros.ros.node.class_parameters import classes_specification, threshold_specification
from bev_semseg_ros.ros.node.parameters import OF_SENSORS, SPECIFICATIONS
from bev_semseg_ros.ros.node.specification import Specification


def documented_parameters() -> list[Specification]:
    """Return all specifications, those of class parameters once for all classes."""
    classes = classes_specification(("CLASS", "..."))
    of_sensors = [
        dataclasses.replace(
            SPECIFICATIONS[name],
            name=f"NAME.{name}",
            description=f"{name} of the {kind} NAME alone. By default it is the value of {name}.",
        )
        for kind, names in (("lidar", OF_SENSORS["points"]), ("camera", OF_SENSORS["image"]))
        for name in names
    ]
    return [
        *SPECIFICATIONS.values(),
        threshold_specification("CLASS"),
        classes,
        *of_sensors,
    ]


def markdown_table() -> str:
    """Return the parameters as docs/parameters.md shows them."""
    lines = [
        "| parameter | default | allowed | live | meaning |",
        "| --- | --- | --- | --- | --- |",
        *(specification.table_row() for specification in documented_parameters()),
    ]
    return "\n".join(lines) + "\n"
