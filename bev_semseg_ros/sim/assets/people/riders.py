"""Riders on bicycles, motorcycles and scooters."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import rotation_rpy
from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people.belongings import add_rucksack
from bev_semseg_ros.sim.assets.people.bodies import body_pool
from bev_semseg_ros.sim.assets.people.clothes import draw_outfit
from bev_semseg_ros.sim.assets.people.figure import Figure
from bev_semseg_ros.sim.assets.people.pose import FORWARD, SIDES, Pose
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.two_wheelers import BICYCLE_KINDS, add_two_wheeler
from bev_semseg_ros.sim.assets.wheels import RidingPosition
from bev_semseg_ros.sim.classes import BOX_LABEL, TWO_WHEELER

# For each kind of rider: possible ages, and the probability of each vehicle.
_VEHICLES: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "cyclist": (
        ("teenager", "adult", "old"),
        dict(zip(BICYCLE_KINDS, (0.36, 0.3, 0.26, 0.08), strict=True)),
    ),
    "waiting_cyclist": (
        ("teenager", "adult", "old"),
        dict(zip(BICYCLE_KINDS, (0.4, 0.35, 0.2, 0.05), strict=True)),
    ),
    "child_cyclist": (("child",), {"city_bicycle": 0.6, "low_step_bicycle": 0.4}),
    "motorcyclist": (("adult",), {"motorcycle": 1.0}),
    "scooter_rider": (("teenager", "adult", "old"), {"scooter": 1.0}),
    "kick_scooter_rider": (("teenager", "adult"), {"kick_scooter": 1.0}),
}
CYCLIST_KINDS = tuple(_VEHICLES)


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
    if kind not in _VEHICLES:
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(CYCLIST_KINDS)}")
    ages, vehicles = _VEHICLES[kind]
    vehicle = str(rng.choice(list(vehicles), p=list(vehicles.values())))
    pool = body_pool()
    body = pool.draw(rng, ages)
    has_motor = kind in ("motorcyclist", "scooter_rider")
    headwear = None
    if has_motor:
        headwear = "helmet"
    elif rng.random() < (0.8 if kind == "child_cyclist" else 0.45):
        headwear = "bicycle_helmet"
    outfit = draw_outfit(rng, body, headwear, may_skirt=False)
    figure = Figure(pool, body, outfit, TWO_WHEELER)
    builder = MeshBuilder()
    position = add_two_wheeler(builder, rng, vehicle, body.leg)
    if kind == "waiting_cyclist":
        _stand_astride(figure.pose, rng, position)
    else:
        if position.seat is None:
            _stand_on(figure.pose, position)
        else:
            _sit_on(figure.pose, position.seat)
        _place_feet(figure.pose, rng, position)
    _place_hands(figure.pose, rng, position)
    figure.settle(None)
    figure.add_to(builder)
    if rng.random() < 0.3:
        add_rucksack(builder, figure, rng)
    return centered(builder.build(), BOX_LABEL["cyclist"], kind)


def _sit_on(pose: Pose, seat: tuple[float, float]) -> None:
    """Put the hips on a seat (x, z)."""
    size = pose.body.size
    pose.hips = np.array([seat[0] + 0.02 * size, 0, seat[1] + 0.1 * size])


def _stand_on(pose: Pose, position: RidingPosition) -> None:
    """Put the hips over a deck on which the rider stands."""
    body = pose.body
    height = position.foot[1] + body.ankle + 0.97 * body.leg
    pose.hips = np.array([position.foot[0] - 0.02, 0, height])


def _stand_astride(pose: Pose, rng: np.random.Generator, position: RidingPosition) -> None:
    """Pose a rider who stands in front of the saddle, with one or both feet on the ground."""
    ankle = pose.body.ankle
    saddle_x = position.seat[0] if position.seat else 0.0
    lean = SIDES[str(rng.choice(list(SIDES)))]
    pose.hips = np.array([saddle_x + 0.26, 0.04 * lean, ankle + 0.96 * pose.body.leg])
    has_foot_on_pedal = rng.random() < 0.6
    for side, sign in SIDES.items():
        place = np.array([pose.hips[0] + 0.02, 0.2 * sign, ankle])
        if has_foot_on_pedal and sign != lean:
            x, z, y = position.foot
            place = np.array([x + position.crank - 0.08, sign * y, z + ankle + 0.02])
        pose.reach("leg", side, place, FORWARD + np.array([0, 0.15 * sign, 0.3]))
        pose.set_rotation(f"foot_{side}", rotation_rpy(0, 0, 0.15 * sign))


def _place_feet(pose: Pose, rng: np.random.Generator, position: RidingPosition) -> None:
    """Put the balls of the feet on pedals or footrests."""
    x, z, y = position.foot
    size = pose.body.size
    phase = rng.uniform(0, 2 * np.pi)
    ball = 0.11 * size if position.crank else 0.05 * size
    knees_out = rng.uniform(0.0, 0.35)
    for side, sign in SIDES.items():
        place = np.array([x, sign * y, z])
        toes_down = 0.0
        if position.crank:
            turned = phase + (np.pi if sign > 0 else 0.0)
            place = place + position.crank * np.array([np.cos(turned), 0, np.sin(turned)])
            toes_down = 0.15 + 0.15 * np.cos(turned)
        elif position.seat is None:
            place[0] += 0.13 * sign
        foot = rotation_rpy(0, toes_down, sign * 0.1)
        ankle = place + foot @ np.array([-ball, 0, pose.body.ankle + 0.01])
        pose.reach("leg", side, ankle, FORWARD + np.array([0, knees_out * sign, 0.5]))
        pose.set_rotation(f"foot_{side}", foot)


def _place_hands(pose: Pose, rng: np.random.Generator, position: RidingPosition) -> None:
    """Lean the trunk until the hands reach the grips, and close them; some use only one hand."""
    grip = np.array(position.grip)
    arm = pose.body.length("upper_arm_left", "forearm_left")
    arm += pose.body.length("forearm_left", "hand_left")
    arm += pose.body.length("hand_left", "fingers_left")
    reach = rng.uniform(0.86, 0.96) * arm
    look = (float(rng.normal(0.12, 0.1)), float(np.clip(rng.normal(0, 0.2), -0.7, 0.7)))
    for lean in np.arange(0.03, 1.1, 0.04):
        pose.trunk(0.75 * lean, 0.35 * lean, look=look)
        if np.linalg.norm(grip - pose.joint("upper_arm_left")) <= reach:
            break
    free = str(rng.choice(list(SIDES))) if rng.random() < 0.06 else ""
    for side, sign in SIDES.items():
        if side == free:
            pose.swing_arm(side, rng.uniform(-0.1, 0.3), rng.uniform(0.1, 0.6))
            continue
        pose.hold(side, grip * [1, sign, 1], np.array([-0.2, 0.5 * sign, -1]))
