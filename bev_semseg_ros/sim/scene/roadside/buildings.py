"""Houses, blocks, garages and what hangs on their fronts."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import normalize
from bev_semseg_ros.sim.assets.surfaces import random_print
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.street import Side
from bev_semseg_ros.sim.scene.site import Site

BUILDING = MASK_LABEL["building"]
UP = np.array([0.0, 0, 1])
SUNK = 0.5  # m that walls reach below the lowest corner of the ground


class Buildings:
    """Puts buildings along one street."""

    def __init__(self, site: Site) -> None:
        self._site, self._rng, self._street = site, site.rng, site.street
        self._surfaces, self._table, self._out = site.surfaces, site.table, site.out

    def line(self, side: Side, style: str) -> None:
        """The houses of one side: "city" a closed front, "houses" one by one, "scattered" a few far ones."""
        {"city": self._city, "houses": self._houses, "scattered": self._scattered}[style](side)

    def _city(self, side: Side) -> None:
        u, street = self._rng.uniform, self._street
        setback = u(0, 1) if self._rng.random() < 0.7 else u(1, 8)
        s = -14 + u(0, 5)
        while s < 190:
            width = u(6, 24) if self._rng.random() < 0.8 else u(20, 50)
            if street.is_crossed(s - 2, s + width + 2, side.sign):
                before = street.crossing.station - street.crossing.half_width - 2 - s
                if before < 5:
                    s = street.crossing.station + street.crossing.half_width + 2.01
                    continue
                width = before
            self.house(
                s,
                s + width,
                side,
                side.boundary + setback,
                u(6, 20),
                u(8, 16),
                self._rng.random() < 0.65,
            )
            s += width + (u(2, 12) if self._rng.random() < 0.12 else 0)

    def _houses(self, side: Side) -> None:
        rng, u, street = self._rng, self._rng.uniform, self._street
        setback = u(2, 8)
        s = -14 + u(0, 8)
        while s < 170:
            width = u(7, 14)
            if not street.is_crossed(s - 1, s + width + 1, side.sign):
                front = side.boundary + setback + u(0, 2)
                self.house(s, s + width, side, front, u(3, 9), u(7, 11), rng.random() < 0.85)
            gap = u(3, 10)
            if (
                gap > 4.5
                and rng.random() < 0.35
                and not street.is_crossed(s + width, s + width + 4.5, side.sign)
            ):
                if rng.random() < 0.5:
                    self.garage(
                        s + width + 0.4, s + width + 3.9, side, side.boundary + setback + u(0, 3)
                    )
                else:  # a shed or a small house at the pavement, about as large as a lorry
                    self.house(
                        s + width + 0.4,
                        s + width + u(3, gap - 0.5),
                        side,
                        side.boundary + u(0.2, 1.5),
                        u(2.2, 4.5),
                        u(4, 8),
                        rng.random() < 0.6,
                    )
            s += width + gap

    def _scattered(self, side: Side) -> None:
        u = self._rng.uniform
        for _ in range(self._rng.integers(0, 4)):
            s = u(20, 160)
            width = u(8, 30)
            if not self._street.is_crossed(s - 1, s + width + 1, side.sign):
                self.house(
                    s,
                    s + width,
                    side,
                    side.boundary + u(14, 32),
                    u(4, 14),
                    10.0,
                    self._rng.random() < 0.5,
                )

    def _corners(
        self, start: float, end: float, side: Side, front: float, depth: float
    ) -> np.ndarray | None:
        """(4, 3) ground corners, counter-clockwise from above, the front edge first, if there is room for them."""
        if (
            front + depth > self._street.alignment.offset_limit(side.sign)
            or end > self._street.alignment.stations[-1]
        ):
            return None
        s = np.array([start, end, end, start] if side.sign > 0 else [end, start, start, end])
        distance = np.array([front, front, front + depth, front + depth])
        corners = self._street.alignment.points(s, side.sign * distance, side.height(distance))
        if not self._site.claim(
            (start + end) / 2, side.sign * (front + depth / 2), end - start, depth, margin=-0.1
        ):
            return None
        corners[:, 2] = corners[:, 2].min() - SUNK
        return corners

    def house(
        self,
        start: float,
        end: float,
        side: Side,
        front: float,
        height: float,
        depth: float,
        gabled: bool,
    ) -> None:
        """A building between two stations whose front lies at distance `front` from the road's middle."""
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._surfaces
        base = self._corners(start, end, side, front, depth)
        if base is None:
            return
        facade, wall = surfaces.facades[rng.integers(len(surfaces.facades))]
        blind, windowed_sides = rng.random() < 0.12, rng.random() < 0.5
        ground = float(self._street.alignment.elevation([start, end]).max() + side.height(front))
        rise = ground - base[0, 2] + height
        top = base + UP * rise
        following = [1, 2, 3, 0]
        widths = np.linalg.norm(base[following] - base, axis=-1)
        flank = facade if windowed_sides else wall
        materials = [wall if blind else facade, flank, wall, flank]
        out.quads(
            np.stack([base, base[following], top[following], top], 1),
            BUILDING,
            materials,
            np.stack([widths, np.full(4, rise - SUNK)], -1),
        )
        yaw = float(self._street.alignment.heading((start + end) / 2))
        if gabled:
            self._gable_roof(top, wall, depth, yaw)
        else:
            out.quad(*top, BUILDING, surfaces.concrete)
            if rng.random() < 0.5:
                out.box(
                    top.mean(0), (u(2, 5), u(2, 4), u(1, 2.5)), yaw, BUILDING, surfaces.concrete
                )
        if start < 70:
            self._dress_front(base, widths[0], rise, wall, yaw, side)

    def _gable_roof(self, top: np.ndarray, wall: int, depth: float, yaw: float) -> None:
        rng, u, out, roof = (
            self._rng,
            self._rng.uniform,
            self._out,
            self._surfaces.roofs[self._rng.integers(3)],
        )
        rise = UP * u(0.25, 0.6) * depth
        overhang = 0.12 * UP
        if rng.random() < 0.65:  # eaves to the street
            first, second = (top[0] + top[3]) / 2 + rise, (top[1] + top[2]) / 2 + rise
            out.quad(top[0] - overhang, top[1] - overhang, second, first, BUILDING, roof)
            out.quad(top[2] - overhang, top[3] - overhang, first, second, BUILDING, roof)
            gables = (top[[3, 0]], first), (top[[1, 2]], second)
            if rng.random() < 0.4:
                for _ in range(rng.integers(1, 4)):  # dormers
                    f = u(0.15, 0.85)
                    spot = 0.6 * (top[0] * (1 - f) + top[1] * f) + 0.4 * (
                        first * (1 - f) + second * f
                    )
                    out.box(spot - 0.3 * UP, (1.4, 1.6, 1.6), yaw, BUILDING, wall, roof)
        else:
            first, second = (top[0] + top[1]) / 2 + rise, (top[2] + top[3]) / 2 + rise
            out.quad(top[3] - overhang, top[0] - overhang, first, second, BUILDING, roof)
            out.quad(top[1] - overhang, top[2] - overhang, second, first, BUILDING, roof)
            gables = (top[[0, 1]], first), (top[[2, 3]], second)
        for edge, peak in gables:
            out.polygon(np.stack([*edge, peak]), BUILDING, wall)
        if rng.random() < 0.6:
            out.box(
                first * 0.6 + second * 0.4 - 0.8 * UP,
                (0.6, 0.6, u(1.2, 2.0)),
                yaw,
                BUILDING,
                self._surfaces.brick if rng.random() < 0.5 else self._surfaces.concrete,
            )

    def _dress_front(
        self, base: np.ndarray, width: float, rise: float, wall: int, yaw: float, side: Side
    ) -> None:
        """Doors, porches, pipes, posters, hanging signs, awnings, balconies on the wall base[0]-base[1]."""
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._surfaces
        along = normalize(base[1] - base[0])
        outward = normalize(base[0] - base[3])
        ground = base[0] + UP * SUNK

        def panel(
            at: float, size: float, low: float, high: float, gap: float, label: int, material: int
        ) -> None:
            corner, across, up = (
                ground + along * at + outward * gap + UP * low,
                along * size,
                UP * (high - low),
            )
            out.quad(corner, corner + across, corner + across + up, corner + up, label, material)

        at = u(0.1, 0.8) * max(width - 1.5, 0.1)
        if rng.random() < 0.7:
            door = self._table.add(
                "wall", rng.random(3) * u(0.1, 0.6), noise_contrast=0.3, fine_contrast=0.1
            )
            panel(at, u(0.9, 1.4), -0.3, 2.15, 0.05, BUILDING, door)
            if rng.random() < 0.35:  # porch
                out.box(
                    ground + along * (at + 0.6) + outward * 0.7 + UP * 2.4,
                    (2.0, 1.4, 0.15),
                    yaw,
                    BUILDING,
                    surfaces.roofs[0],
                )
                for end in (-0.3, 1.5):
                    foot = ground + along * (at + end) + outward * 1.3
                    out.tube(
                        foot - UP * 0.3, foot + UP * 2.4, 0.06, 0.06, 6, BUILDING, surfaces.wood
                    )
        if rng.random() < 0.25:
            panel(
                u(0.05, 0.6) * width,
                u(0.15, 0.4) * width,
                -0.2,
                u(2.0, 2.8),
                0.04,
                BUILDING,
                surfaces.window if rng.random() < 0.5 else surfaces.dark,
            )
        for _ in range(rng.poisson(0.7)):
            at, kind = u(0.05, 0.9) * width, rng.random()
            if kind < 0.45:
                foot = ground + along * at + outward * 0.08
                out.tube(
                    foot - UP * 0.3,
                    foot + UP * (rise - SUNK),
                    0.06,
                    0.06,
                    5,
                    BUILDING,
                    surfaces.metal,
                )
            elif kind < 0.75:
                low = u(0.6, 3.0)
                panel(
                    at,
                    u(0.5, 2.5),
                    low,
                    low + u(0.5, 1.6),
                    0.05,
                    BUILDING,
                    random_print(rng, self._table),
                )
            else:  # a sign on a bracket
                low, size = u(2.4, 4.5), u(0.4, 1.0)
                corner = ground + along * at + outward * 0.1 + UP * low
                out.quad(
                    corner,
                    corner + outward * size,
                    corner + outward * size + UP * size,
                    corner + UP * size,
                    MASK_LABEL["sign"],
                    random_print(rng, self._table, "retro"),
                )
        kind = rng.random()
        if kind < 0.15:
            low, reach = u(2.4, 3.2), outward * u(0.8, 1.8)
            a, b = ground + UP * low, ground + along * width + UP * low
            out.quad(
                a + reach,
                b + reach,
                b + UP * 0.5,
                a + UP * 0.5,
                BUILDING,
                random_print(rng, self._table),
            )
        elif kind < 0.3 and rise > 6:
            count, material = rng.integers(2, 5), wall if rng.random() < 0.5 else surfaces.metal
            for floor in range(1, int((rise - SUNK) // 3)):
                for index in range(count):
                    spot = (
                        ground
                        + along * width * (index + 0.5) / count
                        + outward * 0.5
                        + UP * (floor * 3.0 + 0.1)
                    )
                    out.box(
                        spot, (min(2.5, width / count * 0.7), 1.0, 1.0), yaw, BUILDING, material
                    )

    def garage(self, start: float, end: float, side: Side, front: float) -> None:
        """A flat-roofed box with an up-and-over door."""
        base = self._corners(start, end, side, front, 5.0)
        if base is None:
            return
        rng, surfaces = self._rng, self._surfaces
        _, wall = surfaces.facades[rng.integers(len(surfaces.facades))]
        top = base + UP * (SUNK + rng.uniform(2.3, 2.9))
        following = [1, 2, 3, 0]
        self._out.quads(np.stack([base, base[following], top[following], top], 1), BUILDING, wall)
        self._out.quad(*top, BUILDING, surfaces.concrete)
        along, outward = normalize(base[1] - base[0]), normalize(base[0] - base[3])
        corner = base[0] + along * 0.45 + outward * 0.03 + UP * SUNK
        door = along * (np.linalg.norm(base[1] - base[0]) - 0.9)
        self._out.quad(
            corner,
            corner + door,
            corner + door + UP * 2.1,
            corner + UP * 2.1,
            BUILDING,
            [surfaces.wood, surfaces.metal, surfaces.dark][rng.integers(3)],
        )
