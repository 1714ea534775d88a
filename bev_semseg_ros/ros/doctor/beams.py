"""Measures the beams of a lidar, for the simulation of the user's vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import Beams
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.input.vehicle_frame import is_vehicle_frame
from bev_semseg_ros.ros.parameters.sensors import Sensor, item_of
from bev_semseg_ros.sim.rigs.lidar_models import beam_pattern, model_like

MIN_DISTANCE = 3.0  # metres; closer points have wrong angles: beams do not start at the origin
MIN_BEAMS, MAX_BEAMS = 4, 300
MIN_POINTS = 10  # of a beam in one cloud
# Degrees. Gaps that separate beams without a ring; the first that yields tight beams is used.
GAPS = (0.3, 0.1, 0.05, 0.02)
TIGHT_SHARE = 0.95  # fraction of the points that must lie in tight beams
MAX_SPREAD = 0.3  # degrees from the 10th to the 90th percentile of a beam's elevations
MIN_BLIND = 20.0  # degrees; a narrower sector without points may be chance
SAME_ANGLE = 0.2  # degrees
MAX_CLOUDS = 10  # that are examined, spread evenly; each takes up to half a second
SMALLEST_STEP = 0.01  # degrees; points at a smaller distance are returns of one shot


@dataclass(frozen=True, eq=False)
class _Rings:
    """The points of one cloud, assigned to beams.

    Attributes:
        numbers: (N,) number of the beam of each point, or -1.
        elevations: (N,) degrees.
        azimuths: (N,) degrees.
        ranges: (N,) metres.
    """

    numbers: np.ndarray
    elevations: np.ndarray
    azimuths: np.ndarray
    ranges: np.ndarray


def measure_beams(clouds: Sequence[Any]) -> Beams | None:
    """Measure the beams of a lidar.

    Args:
        clouds: Messages of sensor_msgs/PointCloud2 in the frame of the lidar. The beams are told
            apart by the field ring, or else by the rows of an organized cloud or by elevation.

    Returns:
        The elevations and the azimuth step, degrees, the first and the last azimuth unless they
        cover a full turn, and the distance of the farthest point, rounded up to 10 m. None if the
        beams cannot be told apart.
    """
    rings = []
    for message in clouds[:: -(-len(clouds) // MAX_CLOUDS) or 1]:
        found = _rings_of(message)
        if found is not None:
            rings.append(found)
    elevations = _pooled(rings)
    if elevations is None:
        return None
    step = _azimuth_step(rings)
    if step is None:
        return None
    farthest = max(float(np.percentile(each.ranges, 99.95)) for each in rings)
    return Beams(
        elevations=tuple(np.round(elevations, 2).tolist()),
        azimuth_step=round(step, 3),
        azimuths=_sector(np.concatenate([each.azimuths for each in rings])),
        max_range=float(10 * np.ceil(farthest / 10)),
    )


def check_beams(observation: Observation, diagnosis: Diagnosis) -> None:
    """Measure the beams of every lidar, and compare them with those of the calibration."""
    for sensor in observation.sensors.lidars:
        stream = observation.usable(sensor)
        if stream is not None:
            _check_lidar(sensor, stream, diagnosis)


def _check_lidar(sensor: Sensor, stream: Stream, diagnosis: Diagnosis) -> None:
    """Measure the beams of a lidar, and compare them with those of the calibration."""
    item = item_of("beam angles", sensor)
    if is_vehicle_frame(stream.frame):
        text = f"unknown: the clouds are in {stream.frame!r}, the frame of the vehicle"
        diagnosis.add(item, "ok", f"{text}, and nothing says where the lidar sits")
        return
    measured = measure_beams(stream.samples)
    if measured is None:
        text = (
            "the beams cannot be told apart in the clouds. Only to simulate your vehicle: write "
            "the model of the lidar into the calibration, or let its driver publish the field ring"
        )
        diagnosis.add(item, "ok", text)
        return
    elevations = np.array(measured.elevations)
    model = model_like(elevations)
    text = (
        f"{len(elevations)} from {elevations[0]:g} to {elevations[-1]:g} degrees, one shot every "
        f"{measured.azimuth_step:g} degrees"
    )
    if measured.azimuths is not None:
        text += f" from {measured.azimuths[0]:g} to {measured.azimuths[1]:g} degrees"
    if model:
        text += f", like {model}"
    diagnosis.statistics[sensor.stream]["beams"] = measured.to_dict()
    known = _known_beams(sensor, diagnosis)
    diagnosis.beams[sensor.name] = _merged(measured, known, model)
    if known is not None and not _agree(elevations, known):
        diagnosis.add(
            item,
            "warning",
            f"{text}; the calibration has others",
            "this matters only to simulate your vehicle: --write-beams writes the measured ones",
        )
    else:
        diagnosis.add(item, "ok", text)


def _known_beams(sensor: Sensor, diagnosis: Diagnosis) -> Beams | None:
    """Return the beams of a lidar in the calibration; None if it has none."""
    mounts = {} if diagnosis.calibration is None else diagnosis.calibration.lidars
    return mounts[sensor.name].beams if sensor.name in mounts else None


def _merged(measured: Beams, known: Beams | None, model: str) -> Beams:
    """Return the measured beams with a range that clouds alone cannot show.

    Args:
        measured: The beams measured in clouds.
        known: The beams in the calibration; None if it has none.
        model: Lidar model that the measured beams resemble; "" for none.
    """
    name = "" if known is None else known.model
    reach = measured.max_range or 0.0
    if known is not None and known.max_range is not None:
        reach = max(reach, known.max_range)
    elif model:
        reach = max(reach, beam_pattern(Beams(model), "").max_range)
    return replace(measured, model=name, max_range=reach)


def _agree(elevations: np.ndarray, known: Beams) -> bool:
    """Return whether every measured elevation (B,), degrees, is that of a known beam."""
    try:
        expected = np.array(beam_pattern(known, "").elevations)
    except ValueError:  # the calibration does not give the elevations
        return True
    distances = np.abs(elevations[:, None] - expected).min(1)
    return len(elevations) <= len(expected) and bool((distances < SAME_ANGLE).all())


def _rings_of(message: Any) -> _Rings | None:
    """Assign the points of a cloud to beams; None if the beams cannot be told apart."""
    points = decode_cloud(message, "").astype(np.float64)
    horizontal = np.hypot(points[:, 0], points[:, 1])
    with np.errstate(invalid="ignore"):
        kept = np.isfinite(points).all(1) & (horizontal > MIN_DISTANCE)
    if kept.sum() < MIN_BEAMS * MIN_POINTS:
        return None
    points, horizontal = points[kept], horizontal[kept]
    elevations = np.degrees(np.arctan2(points[:, 2], horizontal))
    numbers = _given_numbers(message)
    if numbers is not None:
        numbers = numbers[kept]
    if numbers is None or not _are_tight(elevations, numbers, MAX_SPREAD):
        numbers = _numbers_by_elevation(elevations)
    if numbers is None:
        return None
    azimuths = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    return _Rings(numbers, elevations, azimuths, np.hypot(horizontal, points[:, 2]))


def _given_numbers(message: Any) -> np.ndarray | None:
    """Return the beam number of each point (N,), by ring, row or column; None without any."""
    try:
        rings = decode_point_attributes(message, stamp=0, wanted=("ring",)).get("ring")
    except ValueError:
        rings = None  # the check of the point attributes reports it
    if rings is not None:
        return rings.astype(np.int64)
    height, width = int(message.height), int(message.width)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    if MIN_BEAMS <= height <= MAX_BEAMS and height < width:
        return rows.ravel()
    if MIN_BEAMS <= width <= MAX_BEAMS and width < height:
        return columns.ravel()
    return None


def _numbers_by_elevation(elevations: np.ndarray) -> np.ndarray | None:
    """Return the beam number of each point (N,), parted by gaps in elevation; None if unclear."""
    order = np.argsort(elevations)
    gaps = np.diff(elevations[order])
    for gap in GAPS:
        numbers = np.empty(len(elevations), np.int64)
        numbers[order] = np.concatenate([[0], np.cumsum(gaps > gap)])
        count = int(np.sum(np.bincount(numbers) >= MIN_POINTS))
        if MIN_BEAMS <= count <= MAX_BEAMS and _are_tight(elevations, numbers, gap):
            return numbers
    return None


def _are_tight(elevations: np.ndarray, numbers: np.ndarray, spread: float) -> bool:
    """Return whether nearly all points are in beams that spread by less than `spread` degrees."""
    num_tight = 0
    for members in _groups(numbers):
        low, high = np.percentile(elevations[members], (10, 90))
        num_tight += len(members) if high - low < spread else 0
    return num_tight >= TIGHT_SHARE * len(numbers)


def _groups(numbers: np.ndarray) -> list[np.ndarray]:
    """Return the indices of the points of each beam that has MIN_POINTS."""
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return [group for group in groups if len(group) >= MIN_POINTS and numbers[group[0]] >= 0]


def _pooled(rings: Sequence[_Rings]) -> np.ndarray | None:
    """Return the elevations (B,) of the beams of several clouds, ascending.

    A beam without a return is missing in a cloud. None if the beams cannot be told apart.
    """
    centers, clouds = [], []
    for number, each in enumerate(rings):
        for members in _groups(each.numbers):
            centers.append(float(np.median(each.elevations[members])))
            clouds.append(number)
    if not centers:
        return None
    order = np.argsort(centers)
    angles, sources = np.array(centers)[order], np.array(clouds)[order]
    spacings = [np.diff(angles[sources == number]) for number in range(len(rings))]
    spacing = np.concatenate(spacings)
    if not len(spacing):
        return None
    parted = np.flatnonzero(np.diff(angles) > np.percentile(spacing, 5) / 2) + 1
    beams = np.split(np.arange(len(angles)), parted)
    if any(len(np.unique(sources[beam])) < len(beam) for beam in beams):
        return None  # two beams of one cloud were merged
    enough = [beam for beam in beams if len(beam) >= min(2, len(rings))]
    if not MIN_BEAMS <= len(enough) <= MAX_BEAMS:
        return None
    return np.array([np.median(angles[beam]) for beam in enough])


def _azimuth_step(rings: Sequence[_Rings]) -> float | None:
    """Return the angle between two shots of a beam, degrees; None if no beam shows it."""
    all_steps = [
        np.diff(np.sort(each.azimuths[members]))
        for each in rings
        for members in _groups(each.numbers)
    ]
    steps = np.concatenate(all_steps)
    steps = steps[steps > SMALLEST_STEP]
    if not len(steps):
        return None
    # Most shots have a return. The others make some steps longer, which are left out.
    usual = np.percentile(steps, 25)
    return float(np.median(steps[(steps > usual / 2) & (steps < 1.5 * usual)]))


def _sector(azimuths: np.ndarray) -> tuple[float, float] | None:
    """Return the first and the last azimuth in whole degrees; None for a full turn."""
    seen = np.unique(np.floor(azimuths % 360).astype(np.int64))
    blind = np.diff(np.append(seen, seen[0] + 360)) - 1
    widest = int(np.argmax(blind))
    if blind[widest] < MIN_BLIND:
        return None
    first = int(seen[(widest + 1) % len(seen)])
    last = int(seen[widest]) + 1
    last += 360 if last <= first else 0
    turns = 360 * round((first + last) / 720)  # moves the centre to -180 to 180 degrees
    return float(first - turns), float(last - turns)
