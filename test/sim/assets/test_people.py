"""People and two-wheelers of the simulator's library."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.library import (
    CYCLIST_COUNTS,
    PARKED_COUNTS,
    SEATED_COUNTS,
    STILL_COUNTS,
    WALKING_COUNTS,
    Library,
)
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import face_normals
from bev_semseg_ros.sim.assets.people.bodies import BONE, BONES, body_pool
from bev_semseg_ros.sim.assets.people.clothes import HEADWEAR, draw_outfit, dressed
from bev_semseg_ros.sim.assets.people.pedestrians import (
    PEDESTRIAN_KINDS,
    pedestrian,
)
from bev_semseg_ros.sim.assets.people.pose import SIDES, Pose
from bev_semseg_ros.sim.assets.people.riders import CYCLIST_KINDS, cyclist
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
    for seed in range(3)
]
# What these people have with them may stick out of their boxes.
WITH_BELONGINGS = ("luggage", "pram", "pushing_bicycle", "umbrella", "walking_frame")


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_declared_size_is_the_extent_on_the_ground(shape: Shape):
    points = shape.mesh.triangles.reshape(-1, 3)
    half = np.array(shape.size) / 2
    low, high = points.min(0), points.max(0)
    assert low[2] == pytest.approx(0, abs=0.02)
    assert np.all(np.array(shape.footprint) >= 2 * np.abs(points[:, :2]).max(0) - 0.01)
    if shape.kind in WITH_BELONGINGS:
        assert np.all(low[:2] < -half[:2] + 0.01) and np.all(high > [*half[:2] - 0.01, 0.9])
        return
    np.testing.assert_allclose(low[:2], -half[:2], atol=0.01)
    np.testing.assert_allclose(high, (half[0], half[1], shape.size[2]), atol=0.01)


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_uses_only_known_slots(shape: Shape):
    assert 0 <= shape.mesh.materials.min() <= shape.mesh.materials.max() < len(PEOPLE_SLOTS)


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_normals_lie_on_the_outer_side_of_their_triangles(shape: Shape):
    agree = np.sum(face_normals(shape.mesh.triangles) * shape.mesh.normals.mean(1), -1)
    area = np.linalg.norm(
        np.cross(
            shape.mesh.triangles[:, 1] - shape.mesh.triangles[:, 0],
            shape.mesh.triangles[:, 2] - shape.mesh.triangles[:, 0],
        ),
        axis=-1,
    )
    assert np.mean(agree[area > 1e-6] > -0.1) > 0.96  # the rest: hands and folds


@pytest.mark.parametrize("shape", EVERYBODY, indirect=True)
def test_triangle_budget(shape: Shape):
    assert np.isfinite(shape.mesh.triangles).all()
    assert len(shape.mesh) <= 2700


def test_people_and_riders_have_their_labels():
    rng = np.random.default_rng(0)
    for kind in PEDESTRIAN_KINDS:
        shape = pedestrian(rng, kind)
        seen = {MASK_LABEL["pedestrian"]}
        if kind == "pushing_bicycle":
            seen.add(MASK_LABEL["two_wheeler"])
        assert shape.label == BOX_LABEL["pedestrian"]
        assert set(shape.mesh.labels) == seen
    for kind in CYCLIST_KINDS:
        shape = cyclist(rng, kind)
        assert shape.label == BOX_LABEL["cyclist"]
        assert set(shape.mesh.labels) == {MASK_LABEL["two_wheeler"]}


@pytest.mark.parametrize("kind", PARKED_KINDS)
def test_parked_two_wheelers_have_no_box(kind: str):
    shape = parked_two_wheeler(np.random.default_rng(0), kind)
    assert shape.label is None
    assert set(shape.mesh.labels) == {MASK_LABEL["two_wheeler"]}


def test_sizes_are_those_of_people():
    rng = np.random.default_rng(0)
    walking = np.array([pedestrian(rng, "walking").size for _ in range(60)])
    riding = np.array([cyclist(rng, "cyclist").size for _ in range(40)])
    np.testing.assert_allclose(walking.mean(0), (0.75, 0.62, 1.75), atol=0.1)
    np.testing.assert_allclose(riding.mean(0), (1.76, 0.65, 1.76), atol=0.12)
    assert walking[:, 2].min() > 1.3 and walking[:, 2].max() < 2.15


def test_a_pushed_bicycle_is_outside_of_the_persons_box():
    shape = pedestrian(np.random.default_rng(0), "pushing_bicycle")
    assert shape.size[0] < 1.4 < shape.footprint[0]
    assert shape.size[1] < shape.footprint[1]
    assert np.ptp(shape.mesh.triangles[..., 0]) > 1.5


def test_children_are_smaller_than_adults():
    rng = np.random.default_rng(0)
    heights = [pedestrian(rng, "child").size[2] for _ in range(10)]
    assert min(heights) > 0.9 and max(heights) < 1.65


def test_both_feet_of_a_standing_person_are_near_the_ground():
    rng = np.random.default_rng(0)
    for _ in range(5):
        shape = pedestrian(rng, "standing")
        low = shape.mesh.triangles.reshape(-1, 3)
        low = low[low[:, 2] < 0.05]
        assert np.ptp(low[:, 1]) > 0.12  # two feet, not one


def test_bodies_have_human_proportions():
    pool = body_pool()
    heights = {age: [body.height for body in pool.of_age(age)] for age in ("child", "adult", "old")}
    assert min(heights["child"]) > 0.95 and max(heights["child"]) < 1.6
    assert min(heights["adult"]) > 1.4 and max(heights["adult"]) < 2.05
    assert len(pool.bodies) >= 120 and len({body.is_female for body in pool.bodies}) == 2
    assert pool.weights.shape[1] == len(BONES)
    np.testing.assert_allclose(pool.weights.sum(1), 1, atol=1e-5)
    for body in pool.bodies:
        assert body.vertices[:, 2].min() == pytest.approx(0, abs=0.02)
        assert 0.45 < body.joints[BONE["thigh_left"], 2] / body.height < 0.58


def test_the_rest_pose_leaves_the_body_as_it_is():
    body = body_pool().bodies[60]
    posed = Pose(body).skin(body.vertices, body_pool())
    np.testing.assert_allclose(posed, body.vertices, atol=1e-4)


def test_hands_and_feet_reach_their_targets():
    body = body_pool().bodies[60]
    pose = Pose(body)
    for side, sign in SIDES.items():
        wrist = pose.joint(f"upper_arm_{side}") + np.array([0.3, 0.05 * sign, -0.2])
        ankle = np.array([0.2, 0.12 * sign, 0.3])
        pose.reach("arm", side, wrist, np.array([0, sign, -1.0]))
        pose.reach("leg", side, ankle, np.array([1.0, 0, 0]))
        np.testing.assert_allclose(pose.joint(f"hand_{side}"), wrist, atol=1e-3)
        np.testing.assert_allclose(pose.joint(f"foot_{side}"), ankle, atol=1e-3)


@pytest.mark.parametrize("headwear", HEADWEAR)
def test_clothes_stand_off_the_skin(headwear: str):
    pool = body_pool()
    body = pool.bodies[70]
    outfit = draw_outfit(np.random.default_rng(0), body, headwear)
    vertices, slots = dressed(body, outfit, pool)
    distance = np.linalg.norm(vertices - body.vertices, axis=1)
    assert 0.004 < distance.mean() < 0.05 and distance.max() < 0.075
    assert len(slots) == len(pool.faces)


def test_the_licence_of_the_bodies_is_shipped():
    folder = files("bev_semseg_ros.sim.assets.people")
    assert "CC0" in (folder / "bodies.LICENSE.txt").read_text()
    assert len((folder / "bodies.npz").read_bytes()) < 1_500_000


def test_every_kind_is_drawn(library: Library):
    rng = np.random.default_rng(0)
    assert {*WALKING_COUNTS, *STILL_COUNTS, *SEATED_COUNTS} == set(PEDESTRIAN_KINDS)
    assert set(CYCLIST_COUNTS) == set(CYCLIST_KINDS)
    assert set(PARKED_COUNTS) == set(PARKED_KINDS)
    for kind in (*PEDESTRIAN_KINDS, *CYCLIST_KINDS):
        assert library.draw_person(kind, rng).kind == kind


def test_a_shape_does_not_depend_on_which_others_were_drawn(library: Library):
    other = Library(0)
    for name in ("walking", "still", "cyclists", "parked_two_wheelers"):
        for index in (7, 0, 3):
            one, two = getattr(library, name)[index], getattr(other, name)[index]
            np.testing.assert_array_equal(one.mesh.triangles, two.mesh.triangles)


def test_materials_cover_every_slot():
    table = MaterialTable(np.random.default_rng(0))
    rows = people_materials(np.random.default_rng(1), table)
    assert sorted(rows.tolist()) == list(range(len(PEOPLE_SLOTS)))


@pytest.mark.parametrize("make", [pedestrian, cyclist, parked_two_wheeler])
def test_unknown_kinds_are_named(make):
    with pytest.raises(ValueError, match="unicorn"):
        make(np.random.default_rng(0), "unicorn")


def test_an_unknown_kind_of_person_is_named(library: Library):
    with pytest.raises(ValueError, match="unicorn"):
        library.draw_person("unicorn", np.random.default_rng(0))
