"""The beams of a lidar in a calibration file, for the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bev_semseg_ros.data.files import numbers

MAX_BEAMS = 1024  # of one lidar
STEPS = (0.01, 10.0)  # least and greatest angle between two shots of a beam, degrees
RANGES = (1.0, 1000.0)  # least and greatest range, metres
# Smaller values are radians: a full turn has 6.28 of them, and no lidar points many beams so close
# to the horizon.
MIN_SECTOR = 6.5  # degrees
MIN_ELEVATION = 1.6  # degrees, of the steepest of at least MANY_BEAMS beams
MANY_BEAMS = 8


@dataclass(frozen=True)
class Beams:
    """The beams of a lidar, as given in a calibration file. Only the simulator needs them.

    A given value overrides that of the model.

    Attributes:
        model: Model name, such as "VLP-16"; "" if not given.
        elevations: Elevation of each beam in the frame of the lidar, degrees; empty if not given.
        azimuth_step: Azimuth between two shots of a beam, degrees; None if not given.
        azimuths: First and last azimuth, counter-clockwise from the x axis of the lidar, degrees.
            None stands for those of the model, or else for a full turn.
        max_range: Maximum range, metres; None if not given.
    """

    model: str = ""
    elevations: tuple[float, ...] = ()
    azimuth_step: float | None = None
    azimuths: tuple[float, float] | None = None
    max_range: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the given values, as in a calibration file."""
        content: dict[str, Any] = {}
        if self.model:
            content["model"] = self.model
        if self.elevations:
            content["elevations"] = list(self.elevations)
        if self.azimuth_step is not None:
            content["azimuth_step"] = self.azimuth_step
        if self.azimuths is not None:
            content["azimuths"] = list(self.azimuths)
        if self.max_range is not None:
            content["max_range"] = self.max_range
        return content


_KEYS = ("model", "elevations", "azimuth_step", "azimuths", "max_range")


def read_beams(section: Any, where: str) -> Beams:
    """Check and convert the section `beams` of a lidar.

    Args:
        section: Content of the section.
        where: File and section, for the beginning of an error message.

    Returns:
        The beams. The values may be insufficient for a simulation.

    Raises:
        ValueError: The section is damaged; the message names the entry and what was expected.
    """
    if not isinstance(section, dict) or not section:
        raise ValueError(
            f"{where}: expected a mapping such as {{model: VLP-16}}, with the keys "
            f"{', '.join(_KEYS)}; got {section!r}"
        )
    unknown = [str(key) for key in section if key not in _KEYS]
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(_KEYS)}")
    model = section.get("model", "")
    if not isinstance(model, str):
        raise ValueError(f"{where}.model: expected the name of a lidar, got {model!r}")
    return Beams(
        model,
        _elevations(section, where),
        _number(section, "azimuth_step", STEPS, "degrees", where),
        _azimuths(section, where),
        _number(section, "max_range", RANGES, "metres", where),
    )


def _elevations(section: dict[str, Any], where: str) -> tuple[float, ...]:
    """Return the elevations in a section; empty if not given."""
    if "elevations" not in section:
        return ()
    where += ".elevations"
    values = section["elevations"]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_BEAMS:
        raise ValueError(f"{where}: expected a list of 1 to {MAX_BEAMS} angles, got {values!r}")
    elevations = numbers(values, (len(values),), where)
    largest = float(np.abs(elevations).max())
    if largest > 90:
        raise ValueError(f"{where}: expected degrees from -90 to 90, got {values!r}")
    if len(values) >= MANY_BEAMS and largest < MIN_ELEVATION:
        raise ValueError(
            f"{where}: {len(values)} beams within {largest:.2g} degrees of the horizon: these seem "
            "to be radians; give degrees"
        )
    return tuple(elevations.tolist())


def _azimuths(section: dict[str, Any], where: str) -> tuple[float, float] | None:
    """Return the first and the last azimuth in a section; None if not given."""
    if "azimuths" not in section:
        return None
    where += ".azimuths"
    first, last = numbers(section["azimuths"], (2,), where).tolist()
    if not -360 <= first < last <= min(first + 360, 360):
        raise ValueError(
            f"{where}: expected the first and the last angle in degrees, ascending and at most "
            f"360 apart, got {section['azimuths']!r}"
        )
    if last - first < MIN_SECTOR:
        raise ValueError(
            f"{where}: a sweep of {last - first:.3g} degrees: these seem to be radians; give "
            "degrees"
        )
    return first, last


def _number(
    section: dict[str, Any], key: str, bounds: tuple[float, float], unit: str, where: str
) -> float | None:
    """Return a number within bounds in a section; None if not given."""
    if key not in section:
        return None
    value = float(numbers(section[key], (), f"{where}.{key}"))
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(
            f"{where}.{key}: expected {low:g} to {high:g} {unit}, got {section[key]!r}"
        )
    return value
