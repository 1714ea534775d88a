"""The vehicle of A2D2 with one, three or six of its cameras.

Poses and lenses are the rounded values of cams_lidars.json (Geyer et al., arXiv 2004.06320).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.data.calibration import A2D2_GROUND_Z
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform
from bev_semseg_ros.sim.rigs.lidar_models import vlp_16
from bev_semseg_ros.sim.rigs.rig import BodyPart, BoxConvention, Rig

# The origin of A2D2's vehicle frame is above the rear axle.
A2D2_EGO_FROM_VEHICLE = transform(translation=(-1.711, 0.0, -A2D2_GROUND_Z))
# In A2D2's vehicle frame: x, y, z in metres, yaw, pitch, roll in degrees.
A2D2_LIDAR_POSES = {
    "front_center": (1.718, 0.0, 1.120, -90.45, 0.52, -11.26),
    "front_left": (1.712, 0.631, 1.118, -1.29, 0.44, -36.31),
    "front_right": (1.706, -0.655, 1.116, 179.39, -0.73, -37.05),
    "rear_left": (-0.431, 0.588, 1.148, -0.45, -19.44, -14.48),
    "rear_right": (-0.434, -0.605, 1.118, 178.65, 18.85, -16.24),
}
IMAGE_SIZE = (1920, 1208)
# Default size of the written images: a third of the recorded size.
WRITTEN_SIZE = (640, 403)


@dataclass(frozen=True)
class _Lens:
    """Pose and lens of a camera.

    Attributes:
        pose: x, y, z in metres and yaw, pitch, roll in degrees of its view (x forward, y left,
            z up) in A2D2's vehicle frame.
        original: fx, fy, cx, cy of the recorded image in pixels.
        rectified: fx, fy, cx, cy of the rectified image in pixels.
        distortion: Distortion coefficients: five for a telecam (k1, k2, p1, p2, k3), four for a
            fisheye.
    """

    pose: tuple[float, float, float, float, float, float]
    original: tuple[float, float, float, float]
    rectified: tuple[float, float, float, float]
    distortion: tuple[float, ...]

    @property
    def is_fisheye(self) -> bool:
        """Whether the lens is a fisheye; otherwise it is a telecam."""
        return len(self.distortion) == 4


_LENSES = {
    "front_center": _Lens(
        (1.7110, 0.0, 0.9431, 1.225, 0.281, -1.359),
        (1844.177, 1841.521, 964.430, 679.533),
        (1687.337, 1783.428, 965.434, 684.419),
        (-0.26113, 0, 0, 0, 0),
    ),
    "front_left": _Lens(
        (1.7110, 0.5800, 0.9431, 4.646, 0.019, 0.594),
        (972.209, 971.139, 959.779, 631.221),
        (825.102, 824.194, 959.462, 642.449),
        (-0.037519, -0.005757, 0, 0),
    ),
    "front_right": _Lens(
        (1.7110, -0.5800, 0.9431, -0.380, 0.211, -0.463),
        (966.532, 965.205, 976.425, 636.880),
        (812.140, 811.025, 999.365, 650.772),
        (-0.055302, 0.010081, 0, 0),
    ),
    "side_left": _Lens(
        (0.6510, 0.5800, 0.9431, 91.088, 12.298, -0.553),
        (970.069, 970.299, 972.363, 639.873),
        (821.968, 822.163, 989.876, 654.829),
        (-0.043374, 0, 0, 0),
    ),
    "side_right": _Lens(
        (0.6510, -0.5800, 0.9431, -93.067, 11.906, 0.697),
        (966.131, 966.298, 978.181, 633.558),
        (817.821, 817.963, 1004.414, 646.039),
        (-0.042989, 0, 0, 0),
    ),
    "rear_center": _Lens(
        (-0.4090, 0.0, 0.9431, 179.452, -1.295, -0.142),
        (966.614, 968.618, 976.181, 635.484),
        (820.105, 821.806, 994.854, 647.741),
        (-0.050297, 0.019883, 0, 0),
    ),
}


def a2d2_vehicle_from_view(camera: str) -> np.ndarray:
    """Return the pose (4, 4) of the view of one of the six cameras in A2D2's vehicle frame."""
    return _pose(*_LENSES[camera].pose)


def a2d2_vehicle_from_lidar(name: str) -> np.ndarray:
    """Return the pose (4, 4) of one of the five lidars in A2D2's vehicle frame."""
    return _pose(*A2D2_LIDAR_POSES[name])


def _pose(x: float, y: float, z: float, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return a pose (4, 4) from metres and degrees."""
    return transform(rotation_rpy(*np.radians([roll, pitch, yaw])), (x, y, z))


def _camera(name: str) -> Camera:
    """Return one of the six cameras at its recorded size."""
    lens = _LENSES[name]
    ego_from_view = A2D2_EGO_FROM_VEHICLE @ a2d2_vehicle_from_view(name)
    return Camera(
        _matrix(*lens.original),
        IMAGE_SIZE,
        OPTICAL_FROM_VIEW @ invert(ego_from_view),
        np.array(lens.distortion),
        "equidistant" if lens.is_fisheye else "plumb_bob",
        _matrix(*lens.rectified),
    )


def _matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Return K (3, 3)."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _a2d2() -> Rig:
    """Return the rig with five VLP-16 and the front-centre camera."""
    lidars = tuple(
        vlp_16(name, A2D2_EGO_FROM_VEHICLE @ a2d2_vehicle_from_lidar(name))
        for name in A2D2_LIDAR_POSES
    )
    return Rig(
        "a2d2",
        "a2d2",
        {"front_center": _camera("front_center")},
        lidars,
        BoxConvention({"car": (0.98, 1.25, 1.10), "truck": (1.0, 1.12, 1.0)}, pull=0.05),
        max_range=110.0,
        range_sigma=0.025,
        ring_sigma=0.012,
        beam_sigma=np.radians(0.02),
        signal_range=(22.0, 40.0),
        intensity_gain=0.82,
        intensity_exponent=1.6,
        intensity_sigma=0.25,
        dark_share=0.0,
        # The roof, and the car below the windows. The front lidars are at the roof's front edge.
        body=(BodyPart(0.0, -2.45, 0.75, 1.72), BodyPart(2.29, -2.71, 0.98, 0.95)),
    ).resized(WRITTEN_SIZE)


def _with_cameras(rig: Rig, name: str, cameras: tuple[str, ...]) -> Rig:
    """Return a rig called `name` with the given cameras."""
    more = {camera: _camera(camera) for camera in cameras}
    return replace(rig, name=name, cameras=more).resized(WRITTEN_SIZE)


A2D2_RIG = _a2d2()
A2D2_3_RIG = _with_cameras(A2D2_RIG, "a2d2_3", ("front_center", "front_left", "front_right"))
A2D2_6_RIG = _with_cameras(A2D2_RIG, "a2d2_6", tuple(_LENSES))
