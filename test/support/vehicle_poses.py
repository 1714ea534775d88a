"""A vehicle with known sensor poses, and transforms in TF that describe them.

If tf2_ros is not installed, `StandInBuffer` replaces its Buffer. It tests the geometry of this
package, not that of tf2.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert, quaternion_from_rotation, rotation_from_quaternion
from bev_semseg_ros.ros.convert.message import stamp_ns

S = 1_000_000_000
GROUND = -0.4
LIDAR_POSE = [1.2, -0.3, 1.6, 3.1, 0.4, -2.0]  # mounted upside down, looks back
CAMERA_POSE = [1.9, 0.1, 1.1, 0.02, 0.1, -0.3]
POINTS = np.array([[10.0, 2, 0.5], [25, -4, 1.7], [3, 0, 0]])  # in the frame of the vehicle


class StandInError(Exception):
    pass


class StandInBuffer:
    """A substitute for tf2_ros.Buffer that does not interpolate."""

    def __init__(self, *_) -> None:
        self._known: dict[str, tuple[str, dict[int, np.ndarray]]] = {}
        self._static: set[str] = set()

    def set_transform(self, message: TransformStamped, authority: str) -> None:
        where, turn = message.transform.translation, message.transform.rotation
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_from_quaternion((turn.x, turn.y, turn.z, turn.w))
        matrix[:3, 3] = where.x, where.y, where.z
        stamps = self._known.setdefault(message.child_frame_id, (message.header.frame_id, {}))[1]
        if not stamps or stamp_ns(message.header.stamp) > max(stamps) - 10 * S:
            stamps[stamp_ns(message.header.stamp)] = matrix

    def set_transform_static(self, message: TransformStamped, authority: str) -> None:
        self.set_transform(message, authority)
        self._static.add(message.child_frame_id)

    def clear(self) -> None:
        self._known = {
            frame: found for frame, found in self._known.items() if frame in self._static
        }

    def lookup_transform(self, target: str, source: str, time: Time, timeout) -> TransformStamped:
        return transform_message(
            target,
            source,
            invert(self._from_root(target, time.nanoseconds))
            @ self._from_root(source, time.nanoseconds),
        )

    def _from_root(self, frame: str, stamp: int) -> np.ndarray:
        if frame not in self._known:
            if frame != "base_link":
                raise StandInError(f'"{frame}" does not exist.')
            return np.eye(4)
        parent, stamps = self._known[frame]
        if frame not in self._static and stamp and stamp not in stamps:
            raise StandInError(f"Lookup would require extrapolation at {stamp}")
        key = max(stamps) if frame in self._static or not stamp else stamp
        return self._from_root(parent, stamp) @ stamps[key]


def at(source, cloud: Header, image: Header | None = None):
    """Return the poses of one lidar and one camera."""
    return source.at({LIDAR: cloud}, {} if image is None else {CAMERA: image})


def header(frame: str, stamp: int = S) -> Header:
    made = Header(frame_id=frame)
    made.stamp.sec, made.stamp.nanosec = divmod(stamp, S)
    return made


def transform_message(
    parent: str, child: str, matrix: np.ndarray, stamp: int = S
) -> TransformStamped:
    message = TransformStamped(header=header(parent, stamp), child_frame_id=child)
    where, turn = message.transform.translation, message.transform.rotation
    where.x, where.y, where.z = matrix[:3, 3].tolist()
    turn.x, turn.y, turn.z, turn.w = quaternion_from_rotation(matrix[:3, :3]).tolist()
    return message


def poses(source, stamp: int = S, with_image: bool = True):
    return at(source, header("lidar", stamp), header("camera", stamp) if with_image else None)
