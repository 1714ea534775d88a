"""A label set as data: classes, colours, and the coarser or finer sets that it relates to.

Network, node and metrics get their classes only from here. Sets are YAML files. The shipped ones
lie in `labels/sets`; a file of one's own has the same form (docs/extending.md):

    classes:                      # in the order of their numbers
      car: {color: [40, 120, 255], heatmap_sigma: 1.6, suppression_radius: 1.6, neutral: [truck]}
    coarser:                      # another set -> its classes -> the classes here that they unite
      groups_6: {vehicle: [car], ignored: [...]}
    finer:                        # the same the other way round: whose classes are united here
      a2d2_38: {car: [Car], ignored: [...]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

MASK_IGNORED = 255  # of a pixel: it is of no class and counts for nothing
BOX_IGNORED = -1  # of a box: an object that counts neither as found nor as missed
BOX_NONE = -2  # of a box: not an object in this set, to be removed

MAX_CLASSES = 254
MAX_FILE_BYTES = 200_000  # a label set is a few kilobytes; YAML's aliases could make more of it
_SETS = Path(__file__).parent / "sets"
_SPECIAL = {"ignored": BOX_IGNORED, "none": BOX_NONE}
_DEFAULTS = {"heatmap_sigma": 1.2, "suppression_radius": 1.0}


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Names and properties of the classes of one task.

    Attributes:
        name: of a shipped set, or the stem of the file it came from.
        classes: names in the order of their numbers.
        colors: (N, 3) uint8 RGB.
        coarser: name of another set -> for each class here its class there, "ignored" or "none".
        finer: name of another set -> for each class *there* its class here, "ignored" or "none".
        heatmap_sigma: for each class the width of a ground-truth peak, in cells of the heatmap.
        suppression_radius: for each class, metres within which only the best box is kept.
        neutral: class -> classes (or "ignored") whose boxes count neither for nor against it.
    """

    name: str
    classes: tuple[str, ...]
    colors: np.ndarray
    coarser: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    finer: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    heatmap_sigma: tuple[float, ...] = ()
    suppression_radius: tuple[float, ...] = ()
    neutral: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "colors", np.asarray(self.colors, np.uint8).reshape(-1, 3))
        for key, value in _DEFAULTS.items():
            if not getattr(self, key):
                object.__setattr__(self, key, (value,) * len(self.classes))

    def __len__(self) -> int:
        return len(self.classes)

    def __eq__(self, other: object) -> bool:
        # Everything counts: sets of one name may map or be decoded differently.
        return isinstance(other, LabelSet) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def index(self, name: str) -> int:
        """Return the number of a class.

        Raises:
            ValueError: the set has no such class; the message names those it has.
        """
        if name not in self.classes:
            raise ValueError(
                f"unknown class {name!r} of the label set {self.name}, "
                f"expected one of {', '.join(self.classes)}"
            )
        return self.classes.index(name)

    def colorize(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask (h, w) of class numbers as colours (h, w, 3) uint8; ignored is black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colors
        return table.take(mask, 0)

    def maps_to(self, other: LabelSet) -> bool:
        """Return whether every class here maps to a class of `other`, to ignored or to none."""
        return self._names_in(other) is not None

    def mapping_to(self, other: LabelSet) -> np.ndarray:
        """Return for each class its number in another set.

        Returns:
            (N,) int64: numbers of `other`, BOX_IGNORED or BOX_NONE.

        Raises:
            ValueError: neither set says how the classes relate.
        """
        names = self._names_in(other)
        if names is None:
            raise ValueError(
                f"the label set {self.name} does not map to {other.name}: add the mapping under "
                f"`coarser` of {self.name} or under `finer` of {other.name}"
            )
        numbers = _SPECIAL | {name: number for number, name in enumerate(other.classes)}
        return np.array([numbers[name] for name in names], np.int64)

    def mask_table(self, other: LabelSet) -> np.ndarray:
        """Return (256,) uint8: mask values of this set -> those of another, or MASK_IGNORED."""
        table = np.full(256, MASK_IGNORED, np.uint8)
        numbers = self.mapping_to(other)
        table[: len(self)] = np.where(numbers < 0, MASK_IGNORED, numbers)
        return table

    def coarser_sets(self) -> list[LabelSet]:
        """Return the shipped sets that this one maps to, itself left out, finest first."""
        names = list(self.coarser)
        for name in names:  # it grows meanwhile: a mapping may lead through several sets
            names += [next_ for next_ in load_label_set(name).coarser if next_ not in names]
        sets = [load_label_set(name) for name in names]
        return sorted(sets, key=lambda labels: -len(labels))

    def _names_in(self, other: LabelSet) -> tuple[str, ...] | None:
        """Return for each class its name in another set, or None if the sets do not relate."""
        if self.classes == other.classes:
            return self.classes
        if other.name in self.coarser:
            return self.coarser[other.name]
        if self.name in other.finer and set(self.classes) <= set(other.finer[self.name]):
            return tuple(other.finer[self.name][name] for name in self.classes)
        for name in self.coarser:  # by way of a set between
            between = load_label_set(name)
            further = between._names_in(other)
            if further is not None:
                ours = self.coarser[name]
                return tuple(n if n in _SPECIAL else further[between.index(n)] for n in ours)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint, which `from_dict` accepts."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "colors": self.colors.tolist(),
            "coarser": {name: list(there) for name, there in self.coarser.items()},
            "finer": {name: dict(here) for name, here in self.finer.items()},
            "heatmap_sigma": list(self.heatmap_sigma),
            "suppression_radius": list(self.suppression_radius),
            "neutral": {name: list(others) for name, others in self.neutral.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LabelSet:
        """Return the set that `to_dict` described.

        Raises:
            ValueError: a value is missing, of another type, or does not fit the others.
        """
        try:
            labels = cls(
                str(values["name"]),
                tuple(map(str, values["classes"])),
                np.array(values["colors"], np.uint8),
                {str(name): tuple(map(str, there)) for name, there in values["coarser"].items()},
                {str(name): dict(here) for name, here in values["finer"].items()},
                tuple(map(float, values["heatmap_sigma"])),
                tuple(map(float, values["suppression_radius"])),
                {str(name): tuple(others) for name, others in values["neutral"].items()},
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"damaged label set: {error!r}") from error
        labels._check()
        return labels

    def _check(self) -> None:
        """Refuse a set from a checkpoint whose parts do not fit together."""
        count = len(self)
        lengths = {len(self.colors), len(self.heatmap_sigma), len(self.suppression_radius)}
        lengths |= {len(there) for there in self.coarser.values()}
        if not 0 < count <= MAX_CLASSES or lengths != {count}:
            raise ValueError(f"damaged label set {self.name}: its parts are of different lengths")
        if len(set(self.classes)) < count:
            raise ValueError(f"damaged label set {self.name}: a class stands there twice")
        named = [(load_label_set(name), there) for name, there in self.coarser.items()]
        named += [(self, tuple(here.values())) for here in self.finer.values()]
        for labels, names in named:
            if unknown := set(names) - {*labels.classes, *_SPECIAL}:
                raise ValueError(
                    f"damaged label set {self.name}: {min(map(str, unknown))!r} is no class of "
                    f"{labels.name}"
                )


@cache
def shipped_label_sets() -> tuple[str, ...]:
    """Return the names of the shipped sets."""
    return tuple(sorted(path.stem for path in _SETS.glob("*.yaml")))


def load_label_set(name: str | Path) -> LabelSet:
    """Return a shipped set by its name, or one from a YAML file.

    Args:
        name: such as "driving_13", or the path of a file that ends in .yaml or .yml.

    Raises:
        ValueError: no such set (the message lists the shipped ones), or a damaged file.
        FileNotFoundError: no such file.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such label set")
        return _read(path)
    if str(name) not in shipped_label_sets():
        raise ValueError(
            f"unknown label set {str(name)!r}, expected one of {', '.join(shipped_label_sets())}, "
            "or a YAML file"
        )
    return _shipped(str(name))


def shared_label_set(first: LabelSet, second: LabelSet) -> LabelSet | None:
    """Return the finest set that both map to, or None if there is none.

    Labels of one set train and score a network of another by way of it.
    """
    candidates = [first, second, *first.coarser_sets(), *second.coarser_sets()]
    shared = [each for each in candidates if first.maps_to(each) and second.maps_to(each)]
    return max(shared, key=len, default=None)


@cache
def _shipped(name: str) -> LabelSet:
    return _read(_SETS / f"{name}.yaml")


def _read(path: Path) -> LabelSet:
    if path.parent != _SETS and path.stem in shipped_label_sets():
        raise ValueError(f"{path}: {path.stem} is the name of a shipped label set; rename the file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: more than {MAX_FILE_BYTES} bytes, expected a label set")
    try:
        content = yaml.load(path.read_text(), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: damaged YAML: {error}") from error
    content = _mapping(content, f"{path}")
    if unknown := sorted(set(map(str, content)) - {"classes", "coarser", "finer"}):
        raise ValueError(
            f"{path}: unknown key {', '.join(unknown)}, expected classes, coarser, finer"
        )
    entries = _mapping(content.get("classes"), f"{path}: classes")
    classes = tuple(map(str, entries))
    if not 0 < len(classes) <= MAX_CLASSES:
        raise ValueError(f"{path}: expected 1 to {MAX_CLASSES} classes, got {len(classes)}")
    if reserved := [name for name in classes if name in _SPECIAL]:
        raise ValueError(f"{path}: {reserved[0]!r} cannot be the name of a class")
    properties = {
        name: _properties(entry, classes, f"{path}: classes.{name}")
        for name, entry in zip(classes, entries.values(), strict=True)
    }
    coarser = {}
    for other, united in _mapping(content.get("coarser") or {}, f"{path}: coarser").items():
        where = f"{path}: coarser.{other}"
        if str(other) not in shipped_label_sets():
            raise ValueError(
                f"{where}: unknown label set, expected one of {', '.join(shipped_label_sets())}"
            )
        found = _by_member(united, where, load_label_set(str(other)).classes)
        _check_members(found, classes, where)
        coarser[str(other)] = tuple(found[name] for name in classes)
    finer = {}
    for other, united in _mapping(content.get("finer") or {}, f"{path}: finer").items():
        where = f"{path}: finer.{other}"
        finer[str(other)] = _by_member(united, where, classes)
        if str(other) in shipped_label_sets():
            _check_members(finer[str(other)], load_label_set(str(other)).classes, where)
    return LabelSet(
        path.stem,
        classes,
        np.array([properties[name]["color"] for name in classes]),
        coarser,
        finer,
        tuple(properties[name]["heatmap_sigma"] for name in classes),
        tuple(properties[name]["suppression_radius"] for name in classes),
        {name: each["neutral"] for name, each in properties.items() if each["neutral"]},
    )


class _Loader(yaml.SafeLoader):
    """Plain YAML without aliases, of which a few bytes could stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="a label set has no aliases", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping whose keys all differ."""
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                problem = f"{name!r} stands there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a mapping, got {type(value).__name__}")
    return value


def _properties(entry: Any, classes: tuple[str, ...], where: str) -> dict[str, Any]:
    entry = _mapping(entry, where)
    known = ("color", "neutral", *_DEFAULTS)
    if unknown := sorted(set(map(str, entry)) - set(known)):
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}, expected {', '.join(known)}")
    color = entry.get("color")
    if not (
        isinstance(color, list)
        and len(color) == 3
        and all(isinstance(part, int) and 0 <= part <= 255 for part in color)
    ):
        raise ValueError(f"{where}.color: expected [red, green, blue] of 0 to 255, got {color!r}")
    numbers = {key: entry.get(key, default) for key, default in _DEFAULTS.items()}
    for key, value in numbers.items():
        if not isinstance(value, int | float) or not 0 < value < 100:
            raise ValueError(f"{where}.{key}: expected a number above 0, got {value!r}")
    neutral = entry.get("neutral", [])
    if not isinstance(neutral, list) or any(each not in (*classes, "ignored") for each in neutral):
        raise ValueError(
            f"{where}.neutral: expected a list of {', '.join(classes)} or ignored, got {neutral!r}"
        )
    return {"color": color, "neutral": tuple(neutral), **numbers}


def _check_members(found: Mapping[str, str], classes: tuple[str, ...], where: str) -> None:
    """Refuse a mapping that leaves out a class of the finer set, or has one that is not there."""
    if unknown := sorted(set(found) - set(classes)):
        raise ValueError(f"{where}: unknown class {unknown[0]!r}, expected {', '.join(classes)}")
    if missing := [name for name in classes if name not in found]:
        raise ValueError(
            f"{where}: {', '.join(missing)} stand under no class; what has none stands under "
            "ignored or none"
        )


def _by_member(united: Any, where: str, coarse_classes: Iterable[str]) -> dict[str, str]:
    """Turn {coarse class: [fine classes]} into {fine class: coarse class}."""
    known = [*coarse_classes, *_SPECIAL]
    found: dict[str, str] = {}
    for coarse, members in _mapping(united, where).items():
        if coarse not in known:
            raise ValueError(f"{where}: unknown class {coarse!r}, expected {', '.join(known)}")
        if not isinstance(members, list):
            raise ValueError(f"{where}.{coarse}: expected a list of classes, got {members!r}")
        for member in map(str, members):
            if member in found:
                raise ValueError(f"{where}: {member!r} stands under two classes")
            found[member] = str(coarse)
    return found
