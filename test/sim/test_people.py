"""People and two-wheelers of the simulator's library."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.people import (
    CYCLIST_KINDS,
    PEDESTRIAN_KINDS,
    cyclist,
    pedestrian,
)
from bev_semseg_ros.sim.assets.people_materials import PEOPLE_SLOTS, people_materials
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.two_wheelers import PARKED_KINDS, parked_two_wheeler
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

pytestmark = pytest.mark.slow

MAKERS = {
    **dict.fromkeys(PEDESTRIAN_KINDS, pedestrian),
    **dict.fromkeys(CYCLIST_KINDS, cyclist),
    **dict.fromkeys(PARKED_KINDS, parked_two_wheeler),
}
EVERYBODY = [
    pytest.param((make, kind, seed), id=f"{kind}-{seed}")
    for kind, make in MAKERS.items()
    for seed in range(5)
]


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_declared_size_is_the_extent_on_the_ground(shape: Shape):
    points = shape.mesh.triangles.reshape(-1, 3)
    half = np.array(shape.size) / 2
    np.testing.assert_allclose(points.min(0), (-half[0], -half[1], 0), atol=0.01)
    np.testing.assert_allclose(points.max(0), (half[0], half[1], shape.size[2]), atol=0.01)


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_uses_only_known_slots(shape: Shape):
    assert 0 <= shape.mesh.materials.min() <= shape.mesh.materials.max() < len(PEOPLE_SLOTS)


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_normals_lie_on_the_outer_side_of_their_triangles(shape: Shape):
    agree = np.sum(shape.mesh.face_normals * shape.mesh.normals.mean(1), -1)
    area = np.linalg.norm(
        np.cross(
            shape.mesh.triangles[:, 1] - shape.mesh.triangles[:, 0],
            shape.mesh.triangles[:, 2] - shape.mesh.triangles[:, 0],
        ),
        axis=-1,
    )
    assert np.mean(agree[area > 1e-6] > -0.1) > 0.99


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_triangle_budget(shape: Shape):
    assert len(shape.mesh) <= (500 if shape.kind in PEDESTRIAN_KINDS else 900)


@pytest.mark.parametrize(
    ("kind", "detection", "segmentation"),
    [
        ("walking", "pedestrian", "pedestrian"),
        ("child", "pedestrian", "pedestrian"),
        ("cyclist", "cyclist", "two_wheeler"),
        ("motorcyclist", "cyclist", "two_wheeler"),
    ],
)
def test_labels(kind: str, detection: str, segmentation: str):
    shape = MAKERS[kind](np.random.default_rng(0), kind)
    assert shape.label == BOX_LABEL[detection]
    assert set(shape.mesh.labels) == {MASK_LABEL[segmentation]}


@pytest.mark.parametrize("kind", PARKED_KINDS)
def test_parked_two_wheelers_have_no_box(kind: str):
    shape = parked_two_wheeler(np.random.default_rng(0), kind)
    assert shape.label is None
    assert set(shape.mesh.labels) == {MASK_LABEL["two_wheeler"]}


def test_sizes_are_those_of_people():
    rng = np.random.default_rng(0)
    walking = np.array([pedestrian(rng, "walking").size for _ in range(40)])
    riding = np.array([cyclist(rng, "cyclist").size for _ in range(40)])
    np.testing.assert_allclose(walking.mean(0), (0.85, 0.66, 1.75), atol=0.12)
    np.testing.assert_allclose(riding.mean(0), (1.76, 0.62, 1.76), atol=0.1)


def test_children_are_smaller_than_adults():
    rng = np.random.default_rng(0)
    assert max(pedestrian(rng, "child").size[2] for _ in range(10)) < 1.6


def test_who_stands_still_does_not_stride(library):
    rng = np.random.default_rng(0)
    assert {library.draw_pedestrian(rng, still=True).kind for _ in range(30)} == {
        "standing",
        "sitting",
    }
    assert {library.draw_pedestrian(rng).kind for _ in range(30)} == {"walking", "child"}


def test_materials_cover_every_slot():
    table = MaterialTable(np.random.default_rng(0))
    rows = people_materials(np.random.default_rng(1), table)
    assert rows.tolist() == list(range(len(PEOPLE_SLOTS)))


@pytest.mark.parametrize("make", [pedestrian, cyclist, parked_two_wheeler])
def test_unknown_kinds_are_named(make):
    with pytest.raises(ValueError, match="unicorn"):
        make(np.random.default_rng(0), "unicorn")
