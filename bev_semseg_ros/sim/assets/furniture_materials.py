"""Materials of the street furniture of one scene: paint, plastic, cloth and prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.street_materials import random_print

# Bounds of hue, saturation and value of the plastics of bins, boxes and poles.
PLASTIC_COLORS = (
    ((0.30, 0.42), (0.4, 0.8), (0.05, 0.25)),  # dark green
    ((0.12, 0.15), (0.8, 1.0), (0.4, 0.8)),  # yellow
    ((0.04, 0.08), (0.8, 1.0), (0.4, 0.8)),  # orange
    ((0.56, 0.64), (0.6, 0.95), (0.1, 0.5)),  # blue
    ((0.98, 1.02), (0.8, 1.0), (0.3, 0.7)),  # red
    ((0.04, 0.09), (0.4, 0.7), (0.06, 0.2)),  # brown
    ((0.0, 1.0), (0.0, 0.1), (0.02, 0.1)),  # black
    ((0.0, 1.0), (0.0, 0.1), (0.2, 0.5)),  # grey
    ((0.0, 1.0), (0.0, 0.05), (0.6, 0.9)),  # white
)


@dataclass(frozen=True)
class FurnitureMaterials:
    """Rows of the scene's MaterialTable for street furniture.

    Attributes:
        striped: Retroreflective sheeting with red and white stripes across u, from new to worn.
        yellow_black: Plastic with yellow and black stripes across u.
        red: Retroreflective red.
        white: Retroreflective white.
        blue: Retroreflective blue of the signs that show on which side to pass.
        orange: Plastic of cones and flexible posts.
        rubber: Feet of beacons and cones.
        plastics: Plastics of random colours.
        paints: Painted or galvanised metal.
        cloths: Clothes, canvas and flags.
        prints: Posters and advertisements.
        stones: Stone, concrete or bronze.
        screen: Dark glass of displays.
        amber: Lit warning lamp.
        mesh: Wire mesh with holes.
        bars: Upright bars with gaps.
    """

    striped: tuple[int, ...]
    yellow_black: int
    red: int
    white: int
    blue: int
    orange: int
    rubber: int
    plastics: tuple[int, ...]
    paints: tuple[int, ...]
    cloths: tuple[int, ...]
    prints: tuple[int, ...]
    stones: tuple[int, ...]
    screen: int
    amber: int
    mesh: int
    bars: int

    @classmethod
    def draw(cls, rng: np.random.Generator, table: MaterialTable) -> FurnitureMaterials:
        """Draw the materials of one scene."""
        u = rng.uniform

        def plastic() -> int:
            """Add a plastic of a random colour."""
            bounds = PLASTIC_COLORS[rng.integers(len(PLASTIC_COLORS))]
            color = hsv(*(u(*bound) for bound in bounds))
            return table.add("plastic", color, noise_contrast=0.3, stain_contrast=u(0, 0.4))

        def paint() -> int:
            """Add painted or galvanised metal."""
            if rng.random() < 0.5:
                color = grey(rng, log_uniform(rng, 0.02, 0.6))
            else:
                color = hsv(rng.random(), u(0.3, 0.9), log_uniform(rng, 0.05, 0.6))
            return table.add("metal", color, stain_contrast=u(0, 0.5), specular=0.2, fresnel=0.06)

        def cloth() -> int:
            """Add a cloth of a random colour."""
            color = hsv(rng.random(), u(0, 0.9), log_uniform(rng, 0.03, 0.8))
            return table.add("cloth", color, noise_frequency=3, fine_contrast=0.15)

        def stone() -> int:
            """Add stone, concrete or bronze."""
            value = log_uniform(rng, 0.06, 0.55)
            color = hsv(u(0.05, 0.45), u(0.0, 0.35), value)
            return table.add("wall", color, noise_contrast=0.7, fine_contrast=0.2)

        def striped() -> int:
            """Add red and white stripes of equal width, randomly faded and dirty."""
            fade = u(0.0, 0.5)
            red = np.array([0.7, 0.03, 0.03]) * (1 - fade) + fade * 0.4
            return table.add(
                "retro",
                red,
                red * u(0.7, 1.1),
                grey(rng, u(0.45, 0.95)),
                pattern="panels",
                pattern_u=u(0.2, 0.36),
                pattern_line=0.5,
                stain_contrast=u(0.0, 0.6),
            )

        color = grey(rng, u(0.03, 0.5))
        return cls(
            striped=tuple(striped() for _ in range(3)),
            yellow_black=table.add(
                "plastic",
                np.array([0.8, 0.55, 0.03]) * u(0.7, 1.1),
                None,
                grey(rng, 0.03),
                pattern="panels",
                pattern_u=u(0.2, 0.4),
                pattern_line=0.5,
            ),
            red=table.add("retro", np.array([0.65, 0.03, 0.03]) * u(0.6, 1.1)),
            white=table.add("retro", grey(rng, u(0.6, 0.95)), stain_contrast=u(0, 0.4)),
            blue=table.add("retro", np.array([0.02, 0.14, 0.6]) * u(0.6, 1.1)),
            orange=table.add("plastic", hsv(u(0.0, 0.07), u(0.85, 1), u(0.4, 0.85))),
            rubber=table.add("plastic", grey(rng, u(0.015, 0.06)), fine_contrast=0.2),
            plastics=tuple(plastic() for _ in range(8)),
            paints=tuple(paint() for _ in range(4)),
            cloths=tuple(cloth() for _ in range(6)),
            prints=tuple(random_print(rng, table) for _ in range(6)),
            stones=tuple(stone() for _ in range(3)),
            screen=table.add("window", grey(rng, 0.03), specular=1.0, fresnel=0.06),
            amber=table.add("plastic", [0.8, 0.4, 0.03], emission=u(0.0, 1.5)),
            mesh=table.add(
                "metal", color, cutout="mesh", cutout_frequency=u(12, 20), cutout_threshold=0.12
            ),
            bars=table.add(
                "metal", color, cutout="bars", cutout_frequency=u(7, 11), cutout_threshold=0.22
            ),
        )
