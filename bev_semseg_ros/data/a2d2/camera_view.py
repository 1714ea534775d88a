"""The frames of one camera of A2D2: their files, and which of them shows a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.a2d2.cloud import Cloud, read_points
from bev_semseg_ros.data.a2d2.layout import PARTS, expected_parts
from bev_semseg_ros.data.calibration import a2d2_calibration, a2d2_lidar_poses
from bev_semseg_ros.data.files import read_image, read_json
from bev_semseg_ros.frame import LIDAR

# Two images show one moment if they are nearer than half of this, even where frames are farther
# apart: it is a turn of the lidars.
MAX_PERIOD_US = 100_000

Key = tuple[str, str]  # scene and number of a frame


@dataclass(frozen=True)
class FrameFiles:
    """The files of one camera's frame.

    Attributes:
        paths: by the names of `layout.PARTS`, those that are there.
        expected: names of the parts that should be there.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that should be there and are not."""
        return tuple(part for part in PARTS if part in self.expected and part not in self.paths)

    def cloud(self) -> Cloud | None:
        """Return the points; None without a file."""
        return read_points(self.paths["lidar"]) if "lidar" in self.paths else None

    def time_us(self, cloud: Cloud | None) -> int:
        """Return the time of the sidecar, else that of the newest point, else 0: microseconds."""
        if "sidecar" in self.paths:
            return _time_us(self.paths["sidecar"])
        return 0 if cloud is None else cloud.newest_us

    def lidar_names(self) -> dict[int, str]:
        """Return the names of the lidars by their number in the file of points; empty if unknown.

        Raises:
            ValueError: the sidecar is damaged.
        """
        if "sidecar" not in self.paths:
            return {}
        path = self.paths["sidecar"]
        names = read_json(path).get("lidar_ids", {})
        if not isinstance(names, dict) or not all(number.isdecimal() for number in names):
            raise ValueError(f"{path}: lidar_ids: expected the lidars by number, got {names!r}")
        return {int(number): str(name) for number, name in names.items() if int(number) < 256}


class CameraView:
    """One camera: how it looks at the ego frame, and its frames.

    Attributes:
        name: of the camera, such as "front_left".
        camera: intrinsics and pose.
        ego_from_view: (4, 4) takes its points and boxes to the ego frame.
        view_from_unit: (4, 4) of the lidars that the calibration knows, by their numbers in the
            order of the calibration. Each takes points of the lidar to the camera's view frame.
        files: of its frames, by scene and number.
    """

    def __init__(self, scenes: Sequence[Path], calibration: Path, name: str) -> None:
        """Find the files of a camera.

        Args:
            scenes: folders of the scenes; of two with one name the first one's files win.
            calibration: cams_lidars.json.
            name: of the camera.

        Raises:
            ValueError: the calibration is damaged or lacks the camera.
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
                pattern = f"[!.]*_{folder}_{name.replace('_', '')}_*"  # hidden files are no frames
                for file in (scene / folder / f"cam_{name}").glob(pattern):
                    if file.suffix.lower() not in endings:
                        continue
                    key = scene.name, file.stem.rpartition("_")[2]
                    files = self.files.setdefault(key, FrameFiles())
                    files.paths.setdefault(part, file)
                    files.expected.update(expected)
        self._times: dict[str, tuple[list[Key], np.ndarray]] = {}

    def unit_numbers(self, lidar_names: Mapping[int, str]) -> np.ndarray:
        """Return the number of each lidar that holds for all frames.

        The sidecars number the lidars of a frame in no fixed order. Here they are numbered as in
        `view_from_unit`; lidars that the calibration does not know have higher numbers.

        Args:
            lidar_names: names of the lidars by their numbers in a frame.

        Returns:
            (256,) uint16 by the numbers in the frame.
        """
        numbers = np.arange(256, dtype=np.uint16) + np.uint16(len(self._lidar_names))
        for number, name in lidar_names.items():
            if name in self._lidar_names:
                numbers[number] = self._lidar_names.index(name)
        return numbers

    def times_us(self, scene: str) -> tuple[list[Key], np.ndarray]:
        """Return the frames of a scene that have a time, and these times, ascending."""
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
        """Return half the time between two frames of a scene, at most half of MAX_PERIOD_US."""
        gaps = np.diff(self.times_us(scene)[1])
        period = np.median(gaps) if len(gaps) else MAX_PERIOD_US
        return float(min(period, MAX_PERIOD_US)) / 2

    def nearest(self, scene: str, time_us: int, tolerance_us: float) -> FrameFiles | None:
        """Return the files of the frame that shows a moment.

        Args:
            scene: of the frame.
            time_us: of the moment.
            tolerance_us: a frame farther away than this shows another moment.
        """
        keys, times = self.times_us(scene)
        if not keys:
            return None
        index = int(np.abs(times - time_us).argmin())
        return self.files[keys[index]] if abs(times[index] - time_us) <= tolerance_us else None

    def sized_image(self, path: Path) -> np.ndarray:
        """Read an image (H, W, 3) of the camera.

        Raises:
            ValueError: it is damaged or not of the calibration's size.
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
    """Return clouds without the measurements that an earlier one of them has.

    What lies in the images of two cameras stands in the files of both.

    Args:
        clouds: by the cameras' names.
        lidar_names: for each camera the names of the lidars by their numbers.
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


def _time_us(sidecar: Path) -> int:
    time_us: Any = read_json(sidecar).get("cam_tstamp")
    if not isinstance(time_us, int) or time_us < 0:
        raise ValueError(f"{sidecar}: cam_tstamp: expected microseconds, got {time_us!r}")
    return time_us
