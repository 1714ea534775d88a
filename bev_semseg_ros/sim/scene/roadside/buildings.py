"""Houses, blocks and garages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import normalize
from bev_semseg_ros.sim.assets.primitives import UP
from bev_semseg_ros.sim.classes import BUILDING
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.fronts import SUNK, Front
from bev_semseg_ros.sim.scene.site import Site

# Index of the next corner for each corner of a floor plan.
NEXT_CORNER = [1, 2, 3, 0]
# Fronts beyond this station in metres have no doors or signs.
DETAIL_END = 70
# Metres between the pavement of a side road and the flank of a building at its corner.
CORNER_GAP = 0.4
# Buildings along a side road end at this distance from the street's centre line in metres.
SIDE_FRONT_END = 75.0


@dataclass(frozen=True, eq=False)
class _Lot:
    """The ground of a building, a rectangle of stations and offsets.

    Attributes:
        s: (2,) stations in metres, starting with the front if it faces a side road.
        t: (2,) offsets in metres, starting with the front if it faces the street.
        is_along: Whether the front faces the street; otherwise it faces a side road.
    """

    s: np.ndarray
    t: np.ndarray
    is_along: bool

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return stations and offsets (4,) of the corners, counter-clockwise from the front."""
        (s0, s1), (t0, t1) = self.s, self.t
        if self.is_along:
            s, t = np.array([s0, s1, s1, s0]), np.array([t0, t0, t1, t1])
        else:
            s, t = np.array([s0, s0, s1, s1]), np.array([t0, t1, t1, t0])
        is_clockwise = np.sum(s * np.roll(t, -1) - np.roll(s, -1) * t) < 0
        order = [1, 0, 3, 2] if is_clockwise else [0, 1, 2, 3]
        return s[order], t[order]


def _along(side: Side, start: float, width: float, front: float, depth: float) -> _Lot:
    """Return the ground of a building that faces the street.

    Args:
        side: Side of the street.
        start: First station in metres.
        width: Metres along the street.
        front: Distance of the front from the centre line in metres.
        depth: Metres.
    """
    distance = side.sign * np.array([front, front + depth])
    return _Lot(np.array([start, start + width]), distance, is_along=True)


