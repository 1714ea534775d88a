"""The pose of a body: rotations of its bones, and the skin that follows them."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import rotation_rpy
from bev_semseg_ros.sim.assets.people.bodies import BONE, BONES, PARENTS, Body, BodyPool

FORWARD, LEFT, UP = np.eye(3)
SIDES = {"left": 1.0, "right": -1.0}
# The bones of each limb, from the trunk outwards.
_LIMBS = {"arm": ("upper_arm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}

# Radians by which fingers close around a handle.
GRIP = 1.1


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector (3,) scaled to length one."""
    return vector / (np.sqrt(vector @ vector) + 1e-9)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross product of two vectors (3,); np.cross is slow for single vectors."""
    (ax, ay, az), (bx, by, bz) = a, b
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation (3, 3) by an angle in radians about a unit axis (3,)."""
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


def _frame(direction: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """Return the axes (3, 3) of a bone as columns, from its direction and its hinge (3,)."""
    along = unit(direction)
    across = unit(hinge - hinge @ along * along)
    return np.array([along, across, cross(along, across)]).T


class Pose:
    """The pose of one body.

    Every bone has a rotation from its rest pose, in the frame of the body: x forward, y left, z up.
    A bone without a rotation of its own follows its parent.

    Attributes:
        body: Body that is posed.
        hips: (3,) point midway between the hip joints in metres.
    """

    def __init__(self, body: Body) -> None:
        """Create the rest pose."""
        self.body = body
        self._rest_hips = (body.joints[BONE["thigh_left"]] + body.joints[BONE["thigh_right"]]) / 2
        self.hips = self._rest_hips.copy()
        self._turned: dict[int, np.ndarray] = {}

    def rotation(self, bone: str) -> np.ndarray:
        """Return the rotation (3, 3) of a bone from its rest pose."""
        index = BONE[bone]
        while index not in self._turned:
            index = PARENTS[index]
            if index < 0:
                return np.eye(3)
        return self._turned[index]

    def set_rotation(self, bone: str, rotation: np.ndarray) -> None:
        """Set the rotation (3, 3) of a bone from its rest pose."""
        self._turned[BONE[bone]] = rotation

    def joint(self, bone: str) -> np.ndarray:
        """Return the start of a bone (3,) in metres."""
        chain = [BONE[bone]]
        while PARENTS[chain[-1]] >= 0:
            chain.append(PARENTS[chain[-1]])
        joints = self.body.joints
        rotation = self.rotation("pelvis")
        place = self.hips + rotation @ (joints[chain[-1]] - self._rest_hips)
        for parent, child in zip(chain[:0:-1], chain[-2::-1], strict=True):
            place = place + self.rotation(BONES[parent]) @ (joints[child] - joints[parent])
        return place

    def trunk(
        self,
        lean: float = 0.0,
        bend: float = 0.0,
        side: float = 0.0,
        twist: float = 0.0,
        hip_twist: float = 0.0,
        look: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Turn pelvis, back and head.

        Args:
            lean: Radians by which the pelvis leans forward.
            bend: Additional radians by which the chest leans forward.
            side: Radians by which the chest leans to the right.
            twist: Radians by which the chest is turned to the left.
            hip_twist: Radians by which the pelvis is turned to the left.
            look: Radians by which the face is turned down and to the left.
        """
        self.set_rotation("pelvis", rotation_rpy(0, lean, hip_twist))
        middle = rotation_rpy(side / 2, lean + bend / 2, (twist + hip_twist) / 2)
        self.set_rotation("spine", middle)
        self.set_rotation("chest", rotation_rpy(side, lean + bend, twist))
        down, left = look
        self.set_rotation("neck", rotation_rpy(side / 3, (lean + bend) / 3 + down / 2, left / 2))
        self.set_rotation("head", rotation_rpy(0, down, left))

    def _rest_frame(self, upper: str, lower: str, side: str, is_arm: bool) -> np.ndarray:
        """Return the frame (3, 3) of a bone in the rest pose."""
        joints = self.body.joints
        direction = unit(joints[BONE[f"{lower}_{side}"]] - joints[BONE[f"{upper}_{side}"]])
        # An elbow bends forward, a knee backward.
        inward = FORWARD if is_arm else -FORWARD
        return _frame(direction, cross(direction, inward))

    def limb(
        self, limb: str, side: str, upper: np.ndarray, lower: np.ndarray, inward: np.ndarray
    ) -> None:
        """Turn the two bones of an arm or a leg.

        Args:
            limb: "arm" or "leg".
            side: "left" or "right".
            upper: (3,) direction of the upper bone.
            lower: (3,) direction of the lower bone.
            inward: (3,) direction towards which the lower bone bends.
        """
        is_arm = limb == "arm"
        bones = _LIMBS[limb]
        hinge = cross(upper, inward)
        for first, second, direction in (
            (bones[0], bones[1], upper),
            (bones[1], bones[2], lower),
        ):
            rest = self._rest_frame(first, second, side, is_arm)
            self.set_rotation(f"{first}_{side}", _frame(direction, hinge) @ rest.T)

    def swing_leg(
        self, side: str, thigh: float, knee: float, out: float = 0.05, turned: float = 0.1
    ) -> None:
        """Turn a leg by angles in radians.

        Args:
            side: "left" or "right".
            thigh: Angle of the thigh, forward from straight down.
            knee: Angle by which the knee is bent.
            out: Angle of the thigh, outward.
            turned: Angle of the toes, outward.
        """
        sign = SIDES[side]
        heading = rotation_rpy(0, 0, sign * turned)
        upper = heading @ rotation_rpy(sign * out, -thigh, 0) @ -UP
        lower = heading @ rotation_rpy(sign * out / 2, knee - thigh, 0) @ -UP
        inward = heading @ rotation_rpy(0, -thigh, 0) @ -FORWARD
        self.limb("leg", side, upper, lower, inward)
        self.set_rotation(f"foot_{side}", heading)

    def swing_arm(
        self, side: str, forward: float, elbow: float, out: float = 0.12, inward: float = 0.2
    ) -> None:
        """Turn an arm by angles in radians, relative to an upright body.

        Args:
            side: "left" or "right".
            forward: Angle of the upper arm, forward from straight down.
            elbow: Angle by which the elbow is bent.
            out: Angle of the upper arm, outward.
            inward: Angle by which the bent forearm is turned inward.
        """
        sign = SIDES[side]
        base = rotation_rpy(sign * out, -forward, 0)
        upper = base @ -UP
        direction = rotation_rpy(0, 0, -sign * inward) @ FORWARD
        bent = base @ (np.cos(elbow) * -UP + np.sin(elbow) * direction)
        self.limb("arm", side, upper, bent, base @ direction)

    def reach(self, limb: str, side: str, target: np.ndarray, outward: np.ndarray) -> None:
        """Move the wrist or the ankle to a target, or as close to it as the limb reaches.

        Args:
            limb: "arm" or "leg".
            side: "left" or "right".
            target: (3,) target in metres.
            outward: (3,) direction in which the elbow or the knee points.
        """
        start, middle, end = (f"{name}_{side}" for name in _LIMBS[limb])
        first, second = self.body.length(start, middle), self.body.length(middle, end)
        origin = self.joint(start)
        along = target - origin
        distance = float(np.clip(np.linalg.norm(along), abs(first - second) + 0.02, 1e9))
        distance = min(distance, 0.998 * (first + second))
        along = unit(along)
        across = unit(outward - outward @ along * along)
        share = (distance**2 + first**2 - second**2) / (2 * distance)
        height = np.sqrt(max(first**2 - share**2, 0.0))
        upper = share * along + height * across
        self.limb(limb, side, upper, distance * along - upper, -across)

    def point_hand(self, side: str, direction: np.ndarray, grip: float = 0.0) -> None:
        """Point a hand in a direction (3,) and close its fingers by `grip` radians."""
        rotation = self.rotation(f"forearm_{side}")
        joints = self.body.joints
        rest = unit(joints[BONE[f"fingers_{side}"]] - joints[BONE[f"hand_{side}"]])
        now, wanted = rotation @ rest, unit(direction)
        axis = cross(now, wanted)
        sine = float(np.linalg.norm(axis))
        if sine > 1e-6:
            rotation = turn(axis / sine, float(np.arctan2(sine, now @ wanted))) @ rotation
        self.set_rotation(f"hand_{side}", rotation)
        # In the rest pose, the palms face the thighs and the thumbs point forward.
        bent = turn(SIDES[side] * FORWARD, grip)
        self.set_rotation(f"fingers_{side}", rotation @ bent)

    def hold(self, side: str, target: np.ndarray, outward: np.ndarray) -> None:
        """Move a hand to `target` (3,) and close it; the elbow points along `outward` (3,)."""
        hand = self.body.length(f"hand_{side}", f"fingers_{side}")
        shoulder = self.joint(f"upper_arm_{side}")
        toward = unit(target - shoulder)
        self.reach("arm", side, target - 0.9 * hand * toward, outward)
        self.point_hand(side, target - self.joint(f"hand_{side}"), GRIP)

    def skin(self, vertices: np.ndarray, pool: BodyPool) -> np.ndarray:
        """Return the vertices (V, 3) of the posed body by linear blend skinning.

        Args:
            vertices: (V, 3) vertices of the body, dressed or not, in the rest pose.
            pool: Pool with the skinning weights.
        """
        joints = self.body.joints
        places = np.empty((len(BONES), 3))
        rotations = np.empty((len(BONES), 3, 3))
        for index, parent in enumerate(PARENTS):
            rotations[index] = self._turned.get(
                index, np.eye(3) if parent < 0 else rotations[parent]
            )
            if parent < 0:
                places[index] = self.hips + rotations[index] @ (joints[index] - self._rest_hips)
            else:
                offset = joints[index] - joints[parent]
                places[index] = places[parent] + rotations[parent] @ offset
        maps = np.empty((len(BONES), 3, 4), np.float32)
        maps[:, :, :3] = rotations
        maps[:, :, 3] = places - np.einsum("bij,bj->bi", rotations, joints)
        blended = (pool.weights @ maps.reshape(len(BONES), 12)).reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3]
