"""The interface of all sources of poses, and the choice of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rclpy.node import Node
from std_msgs.msg import Header

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.ros.input.extrinsics.calibration import from_calibration
from bev_semseg_ros.ros.input.extrinsics.parameters import from_parameters
from bev_semseg_ros.ros.input.extrinsics.poses import Poses
from bev_semseg_ros.ros.input.extrinsics.tf import from_tf
from bev_semseg_ros.ros.parameters.parameters import Parameters


class Extrinsics(Protocol):
    """A source of poses.

    It is created with the names of the reference sensors. The origin of the ego frame is below the
    reference lidar.

    Attributes:
        lidar_frame: Frame of the published boxes until a cloud has come, unless output_frame is
            set; empty if it is not known.
    """

    lidar_frame: str

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Return the poses of sensors whose messages have these headers.

        A sensor without a known pose is left out and named in `Poses.missing`.

        Args:
            clouds: Headers of the clouds, by lidar name. The reference lidar must be among them,
                even if it has no cloud.
            images: Headers of the images, by camera name.

        Raises:
            MissingTransform: If TF does not have the pose of a reference sensor.
        """
        ...

    def close(self) -> None:
        """Stop listening to TF, if the source does."""


def open_extrinsics(
    node: Node,
    parameters: Parameters,
    calibration: Calibration | None,
    names_frames: bool = False,
    lidars: Sequence[str] = (LIDAR,),
    cameras: Sequence[str] = (CAMERA,),
) -> Extrinsics:
    """Open the source that the parameter extrinsics chooses.

    Args:
        node: The node for which to listen to TF.
        parameters: The node's parameters.
        calibration: Content of the calibration file, if there is one.
        names_frames: Whether `calibration` has the frame_ids of the vehicle.
        lidars: Names of the lidars, the reference lidar first.
        cameras: Names of the cameras, the reference camera first.

    Raises:
        ValueError: If a parameter is missing or wrong; the message names it.
    """
    if parameters.extrinsics == "tf":
        return from_tf(node, parameters, lidars, cameras)
    if parameters.extrinsics == "parameters":
        return from_parameters(parameters, lidars, cameras)
    return from_calibration(parameters, calibration, names_frames, lidars, cameras)
