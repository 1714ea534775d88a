"""Poses from TF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input.extrinsics.poses import MissingTransform, Poses, ego_below
from bev_semseg_ros.ros.node.parameters import LOOKUP_TIMEOUT, Parameters

try:
    import tf2_ros
except ImportError:  # there is no wheel of it
    tf2_ros = None

TF_CACHE_NS = 10_000_000_000  # how far back tf2 remembers; it refuses what is older


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


def from_tf(
    node: Node, parameters: Parameters, lidars: Sequence[str], cameras: Sequence[str]
) -> TfExtrinsics:
    """Begin to listen to TF; see `open_extrinsics`."""
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
