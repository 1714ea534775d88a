"""Firing times of the beams of a lidar, and their effect on its points."""

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

    The beams pass the x axis of the ego frame at the time of the frame plus a delay. KITTI triggers
    its cameras in the same way. So points in the view of the camera are measured close to the time
    of the frame. An uncorrected sweep then distorts the points, but does not shift them away from
    their labels by an amount that a network could not predict.

    Attributes:
        period: Seconds from the first beam to the last one.
        start: Azimuth in the ego frame at which the sweep starts, radians.
        span: Angle that the sweep covers, radians; 2 pi for a full turn.
        direction: 1 for counter-clockwise as seen from above, -1 for clockwise.
        delay: Seconds from the time of the frame until the beams pass the x axis of the ego frame.
        is_corrected: Whether the driver corrects the points for the motion of the vehicle. If not,
            it treats every point as measured from the pose of the vehicle at the time of the frame.
    """

    period: float
    start: float
    span: float
    direction: int
    delay: float
    is_corrected: bool

    def times(self, azimuths: np.ndarray) -> np.ndarray:
        """Return the times of azimuths (N,) in the ego frame, in seconds from the frame's time."""
        return self._since_start(azimuths) - self._since_start(np.zeros(1)) + self.delay

    def _since_start(self, azimuths: np.ndarray) -> np.ndarray:
        """Return the times of azimuths (N,) in the ego frame, in seconds from the sweep's start.

        Some beams of a tilted lidar lie slightly beyond the ends of a narrow sweep. They get the
        time of the nearer end.
        """
        middle = self.start + self.direction * self.span / 2
        from_middle = self.direction * (azimuths - middle)
        turned = (from_middle + np.pi) % (2 * np.pi) - np.pi + self.span / 2
        return self.period * np.clip(turned / self.span, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Path:
    """Motion of the ego frame around the time of a frame.

    Attributes:
        times: (K,) seconds after the time of the frame, ascending.
        poses: (K, 4, 4) poses of the ego frame in the world at these times.
    """

    times: np.ndarray
    poses: np.ndarray

    @classmethod
    def of(cls, world: World, frame: int, sweep: Sweep, vehicle_from_ego: np.ndarray) -> Path:
        """Return the path of the ego frame during a sweep; `frame` is the index of the frame."""
        times = np.linspace(-1, 1, _KNOTS) * (sweep.period + abs(sweep.delay))
        now = frame / world.rate_hz
        poses = [world.world_from_ego(now + float(time)) @ vehicle_from_ego for time in times]
        return cls(times, np.array(poses))

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rotations (N, 3, 3) and positions (N, 3) in the world at times (N,)."""
        last = len(self.times) - 1
        place = np.interp(times, self.times, np.arange(last + 1))
        knot = np.minimum(place.astype(np.int64), last - 1)
        share = (place - knot)[:, None, None]
        poses = self.poses[:, :3]
        between = (1 - share) * poses[knot] + share * poses[knot + 1]
        return between[..., :3], between[..., 3]


class OneMoment:
    """Rays that are all cast at the time of the frame."""

    def __init__(self, view: View, origins: np.ndarray, directions: np.ndarray) -> None:
        """Take N rays in the ego frame: origins (N, 3) and unit directions (N, 3)."""
        self._rays = origins, directions
        world = view.world_from_ego
        self.origins, self.directions = apply(world, origins), directions @ world[:3, :3].T

    def points(self, rays: np.ndarray, distances: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Return points in the ego frame as the driver publishes them.

        Args:
            rays: (H,) index of the ray of each point.
            distances: (H,) metres along the ray.
            objects: (H,) row of `View.boxes`, or NO_OBJECT.

        Returns:
            (H, 3) points in metres.
        """
        origins, directions = self._rays
        return origins[rays] + directions[rays] * distances[:, None]


class Sweeping:
    """Rays that are cast one after the other, while the vehicle and the objects move.

    Rays hit objects at their positions at the time of the frame. The points are then moved to where
    the objects are at the time of the ray. So occlusion is that at the time of the frame.

    Attributes:
        origins: (N, 3) origins in the world frame, metres.
        directions: (N, 3) unit vectors in the world frame.
    """

    def __init__(
        self, view: View, path: Path, sweep: Sweep, origins: np.ndarray, directions: np.ndarray
    ) -> None:
        """Take N rays in the ego frame: origins (N, 3) and unit directions (N, 3)."""
        self._view, self._path, self._sweep = view, path, sweep
        self._times = sweep.times(np.arctan2(directions[:, 1], directions[:, 0]))
        rotations, positions = path.at(self._times)
        self.origins = np.einsum("nij,nj->ni", rotations, origins) + positions
        self.directions = np.einsum("nij,nj->ni", rotations, directions)

    def points(self, rays: np.ndarray, distances: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Return points in the ego frame as the driver publishes them, see `OneMoment.points`."""
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
        view: State of the world; its ego frame is the frame of the vehicle.
        vehicle_from_ego: (4, 4) pose of the new ego frame in the frame of the vehicle.
    """
    if np.array_equal(vehicle_from_ego, np.eye(4)):
        return view
    return replace(
        view,
        world_from_ego=view.world_from_ego @ vehicle_from_ego,
        boxes=transform_boxes(invert(vehicle_from_ego), view.boxes),
    )
