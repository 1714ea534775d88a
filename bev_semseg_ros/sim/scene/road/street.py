"""A street's cross-section, from the road's middle to the land behind the houses, and the ground it makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.alignment import Alignment

KINDS = ("residential", "city", "avenue", "rural", "lot", "motorway")
KIND_SHARES = (0.28, 0.26, 0.14, 0.15, 0.08, 0.09)
MEDIAN_KERB = 0.12  # m


@dataclass(frozen=True)
class Lane:
    """offset of its middle (left is positive) and width in metres; direction: +1 with the stations, -1 against."""

    offset: float
    width: float
    direction: int


@dataclass(frozen=True)
class ParkingRow:
    """Vehicles side by side or one behind another along offset `offset`; angle: of a vehicle to the road, radians;
    pitch: metres of road per place, 0 where every vehicle takes what it needs."""

    offset: float
    angle: float
    pitch: float


@dataclass(frozen=True)
class Strip:
    """A band along the road between distances `start` and `end` from its middle, at heights `low` and `high` there."""

    use: str  # "parking", "kerb", "pavement", "verge", "road", "yard" (before the houses), "land" (behind them)
    start: float
    end: float
    low: float
    high: float
    label: int
    material: int
    roughness: float = 0.0


@dataclass(frozen=True)
class Side:
    """What lies on one side (sign +1: left, -1: right) of the road; `boundary`: where the public ground ends."""

    sign: int
    strips: list[Strip]
    rows: list[ParkingRow]
    boundary: float
    kerb: float

    def height(self, distance: np.ndarray | float) -> np.ndarray:
        """Height over the road's middle at distances from it."""
        return np.interp(distance, *self._knots)

    @cached_property
    def _knots(self) -> np.ndarray:
        ends = [
            knot
            for strip in self.strips
            for knot in ((strip.start, strip.low), (strip.end, strip.high))
        ]
        return np.array([(0.0, 0.0), *ends]).T

    def first(self, use: str) -> Strip | None:
        """The innermost strip of a use."""
        return next((strip for strip in self.strips if strip.use == use), None)


@dataclass(frozen=True)
class Crossing:
    """A side road of half width `half_width` at `station`, on the sides of these signs."""

    station: float
    half_width: float
    signs: tuple[int, ...]

    def covers(self, start: float, end: float, sign: int) -> bool:
        """True if stations start..end on a side meet the side road."""
        return (
            sign in self.signs
            and start < self.station + self.half_width
            and end > self.station - self.half_width
        )


