"""The fronts of buildings: doors, porches, pipes, posters, signs, awnings and balconies."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import normalize
from bev_semseg_ros.sim.assets.primitives import UP
from bev_semseg_ros.sim.assets.street_materials import random_print
from bev_semseg_ros.sim.classes import BUILDING, SIGN
from bev_semseg_ros.sim.scene.site import Site

# Depth in metres of the lower edges of walls below the lowest corner on the ground.
SUNK = 0.5


class Front:
    """The front of one building, to which doors, signs and balconies are added."""

    def __init__(
        self, site: Site, base: np.ndarray, width: float, rise: float, wall: int, yaw: float
    ) -> None:
        """Describe a front.

        Args:
            site: The street under construction.
            base: (4, 3) lower corners of the building; the front is the edge from corner 0 to 1.
            width: Width of the front in metres.
            rise: Height of the walls above `base` in metres.
            wall: Material of the walls.
            yaw: Heading of the building in radians.
        """
        self._rng = site.rng
        self._table = site.table
        self._surfaces = site.surfaces
        self._out = site.out
        self._occupancy = site.occupancy
        self._width = width
        self._rise = rise
        self._wall = wall
        self._yaw = yaw
        self._along = normalize(base[1] - base[0])
        self._outward = normalize(base[0] - base[3])
        self._ground = base[0] + UP * SUNK

    def dress(self) -> None:
        """Add doors, porches, pipes, posters, hanging signs, awnings and balconies."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._surfaces
        at = u(0.1, 0.8) * max(self._width - 1.5, 0.1)
        if rng.random() < 0.7:
            self._add_door(at)
        if rng.random() < 0.25:  # a large window or a gateway
            at, size, high = u(0.05, 0.6) * self._width, u(0.15, 0.4) * self._width, u(2.0, 2.8)
            material = surfaces.window if rng.random() < 0.5 else surfaces.dark
            self._add_panel(at, size, -0.2, high, 0.04, material)
        for _ in range(rng.poisson(0.7)):
            self._add_small_thing()
        kind = rng.random()
        if kind < 0.15:
            self._add_awning()
        elif kind < 0.3 and self._rise > 6:
            self._add_balconies()

    def _add_panel(
        self, at: float, size: float, low: float, high: float, gap: float, material: int
    ) -> None:
        """Add a rectangle parallel to the front.

        Args:
            at: Distance of its edge from the edge of the front, in metres.
            size: Width in metres.
            low: Height of its lower edge above the ground in metres.
            high: Height of its upper edge above the ground in metres.
            gap: Distance from the front in metres.
            material: Row index in the MaterialTable.
        """
        corner = self._ground + self._along * at + self._outward * gap + UP * low
        across, up = self._along * size, UP * (high - low)
        self._out.quad(
            corner, corner + across, corner + across + up, corner + up, BUILDING, material
        )

    def _add_door(self, at: float) -> None:
        """Add a door, sometimes with a porch, `at` metres from the edge of the front."""
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._surfaces
        color = rng.random(3) * u(0.1, 0.6)
        door = self._table.add("wall", color, noise_contrast=0.3, fine_contrast=0.1)
        self._add_panel(at, u(0.9, 1.4), -0.3, 2.15, 0.05, door)
        if rng.random() >= 0.35:
            return
        roof = self._ground + self._along * (at + 0.6) + self._outward * 0.7 + UP * 2.4
        out.box(roof, (2.0, 1.4, 0.15), self._yaw, BUILDING, surfaces.roofs[0])
        self._occupancy.take(np.array([roof[0], roof[1], self._yaw]), 2.0, 1.4)
        for end in (-0.3, 1.5):
            foot = self._ground + self._along * (at + end) + self._outward * 1.3
            out.tube(foot - UP * 0.3, foot + UP * 2.4, 0.06, 0.06, 6, BUILDING, surfaces.wood)

    def _add_small_thing(self) -> None:
        """Add a pipe, a poster, or a sign on a bracket."""
        rng, u, out = self._rng, self._rng.uniform, self._out
        at, kind = u(0.05, 0.9) * self._width, rng.random()
        if kind < 0.45:
            foot = self._ground + self._along * at + self._outward * 0.08
            top = foot + UP * (self._rise - SUNK)
            out.tube(foot - UP * 0.3, top, 0.06, 0.06, 5, BUILDING, self._surfaces.metal)
        elif kind < 0.75:
            low = u(0.6, 3.0)
            size, high = u(0.5, 2.5), low + u(0.5, 1.6)
            self._add_panel(at, size, low, high, 0.05, random_print(rng, self._table))
        else:
            low, size = u(2.4, 4.5), u(0.4, 1.0)
            corner = self._ground + self._along * at + self._outward * 0.1 + UP * low
            across, up = self._outward * size, UP * size
            material = random_print(rng, self._table, "retro")
            out.quad(corner, corner + across, corner + across + up, corner + up, SIGN, material)

    def _add_awning(self) -> None:
        """Add an awning along the whole front."""
        u = self._rng.uniform
        low, reach = u(2.4, 3.2), self._outward * u(0.8, 1.8)
        a = self._ground + UP * low
        b = self._ground + self._along * self._width + UP * low
        material = random_print(self._rng, self._table)
        self._out.quad(a + reach, b + reach, b + UP * 0.5, a + UP * 0.5, BUILDING, material)

    def _add_balconies(self) -> None:
        """Add balconies at every storey."""
        rng, width = self._rng, self._width
        count = rng.integers(2, 5)
        material = self._wall if rng.random() < 0.5 else self._surfaces.metal
        size = (min(2.5, width / count * 0.7), 1.0, 1.0)
        for floor in range(1, int((self._rise - SUNK) // 3)):
            for index in range(count):
                across = self._along * width * (index + 0.5) / count
                up = UP * (floor * 3.0 + 0.1)
                spot = self._ground + across + self._outward * 0.5 + up
                self._out.box(spot, size, self._yaw, BUILDING, material)
