"""Defines label sets: classes, colours, and mappings to coarser or finer sets.

The network, the node and the metrics get their classes only from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.labels.label_file import check_members, read_label_file
from bev_semseg_ros.path_kind import require_file, wrong_path

MASK_IGNORED = 255  # of a pixel: it has no class and is ignored
BOX_IGNORED = -1  # of a box: an object that counts neither as found nor as missed
BOX_NONE = -2  # of a box: not an object in this set, to be removed

# The label sets of the shipped network, and of data that do not name another one.
DEFAULT_BOX_LABELS = "boxes_4"
DEFAULT_MASK_LABELS = "driving_13"
DEFAULT_BEV_LABELS = "bev_8"

MAX_CLASSES = 254
MAX_PROPERTY = 100  # for the properties in _DEFAULTS: heatmap cells or metres
_SETS = Path(__file__).parent / "sets"
_SPECIAL = {"ignored": BOX_IGNORED, "none": BOX_NONE}
_DEFAULTS = {"heatmap_sigma": 1.2, "suppression_radius": 1.0}


class UnknownLabelError(ValueError):
    """Data have a class or colour that is not in their label set.

    Attributes:
        label: The class or colour, as written in the data.
        remedy: What to do.
    """

    def __init__(self, message: str, label: str, remedy: str) -> None:
        super().__init__(message)
        self.label = label
        self.remedy = remedy


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Names and properties of the classes of one task.

    Attributes:
        name: Name of the set; that of a set from a file is the stem of the file's name.
        classes: Names of the classes, in the order of their numbers.
        colors: (N, 3) uint8 RGB colours of the classes.
        coarser: Name of another set -> for each class here, its class there, "ignored" or "none".
        finer: Name of another set -> for each class *there*, its class here, "ignored" or "none".
        heatmap_sigma: Width of a ground-truth peak for each class, in cells of the heatmap.
        suppression_radius: Radius for each class within which only the best box is kept, metres.
        neutral: Class -> classes (or "ignored") whose boxes count neither for nor against it.
        ignored_in: Name of a set in `coarser` -> classes here that map to a class there, but whose
            boxes are ignored there.

    Raises:
        ValueError: A value is invalid or inconsistent with the others.
    """

    name: str
    classes: tuple[str, ...]
    colors: np.ndarray
    coarser: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    finer: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    heatmap_sigma: tuple[float, ...] = ()
    suppression_radius: tuple[float, ...] = ()
    neutral: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in _DEFAULTS.items():
            if not getattr(self, key):
                object.__setattr__(self, key, (value,) * len(self.classes))
        try:
            self._check()
        except ValueError as error:
            raise ValueError(f"label set {self.name}: {error}") from error
        object.__setattr__(self, "colors", np.asarray(self.colors, np.uint8).reshape(-1, 3))
        for key in _DEFAULTS:
            object.__setattr__(self, key, tuple(map(float, getattr(self, key))))

    def __len__(self) -> int:
        return len(self.classes)

    def __eq__(self, other: object) -> bool:
        # Compare all attributes: sets with the same name can have different mappings or properties.
        return isinstance(other, LabelSet) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def index(self, name: str) -> int:
        """Return the number of a class.

        Raises:
            UnknownLabelError: The set has no such class; the message lists its classes.
        """
        if name not in self.classes:
            raise UnknownLabelError(
                f"unknown class {name!r} of the label set {self.name}, "
                f"expected one of {', '.join(self.classes)}",
                name,
                "give these labels one of the names that are expected, or delete them; KITTI's "
                "object layout can have your own classes (docs/training.md, 'Classes of your own')",
            )
        return self.classes.index(name)

    def colorize(self, mask: np.ndarray) -> np.ndarray:
        """Return the (h, w, 3) uint8 RGB colours of a mask (h, w); ignored pixels are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colors
        return table.take(mask, 0)

    def maps_to(self, other: LabelSet) -> bool:
        """Return whether every class here maps to a class of `other`, "ignored" or "none"."""
        return self._relation(other) is not None

    def mapping_to(self, other: LabelSet) -> np.ndarray:
        """Return the number of each class in another set.

        Returns:
            (N,) int64: numbers of classes of `other`, BOX_IGNORED or BOX_NONE.

        Raises:
            ValueError: Neither set has a mapping to the other.
        """
        numbers = _SPECIAL | {name: number for number, name in enumerate(other.classes)}
        names, _ = self._known_relation(other)
        return np.array([numbers[name] for name in names], np.int64)

    def ignored_boxes(self, other: LabelSet) -> np.ndarray:
        """Return (N,) bool: classes whose boxes are ignored in another set (see `ignored_in`).

        Raises:
            ValueError: Neither set has a mapping to the other.
        """
        _, ignored = self._known_relation(other)
        return np.array([name in ignored for name in self.classes])

    def _known_relation(self, other: LabelSet) -> tuple[tuple[str, ...], frozenset[str]]:
        relation = self._relation(other)
        if relation is None:
            raise ValueError(
                f"the label set {self.name} does not map to {other.name}: add the mapping under "
                f"`coarser` of {self.name} or under `finer` of {other.name}"
            )
        return relation

    def mask_table(self, other: LabelSet) -> np.ndarray:
        """Return (256,) uint8: mask value of this set -> that of another set, or MASK_IGNORED."""
        table = np.full(256, MASK_IGNORED, np.uint8)
        numbers = self.mapping_to(other)
        table[: len(self)] = np.where(numbers < 0, MASK_IGNORED, numbers)
        return table

    def with_shipped_mappings(self) -> LabelSet:
        """Return a stored set with the mappings that the shipped set of its name has in addition.

        A set with other classes than the shipped one is returned unchanged.
        """
        if self.name not in shipped_label_sets():
            return self
        shipped = load_label_set(self.name)
        if self.classes != shipped.classes:
            return self
        return replace(
            self,
            coarser={**shipped.coarser, **self.coarser},
            finer={**shipped.finer, **self.finer},
        )

    def coarser_sets(self) -> list[LabelSet]:
        """Return the shipped sets that this set maps to, finest first, without the set itself."""
        names = list(self.coarser)
        for name in names:  # the list grows: mappings can be chained through several sets
            names += [next_ for next_ in load_label_set(name).coarser if next_ not in names]
        sets = [load_label_set(name) for name in names]
        return sorted(sets, key=lambda labels: -len(labels))

    def _relation(self, other: LabelSet) -> tuple[tuple[str, ...], frozenset[str]] | None:
        """Return how the classes relate to those of another set, or None if they do not.

        Returns:
            The name of each class in the other set, and the classes whose boxes are ignored there.
        """
        if self.classes == other.classes:
            return self.classes, frozenset()
        if other.name in self.coarser:
            return self.coarser[other.name], frozenset(self.ignored_in.get(other.name, ()))
        if self.name in other.finer and set(self.classes) <= set(other.finer[self.name]):
            return tuple(other.finer[self.name][name] for name in self.classes), frozenset()
        for name, ours in self.coarser.items():  # via an intermediate set
            between = load_label_set(name)
            relation = between._relation(other)
            if relation is not None:
                further = dict(zip(between.classes, relation[0], strict=True))
                ignored = set(self.ignored_in.get(name, ()))
                for here, there in zip(self.classes, ours, strict=True):
                    if there in relation[1]:
                        ignored.add(here)
                return tuple(further.get(there, there) for there in ours), frozenset(ignored)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the set as plain values for a checkpoint; `from_dict` is the inverse."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "colors": self.colors.tolist(),
            "coarser": {name: list(there) for name, there in self.coarser.items()},
            "finer": {name: dict(here) for name, here in self.finer.items()},
            "heatmap_sigma": list(self.heatmap_sigma),
            "suppression_radius": list(self.suppression_radius),
            "neutral": {name: list(others) for name, others in self.neutral.items()},
            "ignored_in": {name: list(classes) for name, classes in self.ignored_in.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LabelSet:
        """Return a set from the values that `to_dict` returned.

        Raises:
            ValueError: A value is missing, has another type, or is inconsistent with the others.
        """
        try:
            arguments: dict[str, Any] = {
                "classes": tuple(values["classes"]),
                "colors": list(values["colors"]),
                "coarser": {str(name): tuple(each) for name, each in values["coarser"].items()},
                "finer": {
                    str(name): {str(theirs): ours for theirs, ours in here.items()}
                    for name, here in values["finer"].items()
                },
                "heatmap_sigma": tuple(values["heatmap_sigma"]),
                "suppression_radius": tuple(values["suppression_radius"]),
                "neutral": {str(name): tuple(each) for name, each in values["neutral"].items()},
                # Older checkpoints lack it.
                "ignored_in": {
                    str(name): tuple(each) for name, each in values.get("ignored_in", {}).items()
                },
            }
            name = str(values["name"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged label set: {error!r}") from error
        try:
            return cls(name, **arguments)
        except ValueError as error:
            raise ValueError(f"damaged {error}") from error

    def _check(self) -> None:
        """Raise ValueError if values are invalid or inconsistent."""
        self._check_classes()
        parts: dict[str, Any] = {
            "colors": self.colors,
            "heatmap_sigma": self.heatmap_sigma,
            "suppression_radius": self.suppression_radius,
            **{f"coarser.{name}": there for name, there in self.coarser.items()},
        }
        for where, values in parts.items():
            if len(values) != len(self):
                raise ValueError(f"{where}: {len(values)} values for {len(self)} classes")
        for name, color in zip(self.classes, self.colors, strict=True):
            if not _is_color(color):
                raise ValueError(
                    f"classes.{name}.color: expected [red, green, blue] of 0 to 255, got {color!r}"
                )
        for key in _DEFAULTS:
            for name, value in zip(self.classes, getattr(self, key), strict=True):
                if not _is_number(value) or not 0 < value < MAX_PROPERTY:
                    raise ValueError(
                        f"classes.{name}.{key}: expected a number above 0 and below "
                        f"{MAX_PROPERTY}, got {value!r}"
                    )
        self._check_neutral()
        self._check_mappings()

    def _check_classes(self) -> None:
        if not 0 < len(self) <= MAX_CLASSES:
            raise ValueError(f"expected 1 to {MAX_CLASSES} classes, got {len(self)}")
        for name in self.classes:
            if not isinstance(name, str) or not name or name in _SPECIAL:
                raise ValueError(f"classes: {name!r} cannot be the name of a class; choose another")
        if twice := [name for name in self.classes if self.classes.count(name) > 1]:
            raise ValueError(f"classes: {twice[0]!r} occurs twice")

    def _check_neutral(self) -> None:
        known = (*self.classes, "ignored")
        for name, others in self.neutral.items():
            if name not in self.classes:
                raise ValueError(
                    f"neutral: unknown class {name!r}, expected {', '.join(self.classes)}"
                )
            if any(other not in known for other in others):
                raise ValueError(
                    f"classes.{name}.neutral: expected a list of {', '.join(self.classes)} or "
                    f"ignored, got {list(others)}"
                )

    def _check_mappings(self) -> None:
        for name, classes in self.ignored_in.items():
            if name not in self.coarser:
                raise ValueError(f"ignored_in.{name}: expected a set that `coarser` names")
            for each in classes:
                if each not in self.classes:
                    raise ValueError(
                        f"ignored_in.{name}: unknown class {each!r}, expected "
                        f"{', '.join(self.classes)}"
                    )
        shipped = shipped_label_sets()
        for name, there in self.coarser.items():
            if name not in shipped:
                raise ValueError(
                    f"coarser.{name}: unknown label set, expected one of {', '.join(shipped)}"
                )
            _check_names(there, load_label_set(name).classes, f"coarser.{name}")
        for name, here in self.finer.items():
            _check_names(list(here.values()), self.classes, f"finer.{name}")
            if name in shipped:
                check_members(here, load_label_set(name).classes, f"finer.{name}")


def _is_color(value: Any) -> bool:
    """Return whether a value is three whole numbers from 0 to 255."""
    try:
        parts = np.asarray(value)
    except ValueError:  # nested lists of different lengths
        return False
    if parts.shape != (3,) or parts.dtype.kind not in "iuf":
        return False
    return bool(((parts >= 0) & (parts <= 255) & (parts == np.round(parts))).all())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_names(names: Sequence[Any], classes: Sequence[str], where: str) -> None:
    """Raise ValueError for a name that is neither in `classes` nor "ignored" or "none"."""
    known = (*classes, *_SPECIAL)
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: unknown class {name!r}, expected {', '.join(known)}")


@cache
def shipped_label_sets() -> tuple[str, ...]:
    """Return the names of the shipped sets, sorted."""
    return tuple(sorted(path.stem for path in _SETS.glob("*.yaml")))


def load_label_set(name: str | Path) -> LabelSet:
    """Return a shipped set by its name, or one from a YAML file.

    Args:
        name: Name such as "driving_13", or path of a file that ends in .yaml or .yml.

    Raises:
        ValueError: There is no such set (the message lists the shipped ones), or the file is
            damaged.
        FileNotFoundError: There is no such file.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        require_file(path, "label set")
        return _read(path)
    if str(name) not in shipped_label_sets():
        if path.exists():
            raise wrong_path(path, "label set")
        raise ValueError(
            f"unknown label set {str(name)!r}, expected one of {', '.join(shipped_label_sets())}, "
            "or a YAML file"
        )
    return _shipped(str(name))


def shared_label_set(first: LabelSet, second: LabelSet) -> LabelSet | None:
    """Return the finest set that both sets map to, or None if there is none.

    With it, labels of one set can train and score a network that has the classes of the other.
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
    arguments = read_label_file(path, _DEFAULTS)
    try:
        return LabelSet(path.stem, **arguments)
    except ValueError as error:
        reason = str(error).removeprefix(f"label set {path.stem}: ")
        raise ValueError(f"{path}: {reason}") from error
