"""Reads clouds in KITTI's binary format and in variants of it, and writes them.

KITTI has four float32 per point: x, y, z and an intensity from 0 to 1. Converters write three or
five numbers, float64, or intensities up to 255, and no file says which. The format is found from
the content of a few files of a folder, and applies to all of its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bev_semseg_ros.input_check.intensity import LARGEST_INTENSITY, WORD_SCALE, full_scale
from bev_semseg_ros.input_check.statistics import highest_intensity
from bev_semseg_ros.output_path import write_file

SAMPLES = 5  # number of files in a folder that are read to find its format
SAMPLE_POINTS = 20_000  # number of points that are read from each of them
# Minimum number of points in all samples to find a format; with fewer, KITTI's own is assumed.
TELLING_POINTS = 100
FARTHEST = 2000.0  # metres; a larger number is not a coordinate
OUTLIERS = 0.01  # highest fraction of points that may be implausible
LARGEST_RAW_INTENSITY = WORD_SCALE + 1
SMALL = 0.1  # smaller numbers count as equal in a comparison of their logarithms
SAME_DIRECTION = 0.05  # highest median angle between successive points of a sweep, radians
SAME_SIZE = 2.0  # highest ratio of the median coordinates of two samples of the same points

_TYPE_NAMES = {"f4": "float32", "f8": "float64"}


@dataclass(frozen=True)
class CloudFormat:
    """The binary format of a cloud.

    Attributes:
        dtype: Type of the numbers: "f4" or "f8".
        columns: Count of numbers per point: x, y, z in metres, intensity, and others.
        full_scale: Value in the file that stands for an intensity of 1.0.
        has_ring: Whether the fifth number is the ring.
        is_assumed: Whether the format is only assumed, because none explains the files.
    """

    dtype: str = "f4"
    columns: int = 4
    full_scale: float = 1.0
    has_ring: bool = False
    is_assumed: bool = False

    @property
    def bytes_per_point(self) -> int:
        """Size of a point in bytes."""
        return self.columns * int(self.dtype[1])

    def __str__(self) -> str:
        return f"{self.columns} {_TYPE_NAMES[self.dtype]} a point"

    def decode(self, data: bytes) -> np.ndarray:
        """Return the (N, columns) numbers of whole points, without those of an incomplete point."""
        count = len(data) // self.bytes_per_point
        return np.frombuffer(data, self.dtype, count * self.columns).reshape(count, self.columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences from KITTI's own format, and how they are handled."""
        notes = []
        if self.is_assumed:
            notes.append(f"no known format explains the files; {self} are assumed")
        if (self.dtype, self.columns) != ("f4", 4):
            notes.append(f"{self}, where KITTI has 4 float32")
        if self.columns == 3:
            notes.append("no intensity: it is taken as 0")
        if self.columns > 4:
            first = 6 if self.has_ring else 5
            ring = "the fifth number is the ring" if self.has_ring else ""
            unused = f"numbers {first} to {self.columns} are not used"
            if first == self.columns:
                unused = f"number {first} is not used"
            notes.append(", ".join(filter(None, (ring, unused if first <= self.columns else ""))))
        if self.full_scale != 1.0:
            notes.append(f"intensities are divided by {self.full_scale:g}")
        return tuple(notes)


# Formats that files may have; of equally good ones, the first is taken.
FORMATS = tuple(CloudFormat("f4", columns) for columns in (4, 3, 5, 6, 7, 8)) + tuple(
    CloudFormat("f8", columns) for columns in (4, 3, 5)
)


