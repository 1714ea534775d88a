"""Where the sensors sit: from a calibration file, from parameters or from TF.

The ego frame has the axes of `base_frame` and its origin on the ground below the lidar; a calibration file holds its
own. `a_from_b` is a (4, 4) that takes points of b to a.
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
except ImportError:  # not in the wheels
    tf2_ros = None

TF_CACHE_NS = 10_000_000_000  # how far back tf2 remembers, and refuses what is older


class MissingTransform(LookupError):
    """TF does not know how two frames, which the message names, stand to each other."""


@dataclass(frozen=True, eq=False)
class Poses:
    """Of one moment. camera_from_ego: of the optical frame, None without an image; boxes come out in output_frame."""

    ego_from_lidar: np.ndarray
    camera_from_ego: np.ndarray | None
    output_frame: str
    output_from_ego: np.ndarray


class Extrinsics(Protocol):
    """lidar_frame: where boxes are told of until a cloud has come, unless output_frame is set; "": nowhere."""

    lidar_frame: str

    def at(self, cloud: Header, image: Header | None) -> Poses:
        """The poses for a cloud and an image with these headers. Raises MissingTransform."""

    def close(self) -> None:
        """Stop listening."""


class FixedExtrinsics:
    """The same for every frame and whatever the messages call their frames.

    frames: ego_from_frame by name, of the frames that `output_frame` may name besides the cloud's ("").
    Raises ValueError for another one.
    """

    def __init__(
        self,
        ego_from_lidar: np.ndarray,
        camera_from_ego: np.ndarray | None,
        lidar_frame: str,
        frames: Mapping[str, np.ndarray],
        output_frame: str = "",
    ) -> None:
        if output_frame and output_frame not in frames:
            raise ValueError(
                f"parameter output_frame: {output_frame!r} is not known here, only {', '.join(frames)} "
                "(or empty: the cloud's frame); with extrinsics tf any frame of TF is"
            )
        self.lidar_frame = lidar_frame
        self._ego_from_lidar, self._camera_from_ego = ego_from_lidar, camera_from_ego
        self._output_frame = output_frame
        self._output_from_ego = invert(frames.get(output_frame, ego_from_lidar))

    def at(self, cloud: Header, image: Header | None) -> Poses:
        return Poses(
            self._ego_from_lidar,
            None if image is None else self._camera_from_ego,
            self._output_frame or cloud.frame_id,
            self._output_from_ego,
        )

    def close(self) -> None:
        pass


class TfExtrinsics:
    """From a tf2_ros.Buffer, whose `lookup_transform(target, source, time, timeout)` is asked in the inference thread.

    static: each sensor's frame is looked up once, its latest; stamped: at every message's stamp. output_frame may move
    (map, odom) and is looked up at the cloud's stamp either way, unless it is the cloud's or base_frame. An image's
    frame must be the camera's optical frame (REP 103). Until a cloud has come the origin is on the ground below
    base_frame's.
    Written to the interface of Jazzy's tf2_ros, with which it was not run: there is no wheel of it.
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
        self.lidar_frame = base_frame
        self._buffer, self._listener, self._is_stamped = buffer, listener, is_stamped
        self._base_frame, self._ground_height, self._output_frame = (
            base_frame,
            ground_height,
            output_frame,
        )
        self._found: dict[str, np.ndarray] = {}
        self._newest = 0

    def at(self, cloud: Header, image: Header | None) -> Poses:
        self._forget_another_time(stamp_ns(cloud.stamp))
        base_from_lidar = self._base_from_sensor(cloud)
        ego_from_base = ego_below(base_from_lidar, self._ground_height)
        camera_from_ego = (
            None if image is None else invert(ego_from_base @ self._base_from_sensor(image))
        )
        output_frame = self._output_frame or cloud.frame_id
        base_from_output = (
            base_from_lidar
            if output_frame == cloud.frame_id
            else self._look_up(output_frame, cloud)
        )
        return Poses(
            ego_from_base @ base_from_lidar,
            camera_from_ego,
            output_frame,
            invert(ego_from_base @ base_from_output),
        )

    def close(self) -> None:
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
        """base_from_frame at that header's stamp, for which it may wait; None: the latest there is."""
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
        where, rotation = found.translation, found.rotation
        matrix = transform(
            rotation_from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w)),
            (where.x, where.y, where.z),
        )
        if not np.isfinite(matrix).all():
            raise MissingTransform(
                f"the transform from {frame!r} to {self._base_frame!r} is not finite"
            )
        return matrix

    def _forget_another_time(self, stamp: int) -> None:
        """A bag that begins again: its transforms are older than those that tf2 has, which would refuse them."""
        if stamp < self._newest - TF_CACHE_NS:
            self._buffer.clear()
        self._newest = stamp


