"""The vehicle of KITTI with one or both colour cameras, and with a second lidar.

Poses and lenses are those of the recordings of 2011-09-26 (Geiger et al., CVPR 2012). The second
lidar is an addition of this simulator.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.data.calibration import KITTI_EGO_FROM_LIDAR
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.sim.rigs.lidar_models import vlp_16
from bev_semseg_ros.sim.rigs.rig import BodyPart, BoxConvention, Lidar, Rig

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
# Metres from camera 2 to camera 3, which is to its right: as given by P2 and P3 of that day.
KITTI_BASELINE = 0.533
WRITTEN_SIZE = (768, 232)


def _camera(y: float) -> Camera:
    """Return a colour camera at an offset y to the left of the lidar, in metres."""
    x, _, z = KITTI_CAMERA_POSITION
    camera_from_lidar = OPTICAL_FROM_VIEW @ invert(transform(translation=(x, y, z)))
    return Camera(
        np.array([[721.5377, 0, 609.5593], [0, 721.5377, 172.854], [0, 0, 1]]),
        (1242, 375),
        camera_from_lidar @ invert(KITTI_EGO_FROM_LIDAR),
    )


def _kitti() -> Rig:
    """Return the rig with one HDL-64E and the left colour camera."""
    lidar = Lidar(
        "velodyne",
        KITTI_EGO_FROM_LIDAR,
        np.radians(_HDL64_UPPER + _HDL64_LOWER),
        np.repeat([0.21, 0.125], 32),
        np.radians(0.172),
    )
    return Rig(
        "kitti",
        "kitti",
        {"image_02": _camera(KITTI_CAMERA_POSITION[1])},
        (lidar,),
        BoxConvention({"car": (0.935, 0.935, 1.0)}, pull=0.025),
        max_range=80.0,
        range_sigma=0.02,
        ring_sigma=0.012,
        beam_sigma=np.radians(0.03),
        signal_range=(60.0, 60.0),
        intensity_gain=0.85,
        intensity_exponent=0.7,
        intensity_sigma=0.30,
        dark_share=0.0,
        dark_range=19.0,
        fade_range=25.0,
        # The roof, and the car below the windows.
        body=(BodyPart(0.75, -1.7, 0.7, 1.52), BodyPart(2.9, -1.9, 0.91, 0.8)),
    ).resized(WRITTEN_SIZE)


def _with_both_cameras(rig: Rig) -> Rig:
    """Return the rig with both colour cameras."""
    left = KITTI_CAMERA_POSITION[1]
    cameras = {"image_02": _camera(left), "image_03": _camera(left - KITTI_BASELINE)}
    return replace(rig, name="kitti_2", cameras=cameras).resized(WRITTEN_SIZE)


def _with_second_lidar(rig: Rig) -> Rig:
    """Return the rig with an additional VLP-16 at the front bumper."""
    bumper = vlp_16("bumper", transform(translation=(2.98, 0.0, 0.65)))
    return replace(rig, name="kitti_2_lidars", lidars=(*rig.lidars, bumper))


KITTI_RIG = _kitti()
KITTI_2_RIG = _with_both_cameras(KITTI_RIG)
KITTI_2_LIDARS_RIG = _with_second_lidar(KITTI_RIG)
