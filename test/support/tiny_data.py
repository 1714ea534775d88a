"""Tiny data sets in every layout, for tests of readers without real data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

A2D2_COLORS = {
    "#ff00ff": "RD normal street",
    "#87ceff": "Sky",
    "#ff0000": "Car 1",
    "#c80000": "Car 2",
    "#00ff00": "Small vehicles 1",
    "#48d1cc": "Ego car",
}
KITTI_CALIB = """P0: 700 0 31.5 0 0 700 15.5 0 0 0 1 0
P2: 700 0 31.5 42 0 700 15.5 0 0 0 1 0.003
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 -0.08 1 0 0 -0.27
"""
KITTI_SIZE = (64, 32)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG and the folders above it.

    Args:
        path: The file.
        image: (h, w, 3) RGB or (h, w) gray.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def truncate(path: Path) -> None:
    """Cut a file to half its size."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def a2d2_file(
    root: Path,
    part: str,
    scene: str = "20180807_145028",
    number: int = 7,
    subset: str = "camera_lidar_semantic_bboxes",
    camera: str = "front_center",
) -> Path:
    """Return the path of one file of an A2D2 frame.

    Args:
        root: The data set.
        part: image, sidecar, lidar, mask or boxes.
        scene: Name of the scene's folder.
        number: Number of the frame.
        subset: Name of the subset's folder.
        camera: Name of the camera.
    """
    folder, ending = {
        "image": ("camera", "png"),
        "sidecar": ("camera", "json"),
        "lidar": ("lidar", "npz"),
        "mask": ("label", "png"),
        "boxes": ("label3D", "json"),
    }[part]
    name = f"{scene.replace('_', '')}_{folder}_{camera.replace('_', '')}_{number:09d}.{ending}"
    return root / subset / scene / folder / f"cam_{camera}" / name


def write_a2d2_rig(root: Path) -> None:
    """Write cams_lidars.json with a front camera and a fisheye camera on the left side."""
    matrix = [[60.0, 0, 31.5], [0, 62.0, 19.5], [0, 0, 1]]
    rectified = [[56.0, 0, 31.0], [0, 60.0, 19.0], [0, 0, 1]]
    axes = {"x-axis": [1.0, 0.0, 0.0], "y-axis": [0.0, 1.0, 0.0]}
    turned = {"x-axis": [0.0, 1.0, 0.0], "y-axis": [-1.0, 0.0, 0.0]}
    common = {"CamMatrix": rectified, "CamMatrixOriginal": matrix, "Resolution": [64, 40]}
    _write_json(
        root / "cams_lidars.json",
        {
            "cameras": {
                "front_center": {
                    "view": {"origin": [1.7, 0.0, 0.95], **axes},
                    "Lens": "Telecam",
                    "Distortion": [[-0.26, 0.0, 0.0, 0.0, 0.0]],
                    **common,
                },
                "side_left": {
                    "view": {"origin": [0.7, 0.6, 0.95], **turned},
                    "Lens": "Fisheye",
                    "Distortion": [[-0.04, 0.0, 0.0, 0.0]],
                    **common,
                },
            }
        },
    )


def write_a2d2_frame(
    root: Path,
    scene: str = "20180807_145028",
    number: int = 7,
    time_us: int = 1_533_647_182_922_733,
    subset: str = "camera_lidar_semantic_bboxes",
    camera: str = "front_center",
) -> None:
    """Write an A2D2 frame with all its files.

    The mask has road below, sky above and a car. The boxes subset has a car, a trailer and a
    bicycle.

    Args:
        root: The data set.
        scene: Name of the scene's folder.
        number: Number of the frame; seeds its pixels and points.
        time_us: Time of the image, microseconds.
        subset: Name of the subset's folder.
        camera: Name of the camera.
    """

    def where(part: str) -> Path:
        path = a2d2_file(root, part, scene, number, subset, camera)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    (root / subset).mkdir(parents=True, exist_ok=True)
    _write_json(root / subset / "class_list.json", A2D2_COLORS)
    rng = np.random.default_rng(number)
    write_png(where("image"), rng.integers(0, 255, (40, 64, 3), dtype=np.uint8))
    label = np.zeros((40, 64, 3), np.uint8)
    label[:20], label[20:], label[18:26, 20:30] = (
        (0x87, 0xCE, 0xFF),
        (0xFF, 0x00, 0xFF),
        (0xC8, 0x00, 0x00),
    )
    label[0, 0], label[0, 1] = (0x00, 0xFF, 0x00), (0x48, 0xD1, 0xCC)
    write_png(where("mask"), label)
    _write_json(
        where("sidecar"),
        {"cam_name": camera, "cam_tstamp": time_us, "lidar_ids": {"0": "front_left"}},
    )
    points = rng.uniform((4, -4, -1), (30, 4, 1), (12, 3))
    np.savez(
        where("lidar"),
        points=points,
        depth=points[:, 0],
        reflectance=rng.integers(0, 256, 12),
        lidar_id=np.zeros(12),
        timestamp=np.full(12, time_us - 5),
    )
    if subset.endswith("bboxes"):
        common = {
            "2d_bbox": [0, 0, 1, 1],
            "3d_points": np.zeros((8, 3)).tolist(),
            "alpha": 0.0,
            "id": 0,
            "occlusion": 0.0,
            "truncation": 0.0,
        }
        _write_json(
            where("boxes"),
            {
                "box_0": {
                    "class": "Car",
                    "center": [10.0, 1.0, -1.0],
                    "size": [4.0, 2.0, 1.6],
                    "axis": [0.0, 0.0, -1.0],
                    "rot_angle": 0.5,
                    **common,
                },
                "box_1": {
                    "class": "Trailer",
                    "center": [20.0, -2.0, -0.8],
                    "size": [6.0, 2.5, 2.0],
                    "axis": [0.0, 0.0, 1.0],
                    "rot_angle": 0.25,
                    **common,
                },
                "box_2": {
                    "class": "Bicycle",
                    "center": [8.0, -3.0, -1.0],
                    "size": [1.8, 0.6, 1.1],
                    "axis": [1.0, 0.0, 0.0],
                    "rot_angle": 0.0,
                    **common,
                },
            },
        )


