"""The outer shape of a car as functions of the position along it."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.vehicles.profiles import PROFILES, VANS, Extent, Profile


def _draw_size(rng: np.random.Generator, profile: Profile) -> tuple[float, float, float]:
    """Draw length, width and height in metres.

    Long cars are also wide and high: the correlation is 0.64, as in KITTI's labels.
    """
    common = rng.normal()

    def draw(extent: Extent) -> float:
        """Draw one of the lengths."""
        deviation = extent.sigma * (0.8 * common + 0.6 * rng.normal())
        return float(np.clip(extent.mean + deviation, extent.low, extent.high))

    length, width, height = draw(profile.length), draw(profile.width), draw(profile.height)
    return length, width, height


class CarBody:
    """The outer shape of one car.

    x is in metres, forward from the centre of the car; z is the height above the ground in metres.

    Attributes:
        kind: Key of PROFILES.
        profile: Proportions.
        length: Length in metres.
        width: Width in metres.
        height: Height in metres.
        bulge: Metres by which nose and tail bulge, seen from above.
        end: x of the last cross-section before the bulge.
        clearance: Height of the underbody in metres.
        wheel_radius: Radius of the wheels in metres.
        arch_radius: Radius of the wheel arches in metres.
        wheel_x: x of the front and the rear axle.
        belt: Height of the lower edge of the side windows at x = 0, in metres.
        wedge: Rise of the belt towards the rear per metre.
        has_rear_windows: Whether there are windows behind the front seats.
        has_open_bed: Whether it is a pickup with an open bed.
        line_x: (L,) x of the corners of the roof line, descending.
        line_z: (L,) heights of these corners in metres.
    """

    def __init__(self, rng: np.random.Generator, kind: str) -> None:
        """Draw a car of a kind of PROFILES."""
        self.kind = kind
        self.profile = PROFILES[kind]
        self.length, self.width, self.height = _draw_size(rng, self.profile)
        self.bulge = 0.025 * self.length
        self.end = self.length / 2 - self.bulge
        self.clearance = rng.uniform(0.15, 0.2) + (0.05 if kind in ("suv", "pickup") else 0.0)
        self.wheel_radius = self.profile.wheel_radius * rng.uniform(0.96, 1.04)
        self.arch_radius = self.wheel_radius + 0.06
        self.wheel_x = [self.x(share + rng.normal(0, 0.005)) for share in self.profile.wheels]
        self.belt = self.height * (self.profile.belt + rng.normal(0, 0.008))
        self.wedge = rng.uniform(0.0, 0.02)
        self.has_rear_windows = kind not in VANS or rng.random() < 0.4
        self.has_open_bed = kind == "pickup" and rng.random() < 0.5
        p = self.profile
        # Corners of the roof line: position and height as fractions of length and height.
        foot = self.belt / self.height + 0.02
        line = (
            (0, p.nose),
            (0.035, p.nose + 0.35 * (foot - p.nose)),
            (0.6 * p.cowl, p.nose + 0.8 * (foot - p.nose)),
            (p.cowl, foot),
            (p.header, 0.97),
            (p.crown, 1.0),
            (p.roof_end, 0.965),
            (p.backlight, p.deck),
            (0.2 * p.backlight + 0.8, p.deck - 0.008),
            (1, p.tail),
        )
        self.line_x = np.array([self.x(share) for share, _ in line])
        self.line_z = np.array([share * self.height for _, share in line])

    def x(self, share: float) -> float:
        """Return x at a fraction of the length, measured from the nose."""
        return (1 - 2 * share) * self.end

    def top(self, x: float) -> float:
        """Return the height of the roof line at x."""
        return float(np.interp(-x, -self.line_x, self.line_z))

    def half_width(self, x: float) -> float:
        """Return half the width at x in metres."""
        narrowing = 0.14 if x > 0 else 0.09
        towards_end = np.clip((abs(x) / self.end - 0.74) / 0.26, 0, 1)
        return self.width / 2 * (1 - narrowing * towards_end**2)

    def stations(self) -> np.ndarray:
        """Return x (S,) of the cross-sections, ascending.

        They are at the corners of the roof line, at pillars and wheel arches, and in large gaps
        between these.
        """
        p = self.profile
        shares = [p.glass_end, 0.75 * p.cowl + 0.25 * p.header, 0.4 * p.cowl + 0.6 * p.header]
        x = [*self.line_x, *(self.x(share) for share in shares), self.end - 0.12, 0.12 - self.end]
        for share in p.pillars:
            x += [self.x(share) - 0.045, self.x(share) + 0.045]
        for center in self.wheel_x:
            for offset in (-1.08, -0.95, -0.55, 0.55, 0.95, 1.08):
                x.append(center + offset * self.arch_radius)
        if self.has_open_bed:
            x += [self.x(p.backlight) - 0.06, 0.18 - self.end]
        stations = np.unique(np.round(np.clip(x, -self.end, self.end), 2))
        gaps = np.flatnonzero(np.diff(stations) > 0.12 * self.length)
        return np.sort(np.concatenate([stations, (stations[gaps] + stations[gaps + 1]) / 2]))

    def section(self, x: float) -> np.ndarray:
        """Return the cross-section (15, 3) at x: from the keel up the right side, down the left."""
        top, half = self.top(x), self.half_width(x)
        keel = self.clearance + 0.07 * np.clip((abs(x) - self.end) / 0.25 + 1, 0, 1)
        lip = keel
        for center in self.wheel_x:
            if abs(x - center) < self.arch_radius:
                arch = np.sqrt(self.arch_radius**2 - (x - center) ** 2)
                lip = max(lip, self.wheel_radius + arch)
        belt = min(self.belt - self.wedge * x, top - 0.05)
        middle = np.clip(0.5 * (keel + belt), lip + 0.03, max(lip + 0.04, belt - 0.02))
        belt = max(belt, middle + 0.01)
        above = np.clip((top - belt) / (self.height - belt), 0, 1)
        shoulder = half * (0.955 - self.profile.tumblehome * above)
        points = [
            (0, keel),
            (0.68 * half, keel),
            (0.965 * half, lip),
            (half, middle),
            (0.975 * half, belt),
            (shoulder, max(top - 0.05, belt + 0.005)),
            (0.87 * shoulder, top - 0.012),
            (0, top),
        ]
        if self.has_open_bed and 0.17 - self.end < x < self.x(self.profile.backlight) - 0.05:
            points[6:] = [(0.93 * shoulder, 0.4 * self.height), (0, 0.4 * self.height)]
        right = np.array([(x, -y, z) for y, z in points])
        return np.concatenate([right, right[-2::-1] * (1, -1, 1)])
