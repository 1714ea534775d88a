"""Random materials of a street: ground, walls, roofs, fences and prints.

Each function adds a material to a table and returns its row.
"""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable


def pavement_material(rng: np.random.Generator, table: MaterialTable, road_value: float) -> int:
    """Add the material of a pavement: slabs, bricks, or asphalt similar to that of the road."""
    u = rng.uniform
    if rng.random() < 0.25:  # asphalt: only the kerb distinguishes it from the road
        return table.add(
            "pavement",
            grey(rng, road_value * u(0.7, 1.5)),
            fine_contrast=0.18,
            fine_frequency=u(15, 60),
            stain_contrast=0.2,
        )
    value = log_uniform(rng, 0.1, 0.5)
    color = grey(rng, value, 0.05) if rng.random() < 0.75 else value * np.array([1.3, 0.85, 0.75])
    return table.add(
        "pavement",
        color,
        None,
        color * u(0.4, 0.8),
        fine_contrast=0.15,
        stain_contrast=0.2,
        pattern=str(rng.choice(["bricks", "slabs"])),
        pattern_u=u(0.1, 0.7),
        pattern_v=u(0.1, 0.6),
        pattern_line=u(0.006, 0.02),
        pattern_contrast=u(0.05, 0.5),
    )


def grass_material(rng: np.random.Generator, table: MaterialTable, season: str) -> int:
    """Add the material of grass, some of it dry."""
    u = rng.uniform
    hue = u(0.17, 0.30) if season != "winter" else u(0.09, 0.25)
    color = hsv(hue, u(0.2, 0.7), u(0.10, 0.35))
    if rng.random() < 0.2:  # dry
        color = hsv(u(0.1, 0.2), u(0.3, 0.6), u(0.3, 0.6))
    return table.add(
        "grass",
        color,
        hsv(u(0.08, 0.27), u(0.2, 0.7), u(0.08, 0.4)),
        noise_frequency=u(1, 5),
        noise_contrast=1.0,
        fine_contrast=u(0.3, 0.8),
        fine_frequency=u(6, 30),
        stain_contrast=0.45,
    )


def litter_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of fallen leaves."""
    u = rng.uniform
    return table.add(
        "grass",
        hsv(u(0.02, 0.13), u(0.3, 0.85), u(0.12, 0.5)),
        hsv(u(0.03, 0.18), u(0.2, 0.7), u(0.06, 0.35)),
        noise_frequency=u(2, 8),
        noise_contrast=1.2,
        fine_contrast=u(0.4, 1.0),
        fine_frequency=u(6, 25),
        stain_contrast=0.5,
    )


def soil_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of soil."""
    u = rng.uniform
    return table.add(
        "grass",
        hsv(u(0.05, 0.11), u(0.2, 0.55), u(0.12, 0.45)),
        hsv(u(0.05, 0.2), u(0.2, 0.5), u(0.1, 0.3)),
        noise_frequency=2,
        noise_contrast=0.8,
        fine_contrast=0.3,
        stain_contrast=0.3,
    )


def facade_material(rng: np.random.Generator, table: MaterialTable, urban: bool) -> tuple[int, int]:
    """Add a wall with windows and the same wall without them; return both rows."""
    u, kind = rng.uniform, rng.random()
    if kind < 0.4:
        color = hsv(u(0.03, 0.17), u(0.02, 0.45), u(0.25, 0.85))
    elif kind < 0.47:  # white, as bright as the sky
        color = grey(rng, u(0.8, 0.97))
    elif kind < 0.6:
        color = grey(rng, u(0.15, 0.85), 0.03)
    elif kind < 0.85:  # brick
        color = hsv(u(0, 0.06), u(0.35, 0.75), u(0.12, 0.42))
    elif kind < 0.93:
        color = hsv(u(0.25, 0.65), u(0.1, 0.4), u(0.25, 0.7))
    else:
        color = grey(rng, u(0.03, 0.12))
    bricks = 0.6 <= kind < 0.85
    bands = rng.random() < 0.25  # bands of windows, as in offices
    is_glass = urban and not bricks and rng.random() < 0.1
    shop = u(2.8, 4.3) if (urban and rng.random() < 0.65) or rng.random() < 0.12 else 0.0
    frame = grey(rng, u(0.5, 0.95)) if rng.random() < 0.7 else grey(rng, u(0.03, 0.2))
    line, contrast = u(0.2, 0.62), u(0.38, 0.62)
    if is_glass:  # all windows
        line, contrast = u(0.94, 0.98), u(0.92, 0.98)
    elif bands:
        line, contrast = u(0.8, 1.0), u(0.4, 0.8)
    facade = table.add(
        "window" if is_glass else "wall",
        color,
        color * u(0.8, 1.05),
        frame,
        noise_frequency=u(0.4, 3),
        noise_contrast=0.5,
        fine_contrast=0.12,
        stain_contrast=0.5 if bricks else 0.12,
        pattern="facade",
        pattern_u=u(1.3, 3.8) if rng.random() < 0.75 else u(3.5, 8),
        pattern_v=u(2.6, 3.6),
        pattern_line=line,
        pattern_contrast=contrast,
        pattern_extra=shop,
    )
    wall = table.add(
        "wall",
        color,
        color * 0.9,
        grey(rng, 0.5),
        fine_contrast=0.1,
        stain_contrast=0.2,
        pattern="bricks" if bricks else "none",
        pattern_u=0.24,
        pattern_v=0.09,
        pattern_line=0.012,
        pattern_contrast=0.5,
    )
    return facade, wall


