"""Motion of the vehicle while a frame is recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame.arrays import finite_array


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """Motion of the vehicle, assumed constant for some tenths of a second around a frame.

    Attributes:
        linear: (3,) velocity over ground of the origin of the ego frame, in the ego frame, m/s.
        angular: (3,) angular velocity about the axes of the ego frame, rad/s.

    Raises:
        ValueError: A vector does not have three numbers, or a number is NaN or infinite.
    """

    linear: np.ndarray
    angular: np.ndarray

    def __post_init__(self) -> None:
        for name in ("linear", "angular"):
            values = finite_array(getattr(self, name), (3,), f"ego motion: {name}")
            object.__setattr__(self, name, values)

    def pose_after(self, seconds: float) -> np.ndarray:
        """Compute the pose of the vehicle at another time.

        Args:
            seconds: The other time, seconds after the time of the frame; negative before it.

        Returns:
            (4, 4) transform from the ego frame at the other time to that at the time of the frame.
        """
        # The series of the matrix exponential converges fast for small steps, so compose 16 steps.
        step = seconds * self._rates / 16
        pose = np.eye(4) + step @ (np.eye(4) + step @ (np.eye(4) / 2 + step / 6))
        return np.linalg.matrix_power(pose, 16)

    def to_frame_time(self, points: np.ndarray, seconds: np.ndarray | float) -> np.ndarray:
        """Transform static points to the ego frame at the time of the frame.

        The motion is approximated to second order. For 0.1 s and 0.5 rad/s, the error at 100 m is a
        few millimetres.

        Args:
            points: (N, 3) points, each in the ego frame at the time of its measurement, metres.
            seconds: (N,) times of the measurements, or one number for all, in seconds after the
                time of the frame.

        Returns:
            (N, 3) points in the ego frame at the time of the frame, metres.
        """
        rates = self._rates
        first = move_points(rates, points)
        second = move_points(rates @ rates / 2, points)
        elapsed = np.asarray(seconds, points.dtype).reshape(-1, 1)
        return points + elapsed * (first + elapsed * second)

    @property
    def _rates(self) -> np.ndarray:
        """(4, 4) matrix of the twist: the change of homogeneous points per second."""
        x, y, z = self.angular
        rates = np.zeros((4, 4))
        rates[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
        rates[:3, 3] = self.linear
        return rates


def move_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Multiply a (4, 4) matrix by points (N, 3), made homogeneous, and return the first three rows.

    NumPy's matrix product would wake the threads of BLAS, which busy-wait on the cores that other
    threads need.
    """
    rotation, translation = matrix[:3, :3].astype(points.dtype), matrix[:3, 3].astype(points.dtype)
    x, y, z = points[:, :1], points[:, 1:2], points[:, 2:]
    return x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2] + translation
