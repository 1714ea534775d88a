"""Poses from TF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input.extrinsics.poses import Poses, ego_below
from bev_semseg_ros.ros.input.transforms import MissingTransform, Transforms
from bev_semseg_ros.ros.parameters.parameters import LOOKUP_TIMEOUT, Parameters


class TfExtrinsics:
    """Poses from TF, looked up in the inference thread.

    The frame_id of an image must be the optical frame of the camera (REP 103). Until a cloud has
    come, the origin of the ego frame is on the ground below the origin of `base_frame`.
    """

    def __init__(
        self,
        transforms: Transforms,
        base_frame: str,
        ground_height: float,
        output_frame: str = "",
        is_stamped: bool = False,
        reference_lidar: str = LIDAR,
        reference_camera: str = CAMERA,
        sensors: Sequence[str] = (),
    ) -> None:
        """Keep the settings.

        Args:
            transforms: Looks up transforms in TF.
            base_frame: Name of the frame of the vehicle.
            ground_height: z of the ground in `base_frame`, metres.
            output_frame: Frame of the published boxes; empty: that of the reference lidar's cloud.
                It may move (map, odom), so it is looked up at the stamp of the cloud, unless it is
                the frame of the cloud or `base_frame`.
            is_stamped: Whether the frame of each sensor is looked up at the stamp of each message;
                otherwise, its latest transform is looked up once.
            reference_lidar: Name of the lidar below which the origin of the ego frame is.
            reference_camera: Name of the camera without whose pose a frame with an image of it is
                dropped.
            sensors: Names of all lidars and cameras in use. The node stops listening to TF when all
                their poses are known, unless it needs transforms that change over time.
        """
        self.lidar_frame = base_frame
        self._transforms, self._is_stamped = transforms, is_stamped
        self._base_frame, self._ground_height = base_frame, ground_height
        self._output_frame = output_frame
        self._reference_lidar, self._reference_camera = reference_lidar, reference_camera
        self._found: dict[str, np.ndarray] = {}
        self._sensors = frozenset(sensors)
        self._known: set[str] = set()

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Look up the poses; see `Extrinsics`."""
        others = dict(clouds)
        cloud = others.pop(self._reference_lidar)
        self._transforms.forget_if_time_jumped_back(stamp_ns(cloud.stamp))
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
        if not missing:
            self._stop_listening_if_all_is_known(
                {*base_from_lidar, *base_from_camera},
                output_frame in (cloud.frame_id, self._base_frame),
            )
        return Poses(
            {name: ego_from_base @ pose for name, pose in base_from_lidar.items()},
            {name: invert(ego_from_base @ pose) for name, pose in base_from_camera.items()},
            output_frame,
            invert(ego_from_base @ base_from_output),
            ego_from_base,
            tuple(missing),
        )

    def close(self) -> None:
        """Stop listening to TF."""
        self._transforms.close()

    def _stop_listening_if_all_is_known(self, found: set[str], is_output_static: bool) -> None:
        """Stop listening once the pose of every sensor was found, because a busy /tf takes time."""
        self._known |= found
        may_stop = bool(self._sensors) and not self._is_stamped and is_output_static
        if may_stop and self._sensors <= self._known:
            self._transforms.pause()

    def _look_up_sensors(
        self, kind: str, headers: Mapping[str, Header], reference: str, missing: list[str]
    ) -> dict[str, np.ndarray]:
        """Return base_from_sensor by name, and append unknown ones with the reason to `missing`.

        Raises:
            MissingTransform: If the pose of the reference sensor is not known.
        """
        found = {}
        for name, header in headers.items():
            try:
                # After waiting in vain for one transform, do not wait for the others.
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
            moment: Header whose stamp is the time of the transform; None: the latest transform.
            may_wait: Whether to wait for a transform at that time.

        Raises:
            MissingTransform: If TF does not have the transform.
        """
        if frame == self._base_frame:
            return np.eye(4)
        timeout = LOOKUP_TIMEOUT if moment and may_wait else 0.0
        stamp = stamp_ns(moment.stamp) if moment else None
        try:
            return self._transforms.look_up(self._base_frame, frame, stamp, timeout)
        except MissingTransform as error:
            raise MissingTransform(
                f"{error}; {self._base_frame!r} is the parameter base_frame"
            ) from error


def from_tf(
    node: Node, parameters: Parameters, lidars: Sequence[str], cameras: Sequence[str]
) -> TfExtrinsics:
    """Start listening to TF; see `open_extrinsics`."""
    return TfExtrinsics(
        Transforms.listening(
            node,
            "extrinsics",
            may_lag=parameters.tf_lookup == "static"
            and parameters.output_frame in ("", parameters.base_frame),
        ),
        parameters.base_frame,
        parameters.ground_height,
        parameters.output_frame,
        parameters.tf_lookup == "stamped",
        lidars[0],
        cameras[0] if cameras else CAMERA,
        [sensor.name for sensor in parameters.sensors.used(parameters.mode)],
    )
