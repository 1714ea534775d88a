"""The poses of the sensors: from a calibration file, from parameters or from TF.

The ego frame has the axes of `base_frame` and its origin on the ground below the lidar; a
calibration file brings its own ego frame. `a_from_b` is a (4, 4) matrix that takes points of frame
b to frame a.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    invert,
    rotation_from_quaternion,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.node.parameters import LOOKUP_TIMEOUT, Parameters

try:
    import tf2_ros
except ImportError:  # there is no wheel of it
    tf2_ros = None

TF_CACHE_NS = 10_000_000_000  # how far back tf2 remembers; it refuses what is older


class MissingTransform(LookupError):
    """TF does not know the transform between two frames; the message names both."""


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses of one moment.

    Attributes:
        ego_from_lidar: (4, 4).
        camera_from_ego: (4, 4) of the optical frame; None without an image.
        output_frame: Name of the frame of the boxes.
        output_from_ego: (4, 4).
    """

    ego_from_lidar: np.ndarray
    camera_from_ego: np.ndarray | None
    output_frame: str
    output_from_ego: np.ndarray


class Extrinsics(Protocol):
    """A source of poses.

    Attributes:
        lidar_frame: Frame of the boxes until a cloud has come, unless output_frame is set; empty
            if there is none.
    """

    lidar_frame: str

    def at(self, cloud: Header, image: Header | None) -> Poses:
        """Return the poses for messages with these headers.

        Raises:
            MissingTransform: If TF does not know a pose.
        """
        ...

    def close(self) -> None:
        """Stop listening."""


class FixedExtrinsics:
    """Poses that hold for every frame, whatever the messages call their frames."""

    def __init__(
        self,
        ego_from_lidar: np.ndarray,
        camera_from_ego: np.ndarray | None,
        lidar_frame: str,
        frames: Mapping[str, np.ndarray],
        output_frame: str = "",
    ) -> None:
        """Keep the poses.

        Args:
            ego_from_lidar: (4, 4).
            camera_from_ego: (4, 4) of the optical frame; None without a camera.
            lidar_frame: See `Extrinsics`.
            frames: ego_from_frame of the frames that `output_frame` may name, by name.
            output_frame: The parameter; empty: the cloud's frame.

        Raises:
            ValueError: If `output_frame` is another frame.
        """
        if output_frame and output_frame not in frames:
            raise ValueError(
                f"parameter output_frame: {output_frame!r} is not known here, only "
                f"{', '.join(frames)} (or empty: the cloud's frame); with extrinsics tf any frame "
                "of TF is"
            )
        self.lidar_frame = lidar_frame
        self._ego_from_lidar, self._camera_from_ego = ego_from_lidar, camera_from_ego
        self._output_frame = output_frame
        self._output_from_ego = invert(frames.get(output_frame, ego_from_lidar))

    def at(self, cloud: Header, image: Header | None) -> Poses:
        """Return the poses; see `Extrinsics`."""
        return Poses(
            self._ego_from_lidar,
            None if image is None else self._camera_from_ego,
            self._output_frame or cloud.frame_id,
            self._output_from_ego,
        )

    def close(self) -> None:
        """Do nothing."""


class TfExtrinsics:
    """Poses from TF, looked up in the inference thread.

    An image's frame must be the camera's optical frame (REP 103). Until a cloud has come, the
    origin of the ego frame is on the ground below that of `base_frame`.

    It was written to the interface of Jazzy's tf2_ros and tested with a substitute: there is no
    wheel of tf2_ros.
    """

    def __init__(
        self,
        buffer: Any,
        base_frame: str,
        ground_height: float,
        output_frame: str = "",
        is_stamped: bool = False,
        listener: Any = None,
    ) -> None:
        """Begin without transforms.

        Args:
            buffer: A tf2_ros.Buffer.
            base_frame: Name of the vehicle's frame.
            ground_height: z of the ground in `base_frame`, metres.
            output_frame: Frame of the boxes; empty: the cloud's. It may move (map, odom), so it is
                looked up at the cloud's stamp unless it is the cloud's frame or `base_frame`.
            is_stamped: Whether each sensor's frame is looked up at every message's stamp; otherwise
                its latest transform is looked up once.
            listener: The tf2_ros.TransformListener that fills `buffer`.
        """
        self.lidar_frame = base_frame
        self._buffer, self._listener, self._is_stamped = buffer, listener, is_stamped
        self._base_frame, self._ground_height = base_frame, ground_height
        self._output_frame = output_frame
        self._found: dict[str, np.ndarray] = {}
        self._last_stamp = 0

    def at(self, cloud: Header, image: Header | None) -> Poses:
        """Look up the poses; see `Extrinsics`."""
        self._forget_if_time_jumped_back(stamp_ns(cloud.stamp))
        base_from_lidar = self._base_from_sensor(cloud)
        ego_from_base = ego_below(base_from_lidar, self._ground_height)
        camera_from_ego = None
        if image is not None:
            camera_from_ego = invert(ego_from_base @ self._base_from_sensor(image))
        output_frame = self._output_frame or cloud.frame_id
        if output_frame == cloud.frame_id:
            base_from_output = base_from_lidar
        else:
            base_from_output = self._look_up(output_frame, cloud)
        return Poses(
            ego_from_base @ base_from_lidar,
            camera_from_ego,
            output_frame,
            invert(ego_from_base @ base_from_output),
        )

    def close(self) -> None:
        """Stop listening to TF."""
        if self._listener is not None:
            self._listener.unregister()

    def _base_from_sensor(self, header: Header) -> np.ndarray:
        frame = header.frame_id
        if not frame:
            raise MissingTransform(
                f"a message's header has no frame_id: no transform to {self._base_frame!r}"
            )
        if self._is_stamped:
            return self._look_up(frame, header)
        if frame not in self._found:
            self._found[frame] = self._look_up(frame, None)
        return self._found[frame]

    def _look_up(self, frame: str, moment: Header | None) -> np.ndarray:
        """Return base_from_frame at the stamp of `moment`, waiting for it; None: the latest."""
        if frame == self._base_frame:
            return np.eye(4)
        time = Time.from_msg(moment.stamp) if moment else Time()  # zero: the latest
        timeout = Duration(seconds=LOOKUP_TIMEOUT if moment else 0)
        try:
            found = self._buffer.lookup_transform(self._base_frame, frame, time, timeout).transform
        except tf2_ros.TransformException as error:
            raise MissingTransform(
                f"no transform from {frame!r} to {self._base_frame!r} (parameter base_frame): "
                f"{' '.join(str(error).split())}"
            ) from error
        position, rotation = found.translation, found.rotation
        matrix = transform(
            rotation_from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w)),
            (position.x, position.y, position.z),
        )
        if not np.isfinite(matrix).all():
            raise MissingTransform(
                f"the transform from {frame!r} to {self._base_frame!r} is not finite"
            )
        return matrix

    def _forget_if_time_jumped_back(self, stamp: int) -> None:
        """Clear tf2's memory when a bag begins again: tf2 would refuse its older transforms."""
        if stamp < self._last_stamp - TF_CACHE_NS:
            self._buffer.clear()
        self._last_stamp = stamp


