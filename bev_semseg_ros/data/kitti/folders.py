"""Finds the folders of KITTI's object layout, and refuses similar layouts."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS

LIDAR_FOLDER = "velodyne"


def cloud_folder(lidar: str = LIDAR_FOLDER) -> str:
    """Return the name of the folder with the clouds of a lidar; default: the first lidar."""
    return LIDAR_FOLDER if lidar == LIDAR_FOLDER else f"{LIDAR_FOLDER}_{lidar}"


def training_folder(path: Path) -> Path | None:
    """Return the folder that contains those of the sensors: "training", or the path itself."""
    return next(
        (
            folder
            for folder in (path / "training", path)
            if any(_has_sensor(folder, name) for name in (LIDAR_FOLDER, "image_2"))
        ),
        None,
    )


def _has_sensor(folder: Path, name: str) -> bool:
    """Return whether a folder contains the folder of a sensor.

    KITTI raw also uses the alternative names, but its files are one level deeper.
    """
    if (folder / name).is_dir():
        return True
    other = folder / _other_name(name)
    endings = (".bin", *IMAGE_ENDINGS)
    return other.is_dir() and any(file.suffix.lower() in endings for file in other.iterdir())


def sensor_folder(folder: Path, name: str) -> Path:
    """Return the folder of a sensor; it may have an alternative name."""
    other = folder / _other_name(name)
    return other if other.is_dir() and not (folder / name).is_dir() else folder / name


def _other_name(name: str) -> str:
    """Return the name of a folder in KITTI raw or tracking, such as image_02 for image_2."""
    kind, _, number = name.partition("_")
    return f"{kind}_{int(number):02d}" if number.isdigit() else f"{name}_points"


def refuse_others(folder: Path) -> None:
    """Raise an error for data with the same folders but another meaning.

    Raises:
        ValueError: The data are a sequence of KITTI odometry, or frames of Waymo: their clouds are
            in the frame of the vehicle, and camera 0 is the front camera.
    """
    if (folder / "calib.txt").is_file() and not (folder / "calib").is_dir():
        raise ValueError(
            f"{folder}: a sequence of KITTI odometry: it has no boxes and no masks; use KITTI "
            "object, tracking or raw"
        )
    if (folder / "label_all").is_dir() or (folder / "label_0").is_dir():
        raise ValueError(
            f"{folder}: Waymo's frames in KITTI's folders: the clouds are in the frame of the "
            "vehicle and image_0 is the front camera, so they would be misread; write a "
            'reader (docs/extending.md, "A data set"), or convert to velodyne (lidar 1.73 m above '
            "the ground), image_2 and label_2"
        )
