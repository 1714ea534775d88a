"""Find the sections of a ROS parameter file that apply to a node. Needs no ROS.

Sections may be nested: `car: {perception: ...}` is `/car/perception: ...`. A part of a section's
name may be the wildcard `*` for any one part of a node's name, or `**` for any number of parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

SETTINGS = "ros__parameters"  # the key of the values in a section
_WILDCARDS = {"*": r"/\w+", "**": r"(/\w+)*"}


def settings(path: str | Path, node: str) -> dict[str, Any] | None:
    """Read the parameters in a parameter file for a node.

    Args:
        path: The parameter file.
        node: Full name of the node, such as /car/perception.

    Returns:
        The values by name; as in ROS, the last of several applies. None if no section of the file
        applies to the node.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not UTF-8.
        yaml.YAMLError: If it is not YAML.
    """
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    sections = list(_sections(content, node, ""))
    if not sections:
        return None
    return {name: value for section in sections for name, value in section.items()}


def unused_files(node: str, arguments: Sequence[str]) -> list[str]:
    """Explain which parameter files on the command line have no section for a node.

    ROS ignores such a file without a warning.

    Args:
        node: Full name of the node.
        arguments: The command line, from which ROS has already read the files.

    Returns:
        For each such file, what is wrong and what to do.
    """
    texts = []
    for option, path in pairwise(arguments):
        # A pipe, as of <(command), cannot be read again.
        if option != "--params-file" or not Path(path).is_file():
            continue
        try:
            is_unused = settings(path, node) is None
        except (OSError, ValueError, yaml.YAMLError):
            continue  # ROS could read it
        if is_unused:
            texts.append(
                f"nothing in the parameter file {path} is for {node}: write the parameters below "
                f"{node}, or below /**"
            )
    return texts


def _sections(names: Any, node: str, path: str) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each section that applies to a node.

    Args:
        names: Content of the file below `path`, by the next part of a node's name.
        node: Full name of the node.
        path: Full name of a node or a namespace, possibly with wildcards.
    """
    for name, inner in names.items() if isinstance(names, dict) else ():  # ROS rejects the others
        if name != SETTINGS:
            yield from _sections(inner, node, f"{path}/{name}")
        elif _matches(path, node):
            yield inner if isinstance(inner, dict) else {}


def _matches(path: str, node: str) -> bool:
    """Return whether the full name of a node matches a path with wildcards."""
    parts = [part for part in path.split("/") if part]
    pattern = "".join(_WILDCARDS.get(part, f"/{re.escape(part)}") for part in parts)
    return re.fullmatch(pattern, node) is not None
