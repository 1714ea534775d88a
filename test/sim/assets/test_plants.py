"""Trees, bushes and hedges of the simulator's library."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, CUTOUTS, MaterialTable
from bev_semseg_ros.sim.assets.mesh import face_normals
from bev_semseg_ros.sim.assets.plants import (
    BARK,
    LEAVES,
    PLANT_KINDS,
    PLANT_SLOTS,
    TWIGS,
    plant,
    plant_materials,
)
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.surfaces import SEASONS
from bev_semseg_ros.sim.classes import MASK_LABEL

pytestmark = pytest.mark.slow

PLANTS = [
    pytest.param((plant, kind, seed), id=f"{kind}-{seed}")
    for kind in PLANT_KINDS
    for seed in range(4)
]


@pytest.mark.parametrize("shape", PLANTS, indirect=True)
def test_plants_are_vegetation_without_a_box(shape: Shape):
    assert set(shape.mesh.labels) == {MASK_LABEL["vegetation"]}
    assert shape.label is None


@pytest.mark.parametrize("shape", PLANTS, indirect=True)
def test_declared_size_is_the_extent_of_the_mesh(shape: Shape):
    points = shape.mesh.triangles.reshape(-1, 3)
    np.testing.assert_allclose(2 * np.abs(points[:, :2]).max(0), shape.size[:2], atol=0.01)
    assert points[:, 2].max() == pytest.approx(shape.size[2], abs=0.01)


@pytest.mark.parametrize("shape", PLANTS, indirect=True)
def test_only_trunks_reach_below_the_ground(shape: Shape):
    lowest = shape.mesh.triangles[..., 2].min(1)
    assert lowest[shape.mesh.materials != BARK].min() >= -1e-6
    assert lowest.min() >= -0.35


@pytest.mark.parametrize("shape", PLANTS, indirect=True)
def test_triangle_budget(shape: Shape):
    assert len(shape.mesh) <= (220 if shape.kind in ("bush", "hedge") else 600)


@pytest.mark.parametrize("shape", PLANTS, indirect=True)
def test_normals_lie_on_the_outer_side_of_their_triangles(shape: Shape):
    edges = shape.mesh.triangles[:, 1:] - shape.mesh.triangles[:, :1]
    solid = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) > 1e-6
    agree = np.sum(face_normals(shape.mesh.triangles) * shape.mesh.normals.mean(1), -1)[solid]
    assert np.mean(agree > -0.1) > 0.97


def test_bare_trees_have_twigs_and_no_leaves():
    slots = set(plant(np.random.default_rng(0), "bare").mesh.materials)
    assert TWIGS in slots and LEAVES not in slots


def test_leaves_and_twigs_are_cut_out():
    table = MaterialTable(np.random.default_rng(0))
    rows = plant_materials(np.random.default_rng(0), table, "summer")
    cutouts = [CUTOUTS[int(value)] for value in table.camera[rows, CAMERA_COLUMN["cutout"]]]
    assert dict(zip(PLANT_SLOTS, cutouts, strict=True)) == {
        "bark": "none",
        "leaves": "leaves",
        "core": "leaves",
        "twigs": "twigs",
    }


def test_autumn_is_redder_than_summer():
    def redness(season: str) -> float:
        rng = np.random.default_rng(0)
        table = MaterialTable(rng)
        rows = [plant_materials(rng, table, season)[LEAVES] for _ in range(60)]
        colors = table.camera[rows, :3]
        return float(np.mean(colors[:, 0] / colors.sum(1)))

    assert redness("autumn") > redness("summer") + 0.05


@pytest.mark.parametrize("season", SEASONS)
def test_every_season_has_materials_for_every_slot(season: str):
    rows = plant_materials(
        np.random.default_rng(0), MaterialTable(np.random.default_rng(0)), season
    )
    assert rows.tolist() == list(range(len(PLANT_SLOTS)))


def test_unknown_plants_and_seasons_are_named(library):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="cactus"):
        library.draw_plant("cactus", rng)
    with pytest.raises(ValueError, match="cactus"):
        plant(rng, "cactus")
    with pytest.raises(ValueError, match="monsoon"):
        plant_materials(rng, MaterialTable(rng), "monsoon")
