"""Clothes and hair: the material of each part of a body, and its distance from the skin."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.sim.assets.people.bodies import REGION, REGIONS, Body, BodyPool, vertex_normals
from bev_semseg_ros.sim.assets.people_materials import (
    HAIR,
    HAT,
    JACKET,
    METAL,
    SHIRT,
    SHOES,
    SKIN,
    TROUSERS,
)

HEADWEAR = ("none", "cap", "beanie", "hat", "hood", "headscarf", "bicycle_helmet", "helmet")

_TORSO = ("shoulders", "chest", "belly", "hips")
_HEAD = ("hair", "nape", "face", "chin")
_LEGS = ("thigh", "knee", "shin", "ankle")


@dataclass
class Outfit:
    """Clothes and hair of a person.

    Attributes:
        slots: (len(REGIONS),) material slot of each part of the surface.
        offsets: (len(REGIONS),) distance of each part from the skin in metres.
        hem: Height of the hem of a skirt, coat or loose jacket as a fraction of the hips' height; 1
            for none.
        hem_slot: Material slot of the garment with the hem.
        is_open: Whether the jacket is open and shows the shirt.
        hair_length: Metres by which the hair hangs below the back of the head.
        headwear: One of HEADWEAR.
    """

    slots: np.ndarray = field(default_factory=lambda: np.full(len(REGIONS), SKIN))
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(len(REGIONS)))
    hem: float = 1.0
    hem_slot: int = TROUSERS
    is_open: bool = False
    hair_length: float = 0.0
    headwear: str = "none"

    def wear(self, regions: tuple[str, ...], slot: int, offset: float) -> None:
        """Cover parts of the surface with a material, `offset` metres away from the skin."""
        rows = [REGION[name] for name in regions]
        self.slots[rows] = slot
        self.offsets[rows] = offset


def draw_outfit(
    rng: np.random.Generator, body: Body, headwear: str | None = None, may_skirt: bool = True
) -> Outfit:
    """Draw the clothes and hair of a person.

    Args:
        rng: Source of randomness.
        body: Body of the person.
        headwear: One of HEADWEAR; None to draw it.
        may_skirt: Whether a skirt or a coat is possible; not for people who sit or ride.
    """
    outfit = Outfit()
    _draw_hair(rng, outfit, body)
    _draw_lower(rng, outfit, body, may_skirt)
    _draw_upper(rng, outfit, may_skirt)
    hangs_loose = may_skirt and outfit.hem == 1 and rng.random() < 0.7
    if hangs_loose:
        outfit.hem = rng.uniform(0.84, 0.97)
        outfit.hem_slot = int(outfit.slots[REGION["chest"]])
    shoe = ("foot", "ankle") if rng.random() < 0.15 else ("foot",)  # boots, or shoes
    outfit.wear(shoe, SHOES, rng.uniform(0.008, 0.015))
    _draw_headwear(rng, outfit, body, headwear)
    return outfit


def _draw_hair(rng: np.random.Generator, outfit: Outfit, body: Body) -> None:
    """Draw hair and beard."""
    is_bald = not body.is_female and rng.random() < (0.25 if body.age == "old" else 0.08)
    if not is_bald:
        outfit.wear(("hair",), HAIR, rng.uniform(0.008, 0.035))
    outfit.wear(("nape",), HAIR, rng.uniform(0.004, 0.03))
    if body.is_female and rng.random() < 0.6:
        outfit.hair_length = rng.uniform(0.05, 0.3) * body.height / 1.7
    has_beard = not body.is_female and body.age in ("adult", "old") and rng.random() < 0.2
    if has_beard:
        outfit.wear(("chin",), HAIR, rng.uniform(0.003, 0.02))


def _draw_lower(rng: np.random.Generator, outfit: Outfit, body: Body, may_skirt: bool) -> None:
    """Draw trousers, shorts or a skirt."""
    loose = rng.uniform(0.012, 0.036)
    draw = rng.random()
    if body.is_female and may_skirt and draw < 0.2:
        has_tights = rng.random() < 0.5
        if has_tights:
            outfit.wear(_LEGS, SHOES, 0.003)
        outfit.wear(("hips", "thigh"), TROUSERS, loose)
        outfit.hem = rng.uniform(0.15, 0.65)
    elif draw < 0.32:
        outfit.wear(("hips", "thigh"), TROUSERS, loose)
        if rng.random() < 0.4:
            outfit.wear(("knee",), TROUSERS, loose)
    elif draw < 0.5:  # tight
        outfit.wear(("hips", *_LEGS), TROUSERS, rng.uniform(0.005, 0.012))
    else:
        outfit.wear(("hips", *_LEGS), TROUSERS, loose)


def _draw_upper(rng: np.random.Generator, outfit: Outfit, may_coat: bool) -> None:
    """Draw a shirt with short or long sleeves, a jacket or a coat."""
    draw = rng.random()
    if draw < 0.22:
        offset = rng.uniform(0.01, 0.026)
        outfit.wear(("shoulders", "chest", "belly", "upper_arm"), SHIRT, offset)
        if rng.random() < 0.5:
            outfit.wear(("hips",), SHIRT, outfit.offsets[REGION["hips"]] + 0.006)
        return
    is_coat = may_coat and draw > 0.86
    offset = rng.uniform(0.03, 0.058) if draw > 0.6 else rng.uniform(0.014, 0.03)
    covered = _TORSO if draw > 0.4 else ("shoulders", "chest", "belly")
    outfit.wear(covered, JACKET, max(offset, outfit.offsets[REGION["hips"]] + 0.004))
    outfit.wear(("upper_arm", "elbow", "forearm"), JACKET, 0.75 * offset)
    if draw > 0.6 and rng.random() < 0.5:
        outfit.wear(("neck",), JACKET, 0.8 * offset)  # a collar
    elif rng.random() < 0.12:
        outfit.wear(("neck",), HAT, rng.uniform(0.02, 0.04))  # a scarf
    outfit.is_open = draw > 0.5 and rng.random() < 0.3
    if is_coat:
        outfit.hem, outfit.hem_slot = rng.uniform(0.25, 0.75), JACKET


def _draw_headwear(
    rng: np.random.Generator, outfit: Outfit, body: Body, headwear: str | None
) -> None:
    """Draw the headwear, unless it is given."""
    if headwear is None:
        chances = [0.7, 0.1, 0.08, 0.03, 0.06, 0.03 if body.is_female else 0.0]
        shares = np.array(chances) / np.sum(chances)
        headwear = str(rng.choice(HEADWEAR[:6], p=shares))
    outfit.headwear = headwear
    if headwear in ("cap", "beanie", "hat"):
        outfit.wear(("hair",), HAT, rng.uniform(0.012, 0.03))
    elif headwear == "hood":
        outfit.wear(("hair", "nape", "neck"), JACKET, rng.uniform(0.025, 0.045))
        outfit.hair_length = 0.0
    elif headwear == "headscarf":
        outfit.wear(("hair", "nape", "neck", "chin"), HAT, rng.uniform(0.015, 0.03))
        outfit.hair_length = 0.0
    elif headwear == "bicycle_helmet":
        outfit.wear(("hair",), HAT, rng.uniform(0.032, 0.045))
    elif headwear == "helmet":
        outfit.wear(_HEAD, HAT, rng.uniform(0.038, 0.052))
        has_visor = rng.random() < 0.7
        if has_visor:
            outfit.slots[REGION["face"]] = METAL
        outfit.hair_length = min(outfit.hair_length, 0.1)


def dressed(body: Body, outfit: Outfit, pool: BodyPool) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface of a dressed body in the rest pose.

    Args:
        body: Body to dress.
        outfit: Clothes and hair.
        pool: Topology of the bodies.

    Returns:
        Vertices (V, 3) in metres, and the material slot of each triangle (T,).
    """
    faces = pool.faces
    count = len(body.vertices)
    face_offsets = outfit.offsets[pool.regions]
    corners = faces.reshape(-1)
    around = np.bincount(corners, minlength=count)
    offsets = np.bincount(corners, np.repeat(face_offsets, 3), count) / np.maximum(around, 1)
    scale = min(1.0, body.height / 1.5)  # children's clothes are thinner
    normals = vertex_normals(body.vertices, faces)
    slots = outfit.slots[pool.regions].copy()
    if outfit.is_open:
        front = body.vertices[faces].mean(1)
        is_trunk = np.isin(pool.regions, [REGION["chest"], REGION["belly"]])
        slots[is_trunk & (front[:, 0] > 0.0) & (np.abs(front[:, 1]) < 0.06)] = SHIRT
    return body.vertices + normals * (scale * offsets)[:, None], slots