def ego_below(base_from_lidar: np.ndarray, ground_height: float) -> np.ndarray:
    """Return ego_from_base (4, 4): the base's axes, the origin on the ground below the lidar.

    Args:
        base_from_lidar: (4, 4).
        ground_height: z of the ground in the base frame, metres.
    """
    x, y = base_from_lidar[:2, 3]
    return transform(translation=(-x, -y, -ground_height))


def pose_matrix(pose: Sequence[float]) -> np.ndarray:
    """Return (4, 4) of x, y, z (metres), roll, pitch, yaw (radians, fixed axes as in REP 103)."""
    x, y, z, roll, pitch, yaw = pose
    return transform(rotation_rpy(roll, pitch, yaw), (x, y, z))


def open_extrinsics(
    node: Node, parameters: Parameters, calibration: Calibration | None, names_frames: bool = False
) -> Extrinsics:
    """Open the source that the parameter extrinsics chooses.

    Args:
        node: The node that listens to TF.
        parameters: The node's parameters.
        calibration: The calibration file's content, if there is one.
        names_frames: Whether `calibration` brings the vehicle's own frame_ids.

    Raises:
        ValueError: If a parameter is missing or wrong; the message names it.
    """
    if parameters.extrinsics == "tf":
        return _from_tf(node, parameters)
    if parameters.extrinsics == "parameters":
        return _from_parameters(parameters)
    return _from_calibration(parameters, calibration, names_frames)


def _from_tf(node: Node, parameters: Parameters) -> TfExtrinsics:
    if tf2_ros is None:
        raise ValueError(
            "extrinsics is tf and tf2_ros is not installed: install ros-$ROS_DISTRO-tf2-ros-py or "
            "set extrinsics to calibration or parameters"
        )
    buffer = tf2_ros.Buffer(Duration(nanoseconds=TF_CACHE_NS))
    return TfExtrinsics(
        buffer,
        parameters.base_frame,
        parameters.ground_height,
        parameters.output_frame,
        parameters.tf_lookup == "stamped",
        tf2_ros.TransformListener(buffer, node),
    )


def _from_parameters(parameters: Parameters) -> FixedExtrinsics:
    missing = []
    if parameters.mode != "camera_only" and not parameters.lidar_pose:
        missing.append("lidar_pose")
    if parameters.mode != "lidar_only" and not parameters.camera_pose:
        missing.append("camera_pose")
    if missing:
        raise ValueError(
            f"extrinsics is parameters and {missing[0]} is empty: set it to "
            "[x, y, z, roll, pitch, yaw]"
        )
    # Without a lidar the origin is below that of base_frame.
    base_from_lidar = pose_matrix(parameters.lidar_pose or [0.0] * 6)
    ego_from_base = ego_below(base_from_lidar, parameters.ground_height)
    camera_from_ego = None
    if parameters.camera_pose:
        base_from_camera = pose_matrix(parameters.camera_pose)
        camera_from_ego = OPTICAL_FROM_VIEW @ invert(ego_from_base @ base_from_camera)
    return FixedExtrinsics(
        ego_from_base @ base_from_lidar,
        camera_from_ego,
        "",
        {parameters.base_frame: ego_from_base},
        parameters.output_frame,
    )


def _from_calibration(
    parameters: Parameters, calibration: Calibration | None, names_frames: bool
) -> FixedExtrinsics:
    if calibration is None:
        raise ValueError(
            "parameter calibration is empty: name our YAML (an example is "
            "config/calibration_example.yaml), A2D2's cams_lidars.json or a KITTI calib file, or "
            "set extrinsics to parameters or tf"
        )
    camera = calibration.camera
    if camera is None and parameters.mode != "lidar_only":
        raise ValueError(
            f"{parameters.calibration}: no camera in it; add one or set mode to lidar_only"
        )
    frames = {parameters.base_frame: np.eye(4)}
    if names_frames:
        frames[calibration.lidar_frame] = calibration.ego_from_lidar
        if camera is not None:
            frames[calibration.camera_frame] = invert(camera.camera_from_ego)
    return FixedExtrinsics(
        calibration.ego_from_lidar,
        None if camera is None else camera.camera_from_ego,
        calibration.lidar_frame,
        frames,
        parameters.output_frame,
    )
