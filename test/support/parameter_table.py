"""The table of docs/parameters.md."""

from __future__ import annotations

import dataclasses
import re

from bev_semseg_ros.ros.parameters.class_parameters import (
    CLASSES,
    classes_specification,
    threshold_specification,
)
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS
from bev_semseg_ros.ros.parameters.sensors import OF_SENSORS
from bev_semseg_ros.ros.parameters.specification import Specification


def documented_parameters() -> list[Specification]:
    """Return all specifications; those of class parameters occur once for all classes."""
    classes = classes_specification(("CLASS", "..."))
    of_sensors = [
        dataclasses.replace(
            SPECIFICATIONS[name],
            name=f"NAME.{name}",
            description=f"`{name}` of the {kind} NAME.",
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
        *(
            _row(dataclasses.replace(each, description=with_code(each.description)))
            for each in documented_parameters()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(specification: Specification) -> str:
    """Return the row of a parameter; some have no default of their own."""
    row = specification.table_row()
    if specification.name == CLASSES:
        default = "all classes of the checkpoint"
    elif specification.name.startswith("NAME."):
        default = f"value of `{specification.name.removeprefix('NAME.')}`"
    else:
        return row
    name, _, *others = row.split(" | ")
    return " | ".join([name, default, *others])


def with_code(text: str) -> str:
    """Return a description with the names of parameters and their values as code.

    Names that are everyday words, such as mode, are left as they are.
    """
    unusual = ("slop", "extrinsics", "intrinsics")
    others = "total_ms|network_ms|use_sim_time|score_threshold_CLASS"
    others += "|~/[a-z_/]+[a-z]|NAME/[a-z_]+|/diagnostics|/compressed"  # topics
    names = "|".join(name for name in SPECIFICATIONS if "_" in name or name in unusual)
    values = "|".join({value for each in SPECIFICATIONS.values() for value in each.choices})
    found = rf"(?<![\w/.~])(?:{names}|{others})(?!\w)|(?:(?<=\. )|(?<= is ))(?:{values})(?=[:.,;)])"
    parts = re.split("(`[^`]*`)", text)  # other text and code alternate
    parts[::2] = [re.sub(found, r"`\g<0>`", part) for part in parts[::2]]
    return "".join(parts)