def write_kitti_frame(root: Path, name: str, labels: str | None = None) -> None:
    """Write a frame of the KITTI object set: image, 50 points, calibration and labels.

    Args:
        root: The data set.
        name: Number of the frame; seeds its pixels and points.
        labels: Content of the label file; default: a car 20 m ahead that heads forward.
    """
    training = root / "training"
    for folder in ("velodyne", "calib", "label_2"):
        (training / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(int(name))
    write_png(
        training / "image_2" / f"{name}.png",
        rng.integers(0, 255, (*KITTI_SIZE[::-1], 3), dtype=np.uint8),
    )
    points = rng.uniform((5, -10, -1.7, 0), (40, 10, 0, 1), (50, 4)).astype(np.float32)
    (training / "velodyne" / f"{name}.bin").write_bytes(points.tobytes())
    (training / "calib" / f"{name}.txt").write_text(KITTI_CALIB)
    car = "Car 0.00 0 -1.57 10 10 30 30 1.50 1.60 4.00 1.00 1.65 20.00 -1.5707963\n"
    (training / "label_2" / f"{name}.txt").write_text(car if labels is None else labels)


def write_kitti_table(root: Path, rows: list[tuple[str, str, int]]) -> None:
    """Write frames.csv of a simulated KITTI data set.

    Args:
        root: The data set.
        rows: (frame, scene, nanoseconds) of each frame.
    """
    lines = ["frame,scene,time_ns", *(f"{frame},{scene},{time}" for frame, scene, time in rows)]
    (root / "training" / "frames.csv").write_text("\n".join(lines) + "\n")


def write_kitti_drive(root: Path, count: int = 5) -> None:
    """Write a simulated drive at 10 Hz in KITTI's layout, with frames.csv and masks."""
    for index in range(count):
        write_kitti_frame(root, f"{index:06d}")
        write_png(
            root / "training" / "semantic" / f"{index:06d}.png",
            np.full(KITTI_SIZE[::-1], index, np.uint8),
        )
    write_kitti_table(
        root,
        [
            (f"{index:06d}", "drive_a", 5_000_000_000 + index * 100_000_000)
            for index in range(count)
        ],
    )


def write_kitti_raw(
    root: Path, numbers: tuple[int, ...] = (2, 3), day: str = "2011_09_26", drive: int = 5
) -> Path:
    """Write a KITTI raw drive of five time stamps with one tracklet in frames 1 to 3.

    Args:
        root: The folder of days.
        numbers: Frames that have an image and points.
        day: Name of the day's folder.
        drive: Number of the drive.

    Returns:
        The folder of the drive.
    """
    folder = root / day / f"{day}_drive_{drive:04d}_sync"
    for sensor in ("image_02", "velodyne_points"):
        (folder / sensor / "data").mkdir(parents=True)
        late = 0 if sensor == "velodyne_points" else 10
        (folder / sensor / "timestamps.txt").write_text(
            "".join(f"2011-09-26 13:02:25.{100 * index + late:03d}000001\n" for index in range(5))
        )
    for number in numbers:
        rng = np.random.default_rng(number)
        write_png(
            folder / "image_02" / "data" / f"{number:010d}.png",
            rng.integers(0, 255, (*KITTI_SIZE[::-1], 3), dtype=np.uint8),
        )
        points = rng.uniform((5, -10, -1.7, 0), (40, 10, 0, 1), (50, 4)).astype(np.float32)
        (folder / "velodyne_points" / "data" / f"{number:010d}.bin").write_bytes(points.tobytes())
    (folder.parent / "calib_cam_to_cam.txt").write_text(
        "calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 64 32\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
        "P_rect_02: 700 0 31.5 42 0 700 15.5 0 0 0 1 0.003\n"
    )
    (folder.parent / "calib_velo_to_cam.txt").write_text(
        "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 -0.08 -0.27\n"
    )
    poses = "".join(
        f"<item><tx>{10 + index}</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>0.5</rz></item>"
        for index in range(3)
    )
    (folder / "tracklet_labels.xml").write_text(
        "<boost_serialization><tracklets><count>1</count><item><objectType>Van</objectType>"
        "<h>2</h><w>1.8</w><l>4.4</l><first_frame>1</first_frame>"
        f"<poses><count>3</count>{poses}</poses></item></tracklets></boost_serialization>"
    )
    return folder


def write_mixed(root: Path) -> tuple[Path, Path]:
    """Write frames of A2D2 and of a simulated drive in KITTI's layout."""
    write_a2d2_rig(root / "a2d2")
    for number in (7, 8):
        write_a2d2_frame(root / "a2d2", number=number)
    write_kitti_drive(root / "kitti", 2)
    return root / "a2d2", root / "kitti"
