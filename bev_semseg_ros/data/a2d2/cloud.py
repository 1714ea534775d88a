"""Reads the points in the lidar files of A2D2."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.labels import MASK_IGNORED

MAX_NPZ_BYTES = 500_000_000  # unpacked; the published files have a few megabytes


@dataclass(frozen=True, eq=False)
class Cloud:
    """The points of one file.

    Attributes:
        points: (N, 4) float32 x, y, z in the view frame of the camera, metres, and reflectance
            0..1.
        times_us: (N,) int64 times, microseconds; None if the file has none.
        units: (N,) uint8 numbers of the lidars, as in the sidecar; None if the file has none.
        azimuths: (N,) float64 azimuths in the frame of the lidar, radians; None if the file has
            none.
        classes: (N,) uint8 classes; None if the file has none.
    """

    points: np.ndarray
    times_us: np.ndarray | None
    units: np.ndarray | None
    azimuths: np.ndarray | None = None
    classes: np.ndarray | None = None

    @property
    def newest_us(self) -> int:
        """Time of the newest point, microseconds; 0 if there are no times."""
        if self.times_us is None or not len(self.times_us):
            return 0
        return int(self.times_us.max())

    def attributes(self, time_us: int, unit_numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the attributes of the points, by the names of `frame.POINT_ATTRIBUTES`.

        Args:
            time_us: Time of the frame, microseconds.
            unit_numbers: (256,) table from lidar numbers in the file to those of all frames.
        """
        found: dict[str, np.ndarray] = {}
        if self.times_us is not None:
            found["time"] = ((self.times_us - time_us) * 1e-6).astype(np.float32)
        if self.units is not None:
            found["unit"] = unit_numbers[self.units]
        return found

    def measurements(self, lidar_names: Mapping[int, str]) -> np.ndarray | None:
        """Return identifiers of the measurements that are the same in the files of all cameras.

        Time and azimuth identify a measurement of a lidar. In published files, the time would be
        enough, but simulated beams share times. Both values do not depend on the camera.

        Args:
            lidar_names: Names of the lidars by their numbers in the sidecar. The numbers differ
                from frame to frame.

        Returns:
            (N,) array of the type MEASUREMENT; None if the data for it are missing.
        """
        if self.times_us is None or self.units is None or self.azimuths is None:
            return None
        if not set(np.unique(self.units)) <= set(lidar_names):
            return None
        codes = np.zeros(256, np.int64)
        for number, name in lidar_names.items():
            codes[number] = zlib.crc32(name.encode())
        found = np.empty(len(self.points), MEASUREMENT)
        found["lidar"] = codes[self.units]
        found["time_us"] = self.times_us
        found["azimuth"] = np.rint(self.azimuths * 1e6)
        return found

    def __getitem__(self, kept: np.ndarray) -> Cloud:
        """Return the points that a mask selects."""
        return Cloud(
            self.points[kept],
            None if self.times_us is None else self.times_us[kept],
            None if self.units is None else self.units[kept],
            None if self.azimuths is None else self.azimuths[kept],
            None if self.classes is None else self.classes[kept],
        )


# Identifier of a measurement: lidar, time in microseconds, azimuth in microradians.
MEASUREMENT = np.dtype([("lidar", np.int64), ("time_us", np.int64), ("azimuth", np.int64)])

# Name of the npz array with the classes of the points; only simulated frames have it.
CLASSES = "semantic"
# Names of the npz arrays that are read. Only the sequences have `valid` and `rectime`.
_ARRAYS = ("points", "reflectance", "valid", "timestamp", "rectime", "lidar_id", "azimuth", CLASSES)


def read_points(path: Path) -> Cloud:
    """Read a lidar file.

    The labelled subsets and the sequences spell the keys differently; both are read. Points whose
    `valid` is false are left out.

    Raises:
        ValueError: The file is damaged; the message names it and what was expected.
    """
    arrays = _read_arrays(path)
    for name in ("points", "reflectance"):
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name!r}")
    count = len(arrays["points"]) if arrays["points"].ndim else 0
    for name, array in arrays.items():
        shape = (count, 3) if name == "points" else (count,)
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{path}: {name}: expected numbers of shape {shape}, "
                f"got {array.dtype} {array.shape}"
            )
    kept = np.ones(count, bool)
    if "valid" in arrays:
        kept = arrays["valid"].astype(bool)
    points = np.empty((count, 4), np.float32)
    points[:, :3] = arrays["points"]
    points[:, 3] = arrays["reflectance"] / 255.0
    # In the sequences, `timestamp` is from another clock that is 37 s off. `rectime` is from the
    # clock of the cameras.
    times = arrays.get("rectime", arrays.get("timestamp"))
    if times is not None:
        times = np.nan_to_num(times[kept]).astype(np.int64)
    units = arrays.get("lidar_id")
    if units is not None:
        units = np.clip(np.nan_to_num(units[kept]), 0, 255).astype(np.uint8)
    azimuths = arrays.get("azimuth")
    if azimuths is not None:
        azimuths = np.nan_to_num(azimuths[kept]).astype(np.float64)
    classes = arrays.get(CLASSES)
    if classes is not None:
        numbers = np.nan_to_num(classes[kept].astype(np.float64), nan=MASK_IGNORED)
        # Ignore invalid classes: unlabelled points often have -1.
        numbers = np.where((numbers < 0) | (numbers > MASK_IGNORED), MASK_IGNORED, numbers)
        classes = numbers.astype(np.uint8)
    return Cloud(points[kept], times, units, azimuths, classes)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("expected an npz archive, got a single array")
        with archive:
            with zipfile.ZipFile(path) as members:
                unpacked = sum(member.file_size for member in members.infolist())
            if unpacked > MAX_NPZ_BYTES:
                raise ValueError(f"more than {MAX_NPZ_BYTES} bytes when unpacked")
            for member in archive.files:
                name = _plain_key(member)
                if name in _ARRAYS:
                    arrays.setdefault(name, archive[member])
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise ValueError(f"{path}: truncated or damaged npz: {error}") from error
    return arrays


def _plain_key(member: str) -> str:
    while member.endswith(".npy"):
        member = member[:-4]
    return member.removeprefix("pcloud_attr.").removeprefix("pcloud_")
