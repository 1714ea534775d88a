"""Sensor rigs: the poses of the lidars and the camera, how they measure, how boxes are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.data.calibration import A2D2_GROUND_Z, KITTI_EGO_FROM_LIDAR
from bev_semseg_ros.frame import Boxes, Camera, scale_matrix
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform
from bev_semseg_ros.sim.classes import BOX_CLASSES


@dataclass(frozen=True, eq=False)
class Lidar:
    """A spinning lidar with B beams.

    Attributes:
        name: Name in the calibration of the data set.
        ego_from_lidar: (4, 4) pose in the ego frame.
        elevations: (B,) elevation of each beam in radians.
        heights: (B,) height in metres above the sensor's origin at which each beam leaves. The
            blocks of an HDL-64E shoot from different heights.
        azimuth_step: Angle between two shots of a beam in radians.
    """

    name: str
    ego_from_lidar: np.ndarray
    elevations: np.ndarray
    heights: np.ndarray
    azimuth_step: float


@dataclass(frozen=True)
class BoxConvention:
    """How the boxes of a data set's labellers differ from the true extent of an object.

    Attributes:
        scales: Class name -> factors of length, width and height. Classes without an entry are
            drawn at their true size. A changed height keeps the bottom of the box on the ground.
        pull: None keeps the centre of a box whose size is changed. Otherwise its faces nearest to
            the sensor keep their place, and the box is then moved towards the sensor by this many
            metres.
    """

    scales: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    pull: float | None = None

    def apply(self, boxes: Boxes) -> Boxes:
        """Return true boxes of the ego frame as a labeller would draw them."""
        # The label of ignored vehicles is -1 and so selects the last row, which changes nothing.
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
        """Move centres so that the near faces keep their place, and `pull` metres further.

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


@dataclass(frozen=True, eq=False)
class Rig:
    """The sensors of one vehicle in the ego frame.

    Attributes:
        name: Name of the data set.
        camera: Camera at the size of the written images; `resized` gives other sizes.
        lidars: Spinning lidars.
        convention: How the labellers of the data set draw boxes.
        max_range: Range in metres beyond which no point is returned.
        range_sigma: Standard deviation of the range noise in metres.
        ring_sigma: Standard deviation in metres of a range bias per ring, constant over a drive.
        beam_sigma: Standard deviation in radians of the elevation of a ring, drawn per frame.
        signal_range: Bounds in metres of the distance at which a surface of reflectance 0.06 is
            seen half of the time; the distance is drawn per drive.
        intensity_gain: Factor of intensity = gain * signal ** exponent.
        intensity_exponent: Exponent of the same formula.
        intensity_sigma: Standard deviation of the logarithm of a factor on every intensity.
        dark_share: Share of the points that are reported with intensity 0.
        roof: (front x, half width, height) in metres of the own vehicle's roof, which blocks rays;
            None if the lidar is on top.
    """

    name: str
    camera: Camera
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
    roof: tuple[float, float, float] | None = None

    def resized(self, size: tuple[int, int]) -> Rig:
        """Return the same rig with images of `size` (width, height) in pixels."""
        camera = self.camera
        return replace(
            self,
            camera=replace(
                camera,
                size=size,
                matrix=scale_matrix(camera.matrix, camera.size, size),
                rectified_matrix=scale_matrix(camera.rectified_matrix, camera.size, size),
            ),
        )


# --- A2D2: poses and lens as published in cams_lidars.json (Geyer et al., arXiv 2004.06320) ---

# The origin of A2D2's vehicle frame is above the rear axle.
A2D2_EGO_FROM_VEHICLE = transform(translation=(-1.711, 0.0, -A2D2_GROUND_Z))
A2D2_VEHICLE_FROM_VIEW = transform(
    rotation_rpy(*np.radians([-1.359, 0.281, 1.225])), (1.7110, 0.0, 0.9431)
)
# In A2D2's vehicle frame: x, y, z in metres, yaw, pitch, roll in degrees.
A2D2_LIDAR_POSES = {
    "front_center": (1.718, 0.0, 1.120, -90.45, 0.52, -11.26),
    "front_left": (1.712, 0.631, 1.118, -1.29, 0.44, -36.31),
    "front_right": (1.706, -0.655, 1.116, 179.39, -0.73, -37.05),
    "rear_left": (-0.431, 0.588, 1.148, -0.45, -19.44, -14.48),
    "rear_right": (-0.434, -0.605, 1.118, 178.65, 18.85, -16.24),
}


def a2d2_vehicle_from_lidar(name: str) -> np.ndarray:
    """Return the pose (4, 4) of one of the five lidars in A2D2's vehicle frame."""
    x, y, z, yaw, pitch, roll = A2D2_LIDAR_POSES[name]
    return transform(rotation_rpy(*np.radians([roll, pitch, yaw])), (x, y, z))


