"""Poses of people who stand, walk, run or sit."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import rotation_rpy
from bev_semseg_ros.sim.assets.people.pose import LEFT, SIDES, UP, Pose, turn

# Angles of a leg in degrees over a gait cycle, at every tenth of the cycle from heel strike: thigh
# forward, knee bent, toes down (relative to the ground).
_THIGH = (28, 24, 16, 7, -3, -11, -7, 8, 22, 29, 28)
_KNEE = (5, 15, 18, 11, 6, 10, 35, 60, 50, 20, 5)
_TOES = (-20, -2, 0, 0, 6, 28, 58, 45, 15, -12, -20)

ARM_POSES = (
    "hanging",
    "phone",
    "telephone",
    "pockets",
    "crossed",
    "pointing",
    "hips",
    "talking",
    "folded_behind",
)


def _step(values: tuple[int, ...], phase: float) -> float:
    """Return an angle in radians at a phase of the gait cycle; a cycle is a phase of 1."""
    return float(np.radians(np.interp(phase % 1.0, np.linspace(0, 1, len(values)), values)))


def pose_walking(pose: Pose, rng: np.random.Generator, stride: float) -> None:
    """Set a walking pose at a random phase of the gait cycle.

    Args:
        pose: Pose to change.
        rng: Source of randomness.
        stride: Factor on the angles of the legs; 1 for an average walk.
    """
    phase, u = rng.random(), rng.uniform
    swing = _step(_THIGH, phase)
    lean = u(0.0, 0.1)
    pose.trunk(
        lean, u(-0.03, 0.08), u(-0.03, 0.03), 0.25 * stride * swing, -0.2 * swing, _glance(rng)
    )
    arm_swing, elbow, out = u(0.3, 1.0) * stride, u(0.15, 0.5), u(0.1, 0.26)
    wide, turned = u(0.0, 0.06), u(0.0, 0.25)
    for side in SIDES:
        at = phase + (0.5 if side == "right" else 0.0)
        thigh = stride * _step(_THIGH, at)
        pose.swing_leg(side, thigh, 0.05 + stride * _step(_KNEE, at), wide, turned)
        heading = rotation_rpy(0, 0, SIDES[side] * turned)
        pose.set_rotation(f"foot_{side}", heading @ turn(LEFT, stride * _step(_TOES, at)))
        back = -arm_swing * (thigh - 0.12)
        pose.swing_arm(side, back, elbow + max(back, 0.0), out)


def pose_running(pose: Pose, rng: np.random.Generator) -> None:
    """Set a running pose at a random phase of the gait cycle."""
    phase, u = rng.random(), rng.uniform
    swing = _step(_THIGH, phase)
    pose.trunk(u(0.1, 0.25), 0.05, 0.0, 0.3 * swing, -0.2 * swing, (0.05, 0.0))
    size, elbow = u(1.1, 1.6), u(1.2, 1.8)
    for side in SIDES:
        at = phase + (0.5 if side == "right" else 0.0)
        thigh = size * _step(_THIGH, at) + 0.1
        pose.swing_leg(side, thigh, 0.35 + 1.5 * _step(_KNEE, at), 0.02, 0.05)
        pose.set_rotation(f"foot_{side}", turn(LEFT, 0.1 + 1.2 * _step(_TOES, at)))
        pose.swing_arm(side, 0.1 - 1.2 * thigh, elbow, 0.15, 0.35)


def pose_standing(pose: Pose, rng: np.random.Generator) -> None:
    """Set a standing pose, with the weight on one leg or on both."""
    u = rng.uniform
    pose.trunk(u(-0.02, 0.08), u(-0.05, 0.15), u(-0.06, 0.06), u(-0.3, 0.3), 0.0, _glance(rng))
    for side in SIDES:
        thigh, turned = u(-0.08, 0.12), u(0.0, 0.5)
        pose.swing_leg(side, thigh, max(0.0, thigh) + u(0.02, 0.12), u(0.0, 0.14), turned)
    pose_arms(pose, rng, str(rng.choice(ARM_POSES)))


def pose_sitting(pose: Pose, rng: np.random.Generator) -> None:
    """Set a sitting pose with almost vertical shins or with crossed legs."""
    u = rng.uniform
    lean = u(-0.3, 0.15)
    pose.trunk(lean, u(0.0, 0.4), u(-0.05, 0.05), u(-0.2, 0.2), 0.0, _glance(rng))
    spread, crossed = u(0.0, 0.3), rng.random() < 0.2
    for side in SIDES:
        thigh = u(1.35, 1.6)
        knee = thigh + u(-0.4, 0.15)
        if crossed and side == "right":
            thigh, knee = 1.75, 1.5
            pose.swing_leg(side, thigh, knee, -0.28, 0.0)
            continue
        pose.swing_leg(side, thigh, knee, 0.04, spread)
    draw = rng.random()
    if draw < 0.3:
        pose_arms(pose, rng, "phone")
    elif draw < 0.4:
        pose_arms(pose, rng, "crossed")
    else:
        for side in SIDES:
            pose.swing_arm(side, lean + u(0.1, 0.5), u(0.7, 1.3), u(0.1, 0.25), u(0.2, 0.7))


def pose_arms(pose: Pose, rng: np.random.Generator, what: str) -> None:
    """Pose the arms of a standing or walking body.

    Args:
        pose: Pose to change.
        rng: Source of randomness.
        what: One of ARM_POSES.
    """
    u = rng.uniform
    one = str(rng.choice(list(SIDES)))
    for side in SIDES:
        pose.swing_arm(side, u(-0.1, 0.15), u(0.1, 0.4), u(0.08, 0.2))
    chest = pose.joint("chest")
    size = pose.body.size
    forward = pose.rotation("chest")

    def at(x: float, y: float, z: float) -> np.ndarray:
        """Return the point (3,) at an offset from the chest, given for STANDARD_HEIGHT."""
        return chest + forward @ (size * np.array([x, y, z]))

    if what == "phone":
        height = u(0.0, 0.2)
        pose.trunk(u(0.0, 0.06), u(0.05, 0.2), 0.0, 0.0, 0.0, (u(0.3, 0.7), 0.0))
        sides = list(SIDES) if rng.random() < 0.4 else [one]
        for side in sides:
            sign = SIDES[side]
            pose.hold(side, at(u(0.25, 0.34), 0.05 * sign, height), np.array([0, 0.6 * sign, -1]))
    elif what == "telephone":
        sign = SIDES[one]
        ear = pose.joint("head") + size * np.array([0.03, 0.11 * sign, 0.07])
        pose.hold(one, ear, np.array([0.3, sign, -0.7]))
    elif what == "pockets":
        for side, sign in SIDES.items():
            pose.reach("arm", side, at(0.08, 0.2 * sign, -0.2), np.array([-1, 0.8 * sign, 0]))
    elif what == "crossed":
        for side, sign in SIDES.items():
            place = at(0.2 if sign > 0 else 0.16, -0.1 * sign, 0.12)
            pose.reach("arm", side, place, np.array([0.2, 0.5 * sign, -1]))
            pose.point_hand(side, np.array([-0.2, -sign, 0.2]))
    elif what == "pointing":
        sign = SIDES[one]
        target = at(u(0.3, 0.8), sign * u(0.3, 0.7), u(0.2, 0.6))
        pose.reach("arm", one, target, np.array([0, sign, -1]))
    elif what == "hips":
        for side, sign in SIDES.items():
            place = at(0.03, 0.2 * sign, -0.08)
            pose.reach("arm", side, place, np.array([-0.4, sign, 0]))
    elif what == "talking":
        for side, sign in SIDES.items():
            place = at(u(0.2, 0.4), u(0.05, 0.3) * sign, u(-0.05, 0.25))
            pose.reach("arm", side, place, np.array([0, 0.6 * sign, -1]))
            pose.point_hand(side, np.array([1, -0.5 * sign, 0.4]))
    elif what == "folded_behind":
        for side, sign in SIDES.items():
            place = at(-0.18, 0.05 * sign, -0.12)
            pose.reach("arm", side, place, np.array([0, sign, -0.3]))


def _glance(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the angles of a person's gaze in radians: down and to the left."""
    return float(rng.normal(0.08, 0.12)), float(np.clip(rng.normal(0, 0.3), -0.9, 0.9))


def hang(pose: Pose, side: str) -> None:
    """Let an arm hang straight down with a closed hand, as under the weight of a bag."""
    pose.swing_arm(side, 0.05, 0.08, 0.14)
    pose.point_hand(side, -UP, 1.2)
