"""Common parts of cars, lorries and buses: material slots, wheels, panels, occupants."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import MeshBuilder

# Material slots of all vehicles, and the index of each slot.
CAR_SLOTS = (
    "paint",
    "glass",
    "plastic",
    "tyre",
    "rim",
    "lamp",
    "rear_lamp",
    "plate",
    "chrome",
    "interior",
    "fabric",
    "skin",
    "cargo",
)
(
    PAINT,
    GLASS,
    PLASTIC,
    TYRE,
    RIM,
    LAMP,
    REAR_LAMP,
    PLATE,
    CHROME,
    INTERIOR,
    FABRIC,
    SKIN,
    CARGO,
) = range(len(CAR_SLOTS))

# A multiple of four, so that the lowest vertex of a wheel is exactly on the ground.
WHEEL_SIDES = 12
# Hues of most of the cars that are neither white, grey nor black.
PAINT_HUES = (0.0, 0.02, 0.6, 0.62, 0.58, 0.98, 0.35, 0.12, 0.5)


def paint_materials(rng: np.random.Generator, table: MaterialTable) -> np.ndarray:
    """Add the materials of a car, lorry or bus of a random colour.

    Args:
        rng: Source of randomness.
        table: Receives the materials.

    Returns:
        (len(CAR_SLOTS),) int32, the row of each slot.
    """
    uniform = rng.uniform
    choice = rng.random()
    if choice < 0.72:
        color = grey(rng, log_uniform(rng, 0.015, 0.85), 0.03)
    elif choice < 0.95:
        color = hsv(rng.choice(PAINT_HUES), uniform(0.4, 0.95), uniform(0.05, 0.6))
    else:
        color = rng.random(3)
    lamps_on = rng.random() < 0.25
    plate = np.array([0.8, 0.6, 0.05]) if rng.random() < 0.2 else grey(rng, uniform(0.7, 0.9))
    cargo = grey(rng, uniform(0.3, 0.9)) if rng.random() < 0.6 else rng.random(3)
    rows = {
        "paint": table.add(
            "paint",
            color,
            color,
            noise_contrast=0,
            fine_contrast=0,
            stain_contrast=0.05,
            specular=uniform(0.5, 1.0),
            fresnel=uniform(0.03, 0.09) if rng.random() < 0.6 else uniform(0.09, 0.3),
        ),
        "glass": table.add(
            "car_glass",
            grey(rng, uniform(0.01, 0.06)),
            noise_contrast=0.3,
            specular=1.0,
            fresnel=uniform(0.05, 0.12) if rng.random() < 0.5 else uniform(0.12, 0.5),
        ),
        "plastic": table.add(
            "plastic", grey(rng, uniform(0.01, 0.05)), noise_contrast=0.2, fine_contrast=0.05
        ),
        "tyre": table.add("tyre", grey(rng, uniform(0.012, 0.04))),
        "rim": table.add(
            "metal", grey(rng, uniform(0.08, 0.6)), noise_contrast=0.2, specular=0.5, fresnel=0.2
        ),
        "lamp": table.add(
            "retro",
            grey(rng, uniform(0.5, 0.9)),
            grey(rng, uniform(0.15, 0.3)),
            noise_frequency=9,
            specular=1.0,
            fresnel=0.15,
            emission=uniform(0.3, 1.5) if lamps_on else 0,
        ),
        "rear_lamp": table.add(
            "retro",
            np.array([uniform(0.25, 0.6), 0.02, 0.02]),
            specular=0.6,
            fresnel=0.06,
            emission=uniform(0.3, 1.5) if lamps_on or rng.random() < 0.15 else 0,
        ),
        "plate": table.add(
            "retro",
            plate,
            albedo3=grey(rng, uniform(0.03, 0.07)),
            pattern="blocks",
            pattern_u=0.06,
            pattern_v=0.2,
            pattern_line=0.4,
        ),
        "chrome": table.add("metal", grey(rng, uniform(0.5, 0.8)), specular=1.0, fresnel=0.4),
        "interior": table.add("plastic", grey(rng, uniform(0.02, 0.15))),
        "fabric": table.add("cloth", grey(rng, uniform(0.01, 0.3))),
        "skin": table.add("cloth", np.array([0.6, 0.38, 0.28]) * uniform(0.25, 1.1)),
        "cargo": table.add(
            "paint",
            cargo,
            albedo3=rng.random(3),
            pattern=str(rng.choice(["none", "blocks", "stripes"])),
            pattern_u=uniform(0.3, 1.5),
            pattern_v=uniform(0.3, 1.0),
            pattern_line=uniform(0.03, 0.4),
        ),
    }
    return np.array([rows[slot] for slot in CAR_SLOTS], np.int32)


def disc(
    builder: MeshBuilder,
    center: np.ndarray,
    radius: float,
    inner_radius: float,
    side: int,
    label: int,
    material: int | np.ndarray,
) -> None:
    """Add a disc or a ring in the xz plane.

    Args:
        builder: Receives the triangles.
        center: (3,) centre in metres.
        radius: Outer radius in metres.
        inner_radius: Inner radius in metres; 0 for a disc.
        side: 1 if it faces +y, -1 if it faces -y.
        label: Class of the surface.
        material: A single material, or one per sector (WHEEL_SIDES,).
    """
    angle = side * np.linspace(0, -2 * np.pi, WHEEL_SIDES + 1)
    rim = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    outer, inner = center + radius * rim, center + inner_radius * rim
    triangles = [np.stack([inner[:-1], outer[:-1], outer[1:]], 1)]
    if inner_radius > 0:
        triangles.append(np.stack([inner[:-1], outer[1:], inner[1:]], 1))
    for part in triangles:
        builder.add(part, label, material)


def wheel(
    builder: MeshBuilder,
    x: float,
    y: float,
    radius: float,
    width: float,
    label: int,
    has_spokes: bool = False,
) -> None:
    """Add a wheel that stands on the ground.

    Args:
        builder: Receives the triangles.
        x: x of the axle in metres.
        y: y of the outer face in metres. The face points left if y is positive, otherwise right.
        radius: Radius in metres.
        width: Width in metres.
        label: Class of the surface.
        has_spokes: Whether the rim has dark gaps.
    """
    side = 1 if y > 0 else -1
    builder.tube(
        (x, y - side * width, radius), (x, y, radius), radius, radius, WHEEL_SIDES, label, TYRE
    )
    disc(builder, np.array([x, y, radius]), radius, 0.66 * radius, side, label, TYRE)
    sectors = np.where(np.arange(WHEEL_SIDES) % 2, PLASTIC if has_spokes else RIM, RIM)
    disc(builder, np.array([x, y - side * 0.02, radius]), 0.68 * radius, 0, side, label, sectors)


def wheels(
    builder: MeshBuilder,
    axles: Iterable[float],
    half_track: float,
    radius: float,
    width: float,
    label: int,
    has_spokes: bool = False,
) -> None:
    """Add a wheel at each end of each axle.

    Args:
        builder: Receives the triangles.
        axles: x of each axle in metres.
        half_track: y of the outer faces of the left wheels in metres.
        radius: Radius of a wheel in metres.
        width: Width of a wheel in metres.
        label: Class of the surface.
        has_spokes: Whether the rims have dark gaps.
    """
    for x in axles:
        for side in (-1, 1):
            wheel(builder, x, side * half_track, radius, width, label, has_spokes)


def occupant(
    builder: MeshBuilder,
    place: tuple[float, float],
    seat: float,
    trunk: tuple[float, float, float],
    chin: float,
    label: int,
    head: float = 0.25,
) -> None:
    """Add a seated person, who is visible through the windows.

    Args:
        builder: Receives the triangles.
        place: x and y in metres.
        seat: Height of the seat in metres.
        trunk: Length, width and height of the torso in metres.
        chin: Height of the lower end of the head in metres.
        label: Class of the surface.
        head: Height of the head itself in metres.
    """
    builder.box((*place, seat), trunk, 0, label, FABRIC)
    builder.box((*place, chin), (0.2, 0.17, head), 0, label, SKIN)


def upright(
    builder: MeshBuilder,
    x: float,
    facing: int,
    y: tuple[float, float],
    z: tuple[float, float],
    label: int,
    material: int,
) -> None:
    """Add a rectangle across the vehicle.

    Args:
        builder: Receives the triangles.
        x: x of the rectangle in metres.
        facing: 1 if it faces forward, -1 if it faces backward.
        y: y of the right and the left edge in metres.
        z: z of the lower and the upper edge in metres.
        label: Class of the surface.
        material: Material of the surface.
    """
    left, right = (y[0], y[1]) if facing > 0 else (y[1], y[0])
    builder.quad(
        (x, left, z[0]), (x, right, z[0]), (x, right, z[1]), (x, left, z[1]), label, material
    )


def panel(
    builder: MeshBuilder,
    y: float,
    x: tuple[float, float],
    z: tuple[float, float],
    label: int,
    material: int,
) -> None:
    """Add a rectangle along the vehicle, facing outwards.

    Args:
        builder: Receives the triangles.
        y: y of the rectangle in metres. It faces right if y is negative, otherwise left.
        x: x of the rear and the front edge in metres.
        z: z of the lower and the upper edge in metres.
        label: Class of the surface.
        material: Material of the surface.
    """
    start, end = (x[0], x[1]) if y < 0 else (x[1], x[0])
    builder.quad(
        (start, y, z[0]), (end, y, z[0]), (end, y, z[1]), (start, y, z[1]), label, material
    )
