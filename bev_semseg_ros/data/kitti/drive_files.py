"""The images and clouds of a drive, in the layouts that keep those of each drive apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS, FilesByFrame, in_order
from bev_semseg_ros.data.kitti.clouds import CloudFolder

LIDAR_PART = "lidar"
FRAME_NS = 100_000_000  # KITTI records ten frames a second (Geiger et al., IJRR 2013)


def image_parts(cameras: Iterable[str]) -> dict[str, str]:
    """Return for each camera, the reference camera first, what its image is called as a part."""
    reference, *others = cameras
    return {reference: "image"} | {camera: f"{camera} image" for camera in others}


class DriveFiles:
    """The images and clouds of one drive.

    Args:
        images: Folder of the images by camera, the reference camera first.
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
        """The numbers of the frames of which there is an image or a cloud, in order."""
        keys: set[str] = set().union(*(files.keys for files in self._files.values()))
        return in_order({key for key in keys if key.isdigit()})

    @property
    def notes(self) -> tuple[str, ...]:
        """What the clouds have that KITTI's own have not."""
        return self._clouds.notes

    def find(self, key: str) -> tuple[dict[str, Path], list[str]]:
        """Return the files of a frame by part, and the parts without a file."""
        found = {part: files.get(key) for part, files in self._files.items()}
        paths = {part: path for part, path in found.items() if path is not None}
        return paths, [part for part, path in found.items() if path is None]

    def read_cloud(self, key: str) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return points and attributes as `CloudFolder.read`; no points without a file."""
        path = self._files[LIDAR_PART].get(key)
        return (None, {}) if path is None else self._clouds.read(path)

    def __str__(self) -> str:
        """Say what is there, for errors."""
        return "; ".join(map(str, self._files.values()))
