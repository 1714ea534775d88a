"""Material slots of people and two-wheelers, and random materials for them."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable

# Material slots of people and two-wheelers, and the number of each.
PEOPLE_SLOTS = (
    "trousers",
    "jacket",
    "skin",
    "hair",
    "shoes",
    "bag",
    "frame",
    "tyre",
    "metal",
    "lamp",
    "rear_lamp",
)
TROUSERS, JACKET, SKIN, HAIR, SHOES, BAG, FRAME, TYRE, METAL, LAMP, REAR_LAMP = range(
    len(PEOPLE_SLOTS)
)


def people_materials(rng: np.random.Generator, table: MaterialTable) -> np.ndarray:
    """Add the materials of a person in random clothes and of a two-wheeler.

    Args:
        rng: Source of randomness.
        table: Receives the materials.

    Returns:
        (len(PEOPLE_SLOTS),) int32, the row of each slot.
    """
    uniform = rng.uniform

    def color(
        hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
    ) -> np.ndarray:
        """Return a colour between bounds of hue, saturation and value."""
        return hsv(uniform(*hue), uniform(*saturation), uniform(*value))

    def clothes() -> np.ndarray:
        """Return a random colour of clothes."""
        return hsv(rng.random(), uniform(0, 0.9) * rng.random(), log_uniform(rng, 0.015, 0.8))

    has_dark_trousers = rng.random() < 0.6
    rows = {
        "trousers": table.add(
            "cloth",
            color((0.55, 0.7), (0, 0.6), (0.02, 0.2)) if has_dark_trousers else clothes(),
            fine_contrast=0.15,
            fine_frequency=15,
        ),
        "jacket": table.add(
            "cloth",
            clothes(),
            clothes() if rng.random() < 0.2 else None,
            noise_frequency=3,
            fine_contrast=0.15,
        ),
        "skin": table.add("cloth", np.array([0.6, 0.38, 0.28]) * uniform(0.25, 1.1)),
        "hair": table.add(
            "cloth",
            color((0.03, 0.12), (0.2, 0.7), (0.02, 0.4)) if rng.random() < 0.8 else clothes(),
        ),
        "shoes": table.add("cloth", grey(rng, uniform(0.02, 0.3))),
        "bag": table.add("cloth", clothes()),
        "frame": table.add("metal", clothes(), specular=0.3, fresnel=0.05),
        "tyre": table.add("tyre", grey(rng, uniform(0.02, 0.04))),
        "metal": table.add("metal", grey(rng, uniform(0.05, 0.5)), specular=0.3, fresnel=0.2),
        "lamp": table.add(
            "retro",
            grey(rng, uniform(0.5, 0.9)),
            emission=uniform(0.3, 1.5) if rng.random() < 0.3 else 0,
        ),
        "rear_lamp": table.add("retro", np.array([uniform(0.25, 0.6), 0.02, 0.02])),
    }
    return np.array([rows[slot] for slot in PEOPLE_SLOTS], np.int32)
