"""The images and clouds of a drive, in layouts with separate folders for each drive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS, FilesByFrame, in_order
from bev_semseg_ros.data.kitti.clouds import CloudFolder

LIDAR_PART = "lidar"
FRAME_NS = 100_000_000  # KITTI records ten frames per second (Geiger et al., IJRR 2013)


def image_parts(cameras: Iterable[str]) -> dict[str, str]:
    """Return camera -> part name of its image; the reference camera must be the first."""
    reference, *others = cameras
    return {reference: "image"} | {camera: f"{camera} image" for camera in others}


class DriveFiles:
    """The images and clouds of one drive.

    Args:
        images: Camera -> folder of its images, the reference camera first.
        clouds: Folder of the clouds.
    """

    def __init__(self, images: Mapping[str, Path], clouds: Path) -> None:
        self._files = {
            part: FilesByFrame(images[camera], IMAGE_ENDINGS)
            for camera, part in image_parts(images).items()
        }
        self._files[LIDAR_PART] = FilesByFrame(clouds, (".bin",))
        self._clouds = CloudFolder(self._files[LIDAR_PART].paths)

    @property
    def keys(self) -> list[str]:
        """Sorted keys of the numbered frames that have an image or a cloud."""
        keys: set[str] = set().union(*(files.keys for files in self._files.values()))
        return in_order({key for key in keys if key.isdecimal()})

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences of the clouds from KITTI's own."""
        return self._clouds.notes

    def find(self, key: str) -> tuple[dict[str, Path], list[str]]:
        """Return the files of a frame by part, and the names of the parts without a file."""
        found = {part: files.get(key) for part, files in self._files.items()}
        paths = {part: path for part, path in found.items() if path is not None}
        return paths, [part for part, path in found.items() if path is None]

    def read_cloud(self, key: str) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the result of `CloudFolder.read`; the points are None if there is no file."""
        path = self._files[LIDAR_PART].get(key)
        return (None, {}) if path is None else self._clouds.read(path)

    def __str__(self) -> str:
        """Describe the content of the folders, for errors."""
        return "; ".join(map(str, self._files.values()))
