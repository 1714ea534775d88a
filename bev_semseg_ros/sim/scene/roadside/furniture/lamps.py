"""Street lamps, reflector posts and utility poles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.primitives import UP, axes
from bev_semseg_ros.sim.classes import POLE
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Placer


class Lamps(Placer):
    """Adds rows of poles along one side."""

    def add_lamps(self, side: Side, distance: float) -> None:
        """Add a row of street lamps, with or without arms over the road.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
        """
        u, surfaces = self._rng.uniform, self._site.surfaces
        gap, height = u(18, 40), u(4, 10)
        arm = u(0.5, 2.5) if self._rng.random() < 0.6 else 0.0
        material = self._pick((surfaces.metal, surfaces.dark))
        head = self._pick((surfaces.metal, surfaces.dark))
        t = side.sign * distance
        for s in np.arange(u(-12, gap - 12), 150, gap):
            if self._site.claim(s, t, 0.25):
                self._lamp(s, t, height, -side.sign * arm, material, head)

    def _lamp(
        self, s: float, t: float, height: float, arm: float, material: int, head: int
    ) -> None:
        """Add a street lamp.

        Args:
            s: Station in metres.
            t: Offset in metres.
            height: Height of the pole in metres.
            arm: Length of the arm in metres, positive to the left; 0 for no arm.
            material: Material of the pole.
            head: Material of the luminaire.
        """
        out, yaw = self._out, float(self._street.alignment.heading(s))
        foot = self._street.point(s, t)
        top = foot + UP * height
        if self._rng.random() < 0.3:
            out.tube(foot, foot + UP * 0.9, 0.11, 0.11, 6, POLE, material)
        out.tube(foot - UP * 0.2, top, 0.08, 0.05, 6, POLE, material)
        if arm:
            _, left = axes(yaw)
            end = top + left * arm + UP * 0.2
            out.tube(top, end, 0.04, 0.04, 5, POLE, material)
            out.box(end - UP * 0.05, (0.25, 0.6, 0.12), yaw, POLE, head)
            self._site.lamps.append(end)
        else:
            out.box(top - UP * 0.05, (0.4, 0.4, 0.25), yaw, POLE, head)
            self._site.lamps.append(top)

    def add_reflector_posts(self, side: Side, distance: float) -> None:
        """Add a row of posts with reflectors; arguments as in `add_lamps`."""
        surfaces = self._site.surfaces
        gap = self._rng.choice([25.0, 50.0, 12.5])
        for s in np.arange(self._rng.uniform(-10, 20), 150, gap):
            spot = self._place(s, side.sign * distance, 0.2, margin=0.1)
            if spot is not None:
                self._box(spot, (0.1, 0.12, 1.05), POLE, surfaces.reflector, up=-0.05)
                self._box(spot, (0.11, 0.13, 0.2), POLE, surfaces.dark, up=0.7)

    def add_utility_poles(self, side: Side, distance: float) -> None:
        """Add a row of wooden poles with a sagging wire; arguments as in `add_lamps`."""
        surfaces, height = self._site.surfaces, self._rng.uniform(7, 10)
        gap = self._rng.uniform(30, 45)
        t = side.sign * distance
        ends = []
        for s in np.arange(self._rng.uniform(-10, 20), 160, gap):
            if self._site.claim(s, t, 0.4):
                foot = self._street.point(s, t, -0.2)
                self._out.tube(foot, foot + UP * height, 0.14, 0.1, 6, POLE, surfaces.wood)
                ends.append(foot + UP * (height - 0.2))
        for a, b in pairwise(ends):
            f = np.linspace(0, 1, 5)[:, None]
            points = a * (1 - f) + b * f - UP * 4 * 0.5 * f * (1 - f)
            for p, q in pairwise(points):
                self._out.tube(p, q, 0.012, 0.012, 3, POLE, surfaces.dark)
