"""Pedestrians: people on foot or sitting, with the things that they push or carry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people import belongings
from bev_semseg_ros.sim.assets.people.bodies import STANDARD_HEIGHT, body_pool
from bev_semseg_ros.sim.assets.people.clothes import draw_outfit
from bev_semseg_ros.sim.assets.people.figure import Figure
from bev_semseg_ros.sim.assets.people.pose import SIDES, Pose
from bev_semseg_ros.sim.assets.people.poses import (
    hang,
    pose_arms,
    pose_running,
    pose_sitting,
    pose_standing,
    pose_walking,
)
from bev_semseg_ros.sim.assets.shape import Shape, centered, reaching
from bev_semseg_ros.sim.assets.two_wheelers import BICYCLE_KINDS, add_two_wheeler
from bev_semseg_ros.sim.classes import BOX_LABEL, PEDESTRIAN

_GROWN = ("teenager", "adult", "old")


class _Scene:
    """A person under construction, with the triangles inside and outside the box.

    Attributes:
        rng: Source of randomness.
        figure: The person.
        body: Triangles inside the box.
        outside: Triangles that move with the person but are not part of the box.
    """

    def __init__(self, rng: np.random.Generator, ages: tuple[str, ...], may_skirt: bool) -> None:
        """Draw a body of the given ages, and clothes for it."""
        pool = body_pool()
        body = pool.draw(rng, ages)
        self.rng = rng
        self.figure = Figure(pool, body, draw_outfit(rng, body, may_skirt=may_skirt), PEDESTRIAN)
        self.body = MeshBuilder()
        self.outside = MeshBuilder()

    @property
    def pose(self) -> Pose:
        """The pose of the figure."""
        return self.figure.pose

    def any_side(self) -> str:
        """Draw "left" or "right"."""
        return str(self.rng.choice(list(SIDES)))

    def finish(self, ground: float = 0.0) -> None:
        """Put the lowest vertex at the height `ground` in metres, and add the triangles."""
        self.figure.settle(ground)
        self.figure.add_to(self.body)

    def seat_vertices(self) -> np.ndarray:
        """Return the vertices (K, 3) of a settled person that touch the seat."""
        lower = self.figure.posed_part("pelvis", "thigh_left", "thigh_right")
        return lower[np.abs(lower[:, 0] - self.pose.hips[0]) < 0.15]


def _walk(scene: _Scene) -> None:
    """Set a walking pose with a random stride."""
    pose_walking(scene.pose, scene.rng, scene.rng.uniform(0.7, 1.3))


def _walking(scene: _Scene) -> None:
    """Make a person who walks, some with a bag, a telephone or a cane."""
    rng = scene.rng
    _walk(scene)
    side = scene.any_side()
    load = rng.random()
    if load < 0.15:
        hang(scene.pose, side)
    elif load > 0.85:
        pose_arms(scene.pose, rng, str(rng.choice(["phone", "telephone", "pockets"])))
    scene.finish()
    has_cane = load <= 0.85 and scene.pose.body.age == "old" and rng.random() < 0.15
    has_bag = _add_bag(scene, side, load, (0.15, 0.35, 0.5))
    if has_cane and not has_bag:
        belongings.add_cane(scene.body, scene.figure, side)


def _add_bag(scene: _Scene, side: str, load: float, limits: tuple[float, float, float]) -> bool:
    """Add a bag or none; return whether there is one.

    Args:
        scene: The person, already settled.
        side: Side of the hand or shoulder that carries the bag.
        load: Random number from 0 to 1 that selects the bag.
        limits: Upper limits of `load` for a hand bag, a rucksack and a shoulder bag.
    """
    in_hand, on_back, at_shoulder = limits
    if load < in_hand:
        belongings.add_hand_bag(scene.body, scene.figure, scene.rng, side)
    elif load < on_back:
        belongings.add_rucksack(scene.body, scene.figure, scene.rng)
    elif load < at_shoulder:
        belongings.add_shoulder_bag(scene.body, scene.figure, scene.rng, side)
    return load < at_shoulder


def _running(scene: _Scene) -> None:
    """Make a running person."""
    pose_running(scene.pose, scene.rng)
    scene.finish()


def _child(scene: _Scene) -> None:
    """Make a child who walks or runs, some with a satchel."""
    rng = scene.rng
    if rng.random() < 0.2:
        pose_running(scene.pose, rng)
    else:
        _walk(scene)
    scene.finish()
    if rng.random() < 0.35:
        belongings.add_rucksack(scene.body, scene.figure, rng)


def _standing(scene: _Scene) -> None:
    """Make a standing person, some with a bag."""
    rng = scene.rng
    pose_standing(scene.pose, rng)
    side = scene.any_side()
    load = rng.random()
    if load < 0.12:
        hang(scene.pose, side)
    scene.finish()
    _add_bag(scene, side, load, (0.12, 0.25, 0.35))


def _seated(scene: _Scene) -> None:
    """Make a person who sits on something that is not part of the shape."""
    pose_sitting(scene.pose, scene.rng)
    scene.finish()


def _sitting(scene: _Scene) -> None:
    """Make a person who sits on a chair, a stool or a block."""
    _seated(scene)
    height = scene.seat_vertices()[:, 2].min() + 0.01
    place = np.array([scene.pose.hips[0] + 0.06, 0, height])
    belongings.add_seat(scene.body, scene.rng, place)


def _leading_child(scene: _Scene) -> None:
    """Make a person who walks and holds out the right hand to a child, 0.6 m to the right."""
    _walk(scene)
    shoulder = scene.pose.joint("upper_arm_right")
    scene.pose.hold(
        "right", shoulder + scene.figure.size * np.array([0.1, -0.16, -0.5]), np.array([-1, -1, 0])
    )
    scene.finish()


def _led_child(scene: _Scene) -> None:
    """Make a child who walks, the left hand raised to that of a person 0.6 m to the left."""
    _walk(scene)
    shoulder = scene.pose.joint("upper_arm_left")
    scene.pose.hold(
        "left", shoulder + scene.figure.size * np.array([0.12, 0.3, 0.02]), np.array([0, 1, -1])
    )
    scene.finish()


def _pushing(scene: _Scene, x: float, half_width: float, z: float) -> np.ndarray:
    """Make a person who walks with both hands on a handle; return the handle's centre (3,)."""
    size = scene.figure.size
    _walk(scene)
    scene.pose.trunk(scene.rng.uniform(0.03, 0.15), 0.05, look=(0.15, 0.0))
    scene.figure.settle()
    place = np.array([x * size, 0, z * size])
    for side, sign in SIDES.items():
        target = place + np.array([0, half_width * sign, 0])
        scene.pose.hold(side, target, np.array([-0.6, 0.5 * sign, -1]))
    scene.finish()
    return place


