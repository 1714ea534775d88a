"""Cars and vans: bodies lofted over about thirty cross-sections, with interiors."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.shape import Shape, centered, reaching
from bev_semseg_ros.sim.assets.vehicles.car_body import CarBody
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
    occupant,
    panel,
    wheels,
)
from bev_semseg_ros.sim.assets.vehicles.profiles import PROFILES, VANS
from bev_semseg_ros.sim.assets.vehicles.trailers import add_trailer
from bev_semseg_ros.sim.classes import BOX_LABEL, CAR

# A car with a trailer, and the kinds of cars that tow one.
TOWING = "towing"
TOWING_BODIES = ("wagon", "suv", "mpv", "van", "pickup")
CAR_KINDS = (*PROFILES, TOWING)

# Strips of the loft between neighbouring points of half a cross-section, from the keel to the
# centre of the roof. A full section goes up the right half and then down the left half, so strip
# 13 - k mirrors strip k.
UNDERBODY, LINER, LOWER_SIDE, UPPER_SIDE, WINDOW, RAIL, TOP = range(7)


def car(rng: np.random.Generator, kind: str) -> Shape:
    """Make a car or a van.

    Args:
        rng: Source of randomness.
        kind: One of CAR_KINDS.

    Returns:
        A shape of mask and box class "car" with the slots `parts.CAR_SLOTS`. A trailer behind it
        lies outside its box and has the mask class "truck".

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in CAR_KINDS:
        raise ValueError(f"unknown car {kind!r}, expected one of {', '.join(CAR_KINDS)}")
    is_towing = kind == TOWING
    body = CarBody(rng, str(rng.choice(TOWING_BODIES)) if is_towing else kind)
    builder = MeshBuilder()
    _shell(builder, body, rng)
    _front(builder, body, rng)
    _rear(builder, body, rng)
    has_spokes = rng.random() < 0.6
    half_track = body.width / 2 - 0.012
    wheels(builder, body.wheel_x, half_track, body.wheel_radius, 0.2, CAR, has_spokes)
    _interior(builder, body, rng)
    _seams(builder, body)
    outside = MeshBuilder()
    _mirrors(outside, body, rng)
    if is_towing:
        add_trailer(outside, rng, -body.length / 2)
    shape = centered(builder.build(), BOX_LABEL["car"], kind, outside.build())
    return reaching(shape) if is_towing else shape


def _shell(builder: MeshBuilder, body: CarBody, rng: np.random.Generator) -> None:
    """Add paint, side windows, windscreen and rear window, from nose to tail."""
    x = body.stations()
    sections = np.stack([body.section(value) for value in x])
    x[[0, -1]] = sections[[0, -1], 0, 0]
    strips = _strip_materials(body, x, rng)
    builder.grid(sections, CAR, np.concatenate([strips, strips[:, ::-1]], 1))


