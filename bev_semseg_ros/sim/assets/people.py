"""People on foot, people on two wheels, and two-wheelers without anybody."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.surfaces import grey, hsv, log_uniform
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

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
PEDESTRIAN_KINDS = ("walking", "standing", "child", "sitting")
CYCLIST_KINDS = ("cyclist", "motorcyclist")
PARKED_KINDS = ("bicycle", "motorcycle")

PEDESTRIAN = MASK_LABEL["pedestrian"]
TWO_WHEELER = MASK_LABEL["two_wheeler"]

# Clothed bodies are bulky: with the bare radii below simulated pedestrians carry half of the lidar points of real ones.
BULK = (1.1, 1.45)


def people_materials(rng: np.random.Generator, table: MaterialTable) -> np.ndarray:
    """(len(PEOPLE_SLOTS),) int32: the material row of each slot, for a person in random clothes or a two-wheeler."""
    uniform = rng.uniform

    def color(
        hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
    ) -> np.ndarray:
        return hsv(uniform(*hue), uniform(*saturation), uniform(*value))

    def clothes() -> np.ndarray:
        return hsv(rng.random(), uniform(0, 0.9) * rng.random(), log_uniform(rng, 0.015, 0.8))

    dark_trousers = rng.random() < 0.6
    rows = {
        "trousers": table.add(
            "cloth",
            color((0.55, 0.7), (0, 0.6), (0.02, 0.2)) if dark_trousers else clothes(),
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


class _Figure:
    """A person under construction; lengths are those of a body of 1.75 m and are scaled to `height`."""

    def __init__(self, builder: MeshBuilder, height: float, bulk: float, label: int) -> None:
        self.builder, self.scale, self.bulk, self.label = builder, height / 1.75, bulk, label

    def limb(self, start, end, start_radius: float, end_radius: float, material: int) -> None:
        bulk = self.scale * self.bulk
        self.builder.tube(
            np.multiply(start, self.scale),
            np.multiply(end, self.scale),
            start_radius * bulk,
            end_radius * bulk,
            6,
            self.label,
            material,
        )

    def solid(
        self, rings: list[tuple[float, float, float, float]], material: int, bulk: bool = True
    ) -> None:
        """A closed body of elliptic rings from below: x, z of the centre, half depth, half width."""
        angle = np.linspace(0, 2 * np.pi, 9)
        x, z, depth, width = (np.array(rings) * self.scale).T[:, None]
        factor = self.bulk if bulk else 1.0
        points = np.stack(
            [
                x + factor * depth * np.cos(angle)[:, None],
                factor * width * np.sin(angle)[:, None],
                z + 0 * angle[:, None],
            ],
            -1,
        )
        self.builder.grid(points, self.label, material)

    def box(self, base, size, material: int) -> None:
        self.builder.box(
            np.multiply(base, self.scale),
            tuple(np.multiply(size, self.scale)),
            0,
            self.label,
            material,
        )

    def leg(self, hip, knee, foot) -> None:
        """`foot`: the ankle; the shoe points forward from it."""
        self.limb(hip, knee, 0.095, 0.07, TROUSERS)
        self.limb(knee, foot, 0.068, 0.05, TROUSERS)
        self.box((foot[0] + 0.06, foot[1], foot[2] - 0.08), (0.28, 0.11, 0.1), SHOES)

    def arm(self, shoulder, elbow, hand, sleeve: int) -> None:
        self.limb(shoulder, elbow, 0.062, 0.05, JACKET)
        self.limb(elbow, hand, 0.05, 0.038, sleeve)
        along = np.subtract(hand, elbow) / np.linalg.norm(np.subtract(hand, elbow))
        self.limb(hand, hand + 0.1 * along, 0.04, 0.025, SKIN)

    def trunk(self, hip: tuple[float, float], shoulder: tuple[float, float], coat: float) -> None:
        """From hip (x, z) to shoulder (x, z); coat: how far (m) the jacket hangs below the hip."""
        (hip_x, hip_z), (x, z) = hip, shoulder
        self.solid(
            [
                (hip_x, hip_z - coat, 0.01, 0.02),
                (hip_x, hip_z - coat, 0.13, 0.18),
                (hip_x, hip_z + 0.08, 0.12, 0.165),
                ((hip_x + x) / 2, (hip_z + z) / 2, 0.12, 0.165),
                (x, z - 0.12, 0.13, 0.195),
                (x, z, 0.09, 0.17),
                (x, z + 0.08, 0.045, 0.06),
            ],
            JACKET,
        )

    def head(self, x: float, z: float, helmet: bool = False) -> None:
        """Neck, face and hair; (x, z): between the shoulders."""
        self.limb((x, 0, z + 0.05), (x + 0.01, 0, z + 0.15), 0.05, 0.05, SKIN)
        self.solid(
            [
                (x + 0.03, z + 0.1, 0.05, 0.05),
                (x + 0.03, z + 0.16, 0.095, 0.075),
                (x + 0.03, z + 0.25, 0.1, 0.08),
            ],
            SKIN,
            bulk=False,
        )
        width = 0.13 if helmet else 0.095
        self.solid(
            [
                (x + 0.01, z + 0.18, 0.08, width - 0.02),
                (x + 0.01, z + 0.25, 0.11, width),
                (x + 0.015, z + 0.31, 0.085, 0.8 * width),
                (x + 0.015, z + 0.34, 0.01, 0.01),
            ],
            HAIR,
            bulk=False,
        )


def pedestrian(rng: np.random.Generator, kind: str) -> Shape:
    """A person of PEDESTRIAN_KINDS; segmentation and detection class pedestrian, slots PEOPLE_SLOTS."""
    _check(kind, PEDESTRIAN_KINDS)
    builder = MeshBuilder()
    height = (
        rng.uniform(1.05, 1.5)
        if kind == "child"
        else float(np.clip(rng.normal(1.74, 0.1), 1.5, 2.0))
    )
    figure = _Figure(builder, height, rng.uniform(*BULK), PEDESTRIAN)
    sleeve = JACKET if rng.random() < 0.75 else SKIN
    if kind == "sitting":
        for side in (-1, 1):
            foot = (rng.uniform(0.4, 0.6), side * 0.13, 0.08)
            figure.leg((0, side * 0.1, 0.5), (0.45, side * 0.14, 0.52), foot)
            figure.arm(
                (0.0, side * 0.23, 0.98),
                (0.08, side * 0.28, 0.74),
                (0.32, side * 0.18, 0.62),
                sleeve,
            )
        figure.trunk((0, 0.48), (0.02, 1.02), 0.05)
        figure.head(0.03, 1.02)
        figure.box((-0.05, 0, 0), (0.4, 0.42, 0.4), BAG)  # what it sits on
        return centered(builder.build(), BOX_LABEL["pedestrian"], kind)
    stride = 0.0 if kind == "standing" else rng.uniform(0.12, 0.42)
    for side in (-1, 1):
        swing = side * stride
        spread = 0.09 + (0.05 * rng.random() if kind == "standing" else 0.0)
        figure.leg(
            (0, side * 0.09, 0.92),
            (swing * 0.55 + 0.04, side * spread, 0.49),
            (
                swing - (0.05 if swing < 0 else 0),
                side * spread,
                0.08 + (0.05 if swing < -0.15 else 0),
            ),
        )
        back = -0.8 * swing
        figure.arm(
            (0.01, side * 0.22, 1.39),
            (0.5 * back - 0.02, side * 0.26, 1.12),
            (0.9 * back + 0.1, side * 0.25, 0.9),
            sleeve,
        )
    figure.trunk((0, 0.92), (0.02, 1.42), rng.choice([0.06, 0.15, 0.4], p=[0.5, 0.35, 0.15]))
    figure.head(0.03, 1.41)
    luggage = rng.random()
    if luggage < 0.3:
        figure.box((-0.25, 0, 1.02), (0.2, 0.32, 0.42), BAG)  # rucksack
    elif luggage < 0.55:
        figure.box(
            (0.05, rng.choice([-1, 1]) * 0.36, 0.5), (0.35, 0.13, 0.34), BAG
        )  # carried in one hand
    return centered(builder.build(), BOX_LABEL["pedestrian"], kind)


def cyclist(rng: np.random.Generator, kind: str) -> Shape:
    """A ridden two-wheeler of CYCLIST_KINDS; segmentation two_wheeler (rider too), detection class cyclist."""
    _check(kind, CYCLIST_KINDS)
    builder = MeshBuilder()
    motor = kind == "motorcyclist"
    (_motorcycle if motor else _bicycle)(builder, rng)
    figure = _Figure(
        builder, float(np.clip(rng.normal(1.74, 0.08), 1.55, 1.95)), rng.uniform(*BULK), TWO_WHEELER
    )
    size = figure.scale
    seat = (-0.2 / size, (0.82 if motor else 0.95) / size)
    lean = rng.uniform(0.08, 0.3)
    shoulder = (seat[0] + lean, seat[1] + np.sqrt(0.54**2 - lean**2))
    grip = np.array([0.32 if motor else 0.34, 0.24, 1.0 if motor else 1.05]) / size
    phase = rng.uniform(0, 2 * np.pi)
    for side in (-1, 1):
        turn = phase + np.pi * (side > 0)
        pedal = (
            np.array(
                [0.05, 0.2, 0.38]
                if motor
                else [-0.05 + 0.16 * np.cos(turn), 0.12, 0.33 + 0.16 * np.sin(turn)]
            )
            / size
            * (1, side, 1)
        )
        hip = np.array([seat[0], side * 0.1, seat[1] + 0.02])
        figure.leg(hip, _joint(hip, pedal, 0.45, 0.46, np.array([1, 0, 0.5])), pedal)
        hand, start = grip * (1, side, 1), np.array([shoulder[0], side * 0.2, shoulder[1] - 0.04])
        figure.arm(
            start, _joint(start, hand, 0.31, 0.3, np.array([0, 0.2 * side, -1])), hand, JACKET
        )
    figure.trunk(seat, shoulder, 0.05)
    figure.head(shoulder[0] + 0.06, shoulder[1] - 0.02, helmet=motor or rng.random() < 0.5)
    if rng.random() < 0.3:
        figure.box((seat[0] + 0.5 * lean - 0.22, 0, seat[1] + 0.12), (0.2, 0.32, 0.42), BAG)
    return centered(builder.build(), BOX_LABEL["cyclist"], kind)


def parked_two_wheeler(rng: np.random.Generator, kind: str) -> Shape:
    """A two-wheeler of PARKED_KINDS without rider: segmentation two_wheeler, no box."""
    _check(kind, PARKED_KINDS)
    builder = MeshBuilder()
    (_motorcycle if kind == "motorcycle" else _bicycle)(builder, rng)
    return centered(builder.build(), None, kind)


def _check(kind: str, kinds: tuple[str, ...]) -> None:
    if kind not in kinds:
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(kinds)}")


def _joint(
    start: np.ndarray, end: np.ndarray, first: float, second: float, bend: np.ndarray
) -> np.ndarray:
    """Knee or elbow between two points, for bones of two lengths, bent to the side of `bend`."""
    along = end - start
    distance = np.linalg.norm(along)
    along = along / distance
    across = bend - bend @ along * along
    share = (distance**2 + first**2 - second**2) / (2 * distance)
    return (
        start
        + share * along
        + np.sqrt(max(first**2 - share**2, 0)) * across / np.linalg.norm(across)
    )


def _wheel(builder: MeshBuilder, x: float, radius: float, thickness: float, spokes: int) -> None:
    """A tyre as a ring of short tubes, with a hub and spokes."""
    angle = np.linspace(0, 2 * np.pi, 15)
    inner = radius - thickness
    ring = np.stack([x + inner * np.cos(angle), 0 * angle, radius + inner * np.sin(angle)], -1)
    for start, end in pairwise(ring):
        builder.tube(start, end, thickness, thickness, 4, TWO_WHEELER, TYRE)
    hub = np.array([x, 0, radius])
    for spoke in ring[: -1 : max(1, 14 // spokes)]:
        builder.tube(hub, spoke, 0.006, 0.006, 3, TWO_WHEELER, METAL)


def _bicycle(builder: MeshBuilder, rng: np.random.Generator) -> None:
    radius, half_base = rng.uniform(0.32, 0.35), rng.uniform(0.5, 0.56)
    for x in (-half_base, half_base):
        _wheel(builder, x, radius, 0.022, spokes=7)
    crank, saddle, head, seat_post = (
        (-0.05, 0, 0.3),
        (-0.22, 0, 0.92),
        (half_base - 0.14, 0, 0.85),
        (-0.18, 0, 0.75),
    )
    rear, front = (-half_base, 0, radius), (half_base, 0, radius)
    low_step = rng.random() < 0.4  # without a top tube at the height of the saddle
    tubes = [
        (crank, saddle),
        (crank, head),
        ((-0.1, 0, 0.5) if low_step else (-0.17, 0, 0.8), head),
        (rear, crank),
        (rear, seat_post),
        (front, head),
        (head, (half_base - 0.17, 0, 1.03)),
    ]
    for start, end in tubes:
        builder.tube(start, end, 0.022, 0.022, 5, TWO_WHEELER, FRAME)
    bar = half_base - 0.17
    builder.tube((bar, -0.28, 1.04), (bar, 0.28, 1.04), 0.016, 0.016, 4, TWO_WHEELER, METAL)
    builder.box((-0.22, 0, 0.9), (0.26, 0.15, 0.06), 0, TWO_WHEELER, METAL)
    if rng.random() < 0.4:
        builder.box((-0.5, 0, 0.72), (0.35, 0.28, 0.22), 0, TWO_WHEELER, BAG)  # on the carrier
    if rng.random() < 0.25:
        builder.box((half_base + 0.05, 0, 0.82), (0.28, 0.36, 0.22), 0, TWO_WHEELER, BAG)  # basket
    builder.box((half_base - 0.08, 0, 0.86), (0.04, 0.06, 0.06), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.05, 0, 0.7), (0.03, 0.06, 0.06), 0, TWO_WHEELER, REAR_LAMP)


def _motorcycle(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """A motorcycle, or in four of ten cases a scooter."""
    scooter = rng.random() < 0.4
    radius, half_base = (0.23, 0.62) if scooter else (0.31, 0.7)
    for x in (-half_base, half_base):
        _wheel(builder, x, radius, 0.055, spokes=5)
    bar = (half_base - 0.3, 0, 1.0)
    for y in (-0.07, 0.07):
        builder.tube((half_base, y, radius), (bar[0], y, 0.9), 0.025, 0.025, 5, TWO_WHEELER, METAL)
    builder.tube((bar[0], -0.34, 1.0), (bar[0], 0.34, 1.0), 0.02, 0.02, 5, TWO_WHEELER, METAL)
    if scooter:
        builder.box((-0.3, 0, 0.3), (0.8, 0.32, 0.42), 0, TWO_WHEELER, FRAME)
        builder.box((0.1, 0, 0.22), (0.6, 0.34, 0.08), 0, TWO_WHEELER, FRAME)
        builder.box((half_base - 0.27, 0, 0.25), (0.08, 0.38, 0.65), 0, TWO_WHEELER, FRAME)
    else:
        builder.box((0.02, 0, 0.22), (0.5, 0.3, 0.4), 0, TWO_WHEELER, METAL)  # engine
        builder.box((0.1, 0, 0.6), (0.5, 0.3, 0.25), 0, TWO_WHEELER, FRAME)  # tank
        builder.box((-0.55, 0, 0.6), (0.5, 0.22, 0.14), 0, TWO_WHEELER, FRAME)
        builder.tube((-0.1, -0.17, 0.3), (-0.8, -0.2, 0.4), 0.05, 0.06, 6, TWO_WHEELER, METAL)
    builder.box((-0.3, 0, 0.74), (0.7, 0.28, 0.08), 0, TWO_WHEELER, BAG)  # seat
    builder.box((bar[0] + 0.1, 0, 0.8), (0.12, 0.2, 0.18), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.12, 0, 0.62), (0.05, 0.16, 0.08), 0, TWO_WHEELER, REAR_LAMP)
    if rng.random() < 0.35:
        builder.box((-0.72, 0, 0.8), (0.36, 0.4, 0.32), 0, TWO_WHEELER, FRAME)  # top case
