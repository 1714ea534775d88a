"""Sources of rigs: they provide the rig of each scene of a data set."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.random_rig import random_rig
from bev_semseg_ros.sim.rigs.record import describe
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.rigs.rig_file import load_rig

# Name of the source that draws a rig for each scene.
RANDOM = "random"
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 4096
# Separates the random numbers of rigs from all others of the same seed.
_RIG_STREAM = 87


class RigSource(ABC):
    """Provides the rig of each scene. It is sent to the worker processes.

    Attributes:
        name: Name of the source in `synth.json`.
        layout: Data set in whose layout all of its rigs are written, a key of `writers.WRITERS`.
        image_size: (width, height) of all images in pixels; None if each rig has its own.
        is_recorded: Whether the rig of each scene is written beside its frames.
        digest: Distinguishes sources of the same name; empty if the name suffices.
    """

    def __init__(
        self,
        name: str,
        layout: str,
        image_size: tuple[int, int] | None,
        is_recorded: bool,
        digest: str = "",
    ) -> None:
        self.name, self.layout, self.image_size = name, layout, image_size
        self.is_recorded, self.digest = is_recorded, digest

    @abstractmethod
    def rig_of(self, scene: int) -> Rig:
        """Return the rig of a scene.

        A source with a single rig always returns the same object, because `scan` caches the rays of
        each rig object.
        """


class FixedRig(RigSource):
    """One rig for all scenes."""

    def __init__(self, rig: Rig, digest: str = "") -> None:
        """Take a rig, and a digest that distinguishes it from others of its name."""
        super().__init__(rig.name, rig.layout, rig.reference_camera.size, False, digest)
        self._rig = rig

    def rig_of(self, scene: int) -> Rig:
        return self._rig


class RandomRigs(RigSource):
    """A different random rig for each scene, drawn from the seed of the data set and the scene."""

    def __init__(self, seed: int) -> None:
        super().__init__(RANDOM, "kitti", None, True)
        self._seed = seed

    def rig_of(self, scene: int) -> Rig:
        return random_rig(np.random.default_rng([self._seed, scene, _RIG_STREAM]))


def rig_source(
    rig: str | Rig | RigSource, seed: int, image_size: tuple[int, int] | None = None
) -> RigSource:
    """Return the source that the user chose.

    Args:
        rig: Key of RIGS, "random", the path of a calibration YAML, a rig, or a source.
        seed: Seed of the data set.
        image_size: (width, height) of the images in pixels; None for that of the rig.

    Raises:
        ValueError: If the rig is unknown, or if the size is out of range or not supported by this
            source.
    """
    if rig == RANDOM:
        if image_size is not None:
            raise ValueError(
                "image size: random rigs have sizes of their own; leave the image size out"
            )
        return RandomRigs(seed)
    if isinstance(rig, str) and rig in RIGS:
        return FixedRig(_with_image_size(RIGS[rig], image_size))
    if isinstance(rig, str):
        if not Path(rig).suffix:
            raise ValueError(
                f"unknown rig {rig!r}, expected one of {', '.join((*RIGS, RANDOM))}, or a "
                "calibration YAML"
            )
        rig = load_rig(rig)
    if isinstance(rig, Rig):
        rig = _with_image_size(rig, image_size)
        content = json.dumps(describe(rig), sort_keys=True)
        return FixedRig(rig, hashlib.sha256(content.encode()).hexdigest()[:16])
    return rig


def _with_image_size(rig: Rig, size: tuple[int, int] | None) -> Rig:
    """Return a rig with images of the given size; None keeps its own.

    Raises:
        ValueError: If the size is out of range.
    """
    sizes = [camera.size for camera in rig.cameras.values()] if size is None else [size]
    for width, height in sizes:
        if min(width, height) < MIN_IMAGE_SIZE or max(width, height) > MAX_IMAGE_SIZE:
            raise ValueError(
                f"image size: expected a width and a height of {MIN_IMAGE_SIZE} to "
                f"{MAX_IMAGE_SIZE} pixels, got {width}x{height}"
            )
    return rig if size is None else rig.resized((int(size[0]), int(size[1])))
