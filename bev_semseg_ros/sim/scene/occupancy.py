"""Occupied ground: keeps the objects of a scene apart."""

from __future__ import annotations

import numpy as np


class Occupancy:
    """Oriented rectangles on the ground at K moments of a drive.

    A new rectangle must be free of all earlier ones at each moment.
    """

    def __init__(self, moments: int) -> None:
        """Start with free ground at `moments` moments."""
        self._moments = moments
        self._count = 0
        self._poses = np.zeros((64, moments, 3))  # x, y, yaw
        self._halves = np.zeros((64, 2))
        self._radii = np.zeros(64)  # from the centre to the corners

    def claim(self, poses: np.ndarray, length: float, width: float, margin: float = 0.1) -> bool:
        """Occupy a rectangle if it is free.

        Args:
            poses: World x, y, yaw: (K, 3) at all moments, or (3,) if it does not move.
            length: Metres along its heading.
            width: Metres across its heading.
            margin: Distance in metres to keep from other rectangles.

        Returns:
            Whether the rectangle was free and is now occupied.
        """
        if not self.is_free(poses, length, width, margin):
            return False
        self.take(poses, length, width)
        return True

    def take(self, poses: np.ndarray, length: float, width: float) -> None:
        """Occupy a rectangle without checking that it is free; arguments as in `claim`."""
        if self._count == len(self._halves):
            self._poses = np.concatenate([self._poses, np.zeros_like(self._poses)])
            self._halves = np.concatenate([self._halves, np.zeros_like(self._halves)])
            self._radii = np.concatenate([self._radii, np.zeros_like(self._radii)])
        self._poses[self._count] = poses
        self._halves[self._count] = length / 2, width / 2
        self._radii[self._count] = np.hypot(length, width) / 2
        self._count += 1

    def is_free(self, poses: np.ndarray, length: float, width: float, margin: float = 0.1) -> bool:
        """Return whether a rectangle is free; arguments as in `claim`."""
        if self._count == 0:
            return True
        half = np.array([length / 2 + margin, width / 2 + margin])
        poses = np.broadcast_to(poses, (self._moments, 3))
        others, halves = self._poses[: self._count], self._halves[: self._count]
        x, y = others[..., 0] - poses[:, 0], others[..., 1] - poses[:, 1]
        reach = self._radii[: self._count] + np.hypot(*half)
        near, moment = np.nonzero(x * x + y * y < (reach * reach)[:, None])
        if len(near) == 0:
            return True
        delta = np.stack([x[near, moment], y[near, moment]], -1)
        return not _overlap(
            delta, poses[moment, 2], half, others[near, moment, 2], halves[near]
        ).any()


def _overlap(
    delta: np.ndarray,
    yaw: np.ndarray,
    half: np.ndarray,
    other_yaw: np.ndarray,
    other_half: np.ndarray,
) -> np.ndarray:
    """Return which of N pairs of rectangles overlap (separating axis theorem).

    Args:
        delta: (N, 2) centre of the second minus centre of the first.
        yaw: (N,) yaw of the first in radians.
        half: (2,) half length and half width of the first, the same for all pairs.
        other_yaw: (N,) yaw of the second in radians.
        other_half: (N, 2) half length and half width of the second.

    Returns:
        (N,) bool.
    """
    turn = other_yaw - yaw
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    separated = np.zeros(len(delta), bool)
    for angle, a, b in ((yaw, half, other_half.T), (other_yaw, other_half.T, half)):
        along = np.abs(np.cos(angle) * delta[:, 0] + np.sin(angle) * delta[:, 1])
        across = np.abs(np.cos(angle) * delta[:, 1] - np.sin(angle) * delta[:, 0])
        separated |= along > a[0] + b[0] * cos + b[1] * sin
        separated |= across > a[1] + b[0] * sin + b[1] * cos
    return ~separated
