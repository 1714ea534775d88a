"""When the beams of a lidar are shot, and what that means for its points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bev_semseg_ros.geometry import apply, invert, rotation_z, transform_boxes

if TYPE_CHECKING:
    from bev_semseg_ros.sim.scene.view import View
    from bev_semseg_ros.sim.scene.world import World

# Moments of a sweep at which the pose of the vehicle is computed; it is linear in between.
_KNOTS = 7


@dataclass(frozen=True)
class Sweep:
    """A turn of a lidar, or a sweep from one side to the other.

    The frame's time is when the beams pass the x axis of the ego frame, but for a delay. That is
    how KITTI triggers its cameras. Points in the view of the camera are then never far from the
    frame's time, so an uncorrected sweep bends what the network sees but does not move it away
    from its labels by an amount that no network could know.

    Attributes:
        period: Seconds from the first beam to the last one.
        start: Azimuth in the ego frame at which it begins, radians.
        span: Angle that it covers in radians, 2 pi for a turn.
        direction: 1 if it goes counter-clockwise seen from above, -1 if clockwise.
        delay: Seconds from the frame's time until the beams pass the x axis of the ego frame.
        is_corrected: Whether the driver takes the motion of the vehicle out of the points. If not,
            it takes every point for one that was measured where the vehicle is at the frame's time.
    """

    period: float
    start: float
    span: float
    direction: int
    delay: float
    is_corrected: bool

    def times(self, azimuths: np.ndarray) -> np.ndarray:
        """Return seconds after the frame's time at which azimuths (N,) of the ego frame pass."""
        return self._since_start(azimuths) - self._since_start(np.zeros(1)) + self.delay

    def _since_start(self, azimuths: np.ndarray) -> np.ndarray:
        """Return seconds after the start of the sweep.

        A lidar that is tilted has beams a little beyond the ends of a narrow sweep. They count as
        being at the end that they are near to.
        """
        middle = self.start + self.direction * self.span / 2
        from_middle = self.direction * (azimuths - middle)
        turned = (from_middle + np.pi) % (2 * np.pi) - np.pi + self.span / 2
        return self.period * np.clip(turned / self.span, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Path:
    """How the ego frame moves around the time of a frame.

    Attributes:
        times: (K,) seconds after the frame's time, ascending.
        poses: (K, 4, 4) its poses in the world.
    """

    times: np.ndarray
    poses: np.ndarray

    @classmethod
    def of(cls, world: World, frame: int, sweep: Sweep, vehicle_from_ego: np.ndarray) -> Path:
        """Return the path of a vehicle during a sweep."""
        times = np.linspace(-1, 1, _KNOTS) * (sweep.period + abs(sweep.delay))
        now = frame / world.rate_hz
        poses = [world.world_from_ego(now + float(time)) @ vehicle_from_ego for time in times]
        return cls(times, np.array(poses))

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rotations (N, 3, 3) and positions (N, 3) at times (N,)."""
        last = len(self.times) - 1
        place = np.interp(times, self.times, np.arange(last + 1))
        knot = np.minimum(place.astype(np.int64), last - 1)
        share = (place - knot)[:, None, None]
        poses = self.poses[:, :3]
        between = (1 - share) * poses[knot] + share * poses[knot + 1]
        return between[..., :3], between[..., 3]


class OneMoment:
    """Rays that are all cast at the frame's time."""

    def __init__(self, view: View, origins: np.ndarray, directions: np.ndarray) -> None:
        """Take N rays of the ego frame: origins (N, 3) and unit directions (N, 3)."""
        self._rays = origins, directions
        world = view.world_from_ego
        self.origins, self.directions = apply(world, origins), directions @ world[:3, :3].T

    def points(self, rays: np.ndarray, distances: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Return points in the ego frame as the driver hands them on.

        Args:
            rays: (H,) index of the ray of each point.
            distances: (H,) metres along the ray.
            objects: (H,) row of `View.boxes`, or NO_OBJECT.

        Returns:
            (H, 3).
        """
        origins, directions = self._rays
        return origins[rays] + directions[rays] * distances[:, None]


class Sweeping:
    """Rays that are cast one after the other, from a vehicle and at objects that move.

    Objects are hit where they are at the frame's time, and their points then moved to where they
    are at the time of the ray. What hides what is that of the frame's time.

    Attributes:
        origins: (N, 3) in the world frame.
        directions: (N, 3) unit vectors in the world frame.
    """

    def __init__(
        self, view: View, path: Path, sweep: Sweep, origins: np.ndarray, directions: np.ndarray
    ) -> None:
        """Take N rays of the ego frame: origins (N, 3) and unit directions (N, 3)."""
        self._view, self._path, self._sweep = view, path, sweep
        self._times = sweep.times(np.arctan2(directions[:, 1], directions[:, 0]))
        rotations, positions = path.at(self._times)
        self.origins = np.einsum("nij,nj->ni", rotations, origins) + positions
        self.directions = np.einsum("nij,nj->ni", rotations, directions)

    def points(self, rays: np.ndarray, distances: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Return points in the ego frame as the driver hands them on, see `OneMoment.points`."""
        times = self._times[rays]
        points = self.origins[rays] + self.directions[rays] * distances[:, None]
        pose = self._view.world_from_ego
        yaw = float(np.arctan2(pose[1, 0], pose[0, 0]))
        velocities = self._view.boxes.velocities @ rotation_z(yaw)[:2, :2].T
        is_object = objects >= 0
        moved = velocities[objects[is_object]] * times[is_object, None]
        points[is_object, :2] += np.nan_to_num(moved)
        if self._sweep.is_corrected:
            return apply(invert(pose), points)
        rotations, positions = self._path.at(times)
        return np.einsum("nji,nj->ni", rotations, points - positions)


def seen_from(view: View, vehicle_from_ego: np.ndarray) -> View:
    """Return a view with another ego frame.

    Args:
        view: State of the world, its ego frame being that of the vehicle.
        vehicle_from_ego: (4, 4) pose of the new ego frame in the frame of the vehicle.
    """
    if np.array_equal(vehicle_from_ego, np.eye(4)):
        return view
    return replace(
        view,
        world_from_ego=view.world_from_ego @ vehicle_from_ego,
        boxes=transform_boxes(invert(vehicle_from_ego), view.boxes),
    )
