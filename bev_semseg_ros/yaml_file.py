"""Reading of the YAML files that users write: label sets, configurations, calibrations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.path_kind import Wanted, may_be_text, require_file, wrong_path

MAX_BYTES = 200_000  # such a file has a few kilobytes; a larger one is something else

# What PyYAML raises for damaged text. Its constructors of tagged values, such as !!int x and dates,
# raise errors of Python.
_DAMAGES = (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError)


def read_yaml(path: Path, wanted: Wanted = "YAML file") -> Any:
    """Read a YAML file of plain values.

    Args:
        path: The file, UTF-8 text of at most MAX_BYTES.
        wanted: What the file holds, for errors.

    Returns:
        Its content: dictionaries, lists, texts, numbers; None for an empty file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, too large, no UTF-8, no YAML, or has an alias or the same key
            twice. The message names the file and the line.
    """
    require_file(path, wanted)
    if not may_be_text(path):
        raise wrong_path(path, wanted)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: more than {MAX_BYTES} bytes; give a smaller YAML file")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: damaged YAML: no UTF-8 text ({error}); save the file as UTF-8"
        ) from error
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: damaged YAML: {error}") from error


def parse_yaml(text: str) -> Any:
    """Return the plain values that a YAML text stands for.

    Args:
        text: One YAML document.

    Raises:
        ValueError: The text is no YAML, or has an alias or the same key twice.
    """
    try:
        return yaml.load(text, _Loader)
    except _DAMAGES as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None)
        if mark is None or not problem:
            raise ValueError(str(error) or type(error).__name__) from error
        raise ValueError(f"line {mark.line + 1}: {problem}") from error


class _Loader(yaml.SafeLoader):
    """Plain YAML without aliases, of which a few bytes could stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases such as *name are not read; write the value itself",
                problem_mark=self.peek_event().start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping whose keys all differ."""
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {name!r} stands there twice; remove one of them",
                    problem_mark=key.start_mark,
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 4e-3, which has no point, for text. YAML 1.2 and everybody else do not.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)
