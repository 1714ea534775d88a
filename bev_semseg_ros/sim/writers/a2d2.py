"""Writer of A2D2's layout."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data import bev_files
from bev_semseg_ros.data.a2d2.palette import MASK_LABELS, MASK_LABELS_FILE
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, transform_boxes
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.sim.bev_labels import EMPTY_MAP, label_bev
from bev_semseg_ros.sim.classes import A2D2_CATEGORY, IGNORED_PIXEL, MASK_LABEL, MASK_LABEL_SET
from bev_semseg_ros.sim.rigs.a2d2 import (
    A2D2_LIDAR_POSES,
    a2d2_vehicle_from_lidar,
    a2d2_vehicle_from_view,
)
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan, inside_image
from bev_semseg_ros.sim.writers.base import FRAME_PERIOD_US, Writer, write_json, write_picture
from bev_semseg_ros.sim.writers.labels import Labels, label_view

# Seconds between the starts of two scenes, unless scenes are longer.
MIN_SCENE_PERIOD = 30
# Offset of the frame numbers from each camera of a rig to the next, and microseconds by which the
# next camera takes its image later.
CAMERA_NUMBER_STEP = 100_000
CAMERA_DELAY_US = 1_700
# Truncation grows by one level at each of these fractions of a box outside the image.
TRUNCATION_SHARES = (0.02, 0.5)

# In the published class_list.json, the further instances of a category have colours of their own.
FURTHER_COLORS = {
    "Car": ("c80000", "960000", "800000"),
    "Bicycle": ("963204", "5a1e01", "5a1e1e"),
    "Pedestrian": ("bd499b", "ef59bf"),
    "Truck": ("c88000", "968000"),
    "Small vehicles": ("00c800", "009600"),
    "Traffic signal": ("1e1c9e", "3c1c64"),
    "Traffic sign": ("1edcdc", "3c9dc7"),
    "Utility vehicle": ("ffffc8",),
}


def a2d2_class_list() -> dict[str, str]:
    """Return the content of class_list.json.

    Returns:
        "#rrggbb" -> name of the category, followed by a number where it has several instances.
    """
    names = {}
    categories = load_label_set(MASK_LABELS)
    for category, first in zip(categories.classes, categories.colors, strict=True):
        colors = (first.tobytes().hex(), *FURTHER_COLORS.get(category, ()))
        for number, color in enumerate(colors, 1):
            names[f"#{color}"] = f"{category} {number}" if len(colors) > 1 else category
    return names


class A2D2Writer(Writer):
    """Writes A2D2's subset with boxes and masks.

    The layout is that of `camera_lidar_semantic_bboxes` with `cams_lidars.json` beside it (Geyer
    et al., arXiv 2004.06320). The points of a camera are those inside its image. They are given in
    its view frame: x forward, y left, z up, origin at the camera. Points outside all images, which
    only exist with a full turn, are stored with the reference camera; their `row` and `col` are
    NaN.

    As in the published data, boxes are written only for the reference camera, in its view frame,
    and the frames of different cameras have different numbers and times. The simulated world stands
    still between the times of the cameras.

    Some content is additional: the key `velocity` of boxes, classes of points, and labels of the
    bird's-eye view. The `id` of an object is the same in all frames of a scene. See
    `bev_semseg_ros.data.a2d2`.
    """

    SUBSET = "camera_lidar_semantic_bboxes"
    VAN_NAME = "VanSUV"
    # Signs of x, y, z of the corners in `3d_points`, in their order.
    CORNER_SIGNS = np.array(
        [
            [-1, 1, -1],
            [1, 1, -1],
            [1, -1, -1],
            [-1, -1, -1],
            [-1, 1, 1],
            [1, 1, 1],
            [1, -1, 1],
            [-1, -1, 1],
        ]
    )
    VIEW_FROM_OPTICAL = invert(OPTICAL_FROM_VIEW)

    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        super().__init__(out, rig, seed, frames)
        self._root = out / self.SUBSET
        first_day = datetime.datetime(2020, 1, 1, 8, tzinfo=datetime.UTC)
        self._start = first_day + datetime.timedelta(days=seed % 3650)
        duration = frames * FRAME_PERIOD_US // 1_000_000 + 1
        self._scene_period = datetime.timedelta(seconds=max(MIN_SCENE_PERIOD, duration))
        self._view_from_ego = {
            name: self.VIEW_FROM_OPTICAL @ camera.camera_from_ego
            for name, camera in rig.cameras.items()
        }
        self._reference = next(iter(rig.cameras))
        self._colors = np.zeros((256, 3), np.uint8)
        categories = load_label_set(MASK_LABELS)
        color_of = dict(zip(categories.classes, categories.colors, strict=True))
        for name, label in MASK_LABEL.items():
            self._colors[label] = color_of[A2D2_CATEGORY[name]]
        self._colors[IGNORED_PIXEL] = color_of["Blurred area"]

    def begin(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        write_json(self._root / "class_list.json", a2d2_class_list())
        # Of A2D2's 38 categories, the masks contain only one for each class of the simulator.
        write_json(self._root / MASK_LABELS_FILE, {"label_set": MASK_LABEL_SET})
        write_json(self._root / bev_files.GRID_FILE, bev_files.grid_content(EMPTY_MAP))
        write_json(self._root.parent / "cams_lidars.json", self._calibration())

    def write(
        self,
        scene: int,
        frame: int,
        view: View,
        scan: Scan,
        images: Mapping[str, np.ndarray],
        masks: Mapping[str, np.ndarray],
    ) -> None:
        begin = self._start + scene * self._scene_period
        time_us = int(begin.timestamp()) * 1_000_000 + frame * FRAME_PERIOD_US
        inside = {
            name: inside_image(scan.positions, camera) for name, camera in self._rig.cameras.items()
        }
        inside[self._reference] |= ~np.any(list(inside.values()), axis=0)
        for index, camera in enumerate(self._rig.cameras):
            number = frame + 1 + CAMERA_NUMBER_STEP * index
            # A2D2's sidecars number the lidars of a frame in no fixed order.
            rng = np.random.default_rng([view.seed, 22, index])
            lidar_ids = rng.permutation(len(self._rig.lidars))
            sidecar = {
                "cam_name": camera,
                "cam_tstamp": time_us + CAMERA_DELAY_US * index,
                "lidar_ids": {
                    str(lidar_ids[row]): lidar.name for row, lidar in enumerate(self._rig.lidars)
                },
            }
            write_picture(self._path(begin, number, "camera", camera, ".png"), images[camera])
            write_picture(
                self._path(begin, number, "label", camera, ".png"), self._colors[masks[camera]]
            )
            write_json(self._path(begin, number, "camera", camera, ".json"), sidecar)
            path = self._path(begin, number, "lidar", camera, ".npz")
            self._write_points(path, camera, scan[inside[camera]], time_us, lidar_ids)
        bev_paths = (
            self._path(begin, frame + 1, part, self._reference, ".png") for part in bev_files.PARTS
        )
        bev_files.write_bev(label_bev(view, scan), *bev_paths)
        labels = label_view(view, scan, self._rig, self.VAN_NAME)
        boxes_path = self._path(begin, frame + 1, "label3D", self._reference, ".json")
        write_json(boxes_path, self._boxes(labels))

    def finish(self, scenes: list[int]) -> None:
        """Do nothing: no file of this layout depends on the other scenes."""

    def _path(
        self, begin: datetime.datetime, number: int, kind: str, camera: str, suffix: str
    ) -> Path:
        """Return the path of a file of a frame; its folder is created.

        Args:
            begin: Start of the scene.
            number: Number of the camera's frame in the scene, from 1.
            kind: Name of the folder: "camera", "label", "lidar" and so on.
            camera: Name of the camera.
            suffix: Suffix of the file name, including the dot.
        """
        folder = self._root / f"{begin:%Y%m%d_%H%M%S}" / kind / f"cam_{camera}"
        folder.mkdir(parents=True, exist_ok=True)
        token = camera.replace("_", "")
        return folder / f"{begin:%Y%m%d%H%M%S}_{kind}_{token}_{number:09d}{suffix}"

    def _calibration(self) -> dict[str, Any]:
        """Return the content of cams_lidars.json."""
        cameras = {
            name: {
                "view": _axes(a2d2_vehicle_from_view(name)),
                "Lens": "Fisheye" if camera.distortion_model == "equidistant" else "Telecam",
                "Resolution": list(camera.size),
                "CamMatrix": camera.rectified_matrix.tolist(),
                "CamMatrixOriginal": camera.matrix.tolist(),
                "Distortion": [camera.distortion.tolist()],
                "tstamp_delay": 25000,
            }
            for name, camera in self._rig.cameras.items()
        }
        vehicle = {
            "view": _axes(np.eye(4)),
            "ego-dimensions": {
                "x-range": [-1.0, 4.0],
                "y-range": [-1.25, 1.25],
                "z-range": [-0.75, 1.5],
            },
        }
        lidars = {name: {"view": _axes(a2d2_vehicle_from_lidar(name))} for name in A2D2_LIDAR_POSES}
        return {"vehicle": vehicle, "lidars": lidars, "cameras": cameras}

    def _write_points(
        self, path: Path, camera: str, scan: Scan, time_us: int, lidar_ids: np.ndarray
    ) -> None:
        """Write the npz file of a camera's frame.

        Args:
            path: File to write.
            camera: Name of the camera.
            scan: Points that are stored with this camera.
            time_us: Time of the reference camera's image in microseconds.
            lidar_ids: (L,) id of each lidar in the sidecar.
        """
        points = apply(self._view_from_ego[camera], scan.positions)
        matrix = self._rig.cameras[camera].rectified_matrix
        depth = points[:, 0].copy()
        row = matrix[1, 1] * (-points[:, 2] / depth) + matrix[1, 2]
        column = matrix[0, 0] * (-points[:, 1] / depth) + matrix[0, 2]
        outside = ~inside_image(scan.positions, self._rig.cameras[camera])
        row[outside] = column[outside] = np.nan
        # A turn of a lidar takes one frame period and ends when the image is taken, so points are
        # older than the image by up to one period.
        turn = scan.azimuths / (2 * np.pi) % 1
        np.savez(
            path,
            points=points,
            depth=depth,
            distance=np.linalg.norm(points, axis=1),
            row=row,
            col=column,
            reflectance=np.rint(255 * scan.intensities).astype(np.int64),
            azimuth=(np.pi / 2 - scan.azimuths) % (2 * np.pi),
            lidar_id=lidar_ids[scan.lidars].astype(np.float64),
            timestamp=time_us - np.rint(FRAME_PERIOD_US * turn).astype(np.int64),
            semantic=scan.classes,
        )

    def _boxes(self, labels: Labels) -> dict[str, Any]:
        """Return the content of a label3D file."""
        view_from_ego = self._view_from_ego[self._reference]
        boxes = transform_boxes(view_from_ego, labels.boxes)
        content = {}
        for index, (center, size, yaw) in enumerate(
            zip(boxes.centers, boxes.sizes, boxes.yaws, strict=True)
        ):
            cos, sin = np.cos(yaw), np.sin(yaw)
            turned = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
            corners = self.CORNER_SIGNS * size / 2 @ turned + center
            truncation = np.searchsorted(TRUNCATION_SHARES, labels.truncations[index])
            number, velocity = labels.boxes.ids[index], labels.boxes.velocities[index]
            box = {
                "2d_bbox": labels.bounds[index].tolist(),
                "3d_points": corners.tolist(),
                "alpha": 0.0,
                # The angle is never negative: a clockwise rotation is one about the downward axis.
                "axis": [0.0, 0.0, 1.0 if yaw >= 0 else -1.0],
                "rot_angle": float(abs(yaw)),
                "center": center.tolist(),
                "size": size.tolist(),
                "class": labels.names[index],
                "id": int(number) if number >= 0 else index,
                "occlusion": float(labels.occlusions[index]),
                "truncation": float(truncation),
            }
            if number >= 0 and np.isfinite(velocity).all():
                in_view = view_from_ego[:3, :3] @ [*velocity, 0.0]
                box["velocity"] = in_view.tolist()
            content[f"box_{index}"] = box
        return content


def _axes(matrix: np.ndarray) -> dict[str, list[float]]:
    """Return a pose (4, 4) in the format of cams_lidars.json."""
    return {
        "origin": matrix[:3, 3].tolist(),
        "x-axis": matrix[:3, 0].tolist(),
        "y-axis": matrix[:3, 1].tolist(),
    }
