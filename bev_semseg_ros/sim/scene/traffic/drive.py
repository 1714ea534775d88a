"""The path of the ego vehicle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Lane

# Size of the ego vehicle in metres; the origin of the ego frame is at its centre.
EGO_LENGTH = 4.8
EGO_WIDTH = 2.0
# Length in metres of the free ground ahead of the ego vehicle.
EGO_CLEAR_AHEAD = 4.0
# Bounds of the speed of a moving ego vehicle in m/s.
SPEEDS = (2.0, 15.0)
# Largest length of a drive in metres. Streets are furnished for about 70 m more.
LONGEST = 100.0
# Least length in metres of the road ahead of the ego vehicle at the end of a drive.
SIGHT = 60.0


@dataclass(frozen=True)
class Drive:
    """How the ego vehicle moves: from station 0 along the road at a constant speed.

    Attributes:
        t: Offset to the left of the road's centre line in metres.
        speed: Metres per second.
        yaw: Heading relative to the direction of the road in radians.
        duration: Seconds.
    """

    t: float
    speed: float
    yaw: float
    duration: float

    @classmethod
    def draw(cls, rng: np.random.Generator, lane: Lane, duration: float, road_end: float) -> Drive:
        """Draw a drive in a lane.

        In a quarter of the drives, the ego vehicle stands still, often at an angle to the lane. In
        the others, it moves at 2 to 15 m/s, or slower if it would otherwise leave the built street.

        Args:
            rng: Source of randomness.
            lane: Lane of the ego vehicle.
            duration: Seconds.
            road_end: Station in metres at which the road ends.
        """
        is_standing = rng.random() < 0.25
        if is_standing and rng.random() < 0.6:
            yaw = rng.normal(0, 0.25)
        else:
            yaw = rng.normal(0, 0.025)
        play = max(lane.width / 2 - EGO_WIDTH / 2 - 0.1, 0.05)
        t = lane.offset + float(np.clip(rng.normal(0, 0.25), -play, play))
        speed = 0.0 if is_standing else rng.uniform(*SPEEDS)
        if duration > 0:
            speed = min(speed, min(LONGEST, road_end - SIGHT) / duration)
        return cls(t, speed, float(np.clip(yaw, -0.6, 0.6)), duration)

    @property
    def distance(self) -> float:
        """Length of the drive in metres."""
        return self.speed * self.duration