def _strip_materials(body: CarBody, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the materials (S - 1, 7) of half the strips between the stations x (S,)."""
    p = body.profile
    is_van = body.kind in VANS
    strips = np.full((len(x) - 1, 7), PAINT)
    strips[:, [UNDERBODY, LINER]] = PLASTIC
    may_have_cladding = is_van or body.kind in ("suv", "pickup")
    if may_have_cladding and rng.random() < 0.4:
        strips[:, LOWER_SIDE] = PLASTIC
    is_soft_top = body.kind == "roadster"
    if is_soft_top:
        roof = FABRIC
    else:
        roof = PLASTIC if rng.random() < 0.12 else PAINT
    has_rear_glass = body.has_rear_windows and not is_van
    if has_rear_glass and is_soft_top and rng.random() < 0.5:
        has_rear_glass = False
    cowl, header, glass_end = body.x(p.cowl), body.x(p.header), body.x(p.glass_end)
    roof_end, backlight = body.x(p.roof_end), body.x(p.backlight)
    pillars = np.array([body.x(share) for share in p.pillars])
    last_glass = glass_end if body.has_rear_windows else pillars[0]
    for cell, middle in enumerate((x[:-1] + x[1:]) / 2):
        opening = min(body.top(x[cell]), body.top(x[cell + 1])) - body.belt
        is_pillar = np.any(np.abs(pillars - middle) < 0.05)
        if last_glass < middle < cowl and opening > 0.1 and not is_pillar:
            strips[cell, WINDOW] = GLASS
        if header < middle < cowl:
            strips[cell, TOP] = GLASS
        elif roof_end < middle < header:
            strips[cell, [RAIL, TOP]] = roof
        elif backlight < middle < roof_end:
            if is_soft_top:
                strips[cell, [RAIL, WINDOW]] = roof
            else:
                strips[cell, RAIL] = PAINT
            strips[cell, TOP] = GLASS if has_rear_glass else roof
        elif body.kind == "pickup" and middle < backlight:
            strips[cell, TOP] = PLASTIC
    if rng.random() < 0.7:  # lamps that reach around the corner
        strips[-1, UPPER_SIDE] = LAMP
    if rng.random() < 0.7 and not is_van:
        strips[0, UPPER_SIDE] = REAR_LAMP
    return strips


def _fascia(
    builder: MeshBuilder,
    body: CarBody,
    facing: int,
    columns: np.ndarray,
    rows: np.ndarray,
    setback: np.ndarray,
    materials: np.ndarray,
) -> None:
    """Add the closed front or rear: a grid that bulges out of the last cross-section.

    Args:
        builder: Receives the triangles.
        body: Shape of the car.
        facing: 1 for the front, -1 for the rear.
        columns: (C + 1,) fractions of the half width, from -1 (right) to 1 (left).
        rows: (R + 1,) fractions of the height, from bottom to top.
        setback: (R + 1,) fraction of the bulge by which each row is set back from the outermost
            point.
        materials: (R, C) material of each cell.
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


def _front(builder: MeshBuilder, body: CarBody, rng: np.random.Generator) -> None:
    """Add the bumper with an air intake, the plate, the grille and the head lamps."""
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


def _rear(builder: MeshBuilder, body: CarBody, rng: np.random.Generator) -> None:
    """Add the bumper, the plate, the rear lamps and, for some vans, windows in the rear doors."""
    if body.kind in VANS:
        rows = np.array([0, 0.13, 0.3, 0.37, 0.52, 0.92, 1])
        columns = np.array([-1, -0.84, -0.28, 0.28, 0.84, 1])
        setback = np.array([0, 0, 0.3, 0.3, 0.4, 0.8, 1])
        materials = np.full((6, 5), PAINT)
        materials[2:4, [0, 4]] = REAR_LAMP
        if body.has_rear_windows or rng.random() < 0.3:
            materials[4, 1:4] = GLASS, rng.choice([GLASS, PLASTIC]), GLASS
    else:
        lamp = rng.uniform(0.5, 0.75)
        rows = np.array([0, 0.18, 0.42, 0.56, 0.96, 1])
        columns = np.array([-1, -lamp, -0.3, 0.3, lamp, 1])
        rows[4] -= rng.uniform(0, 0.15)
        setback = np.array([0.3, 0, 0, 0.3, 0.7, 1])
        materials = np.full((5, 5), PAINT)
        materials[3, [0, 4]] = REAR_LAMP
    materials[0] = rng.choice([PLASTIC, PAINT])
    materials[2 if rng.random() < 0.6 else 1, 2] = PLATE
    _fascia(builder, body, -1, columns, rows, setback, materials)


def _interior(builder: MeshBuilder, body: CarBody, rng: np.random.Generator) -> None:
    """Add the interior behind the windows: dashboard, seats, driver, shelf or bulkhead."""
    p, belt = body.profile, body.belt
    half = 0.9 * body.half_width(0)
    ceiling = body.height - 0.1
    cowl, front = body.x(p.cowl), body.x(p.header) - 0.55
    rear_end = max(body.x(p.glass_end), body.x(p.roof_end))
    low = 0.4 * belt

    def block(
        base: tuple[float, float, float], size: tuple[float, float, float], material: int
    ) -> None:
        """Add a cuboid; `base` is the centre of its lower face."""
        builder.box(base, size, 0, CAR, material)

    def seat(x: float, y: float, width: float) -> None:
        """Add the back of a seat and a head rest."""
        block((x, y, low), (0.14, width, belt + 0.06 - low), INTERIOR)
        block((x, y, belt + 0.08), (0.1, 0.25, min(0.19, ceiling - belt - 0.08)), INTERIOR)

    block((cowl - 0.25, 0, belt - 0.25), (0.5, 1.8 * half, 0.24), INTERIOR)
    for side in (-1, 1):
        seat(front, side * 0.4 * half, 0.5)
    has_driver = rng.random() < 0.6
    if has_driver:
        x, y = front + 0.2, 0.4 * half
        trunk = (0.24, 0.44, belt + 0.05 - 0.5 * belt)
        chin = belt + 0.07
        occupant(builder, (x, y), 0.5 * belt, trunk, chin, CAR, min(0.24, ceiling - belt - 0.07))
    if not body.has_rear_windows:
        bulkhead_size = (0.05, 1.8 * half, body.height - 0.1 - low)
        block((front - 0.25, 0, low), bulkhead_size, INTERIOR)
        return
    row = front - 0.85
    while row > rear_end + 0.12:
        for side in (-1, 1):
            seat(row, side * 0.45 * half, 0.9 * half)
        row -= 0.85
    shelf_front = row + 0.8 if row < rear_end else rear_end
    shelf_rear = body.x(min(p.backlight, 0.96))
    length = shelf_front - shelf_rear
    if length > 0.1:
        middle = (shelf_front + shelf_rear) / 2
        block((middle, 0, belt - 0.1), (length, 1.7 * half, 0.02), INTERIOR)


def _seams(builder: MeshBuilder, body: CarBody) -> None:
    """Add the gaps around the doors, and the door handles."""
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
            heights = (body.belt - 0.11, body.belt - 0.08)
            panel(builder, y, (x + 0.06, x + 0.22), heights, CAR, CHROME)


def _mirrors(builder: MeshBuilder, body: CarBody, rng: np.random.Generator) -> None:
    """Add the mirrors at the front corners of the side windows; they lie outside the box."""
    material = PAINT if rng.random() < 0.6 else PLASTIC
    p = body.profile
    x = body.x(p.cowl + 0.4 * (p.header - p.cowl))
    size = (0.1, 0.2, 0.26 if body.kind in VANS else 0.14)
    for side in (-1, 1):
        y = side * (body.width / 2 + 0.03)
        builder.box((x, y, body.belt - 0.02), size, 0, CAR, material)