def _pram(scene: _Scene) -> None:
    """Make a person who pushes a pram or a pushchair."""
    u = scene.rng.uniform
    handle = _pushing(scene, u(0.4, 0.5), u(0.12, 0.2), u(0.58, 0.63) * STANDARD_HEIGHT)
    belongings.add_pram(scene.outside, scene.rng, handle)


def _walking_frame(scene: _Scene) -> None:
    """Make a person who walks with a walking frame."""
    u = scene.rng.uniform
    half = u(0.22, 0.27)
    handle = _pushing(scene, u(0.28, 0.4), half, u(0.5, 0.55) * STANDARD_HEIGHT)
    belongings.add_walking_frame(scene.outside, scene.rng, handle + np.array([0, half, 0]))


def _pushing_bicycle(scene: _Scene) -> None:
    """Make a person who walks and pushes a bicycle."""
    rng, size = scene.rng, scene.figure.size
    kind = str(rng.choice(BICYCLE_KINDS, p=[0.4, 0.35, 0.2, 0.05]))
    bicycle = MeshBuilder()
    position = add_two_wheeler(bicycle, rng, kind, scene.pose.body.leg)
    side = scene.any_side()
    other = "left" if side == "right" else "right"
    sign = SIDES[side]
    grip_x, half, z = position.grip
    shift = np.array([rng.uniform(0.22, 0.35) * size - grip_x, sign * (0.3 * size + half), 0])
    _walk(scene)
    scene.pose.trunk(0.06, 0.05, twist=0.15 * sign, look=(0.1, 0.0))
    scene.figure.settle()
    near = shift + np.array([grip_x, -sign * half, z])
    far = shift + np.array([grip_x + 0.1, 0, z])
    scene.pose.hold(other, near, np.array([-0.5, -0.5 * sign, -1]))
    scene.pose.hold(side, far, np.array([-0.5, sign, -0.6]))
    scene.finish()
    scene.outside.append(bicycle.build().placed(tuple(shift)))