def _a2d2() -> Rig:
    """Return the rig of the A2D2 vehicle: five VLP-16 and the front-centre camera."""
    camera = Camera(
        np.array([[1844.177, 0, 964.430], [0, 1841.521, 679.533], [0, 0, 1]]),
        (1920, 1208),
        OPTICAL_FROM_VIEW @ invert(A2D2_EGO_FROM_VEHICLE @ A2D2_VEHICLE_FROM_VIEW),
        np.array([-0.26113, 0, 0, 0, 0]),
        "plumb_bob",
        np.array([[1687.337, 0, 965.434], [0, 1783.428, 684.419], [0, 0, 1]]),
    )
    vlp16 = np.radians(np.arange(-15.0, 16.0, 2.0))
    lidars = tuple(
        Lidar(
            name,
            A2D2_EGO_FROM_VEHICLE @ a2d2_vehicle_from_lidar(name),
            vlp16,
            np.zeros(16),
            np.radians(0.2),
        )
        for name in A2D2_LIDAR_POSES
    )
    return Rig(
        "a2d2",
        camera,
        lidars,
        BoxConvention({"car": (0.98, 1.25, 1.10), "truck": (1.0, 1.12, 1.0)}, pull=0.05),
        max_range=110.0,
        range_sigma=0.025,
        ring_sigma=0.012,
        beam_sigma=np.radians(0.02),
        signal_range=(35.0, 50.0),
        intensity_gain=0.82,
        intensity_exponent=1.6,
        intensity_sigma=0.25,
        dark_share=0.0,
        roof=(0.0, 0.75, 1.72),
    ).resized((640, 403))


# --- KITTI: camera 2 of the recordings of 2011-09-26 and an HDL-64E (Geiger et al., CVPR 2012) ---

# Elevations of the beams in degrees, fitted to the point clouds.

_HDL64_UPPER = (
    1.94,
    1.57,
    1.30,
    0.87,
    0.57,
    0.17,
    -0.09,
    -0.46,
    -0.81,
    -1.21,
    -1.50,
    -1.84,
    -2.22,
    -2.56,
    -2.89,
    -3.25,
    -3.56,
    -3.96,
    -4.24,
    -4.61,
    -4.95,
    -5.28,
    -5.64,
    -6.00,
    -6.37,
    -6.72,
    -7.05,
    -7.34,
    -7.74,
    -8.11,
    -8.38,
    -8.78,
)
_HDL64_LOWER = (
    -9.03,
    -9.58,
    -10.07,
    -10.48,
    -10.98,
    -11.62,
    -12.14,
    -12.59,
    -13.08,
    -13.52,
    -14.09,
    -14.66,
    -15.25,
    -15.73,
    -16.26,
    -16.64,
    -17.28,
    -17.83,
    -18.43,
    -18.91,
    -19.44,
    -19.87,
    -20.34,
    -20.93,
    -21.50,
    -22.13,
    -22.64,
    -23.08,
    -23.53,
    -24.20,
    -24.75,
    -25.28,
)
# Position of camera 2 in the frame of the lidar, in metres.
KITTI_CAMERA_POSITION = (0.27, 0.06, -0.08)


def _kitti() -> Rig:
    """Return the rig of the KITTI vehicle: one HDL-64E and the left colour camera."""
    camera_from_lidar = OPTICAL_FROM_VIEW @ invert(transform(translation=KITTI_CAMERA_POSITION))
    camera = Camera(
        np.array([[721.5377, 0, 609.5593], [0, 721.5377, 172.854], [0, 0, 1]]),
        (1242, 375),
        camera_from_lidar @ invert(KITTI_EGO_FROM_LIDAR),
    )
    lidar = Lidar(
        "velodyne",
        KITTI_EGO_FROM_LIDAR,
        np.radians(_HDL64_UPPER + _HDL64_LOWER),
        np.repeat([0.21, 0.125], 32),
        np.radians(0.172),
    )
    return Rig(
        "kitti",
        camera,
        (lidar,),
        BoxConvention({"car": (0.935, 0.935, 1.0)}, pull=0.025),
        max_range=120.0,
        range_sigma=0.02,
        ring_sigma=0.012,
        beam_sigma=np.radians(0.03),
        signal_range=(60.0, 60.0),
        intensity_gain=0.85,
        intensity_exponent=0.7,
        intensity_sigma=0.30,
        dark_share=0.06,
    ).resized((768, 232))


A2D2_RIG = _a2d2()
KITTI_RIG = _kitti()
# Name -> rig.
RIGS = {rig.name: rig for rig in (A2D2_RIG, KITTI_RIG)}
