"""The poses of the sensors: from a calibration file, from parameters or from TF.

The ego frame has the axes of `base_frame` and its origin on the ground below the reference lidar; a
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
from bev_semseg_ros.frame import CAMERA, LIDAR
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
        ego_from_lidar: (4, 4) by the lidars' names.
        camera_from_ego: (4, 4) of the optical frames, by the cameras' names.
        output_frame: Name of the frame of the boxes.
        output_from_ego: (4, 4).
        missing: For each sensor whose pose is not known, its name and the reason.
    """

    ego_from_lidar: Mapping[str, np.ndarray]
    camera_from_ego: Mapping[str, np.ndarray]
    output_frame: str
    output_from_ego: np.ndarray
    missing: tuple[str, ...] = ()


class Extrinsics(Protocol):
    """A source of poses.

    It knows which lidar and which camera are the reference sensors. The ego frame lies below the
    reference lidar.

    Attributes:
        lidar_frame: Frame of the boxes until a cloud has come, unless output_frame is set; empty
            if there is none.
    """

    lidar_frame: str

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Return the poses of sensors whose messages have these headers.

        A sensor without a known pose is left out and named in `Poses.missing`.

        Args:
            clouds: By the lidars' names. The reference lidar must be among them, even if it gave
                no cloud.
            images: By the cameras' names.

        Raises:
            MissingTransform: If TF does not know the pose of a reference sensor.
        """
        ...

    def close(self) -> None:
        """Stop listening."""


class FixedExtrinsics:
    """Poses that hold for every frame, whatever the messages call their frames."""

    def __init__(
        self,
        ego_from_lidar: Mapping[str, np.ndarray],
        camera_from_ego: Mapping[str, np.ndarray],
        lidar_frame: str,
        frames: Mapping[str, np.ndarray],
        output_frame: str = "",
    ) -> None:
        """Keep the poses.

        Args:
            ego_from_lidar: (4, 4) by the lidars' names, the reference lidar first.
            camera_from_ego: (4, 4) of the optical frames, by the cameras' names.
            lidar_frame: See `Extrinsics`.
            frames: ego_from_frame of the frames that `output_frame` may name, by name.
            output_frame: The parameter; empty: the frame of the reference lidar's cloud.

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
        self._reference = next(iter(ego_from_lidar))
        self._output_frame = output_frame
        self._output_from_ego = invert(frames.get(output_frame, ego_from_lidar[self._reference]))

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Return the poses; see `Extrinsics`."""
        lidars, cameras = self._ego_from_lidar, self._camera_from_ego
        missing = [f"lidar {name!r}: no pose is set" for name in clouds if name not in lidars]
        missing += [f"camera {name!r}: no pose is set" for name in images if name not in cameras]
        return Poses(
            {name: lidars[name] for name in clouds if name in lidars},
            {name: cameras[name] for name in images if name in cameras},
            self._output_frame or clouds[self._reference].frame_id,
            self._output_from_ego,
            tuple(missing),
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
        reference_lidar: str = LIDAR,
        reference_camera: str = CAMERA,
    ) -> None:
        """Begin without transforms.

        Args:
            buffer: A tf2_ros.Buffer.
            base_frame: Name of the vehicle's frame.
            ground_height: z of the ground in `base_frame`, metres.
            output_frame: Frame of the boxes; empty: that of the reference lidar's cloud. It may
                move (map, odom), so it is looked up at the cloud's stamp unless it is the cloud's
                frame or `base_frame`.
            is_stamped: Whether each sensor's frame is looked up at every message's stamp; otherwise
                its latest transform is looked up once.
            listener: The tf2_ros.TransformListener that fills `buffer`.
            reference_lidar: Name of the lidar below which the ego frame lies.
            reference_camera: Name of the camera without which a frame is not processed.
        """
        self.lidar_frame = base_frame
        self._buffer, self._listener, self._is_stamped = buffer, listener, is_stamped
        self._base_frame, self._ground_height = base_frame, ground_height
        self._output_frame = output_frame
        self._reference_lidar, self._reference_camera = reference_lidar, reference_camera
        self._found: dict[str, np.ndarray] = {}
        self._last_stamp = 0

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Look up the poses; see `Extrinsics`."""
        others = dict(clouds)
        cloud = others.pop(self._reference_lidar)
        self._forget_if_time_jumped_back(stamp_ns(cloud.stamp))
        base_from_reference = self._base_from_sensor(cloud)
        ego_from_base = ego_below(base_from_reference, self._ground_height)
        missing: list[str] = []
        base_from_lidar = {self._reference_lidar: base_from_reference}
        base_from_lidar |= self._look_up_sensors("lidar", others, self._reference_lidar, missing)
        base_from_camera = self._look_up_sensors("camera", images, self._reference_camera, missing)
        output_frame = self._output_frame or cloud.frame_id
        if output_frame == cloud.frame_id:
            base_from_output = base_from_reference
        else:
            base_from_output = self._look_up(output_frame, cloud)
        return Poses(
            {name: ego_from_base @ pose for name, pose in base_from_lidar.items()},
            {name: invert(ego_from_base @ pose) for name, pose in base_from_camera.items()},
            output_frame,
            invert(ego_from_base @ base_from_output),
            tuple(missing),
        )

    def close(self) -> None:
        """Stop listening to TF."""
        if self._listener is not None:
            self._listener.unregister()

    def _look_up_sensors(
        self, kind: str, headers: Mapping[str, Header], reference: str, missing: list[str]
    ) -> dict[str, np.ndarray]:
        """Return base_from_sensor by name, and append to `missing` what is not known.

        Raises:
            MissingTransform: If it is not known of the reference sensor.
        """
        found = {}
        for name, header in headers.items():
            try:
                # Once one transform has been waited for in vain, the next one is not waited for.
                found[name] = self._base_from_sensor(header, may_wait=not missing)
            except MissingTransform as error:
                if name == reference:
                    raise
                missing.append(f"{kind} {name!r}: {error}")
        return found

    def _base_from_sensor(self, header: Header, may_wait: bool = True) -> np.ndarray:
        frame = header.frame_id
        if not frame:
            raise MissingTransform(
                f"a message's header has no frame_id: no transform to {self._base_frame!r}"
            )
        if self._is_stamped:
            return self._look_up(frame, header, may_wait)
        if frame not in self._found:
            self._found[frame] = self._look_up(frame, None)
        return self._found[frame]

    def _look_up(self, frame: str, moment: Header | None, may_wait: bool = True) -> np.ndarray:
        """Return base_from_frame.

        Args:
            frame: Name of the frame.
            moment: Its stamp is the time of the transform; None: the latest one.
            may_wait: Whether to wait for a transform of that time.

        Raises:
            MissingTransform: If TF does not know it.
        """
        if frame == self._base_frame:
            return np.eye(4)
        time = Time.from_msg(moment.stamp) if moment else Time()  # zero: the latest
        timeout = Duration(seconds=LOOKUP_TIMEOUT if moment and may_wait else 0)
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
    node: Node,
    parameters: Parameters,
    calibration: Calibration | None,
    names_frames: bool = False,
    lidars: Sequence[str] = (LIDAR,),
    cameras: Sequence[str] = (CAMERA,),
) -> Extrinsics:
    """Open the source that the parameter extrinsics chooses.

    Args:
        node: The node that listens to TF.
        parameters: The node's parameters.
        calibration: The calibration file's content, if there is one.
        names_frames: Whether `calibration` brings the vehicle's own frame_ids.
        lidars: Names of the lidars, the reference lidar first.
        cameras: Names of the cameras, the reference camera first.

    Raises:
        ValueError: If a parameter is missing or wrong; the message names it.
    """
    if parameters.extrinsics == "tf":
        return _from_tf(node, parameters, lidars, cameras)
    if parameters.extrinsics == "parameters":
        return _from_parameters(parameters, lidars, cameras)
    return _from_calibration(parameters, calibration, names_frames, lidars, cameras)


