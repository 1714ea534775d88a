"""Reads the YAML files that users write: label sets, configurations, calibrations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.path_kind import Wanted, may_be_text, require_file, wrong_path

MAX_BYTES = 200_000  # such files have a few kilobytes; a larger file is something else

# Exceptions that PyYAML raises for damaged text. Its constructors of typed values, such as
# `!!int x`, raise built-in exceptions.
_DAMAGES = (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError)


def read_yaml(path: Path, wanted: Wanted = "YAML file") -> Any:
    """Read a YAML file of plain values.

    Args:
        path: UTF-8 text file of at most MAX_BYTES.
        wanted: Expected content of the file, for errors.

    Returns:
        The content: dictionaries, lists, strings, numbers and so on; None for an empty file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The path is a folder, or the file is too large, not UTF-8, not YAML, or has an
            alias or a duplicate key. The message names the file and, if known, the line.
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
            f"{path}: damaged YAML: not UTF-8 text ({error}); save the file as UTF-8"
        ) from error
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: damaged YAML: {error}") from error


def parse_yaml(text: str) -> Any:
    """Parse YAML text into plain values.

    Args:
        text: One YAML document.

    Raises:
        ValueError: The text is not YAML, or has an alias or a duplicate key.
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
    """Loader of plain YAML. It refuses aliases: with them, a short text can expand to any size."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, which must not be an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases such as *name are not read; write the value itself",
                problem_mark=self.peek_event().start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping, which must not have duplicate keys."""
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {name!r} occurs twice; remove one of them",
                    problem_mark=key.start_mark,
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


# A date is not a plain value: `name: 2020-01-01` is text.
_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}

# In YAML 1.1, 4e-3 is a string, because it has no decimal point. In YAML 1.2, it is a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)