class Buildings:
    """Adds buildings along one street."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._surfaces = site.surfaces
        self._table = site.table
        self._out = site.out

    def populate(self, side: Side, style: str) -> None:
        """Add the buildings of one side.

        Args:
            side: Side of the street.
            style: "city" for a continuous row, "houses" for detached houses, "scattered" for a few
                buildings far from the road.
        """
        {"city": self._city, "houses": self._houses, "scattered": self._scattered}[style](side)

    def _city(self, side: Side) -> None:
        """Add a continuous row of buildings, with a gap at a side road."""
        u, street = self._rng.uniform, self._street
        setback = u(0, 1) if self._rng.random() < 0.7 else u(1, 8)
        if street.place == "narrow":
            setback = u(0, 0.1)
        s = -14 + u(0, 5)
        while s < 190:
            width = u(6, 24) if self._rng.random() < 0.8 else u(20, 50)
            crossing = street.crossing
            gap = CORNER_GAP
            if crossing is not None and crossing.covers(s - gap, s + width + gap, side.sign, True):
                before = crossing.start - crossing.pavement - gap - s
                if before < 5:
                    s = crossing.end + crossing.pavement + gap + 0.01
                    continue
                width = before
            height, depth = u(6, 20), u(8, 16)
            is_gabled = self._rng.random() < 0.65
            lot = _along(side, s, width, side.boundary + setback, depth)
            self._house(lot, side, height, is_gabled)
            is_gap = self._rng.random() < (0.04 if street.place == "narrow" else 0.12)
            s += width + (u(2, 12) if is_gap else 0)
        self._beside_side_road(side, side.boundary + setback, is_closed=True)

    def _houses(self, side: Side) -> None:
        """Add detached houses, with garages and sheds between them."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        setback = u(2, 8)
        s = -14 + u(0, 8)
        while s < 170:
            width = u(7, 14)
            if not street.is_crossed(s - 1, s + width + 1, side.sign, beyond=True):
                front = side.boundary + setback + u(0, 2)
                lot = _along(side, s, width, front, u(7, 11))
                self._house(lot, side, u(3, 9), rng.random() < 0.85)
            gap = u(3, 10)
            end = s + width
            is_used = gap > 4.5 and rng.random() < 0.35
            if is_used and not street.is_crossed(end, end + 4.5, side.sign, beyond=True):
                if rng.random() < 0.5:
                    self._garage(end + 0.4, end + 3.9, side, side.boundary + setback + u(0, 3))
                else:
                    self._shed(end, gap, side)
            s += width + gap
        self._beside_side_road(side, side.boundary + setback + 12, is_closed=False)

    def _beside_side_road(self, side: Side, start: float, is_closed: bool) -> None:
        """Add buildings along both edges of a side road, facing it.

        Args:
            side: Side of the street.
            start: Distance from the street's centre line in metres at which they begin.
            is_closed: Whether they are high and form a nearly continuous row.
        """
        rng, u, crossing = self._rng, self._rng.uniform, self._street.crossing
        if crossing is None or side.sign not in crossing.signs:
            return
        for edge, away in ((crossing.start, -1), (crossing.end, 1)):
            front = edge + away * (crossing.pavement + (u(0.0, 1.0) if is_closed else u(2, 7)))
            at = start + u(0.0, 3.0)
            while at < SIDE_FRONT_END:
                width, depth = (u(8, 22), u(8, 14)) if is_closed else (u(7, 13), u(7, 10))
                height = u(6, 18) if is_closed else u(3, 8)
                lot = _Lot(
                    np.array([front, front + away * depth]),
                    side.sign * np.array([at, at + width]),
                    is_along=False,
                )
                self._house(lot, side, height, rng.random() < 0.75)
                at += width + (0.0 if is_closed and rng.random() < 0.85 else u(2, 9))

    def _shed(self, start: float, gap: float, side: Side) -> None:
        """Add a shed or a small house at the pavement, about as large as a lorry."""
        u = self._rng.uniform
        end = start + u(3, gap - 0.5)
        front, height, depth = side.boundary + u(0.2, 1.5), u(2.2, 4.5), u(4, 8)
        lot = _along(side, start + 0.4, end - start - 0.4, front, depth)
        self._house(lot, side, height, self._rng.random() < 0.6)

    def _scattered(self, side: Side) -> None:
        """Add a few buildings far from the road."""
        u = self._rng.uniform
        for _ in range(self._rng.integers(0, 4)):
            s = u(20, 160)
            width = u(8, 30)
            if not self._street.is_crossed(s - 1, s + width + 1, side.sign):
                front, height = side.boundary + u(14, 32), u(4, 14)
                is_gabled = self._rng.random() < 0.5
                self._house(_along(side, s, width, front, 10.0), side, height, is_gabled)

    def _corners(self, lot: _Lot, side: Side) -> np.ndarray | None:
        """Occupy the ground of a building.

        Args:
            lot: Its ground.
            side: Side of the street.

        Returns:
            (4, 3) world points of the corners, below the ground, counter-clockwise seen from above,
            starting with the edge of the front; None if there is no room.
        """
        alignment = self._street.alignment
        far = np.abs(lot.t).max()
        if far > alignment.offset_limit(side.sign) or lot.s.max() > alignment.stations[-1]:
            return None
        s, t = lot.corners()
        corners = alignment.points(s, t, side.height(np.abs(t)))
        length, width = np.ptp(lot.s), np.ptp(lot.t)
        if not self._site.claim(lot.s.mean(), lot.t.mean(), length, width, margin=-0.1):
            return None
        # In a bend, the front is a chord, which is nearer to the road than the arc or farther away.
        edge, depth = corners[1] - corners[0], float(np.linalg.norm(corners[3] - corners[0]))
        pose = np.array([*corners[:, :2].mean(0), np.arctan2(edge[1], edge[0])])
        self._site.occupancy.take(pose, float(np.hypot(edge[0], edge[1])), depth)
        corners[:, 2] = corners[:, 2].min() - SUNK
        return corners

    def _house(self, lot: _Lot, side: Side, height: float, is_gabled: bool) -> None:
        """Add a building if there is room.

        Args:
            lot: Its ground.
            side: Side of the street.
            height: Height of the walls in metres.
            is_gabled: Whether it has a gable roof instead of a flat one.
        """
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._surfaces
        base = self._corners(lot, side)
        if base is None:
            return
        depth = float(np.linalg.norm(base[0] - base[3]))
        facade, wall = surfaces.facades[rng.integers(len(surfaces.facades))]
        is_front_blind = rng.random() < 0.12
        has_side_windows = rng.random() < 0.5
        front_s, front_t = lot.corners()
        elevations = self._street.alignment.elevation(front_s[:2])
        ground = float((elevations + side.height(np.abs(front_t[:2]))).max())
        rise = ground - base[0, 2] + height
        top = base + UP * rise
        widths = np.linalg.norm(base[NEXT_CORNER] - base, axis=-1)
        flank = facade if has_side_windows else wall
        out.quads(
            np.stack([base, base[NEXT_CORNER], top[NEXT_CORNER], top], 1),
            BUILDING,
            np.array([wall if is_front_blind else facade, flank, wall, flank]),
            np.stack([widths, np.full(4, rise - SUNK)], -1),
        )
        forward = base[1] - base[0]
        yaw = float(np.arctan2(forward[1], forward[0]))
        if is_gabled:
            self._gable_roof(top, wall, depth, yaw)
        else:
            out.quad(top[0], top[1], top[2], top[3], BUILDING, surfaces.concrete)
            if rng.random() < 0.5:
                size = (u(2, 5), u(2, 4), u(1, 2.5))
                out.box(top.mean(0), size, yaw, BUILDING, surfaces.concrete)
        if lot.s.min() < DETAIL_END:
            Front(self._site, base, float(widths[0]), rise, wall, yaw).dress()

    def _gable_roof(self, top: np.ndarray, wall: int, depth: float, yaw: float) -> None:
        """Add a gable roof, sometimes with dormers or a chimney.

        Args:
            top: (4, 3) upper corners of the walls, starting with the edge of the front.
            wall: Material of the gables.
            depth: Depth of the building in metres; it determines the height of the roof.
            yaw: Heading of the building in radians.
        """
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._surfaces
        roof = surfaces.roofs[rng.integers(3)]
        rise = UP * u(0.25, 0.6) * depth
        overhang = 0.12 * UP
        has_eaves_to_street = rng.random() < 0.65
        if has_eaves_to_street:
            first, second = (top[0] + top[3]) / 2 + rise, (top[1] + top[2]) / 2 + rise
            out.quad(top[0] - overhang, top[1] - overhang, second, first, BUILDING, roof)
            out.quad(top[2] - overhang, top[3] - overhang, first, second, BUILDING, roof)
            gables = (top[[3, 0]], first), (top[[1, 2]], second)
            if rng.random() < 0.4:
                self._dormers(top, first, second, wall, roof, yaw)
        else:
            first, second = (top[0] + top[1]) / 2 + rise, (top[2] + top[3]) / 2 + rise
            out.quad(top[3] - overhang, top[0] - overhang, first, second, BUILDING, roof)
            out.quad(top[1] - overhang, top[2] - overhang, second, first, BUILDING, roof)
            gables = (top[[0, 1]], first), (top[[2, 3]], second)
        for edge, peak in gables:
            out.polygon(np.stack([*edge, peak]), BUILDING, wall)
        if rng.random() < 0.6:
            foot = first * 0.6 + second * 0.4 - 0.8 * UP
            size = (0.6, 0.6, u(1.2, 2.0))
            chimney = surfaces.brick if rng.random() < 0.5 else surfaces.concrete
            out.box(foot, size, yaw, BUILDING, chimney)

    def _dormers(
        self,
        top: np.ndarray,
        first: np.ndarray,
        second: np.ndarray,
        wall: int,
        roof: int,
        yaw: float,
    ) -> None:
        """Add dormers on the front half of a roof whose ridge runs from `first` to `second`."""
        for _ in range(self._rng.integers(1, 4)):
            f = self._rng.uniform(0.15, 0.85)
            eaves, ridge = top[0] * (1 - f) + top[1] * f, first * (1 - f) + second * f
            spot = 0.6 * eaves + 0.4 * ridge
            self._out.box(spot - 0.3 * UP, (1.4, 1.6, 1.6), yaw, BUILDING, wall, roof)

    def _garage(self, start: float, end: float, side: Side, front: float) -> None:
        """Add a flat-roofed box with an up-and-over door, if there is room.

        Args:
            start: First station in metres.
            end: Last station in metres.
            side: Side of the street.
            front: Distance of the front from the centre line in metres.
        """
        base = self._corners(_along(side, start, end - start, front, 5.0), side)
        if base is None:
            return
        rng, surfaces = self._rng, self._surfaces
        _, wall = surfaces.facades[rng.integers(len(surfaces.facades))]
        top = base + UP * (SUNK + rng.uniform(2.3, 2.9))
        walls = np.stack([base, base[NEXT_CORNER], top[NEXT_CORNER], top], 1)
        self._out.quads(walls, BUILDING, wall)
        self._out.quad(top[0], top[1], top[2], top[3], BUILDING, surfaces.concrete)
        along, outward = normalize(base[1] - base[0]), normalize(base[0] - base[3])
        corner = base[0] + along * 0.45 + outward * 0.03 + UP * SUNK
        across, up = along * (np.linalg.norm(base[1] - base[0]) - 0.9), UP * 2.1
        door = [surfaces.wood, surfaces.metal, surfaces.dark][rng.integers(3)]
        self._out.quad(corner, corner + across, corner + across + up, corner + up, BUILDING, door)
