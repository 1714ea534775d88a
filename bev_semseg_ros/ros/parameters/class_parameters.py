"""The class parameters: `classes` and score_threshold_CLASS for each class of a checkpoint.

The classes are known only when the checkpoint is loaded. So these parameters are declared when the
node is configured and undeclared when it is cleaned up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bev_semseg_ros.filtering import THRESHOLD_PREFIX, threshold_name
from bev_semseg_ros.ros.parameters.specification import Specification

CLASSES = "classes"
NO_THRESHOLD = (0.0,)  # the common score_threshold applies


def is_class_parameter(name: str) -> bool:
    """Return whether this is the name of a class parameter, whatever the classes are."""
    return name == CLASSES or name.startswith(THRESHOLD_PREFIX)


def threshold_specification(class_name: str) -> Specification:
    """Return the specification of score_threshold_CLASS for one class."""
    return Specification(
        threshold_name(class_name),
        NO_THRESHOLD,
        f"Lowest score of a published box of the class {class_name}: one value for all distances, "
        "or one for each band of distance_bands. 0: the value of score_threshold.",
        limits=(0.0, 1.0),
        is_live=True,
    )


def classes_specification(known: tuple[str, ...]) -> Specification:
    """Return the specification of the parameter `classes`; the default is all known classes."""
    return Specification(
        CLASSES, known, "Classes whose boxes are published.", choices=known, is_live=True
    )


@dataclass(frozen=True)
class ClassParameters:
    """Checked values of the class parameters.

    Attributes:
        known: The classes of the checkpoint's boxes. If there are none, no class parameter exists.
        classes: The classes whose boxes are published.
        thresholds: Score thresholds by parameter name, one for all distances or one for each
            distance band; 0: the common score_threshold.
        is_configured: Whether a checkpoint is loaded. If it is and `known` is empty, the
            checkpoint detects no boxes.
        was_set: Names of the parameters that were changed since the values were chosen.

    Raises:
        ValueError: If a value is not allowed; the message names the parameter.
    """

    known: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    thresholds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    is_configured: bool = False
    was_set: frozenset[str] = frozenset()

    @classmethod
    def defaults(cls, known: tuple[str, ...]) -> ClassParameters:
        """Return the defaults for a checkpoint with these classes.

        Raises:
            ValueError: If two classes would share a threshold parameter.
        """
        _check_names_differ(known)
        thresholds = {threshold_name(name): NO_THRESHOLD for name in known}
        return cls(known, known, thresholds, is_configured=True)

    def __post_init__(self) -> None:
        for name, specification in self.specifications().items():
            specification.check(self.values()[name])

    def specifications(self) -> dict[str, Specification]:
        """Return the specifications of the parameters that exist, by name."""
        if not self.known:
            return {}
        found = [threshold_specification(name) for name in self.known]
        return {each.name: each for each in (*found, classes_specification(self.known))}

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Return the values of the parameters that exist, by name."""
        return {**self.thresholds, CLASSES: self.classes} if self.known else {}

    def changed(self, values: Mapping[str, Any]) -> ClassParameters:
        """Return these parameters with some of them replaced.

        Raises:
            ValueError: If a value is not allowed; the message names the parameter.
        """
        specifications = self.specifications()
        checked = {name: specifications[name].check(value) for name, value in values.items()}
        # rclpy also reports the values of parameters that are being declared. They are not changes.
        before = self.values()
        was_set = {name for name, value in checked.items() if value != before[name]}
        classes = checked.pop(CLASSES, self.classes)
        return replace(
            self,
            classes=classes,
            thresholds={**self.thresholds, **checked},
            was_set=self.was_set | was_set,
        )

    def threshold_of(self, class_name: str) -> tuple[float, ...]:
        """Return the thresholds of a class; 0: the common score_threshold."""
        return self.thresholds[threshold_name(class_name)]

    def to_remember(self) -> dict[str, tuple[Any, ...]]:
        """Return the values to give to `for_classes` when the node is configured again.

        They are the values that were set while the node was configured. Those of the command line
        and of parameter files apply anyway. If `classes` was set to all known classes, its value is
        (): all classes of the next checkpoint.
        """
        values = {name: value for name, value in self.values().items() if name in self.was_set}
        if values.get(CLASSES) == self.known:
            values[CLASSES] = ()
        return values

    def why_unknown(self, name: str) -> str | None:
        """Explain why a class parameter does not exist; None if it does or is another parameter."""
        if not is_class_parameter(name) or name in self.values():
            return None
        if self.known:
            return (
                f"the checkpoint has no class {name.removeprefix(THRESHOLD_PREFIX)!r}; its "
                f"classes are {', '.join(self.known)}"
            )
        if self.is_configured:
            return "the checkpoint detects no boxes"
        return (
            "not declared. It exists while the node is configured, for the classes of its "
            "checkpoint: configure the node first, or give the value on the command line or in the "
            "parameter file"
        )


