"""Simulated frames on disk, in the layouts of A2D2 and KITTI, so that the readers of the real data sets read them."""

from __future__ import annotations

import csv
import datetime
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    apply,
    box_corners,
    box_image_bounds,
    invert,
    project,
    transform,
    transform_boxes,
    wrap_angle,
)
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan
from bev_semseg_ros.sim.sensors.rig import (
    A2D2_LIDAR_POSES,
    A2D2_VEHICLE_FROM_VIEW,
    Rig,
    a2d2_vehicle_from_lidar,
)
from bev_semseg_ros.taxonomy import (
    A2D2_CATEGORY_OF_CLASS,
    DETECTION_CLASSES,
    IGNORE,
    SEGMENTATION_CLASSES,
)

FRAME_PERIOD_US = 100_000
VAN_HEIGHT = 1.8  # metres; a taller car is called a van
A2D2_VAN, KITTI_VAN = "VanSUV", "Van"

# class_list.json as published: colours of a category's instances, RGB.
A2D2_COLORS = {
    "Car": "ff0000 c80000 960000 800000",
    "Bicycle": "b65906 963204 5a1e01 5a1e1e",
    "Pedestrian": "cc99ff bd499b ef59bf",
    "Truck": "ff8000 c88000 968000",
    "Small vehicles": "00ff00 00c800 009600",
    "Traffic signal": "0080ff 1e1c9e 3c1c64",
    "Traffic sign": "00ffff 1edcdc 3c9dc7",
    "Utility vehicle": "ffff00 ffffc8",
    "Sidebars": "e96400",
    "Speed bumper": "6e6e00",
    "Curbstone": "808000",
    "Solid line": "ffc125",
    "Irrelevant signs": "400040",
    "Road blocks": "b97a57",
    "Tractor": "000064",
    "Non-drivable street": "8b636c",
    "Zebra crossing": "d23273",
    "Obstacles / trash": "ff0080",
    "Poles": "fff68f",
    "RD restricted area": "960096",
    "Animals": "ccff99",
    "Grid structure": "eea2ad",
    "Signal corpus": "212cb1",
    "Drivable cobblestone": "b432b4",
    "Electronic traffic": "ff46b9",
    "Slow drive area": "eee9bf",
    "Nature object": "93fdc2",
    "Parking area": "9696c8",
    "Sidewalk": "b496c8",
    "Ego car": "48d1cc",
    "Painted driv. instr.": "c87dd2",
    "Traffic guide obj.": "9f79ee",
    "Dashed line": "8000ff",
    "RD normal street": "ff00ff",
    "Sky": "87ceff",
    "Buildings": "f1e6ff",
    "Blurred area": "60458f",
    "Rain dirt": "352e52",
}


def a2d2_class_list() -> dict[str, str]:
    """class_list.json: "#rrggbb" -> name, numbered where a category has several instances."""
    names = {}
    for category, colors in A2D2_COLORS.items():
        colors = colors.split()
        for number, color in enumerate(colors, 1):
            names[f"#{color}"] = f"{category} {number}" if len(colors) > 1 else category
    return names


@dataclass(frozen=True, eq=False)
class Labels:
    """What a labeller would box of a view: the objects at least one lidar point lies on.

    boxes: ego frame, by the rig's convention; names: the data set's class; bounds (M, 4): left, top, right, bottom in
    the rectified image, not clipped; truncations (M,): share of `bounds` outside of the image; occlusions (M,): 0 seen
    whole, 1 partly hidden, 2 largely hidden.
    """

    boxes: Boxes
    names: list[str]
    bounds: np.ndarray
    truncations: np.ndarray
    occlusions: np.ndarray


