"""The cameras of KITTI's object layout: their names and the folders of their files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import kitti_object_camera
from bev_semseg_ros.data.files import image_size
from bev_semseg_ros.frame import Camera

# Boxes and "DontCare" areas are labelled in this camera.
REFERENCE = "image_02"
FIRST = 2  # number of the reference camera; the grey-scale cameras 0 and 1 are not read

_IMAGE_FOLDER = re.compile(r"image_0?([2-9]|[1-9][0-9])")


@dataclass(frozen=True)
class CameraFiles:
    """The folders of the files of a camera.

    Attributes:
        images: Folder of the images.
        masks: Folder of the masks.
        projection: Name of the row of the camera in the calibration.
    """

    images: str
    masks: str
    projection: str

    @classmethod
    def of(cls, camera: str) -> CameraFiles:
        """Return the folders of a camera, given its name as in KITTI raw, such as "image_02"."""
        number = int(camera.removeprefix("image_"))
        masks = "semantic" if camera == REFERENCE else f"semantic_{number}"
        return cls(f"image_{number}", masks, f"P{number}")


def camera_name(index: int) -> str:
    """Return the name of a camera; the reference camera has the index 0."""
    return f"image_{FIRST + index:02d}"


def camera_names(folder: Path) -> list[str]:
    """Return the cameras that have a folder of images; the reference camera is always included."""
    names = {REFERENCE}
    for entry in folder.iterdir():
        match = _IMAGE_FOLDER.fullmatch(entry.name)
        if match is not None and entry.is_dir():
            names.add(f"image_{int(match[1]):02d}")
    return sorted(names)


def image_cameras(
    parts: Mapping[str, str], paths: Mapping[str, Path], rows: dict[str, np.ndarray]
) -> dict[str, Camera]:
    """Return the cameras of the images of a frame, by the names of the images in `parts`.

    Args:
        parts: Name of each image, such as "image" -> name of its camera.
        paths: Files of the frame by their names, including "calib"; images may be missing.
        rows: Rows of the calibration.
    """
    cameras = {}
    for part, camera in parts.items():
        if part in paths:
            known = kitti_object_camera(rows, paths["calib"], image_size(paths[part]), camera)
            if known is not None:
                cameras[part] = known
    return cameras
