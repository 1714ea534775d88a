"""Sensor rigs: lidars, cameras, how they measure, and how boxes are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from bev_semseg_ros.frame import Boxes, Camera, scale_matrix
from bev_semseg_ros.sim.classes import BOX_CLASSES
from bev_semseg_ros.sim.rigs.bonnet import Bonnet
from bev_semseg_ros.sim.rigs.camera_effects import CameraEffects
from bev_semseg_ros.sim.sensors.sweep import Sweep


@dataclass(frozen=True, eq=False)
class Lidar:
    """A lidar with B beams that spin, or sweep from one side to the other.

    Attributes:
        name: Name in the calibration of the data set.
        ego_from_lidar: (4, 4) pose in the ego frame.
        elevations: (B,) elevation of each beam in radians.
        heights: (B,) height in metres above the sensor's origin from which each beam starts. The
            two blocks of an HDL-64E have different heights.
        azimuth_step: Angle between two shots of a beam in radians.
        azimuths: Azimuths at which a sweep starts and ends, in radians in the frame of the lidar.
            The default is a full turn.
        model: Kind of lidar, in words; for display and statistics.
        max_range: Metres beyond which it returns no point. `Rig.max_range` also applies.
    """

    name: str
    ego_from_lidar: np.ndarray
    elevations: np.ndarray
    heights: np.ndarray
    azimuth_step: float
    azimuths: tuple[float, float] = (0.0, 2 * np.pi)
    model: str = ""
    max_range: float = float("inf")


@dataclass(frozen=True)
class BoxConvention:
    """How the boxes that labellers of a data set draw differ from the true extent of objects.

    Attributes:
        scales: Class name -> factors of length, width and height. Classes without an entry are
            drawn at their true size. A changed height keeps the bottom of the box on the ground.
        pull: Metres by which a resized box is moved towards the sensor. Before that, resizing keeps
            the faces nearest to the sensor in place. With None, resizing keeps the centre in place,
            and the box is not moved.
    """

    scales: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    pull: float | None = None

    def apply(self, boxes: Boxes) -> Boxes:
        """Return true boxes in the ego frame as a labeller would draw them."""
        # Ignored vehicles have the label -1, which selects the last row: their size is unchanged.
        unchanged = (1.0, 1.0, 1.0)
        table = np.array([*(self.scales.get(name, unchanged) for name in BOX_CLASSES), unchanged])
        factors = table[boxes.labels]
        sizes = boxes.sizes * factors
        centers = boxes.centers.copy()
        centers[:, 2] += (sizes[:, 2] - boxes.sizes[:, 2]) / 2
        if self.pull is not None:
            changed = np.any(factors[:, :2] != 1, axis=1)
            self._move_to_sensor(centers, changed, boxes, boxes.sizes - sizes, self.pull)
        return replace(boxes, centers=centers, sizes=sizes)

    @staticmethod
    def _move_to_sensor(
        centers: np.ndarray, changed: np.ndarray, boxes: Boxes, shrinkage: np.ndarray, pull: float
    ) -> None:
        """Move centres to keep the near faces in place, then `pull` metres towards the origin.

        Args:
            centers: (M, 3) centres to change in place.
            changed: (M,) bool, which boxes to move.
            boxes: The true boxes.
            shrinkage: (M, 3) true size minus drawn size in metres.
            pull: Metres to move towards the origin.
        """
        cos, sin = np.cos(boxes.yaws), np.sin(boxes.yaws)
        forward, left = np.stack([cos, sin], 1), np.stack([-sin, cos], 1)
        for axis, along in enumerate((forward, left)):
            towards = -np.sign(np.sum(along * boxes.centers[:, :2], axis=1))
            centers[:, :2] += (changed * towards * shrinkage[:, axis] / 2)[:, None] * along
        distance = np.linalg.norm(centers[:, :2], axis=1, keepdims=True) + 1e-9
        centers[:, :2] -= pull * changed[:, None] * centers[:, :2] / distance


@dataclass(frozen=True)
class BodyPart:
    """A cuboid of the ego vehicle that starts at the ground. No ray passes through it.

    Attributes:
        front: x of its front in the frame of the vehicle in metres.
        rear: x of its rear in metres.
        half_width: Half its width in metres; it is centred at y = 0.
        height: Height of its top above the ground in metres.
    """

    front: float
    rear: float
    half_width: float
    height: float

    def contains(self, point: np.ndarray) -> bool:
        """Return whether a point (3,), given in the frame of the vehicle, lies inside."""
        x, y, z = point
        return bool(self.rear < x < self.front and abs(y) < self.half_width and z < self.height)


@dataclass(frozen=True, eq=False)
class Rig:
    """The sensors of one vehicle in the ego frame.

    Attributes:
        name: Name of the rig.
        layout: Data set in whose layout its frames are written, a key of `writers.WRITERS`.
        cameras: Cameras by their names in the data set, at the size of the written images;
            `resized` changes the size. The first is the reference camera: the parts of labels that
            describe an image, such as rectangles, refer to its image.
        lidars: Lidars of the vehicle.
        convention: How the labellers of the data set draw boxes.
        max_range: Range in metres beyond which no point is returned.
        range_sigma: Standard deviation of the range noise in metres.
        ring_sigma: Standard deviation in metres of a range bias per ring, constant over a drive.
        beam_sigma: Standard deviation in radians of the elevation of a ring, drawn per frame.
        signal_range: Bounds in metres of the distance at which a surface of reflectance 0.06 is
            detected half of the time; the distance is drawn per drive. For a lidar with a shorter
            `max_range` of its own, it is proportionally shorter.
        intensity_gain: Factor of intensity = gain * signal ** exponent.
        intensity_exponent: Exponent of the same formula.
        intensity_sigma: Standard deviation of the logarithm of a factor on every intensity.
        dark_share: Fraction of the points that are reported with intensity 0, whatever their
            signal.
        body: Parts of the ego vehicle, in the frame of the vehicle. They are not visible in images.
        dark_range: Range in metres of a lidar that reports weak returns with intensity 0. Up to
            this range, signals below 0.05 are weak; beyond it, this limit grows with the square of
            the distance. Infinite for a lidar that reports weak returns with their intensity.
        fade_range: Distance in metres beyond which the intensity falls as 1 / distance.
        vehicle_from_ego: (4, 4) pose of the ego frame in the frame of the vehicle, in which x is
            the direction of travel. Both origins are on the ground.
        sweep: Timing of the beams; None if all beams fire at one moment.
        effects: Effects of the cameras and their driver on the images; None for no effects.
        bonnet: Part of the ego vehicle that is visible in the images; None if there is none.
        is_merged: Whether the points of all lidars are written as one cloud.
    """

    name: str
    layout: Literal["a2d2", "kitti"]
    cameras: Mapping[str, Camera]
    lidars: tuple[Lidar, ...]
    convention: BoxConvention
    max_range: float
    range_sigma: float
    ring_sigma: float
    beam_sigma: float
    signal_range: tuple[float, float]
    intensity_gain: float
    intensity_exponent: float
    intensity_sigma: float
    dark_share: float
    body: tuple[BodyPart, ...]
    dark_range: float = np.inf
    fade_range: float = np.inf
    vehicle_from_ego: np.ndarray = field(default_factory=lambda: np.eye(4))
    sweep: Sweep | None = None
    effects: CameraEffects | None = None
    bonnet: Bonnet | None = None
    is_merged: bool = False

    @property
    def reference_camera(self) -> Camera:
        """The first camera."""
        return next(iter(self.cameras.values()))

    @property
    def beam_shape(self) -> tuple[int, int]:
        """Number of lidars, and number of beams of the lidar that has the most."""
        return len(self.lidars), max(len(lidar.elevations) for lidar in self.lidars)

    def resized(self, size: tuple[int, int]) -> Rig:
        """Return the same rig with all images of `size` (width, height) in pixels."""
        cameras = {name: _resized(camera, size) for name, camera in self.cameras.items()}
        return replace(self, cameras=cameras)


def _resized(camera: Camera, size: tuple[int, int]) -> Camera:
    """Return the same camera with images of `size`, which may change the aspect ratio."""
    return replace(
        camera,
        size=size,
        matrix=scale_matrix(camera.matrix, camera.size, size),
        rectified_matrix=scale_matrix(camera.rectified_matrix, camera.size, size),
    )
