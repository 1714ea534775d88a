"""The z-buffer: occlusion, holes, clipping, decals."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder
from bev_semseg_ros.sim.render.cutout import cut_mask
from bev_semseg_ros.sim.render.raster import draw, draw_parallel, select

SIZE = (80, 60)
MATRIX = np.array([[50.0, 0, 39.5], [0, 50.0, 29.5], [0, 0, 1]])
CAMERA_FROM_WORLD = OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5)))


@pytest.fixture
def table() -> MaterialTable:
    table = MaterialTable(np.random.default_rng(0))
    table.add("wall", (0.5, 0.5, 0.5))
    table.add("leaves", (0.1, 0.3, 0.1), cutout="leaves", cutout_frequency=6, cutout_threshold=0.5)
    table.add("metal", (0.3, 0.3, 0.3), cutout="bars", cutout_frequency=4, cutout_threshold=0.3)
    table.add("marking", (0.8, 0.8, 0.8), depth_bias=0.002)
    return table


def wall(x: float, material: int = 0, half: float = 50.0) -> Mesh:
    builder = MeshBuilder()
    builder.quad(
        (x, half, -half), (x, -half, -half), (x, -half, half), (x, half, half), 0, material
    )
    return builder.build()


def together(*meshes: Mesh) -> Mesh:
    builder = MeshBuilder()
    for mesh in meshes:
        builder.append(mesh)
    return builder.build()


def look(mesh: Mesh, table: MaterialTable) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) depth in metres, or infinity, and (H, W) index of the triangle, or -1."""
    keys, ids = np.zeros(SIZE[::-1], np.float32), np.full(SIZE[::-1], -1, np.int32)
    rows = select(mesh, table.camera, CAMERA_FROM_WORLD, MATRIX, SIZE)
    draw(mesh, rows, table.camera, CAMERA_FROM_WORLD, MATRIX, keys, ids)
    bias = 1 - table.camera[mesh.materials, CAMERA_COLUMN["depth_bias"]]
    depth = np.full(keys.shape, np.inf, np.float32)
    hit = ids >= 0
    depth[hit] = 1 / (keys[hit] * bias[ids[hit]])
    return depth, ids


def test_depth_of_a_wall_is_its_distance(table):
    depth, _ = look(wall(8.0), table)
    np.testing.assert_allclose(depth, 8.0, rtol=1e-5)


def test_a_wall_behind_the_camera_is_not_drawn(table):
    depth, ids = look(wall(-8.0), table)
    assert (ids == -1).all() and np.isinf(depth).all()


@pytest.mark.parametrize("order", [(5.0, 9.0), (9.0, 5.0)])
def test_the_nearer_wall_hides_the_farther_one(table, order):
    mesh = together(*(wall(x) for x in order))
    depth, ids = look(mesh, table)
    assert set(np.unique(ids) // 2) == {order.index(5.0)}
    np.testing.assert_allclose(depth, 5.0, rtol=1e-5)


def test_ground_under_the_camera_is_clipped_not_lost(table):
    builder = MeshBuilder()
    builder.quad((-50, -50, 0), (100, -50, 0), (100, 50, 0), (-50, 50, 0), 0, 0)
    depth, _ = look(builder.build(), table)
    rows = np.arange(35, SIZE[1])
    np.testing.assert_allclose(depth[35:, 40], 1.5 * 50 / (rows - 29.5), rtol=1e-4)


def test_neighbouring_triangles_leave_no_gap(table):
    rng = np.random.default_rng(1)
    y, z = np.meshgrid(np.linspace(-30, 30, 40), np.linspace(-30, 30, 40), indexing="ij")
    jitter = rng.uniform(-0.5, 0.5, (2, 40, 40))
    builder = MeshBuilder()
    builder.grid(np.stack([np.full_like(y, 12.0), y + jitter[0], z + jitter[1]], -1), 0, 0)
    _, ids = look(builder.build(), table)
    assert (ids >= 0).all()


@pytest.mark.parametrize("material", [1, 2])
def test_holes_show_what_is_behind_exactly_where_the_material_is_cut(table, material):
    mesh = together(wall(6.0, material), wall(12.0))
    depth, ids = look(mesh, table)
    v, u = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    points = np.stack(
        [np.full(u.shape, 6.0), -(u - 39.5) / 50 * 6, 1.5 - (v - 29.5) / 50 * 6], -1
    ).reshape(-1, 3)
    holes = cut_mask(
        table.camera,
        np.full(len(points), material),
        points,
        np.tile([-1.0, 0, 0], (len(points), 1)),
    )
    assert 0.2 < holes.mean() < 0.8
    assert ((ids >= 2).reshape(-1) == holes).mean() > 0.999
    np.testing.assert_allclose(depth[ids >= 2], 12.0, rtol=1e-5)


def test_a_marking_is_drawn_over_the_road_in_the_same_plane(table):
    builder = MeshBuilder()
    builder.quad((2, -50, 0), (100, -50, 0), (100, 50, 0), (2, 50, 0), 0, 0)
    builder.quad((4, -1, 0), (30, -1, 0), (30, 1, 0), (4, 1, 0), 0, 3)
    depth, ids = look(builder.build(), table)
    assert (ids[45, 35:45] >= 2).all()
    np.testing.assert_allclose(depth[45, 35:45], 1.5 * 50 / 15.5, rtol=1e-4)


def test_parallel_map_holds_the_highest_surface(table):
    builder = MeshBuilder()
    builder.quad((0, 0, 0), (10, 0, 0), (10, 10, 0), (0, 10, 0), 0, 0)
    builder.box((5, 5, 0), (4, 4, 3), 0, 0, 0)
    keys = np.full((20, 20), -1e9, np.float32)
    draw_parallel(builder.build(), table.camera, np.eye(3), np.zeros(2), 2.0, keys)
    assert keys[10, 10] == pytest.approx(3.0) and keys[2, 2] == pytest.approx(0.0)
