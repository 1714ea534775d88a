"""Read settings from YAML, `--set` and plain values, and write them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from bev_semseg_ros.config.settings import Config
from bev_semseg_ros.yaml_file import parse_yaml, read_yaml

# Limit: a damaged or malicious file must not request more memory than the machine has.
MAX_VALUES = 10_000  # in a configuration

_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a configuration, or a part of it, as plain dictionaries, lists and numbers."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values: Any) -> Config:
    """Return a configuration from plain values. Settings that are not given keep their defaults.

    Raises:
        ValueError: unknown settings, or values of the wrong type or beyond their limits. The
            message names each of them.
    """
    if not isinstance(values, dict):
        raise ValueError(f"configuration: expected a mapping, got {type(values).__name__}")
    _check_count(values)
    values = dict(values)
    if isinstance(values.get("labels"), dict):
        values["labels"] = Config().labels | values["labels"]
    try:
        return _CONFIG.validate_json(json.dumps(values, default=repr))
    except ValidationError as error:
        raise ValueError("; ".join(_explain(dict(each)) for each in error.errors())) from None


def _check_count(values: Any) -> None:
    """Refuse a tree of more than MAX_VALUES values."""
    pending, count = [values], 0
    while pending:
        value = pending.pop()
        count += 1
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values, expected a configuration")
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value


def _explain(error: dict[str, Any]) -> str:
    """Describe in one line what is wrong with a setting."""
    path = [str(part) for part in error["loc"]]
    where = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown setting {where}; known here: {', '.join(_known(path[:-1]))}"
    reason = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict) else f", got {error['input']!r:.60}"
    if error["type"] == "tuple_type" and isinstance(error["input"], str):
        shown += f"; write [{error['input']:.60}]"
    return f"{where or 'configuration'}: {reason[:1].lower()}{reason[1:]}{shown}"


def _known(path: list[str]) -> list[str]:
    part: Any = Config()
    for name in path:
        part = getattr(part, name)
    return [field.name for field in dataclasses.fields(part)]


def load(path: str | Path) -> Config:
    """Read a YAML file of overrides.

    Raises:
        ValueError: names the file and the setting that is wrong.
    """
    content = read_yaml(Path(path), "settings")
    try:
        return from_dict({} if content is None else content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """Return a configuration with single settings replaced.

    Args:
        config: the configuration to start from.
        settings: settings such as `training.epochs=3`; the value is YAML.

    Raises:
        ValueError: an unknown setting or a value of the wrong type; the message names it.
    """
    values = to_dict(config)
    for setting in settings:
        key, equals, text = setting.partition("=")
        *parents, name = key.split(".")
        place: Any = values
        for parent in parents:
            # `from_dict` names an unknown section.
            place = place.setdefault(parent, {}) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict):
            raise ValueError(f"{setting}: expected a setting such as training.epochs=3")
        try:
            place[name] = parse_yaml(text)
        except ValueError as error:
            raise ValueError(f"{setting}: not a YAML value: {error}") from error
    return from_dict(values)


def save(config: Config, path: str | Path) -> None:
    """Write a configuration as YAML, with all defaults."""
    path = Path(path)
    # On a full disk, an empty file would remain, which means the defaults.
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.write_text(yaml.safe_dump(to_dict(config), sort_keys=False))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