def _luggage(scene: _Scene) -> None:
    """Make a person who walks with a suitcase, two bags or a parcel."""
    rng = scene.rng
    _walk(scene)
    side = scene.any_side()
    draw = rng.random()
    if draw < 0.5:
        sign = SIDES[side]
        shoulder = scene.pose.joint(f"upper_arm_{side}")
        target = shoulder + scene.figure.size * np.array([-0.18, 0.1 * sign, -0.56])
        scene.pose.hold(side, target, np.array([-1, 0.4 * sign, 0]))
        scene.finish()
        belongings.add_suitcase(scene.outside, scene.figure, rng, side)
        if rng.random() < 0.3:
            belongings.add_rucksack(scene.body, scene.figure, rng)
        return
    if draw < 0.75:
        for each in SIDES:
            hang(scene.pose, each)
        scene.finish()
        for each in SIDES:
            belongings.add_hand_bag(scene.body, scene.figure, rng, each)
        return
    chest = scene.pose.joint("chest")
    for each, sign in SIDES.items():
        target = chest + scene.figure.size * np.array([0.3, 0.2 * sign, 0.0])
        scene.pose.hold(each, target, np.array([-0.3, 0.6 * sign, -1]))
    scene.finish()
    belongings.add_parcel(scene.body, scene.figure, rng)


def _umbrella(scene: _Scene) -> None:
    """Make a person who walks or stands under an umbrella."""
    rng = scene.rng
    if rng.random() < 0.75:
        _walk(scene)
    else:
        pose_standing(scene.pose, rng)
    side = scene.any_side()
    sign = SIDES[side]
    target = scene.pose.joint("chest") + scene.figure.size * np.array([0.24, 0.14 * sign, 0.16])
    scene.pose.hold(side, target, np.array([-0.2, 0.6 * sign, -1]))
    scene.finish()
    belongings.add_umbrella(scene.outside, scene.figure, rng, side)


def _wheelchair(scene: _Scene) -> None:
    """Make a person in a wheelchair."""
    pose = scene.pose
    pose.trunk(-0.1, 0.12, look=(0.1, 0.0))
    for side, sign in SIDES.items():
        pose.swing_leg(side, 1.5, 1.25, 0.03, 0.05)
        pose.swing_arm(side, 0.25, 1.2, 0.3, 0.1 * sign)
    scene.finish(0.1)
    near = scene.seat_vertices()
    place = np.array([pose.hips[0] - 0.08, 0, near[:, 2].min() + 0.01])
    width = float(np.clip(np.ptp(near[:, 1]) + 0.04, 0.36, 0.56))
    belongings.add_wheelchair(scene.body, scene.rng, place, width)


# For each kind of person: possible ages, whether a skirt is possible, and the function to make it.
_MAKERS: dict[str, tuple[tuple[str, ...], bool, Callable[[_Scene], None]]] = {
    "walking": (_GROWN, True, _walking),
    "child": (("child",), True, _child),
    "running": (_GROWN, False, _running),
    "luggage": (_GROWN, True, _luggage),
    "pram": (("adult",), True, _pram),
    "pushing_bicycle": (_GROWN, True, _pushing_bicycle),
    "umbrella": (_GROWN, True, _umbrella),
    "walking_frame": (("old",), True, _walking_frame),
    "wheelchair": (("teenager", "adult", "old"), False, _wheelchair),
    "leading_child": (("adult", "old"), True, _leading_child),
    "led_child": (("child",), True, _led_child),
    "standing": (_GROWN, True, _standing),
    "standing_child": (("child",), True, _standing),
    "sitting": (("child", *_GROWN), False, _sitting),
    "seated": (("child", *_GROWN), False, _seated),
}
PEDESTRIAN_KINDS = tuple(_MAKERS)


def pedestrian(rng: np.random.Generator, kind: str) -> Shape:
    """Make a pedestrian.

    Args:
        rng: Source of randomness.
        kind: One of PEDESTRIAN_KINDS.

    Returns:
        A shape of box class "pedestrian" with the slots PEOPLE_SLOTS. The box is that of the
        person. A pram, a walking frame, a suitcase, an umbrella or a pushed bicycle lies outside
        it. The mask class is "pedestrian", and "two_wheeler" for a pushed bicycle.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in _MAKERS:
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(PEDESTRIAN_KINDS)}")
    ages, may_skirt, make = _MAKERS[kind]
    scene = _Scene(rng, ages, may_skirt)
    make(scene)
    shape = centered(scene.body.build(), BOX_LABEL["pedestrian"], kind, scene.outside.build())
    return reaching(shape)