def _from_tf(
    node: Node, parameters: Parameters, lidars: Sequence[str], cameras: Sequence[str]
) -> TfExtrinsics:
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
        lidars[0],
        cameras[0] if cameras else CAMERA,
    )


def _from_parameters(
    parameters: Parameters, lidars: Sequence[str], cameras: Sequence[str]
) -> FixedExtrinsics:
    if len(lidars) > 1 or len(cameras) > 1:
        raise ValueError(
            "extrinsics is parameters, which hold the poses of one lidar and one camera, and there "
            f"are several sensors ({', '.join([*lidars, *cameras])}): set extrinsics to "
            "calibration (a file with lidars and cameras) or to tf"
        )
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
    camera_from_ego = {}
    if parameters.camera_pose and cameras:
        base_from_camera = pose_matrix(parameters.camera_pose)
        camera_from_ego[cameras[0]] = OPTICAL_FROM_VIEW @ invert(ego_from_base @ base_from_camera)
    return FixedExtrinsics(
        {lidars[0]: ego_from_base @ base_from_lidar},
        camera_from_ego,
        "",
        {parameters.base_frame: ego_from_base},
        parameters.output_frame,
    )


def _from_calibration(
    parameters: Parameters,
    calibration: Calibration | None,
    names_frames: bool,
    lidars: Sequence[str],
    cameras: Sequence[str],
) -> FixedExtrinsics:
    if calibration is None:
        raise ValueError(
            "parameter calibration is empty: name our YAML (an example is "
            "config/calibration_example.yaml), A2D2's cams_lidars.json or a KITTI calib file, or "
            "set extrinsics to parameters or tf"
        )
    file = parameters.calibration
    _check_has("lidar", lidars, calibration.lidars, file)
    if parameters.mode != "lidar_only":
        if not calibration.cameras:
            raise ValueError(f"{file}: no camera in it; add one or set mode to lidar_only")
        _check_has("camera", cameras, calibration.cameras, file)
    known_cameras = [name for name in cameras if name in calibration.cameras]
    frames = {parameters.base_frame: np.eye(4)}
    if names_frames:
        for lidar in calibration.lidars.values():
            frames[lidar.frame_id] = lidar.ego_from_lidar
        for camera in calibration.cameras.values():
            frames[camera.frame_id] = invert(camera.camera.camera_from_ego)
    return FixedExtrinsics(
        {name: calibration.lidars[name].ego_from_lidar for name in lidars},
        {name: calibration.cameras[name].camera.camera_from_ego for name in known_cameras},
        calibration.lidars[lidars[0]].frame_id,
        frames,
        parameters.output_frame,
    )


def _check_has(kind: str, names: Sequence[str], mounts: Mapping[str, object], file: str) -> None:
    """Check that a calibration file has the sensors of a kind that the node uses."""
    for name in names:
        if name not in mounts:
            raise ValueError(
                f"{file}: no {kind} {name!r} in it, only {', '.join(mounts)}; call the "
                f"{kind} to use {name!r}"
            )
