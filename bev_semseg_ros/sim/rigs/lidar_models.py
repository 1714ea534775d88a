"""Beams of common lidars, by the manufacturers' model names, and of lidars in calibration files.

Angles and ranges are the manufacturers' nominal values at 10 turns a second. The angles were
compared with the calibration files of the open drivers ros-drivers/velodyne and tier4/nebula:
VLP-16-HiRes, VLP-32C, HDL-32E and VLS-128 are equal; Pandar40P, Pandar64 and PandarXT-32 differ by
at most 0.21 degrees, Pandar128 by 0.13. VLP-16 was compared with the points of A2D2's lidars. The
others (HDL-64E, Ouster, RoboSense, Livox) and all ranges were not compared with a source. Use
`bev-semseg doctor` to measure your own lidar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.data.calibration import Beams
from bev_semseg_ros.sim.rigs.rig import Lidar

FULL_TURN = (-180.0, 180.0)
_TOLERANCE = 0.2  # degrees by which a measured beam may differ from that of a model


@dataclass(frozen=True)
class BeamPattern:
    """Directions and range of the beams of a lidar.

    Attributes:
        elevations: Elevation of each beam in degrees.
        azimuth_step: Degrees between two shots of a beam.
        max_range: Metres beyond which no point is returned.
        azimuths: First and last azimuth in degrees, counter-clockwise from the x axis of the lidar.
        heights: Metres above the sensor's origin from which each beam starts; empty if all are 0.
    """

    elevations: tuple[float, ...]
    azimuth_step: float
    max_range: float
    azimuths: tuple[float, float] = FULL_TURN
    heights: tuple[float, ...] = ()


def _even(first: float, last: float, count: int) -> tuple[float, ...]:
    """Return `count` evenly spaced angles, including both ends."""
    return tuple(round(float(angle), 4) for angle in np.linspace(first, last, count))


def _ouster(field_of_view: float, beams: int, max_range: float) -> BeamPattern:
    """Return the beams of an Ouster lidar with 1024 columns per turn."""
    half = field_of_view / 2
    return BeamPattern(_even(-half, half, beams), 360 / 1024, max_range)


def _raster(
    rows: int, columns: int, low: float, high: float, width: float, max_range: float
) -> BeamPattern:
    """Return a raster; that of a Livox has as many points per frame as its rosette pattern."""
    step = width / columns
    return BeamPattern(_even(low, high, rows), step, max_range, (-width / 2, width / 2))


# fmt: off
_VLP_32C = (
    -25, -15.639, -11.31, -8.843, -7.254, -6.148, -5.333, -4.667, *_even(-4, 1.6667, 18),
    2.333, 3.333, 4.667, 7, 10.333, 15,
)
_VLS_128 = (
    -25, -19.582, -16.042, -13.565, -11.742, -10.346, -9.244, -8.352, -7.65, -7.15, -6.85, -6.65,
    *_even(-6.5, 4.83, 104),
    4.98, 5.18, 5.43, 5.73, 6.08, 6.48, 6.98, 7.58, 8.43, 9.7, 11.75, 15,
)
_PANDAR_128 = (
    15.14, 13.43, 11.92, 10.63, *_even(9.97, 7.95, 4), *_even(7.59, 2.2, 16),
    *_even(2.08, -5.91, 65), *_even(-6.29, -17.64, 32), *_even(-18.33, -20.32, 4),
    -21.6, -22.99, -24.71,
)
_RS_LIDAR_32 = (
    -25, -14.638, -10.281, -7.91, -6.424, -5.407, *_even(-4.6667, 1.6667, 20),
    2.333, 3.333, 4.667, 7, 10.333, 15,
)
_RS_RUBY = (
    -25, -19.58, -16.04, -13.57, -11.74, -10.35, -9.24, -8.35, -7.65, -7.15, -6.85, -6.65,
    *_even(-6.5, 3.8, 104),
    3.96, 4.16, 4.41, 4.71, 5.06, 5.46, 5.96, 6.56, 7.41, 9, 11.5, 15,
)
# fmt: on

# Model -> its beams.
MODELS: dict[str, BeamPattern] = {
    # Velodyne
    "VLP-16": BeamPattern(_even(-15, 15, 16), 0.2, 100),
    "VLP-16-HiRes": BeamPattern(_even(-10, 10, 16), 0.2, 100),
    "VLP-32C": BeamPattern(_VLP_32C, 0.2, 200),
    "HDL-32E": BeamPattern(_even(-30.6667, 10.6667, 32), 0.166, 100),
    "HDL-64E": BeamPattern(
        _even(2, -8.3333, 32) + _even(-8.8333, -24.3333, 32),
        0.172,
        120,
        heights=(0.21,) * 32 + (0.125,) * 32,
    ),
    "VLS-128": BeamPattern(_VLS_128, 0.2, 245),
    # Ouster
    "OS0-32": _ouster(90, 32, 50),
    "OS0-64": _ouster(90, 64, 50),
    "OS0-128": _ouster(90, 128, 50),
    "OS1-32": _ouster(45, 32, 120),
    "OS1-64": _ouster(45, 64, 120),
    "OS1-128": _ouster(45, 128, 120),
    "OS2-32": _ouster(22.5, 32, 240),
    "OS2-64": _ouster(22.5, 64, 240),
    "OS2-128": _ouster(22.5, 128, 240),
    # Hesai
    "Pandar40P": BeamPattern(
        (15, 11, 8, 5, 3, *_even(2, -6, 25), *_even(-7, -14, 8), -19, -25), 0.2, 200
    ),
    "Pandar64": BeamPattern(
        (15, 11, 8, 5, 3, *_even(2, -6, 49), *_even(-7, -14, 8), -19, -25), 0.2, 200
    ),
    "Pandar128": BeamPattern(_PANDAR_128, 0.2, 200),
    "PandarXT-32": BeamPattern(_even(15, -16, 32), 0.18, 120),
    # RoboSense
    "RS-LiDAR-16": BeamPattern(_even(-15, 15, 16), 0.2, 150),
    "RS-LiDAR-32": BeamPattern(_RS_LIDAR_32, 0.2, 200),
    "RS-Helios-32": BeamPattern(
        (*_even(-55, -10.94, 16), *_even(-8, 6.6667, 12), 8.75, 10.84, 12.93, 15), 0.2, 150
    ),
    "RS-Ruby": BeamPattern(_RS_RUBY, 0.2, 250),
    "RS-LiDAR-M1": _raster(126, 600, -12.5, 12.5, 120, 200),
    # Livox
    "Livox-Horizon": _raster(80, 300, -12.55, 12.55, 81.7, 260),
    "Livox-HAP": _raster(96, 470, -12.5, 12.5, 120, 150),
    "Livox-Avia": _raster(155, 155, -38.6, 38.6, 70.4, 320),
    "Livox-Mid-360": _raster(40, 500, -7, 52, 360, 70),
}


def vlp_16(name: str, ego_from_lidar: np.ndarray) -> Lidar:
    """Return a VLP-16 called `name` at a pose (4, 4) in the ego frame."""
    pattern = MODELS["VLP-16"]
    elevations = np.radians(pattern.elevations)
    step = float(np.radians(pattern.azimuth_step))
    return Lidar(name, ego_from_lidar, elevations, np.zeros(len(elevations)), step)


def _plain(name: str) -> str:
    """Return a name in lower case, without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_PLAIN_NAME = {_plain(name): name for name in MODELS}