@dataclass(frozen=True, eq=False)
class Street:
    """Everything else stands on it. half_width: of the carriageway the vehicle drives on; median: half the
    width of a raised island in its middle, or 0; ego_lane: the vehicle's."""

    kind: str
    alignment: Alignment
    half_width: float
    median: float
    lanes: list[Lane]
    ego_lane: Lane
    sides: tuple[Side, Side]  # left, right
    crossing: Crossing | None

    @classmethod
    def draw(cls, rng: np.random.Generator, kind: str, surfaces: Surfaces, near: float) -> Street:
        """A random street of a kind of KINDS, finely divided up to station `near`."""
        u = rng.uniform
        alignment = Alignment.draw(rng, kind == "motorway", near)
        wide = rng.random() < 0.1 and kind in ("city", "avenue")
        half = (
            {
                "residential": u(2.8, 4.2),
                "city": u(3.0, 7.5),
                "avenue": u(3.2, 8.0),
                "rural": u(2.8, 4.2),
                "lot": u(2.8, 3.6),
                "motorway": u(3.6, 7.5),
            }[kind]
            if not wide
            else u(7, 11)
        )
        count = max(1 if kind == "motorway" else 2, round(2 * half / u(2.9, 3.7)))
        width = 2 * half / count
        one_way = kind == "motorway" or rng.random() < 0.08
        divided = (
            kind in ("city", "avenue") and count % 2 == 0 and not one_way and rng.random() < 0.25
        )
        median = u(0.4, 2.4) if divided else 0.0
        half += median
        lanes = []
        for index in range(count):
            direction = 1 if one_way or index < count / 2 else -1
            lanes.append(
                Lane((index - (count - 1) / 2) * width - direction * median, width, direction)
            )
        own = [lane for lane in lanes if lane.direction > 0]
        ego_lane = own[0] if rng.random() < 0.6 else own[rng.integers(len(own))]
        crossing = None
        if kind in ("residential", "city", "avenue") and rng.random() < 0.35:
            signs = [(1, -1), (1,), (-1,)][rng.integers(3)]
            crossing = Crossing(u(12, 60), u(3, 6), signs)
        sides = tuple(
            _draw_side(rng, kind, sign, half, surfaces, alignment.offset_limit(sign), lanes)
            for sign in (1, -1)
        )
        return cls(kind, alignment, half, median, lanes, ego_lane, sides, crossing)

    def side(self, t: float) -> Side:
        """The side an offset lies on."""
        return self.sides[0] if t >= 0 else self.sides[1]

    def height(self, s: float, t: float) -> float:
        """Height of the ground over the road's middle at a station and an offset."""
        if abs(t) < self.median:
            return MEDIAN_KERB
        side = self.side(t)
        height = float(side.height(abs(t)))
        if (
            self.crossing is not None
            and abs(t) > self.half_width
            and self.crossing.covers(s, s, side.sign)
        ):
            height -= side.kerb
        return height

    def point(self, s: float, t: float, z: float = 0.0) -> np.ndarray:
        """(3,) the world point z above the ground."""
        return self.alignment.points(s, t, self.height(s, t) + z)

    def is_crossed(self, start: float, end: float, sign: int) -> bool:
        """True where a side road leaves no room on a side between two stations."""
        return self.crossing is not None and self.crossing.covers(start, end, sign)

    def runs(self, sign: int) -> list[np.ndarray]:
        """The stations of a side, in the stretches that a side road leaves."""
        stations = self.alignment.stations
        if self.crossing is None or sign not in self.crossing.signs:
            return [stations]
        start = self.crossing.station - self.crossing.half_width
        end = self.crossing.station + self.crossing.half_width
        runs = [
            np.append(stations[stations < start], start),
            np.append(end, stations[stations > end]),
        ]
        return [run for run in runs if len(run) > 1]

    def build_ground(
        self, rng: np.random.Generator, builder: MeshBuilder, surfaces: Surfaces
    ) -> None:
        """Carriageway, strips, side road and the plain under it all."""
        self._strip(
            builder,
            self.alignment.stations,
            -self.half_width,
            self.half_width,
            0,
            0,
            MASK_LABEL["road"],
            surfaces.road,
        )
        if self.median:
            self._island(rng, builder, surfaces)
        for side in self.sides:
            for run in self.runs(side.sign):
                for strip in side.strips:
                    if strip.roughness > 0:
                        self._rough_strip(rng, builder, run, side.sign, strip)
                    else:
                        self._strip(
                            builder,
                            run,
                            side.sign * strip.start,
                            side.sign * strip.end,
                            strip.low,
                            strip.high,
                            strip.label,
                            strip.material,
                        )
            if self.crossing is not None and side.sign in self.crossing.signs:
                self._side_road(builder, side, surfaces)
        self._plain(builder, surfaces.verges[0])

    def _island(self, rng: np.random.Generator, builder: MeshBuilder, surfaces: Surfaces) -> None:
        """The median: kerbs round grass or paving."""
        inner = self.median - 0.15
        planted = self.median > 0.6 and rng.random() < 0.7
        label, material = (
            (MASK_LABEL["vegetation"], surfaces.verges[rng.integers(len(surfaces.verges))])
            if planted
            else (MASK_LABEL["sidewalk"], surfaces.pavements[0])
        )
        stations = self.alignment.stations
        self._strip(builder, stations, -inner, inner, MEDIAN_KERB, MEDIAN_KERB, label, material)
        for sign in (1, -1):
            for start, end, low in (
                (inner, self.median - 0.01, MEDIAN_KERB),
                (self.median - 0.01, self.median, 0.0),
            ):
                z = (MEDIAN_KERB, low)
                self._strip(
                    builder,
                    stations,
                    sign * start,
                    sign * end,
                    *z,
                    MASK_LABEL["sidewalk"],
                    surfaces.kerb,
                )

    def _strip(
        self,
        builder: MeshBuilder,
        stations: np.ndarray,
        t0: float,
        t1: float,
        z0: float,
        z1: float,
        label: int,
        material: int,
    ) -> None:
        if t0 > t1:  # so that the surface faces up
            t0, t1, z0, z1 = t1, t0, z1, z0
        t = np.array([t0, t1])
        uvs = np.stack(np.broadcast_arrays(stations[:, None], [t0, t1 + abs(z1 - z0)]), -1)
        points = self.alignment.points(stations[:, None], t, np.array([z0, z1]))
        builder.grid(points, label, material, uvs, smooth=False)

    def _rough_strip(
        self,
        rng: np.random.Generator,
        builder: MeshBuilder,
        stations: np.ndarray,
        sign: int,
        strip: Strip,
    ) -> None:
        """A verge on a grid of 0.8 m within the nearest 55 m; its edges stay where the neighbours' are."""
        near = stations[(stations > -8) & (stations < 55)]
        smooth = (
            (stations,)
            if len(near) < 2
            else (stations[stations <= near[0]], stations[stations >= near[-1]])
        )
        for part in smooth:
            if len(part) > 1:
                self._strip(
                    builder,
                    part,
                    sign * strip.start,
                    sign * strip.end,
                    strip.low,
                    strip.high,
                    strip.label,
                    strip.material,
                )
        if len(near) < 2:
            return
        s = np.unique(np.concatenate([near, np.arange(near[0], near[-1], 0.8)]))
        distance = np.linspace(
            strip.start, strip.end, max(3, int((strip.end - strip.start) / 0.8) + 1)
        )
        z = np.interp(distance, [strip.start, strip.end], [strip.low, strip.high]) + np.zeros(
            (len(s), 1)
        )
        z[1:-1, 1:-1] += rng.normal(0, strip.roughness, (len(s) - 2, len(distance) - 2))
        t = sign * distance
        if sign < 0:
            t, z = t[::-1], z[:, ::-1]
        uvs = np.stack(np.broadcast_arrays(s[:, None], t), -1)
        builder.grid(self.alignment.points(s[:, None], t, z), strip.label, strip.material, uvs)

    def _side_road(self, builder: MeshBuilder, side: Side, surfaces: Surfaces) -> None:
        """It runs at right angles, one kerb lower than the ground beside it; kerbs close the step."""
        distance = np.unique([self.half_width, *(strip.end for strip in side.strips)])
        z = side.height(distance) - side.kerb
        z[0] = 0.0
        edges = self.crossing.station + np.array([-1, 1]) * self.crossing.half_width
        points = self.alignment.points(edges[:, None], side.sign * distance, z)
        uvs = np.stack(np.broadcast_arrays(distance, edges[:, None]), -1)
        order = slice(None, None, side.sign)
        builder.grid(
            points[:, order], MASK_LABEL["road"], surfaces.side_road, uvs[:, order], smooth=False
        )
        if side.kerb > 0:
            for edge in range(2):
                wall = np.stack([points[edge], points[edge] + [0, 0, side.kerb]])
                builder.grid(
                    wall,
                    MASK_LABEL["sidewalk"],
                    surfaces.kerb,
                    np.stack([uvs[edge], uvs[edge] + [0, side.kerb]]),
                    smooth=False,
                )

    def _plain(self, builder: MeshBuilder, material: int) -> None:
        """What is seen where no strip reaches: a disc of 450 m under everything else, so that no gap shows the sky."""
        depth = 0.4 - min(side.height(strip.end) for side in self.sides for strip in side.strips)
        radius, angle = (
            np.array([1.0, 30, 60, 100, 150, 220, 320, 450]),
            np.linspace(-np.pi, np.pi, 49),
        )
        x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
        s, _ = self.alignment.locate(x, y)
        z = self.alignment.elevation(np.clip(s, -40, 430)) - max(depth, 0.6)
        builder.grid(
            np.stack([x, y, z], -1), MASK_LABEL["vegetation"], material, np.stack([x, y], -1)
        )


