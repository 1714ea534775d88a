"""Make the pool of bodies that the simulator dresses and poses: sim/assets/people/bodies.npz.

usage: python tools/make_bodies.py [--count N] [--triangles T] [--seed K] [--out FILE]

The bodies come from the parametric body model `anny` (code Apache-2.0, data of MakeHuman, CC0).
The simulator reads only the file, so this package does not depend on `anny`. Install it separately:

    pip install --no-deps --target FOLDER anny roma trimesh safetensors scipy
    PYTHONPATH=FOLDER:. python tools/make_bodies.py

The first run takes some minutes and leaves 790 MB in ANNY_CACHE_DIR (by default ~/.cache/anny).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anny
import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from bev_semseg_ros.sim.assets.people.bodies import AGES, BODIES_FILE, BONE, BONES, REGION

# Prefix of a bone name in anny -> our bone; the first prefix that matches counts.
BONE_OF_PREFIX = {
    "root": "pelvis",
    "pelvis": "pelvis",
    "spine05": "spine",
    "spine04": "spine",
    "spine": "chest",
    "breast": "chest",
    "neck": "neck",
    "clavicle": "clavicle",
    "shoulder": "clavicle",
    "upperarm": "upper_arm",
    "lowerarm": "forearm",
    "wrist": "hand",
    "metacarpal": "hand",
    "finger1": "hand",
    "finger": "fingers",
    "upperleg": "thigh",
    "lowerleg": "shin",
    "foot": "foot",
    "toe": "foot",
    "": "head",
}
# Our bone -> bones of anny; ours begins at the mean of their beginnings.
BEGINNINGS = {
    "pelvis": ["root"],
    "spine": ["spine05"],
    "chest": ["spine03"],
    "neck": ["neck01"],
    "head": ["head"],
    "clavicle": ["clavicle"],
    "upper_arm": ["upperarm01"],
    "forearm": ["lowerarm01"],
    "hand": ["wrist"],
    "fingers": ["finger2-1", "finger3-1", "finger4-1", "finger5-1"],
    "thigh": ["upperleg01"],
    "shin": ["lowerleg01"],
    "foot": ["foot"],
}

# Vertices per length, relative to the trunk.
DENSITY = {"head": 1.5, "hand": 1.7, "fingers": 1.7, "foot": 1.2, "forearm": 1.15, "neck": 1.2}
# Iterations in which each vertex moves to the centre of its cell (Lloyd's algorithm).
LLOYD_STEPS = 8

# Fraction of bodies of each of AGES, and bounds of anny's parameter age: 1/3 is a child of ten,
# 2/3 a young adult.
AGE_SHARES = {"child": 0.17, "teenager": 0.12, "adult": 0.51, "old": 0.2}
AGE_BOUNDS = {
    "child": (0.19, 0.4),
    "teenager": (0.41, 0.6),
    "adult": (0.62, 0.84),
    "old": (0.86, 1.0),
}
# Means of anny's parameter height for men and women.
HEIGHT_MEANS = (0.41, 0.43)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=180, help="number of people")
    parser.add_argument("--triangles", type=int, default=1000, help="triangles of a body")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=BODIES_FILE)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    model = anny.Anny().float()
    mean_vertices, mean_heads = rest_body(model, phenotype(rng, "adult", 0.5, typical=True))
    weights = merged_weights(model)
    kept, faces = decimated(mean_vertices, model.faces.numpy(), weights, args.triangles // 2 + 2)
    weights = weights[kept]
    ages, genders, vertices, joints = [], [], [], []
    for index, age in enumerate(spread_ages(args.count)):
        gender = float(index % 2)
        body_vertices, heads = rest_body(model, phenotype(rng, age, gender))
        ages.append(AGES.index(age))
        genders.append(bool(gender))
        vertices.append(body_vertices[kept])
        joints.append(beginnings(model, heads))
    all_vertices, all_joints = np.array(vertices), np.array(joints)
    typical = mean_vertices[kept], beginnings(model, mean_heads)
    np.savez_compressed(
        args.out,
        faces=faces.astype(np.uint16),
        regions=regions(*typical, faces, weights),
        weights=np.round(255 * weights).astype(np.uint8),
        mean_vertices=all_vertices.mean(0).astype(np.float32),
        vertex_offsets=(all_vertices - all_vertices.mean(0)).astype(np.float16),
        mean_joints=all_joints.mean(0).astype(np.float32),
        joint_offsets=(all_joints - all_joints.mean(0)).astype(np.float16),
        ages=np.array(ages, np.uint8),
        is_female=np.array(genders),
    )
    heights = np.ptp(all_vertices[:, :, 2], axis=1)
    for age in AGES:
        chosen = heights[np.array(ages) == AGES.index(age)]
        print(f"{age}: {len(chosen)} bodies of {chosen.min():.2f} to {chosen.max():.2f} m")
    print(f"{args.out}: {len(faces)} triangles, {args.out.stat().st_size / 1e6:.2f} MB")


def spread_ages(count: int) -> list[str]:
    """Return one of AGES for each of `count` bodies."""
    limits = np.cumsum(list(AGE_SHARES.values()))
    return [AGES[int(np.searchsorted(limits, (i + 0.5) / count))] for i in range(count)]


def phenotype(
    rng: np.random.Generator, age: str, gender: float, typical: bool = False
) -> dict[str, float]:
    """Draw random parameters of a body; gender 0 is male. Those of a typical body are fixed."""
    drawn = {
        "age": rng.uniform(*AGE_BOUNDS[age]),
        "muscle": float(np.clip(rng.normal(0.5, 0.15), 0.1, 0.9)),
        "weight": float(np.clip(rng.normal(0.6, 0.2), 0.08, 1.0)),
        "height": float(np.clip(rng.normal(HEIGHT_MEANS[int(gender)], 0.05), 0.2, 0.6)),
        "proportions": rng.uniform(0.2, 0.8),
    }
    if typical:
        drawn = {"age": 0.67, "muscle": 0.5, "weight": 0.5, "height": 0.4, "proportions": 0.5}
    elif age == "old":
        drawn["height"] -= 0.04
    return {"gender": gender, **drawn}


def rest_body(
    model: torch.nn.Module, parameters: dict[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) and beginnings of bones (B, 3) in the rest pose.

    x is forward, y left, z up. The soles are at z = 0, and the root is above the origin.
    """
    pose = torch.eye(4).repeat(1, model.bone_count, 1, 1)
    with torch.no_grad():
        output = model(pose_parameters=pose, phenotype_kwargs=parameters)
    vertices = turned(output["rest_vertices"][0].numpy())
    heads = turned(output["rest_bone_heads"][0].numpy())
    root = heads[model.bone_labels.index("root")]
    shift = np.array([root[0], root[1], vertices[:, 2].min()])
    return vertices - shift, heads - shift