class CloudFolder:
    """The clouds of one folder, which all have the same format.

    Args:
        files: Files of the folder.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = sorted(files)

    @property
    def format(self) -> CloudFormat:
        """The format, determined from a few files on first use.

        Raises:
            ValueError: No known format explains the files, or their intensities are implausible.
        """
        if isinstance(self._found, ValueError):
            raise self._found
        return self._found

    @cached_property
    def _found(self) -> CloudFormat | ValueError:
        """The format, or the error if there is none; both are cached."""
        try:
            return find_format(_spread(self._files))
        except ValueError as error:
            return error

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences from KITTI's own format."""
        folder = self._files[0].parent.name if self._files else ""
        return tuple(f"{folder}: {note}" for note in self.format.notes)

    def read(self, path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Read a cloud.

        Args:
            path: A file of the folder.

        Returns:
            (N, 4) float32 x, y, z in metres and intensity 0..1, and the attributes of the points by
            the names of `frame.POINT_ATTRIBUTES`.

        Raises:
            ValueError: The file is truncated, or its intensities do not fit those of the folder.
        """
        data = path.read_bytes()
        if len(data) % self.format.bytes_per_point:
            raise ValueError(
                f"{path}: truncated: {len(data)} bytes, expected a multiple of "
                f"{self.format.bytes_per_point} ({self.format})"
            )
        numbers = self.format.decode(data)
        points = np.zeros((len(numbers), 4), np.float32)
        points[:, : self.format.columns] = numbers[:, :4]
        # Found before the division, whose rounding would make 1 slightly larger.
        raw = highest_intensity(points[:, 3])
        points[:, 3] /= self.format.full_scale
        # With a scale of 255 or 65535, the highest intensity of a whole cloud is above 1.
        is_dim = self.format.full_scale > 1 and 0 < raw <= 1 and len(points) >= TELLING_POINTS
        if raw > LARGEST_INTENSITY * self.format.full_scale or is_dim:
            raise ValueError(
                f"{path}: intensities up to {raw:g}, but other files "
                f"of the folder count from 0 to {self.format.full_scale:g}; give all files one "
                "scale"
            )
        attributes = {}
        if self.format.has_ring:
            attributes["ring"] = numbers[:, 4].astype(np.uint16)
        return points, attributes


def write_cloud(path: Path, points: np.ndarray) -> None:
    """Write a cloud in KITTI's own format.

    Args:
        path: The file.
        points: (N, 4) x, y, z in metres and intensity 0..1.

    Raises:
        OSError: The file cannot be written; the message names it.
    """
    write_file(path, points.astype("<f4").tobytes())


def find_format(files: Sequence[Path]) -> CloudFormat:
    """Find the format of some clouds of one folder.

    Args:
        files: Clouds of the folder.

    Returns:
        The format; KITTI's own if the files have too few points.

    Raises:
        ValueError: No known format explains the files, or their intensities are implausible.
    """
    samples = [_start(path) for path in files]
    best = _best_format(samples)
    is_assumed = False
    if best is None:
        best = CloudFormat()
        numbers = _numbers(best, samples)
        is_assumed = len(numbers) >= TELLING_POINTS
        if is_assumed and not _is_within_reach(numbers):
            raise ValueError(
                f"{files[0]}: not a cloud of 3 to 8 float32 or 3 to 5 float64 a point: whichever "
                "is assumed, coordinates or intensities make no sense; write x, y, z (metres) and "
                "intensity (0..1) as little-endian float32"
            )
    numbers = _numbers(best, samples)
    has_ring = best.columns > 4 and len(numbers) > 0 and _is_ring(numbers[:, 4])
    scale = 1.0
    if best.columns > 3 and len(numbers):
        largest = highest_intensity(numbers[:, 3].astype(np.float64))
        if largest > LARGEST_RAW_INTENSITY:
            raise ValueError(
                f"{files[0]}: intensities up to {largest:g}; expected 0..1, 0..255 or 0..65535"
            )
        scale = full_scale("f4", largest)
    return CloudFormat(best.dtype, best.columns, scale, has_ring, is_assumed)


def _spread(files: Sequence[Path]) -> list[Path]:
    """Return a few evenly spread files that are not empty."""
    steps = np.linspace(0, len(files) - 1, min(SAMPLES, len(files)))
    chosen = [files[int(index)] for index in steps]
    with_points = [path for path in chosen if path.is_file() and path.stat().st_size]
    if with_points or not files:
        return with_points
    return [path for path in files if path.is_file() and path.stat().st_size][:SAMPLES]


def _start(path: Path) -> bytes:
    """Return the first bytes of a file, or all bytes if it is small."""
    size = path.stat().st_size
    # Read whole points of every format, and as many further bytes as the size of the file leaves.
    # The result then has a whole number of points in the same formats as the file.
    whole = int(np.lcm.reduce([each.bytes_per_point for each in FORMATS]))
    wanted = SAMPLE_POINTS * 16 // whole * whole
    with path.open("rb") as file:
        return file.read(size if size <= wanted else wanted + size % whole)


def _numbers(form: CloudFormat, samples: Sequence[bytes]) -> np.ndarray:
    """Return the (N, columns) numbers of all samples."""
    return np.concatenate([form.decode(data) for data in samples] or [np.zeros((0, form.columns))])


def _best_format(samples: Sequence[bytes]) -> CloudFormat | None:
    """Return the format that explains the samples best; None if none does.

    With the right count of numbers per point, successive rows are most alike.
    """
    for dtype in _TYPE_NAMES:  # float32 may also look like float64
        rows = {}
        for each in FORMATS:
            if each.dtype == dtype and (numbers := _plausible_numbers(each, samples)) is not None:
                rows[each.columns] = numbers
        if not rows:
            continue
        columns = min(rows, key=lambda count: _difference(rows[count]))
        # Some lidars measure alternately high and low, so every second point is more alike.
        if columns // 2 in rows and columns % 2 == 0 and _hold_two_points(rows[columns]):
            columns //= 2
        return CloudFormat(dtype, columns)
    return None


def _plausible_numbers(form: CloudFormat, samples: Sequence[bytes]) -> np.ndarray | None:
    """Return the (N, columns) numbers of the samples if they can have a format, or None."""
    fitting = [data for data in samples if len(data) % form.bytes_per_point == 0]
    if 2 * len(fitting) <= len(samples):  # one file may be truncated
        return None
    numbers = _numbers(form, fitting)
    if len(numbers) < TELLING_POINTS or not _is_within_reach(numbers):
        return None
    return numbers


def _difference(numbers: np.ndarray) -> float:
    """Return the mean difference of successive rows (N, columns): of the logarithms of sizes.

    Zeros and NaN are left out: they mean that a point has no return, or that a column is not used.
    """
    sizes = np.abs(numbers.astype(np.float64))
    sizes[(sizes == 0) | ~np.isfinite(sizes)] = np.nan
    differences = np.abs(np.diff(np.log(sizes + SMALL), axis=0))
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) else np.inf


def _hold_two_points(numbers: np.ndarray) -> bool:
    """Return whether each row (N, columns) holds two points instead of one.

    The points of each row are then in the same direction, or, if the points are shuffled, the first
    and the second ones have the same distribution.
    """
    half = numbers.shape[1] // 2
    first, second = numbers[:, :3], numbers[:, half : half + 3]
    has_both = np.ones(len(numbers), bool)
    for points in (first, second):
        has_both &= np.isfinite(points).all(1) & points.any(1)
    if not has_both.any():
        return False
    first, second = first[has_both], second[has_both]
    angles = np.arctan2(first[:, 1], first[:, 0]) - np.arctan2(second[:, 1], second[:, 0])
    if np.median(np.abs(angles)) < SAME_DIRECTION:
        return True
    one, other = np.median(np.abs(first), axis=0), np.median(np.abs(second), axis=0)
    return bool((np.maximum(one, other) <= SAME_SIZE * np.minimum(one, other)).all())


def _is_within_reach(numbers: np.ndarray) -> bool:
    """Return whether nearly all points (N, columns) have plausible coordinates and intensities."""
    with np.errstate(invalid="ignore"):
        is_far = ~(np.abs(numbers[:, :3]) < FARTHEST).all(1)
        is_missing = np.isnan(numbers[:, :3]).all(1)  # a point without a return
        if (is_far & ~is_missing).mean() > OUTLIERS:
            return False
        if numbers.shape[1] == 3:
            return True
        return float((~(numbers[:, 3] >= 0) & ~np.isnan(numbers[:, 3])).mean()) <= OUTLIERS


def _is_ring(column: np.ndarray) -> bool:
    """Return whether a column (N,) holds ring numbers."""
    is_whole = np.isfinite(column) & (column >= 0) & (column < 256) & (column == np.rint(column))
    return bool(is_whole.all() and column.max() > 0)