def ego_below(base_from_lidar: np.ndarray, ground_height: float) -> np.ndarray:
    """ego_from_base: the base's axes, the origin below the lidar where z of the base is `ground_height`."""
    x, y = base_from_lidar[:2, 3]
    return transform(translation=(-x, -y, -ground_height))


def pose_matrix(pose: Sequence[float]) -> np.ndarray:
    """(4, 4) of x, y, z in metres and roll, pitch, yaw in radians about fixed axes (REP 103)."""
    return transform(rotation_rpy(*pose[3:]), pose[:3])


def open_extrinsics(
    node: Node, parameters: Parameters, calibration: Calibration | None, names_frames: bool = False
) -> Extrinsics:
    """The source that `parameters` choose. names_frames: the frame_ids of `calibration` are the vehicle's own.

    Raises ValueError naming the parameter that lacks or does not fit.
    """
    source, base, ground = parameters.extrinsics, parameters.base_frame, parameters.ground_height
    uses_lidar, uses_camera = parameters.mode != "camera_only", parameters.mode != "lidar_only"
    if source == "tf":
        if tf2_ros is None:
            raise ValueError(
                "extrinsics is tf and tf2_ros is not installed: install ros-$ROS_DISTRO-tf2-ros-py or set "
                "extrinsics to calibration or parameters"
            )
        buffer = tf2_ros.Buffer(Duration(nanoseconds=TF_CACHE_NS))
        return TfExtrinsics(
            buffer,
            base,
            ground,
            parameters.output_frame,
            parameters.tf_lookup == "stamped",
            tf2_ros.TransformListener(buffer, node),
        )
    if source == "parameters":
        for name, is_used in (("lidar_pose", uses_lidar), ("camera_pose", uses_camera)):
            if is_used and not getattr(parameters, name):
                raise ValueError(
                    f"extrinsics is parameters and {name} is empty: set it to [x, y, z, roll, pitch, yaw]"
                )
        base_from_lidar = pose_matrix(
            parameters.lidar_pose or [0.0] * 6
        )  # without a lidar: below base_frame's origin
        ego_from_base = ego_below(base_from_lidar, ground)
        camera_from_ego = None
        if parameters.camera_pose:
            camera_from_ego = OPTICAL_FROM_VIEW @ invert(
                ego_from_base @ pose_matrix(parameters.camera_pose)
            )
        return FixedExtrinsics(
            ego_from_base @ base_from_lidar,
            camera_from_ego,
            "",
            {base: ego_from_base},
            parameters.output_frame,
        )
    if calibration is None:
        raise ValueError(
            "parameter calibration is empty: name our YAML (an example is "
            "config/calibration_example.yaml), A2D2's cams_lidars.json or a KITTI calib file, or set "
            "extrinsics to parameters or tf"
        )
    camera = calibration.camera
    if camera is None and uses_camera:
        raise ValueError(
            f"{parameters.calibration}: no camera in it; add one or set mode to lidar_only"
        )
    frames = {base: np.eye(4)}
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
