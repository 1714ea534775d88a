"""Base class and helpers of the writers of all layouts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from bev_semseg_ros.data.files import write_png
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.sim.classes import MASK_LABEL_SET
from bev_semseg_ros.sim.rigs.record import describe
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan

FRAME_PERIOD_US = 100_000
# Run-length encoding alone makes simulated images a tenth smaller than the default, in less time.
_PNG_SETTINGS = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
]


class Writer(ABC):
    """Writes the simulated drives of one rig in the layout of a data set.

    A drive is called a scene, as in the data sets. Several processes may write scenes at the same
    time. Each has its own writer and calls only `write` and `write_rig`. The process that started
    the others calls `begin` and `finish`.
    """

    # Folder of the files that describe the rig of a scene.
    RIGS_FOLDER = "rigs"

    @abstractmethod
    def __init__(self, out: Path, rig: Rig, seed: int, frames: int) -> None:
        """Prepare to write; nothing is created yet.

        Args:
            out: Root folder of the data set.
            rig: Sensors; its cameras have the size of the written images.
            seed: Seed of the data set.
            frames: Number of frames per scene.
        """
        self._rig = rig
        self._rig_folder = out / self.RIGS_FOLDER

    @abstractmethod
    def begin(self) -> None:
        """Create the folders and the files that all scenes share."""

    @abstractmethod
    def write(
        self,
        scene: int,
        frame: int,
        view: View,
        scan: Scan,
        images: Mapping[str, np.ndarray],
        masks: Mapping[str, np.ndarray],
    ) -> None:
        """Write one frame.

        Args:
            scene: Index of the scene in the data set.
            frame: Index of the frame in the scene.
            view: State of the world at this frame.
            scan: Points that the rig's lidars measured.
            images: For each camera of the rig, the recorded image (H, W, 3) uint8 RGB, with its
                distortion.
            masks: For each camera, (H, W) uint8 classes of `classes.MASK_LABEL`, in the geometry
                of its image.
        """

    def write_rig(self, scene: int) -> None:
        """Write the rig of a scene; used if every scene has its own rig."""
        self._rig_folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(
            describe(self._rig), sort_keys=False, default_flow_style=None, width=100
        )
        (self._rig_folder / f"scene_{scene:04d}.yaml").write_text(text)

    @abstractmethod
    def finish(self, scenes: list[int]) -> None:
        """Write the files that depend on which scenes are complete.

        Args:
            scenes: Indices of all complete scenes, ascending.
        """


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an image with `write_png`, with settings for simulated images."""
    write_png(path, image, _PNG_SETTINGS)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=1))


def write_label_set(path: Path) -> None:
    """Write the label set of masks and points as a YAML file with names and colours."""
    labels = load_label_set(MASK_LABEL_SET)
    colors = {
        name: {"color": color.tolist()}
        for name, color in zip(labels.classes, labels.colors, strict=True)
    }
    path.write_text(yaml.safe_dump({"classes": colors}, sort_keys=False, default_flow_style=None))
