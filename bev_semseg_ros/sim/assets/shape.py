"""An object of the simulator's library: a mesh in its own frame, its size and its class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate


@dataclass(frozen=True, eq=False)
class Shape:
    """An object that can be placed in a scene.

    Attributes:
        mesh: x forward, z up, origin on the ground below the centre of the box. Its `materials` are
            slots, which `Mesh.placed` maps to materials of a scene.
        size: Length, width and height of the body in metres, without mirrors.
        label: Label of its box, a value of `classes.BOX_LABEL`; None for objects without a box.
        kind: Kind of the object, such as "sedan".
        reach: Length and width in metres of a rectangle around the origin that contains the parts
            outside the box, such as a pram in front of a person; zeros if the box suffices.
    """

    mesh: Mesh
    size: tuple[float, float, float]
    label: int | None
    kind: str
    reach: tuple[float, float] = (0.0, 0.0)

    @property
    def footprint(self) -> tuple[float, float]:
        """Length and width in metres of the occupied ground, centred on the origin."""
        return max(self.size[0], self.reach[0]), max(self.size[1], self.reach[1])


def extent(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest corner, (3,) each, of a mesh."""
    return mesh.triangles.min((0, 1)), mesh.triangles.max((0, 1))


def centered(body: Mesh, label: int | None, kind: str, outside: Mesh | None = None) -> Shape:
    """Return a Shape whose box is the extent of a body.

    Args:
        body: Mesh at any position.
        label: Label of the box, or None.
        kind: Kind of the object.
        outside: Mesh that moves with the body but lies outside the box, such as mirrors.
    """
    low, high = extent(body)
    middle = (low + high) / 2
    mesh = concatenate([body] if outside is None else [body, outside])
    length, width, height = (high - low).tolist()
    return Shape(
        mesh.placed((-middle[0], -middle[1], -low[2])), (length, width, height), label, kind
    )


def reaching(shape: Shape) -> Shape:
    """Return a shape whose footprint covers its whole mesh, not only its box."""
    length, width, _ = 2 * np.abs(shape.mesh.triangles).max((0, 1)).astype(float)
    return replace(shape, reach=(length, width))
