"""A small street with known contents: a flat road, some cars and, optionally, a wall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder, concatenate
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.view import View

ROAD, CAR, BUILDING = (MASK_LABEL[name] for name in ("road", "car", "building"))
CAR_SIZE = (4.2, 1.8, 1.5)
CAR_POSES = ((12.0, 3.0, 0.3), (20.0, -4.0, 2.8), (35.0, 2.0, -1.2))  # x, y, yaw
# Ahead of the vehicle, behind it, to its left and to its right.
POSES_AROUND = ((14.0, 2.0, 0.3), (-8.0, 0.5, 0.1), (-1.5, 8.0, 1.2), (-0.5, -7.0, 0.0))


def cars(
    materials: MaterialTable, poses: Sequence[tuple[float, float, float]]
) -> tuple[Mesh, Boxes]:
    """Return cuboid cars at poses (x, y, yaw) and their boxes."""
    builder = MeshBuilder()
    builder.box((0, 0, 0), CAR_SIZE, 0, CAR, materials.add("wall", [0.2] * 3))
    shape = builder.build()
    placed = [
        shape.placed((x, y, 0), yaw, object_index=index) for index, (x, y, yaw) in enumerate(poses)
    ]
    count = len(poses)
    return concatenate(placed), Boxes(
        [[x, y, CAR_SIZE[2] / 2] for x, y, _ in poses],
        [CAR_SIZE] * count,
        [yaw for _, _, yaw in poses],
        [0] * count,
        [1] * count,
    )


def street(
    before: tuple[float, str] | None = None,
    seed: int = 5,
    poses: Sequence[tuple[float, float, float]] = CAR_POSES,
) -> View:
    """Return a view along a flat road with cars.

    Args:
        before: x (metres) and lidar material of a wall across the road, 60 m wide and 6 m high.
        seed: Seed of the noise.
        poses: x, y, yaw of the cars.
    """
    materials = MaterialTable(np.random.default_rng(0))
    builder = MeshBuilder()
    x, y = np.meshgrid(np.linspace(-10, 130, 30), np.linspace(-70, 70, 30), indexing="ij")
    builder.grid(np.stack([x, y, 0 * x], -1), ROAD, materials.add("road", [0.2] * 3))
    if before is not None:
        distance, material = before
        builder.quad(
            (distance, 30, 0),
            (distance, -30, 0),
            (distance, -30, 6),
            (distance, 30, 6),
            BUILDING,
            materials.add(material, [0.4] * 3),
        )
    moving, boxes = cars(materials, poses)
    return View(builder.build(), moving, materials, np.eye(4), boxes, seed, 7, "summer")
