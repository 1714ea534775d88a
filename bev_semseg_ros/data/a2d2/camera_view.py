"""The frames of one camera of A2D2: their files, and a search by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.a2d2.cloud import Cloud, read_points
from bev_semseg_ros.data.a2d2.layout import PARTS, expected_parts
from bev_semseg_ros.data.calibration import a2d2_calibration, a2d2_lidar_poses
from bev_semseg_ros.data.files import MAX_TIME_NS, read_image, read_json
from bev_semseg_ros.frame import LIDAR

# Longest frame period, microseconds: one sweep of the lidars. Images match if their times differ by
# at most half the period.
MAX_PERIOD_US = 100_000

Key = tuple[str, str]  # scene and number of a frame


@dataclass(frozen=True)
class FrameFiles:
    """The files of a frame of one camera.

    Attributes:
        paths: Files that exist, by the names of `layout.PARTS`.
        expected: Names of the parts that should exist.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the parts that should exist but do not."""
        return tuple(part for part in PARTS if part in self.expected and part not in self.paths)

    def cloud(self) -> Cloud | None:
        """Read the points; None if there is no file."""
        return read_points(self.paths["lidar"]) if "lidar" in self.paths else None

    def time_us(self, cloud: Cloud | None) -> int:
        """Return the time in microseconds: of the sidecar, or else the newest point, or else 0.

        Raises:
            ValueError: The time is not in microseconds, or the sidecar is damaged.
        """
        if "sidecar" in self.paths:
            path = self.paths["sidecar"]
            return _checked_us(read_json(path).get("cam_tstamp"), f"{path}: cam_tstamp")
        if cloud is None:
            return 0
        return _checked_us(cloud.newest_us, f"{self.paths['lidar']}: timestamp")

    def lidar_names(self) -> dict[int, str]:
        """Return the names of the lidars by their numbers in the lidar file; empty if unknown.

        Raises:
            ValueError: The sidecar is damaged.
        """
        if "sidecar" not in self.paths:
            return {}
        path = self.paths["sidecar"]
        names = read_json(path).get("lidar_ids", {})
        if not isinstance(names, dict) or not all(number.isdecimal() for number in names):
            raise ValueError(f"{path}: lidar_ids: expected the lidars by number, got {names!r}")
        return {int(number): str(name) for number, name in names.items() if int(number) < 256}


class CameraView:
    """One camera and its frames.

    Attributes:
        name: Name of the camera, such as "front_left".
        camera: Intrinsics and pose of the camera.
        ego_from_view: (4, 4) transform from the view frame of the camera to the ego frame.
        view_from_unit: (4, 4) transform from the frame of each lidar to the view frame of the
            camera, by the index of the lidar in the calibration.
        files: Files of the frames of the camera, by scene and number.
    """

    def __init__(self, scenes: Sequence[Path], calibration: Path, name: str) -> None:
        """Find the files of a camera.

        Args:
            scenes: Folders of the scenes. If two have the same name, files of the first one win.
            calibration: The file cams_lidars.json.
            name: Name of the camera.

        Raises:
            ValueError: The calibration is damaged or lacks the camera.
        """
        self.name = name
        known = a2d2_calibration(calibration, name)
        self._lidar_names = list(a2d2_lidar_poses(calibration))
        self.view_from_unit = known.lidars[LIDAR].lidar_from_unit
        self.camera = known.known_camera
        self.ego_from_view = known.ego_from_lidar
        self.files: dict[Key, FrameFiles] = {}
        for scene in scenes:
            expected = expected_parts(scene, name)
            for part, (folder, endings) in PARTS.items():
                pattern = f"[!.]*_{folder}_{name.replace('_', '')}_*"  # without hidden files
                for file in (scene / folder / f"cam_{name}").glob(pattern):
                    if file.suffix.lower() not in endings:
                        continue
                    key = scene.name, file.stem.rpartition("_")[2]
                    files = self.files.setdefault(key, FrameFiles())
                    files.paths.setdefault(part, file)
                    files.expected.update(expected)
        self._times: dict[str, tuple[list[Key], np.ndarray]] = {}

    def unit_numbers(self, lidar_names: Mapping[int, str]) -> np.ndarray:
        """Return a table from the lidar numbers of one frame to those that hold in all frames.

        The sidecars number the lidars differently in each frame. The returned numbers are those of
        `view_from_unit`; lidars that are not in the calibration have higher numbers.

        Args:
            lidar_names: Names of the lidars by their numbers in the frame.

        Returns:
            (256,) uint16 table, indexed by the numbers in the frame.
        """
        numbers = np.arange(256, dtype=np.uint16) + np.uint16(len(self._lidar_names))
        for number, name in lidar_names.items():
            if name in self._lidar_names:
                numbers[number] = self._lidar_names.index(name)
        return numbers

    def times_us(self, scene: str) -> tuple[list[Key], np.ndarray]:
        """Return the keys of the frames of a scene that have a time, and these times, ascending."""
        if scene not in self._times:
            timed = []
            for key, files in self.files.items():
                if key[0] == scene:
                    cloud = None if "sidecar" in files.paths else files.cloud()
                    time_us = files.time_us(cloud)
                    if time_us > 0:
                        timed.append((time_us, key))
            timed.sort()
            times = np.array([time_us for time_us, _ in timed], np.int64)
            self._times[scene] = [key for _, key in timed], times
        return self._times[scene]

    def half_period_us(self, scene: str) -> float:
        """Return half the median time between frames of a scene, at most half of MAX_PERIOD_US."""
        gaps = np.diff(self.times_us(scene)[1])
        period = np.median(gaps) if len(gaps) else MAX_PERIOD_US
        return float(min(period, MAX_PERIOD_US)) / 2

    def nearest(self, scene: str, time_us: int, tolerance_us: float) -> FrameFiles | None:
        """Return the files of the frame that is nearest to a time; None if none is near enough.

        Args:
            scene: Scene of the frame.
            time_us: The time, microseconds.
            tolerance_us: Highest difference in time, microseconds.
        """
        keys, times = self.times_us(scene)
        if not keys:
            return None
        index = int(np.abs(times - time_us).argmin())
        return self.files[keys[index]] if abs(times[index] - time_us) <= tolerance_us else None

    def sized_image(self, path: Path) -> np.ndarray:
        """Read a (H, W, 3) uint8 RGB image of the camera.

        Raises:
            ValueError: The image is damaged, or its size is not that of the calibration.
        """
        image = read_image(path)
        size = self.camera.size
        if image.shape[1::-1] != size:
            raise ValueError(
                f"{path}: expected {size[0]} x {size[1]} pixels (Resolution in cams_lidars.json), "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        return image


def without_repeated(
    clouds: Mapping[str, Cloud], lidar_names: Mapping[str, Mapping[int, str]]
) -> dict[str, Cloud]:
    """Remove from each cloud the measurements that an earlier cloud contains.

    If two cameras see a point, the files of both contain it.

    Args:
        clouds: Clouds by the names of the cameras.
        lidar_names: For each camera, the names of the lidars by their numbers.
    """
    kept: dict[str, Cloud] = {}
    known: list[np.ndarray] = []
    for name, cloud in clouds.items():
        found = cloud.measurements(lidar_names[name])
        kept[name] = cloud
        if found is not None:
            if known:
                is_new = ~np.isin(found, np.concatenate(known))
                kept[name], found = cloud[is_new], found[is_new]
            known.append(found)
    return kept


def _checked_us(time_us: Any, where: str) -> int:
    """Return a time in microseconds; `where` begins the error message if it is none."""
    largest = MAX_TIME_NS // 1000
    if not isinstance(time_us, int) or not 0 <= time_us <= largest:
        raise ValueError(f"{where}: expected 0 to {largest} microseconds, got {time_us!r}")
    return time_us
