"""Trees, bushes and hedges: cards, which their material cuts into leaves, around darker cores."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder, normalize
from bev_semseg_ros.sim.assets.shape import Shape, extent
from bev_semseg_ros.sim.assets.surfaces import SEASONS
from bev_semseg_ros.sim.classes import VEGETATION

# Material slots of all plants, and the index of each slot.
PLANT_SLOTS = ("bark", "leaves", "core", "twigs")
BARK, LEAVES, CORE, TWIGS = range(len(PLANT_SLOTS))


def _leaf_color(rng: np.random.Generator, season: str) -> np.ndarray:
    """Draw the colour (3,) of leaves in a season."""
    uniform = rng.uniform
    if season == "autumn" and rng.random() < 0.75:
        return hsv(uniform(0.02, 0.17), uniform(0.3, 0.97), uniform(0.2, 0.9))
    if season == "winter" and rng.random() < 0.5:
        return hsv(uniform(0.06, 0.2), uniform(0.2, 0.5), uniform(0.08, 0.3))
    return hsv(uniform(0.15, 0.38), uniform(0.12, 0.85), log_uniform(rng, 0.06, 0.5))


def plant_materials(rng: np.random.Generator, table: MaterialTable, season: str) -> np.ndarray:
    """Add the materials of one species.

    Args:
        rng: Source of randomness.
        table: Receives the materials.
        season: One of SEASONS.

    Returns:
        (len(PLANT_SLOTS),) int32, the row of each slot.

    Raises:
        ValueError: If the season is unknown.
    """
    if season not in SEASONS:
        raise ValueError(f"unknown season {season!r}, expected one of {', '.join(SEASONS)}")
    uniform = rng.uniform
    leaf = _leaf_color(rng, season)
    second = np.clip(leaf * uniform(0.4, 0.8) * (uniform(0.8, 1.4), 1, uniform(0.7, 1.1)), 0, 1)
    rows = {
        "bark": table.add(
            "trunk",
            grey(rng, uniform(0.06, 0.3)) * (1, 0.87, 0.74),
            noise_frequency=6,
            noise_contrast=0.8,
            fine_contrast=0.3,
        ),
        "leaves": table.add(
            "leaves",
            leaf,
            second,
            noise_frequency=uniform(1, 5),
            noise_contrast=1.2,
            fine_contrast=uniform(0.4, 1.0),
            fine_frequency=uniform(6, 16),
            stain_contrast=0.4,
            cutout="leaves",
            cutout_frequency=uniform(4, 11),
            cutout_threshold=uniform(0.42, 0.56),
            translucency=uniform(0.2, 0.8),
        ),
        "core": table.add(
            "leaves",
            leaf * uniform(0.25, 0.6),
            noise_frequency=3,
            noise_contrast=1.2,
            fine_contrast=0.8,
            fine_frequency=8,
            stain_contrast=0.4,
            translucency=0.3,
            cutout="leaves",
            cutout_frequency=uniform(3, 6),
            cutout_threshold=uniform(0.36, 0.46),
        ),
        "twigs": table.add(
            "leaves",
            grey(rng, uniform(0.05, 0.25)) * (1, 0.91, 0.82),
            fine_contrast=0.2,
            cutout="twigs",
            cutout_frequency=uniform(3, 6),
            cutout_threshold=uniform(0.05, 0.09),
            translucency=0.3,
        ),
    }
    return np.array([rows[slot] for slot in PLANT_SLOTS], np.int32)


def _standing(mesh: Mesh, kind: str) -> Shape:
    """Return a Shape whose origin is the foot of the trunk, at the centre of its footprint."""
    low, high = extent(mesh)
    reach = 2 * np.maximum(-low, high)
    return Shape(mesh, (float(reach[0]), float(reach[1]), float(high[2])), None, kind)


def _cards(
    builder: MeshBuilder,
    rng: np.random.Generator,
    points: np.ndarray,
    outward: np.ndarray,
    half_size: float,
    material: int,
) -> None:
    """Add square cards of leaves in random orientations.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        points: (N, 3) centres of the cards.
        outward: (N, 3) directions around which the normals are scattered.
        half_size: Half the mean length of an edge in metres.
        material: Material slot.
    """
    count = len(points)
    a = normalize(rng.normal(size=(count, 3)))
    b = normalize(np.cross(a, normalize(rng.normal(size=(count, 3)))))
    normals = normalize(outward + rng.normal(0, 0.35, (count, 3)))
    inward = np.sum(np.cross(a, b) * normals, -1, keepdims=True) < 0
    size = half_size * rng.uniform(0.6, 1.4, (count, 1))
    a, b = a * size, np.where(inward, -b, b) * size
    corners = np.stack([points - a - b, points + a - b, points + a + b, points - a + b], 1)
    corners[..., 2] = np.maximum(corners[..., 2], 0.0)
    triangles = corners[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 3)
    uvs = (
        np.tile(np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]]), (count, 1, 1))
        * 2
        * half_size
    )
    builder.add(
        triangles, VEGETATION, material, uvs, np.repeat(np.repeat(normals, 2, 0)[:, None], 3, 1)
    )


def _tuft(
    builder: MeshBuilder,
    rng: np.random.Generator,
    center: np.ndarray,
    radii: np.ndarray,
    cards: int,
    half_size: float,
    core: float = 0.72,
) -> None:
    """Add an ellipsoid of leaf cards around a core.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        center: (3,) centre in metres.
        radii: (3,) radii in metres.
        cards: Number of cards.
        half_size: Half the mean length of a card's edge in metres.
        core: Radii of the core as a fraction of `radii`; 0 for no core.
    """
    if core > 0:
        around, up = np.linspace(0, 2 * np.pi, 7)[:, None], np.array([[-1.2, -0.45, 0.45, 1.2]])
        sphere = np.stack(
            [np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up) + 0 * around], -1
        )
        points = center + core * radii * sphere * rng.uniform(0.85, 1.1)
        points[..., 2] = np.maximum(points[..., 2], 0.0)
        builder.grid(points, VEGETATION, CORE)
    direction = normalize(rng.normal(size=(cards, 3)))
    distance = rng.uniform(0.55, 1.0, (cards, 1)) ** 0.6
    _cards(builder, rng, center + direction * distance * radii, direction, half_size, LEAVES)


def _trunk(builder: MeshBuilder, rng: np.random.Generator, height: float, radius: float) -> None:
    """Add a slightly crooked trunk up to `height`; for slopes, it starts below the ground."""
    middle = np.array([*rng.normal(0, 0.05, 2), 0.4 * height])
    top = np.array([*rng.normal(0, 0.12, 2), height])
    builder.tube((0, 0, -0.3), middle, 1.1 * radius, 0.85 * radius, 7, VEGETATION, BARK)
    builder.tube(middle, top, 0.85 * radius, 0.4 * radius, 7, VEGETATION, BARK)


def _leafy(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a deciduous tree."""
    height, radius = rng.uniform(5, 14), rng.uniform(0.1, 0.3)
    bottom, spread = rng.uniform(0.14, 0.36) * height, height * rng.uniform(0.22, 0.36)
    _trunk(builder, rng, 0.75 * height, radius)
    count = int(rng.integers(5, 8))
    for index in range(count):
        angle, out = rng.uniform(0, 2 * np.pi), spread * rng.uniform(0.1, 0.7)
        z = rng.uniform(bottom + 0.15 * (height - bottom), height - 0.2 * (height - bottom))
        center = np.array([np.cos(angle) * out, np.sin(angle) * out, z])
        if index == 0:
            center = np.array([0, 0, height - 0.25 * (height - bottom)])
        size = spread * rng.uniform(0.44, 0.66)
        builder.tube(
            (0, 0, bottom * rng.uniform(0.8, 1.1)),
            center,
            0.45 * radius,
            0.15 * radius,
            3,
            VEGETATION,
            BARK,
        )
        _tuft(
            builder,
            rng,
            center,
            size * np.array([1, 1, 0.8]),
            128 // count,
            rng.uniform(0.35, 0.6) * (0.5 + size / 3),
        )


