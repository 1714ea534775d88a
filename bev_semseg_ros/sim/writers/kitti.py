"""Writer of KITTI's object detection layout."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, invert, transform, wrap_angle
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan
from bev_semseg_ros.sim.sensors.rig import Rig
from bev_semseg_ros.sim.writers.base import FRAME_PERIOD_US, Writer, write_png
from bev_semseg_ros.sim.writers.labels import Labels, clip_to_image, label_view

# Scenes are a minute apart in frames.csv.
SCENE_PERIOD_NS = 60_000_000_000


class KittiWriter(Writer):
    """Writes KITTI's object layout (Geiger et al., CVPR 2012) with three additions.

    The additions are `training/semantic/<frame>.png`, a mask of class numbers;
    `training/frames.csv` with the columns frame, scene and time_ns; and
    `training/motion/<frame>.csv` with ids and velocities, see `bev_semseg_ros.data.kitti`.

    Labels lie in the frame of the rectified camera 0. The image is that of camera 2, which is
    BASELINE metres to the left of camera 0; the fourth column of P2 says so.
    """

    BASELINE = 0.06
    FOLDERS = ("image_2", "label_2", "calib", "velodyne", "semantic", "motion")
    VAN_NAME = "Van"

    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        self._root = out / "training"
        self._rig = rig
        self._frames = frames
        to_first_camera = transform(translation=(-self.BASELINE, 0, 0))
        self._rect_from_ego = to_first_camera @ rig.camera.camera_from_ego
        self._lidar_from_ego = invert(rig.lidars[0].ego_from_lidar)

    def begin(self) -> None:
        for name in self.FOLDERS:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def write(
        self, scene: int, frame: int, view: View, scan: Scan, image: np.ndarray, mask: np.ndarray
    ) -> None:
        name = self._frame_name(scene, frame)
        write_png(self._root / "image_2" / f"{name}.png", image)
        write_png(self._root / "semantic" / f"{name}.png", mask)
        points = np.concatenate(
            [apply(self._lidar_from_ego, scan.positions), scan.intensities[:, None]], 1
        )
        points[:, 3] = np.round(points[:, 3], 2)
        (self._root / "velodyne" / f"{name}.bin").write_bytes(points.astype("<f4").tobytes())
        (self._root / "calib" / f"{name}.txt").write_text(self._calibration())
        labels = label_view(view, scan, self._rig, self.VAN_NAME)
        lines = self._label_lines(labels)
        (self._root / "label_2" / f"{name}.txt").write_text("".join(line + "\n" for line in lines))
        self._write_motion(self._root / "motion" / f"{name}.csv", labels.boxes)

    def finish(self, scenes: list[int]) -> None:
        with open(self._root / "frames.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["frame", "scene", "time_ns"])
            for scene in scenes:
                for frame in range(self._frames):
                    time_ns = scene * SCENE_PERIOD_NS + frame * FRAME_PERIOD_US * 1000
                    table.writerow([self._frame_name(scene, frame), f"scene_{scene:04d}", time_ns])

    @staticmethod
    def _write_motion(path: Path, boxes: Boxes) -> None:
        """Write the ids and velocities of a frame; boxes without an id have no row."""
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["box", "id", "vx", "vy"])
            for line, (number, (vx, vy)) in enumerate(
                zip(boxes.ids, boxes.velocities, strict=True), 1
            ):
                if number >= 0:
                    table.writerow([line, number, f"{vx:.4f}", f"{vy:.4f}"])

    def _frame_name(self, scene: int, frame: int) -> str:
        """Return the number of a frame in the data set, which its files are named by."""
        return f"{scene * self._frames + frame:06d}"

    def _calibration(self) -> str:
        """Return the text of a calibration file, the same for all frames."""
        camera = self._rig.camera
        first = camera.matrix @ np.eye(3, 4)
        second = camera.matrix @ transform(translation=(self.BASELINE, 0, 0))[:3]
        velodyne = (self._rect_from_ego @ self._rig.lidars[0].ego_from_lidar)[:3]
        rows = {
            "P0": first,
            "P1": first,
            "P2": second,
            "P3": second,
            "R0_rect": np.eye(3),
            "Tr_velo_to_cam": velodyne,
            "Tr_imu_to_velo": np.eye(4)[:3],
        }
        lines = []
        for name, row in rows.items():
            numbers = " ".join(f"{value:.12e}" for value in row.ravel())
            lines.append(f"{name}: {numbers}\n")
        return "".join(lines)

    def _label_lines(self, labels: Labels) -> list[str]:
        """Return one line of a label file for each object."""
        lines = []
        for index, (size, yaw) in enumerate(
            zip(labels.boxes.sizes, labels.boxes.yaws, strict=True)
        ):
            bottom = labels.boxes.centers[index] - [0, 0, size[2] / 2]
            x, y, z = apply(self._rect_from_ego, bottom)
            rotation = float(wrap_angle(np.array(-yaw - np.pi / 2)))
            alpha = float(wrap_angle(np.array(rotation - np.arctan2(x, z))))
            bounds = clip_to_image(labels.bounds[index], self._rig.camera.size)
            length, width, height = size
            numbers = [alpha, *bounds, height, width, length, x, y, z, rotation]
            fields = [
                labels.names[index],
                f"{labels.truncations[index]:.2f}",
                str(labels.occlusions[index]),
                *(f"{number:.4f}" for number in numbers),
            ]
            lines.append(" ".join(fields))
        return lines
