"""Cars and vans: bodies lofted over some thirty cross-sections, with interiors behind their windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CHROME,
    FABRIC,
    GLASS,
    INTERIOR,
    LAMP,
    PAINT,
    PLASTIC,
    PLATE,
    REAR_LAMP,
    SKIN,
    panel,
    wheel,
)
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

CAR = MASK_LABEL["car"]


@dataclass(frozen=True)
class Profile:
    """A kind of car. Sizes are (mean, deviation, lowest, highest) in m; along the car, shares of the length from the
    nose; heights, shares of the height. The roof line runs nose - cowl (foot of the windscreen) - header (its top) -
    crown - roof_end - backlight (foot of the rear window) - tail.
    """

    length: tuple[float, float, float, float]
    width: tuple[float, float, float, float]
    height: tuple[float, float, float, float]
    nose: float
    belt: float
    cowl: float
    header: float
    crown: float
    roof_end: float
    backlight: float
    deck: float
    tail: float
    pillars: tuple[float, ...]  # middle of each pillar between side windows
    glass_end: float  # where the side windows end
    wheels: tuple[float, float] = (0.185, 0.80)
    tumblehome: float = 0.2  # share of the half width by which the roof is narrower than the belt


PROFILES = {
    "sedan": Profile(
        (4.50, 0.20, 4.1, 4.95),
        (1.79, 0.05, 1.68, 1.9),
        (1.44, 0.04, 1.36, 1.52),
        0.49,
        0.64,
        0.25,
        0.42,
        0.53,
        0.68,
        0.85,
        0.69,
        0.62,
        (0.54,),
        0.775,
    ),
    "hatch": Profile(
        (3.95, 0.28, 3.4, 4.45),
        (1.71, 0.06, 1.58, 1.85),
        (1.49, 0.05, 1.4, 1.6),
        0.48,
        0.63,
        0.22,
        0.41,
        0.55,
        0.88,
        0.975,
        0.66,
        0.62,
        (0.57,),
        0.85,
    ),
    "wagon": Profile(
        (4.55, 0.20, 4.2, 4.95),
        (1.78, 0.05, 1.68, 1.9),
        (1.48, 0.04, 1.4, 1.56),
        0.48,
        0.63,
        0.25,
        0.41,
        0.53,
        0.90,
        0.98,
        0.66,
        0.62,
        (0.53, 0.73),
        0.91,
    ),
    "suv": Profile(
        (4.40, 0.20, 4.05, 4.9),
        (1.83, 0.05, 1.74, 1.95),
        (1.68, 0.06, 1.56, 1.85),
        0.50,
        0.63,
        0.24,
        0.40,
        0.53,
        0.90,
        0.98,
        0.67,
        0.63,
        (0.53, 0.74),
        0.89,
    ),
    "mpv": Profile(
        (4.25, 0.20, 3.9, 4.8),
        (1.78, 0.05, 1.68, 1.9),
        (1.63, 0.05, 1.54, 1.8),
        0.45,
        0.60,
        0.18,
        0.38,
        0.52,
        0.93,
        0.985,
        0.62,
        0.58,
        (0.50, 0.72),
        0.92,
        (0.18, 0.81),
        0.17,
    ),
    "city": Profile(
        (3.05, 0.35, 2.5, 3.6),
        (1.58, 0.05, 1.48, 1.68),
        (1.51, 0.05, 1.42, 1.6),
        0.50,
        0.62,
        0.18,
        0.38,
        0.55,
        0.90,
        0.98,
        0.66,
        0.62,
        (0.60,),
        0.86,
        (0.17, 0.82),
        0.18,
    ),
    "roadster": Profile(
        (4.05, 0.15, 3.7, 4.4),
        (1.74, 0.05, 1.64, 1.85),
        (1.28, 0.03, 1.22, 1.34),
        0.48,
        0.69,
        0.33,
        0.45,
        0.52,
        0.61,
        0.75,
        0.73,
        0.62,
        (),
        0.62,
    ),
    "pickup": Profile(
        (5.20, 0.15, 4.9, 5.5),
        (1.85, 0.05, 1.75, 1.95),
        (1.77, 0.04, 1.7, 1.85),
        0.50,
        0.61,
        0.24,
        0.35,
        0.43,
        0.545,
        0.575,
        0.61,
        0.60,
        (0.455,),
        0.55,
        (0.17, 0.78),
        0.16,
    ),
    "van": Profile(
        (5.00, 0.30, 4.4, 5.5),
        (1.92, 0.05, 1.8, 2.0),
        (2.00, 0.10, 1.8, 2.2),
        0.43,
        0.54,
        0.13,
        0.27,
        0.40,
        0.96,
        0.99,
        0.93,
        0.90,
        (0.37, 0.63),
        0.95,
        (0.17, 0.78),
        0.09,
    ),
    "high_roof_van": Profile(
        (5.80, 0.40, 5.0, 6.6),
        (2.04, 0.04, 1.95, 2.1),
        (2.55, 0.13, 2.3, 2.8),
        0.40,
        0.47,
        0.12,
        0.26,
        0.40,
        0.97,
        0.99,
        0.94,
        0.92,
        (0.34, 0.62),
        0.95,
        (0.16, 0.76),
        0.07,
    ),
}
VANS = ("van", "high_roof_van")
WHEEL_RADII = {"suv": 0.36, "pickup": 0.37, "van": 0.335, "high_roof_van": 0.35, "city": 0.285}

# Strips of the loft between neighbouring points of half a cross-section, from the keel to the middle of the roof.
# A full section has the right half upwards, then the left half downwards: strip k is mirrored by 13 - k.
UNDERBODY, LINER, LOWER_SIDE, UPPER_SIDE, WINDOW, RAIL, TOP = range(7)


def car(rng: np.random.Generator, kind: str) -> Shape:
    """A car of a kind of PROFILES; segmentation and detection class car, slots of vehicles.CAR_SLOTS.

    Raises ValueError for another kind.
    """
    if kind not in PROFILES:
        raise ValueError(f"unknown car {kind!r}, expected one of {', '.join(PROFILES)}")
    body = _Body(rng, kind)
    builder = MeshBuilder()
    _shell(builder, body, rng)
    _front(builder, body, rng)
    _rear(builder, body, rng)
    spokes = rng.random() < 0.6
    for x in body.wheel_x:
        for side in (-1, 1):
            wheel(builder, x, side * (body.width / 2 - 0.012), body.wheel_radius, 0.2, CAR, spokes)
    _interior(builder, body, rng)
    _seams(builder, body)
    return centered(builder.build(), BOX_LABEL["car"], kind, outside=_mirrors(body, rng))


def _size(rng: np.random.Generator, profile: Profile) -> tuple[float, ...]:
    """Length, width and height: long cars are wide and high too (correlation .64, as in KITTI's labels)."""
    common = rng.normal()
    return tuple(
        float(np.clip(mean + deviation * (0.8 * common + 0.6 * rng.normal()), low, high))
        for mean, deviation, low, high in (profile.length, profile.width, profile.height)
    )


class _Body:
    """The outer shape of one car as functions of x (m, forward from the middle of the car)."""

    def __init__(self, rng: np.random.Generator, kind: str) -> None:
        self.kind, self.profile = kind, PROFILES[kind]
        self.length, self.width, self.height = _size(rng, self.profile)
        self.bulge = 0.025 * self.length  # of nose and tail, seen from above
        self.end = self.length / 2 - self.bulge
        self.clearance = rng.uniform(0.15, 0.2) + (0.05 if kind in ("suv", "pickup") else 0.0)
        self.wheel_radius = WHEEL_RADII.get(kind, 0.315) * rng.uniform(0.96, 1.04)
        self.arch_radius = self.wheel_radius + 0.06
        self.wheel_x = [self.x(share + rng.normal(0, 0.005)) for share in self.profile.wheels]
        self.belt = self.height * (self.profile.belt + rng.normal(0, 0.008))
        self.wedge = rng.uniform(0.0, 0.02)  # rise of the belt to the rear, per metre
        self.glazed = kind not in VANS or rng.random() < 0.4
        self.open_bed = kind == "pickup" and rng.random() < 0.5
        p = self.profile
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
        """Where a share of the length, measured from the nose, lies."""
        return (1 - 2 * share) * self.end

    def top(self, x: float) -> float:
        return float(np.interp(-x, -self.line_x, self.line_z))

    def half_width(self, x: float) -> float:
        narrowing = 0.14 if x > 0 else 0.09
        return (
            self.width / 2 * (1 - narrowing * np.clip((abs(x) / self.end - 0.74) / 0.26, 0, 1) ** 2)
        )

    def stations(self) -> np.ndarray:
        """Increasing x of the cross-sections: corners of the roof line, pillars, wheel arches, and what gaps need."""
        p = self.profile
        shares = [p.glass_end, 0.75 * p.cowl + 0.25 * p.header, 0.4 * p.cowl + 0.6 * p.header]
        x = [*self.line_x, *(self.x(share) for share in shares), self.end - 0.12, 0.12 - self.end]
        x += [self.x(share) + offset for share in p.pillars for offset in (-0.045, 0.045)]
        x += [
            center + offset * self.arch_radius
            for center in self.wheel_x
            for offset in (-1.08, -0.95, -0.55, 0.55, 0.95, 1.08)
        ]
        if self.open_bed:
            x += [self.x(p.backlight) - 0.06, 0.18 - self.end]
        x = np.unique(np.round(np.clip(x, -self.end, self.end), 2))
        gaps = np.flatnonzero(np.diff(x) > 0.12 * self.length)
        return np.sort(np.concatenate([x, (x[gaps] + x[gaps + 1]) / 2]))

    def section(self, x: float) -> np.ndarray:
        """(15, 3) the cross-section at x, from the keel up the right side and down the left."""
        p, top, half = self.profile, self.top(x), self.half_width(x)
        keel = self.clearance + 0.07 * np.clip((abs(x) - self.end) / 0.25 + 1, 0, 1)
        lip = keel
        for center in self.wheel_x:
            if abs(x - center) < self.arch_radius:
                lip = max(lip, self.wheel_radius + np.sqrt(self.arch_radius**2 - (x - center) ** 2))
        belt = min(self.belt - self.wedge * x, top - 0.05)
        middle = np.clip(0.5 * (keel + belt), lip + 0.03, max(lip + 0.04, belt - 0.02))
        belt = max(belt, middle + 0.01)
        above = np.clip((top - belt) / (self.height - belt), 0, 1)
        shoulder = half * (0.955 - p.tumblehome * above)
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
        if self.open_bed and 0.17 - self.end < x < self.x(p.backlight) - 0.05:
            points[6:] = [(0.93 * shoulder, 0.4 * self.height), (0, 0.4 * self.height)]
        right = np.array([(x, -y, z) for y, z in points])
        return np.concatenate([right, right[-2::-1] * (1, -1, 1)])


def _shell(builder: MeshBuilder, body: _Body, rng: np.random.Generator) -> None:
    """Paint, side windows, windscreen and rear window, from nose to tail."""
    p, x = body.profile, body.stations()
    sections = np.stack([body.section(value) for value in x])
    x[[0, -1]] = sections[[0, -1], 0, 0]
    strips = np.full((len(x) - 1, 7), PAINT)
    strips[:, [UNDERBODY, LINER]] = PLASTIC
    if body.kind in ("suv", "pickup", *VANS) and rng.random() < 0.4:
        strips[:, LOWER_SIDE] = PLASTIC
    soft_top = body.kind == "roadster"
    roof = FABRIC if soft_top else PLASTIC if rng.random() < 0.12 else PAINT
    rear_glass = body.glazed and body.kind not in VANS and not (soft_top and rng.random() < 0.5)
    cowl, header, glass_end = body.x(p.cowl), body.x(p.header), body.x(p.glass_end)
    roof_end, backlight = body.x(p.roof_end), body.x(p.backlight)
    pillars = np.array([body.x(share) for share in p.pillars])
    last_glass = glass_end if body.glazed else pillars[0]
    for cell, middle in enumerate((x[:-1] + x[1:]) / 2):
        opening = min(body.top(x[cell]), body.top(x[cell + 1])) - body.belt
        if (
            last_glass < middle < cowl
            and opening > 0.1
            and not np.any(np.abs(pillars - middle) < 0.05)
        ):
            strips[cell, WINDOW] = GLASS
        if header < middle < cowl:
            strips[cell, TOP] = GLASS
        elif roof_end < middle < header:
            strips[cell, [RAIL, TOP]] = roof
        elif backlight < middle < roof_end:
            strips[cell, [RAIL, WINDOW] if soft_top else RAIL] = roof if soft_top else PAINT
            strips[cell, TOP] = GLASS if rear_glass else roof
        elif body.kind == "pickup" and middle < backlight:
            strips[cell, TOP] = PLASTIC
    if rng.random() < 0.7:  # lamps that reach round the corner
        strips[-1, UPPER_SIDE] = LAMP
    if rng.random() < 0.7 and body.kind not in VANS:
        strips[0, UPPER_SIDE] = REAR_LAMP
    builder.grid(sections, CAR, np.concatenate([strips, strips[:, ::-1]], 1))


def _fascia(
    builder: MeshBuilder,
    body: _Body,
    facing: int,
    columns: np.ndarray,
    rows: np.ndarray,
    setback: np.ndarray,
    materials: np.ndarray,
) -> None:
    """The closed front (facing 1) or rear (-1): a grid that bulges out of the last cross-section.

    columns (C + 1,): shares of the half width, -1 right to 1 left; rows (R + 1,): shares of the height from below;
    setback (R + 1,): shares of the bulge by which a row lies behind the foremost point; materials (R, C).
    """
    outline = body.section(facing * body.end)
    bottom, top = outline[0, 2], outline[7, 2]
    z = bottom + rows * (top - bottom)
    half = np.interp(z, outline[2:8, 2], -outline[2:8, 1])
    half[-1] = -outline[6, 1]
    curve = np.clip((np.abs(columns) - 0.28) / 0.72, 0, 1) ** 2
    back = np.maximum(curve[:, None], setback[None])
    points = np.stack(
        [
            facing * (body.length / 2 - body.bulge * back),
            columns[:, None] * half,
            np.broadcast_to(z, back.shape),
        ],
        -1,
    )
    materials = materials.T
    if facing < 0:
        points, materials = points[::-1], materials[::-1]
    builder.grid(points, CAR, materials, points[..., 1:] - points[0, 0, 1:], smooth=False)


def _front(builder: MeshBuilder, body: _Body, rng: np.random.Generator) -> None:
    """Bumper with air intake, plate, grille, head lamps."""
    jitter = rng.uniform(-0.03, 0.03, 4)
    rows = np.array([0, 0.22, 0.42, 0.60, 0.95, 1]) + np.array([0, *jitter, 0])
    lamp = rng.uniform(0.5, 0.66)
    columns = np.array([-1, -lamp, -0.3, 0.3, lamp, 1])
    grille = rng.choice([PLASTIC, CHROME, PAINT], p=[0.65, 0.15, 0.2])
    materials = np.full((5, 5), PAINT)
    materials[0, 1:4] = PLASTIC
    materials[1, 2] = PLATE
    materials[1, [1, 3]] = rng.choice([PAINT, PLASTIC])
    materials[2, 1:4] = rng.choice([PAINT, PLASTIC])
    materials[3] = (LAMP, grille, grille, grille, LAMP)
    _fascia(builder, body, 1, columns, rows, np.array([0.4, 0, 0, 0.1, 0.5, 1]), materials)


def _rear(builder: MeshBuilder, body: _Body, rng: np.random.Generator) -> None:
    """Bumper, plate, rear lamps; of a van also the windows of its doors."""
    if body.kind in VANS:
        rows, columns = (
            np.array([0, 0.13, 0.3, 0.37, 0.52, 0.92, 1]),
            np.array([-1, -0.84, -0.28, 0.28, 0.84, 1]),
        )
        setback = np.array([0, 0, 0.3, 0.3, 0.4, 0.8, 1])
        materials = np.full((6, 5), PAINT)
        materials[2:4, [0, 4]] = REAR_LAMP
        if body.glazed or rng.random() < 0.3:
            materials[4, 1:4] = GLASS, rng.choice([GLASS, PLASTIC]), GLASS
    else:
        lamp = rng.uniform(0.5, 0.75)
        rows, columns = (
            np.array([0, 0.18, 0.42, 0.56, 0.96, 1]),
            np.array([-1, -lamp, -0.3, 0.3, lamp, 1]),
        )
        rows[4] -= rng.uniform(0, 0.15)
        setback = np.array([0.3, 0, 0, 0.3, 0.7, 1])
        materials = np.full((5, 5), PAINT)
        materials[3, [0, 4]] = REAR_LAMP
    materials[0] = rng.choice([PLASTIC, PAINT])
    materials[2 if rng.random() < 0.6 else 1, 2] = PLATE
    _fascia(builder, body, -1, columns, rows, setback, materials)


def _interior(builder: MeshBuilder, body: _Body, rng: np.random.Generator) -> None:
    """What a lidar sees through the windows: dash board, seats, a driver, the parcel shelf or a bulkhead."""
    p, belt = body.profile, body.belt
    half = 0.9 * body.half_width(0)
    ceiling = body.height - 0.1
    cowl, front, rear_end = (
        body.x(p.cowl),
        body.x(p.header) - 0.55,
        max(body.x(p.glass_end), body.x(p.roof_end)),
    )
    builder.box((cowl - 0.25, 0, belt - 0.25), (0.5, 1.8 * half, 0.24), 0, CAR, INTERIOR)

    def seat(x: float, y: float, width: float) -> None:
        builder.box((x, y, 0.4 * belt), (0.14, width, belt + 0.06 - 0.4 * belt), 0, CAR, INTERIOR)
        builder.box(
            (x, y, belt + 0.08), (0.1, 0.25, min(0.19, ceiling - belt - 0.08)), 0, CAR, INTERIOR
        )

    for side in (-1, 1):
        seat(front, side * 0.4 * half, 0.5)
    if rng.random() < 0.6:
        builder.box(
            (front + 0.2, 0.4 * half, 0.5 * belt),
            (0.24, 0.44, belt + 0.05 - 0.5 * belt),
            0,
            CAR,
            FABRIC,
        )
        builder.box(
            (front + 0.2, 0.4 * half, belt + 0.07),
            (0.2, 0.17, min(0.24, ceiling - belt - 0.07)),
            0,
            CAR,
            SKIN,
        )
    if not body.glazed:
        builder.box(
            (front - 0.25, 0, 0.4 * belt),
            (0.05, 1.8 * half, body.height - 0.1 - 0.4 * belt),
            0,
            CAR,
            INTERIOR,
        )
        return
    row = front - 0.85
    while row > rear_end + 0.12:
        for side in (-1, 1):
            seat(row, side * 0.45 * half, 0.9 * half)
        row -= 0.85
    shelf = (row + 0.8 if row < rear_end else rear_end, body.x(min(p.backlight, 0.96)))
    if shelf[0] - shelf[1] > 0.1:
        builder.box(
            (sum(shelf) / 2, 0, belt - 0.1),
            (shelf[0] - shelf[1], 1.7 * half, 0.02),
            0,
            CAR,
            INTERIOR,
        )


def _seams(builder: MeshBuilder, body: _Body) -> None:
    """Gaps round the doors and their handles."""
    p = body.profile
    door = body.x(p.cowl + 0.3 * (p.header - p.cowl))
    pillars = [body.x(share) for share in p.pillars[:1]] or [body.x(p.roof_end)]
    last = max(body.x(p.glass_end), body.wheel_x[1] + 0.8 * body.arch_radius)
    for x in (door, *pillars, last):
        for half in (slice(2, 5), slice(10, 13)):
            points = np.stack([body.section(x)[half], body.section(x + 0.018)[half]])
            builder.grid(points * (1, 1.007, 1), CAR, PLASTIC, smooth=False)
    for x in (*pillars, last):
        for side in (-1, 1):
            y = side * (body.half_width(x) - 0.004)
            panel(
                builder, y, (x + 0.06, x + 0.22), (body.belt - 0.11, body.belt - 0.08), CAR, CHROME
            )


def _mirrors(body: _Body, rng: np.random.Generator) -> Mesh:
    """Mirrors at the front corners of the side windows; they stick out of the box."""
    builder = MeshBuilder()
    material = PAINT if rng.random() < 0.6 else PLASTIC
    p = body.profile
    x = body.x(p.cowl + 0.4 * (p.header - p.cowl))
    for side in (-1, 1):
        y = side * (body.width / 2 + 0.03)
        builder.box(
            (x, y, body.belt - 0.02),
            (0.1, 0.2, 0.14 if body.kind not in VANS else 0.26),
            0,
            CAR,
            material,
        )
    return builder.build()
