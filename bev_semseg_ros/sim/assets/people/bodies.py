"""The shipped pool of undressed human bodies, made by `tools/make_bodies.py`.

All bodies share one topology. The simulator dresses and poses them, so it needs no body model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

BODIES_FILE = Path(__file__).parent / "bodies.npz"

_SIDED = (
    "clavicle",
    "upper_arm",
    "forearm",
    "hand",
    "fingers",
    "thigh",
    "shin",
    "foot",
)
# Bones, each after its parent; the left ones before the right ones.
BONES = (
    "pelvis",
    "spine",
    "chest",
    "neck",
    "head",
    *(f"{name}_left" for name in _SIDED),
    *(f"{name}_right" for name in _SIDED),
)
BONE = {name: index for index, name in enumerate(BONES)}
_CENTRAL_PARENTS = {"spine": "pelvis", "chest": "spine", "neck": "chest", "head": "neck"}
_SIDED_PARENTS = {
    "upper_arm": "clavicle",
    "forearm": "upper_arm",
    "hand": "forearm",
    "fingers": "hand",
    "shin": "thigh",
    "foot": "shin",
}


def _parent(name: str) -> int:
    """Return the index of a bone's parent in BONES; -1 for the pelvis."""
    if name == "pelvis":
        return -1
    if name in _CENTRAL_PARENTS:
        return BONE[_CENTRAL_PARENTS[name]]
    bone, side = name.rsplit("_", 1)
    if bone == "clavicle":
        return BONE["chest"]
    if bone == "thigh":
        return BONE["pelvis"]
    return BONE[f"{_SIDED_PARENTS[bone]}_{side}"]


PARENTS = tuple(_parent(name) for name in BONES)

# Parts of the surface, from the head down. Clothes cover whole parts.
REGIONS = (
    "hair",
    "nape",  # back of the head, from which long hair hangs
    "face",
    "chin",
    "neck",
    "shoulders",
    "chest",
    "belly",
    "hips",
    "upper_arm",
    "elbow",
    "forearm",
    "hand",
    "thigh",
    "knee",
    "shin",
    "ankle",
    "foot",
)
REGION = {name: index for index, name in enumerate(REGIONS)}

AGES = ("child", "teenager", "adult", "old")


# Height in metres of the body for which proportions of poses and belongings are given.
STANDARD_HEIGHT = 1.75


@dataclass(frozen=True, eq=False)
class Body:
    """A person in the rest pose: upright, arms 45 degrees down from the horizontal.

    x is forward, y left, z up; the soles are at z = 0, and the hips above the origin.

    Attributes:
        vertices: (V, 3) vertices in metres.
        joints: (len(BONES), 3) start of each bone in metres.
        age: One of AGES.
        is_female: Whether the body is female.
    """

    vertices: np.ndarray
    joints: np.ndarray
    age: str
    is_female: bool

    @property
    def height(self) -> float:
        """Metres from the soles to the crown."""
        return float(np.ptp(self.vertices[:, 2]))

    @property
    def size(self) -> float:
        """Height relative to STANDARD_HEIGHT."""
        return self.height / STANDARD_HEIGHT

    @property
    def leg(self) -> float:
        """Metres from the hip to the ankle."""
        return self.length("thigh_left", "shin_left") + self.length("shin_left", "foot_left")

    @property
    def ankle(self) -> float:
        """Metres from the soles to the ankles."""
        return self.joints[BONE["foot_left"]][2]

    def length(self, upper: str, lower: str) -> float:
        """Return the distance in metres between the starts of two bones."""
        return float(np.linalg.norm(self.joints[BONE[upper]] - self.joints[BONE[lower]]))


@dataclass(frozen=True, eq=False)
class BodyPool:
    """All bodies, and the topology that they share.

    Attributes:
        bodies: All bodies.
        faces: (T, 3) vertex indices of each triangle, counter-clockwise seen from outside.
        regions: (T,) part of the surface, an index in REGIONS.
        weights: (V, len(BONES)) float32 skinning weights; each row sums to 1.
    """

    bodies: list[Body]
    faces: np.ndarray
    regions: np.ndarray
    weights: np.ndarray

    def of_age(self, *ages: str) -> list[Body]:
        """Return the bodies of the given ages, each one of AGES."""
        return [body for body in self.bodies if body.age in ages]

    def draw(self, rng: np.random.Generator, ages: tuple[str, ...]) -> Body:
        """Return a random body of the given ages, each one of AGES."""
        bodies = self.of_age(*ages)
        return bodies[rng.integers(len(bodies))]


@cache
def body_pool() -> BodyPool:
    """Return the shipped pool, read once per process."""
    with np.load(BODIES_FILE) as file:
        content = {name: file[name] for name in file.files}
    vertices = content["mean_vertices"] + content["vertex_offsets"].astype(np.float32)
    joints = content["mean_joints"] + content["joint_offsets"].astype(np.float32)
    weights = content["weights"].astype(np.float32)
    bodies = []
    for index in range(len(vertices)):
        age, is_female = AGES[content["ages"][index]], bool(content["is_female"][index])
        bodies.append(Body(vertices[index], joints[index], age, is_female))
    return BodyPool(
        bodies,
        content["faces"].astype(np.int64),
        content["regions"],
        weights / weights.sum(1, keepdims=True),
    )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the unit normals (V, 3) of a mesh: area-weighted means over the adjacent faces.

    Args:
        vertices: (V, 3) vertices.
        faces: (T, 3) vertex indices of each triangle.
    """
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    flat = np.cross(b - a, c - a)
    normals = np.empty_like(vertices)
    around = faces.reshape(-1)
    for axis in range(3):
        weights = np.repeat(flat[:, axis], 3)
        normals[:, axis] = np.bincount(around, weights, len(vertices))
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