def _poplar(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a poplar."""
    height, spread = rng.uniform(12, 22), rng.uniform(1.1, 2.0)
    bottom = rng.uniform(0.06, 0.15) * height
    _trunk(builder, rng, 0.7 * height, rng.uniform(0.15, 0.3))
    for share, width in ((0.15, 0.8), (0.38, 1.0), (0.62, 0.9), (0.84, 0.6)):
        center = np.array([*rng.normal(0, 0.1, 2), bottom + (height - bottom) * share])
        _tuft(
            builder,
            rng,
            center,
            np.array([spread * width, spread * width, (height - bottom) * 0.17]),
            46,
            0.5,
        )


def _conifer(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a conifer."""
    height, spread = rng.uniform(6, 17), rng.uniform(0.14, 0.24)
    bottom = rng.uniform(0.04, 0.12) * height
    _trunk(builder, rng, 0.9 * height, rng.uniform(0.1, 0.25))
    for share in np.linspace(0.08, 0.94, 6):
        width = height * spread * (1.06 - share)
        center = np.array([0, 0, bottom + (height - bottom) * share])
        _tuft(
            builder,
            rng,
            center,
            np.array([width, width, 0.12 * (height - bottom)]),
            int(14 + 24 * (1 - share)),
            min(0.5, 0.3 + 0.4 * width),
        )


def _bare(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a tree without leaves: branches that fork three times, and cards of twigs."""
    height, radius = rng.uniform(6, 13), rng.uniform(0.1, 0.26)
    tips: list[np.ndarray] = []

    def branch(
        start: np.ndarray, direction: np.ndarray, length: float, thickness: float, depth: int
    ) -> None:
        """Add a branch and the branches that fork from it."""
        end = start + direction * length
        builder.tube(
            start, end, thickness, 0.65 * thickness, 6 if depth == 0 else 3, VEGETATION, BARK
        )
        if depth == 3:
            tips.append(end)
            return
        for _ in range(3 if depth == 0 else int(rng.integers(2, 4))):
            turned = normalize(direction + rng.normal(0, 0.45, 3) + (0, 0, 0.12))
            branch(end, turned, length * rng.uniform(0.55, 0.85), 0.6 * thickness, depth + 1)

    branch(np.array([0, 0, -0.2]), np.array([0, 0, 1.0]), 0.33 * height, radius, 0)
    ends = np.array(tips)
    center, reach = ends.mean(0), 1.6 * ends.std(0) + 0.3
    direction = normalize(rng.normal(size=(70, 3)))
    _cards(
        builder,
        rng,
        center + direction * rng.uniform(0.3, 1.0, (70, 1)) * reach,
        direction,
        0.09 * height,
        TWIGS,
    )


def _bush(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a bush."""
    radius = rng.uniform(0.4, 1.5)
    half_height = radius * rng.uniform(0.45, 0.9)
    radii = np.array([radius, radius * rng.uniform(0.6, 1.0), half_height])
    _tuft(
        builder,
        rng,
        np.array([0, 0, 0.85 * half_height]),
        radii,
        84,
        min(0.3, 0.12 + 0.15 * radius),
        core=0.8,
    )


def _hedge(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a segment of a hedge, two metres long, with cards on its sides and its top."""
    length, half_width, height = 2.0, rng.uniform(0.25, 0.5), rng.uniform(0.7, 2.2)
    builder.box((0, 0, 0), (length, 1.5 * half_width, 0.9 * height), 0, VEGETATION, CORE)
    count, half = 92, np.array([length / 2, half_width, height / 2])
    normal = np.zeros((count, 3))
    normal[np.arange(count), rng.choice(3, count, p=(0, 0.68, 0.32))] = 1
    # No cards lie below the hedge, and hardly any reach into the next segment.
    side = np.where(normal[:, 2:] > 0, 1, rng.choice([-1, 1], (count, 1)))
    spread = rng.uniform(-0.95, 0.95, (count, 3)) * (0.8, 1, 1)
    points = np.where(normal > 0, 0.9 * side, spread) * half + (0, 0, half[2])
    _cards(builder, rng, points, normal * side, 0.2, LEAVES)


_MAKERS = {
    "leafy": _leafy,
    "poplar": _poplar,
    "conifer": _conifer,
    "bare": _bare,
    "bush": _bush,
    "hedge": _hedge,
}
PLANT_KINDS = tuple(_MAKERS)


def plant(rng: np.random.Generator, kind: str) -> Shape:
    """Make a plant.

    A hedge is a segment along x, to be placed end to end. All other plants stand upright on the
    origin.

    Args:
        rng: Source of randomness.
        kind: One of PLANT_KINDS.

    Returns:
        A shape of mask class "vegetation" without a box, with the slots PLANT_SLOTS. Its size is
        that of the mesh above the ground.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in _MAKERS:
        raise ValueError(f"unknown plant {kind!r}, expected one of {', '.join(PLANT_KINDS)}")
    builder = MeshBuilder()
    _MAKERS[kind](builder, rng)
    return _standing(builder.build(), kind)
