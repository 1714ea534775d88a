"""Reads a label set from a YAML file.

The shipped sets are in `labels/sets`. Your own file has the same form (docs/extending.md):

    classes:                      # in the order of their class numbers
      car: {color: [40, 120, 255], heatmap_sigma: 1.6, suppression_radius: 1.6, neutral: [truck]}
    coarser:                      # another set -> its classes -> the classes here in each
      groups_6: {vehicle: [car], ignored: [...]}
    finer:                        # another set -> classes here -> the classes there in each
      a2d2_38: {car: [Car], ignored: [...]}
    ignored_in:                   # coarser set -> classes here whose boxes are ignored there,
      groups_6: [car]             # even though they map to a class

These properties of a class apply only to boxes:

- `heatmap_sigma`: the detection head predicts a heatmap with a peak at the centre of each object.
  This is the width of the peak in the ground truth, in output cells.
- `suppression_radius`: distance in metres. Among boxes of the class that are closer together than
  this, only the one with the highest score is kept.
- `neutral`: other classes. A prediction of this class that matches a labelled box of one of them is
  ignored: with `truck` neutral for `car`, a car predicted at a labelled truck is not a false
  positive. The word `ignored` stands for all boxes whose labels are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bev_semseg_ros.yaml_file import read_yaml

_KEYS = ("classes", "coarser", "finer", "ignored_in")
_PROPERTIES = ("color", "neutral", "heatmap_sigma", "suppression_radius")


def read_label_file(path: Path, defaults: Mapping[str, float]) -> dict[str, Any]:
    """Read the file of a label set.

    This checks only the structure of the file; `LabelSet` checks the values.

    Args:
        path: The YAML file.
        defaults: Values of the properties that a class may leave out.

    Returns:
        The arguments of `LabelSet` by name, without the name of the set.

    Raises:
        ValueError: The file is damaged or has another structure; the message says where.
    """
    content = _mapping(read_yaml(path, "label set"), f"{path}", _KEYS)
    entries = _mapping(content.get("classes"), f"{path}: classes")
    classes = tuple(map(str, entries))
    properties = [
        _properties(entry, f"{path}: classes.{name}", defaults)
        for name, entry in zip(classes, entries.values(), strict=True)
    ]
    coarser = {}
    for other, united in _mapping(content.get("coarser") or {}, f"{path}: coarser").items():
        where = f"{path}: coarser.{other}"
        coarser[str(other)] = _in_order(_by_member(united, where), classes, where)
    finer = {}
    for other, united in _mapping(content.get("finer") or {}, f"{path}: finer").items():
        finer[str(other)] = _by_member(united, f"{path}: finer.{other}")
    ignored_in = {}
    for other, members in _mapping(content.get("ignored_in") or {}, f"{path}: ignored_in").items():
        where = f"{path}: ignored_in.{other}"
        ignored_in[str(other)] = _class_list(members, where)
    return {
        "classes": classes,
        "colors": [each["color"] for each in properties],
        "coarser": coarser,
        "finer": finer,
        "heatmap_sigma": tuple(each["heatmap_sigma"] for each in properties),
        "suppression_radius": tuple(each["suppression_radius"] for each in properties),
        "neutral": {
            name: each["neutral"]
            for name, each in zip(classes, properties, strict=True)
            if each["neutral"]
        },
        "ignored_in": ignored_in,
    }


def _mapping(value: Any, where: str, known: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Return `value` if it is a mapping with only known keys; an empty `known` allows any key."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a mapping, got {type(value).__name__}")
    unknown = sorted(set(map(str, value)) - set(known))
    if known and unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}, expected {', '.join(known)}")
    return value


def _properties(entry: Any, where: str, defaults: Mapping[str, float]) -> dict[str, Any]:
    """Return the properties of a class, with defaults for those that are left out."""
    entry = _mapping(entry, where, _PROPERTIES)
    neutral = entry.get("neutral", [])
    if not isinstance(neutral, list):
        raise ValueError(f"{where}.neutral: expected a list of classes, got {neutral!r}")
    return {"color": None, **defaults, **entry, "neutral": tuple(neutral)}


def _class_list(members: Any, where: str) -> tuple[str, ...]:
    if not isinstance(members, list):
        raise ValueError(f"{where}: expected a list of classes, got {members!r}")
    return tuple(map(str, members))


def _by_member(united: Any, where: str) -> dict[str, str]:
    """Turn {coarse class: [fine classes]} into {fine class: coarse class}."""
    found: dict[str, str] = {}
    for coarse, members in _mapping(united, where).items():
        for member in _class_list(members, f"{where}.{coarse}"):
            if member in found:
                raise ValueError(f"{where}: {member!r} is in two groups: keep it in one of them")
            found[member] = str(coarse)
    return found


def _in_order(found: Mapping[str, str], classes: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the coarser class of each class, in the order of `classes`."""
    check_members(found, classes, where)
    return tuple(found[name] for name in classes)


def check_members(found: Mapping[str, str], classes: tuple[str, ...], where: str) -> None:
    """Check that a mapping names every class of the finer set and no other.

    Args:
        found: Finer class -> coarser class.
        classes: The classes of the finer set.
        where: Beginning of an error message.

    Raises:
        ValueError: A class is unknown or missing; the message names it.
    """
    if unknown := sorted(set(found) - set(classes)):
        raise ValueError(f"{where}: unknown class {unknown[0]!r}, expected {', '.join(classes)}")
    if missing := [name for name in classes if name not in found]:
        raise ValueError(
            f"{where}: no group has {', '.join(missing)}: add each to a group, or to `ignored` or "
            "`none`"
        )