def labels_of(view: View, scan: Scan, rig: Rig, van: str) -> Labels:
    """Labels of a view; `van`: the data set's name of a car taller than VAN_HEIGHT."""
    seen = np.unique(scan.objects[scan.objects >= 0])
    seen = seen[view.boxes.labels[seen] >= 0]
    true = view.boxes[seen]
    boxes = rig.convention.apply(true)
    bounds = box_image_bounds(boxes, rig.camera.image_from_ego)
    width, height = rig.camera.size
    clipped = np.clip(bounds, 0, [width - 1, height - 1, width - 1, height - 1])
    area, left = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (bounds, clipped))
    pixels, _ = project(rig.camera.image_from_ego, scan.positions)
    nearest = np.linalg.norm(box_corners(true), axis=2).min(axis=1) if len(true) else np.zeros(0)
    ranges = np.linalg.norm(scan.positions, axis=1)
    occlusions = np.zeros(len(seen), np.int64)
    for row, (number, (x0, y0, x1, y1)) in enumerate(zip(seen, bounds, strict=True)):
        inside = (
            (pixels[:, 0] > x0) & (pixels[:, 0] < x1) & (pixels[:, 1] > y0) & (pixels[:, 1] < y1)
        )
        before = np.sum(inside & (ranges < nearest[row] - 0.2))
        hidden = before / (before + np.sum(scan.objects == number))
        occlusions[row] = np.searchsorted([0.1, 0.5], hidden)
    classes = [DETECTION_CLASSES[label].capitalize() for label in true.labels]
    names = [
        van if name == "Car" and height > VAN_HEIGHT else name
        for name, height in zip(classes, true.sizes[:, 2], strict=True)
    ]
    return Labels(boxes, names, bounds, 1 - left / np.maximum(area, 1e-9), occlusions)


def _write_png(path: Path, rgb: np.ndarray) -> None:
    image = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 else rgb
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"{path}: could not be written")


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1))