def _check_names_differ(classes: tuple[str, ...]) -> None:
    class_of: dict[str, str] = {}
    for name in classes:
        parameter = threshold_name(name)
        if parameter in class_of:
            raise ValueError(
                f"the checkpoint's classes {class_of[parameter]!r} and {name!r} would share the "
                f"parameter {parameter}: rename one of them in its label set"
            )
        class_of[parameter] = name


def for_classes(
    known: tuple[str, ...],
    given: Mapping[str, Any],
    remembered: Mapping[str, tuple[Any, ...]],
    bands: int,
) -> tuple[ClassParameters, list[str]]:
    """Choose the values for the classes of a checkpoint.

    Args:
        known: The classes; empty if the checkpoint detects nothing.
        given: Values from the command line and parameter files, by name.
        remembered: Values that were set during earlier configurations, by name. They take
            precedence over `given`.
        bands: Current number of distance bands.

    Returns:
        The parameters, and warnings about values that cannot be used.

    Raises:
        ValueError: If a given value is not allowed; the message names the parameter.
    """
    parameters = ClassParameters.defaults(known)
    names = parameters.values().keys()
    values = {name: value for name, value in given.items() if name in names}
    warnings = []
    for name in sorted(given):
        reason = parameters.why_unknown(name)
        if reason is not None:
            warnings.append(f"parameter {name} is ignored: {reason}")
    for name, value in remembered.items():
        if name not in names:
            continue
        if name == CLASSES:
            values[name], warnings_of_classes = _remembered_classes(value, known)
            warnings += warnings_of_classes
        elif len(value) in (1, bands):
            values[name] = value
        else:
            warnings.append(
                f"parameter {name}: {list(value)}, set before, is not used: distance_bands makes "
                f"{bands} bands now. Set it again"
            )
    return replace(parameters.changed(values), was_set=frozenset()), warnings


def _remembered_classes(
    classes: tuple[str, ...], known: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the remembered classes that the checkpoint has, or else all classes; and warnings."""
    kept = tuple(name for name in classes if name in known)
    lost = [name for name in classes if name not in known]
    if not lost:
        return kept or known, []
    warning = (
        f"parameter classes: {', '.join(map(repr, lost))}, set before, is left out: the "
        f"checkpoint has only {', '.join(known)}"
    )
    if not kept:
        warning += ". All classes are published"
    return kept or known, [warning]


def check_given(given: Mapping[str, Any]) -> None:
    """Check the types and ranges of given class parameters, before the classes are known.

    Raises:
        ValueError: If a value has the wrong type or range; the message names the parameter.
    """
    for name, value in given.items():
        if name.startswith(THRESHOLD_PREFIX):
            threshold_specification(name.removeprefix(THRESHOLD_PREFIX)).check(value)
        elif name == CLASSES:
            Specification(CLASSES, ("",), "").check(value)
