"""Things that people carry, push or sit on."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people.figure import Figure, transformed
from bev_semseg_ros.sim.assets.people.pose import SIDES
from bev_semseg_ros.sim.assets.people_materials import BAG, FABRIC, METAL, SKIN, TYRE
from bev_semseg_ros.sim.assets.wheels import add_loft, add_wheel
from bev_semseg_ros.sim.classes import PEDESTRIAN


def add_rucksack(builder: MeshBuilder, figure: Figure, rng: np.random.Generator) -> None:
    """Add a rucksack to the back of a settled figure."""
    chest, u = figure.part("chest"), rng.uniform
    size = figure.size
    near = chest[np.abs(chest[:, 1]) < 0.12 * size]
    back, top = near[:, 0].min(), near[:, 2].max()
    height, depth, width = size * u(0.36, 0.58), size * u(0.05, 0.12), size * u(0.12, 0.18)
    x, z = back - 0.7 * depth, top - size * u(0.02, 0.1) - height
    local = MeshBuilder()
    sections = [
        (x, z, 0.8 * depth, 0.9 * width),
        (x - 0.02, z + 0.3 * height, 1.15 * depth, width),
        (x, z + 0.85 * height, 0.9 * depth, 0.95 * width),
        (x + 0.02, z + height, 0.5 * depth, 0.7 * width),
    ]
    add_loft(local, sections, figure.label, BAG, is_upright=True)
    builder.append(figure.attach(local.build(), "chest"))


def add_hand_bag(builder: MeshBuilder, figure: Figure, rng: np.random.Generator, side: str) -> None:
    """Add a bag that hangs from a hand of a settled figure."""
    u = rng.uniform
    x, y, z = figure.pose.joint(f"fingers_{side}")
    height = min(u(0.2, 0.45), z - 0.16)
    length, width = u(0.15, 0.42), u(0.06, 0.2)
    builder.box((x, y, z - 0.14 - height), (length, width, height), 0, figure.label, BAG)
    for end in (-0.3, 0.3):
        start = (x + end * length, y, z - 0.15)
        builder.tube(start, (x, y, z), 0.008, 0.008, 3, figure.label, BAG)


def add_shoulder_bag(
    builder: MeshBuilder, figure: Figure, rng: np.random.Generator, side: str
) -> None:
    """Add a bag at the hip of a settled figure, with a strap over the shoulder."""
    u, size, sign = rng.uniform, figure.size, SIDES[side]
    hips = figure.pose.hips
    bag = hips + size * np.array([u(-0.08, 0.04), sign * u(0.23, 0.27), u(-0.1, 0.12)])
    height, length = size * u(0.2, 0.3), size * u(0.22, 0.38)
    builder.box(
        bag - np.array([0, 0, height / 2]),
        (length, size * u(0.07, 0.14), height),
        0,
        figure.label,
        BAG,
    )
    shoulder = figure.pose.joint(f"upper_arm_{side}") + size * np.array([0, -0.03 * sign, 0.07])
    for x in (-0.09, 0.09):
        middle = shoulder + size * np.array([x, 0.04 * sign, -0.12])
        builder.tube(shoulder, middle, 0.015, 0.015, 4, figure.label, BAG)
        builder.tube(middle, bag + np.array([x, 0, height / 2]), 0.012, 0.012, 4, figure.label, BAG)


def add_suitcase(builder: MeshBuilder, figure: Figure, rng: np.random.Generator, side: str) -> None:
    """Add a suitcase on wheels that a hand of a settled figure pulls by its handle."""
    u = rng.uniform
    hand = figure.pose.joint(f"fingers_{side}")
    height, width, depth = u(0.48, 0.72), u(0.34, 0.48), u(0.2, 0.3)
    y = hand[1]
    foot = np.array([hand[0] - u(0.35, 0.6), y, 0.06])
    along = (hand - foot) / np.linalg.norm(hand - foot)
    local = MeshBuilder()
    add_loft(
        local,
        [
            (0.0, 0.0, 0.42 * depth, 0.46 * width),
            (0.0, 0.04, depth / 2, width / 2),
            (0.0, height - 0.04, depth / 2, width / 2),
            (0.0, height, 0.42 * depth, 0.46 * width),
        ],
        PEDESTRIAN,
        FABRIC,
        is_upright=True,
    )
    forward = np.array([along[2], 0, -along[0]])
    rotation = np.stack([forward, [0, 1.0, 0], along], 1)
    builder.append(transformed(local.build(), rotation, foot))
    for end in (-0.09, 0.09):
        start = foot + height * along + np.array([0, end, 0])
        builder.tube(start, hand + np.array([0, end, 0]), 0.008, 0.008, 3, PEDESTRIAN, METAL)
        wheel = foot + np.array([0, 2 * end, -0.02])
        builder.tube(wheel, wheel + np.array([0, 0.03, 0]), 0.04, 0.04, 6, PEDESTRIAN, TYRE)


def add_parcel(builder: MeshBuilder, figure: Figure, rng: np.random.Generator) -> None:
    """Add a box between both hands of a settled figure."""
    u = rng.uniform
    left, right = (figure.pose.joint(f"fingers_{side}") for side in SIDES)
    middle = (left + right) / 2
    width = max(abs(left[1] - right[1]) - 0.04, 0.15)
    depth, height = u(0.2, 0.4), u(0.15, 0.4)
    base = middle + np.array([depth / 4, 0, -0.06])
    builder.box(base, (depth, width, height), 0, figure.label, BAG)


def add_umbrella(builder: MeshBuilder, figure: Figure, rng: np.random.Generator, side: str) -> None:
    """Add an open umbrella in a hand of a settled figure."""
    u = rng.uniform
    hand = figure.pose.joint(f"fingers_{side}")
    radius = u(0.42, 0.6)
    crown = figure.vertices[:, 2].max()
    top = np.array([hand[0] * 0.6, hand[1] * 0.5, crown + u(0.12, 0.25)])
    builder.tube(hand - np.array([0, 0, 0.1]), top, 0.01, 0.01, 4, PEDESTRIAN, METAL)
    angle = np.linspace(0, 2 * np.pi, 9)
    rings = []
    for share, drop in ((1.0, 0.26), (0.6, 0.08), (0.02, 0.0)):
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1) * (share * radius)
        rings.append(top + ring - np.array([0, 0, drop * radius / 0.5]))
    builder.grid(np.stack(rings, 1), PEDESTRIAN, FABRIC)


def add_cane(builder: MeshBuilder, figure: Figure, side: str) -> None:
    """Add a walking stick in a hand of a settled figure."""
    hand = figure.pose.joint(f"fingers_{side}")
    foot = np.array([hand[0] + 0.08, hand[1], 0.01])
    builder.tube(foot, hand, 0.012, 0.012, 4, figure.label, METAL)


def add_pram(builder: MeshBuilder, rng: np.random.Generator, handle: np.ndarray) -> None:
    """Add a pram, or a pushchair in which a child may sit, in front of a handle (3,)."""
    u = rng.uniform
    x, _, z = handle
    is_pram, width = rng.random() < 0.45, u(0.46, 0.58)
    rear, front = x + u(0.15, 0.25), x + u(0.75, 0.9)
    radius = u(0.1, 0.16)
    for y in (-width / 2, width / 2):
        add_wheel(builder, rear, radius, 0.025, 0, PEDESTRIAN, y, sides=10)
        add_wheel(builder, front, 0.8 * radius, 0.025, 0, PEDESTRIAN, y, sides=10)
        builder.tube((x, y, z), (front, y, radius), 0.013, 0.013, 4, PEDESTRIAN, METAL)
        builder.tube((rear, y, radius), (x + 0.5, y, 0.55), 0.013, 0.013, 4, PEDESTRIAN, METAL)
    builder.tube((x, -width / 2, z), (x, width / 2, z), 0.017, 0.017, 4, PEDESTRIAN, METAL)
    middle = (rear + front) / 2
    if is_pram:
        bed = [(middle - 0.38, 0.68, 0.1, 0.4 * width), (middle, 0.66, 0.14, 0.45 * width)]
        add_loft(builder, [*bed, (middle + 0.38, 0.7, 0.1, 0.38 * width)], PEDESTRIAN, FABRIC)
    else:
        builder.box((middle + 0.05, 0, 0.42), (0.36, 0.75 * width, 0.1), 0, PEDESTRIAN, FABRIC)
        back = np.array([[middle - 0.14, 0, 0.45], [middle - 0.28, 0, 0.95]])
        across = np.array([0, 0.37 * width, 0])
        builder.grid(np.stack([back - across, back + across]), PEDESTRIAN, FABRIC, smooth=False)
        if rng.random() < 0.6:  # a child
            trunk = (middle - 0.05, 0, 0.5)
            builder.box(trunk, (0.2, 0.26, 0.3), 0, PEDESTRIAN, BAG)
            builder.box((middle + 0.15, 0, 0.48), (0.3, 0.2, 0.1), 0, PEDESTRIAN, BAG)
            neck = np.array([middle - 0.06, 0, 0.8])
            builder.tube(neck, neck + np.array([0, 0, 0.17]), 0.08, 0.06, 7, PEDESTRIAN, SKIN)
    angle = np.radians(np.linspace(0, u(90, 150), 6))
    hood = np.array([middle - 0.3, 0, 0.72 if is_pram else 0.9])
    arcs = []
    for y in (-0.44 * width, 0.44 * width):
        arc = np.stack([-0.3 * np.cos(angle) + 0.1, 0 * angle + y, 0.3 * np.sin(angle)], -1)
        arcs.append(hood + arc)
    builder.grid(np.stack(arcs[::-1]), PEDESTRIAN, FABRIC)


def add_walking_frame(builder: MeshBuilder, rng: np.random.Generator, grip: np.ndarray) -> None:
    """Add a walking frame on wheels; `grip` (3,) is its left handle."""
    x, half, z = grip
    for y in (-half, half):
        add_wheel(builder, x - 0.05, 0.09, 0.02, 0, PEDESTRIAN, y, sides=8)
        add_wheel(builder, x + 0.5, 0.09, 0.02, 0, PEDESTRIAN, y, sides=8)
        builder.tube((x - 0.05, y, 0.09), (x + 0.2, y, 0.6), 0.014, 0.014, 4, PEDESTRIAN, METAL)
        builder.tube((x + 0.5, y, 0.09), (x + 0.1, y, z), 0.014, 0.014, 4, PEDESTRIAN, METAL)
        builder.tube((x + 0.12, y, z), (x - 0.05, y, z), 0.018, 0.018, 4, PEDESTRIAN, TYRE)
    builder.box((x + 0.22, 0, 0.56), (0.3, 2 * half, 0.05), 0, PEDESTRIAN, BAG)
    if rng.random() < 0.6:
        builder.box((x + 0.3, 0, 0.36), (0.22, 1.6 * half, 0.22), 0, PEDESTRIAN, FABRIC)


def add_wheelchair(
    builder: MeshBuilder, rng: np.random.Generator, seat: np.ndarray, width: float
) -> None:
    """Add a wheelchair; `seat` (3,) is the centre of the seat's rear edge, `width` its width."""
    x, _, z = seat
    half = width / 2
    radius = rng.uniform(0.28, 0.32)
    for y in (-half - 0.05, half + 0.05):
        add_wheel(builder, x + 0.05, radius, 0.02, 7, PEDESTRIAN, y)
        add_wheel(builder, x + 0.5, 0.09, 0.02, 0, PEDESTRIAN, 0.8 * y, sides=8)
        handle = (x - 0.12, 0.9 * y, z + 0.5)
        builder.tube((x, 0.9 * y, z - 0.1), handle, 0.014, 0.014, 4, PEDESTRIAN, METAL)
        rest = (x + 0.62, 0.6 * y, 0.12)
        builder.tube((x + 0.42, 0.9 * y, z), rest, 0.012, 0.012, 4, PEDESTRIAN, METAL)
        builder.box((x + 0.18, 0.95 * y, z + 0.16), (0.34, 0.05, 0.04), 0, PEDESTRIAN, TYRE)
    builder.box((x + 0.2, 0, z - 0.05), (0.42, width, 0.05), 0, PEDESTRIAN, FABRIC)
    builder.box((x - 0.06, 0, z), (0.04, width, 0.42), 0, PEDESTRIAN, FABRIC)
    builder.box((x + 0.66, 0, 0.09), (0.16, 0.7 * width, 0.02), 0, PEDESTRIAN, TYRE)


def add_seat(builder: MeshBuilder, rng: np.random.Generator, place: np.ndarray) -> None:
    """Add a block, a stool or a chair; `place` (3,) is the centre of the seat's upper face."""
    x, y, z = place
    kind = rng.random()
    size = (0.4, 0.42, z) if kind < 0.3 else (0.42, 0.44, 0.05)
    builder.box((x, y, z - size[2]), size, 0, PEDESTRIAN, FABRIC)
    if kind < 0.3:
        return
    for dx in (-0.18, 0.18):
        for dy in (-0.19, 0.19):
            leg = np.array([x + dx, y + dy, 0])
            builder.tube(leg, leg + np.array([0, 0, z]), 0.015, 0.015, 4, PEDESTRIAN, METAL)
    if kind < 0.8:
        builder.box((x - 0.22, y, z + 0.1), (0.03, 0.42, 0.3), 0, PEDESTRIAN, FABRIC)
