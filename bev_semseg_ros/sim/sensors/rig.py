"""Sensor rigs: where the lidars and the camera sit, how they scan, and how a data set's labellers draw boxes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.data.calibration import A2D2_GROUND_Z, KITTI_EGO_FROM_LIDAR
from bev_semseg_ros.frame import Boxes, Camera, scale_matrix
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform
from bev_semseg_ros.taxonomy import DETECTION_CLASSES


@dataclass(frozen=True, eq=False)
class Lidar:
    """A spinning lidar. elevations (B,): radians of its beams; heights (B,): metres by which each beam leaves above the
    sensor's origin (the blocks of an HDL-64E shoot from different heights); azimuth_step: radians between two shots.
    """

    name: str
    ego_from_lidar: np.ndarray
    elevations: np.ndarray
    heights: np.ndarray
    azimuth_step: float


@dataclass(frozen=True)
class BoxConvention:
    """How labels differ from the true extent of an object.

    scales: by detection class the factors of length, width, height; classes not named are drawn as they are. The height
    grows from the ground up. pull: metres by which a box whose size is changed is moved to the sensor beyond "the near
    faces stay where they are"; None keeps the centre.
    """

    scales: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    pull: float | None = None

    def apply(self, boxes: Boxes) -> Boxes:
        """True boxes of the ego frame as a labeller would draw them."""
        factors = np.array(
            [self.scales.get(name, (1.0, 1.0, 1.0)) for name in DETECTION_CLASSES]
            + [(1.0, 1.0, 1.0)]
        )
        factors = factors[boxes.labels]  # IGNORED_VEHICLE is the last row
        sizes = boxes.sizes * factors
        centers = boxes.centers.copy()
        centers[:, 2] += (sizes[:, 2] - boxes.sizes[:, 2]) / 2
        if self.pull is not None:
            changed = np.any(factors[:, :2] != 1, axis=1)
            c, s = np.cos(boxes.yaws), np.sin(boxes.yaws)
            forward, left = np.stack([c, s], 1), np.stack([-s, c], 1)
            shrinkage = boxes.sizes - sizes
            for axis, along in enumerate((forward, left)):
                towards = -np.sign(np.sum(along * boxes.centers[:, :2], axis=1))
                centers[:, :2] += (changed * towards * shrinkage[:, axis] / 2)[:, None] * along
            distance = np.linalg.norm(centers[:, :2], axis=1, keepdims=True) + 1e-9
            centers[:, :2] -= self.pull * changed[:, None] * centers[:, :2] / distance
        return Boxes(centers, sizes, boxes.yaws, boxes.labels, boxes.scores)


@dataclass(frozen=True, eq=False)
class Rig:
    """The sensors of one vehicle in the ego frame.

    camera: at the size of the images that are written (`resized` gives others). max_range: metres. range_sigma: noise
    in metres; ring_sigma: metres of a bias per ring that stays for a drive; beam_sigma: radians of elevation jitter per
    ring and frame. signal_range: bounds of the distance in metres to which a reflectance of 0.06 is seen half of the
    time, drawn per drive. intensity_gain, intensity_exponent: intensity = gain * signal ** exponent, spread by
    exp(N(0, intensity_sigma)); dark_share: share of the returns that are reported with no intensity at all.
    roof: (front x, half width, height) of the own vehicle's roof, over which rays must pass; None for a lidar on top.
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
        """The same rig with images of `size` (width, height)."""
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


# --- A2D2: poses and lens as published in cams_lidars.json (Geyer et al., arXiv 2004.06320) ---------------------------

A2D2_EGO_FROM_VEHICLE = transform(
    translation=(-1.711, 0.0, -A2D2_GROUND_Z)
)  # vehicle: above the rear axle
A2D2_VEHICLE_FROM_VIEW = transform(
    rotation_rpy(*np.radians([-1.359, 0.281, 1.225])), (1.7110, 0.0, 0.9431)
)
A2D2_LIDAR_POSES = {  # vehicle frame: x, y, z (m), yaw, pitch, roll (degrees)
    "front_center": (1.718, 0.0, 1.120, -90.45, 0.52, -11.26),
    "front_left": (1.712, 0.631, 1.118, -1.29, 0.44, -36.31),
    "front_right": (1.706, -0.655, 1.116, 179.39, -0.73, -37.05),
    "rear_left": (-0.431, 0.588, 1.148, -0.45, -19.44, -14.48),
    "rear_right": (-0.434, -0.605, 1.118, 178.65, 18.85, -16.24),
}


def a2d2_vehicle_from_lidar(name: str) -> np.ndarray:
    """(4, 4) pose of one of the five lidars in the vehicle frame."""
    x, y, z, yaw, pitch, roll = A2D2_LIDAR_POSES[name]
    return transform(rotation_rpy(*np.radians([roll, pitch, yaw])), (x, y, z))


def _a2d2() -> Rig:
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


# --- KITTI: HDL-64E, angles fitted to its clouds; camera 2 of the recordings of 2011-09-26 ----------------------------

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
KITTI_CAMERA_POSITION = (0.27, 0.06, -0.08)  # camera 2 in the velodyne's frame


def _kitti() -> Rig:
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
RIGS = {rig.name: rig for rig in (A2D2_RIG, KITTI_RIG)}