def _draw_side(
    rng: np.random.Generator,
    kind: str,
    sign: int,
    half_width: float,
    surfaces: Surfaces,
    limit: float,
    lanes: list[Lane],
) -> Side:
    """The strips of one side from the carriageway outwards; a motorway's left side adds the oncoming `lanes`."""
    u, road = rng.uniform, MASK_LABEL["road"]
    strips: list[Strip] = []
    rows: list[ParkingRow] = []
    at, z, kerb = half_width, 0.0, 0.0

    def add(
        use: str, width: float, label: int, material: int, rise: float = 0.0, roughness: float = 0.0
    ) -> None:
        nonlocal at, z
        width = min(width, max(limit - at, 0.01))
        strips.append(Strip(use, at, at + width, z, z + rise, label, material, roughness))
        at, z = at + width, z + rise

    def verge(width: float, rise: float = 0.0) -> None:
        add(
            "verge",
            width,
            MASK_LABEL["vegetation"],
            surfaces.verges[rng.integers(len(surfaces.verges))],
            rise,
            abs(rng.normal(0, u(0.02, 0.1))) if rng.random() < 0.6 else 0.0,
        )

    bay = surfaces.road if rng.random() < 0.6 else surfaces.parking
    if kind == "lot":
        for index in range(rng.integers(1, 4)):
            rows.append(ParkingRow(sign * (at + 2.5), np.pi / 2, u(2.4, 2.9)))
            add("parking", 5.0, road, bay)
            if index % 2 == 0:
                rows.append(ParkingRow(sign * (at + 2.5), np.pi / 2, rows[-1].pitch))
                add("parking", 5.0, road, bay)
            if rng.random() < 0.7:
                add("road", u(5.0, 6.5), road, surfaces.road)
    elif kind == "motorway":
        if sign > 0:
            verge(u(1.0, 5.0))
            width = u(7.0, 11.0)
            count = round(width / 3.6)
            lanes.extend(
                Lane(at + (index + 0.5) * width / count, width / count, -1)
                for index in range(count)
            )
            add("road", width, road, surfaces.road)
        add("road", u(0.5, 3.0), road, surfaces.road)
    elif rng.random() < {"residential": 0.7, "city": 0.6, "avenue": 0.5, "rural": 0.08}[kind]:
        style = rng.random()
        angle, width = (
            (0.0, 2.1) if style < 0.74 else (np.pi / 2, 5.0) if style < 0.88 else (u(0.7, 1.1), 4.9)
        )
        if (
            angle == 0.0 and half_width > 3.6 and rng.random() < 0.25
        ):  # with two wheels on the pavement
            rows.append(ParkingRow(sign * (half_width + 0.3), angle, 0.0))
        else:
            pitch = u(2.4, 3.0) / np.sin(angle) if angle else 0.0
            rows.append(ParkingRow(sign * (at + width / 2), angle * sign, pitch))
            add("parking", width, road, bay)
    pavement = surfaces.pavements[rng.integers(len(surfaces.pavements))]
    if (
        kind in ("residential", "city", "avenue")
        or (kind == "rural" and rng.random() < 0.2)
        or (kind == "lot" and rng.random() < 0.5)
    ):
        kerb = u(0.06, 0.16) if rng.random() < 0.85 else u(0.005, 0.04)
        add("kerb", 0.02, MASK_LABEL["sidewalk"], surfaces.kerb, kerb)
        add("kerb", 0.14, MASK_LABEL["sidewalk"], surfaces.kerb)
    order = {
        "city": ("p", "p", "p", "vp"),
        "residential": ("p", "p", "p", "vp", "vp"),
        "lot": ("p", "v"),
        "avenue": ("vp", "vp", "p", "pv"),
        "rural": ("v", "sv"),
        "motorway": ("v",),
    }[kind]
    for use in order[rng.integers(len(order))]:
        if use == "p":
            width = {"city": u(1.5, 5), "residential": u(1.0, 2.4)}.get(kind, u(1.5, 4))
            add("pavement", width, MASK_LABEL["sidewalk"], pavement)
        elif use == "s":  # shoulder
            asphalt = rng.random() < 0.5
            add(
                "verge",
                u(0.5, 1.5),
                MASK_LABEL["road" if asphalt else "vegetation"],
                surfaces.road if asphalt else surfaces.gravel,
            )
        else:
            verge(u(0.8, 2.2) if kind == "residential" else u(1.0, 5.0))
    boundary = at
    sloping = kind in ("rural", "motorway") or (kind == "residential" and rng.random() < 0.4)
    bank = rng.normal(0, 0.2) if sloping else 0.0
    width = u(6, 14)
    if kind in ("rural", "residential", "motorway") or rng.random() < 0.4:
        add(
            "yard",
            width,
            MASK_LABEL["vegetation"],
            surfaces.verges[rng.integers(len(surfaces.verges))],
            bank * width,
            abs(rng.normal(0, 0.05)) if rng.random() < 0.5 else 0.0,
        )
    else:
        add("yard", width, MASK_LABEL["sidewalk"], pavement, bank * width)
    add(
        "land",
        140.0,
        MASK_LABEL["vegetation"],
        surfaces.grass if rng.random() < 0.6 else surfaces.soil,
        rng.normal(0, 4) if kind == "rural" else 0.0,
    )
    return Side(sign, strips, rows, boundary, kerb)