def turned(points: np.ndarray) -> np.ndarray:
    """Rotate points (N, 3) from anny's axes (forward -y, left +x) to ours (forward +x, left +y)."""
    return np.stack([-points[:, 1], points[:, 0], points[:, 2]], 1)


def decimated(
    vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose vertices that are spread evenly, so that all bodies have the same topology.

    The vertices are the seeds of a Voronoi diagram on the surface of a typical body; three seeds
    whose cells meet make a triangle.

    Args:
        vertices: (V, 3) vertices of a typical body.
        faces: (T, 3) triangles.
        weights: (V, len(BONES)) skinning weights, which decide the density at each vertex.
        count: Number of vertices to keep.

    Returns:
        Indices of the kept vertices, and the new faces.
    """
    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    bones = [BONES[bone].split("_")[0] for bone in weights.argmax(1)]
    density = np.array([DENSITY.get(bone, 1.0) for bone in bones])
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    lengths = lengths * density[edges].mean(1) + 1e-6
    size = (len(vertices), len(vertices))
    graph = csr_matrix((lengths, edges.T), size)
    graph = graph + graph.T
    _, component = connected_components(graph, directed=False)
    is_body = component == np.bincount(component).argmax()  # without eyeballs
    distance = np.where(is_body, np.inf, -1.0)
    seeds = [int(np.argmax(np.where(is_body, vertices[:, 2], -1)))]
    limit = np.inf
    while len(seeds) < count:
        reached = dijkstra(graph, indices=seeds[-1], limit=limit)
        distance = np.minimum(distance, reached)
        seeds.append(int(np.argmax(distance)))
        limit = float(distance.max())
    for _ in range(LLOYD_STEPS):
        cell = _cells(graph, seeds)
        for number, seed in enumerate(seeds):
            members = np.flatnonzero(cell == seed)
            middle = vertices[members].mean(0)
            seeds[number] = members[np.argmin(np.sum((vertices[members] - middle) ** 2, axis=1))]
    cell = _cells(graph, seeds)
    kept = np.sort(np.array(seeds))
    corners = cell[faces[is_body[faces[:, 0]]]]
    is_triangle = (
        (corners[:, 0] != corners[:, 1])
        & (corners[:, 1] != corners[:, 2])
        & (corners[:, 2] != corners[:, 0])
    )
    return kept, np.searchsorted(kept, corners[is_triangle])


def _cells(graph: csr_matrix, seeds: list[int]) -> np.ndarray:
    """Return the nearest seed of each vertex (V,)."""
    _, _, nearest = dijkstra(graph, indices=seeds, min_only=True, return_predecessors=True)
    return nearest


def bone_of(name: str) -> int:
    """Return the index in BONES of a bone of anny."""
    prefix = next(prefix for prefix in BONE_OF_PREFIX if name.startswith(prefix))
    bone = BONE_OF_PREFIX[prefix]
    if bone in BONE:
        return BONE[bone]
    return BONE[bone + ("_left" if name.endswith(".L") else "_right")]


def merged_weights(model: torch.nn.Module) -> np.ndarray:
    """Return the skinning weights (V, len(BONES)), with anny's bones merged into ours."""
    dense = model.dense_vertex_bone_weights.numpy()
    weights = np.zeros((len(dense), len(BONES)))
    for column, name in enumerate(model.bone_labels):
        weights[:, bone_of(name)] += dense[:, column]
    return weights / weights.sum(1, keepdims=True)


def beginnings(model: torch.nn.Module, heads: np.ndarray) -> np.ndarray:
    """Return the beginnings (len(BONES), 3) of our bones."""
    joints = []
    for bone in BONES:
        name = bone.removesuffix("_left").removesuffix("_right")
        suffix = {"_left": ".L", "_right": ".R", "": ""}[bone[len(name) :]]
        rows = [model.bone_labels.index(first + suffix) for first in BEGINNINGS[name]]
        joints.append(heads[rows].mean(0))
    return np.array(joints)


def regions(
    vertices: np.ndarray, joints: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the index in REGIONS (T,) uint8 of each triangle of a typical body."""
    middles = vertices[faces].mean(1)
    strongest = weights[faces].mean(1).argmax(1)
    head = middles[strongest == BONE["head"]]
    top, chin = head[:, 2].max(), head[head[:, 0] > head[:, 0].max() - 0.05, 2].min()
    names = []
    for middle, bone in zip(middles, strongest, strict=True):
        names.append(region(middle, BONES[bone], joints, top, chin))
    return np.array([REGION[name] for name in names], np.uint8)


def region(middle: np.ndarray, bone: str, joints: np.ndarray, top: float, chin: float) -> str:
    """Return the name in REGIONS of the part of the body that a triangle belongs to.

    Args:
        middle: (3,) centre of the triangle.
        bone: The bone with the largest skinning weight.
        joints: (len(BONES), 3) beginnings of the bones.
        top: z of the crown.
        chin: z of the chin.
    """
    name = bone.removesuffix("_left").removesuffix("_right")
    side = bone[len(name) :]

    def share(upper: str, lower: str) -> float:
        """Return the position of the triangle along a bone, from 0 to 1."""
        start, end = joints[BONE[upper + side]], joints[BONE[lower + side]]
        return float((middle - start) @ (end - start) / np.sum((end - start) ** 2))

    if name == "head":
        ears = joints[BONE["head"]][0] + 0.01
        hairline = chin + (top - chin) * (0.73 if middle[0] > ears + 0.02 else 0.6)
        if middle[2] > hairline:
            return "hair"
        if middle[0] < ears - 0.005:
            return "nape" if middle[2] > chin else "neck"
        return "chin" if middle[2] < chin + 0.25 * (top - chin) else "face"
    if name == "upper_arm":
        return "upper_arm" if share("upper_arm", "forearm") < 0.62 else "elbow"
    if name == "forearm":
        return "elbow" if share("forearm", "hand") < 0.25 else "forearm"
    if name in ("spine", "pelvis") or (name == "thigh" and share("thigh", "shin") < 0.14):
        return "belly" if middle[2] > joints[BONE["pelvis"]][2] + 0.08 else "hips"
    if name == "thigh":
        return "thigh" if share("thigh", "shin") < 0.7 else "knee"
    if name == "shin":
        along = share("shin", "foot")
        return "knee" if along < 0.25 else "shin" if along < 0.75 else "ankle"
    if name == "foot":
        return "ankle" if middle[2] > joints[BONE[bone]][2] + 0.02 else "foot"
    names = {"fingers": "hand", "clavicle": "shoulders"}
    return names.get(name, name)


if __name__ == "__main__":
    main()
