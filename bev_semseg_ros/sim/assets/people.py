"""Pedestrians, and riders on bicycles and motorcycles."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder, Point
from bev_semseg_ros.sim.assets.people_materials import BAG, HAIR, JACKET, SHOES, SKIN, TROUSERS
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.two_wheelers import TWO_WHEELER, add_bicycle, add_motorcycle
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

PEDESTRIAN_KINDS = ("walking", "standing", "child", "sitting")
CYCLIST_KINDS = ("cyclist", "motorcyclist")

PEDESTRIAN = MASK_LABEL["pedestrian"]

# Bounds of a factor on the radii of bodies and limbs. Clothes make them bulky: without it,
# simulated pedestrians have half as many lidar points as real ones.
BULK = (1.1, 1.45)


class _Figure:
    """A person under construction.

    All lengths are those of a body of 1.75 m; they are scaled to `height`. Points are x (forward),
    y (left), z (up).
    """

    def __init__(self, builder: MeshBuilder, height: float, bulk: float, label: int) -> None:
        """Start a figure.

        Args:
            builder: Receives the triangles.
            height: Metres.
            bulk: Factor on the radii of body and limbs.
            label: Class of the surface.
        """
        self.builder = builder
        self.scale = height / 1.75
        self.bulk = bulk
        self.label = label

    def limb(
        self, start: Point, end: Point, start_radius: float, end_radius: float, material: int
    ) -> None:
        """Add a tube from `start` to `end`."""
        bulk = self.scale * self.bulk
        first, last = np.multiply(start, self.scale), np.multiply(end, self.scale)
        self.builder.tube(
            first, last, start_radius * bulk, end_radius * bulk, 6, self.label, material
        )

    def solid(
        self, rings: list[tuple[float, float, float, float]], material: int, bulk: bool = True
    ) -> None:
        """Add a closed body of elliptic rings.

        Args:
            rings: For each ring, from below: x and z of its centre, half its depth, half its width.
            material: Slot.
            bulk: Whether clothes make the body bulky.
        """
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

    def box(self, base: Point, size: tuple[float, float, float], material: int) -> None:
        """Add an upright cuboid; `base` is the middle of its lower face."""
        length, width, height = np.multiply(size, self.scale)
        self.builder.box(
            np.multiply(base, self.scale), (length, width, height), 0, self.label, material
        )

    def leg(self, hip: Point, knee: Point, foot: Point) -> None:
        """Add a leg; `foot` is the ankle, from which the shoe points forward."""
        self.limb(hip, knee, 0.095, 0.07, TROUSERS)
        self.limb(knee, foot, 0.068, 0.05, TROUSERS)
        self.box((foot[0] + 0.06, foot[1], foot[2] - 0.08), (0.28, 0.11, 0.1), SHOES)

    def arm(self, shoulder: Point, elbow: Point, hand: Point, sleeve: int) -> None:
        """Add an arm with a hand; `sleeve` is the slot of the forearm."""
        self.limb(shoulder, elbow, 0.062, 0.05, JACKET)
        self.limb(elbow, hand, 0.05, 0.038, sleeve)
        along = np.subtract(hand, elbow) / np.linalg.norm(np.subtract(hand, elbow))
        self.limb(hand, np.add(hand, 0.1 * along), 0.04, 0.025, SKIN)

    def trunk(self, hip: tuple[float, float], shoulder: tuple[float, float], coat: float) -> None:
        """Add a trunk.

        Args:
            hip: x and z.
            shoulder: x and z.
            coat: Metres that the jacket hangs below the hip.
        """
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
        """Add neck, face and hair or a helmet; x and z are those of the shoulders."""
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
    """Make a pedestrian.

    Args:
        rng: Source of randomness.
        kind: One of PEDESTRIAN_KINDS.

    Returns:
        A shape of mask and box class "pedestrian" with the slots PEOPLE_SLOTS.

    Raises:
        ValueError: If the kind is unknown.
    """
    _check(kind, PEDESTRIAN_KINDS)
    builder = MeshBuilder()
    if kind == "child":
        height = rng.uniform(1.05, 1.5)
    else:
        height = float(np.clip(rng.normal(1.74, 0.1), 1.5, 2.0))
    figure = _Figure(builder, height, rng.uniform(*BULK), PEDESTRIAN)
    sleeve = JACKET if rng.random() < 0.75 else SKIN
    if kind == "sitting":
        _sit(figure, rng, sleeve)
    else:
        _stand(figure, rng, sleeve, kind)
    return centered(builder.build(), BOX_LABEL["pedestrian"], kind)


def _sit(figure: _Figure, rng: np.random.Generator, sleeve: int) -> None:
    """Add a sitting person and the seat."""
    for side in (-1, 1):
        foot = (rng.uniform(0.4, 0.6), side * 0.13, 0.08)
        figure.leg((0, side * 0.1, 0.5), (0.45, side * 0.14, 0.52), foot)
        shoulder, elbow = (0.0, side * 0.23, 0.98), (0.08, side * 0.28, 0.74)
        figure.arm(shoulder, elbow, (0.32, side * 0.18, 0.62), sleeve)
    figure.trunk((0, 0.48), (0.02, 1.02), 0.05)
    figure.head(0.03, 1.02)
    figure.box((-0.05, 0, 0), (0.4, 0.42, 0.4), BAG)


def _stand(figure: _Figure, rng: np.random.Generator, sleeve: int, kind: str) -> None:
    """Add a person who stands or walks, some with luggage."""
    is_standing = kind == "standing"
    stride = 0.0 if is_standing else rng.uniform(0.12, 0.42)
    for side in (-1, 1):
        swing = side * stride
        spread = 0.09 + (0.05 * rng.random() if is_standing else 0.0)
        ankle_x = swing - (0.05 if swing < 0 else 0)
        ankle_z = 0.08 + (0.05 if swing < -0.15 else 0)
        knee = (swing * 0.55 + 0.04, side * spread, 0.49)
        figure.leg((0, side * 0.09, 0.92), knee, (ankle_x, side * spread, ankle_z))
        back = -0.8 * swing
        shoulder, elbow = (0.01, side * 0.22, 1.39), (0.5 * back - 0.02, side * 0.26, 1.12)
        figure.arm(shoulder, elbow, (0.9 * back + 0.1, side * 0.25, 0.9), sleeve)
    figure.trunk((0, 0.92), (0.02, 1.42), rng.choice([0.06, 0.15, 0.4], p=[0.5, 0.35, 0.15]))
    figure.head(0.03, 1.41)
    luggage = rng.random()
    if luggage < 0.3:  # a rucksack
        figure.box((-0.25, 0, 1.02), (0.2, 0.32, 0.42), BAG)
    elif luggage < 0.55:  # a bag in one hand
        y = rng.choice([-1, 1]) * 0.36
        figure.box((0.05, y, 0.5), (0.35, 0.13, 0.34), BAG)


def cyclist(rng: np.random.Generator, kind: str) -> Shape:
    """Make a two-wheeler with a rider.

    Args:
        rng: Source of randomness.
        kind: One of CYCLIST_KINDS.

    Returns:
        A shape of box class "cyclist" with the slots PEOPLE_SLOTS. The mask class of rider and
        vehicle is "two_wheeler".

    Raises:
        ValueError: If the kind is unknown.
    """
    _check(kind, CYCLIST_KINDS)
    builder = MeshBuilder()
    is_motorcycle = kind == "motorcyclist"
    if is_motorcycle:
        add_motorcycle(builder, rng)
    else:
        add_bicycle(builder, rng)
    height = float(np.clip(rng.normal(1.74, 0.08), 1.55, 1.95))
    figure = _Figure(builder, height, rng.uniform(*BULK), TWO_WHEELER)
    size = figure.scale
    # Places on the vehicle are divided by the scale of the figure, which multiplies them again.
    seat = (-0.2 / size, (0.82 if is_motorcycle else 0.95) / size)
    lean = rng.uniform(0.08, 0.3)
    shoulder = (seat[0] + lean, seat[1] + np.sqrt(0.54**2 - lean**2))
    grip = np.array([0.32, 0.24, 1.0] if is_motorcycle else [0.34, 0.24, 1.05]) / size
    phase = rng.uniform(0, 2 * np.pi)
    for side in (-1, 1):
        turn = phase + (np.pi if side > 0 else 0.0)
        if is_motorcycle:
            foot = [0.05, 0.2, 0.38]
        else:
            foot = [-0.05 + 0.16 * np.cos(turn), 0.12, 0.33 + 0.16 * np.sin(turn)]
        pedal = np.array(foot) / size * (1, side, 1)
        hip = np.array([seat[0], side * 0.1, seat[1] + 0.02])
        figure.leg(hip, _joint(hip, pedal, 0.45, 0.46, np.array([1, 0, 0.5])), pedal)
        hand = grip * (1, side, 1)
        start = np.array([shoulder[0], side * 0.2, shoulder[1] - 0.04])
        elbow = _joint(start, hand, 0.31, 0.3, np.array([0, 0.2 * side, -1]))
        figure.arm(start, elbow, hand, JACKET)
    figure.trunk(seat, shoulder, 0.05)
    has_helmet = is_motorcycle or rng.random() < 0.5
    figure.head(shoulder[0] + 0.06, shoulder[1] - 0.02, helmet=has_helmet)
    has_rucksack = rng.random() < 0.3
    if has_rucksack:
        figure.box((seat[0] + 0.5 * lean - 0.22, 0, seat[1] + 0.12), (0.2, 0.32, 0.42), BAG)
    return centered(builder.build(), BOX_LABEL["cyclist"], kind)


def _check(kind: str, kinds: tuple[str, ...]) -> None:
    """Raise ValueError if the kind is not one of `kinds`."""
    if kind not in kinds:
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(kinds)}")


def _joint(
    start: np.ndarray, end: np.ndarray, first: float, second: float, bend: np.ndarray
) -> np.ndarray:
    """Return the place (3,) of a knee or an elbow.

    Args:
        start: (3,) hip or shoulder.
        end: (3,) ankle or hand.
        first: Length of the upper bone.
        second: Length of the lower bone.
        bend: (3,) direction to which the joint bends.
    """
    along = end - start
    distance = float(np.linalg.norm(along))
    along = along / distance
    across = bend - bend @ along * along
    share = (distance**2 + first**2 - second**2) / (2 * distance)
    height = np.sqrt(max(first**2 - share**2, 0))
    return start + share * along + height * across / np.linalg.norm(across)
