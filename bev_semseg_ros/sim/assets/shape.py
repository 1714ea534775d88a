"""An object of the simulator's library: a mesh in its own frame and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate


@dataclass(frozen=True, eq=False)
class Shape:
    """mesh: x forward, z up, origin on the ground below the middle of the box; its `materials` are slots, which
    Mesh.placed maps to a scene's materials. size: true length, width, height (m) of the body (mirrors stick out).
    label: index of DETECTION_CLASSES, or None for what has no box. kind: what it is, e.g. "sedan".
    """

    mesh: Mesh
    size: tuple[float, float, float]
    label: int | None
    kind: str


def extent(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (3,), (3,) of a mesh."""
    return mesh.triangles.min((0, 1)), mesh.triangles.max((0, 1))


def centered(body: Mesh, label: int | None, kind: str, outside: Mesh | None = None) -> Shape:
    """The Shape whose box is the body's extent, centred on the origin; `outside` (mirrors) is moved along with it."""
    low, high = extent(body)
    middle = (low + high) / 2
    mesh = concatenate([body] if outside is None else [body, outside])
    length, width, height = (high - low).tolist()
    return Shape(
        mesh.placed((-middle[0], -middle[1], -low[2])), (length, width, height), label, kind
    )
