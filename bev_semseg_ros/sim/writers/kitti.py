"""Writer of KITTI's object detection layout."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bev_semseg_ros.data import bev_files
from bev_semseg_ros.data.calibration import KITTI_EGO_FROM_LIDAR
from bev_semseg_ros.data.kitti.calibration_text import (
    calibration_text,
    camera_rows,
    lidar_row,
    object_rows,
)
from bev_semseg_ros.data.kitti.cameras import CameraFiles
from bev_semseg_ros.data.kitti.clouds import write_cloud
from bev_semseg_ros.data.kitti.frame_table import TABLE, write_table
from bev_semseg_ros.data.kitti.label_text import label_line
from bev_semseg_ros.data.kitti.point_labels import ENDING, FOLDER, LABELS_FILE, labels_folder
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, invert, transform
from bev_semseg_ros.sim.bev_labels import EMPTY_MAP, label_bev
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan
from bev_semseg_ros.sim.writers.base import (
    FRAME_PERIOD_US,
    Writer,
    write_json,
    write_label_set,
    write_picture,
)
from bev_semseg_ros.sim.writers.labels import Labels, clip_to_image, label_view

# Nanoseconds between the starts of two scenes in frames.csv, unless scenes are longer.
MIN_SCENE_PERIOD_NS = 60_000_000_000
FRAME_PERIOD_NS = 1000 * FRAME_PERIOD_US


class KittiWriter(Writer):
    """Writes KITTI's object layout (Geiger et al., CVPR 2012) with some additions.

    - `training/semantic/<frame>.png` is a mask of class numbers for image_2, and `semantic_3` for
      image_3. There may be further cameras: image_4 and so on. If the orientation of a camera
      differs from that of the first one, a row such as Tr_velo_to_image_03 holds its pose.
    - `training/frames.csv` has the columns frame, scene and time_ns.
    - `training/motion/<frame>.csv` has ids and velocities, see `bev_semseg_ros.data.kitti`.
    - A second lidar NAME is written as `training/velodyne_NAME/<frame>.bin` in its own frame. The
      row Tr_NAME_to_velo of the calibration transforms its points to the frame of the first lidar.
    - `training/labels` has the classes of the points, and `training/labels_NAME` those of the
      second lidar.
    - `training/bev` and `training/bev_observed` are labels of the bird's-eye view.
    - `training/rigs/<scene>.yaml` describes the rig of a scene, if every scene has its own.

    The frame of the first lidar is level, with the ground at z = -1.73, as readers of this layout
    assume. If the lidar is mounted differently, its points are transformed to such a frame. If the
    rig is merged, this cloud contains the points of all its lidars.

    Labels are in the frame of the rectified camera 0. Camera 2 is BASELINE metres to the left of
    camera 0. The fourth columns of P2 and P3 hold the positions of cameras 2 and 3.
    """

    BASELINE = 0.06
    VAN_NAME = "Van"
    LIDAR_FOLDER = "velodyne"
    RIGS_FOLDER = "training/rigs"

    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        super().__init__(out, rig, seed, frames)
        self._root = out / "training"
        self._frames = frames
        to_first_camera = transform(translation=(-self.BASELINE, 0, 0))
        self._rect_from_ego = to_first_camera @ rig.reference_camera.camera_from_ego
        first, *others = [lidar.name for lidar in rig.lidars]
        self._lidar_folders = [first, *(f"{first}_{name}" for name in others)]
        if rig.is_merged:
            self._lidar_folders = [self.LIDAR_FOLDER]
        self._poses = [KITTI_EGO_FROM_LIDAR, *(lidar.ego_from_lidar for lidar in rig.lidars[1:])]

    def begin(self) -> None:
        folders = ["label_2", "calib", "motion", *self._lidar_folders]
        folders += [labels_folder(name) for name in self._lidar_folders]
        folders += [bev_files.CLASSES, bev_files.OBSERVED]
        for camera in self._rig.cameras:
            files = CameraFiles.of(camera)
            folders += [files.images, files.masks]
        for name in folders:
            (self._root / name).mkdir(parents=True, exist_ok=True)
        write_label_set(self._root / FOLDER / LABELS_FILE)
        write_json(self._root / bev_files.GRID_FILE, bev_files.grid_content(EMPTY_MAP))

    def write(
        self,
        scene: int,
        frame: int,
        view: View,
        scan: Scan,
        images: Mapping[str, np.ndarray],
        masks: Mapping[str, np.ndarray],
    ) -> None:
        name = self._frame_name(scene, frame)
        for camera in self._rig.cameras:
            files = CameraFiles.of(camera)
            write_picture(self._root / files.images / f"{name}.png", images[camera])
            write_picture(self._root / files.masks / f"{name}.png", masks[camera])
        for number, folder in enumerate(self._lidar_folders):
            own = scan if self._rig.is_merged else scan[scan.lidars == number]
            self._write_points(self._root / folder / f"{name}.bin", own, self._poses[number])
            label_file = self._root / labels_folder(folder) / f"{name}{ENDING}"
            label_file.write_bytes(own.classes.astype("<u4").tobytes())
        (self._root / "calib" / f"{name}.txt").write_text(self._calibration())
        bev_paths = (self._root / part / f"{name}.png" for part in bev_files.PARTS)
        bev_files.write_bev(label_bev(view, scan), *bev_paths)
        labels = label_view(view, scan, self._rig, self.VAN_NAME)
        lines = self._label_lines(labels)
        (self._root / "label_2" / f"{name}.txt").write_text("".join(line + "\n" for line in lines))
        self._write_motion(self._root / "motion" / f"{name}.csv", labels.boxes)

    def finish(self, scenes: list[int]) -> None:
        period = max(MIN_SCENE_PERIOD_NS, self._frames * FRAME_PERIOD_NS)
        rows = [
            (
                self._frame_name(scene, frame),
                f"scene_{scene:04d}",
                scene * period + frame * FRAME_PERIOD_NS,
            )
            for scene in scenes
            for frame in range(self._frames)
        ]
        write_table(self._root / TABLE, rows)

    @staticmethod
    def _write_points(path: Path, scan: Scan, ego_from_lidar: np.ndarray) -> None:
        """Write the points of one lidar in its own frame."""
        points = np.concatenate(
            [apply(invert(ego_from_lidar), scan.positions), scan.intensities[:, None]], 1
        )
        points[:, 3] = np.round(points[:, 3], 2)
        write_cloud(path, points)

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
        """Return the file name, without suffix, of a frame: its index in the data set."""
        return f"{scene * self._frames + frame:06d}"

    def _calibration(self) -> str:
        """Return the text of a calibration file, the same for all frames of a scene."""
        matrix = self._rig.reference_camera.matrix
        rows = object_rows(matrix, self._rect_from_ego, self.BASELINE)
        for name, camera in list(self._rig.cameras.items())[1:]:
            rows |= camera_rows(name, camera, self._rect_from_ego)
        for lidar in [] if self._rig.is_merged else self._rig.lidars[1:]:
            rows |= lidar_row(lidar.name, lidar.ego_from_lidar)
        return calibration_text(rows)

    def _label_lines(self, labels: Labels) -> list[str]:
        """Return one line of a label file for each object."""
        size = self._rig.reference_camera.size
        return [
            label_line(
                name,
                labels.boxes[index],
                self._rect_from_ego,
                clip_to_image(labels.bounds[index], size),
                labels.truncations[index],
                labels.occlusions[index],
            )
            for index, name in enumerate(labels.names)
        ]