HOW_TO_ADD = (
    "add the model (beams: {model: VLP-16}) or the angles and the range (beams: {elevations: "
    "[-15, ...], azimuth_step: 0.2, max_range: 100}, degrees and metres); `bev-semseg doctor BAG "
    "--calibration FILE --write-beams` measures them"
)


def beam_pattern(beams: Beams | None, where: str) -> BeamPattern:
    """Return the beam pattern of a lidar in a calibration file.

    Args:
        beams: Description of the beams in the file; None if there is none.
        where: File and section of the lidar, for error messages.

    Returns:
        The pattern of the model, in which values from the file replace those of the model.

    Raises:
        ValueError: If a value is missing or the model is unknown; the message says what to add.
    """
    if beams is None:
        raise ValueError(f"{where}: no beams, which the simulator needs; {HOW_TO_ADD}")
    name = _BY_PLAIN_NAME.get(_plain(beams.model))
    pattern = MODELS[name] if name is not None else _complete(beams, where)
    if beams.elevations:
        pattern = replace(pattern, elevations=beams.elevations, heights=())
    if beams.azimuth_step is not None:
        pattern = replace(pattern, azimuth_step=beams.azimuth_step)
    if beams.azimuths is not None:
        pattern = replace(pattern, azimuths=beams.azimuths)
    if beams.max_range is not None:
        pattern = replace(pattern, max_range=beams.max_range)
    return pattern


def _complete(beams: Beams, where: str) -> BeamPattern:
    """Return the pattern of a lidar without a known model; raise ValueError if it lacks a value."""
    needed = {
        "elevations": beams.elevations or None,
        "azimuth_step": beams.azimuth_step,
        "max_range": beams.max_range,
    }
    missing = [key for key, value in needed.items() if value is None]
    if missing and beams.model:
        raise ValueError(
            f"{where}.beams.model: unknown lidar {beams.model!r}; known: {', '.join(MODELS)}. For "
            f"another one add {', '.join(missing)}"
        )
    if missing:
        raise ValueError(f"{where}.beams: missing {', '.join(missing)}; {HOW_TO_ADD}")
    assert beams.azimuth_step is not None and beams.max_range is not None  # none is missing
    return BeamPattern(beams.elevations, beams.azimuth_step, beams.max_range)


def model_like(elevations: np.ndarray) -> str:
    """Return the model whose beams best match measured elevations.

    Args:
        elevations: (B,) degrees. If the highest beams hit nothing, the model has more.

    Returns:
        The matching model with the fewest beams; "" if none matches.
    """
    matching = []
    for name, pattern in MODELS.items():
        beams = np.sort(np.asarray(pattern.elevations))
        distances = np.abs(elevations[:, None] - beams)
        nearest = distances.argmin(1)
        is_near = distances.min(1, initial=np.inf) < _TOLERANCE
        is_its_own = len(np.unique(nearest)) == len(elevations)
        is_most = len(elevations) >= 0.7 * len(beams)
        if is_near.all() and is_its_own and is_most:
            matching.append((len(beams), float(distances.min(1).mean()), name))
    return min(matching, key=lambda each: each[:2])[2] if matching else ""