def roof_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of a tiled roof."""
    u = rng.uniform
    colors = (
        hsv(u(0.01, 0.06), u(0.4, 0.75), u(0.12, 0.45)),
        grey(rng, u(0.05, 0.25)),
        hsv(0.06, 0.3, 0.2),
    )
    return table.add(
        "wall",
        colors[rng.integers(3)],
        noise_frequency=2,
        noise_contrast=0.7,
        fine_contrast=0.2,
        pattern="stripes",
        pattern_u=u(0.25, 0.4),
        pattern_contrast=u(0.2, 0.6),
    )


def metal_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of bare or galvanised metal."""
    return table.add(
        "metal",
        grey(rng, rng.uniform(0.15, 0.6)),
        fine_contrast=0.05,
        stain_contrast=0.2,
        specular=0.3,
        fresnel=0.3,
    )


def wood_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of wooden boards."""
    u = rng.uniform
    return table.add(
        "wall",
        hsv(u(0.05, 0.1), u(0.2, 0.6), u(0.1, 0.4)),
        None,
        grey(rng, 0.04),
        pattern="panels",
        pattern_u=u(0.08, 0.2),
        pattern_line=0.012,
        fine_contrast=0.2,
        noise_frequency=5,
    )


def concrete_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of concrete."""
    return table.add(
        "wall",
        grey(rng, rng.uniform(0.2, 0.55)),
        noise_frequency=1.5,
        noise_contrast=0.7,
        fine_contrast=0.15,
        stain_contrast=0.3,
    )


def brick_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of brick walls."""
    u = rng.uniform
    return table.add(
        "wall",
        hsv(u(0, 0.06), u(0.3, 0.65), u(0.12, 0.4)),
        None,
        grey(rng, 0.4),
        pattern="bricks",
        pattern_u=0.24,
        pattern_v=0.08,
        pattern_line=0.012,
        pattern_contrast=0.6,
    )


def hazard_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of red and white barriers."""
    return table.add(
        "retro",
        [0.75, 0.05, 0.04],
        None,
        grey(rng, 0.85),
        pattern="panels",
        pattern_u=0.3,
        pattern_line=0.15,
        fine_contrast=0.05,
    )


def far_trees_material(rng: np.random.Generator, table: MaterialTable, hue: float) -> int:
    """Add the material of trees on the horizon; `hue` is that of their leaves, 0 to 1."""
    u = rng.uniform
    return table.add(
        "leaves",
        hsv(hue, u(0.15, 0.6), u(0.05, 0.25)),
        noise_frequency=u(0.1, 0.4),
        noise_contrast=0.9,
        fine_contrast=0.4,
        fine_frequency=0.8,
        stain_contrast=0.3,
    )


def fence_material(rng: np.random.Generator, table: MaterialTable, cutout: str) -> int:
    """Add the material of a fence.

    Args:
        rng: Source of randomness.
        table: Receives the material.
        cutout: "bars", "mesh" or "slats" for a fence with gaps, "none" for a solid one.
    """
    if rng.random() < 0.6:
        color = grey(rng, rng.uniform(0.02, 0.5))
    else:
        color = hsv(rng.uniform(0.05, 0.4), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.4))
    return table.add(
        "metal" if cutout in ("bars", "mesh") else "wall",
        color,
        fine_contrast=0.1,
        cutout=cutout,
        cutout_frequency=rng.uniform(3, 9),
        cutout_threshold=rng.uniform(0.12, 0.6),
    )


def random_print(rng: np.random.Generator, table: MaterialTable, lidar: str = "plastic") -> int:
    """Add the material of a poster, an awning or goods, with random colours and patterns."""
    return table.add(
        lidar,
        rng.random(3) * rng.uniform(0.3, 1),
        rng.random(3),
        rng.random(3),
        noise_contrast=0.5,
        pattern=str(rng.choice(["none", "panels", "blocks", "stripes"])),
        pattern_u=rng.uniform(0.1, 0.5),
        pattern_v=rng.uniform(0.1, 0.5),
        pattern_line=rng.uniform(0.05, 0.4),
        pattern_contrast=rng.uniform(0.2, 0.8),
    )
