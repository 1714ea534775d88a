"""Material slots of people and two-wheelers, and random materials for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable

# Material slots of people, their belongings and two-wheelers, and the index of each slot.
PEOPLE_SLOTS = (
    "trousers",
    "jacket",
    "shirt",
    "skin",
    "hair",
    "hat",  # also helmets and scarves
    "shoes",
    "bag",
    "fabric",  # of umbrellas, prams and suitcases
    "frame",
    "tyre",
    "metal",
    "lamp",
    "rear_lamp",
)
(
    TROUSERS,
    JACKET,
    SHIRT,
    SKIN,
    HAIR,
    HAT,
    SHOES,
    BAG,
    FABRIC,
    FRAME,
    TYRE,
    METAL,
    LAMP,
    REAR_LAMP,
) = range(len(PEOPLE_SLOTS))

# Fraction of people in a high-visibility jacket with reflective bands.
SIGNAL_SHARE = 0.04


def people_materials(rng: np.random.Generator, table: MaterialTable) -> np.ndarray:
    """Add the materials of a person in random clothes and of a two-wheeler.

    Args:
        rng: Source of randomness.
        table: Receives the materials.

    Returns:
        (len(PEOPLE_SLOTS),) int32, the row of each slot.
    """
    uniform = rng.uniform
    has_dark_trousers = rng.random() < 0.6
    if has_dark_trousers:
        trousers = hsv(uniform(0.55, 0.7), uniform(0, 0.6), uniform(0.02, 0.2))
    else:
        trousers = _cloth(rng)
    if rng.random() < 0.8:
        hair = hsv(uniform(0.03, 0.12), uniform(0.2, 0.7), log_uniform(rng, 0.01, 0.45))
    else:
        hair = grey(rng, uniform(0.05, 0.6))
    # Darker skin is less red.
    skin = np.array([0.6, 0.38, 0.28]) * uniform(0.12, 1.15) ** np.array([0.9, 1.1, 1.2])
    lamp_emission = uniform(0.3, 1.5) if rng.random() < 0.3 else 0.0
    rows = {
        "trousers": table.add("cloth", trousers, fine_contrast=0.15, fine_frequency=15),
        "jacket": _jacket(rng, table),
        "shirt": table.add("cloth", _cloth(rng), fine_contrast=0.12, **_pattern(rng)),
        "skin": table.add("cloth", skin, noise_contrast=0.3),
        "hair": table.add("cloth", hair, fine_contrast=0.25, fine_frequency=40),
        "hat": table.add("cloth", _cloth(rng), specular=uniform(0, 0.2), fresnel=0.04),
        "shoes": table.add(
            "cloth", grey(rng, uniform(0.02, 0.3)) if rng.random() < 0.7 else _cloth(rng)
        ),
        "bag": table.add("cloth", _cloth(rng)),
        "fabric": table.add("cloth", _cloth(rng), fine_contrast=0.1, **_pattern(rng)),
        "frame": table.add("metal", _cloth(rng), specular=0.3, fresnel=0.05),
        "tyre": table.add("tyre", grey(rng, uniform(0.02, 0.04))),
        "metal": table.add("metal", grey(rng, uniform(0.05, 0.5)), specular=0.3, fresnel=0.2),
        "lamp": table.add("retro", grey(rng, uniform(0.5, 0.9)), emission=lamp_emission),
        "rear_lamp": table.add("retro", np.array([uniform(0.25, 0.6), 0.02, 0.02])),
    }
    return np.array([rows[slot] for slot in PEOPLE_SLOTS], np.int32)


def _cloth(rng: np.random.Generator) -> np.ndarray:
    """Return a random colour of clothes."""
    return hsv(rng.random(), rng.uniform(0, 0.9) * rng.random(), log_uniform(rng, 0.015, 0.8))


def _pattern(rng: np.random.Generator) -> dict[str, Any]:
    """Return the columns of a random pattern, often none; texture coordinate u points up."""
    draw = rng.random()
    size = rng.uniform(0.03, 0.15)
    if draw < 0.1:
        return {"pattern": "panels", "pattern_u": size, "pattern_line": rng.uniform(0.2, 0.6)}
    if draw < 0.16:
        return {
            "pattern": "slabs",
            "pattern_u": size,
            "pattern_v": size,
            "pattern_line": 0.3 * size,
            "pattern_contrast": rng.uniform(0.1, 0.4),
        }
    return {}


def _jacket(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of a jacket; return its row."""
    if rng.random() < SIGNAL_SHARE:
        color = hsv(rng.choice([0.17, 0.06]), 0.9, rng.uniform(0.6, 0.9))
        return table.add(
            "retro",
            color,
            color,
            grey(rng, 0.6),
            pattern="panels",
            pattern_u=rng.uniform(0.2, 0.3),
            pattern_line=0.22,
            fine_contrast=0.1,
        )
    second = _cloth(rng) if rng.random() < 0.2 else None
    return table.add(
        "cloth", _cloth(rng), second, noise_frequency=3, fine_contrast=0.15, **_pattern(rng)
    )