class A2D2Writer:
    """Writes A2D2's `camera_lidar_semantic_bboxes` (front-centre camera) with `cams_lidars.json` beside it."""

    SUBSET = "camera_lidar_semantic_bboxes"
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
    )  # the order of `3d_points`
    VIEW_FROM_OPTICAL = invert(OPTICAL_FROM_VIEW)

    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        self._root, self._rig = out / self.SUBSET, rig
        self._start = datetime.datetime(2020, 1, 1, 8, tzinfo=datetime.UTC) + datetime.timedelta(
            days=seed % 3650
        )
        self._interval = datetime.timedelta(
            seconds=max(30, frames * FRAME_PERIOD_US // 1_000_000 + 1)
        )
        self._view_from_ego = self.VIEW_FROM_OPTICAL @ rig.camera.camera_from_ego
        self._colors = np.zeros((256, 3), np.uint8)
        by_name = {name: color for color, name in a2d2_class_list().items()}
        for index, name in enumerate(SEGMENTATION_CLASSES):
            self._colors[index] = tuple(bytes.fromhex(by_name[A2D2_CATEGORY_OF_CLASS[name]][1:]))
        self._colors[IGNORE] = tuple(bytes.fromhex(by_name["Blurred area"][1:]))

    def begin(self) -> None:
        """Write what stands above the frames."""
        self._root.mkdir(parents=True, exist_ok=True)
        _write_json(self._root / "class_list.json", a2d2_class_list())
        camera = self._rig.camera
        _write_json(
            self._root.parent / "cams_lidars.json",
            {
                "vehicle": {
                    "view": _axes(np.eye(4)),
                    "ego-dimensions": {
                        "x-range": [-1.0, 4.0],
                        "y-range": [-1.25, 1.25],
                        "z-range": [-0.75, 1.5],
                    },
                },
                "lidars": {
                    name: {"view": _axes(a2d2_vehicle_from_lidar(name))}
                    for name in A2D2_LIDAR_POSES
                },
                "cameras": {
                    "front_center": {
                        "view": _axes(A2D2_VEHICLE_FROM_VIEW),
                        "Lens": "Telecam",
                        "Resolution": list(camera.size),
                        "CamMatrix": camera.rectified_matrix.tolist(),
                        "CamMatrixOriginal": camera.matrix.tolist(),
                        "Distortion": [camera.distortion.tolist()],
                        "tstamp_delay": 25000,
                    }
                },
            },
        )

    def write(
        self, scene: int, frame: int, view: View, scan: Scan, image: np.ndarray, mask: np.ndarray
    ) -> None:
        """One frame: image (H, W, 3) and mask (H, W) as recorded, i.e. distorted."""
        begin = self._start + scene * self._interval
        stamp = int(begin.timestamp()) * 1_000_000 + frame * FRAME_PERIOD_US
        rng = np.random.default_rng([view.seed, 22])
        folder = self._root / f"{begin:%Y%m%d_%H%M%S}"

        def path(kind: str, suffix: str, token: str | None = None) -> Path:
            parent = folder / kind / "cam_front_center"
            parent.mkdir(parents=True, exist_ok=True)
            return (
                parent / f"{begin:%Y%m%d%H%M%S}_{token or kind}_frontcenter_{frame + 1:09d}{suffix}"
            )

        ids = rng.permutation(len(self._rig.lidars))
        _write_png(path("camera", ".png"), image)
        _write_png(path("label", ".png"), self._colors[mask])
        _write_json(
            path("camera", ".json"),
            {
                "cam_name": "front_center",
                "cam_tstamp": stamp,
                "lidar_ids": {
                    str(ids[number]): lidar.name for number, lidar in enumerate(self._rig.lidars)
                },
            },
        )
        self._write_points(path("lidar", ".npz"), scan, stamp, ids)
        _write_json(
            path("label3D", ".json"), self._boxes(labels_of(view, scan, self._rig, A2D2_VAN))
        )

    def finish(self, scenes: list[int]) -> None:
        """Nothing stands below the frames."""

    def _write_points(self, path: Path, scan: Scan, stamp: int, ids: np.ndarray) -> None:
        points = apply(self._view_from_ego, scan.positions)
        matrix = self._rig.camera.rectified_matrix
        depth = points[:, 0].copy()
        # A turn of a sensor lasts 100 ms and has passed the camera's direction when the image is taken.
        turn = scan.azimuths / (2 * np.pi) % 1
        arrays = {
            "points": points,
            "depth": depth,
            "distance": np.linalg.norm(points, axis=1),
            "row": matrix[1, 1] * (-points[:, 2] / depth) + matrix[1, 2],
            "col": matrix[0, 0] * (-points[:, 1] / depth) + matrix[0, 2],
            "reflectance": np.rint(255 * scan.intensities).astype(np.int64),
            "azimuth": (np.pi / 2 - scan.azimuths) % (2 * np.pi),
            "lidar_id": ids[scan.lidars].astype(np.float64),
            "timestamp": stamp - np.rint(FRAME_PERIOD_US * turn).astype(np.int64),
        }
        np.savez(path, **arrays)

    def _boxes(self, labels: Labels) -> dict:
        boxes = transform_boxes(self._view_from_ego, labels.boxes)
        content = {}
        for index, (center, size, yaw) in enumerate(
            zip(boxes.centers, boxes.sizes, boxes.yaws, strict=True)
        ):
            c, s = np.cos(yaw), np.sin(yaw)
            corners = (
                self.CORNER_SIGNS * size / 2 @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + center
            )
            content[f"box_{index}"] = {
                "2d_bbox": labels.bounds[index].tolist(),
                "3d_points": corners.tolist(),
                "alpha": 0.0,
                # The angle is never negative: a turn to the right is one about the axis that points down.
                "axis": [0.0, 0.0, 1.0 if yaw >= 0 else -1.0],
                "rot_angle": float(abs(yaw)),
                "center": center.tolist(),
                "size": size.tolist(),
                "class": labels.names[index],
                "id": index,
                "occlusion": float(labels.occlusions[index]),
                "truncation": float(np.searchsorted([0.02, 0.5], labels.truncations[index])),
            }
        return content


def _axes(matrix: np.ndarray) -> dict[str, list[float]]:
    """A (4, 4) pose as cams_lidars.json states it."""
    return {
        "origin": matrix[:3, 3].tolist(),
        "x-axis": matrix[:3, 0].tolist(),
        "y-axis": matrix[:3, 1].tolist(),
    }


class KittiWriter:
    """Writes KITTI's object layout, `training/semantic` (class ids) and `training/frames.csv` (frame, scene, time_ns).

    Labels stand in the frame of the rectified camera 0; camera 2, whose image is written, is BASELINE to its left, as
    the fourth column of P2 says.
    """

    BASELINE = 0.06
    FOLDERS = ("image_2", "label_2", "calib", "velodyne", "semantic")

    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        self._root, self._rig, self._frames = out / "training", rig, frames
        self._rect_from_ego = (
            transform(translation=(-self.BASELINE, 0, 0)) @ rig.camera.camera_from_ego
        )
        self._lidar_from_ego = invert(rig.lidars[0].ego_from_lidar)

    def begin(self) -> None:
        """Make the folders."""
        for name in self.FOLDERS:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def write(
        self, scene: int, frame: int, view: View, scan: Scan, image: np.ndarray, mask: np.ndarray
    ) -> None:
        """One frame: image (H, W, 3) and mask (H, W)."""
        name = f"{scene * self._frames + frame:06d}"
        _write_png(self._root / "image_2" / f"{name}.png", image)
        _write_png(self._root / "semantic" / f"{name}.png", mask)
        points = np.concatenate(
            [apply(self._lidar_from_ego, scan.positions), scan.intensities[:, None]], 1
        )
        points[:, 3] = np.round(points[:, 3], 2)
        (self._root / "velodyne" / f"{name}.bin").write_bytes(points.astype("<f4").tobytes())
        (self._root / "calib" / f"{name}.txt").write_text(self._calibration())
        labels = labels_of(view, scan, self._rig, KITTI_VAN)
        (self._root / "label_2" / f"{name}.txt").write_text(
            "".join(line + "\n" for line in self._lines(labels))
        )

    def finish(self, scenes: list[int]) -> None:
        """Write the table of the scenes that are complete."""
        with open(self._root / "frames.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["frame", "scene", "time_ns"])
            for scene in scenes:
                for frame in range(self._frames):  # scenes lie a minute apart
                    time_ns = scene * 60_000_000_000 + frame * FRAME_PERIOD_US * 1000
                    table.writerow(
                        [f"{scene * self._frames + frame:06d}", f"scene_{scene:04d}", time_ns]
                    )

    def _calibration(self) -> str:
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
        return "".join(
            f"{name}: {' '.join(f'{value:.12e}' for value in row.ravel())}\n"
            for name, row in rows.items()
        )

    def _lines(self, labels: Labels) -> list[str]:
        width, height = self._rig.camera.size
        lines = []
        for index, (size, yaw) in enumerate(
            zip(labels.boxes.sizes, labels.boxes.yaws, strict=True)
        ):
            bottom = labels.boxes.centers[index] - [0, 0, size[2] / 2]
            x, y, z = apply(self._rect_from_ego, bottom)
            rotation = float(wrap_angle(np.array(-yaw - np.pi / 2)))
            alpha = float(wrap_angle(np.array(rotation - np.arctan2(x, z))))
            bounds = np.clip(
                labels.bounds[index], 0, [width - 1, height - 1, width - 1, height - 1]
            )
            numbers = [alpha, *bounds, size[2], size[1], size[0], x, y, z, rotation]
            lines.append(
                " ".join(
                    [
                        labels.names[index],
                        f"{labels.truncations[index]:.2f}",
                        str(labels.occlusions[index]),
                        *(f"{number:.4f}" for number in numbers),
                    ]
                )
            )
        return lines


WRITERS = {"a2d2": A2D2Writer, "kitti": KittiWriter}
