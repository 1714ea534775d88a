"""How the vehicle moves while a frame is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame.arrays import finite_array


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """The vehicle's motion at a frame's time, constant for the tenths of a second around it.

    Attributes:
        linear: (3,) velocity over ground of the ego frame's origin, in the ego frame, m/s.
        angular: (3,) rates of rotation about the axes of the ego frame, rad/s.

    Raises:
        ValueError: not three numbers, or one that is not finite.
    """

    linear: np.ndarray
    angular: np.ndarray

    def __post_init__(self) -> None:
        for name in ("linear", "angular"):
            values = finite_array(getattr(self, name), (3,), f"ego motion: {name}")
            object.__setattr__(self, name, values)

    def pose_after(self, seconds: float) -> np.ndarray:
        """Return (4, 4) that takes points of the ego frame of a later moment to that of the frame.

        Args:
            seconds: from the frame's time to the moment, negative before it.
        """
        # The series of the matrix exponential converges fast for a small step, and 16 of them
        # follow each other.
        step = seconds * self._rates / 16
        pose = np.eye(4) + step @ (np.eye(4) + step @ (np.eye(4) / 2 + step / 6))
        return np.linalg.matrix_power(pose, 16)

    def to_frame_time(self, points: np.ndarray, seconds: np.ndarray | float) -> np.ndarray:
        """Return points that stand still where they are in the ego frame of the frame's time.

        The motion is expanded to the second order: for 0.1 s and 0.5 rad/s a few millimetres are
        missing at 100 m.

        Args:
            points: (N, 3) in the ego frame of the moment when each was measured.
            seconds: (N,) or one number, from the frame's time to that moment.
        """
        rates = self._rates
        first = move_points(rates, points)
        second = move_points(rates @ rates / 2, points)
        elapsed = np.asarray(seconds, points.dtype).reshape(-1, 1)
        return points + elapsed * (first + elapsed * second)

    @property
    def _rates(self) -> np.ndarray:
        """(4, 4) by which homogeneous points change per second: the twist's matrix."""
        x, y, z = self.angular
        rates = np.zeros((4, 4))
        rates[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
        rates[:3, 3] = self.linear
        return rates


def move_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the product of a (4, 4) with homogeneous points (N, 3), without its last row.

    numpy's product would wake BLAS's threads, which spin where others work.
    """
    rotation, translation = matrix[:3, :3].astype(points.dtype), matrix[:3, 3].astype(points.dtype)
    x, y, z = points[:, :1], points[:, 1:2], points[:, 2:]
    return x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2] + translation
