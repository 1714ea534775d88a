"""A predictor that looks around finds the same behind the vehicle as ahead of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.inference import THRESHOLD, config, frame, network

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Boxes, Frame
from bev_semseg_ros.geometry import rotation_z, transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.around import OVERLAP, pass_config, whole_config
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.preprocessing import Sample, prepare

pytestmark = pytest.mark.slow


def turned(seen: Frame) -> Frame:
    """Return the frame as recorded by a vehicle that is turned by 180 degrees."""
    half_turn = transform(rotation_z(np.pi))
    lidars = {
        name: replace(scan, ego_from_lidar=half_turn @ scan.ego_from_lidar)
        for name, scan in seen.lidars.items()
    }
    cameras = {}
    for name, each in seen.cameras.items():
        pose = each.camera.camera_from_ego @ half_turn
        cameras[name] = replace(each, camera=replace(each.camera, camera_from_ego=pose))
    return replace(seen, lidars=lidars, cameras=cameras)


def around_frame() -> Frame:
    """Return a frame with points ahead and behind, a front camera and a rear camera."""
    ahead, behind = frame(seed=0), turned(frame(seed=4))
    lidars = {"a": ahead.lidars["lidar"], "b": behind.lidars["lidar"]}
    cameras = {"front": ahead.cameras["camera"], "back": behind.cameras["camera"]}
    return Frame(0, lidars, cameras)


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """Return around(fusion, engine), which loads each predictor that looks around only once."""
    folder = tmp_path_factory.mktemp("around")

    @cache
    def load(fusion="projective", engine="torch"):
        path = folder / f"{fusion}.pt"
        checkpoint.save(path, network(fusion), config(fusion), {})
        return Predictor.load(path, "cpu", "fp32", engine, num_threads=1, grid="around")

    return load


def in_the_order_of(other: Boxes, found: Boxes) -> Boxes:
    """Return the boxes in the order of their counterparts; that of equal scores is undefined."""
    mirrored = found.centers * (-1, -1, 1)
    likes = [np.column_stack([mirrored, found.labels, 10 * found.scores])]
    likes.append(np.column_stack([other.centers, other.labels, 10 * other.scores]))
    order = np.linalg.norm(likes[0][:, None] - likes[1], axis=-1).argmin(0)
    assert sorted(order) == list(range(len(found)))
    return found[order]


@pytest.mark.parametrize("mode", ["fused", "lidar_only"])
@pytest.mark.parametrize("fusion", ["projective", "cross_attention", "painted"])
def test_the_same_boxes_are_found_behind_the_vehicle_as_ahead_of_it(around, fusion, mode):
    ready, seen = around(fusion), around_frame()
    found = ready.predict(seen, mode, THRESHOLD).boxes
    other = ready.predict(turned(seen), mode, THRESHOLD).boxes
    assert (found.centers[:, 0] > 0).sum() > 3 and (found.centers[:, 0] < 0).sum() > 3
    assert len(found) == len(other)
    found = in_the_order_of(other, found)
    np.testing.assert_allclose(found.centers * (-1, -1, 1), other.centers, atol=1e-3)
    np.testing.assert_allclose(found.scores, other.scores, atol=1e-4)
    difference = np.abs(found.yaws - other.yaws)
    np.testing.assert_allclose(difference, np.pi, atol=1e-3)


def test_both_engines_find_the_same_boxes_and_masks_around_the_vehicle(around):
    pytest.importorskip("openvino")
    found, expected = (
        around(engine=engine).predict(around_frame(), "fused", THRESHOLD)
        for engine in ("openvino", "torch")
    )
    assert len(found.boxes) == len(expected.boxes)
    np.testing.assert_allclose(found.boxes.centers, expected.boxes.centers, atol=1e-3)
    assert all(np.array_equal(found.masks[name], expected.masks[name]) for name in found.masks)


def test_far_ahead_the_grid_around_finds_the_same_boxes_as_the_grid_forward(around, simple):
    seen = around_frame()
    found, expected = (each.predict(seen, "fused", THRESHOLD).boxes for each in (around(), simple))
    # Only the best: the weakest differ, since a pass also finds boxes at the vehicle.
    far, far_expected = (boxes[boxes.centers[:, 0] > 12][:10] for boxes in (found, expected))
    assert len(far_expected) == 10
    np.testing.assert_allclose(far.centers, far_expected.centers, atol=1e-3)


def test_the_configuration_of_a_predictor_that_looks_around_has_the_whole_grid(around):
    ready = around()
    assert ready.config.grid.x_min == -ready.config.grid.x_max
    assert all(task.config.grid == ready.config.grid for task in ready.tasks)


def test_an_unknown_grid_is_refused_with_the_known_ones(around):
    with pytest.raises(ValueError, match="grid: expected forward or around, got 'backward'"):
        Predictor.load(grid="backward")


def test_a_network_with_an_asymmetric_grid_finds_the_same_boxes(tmp_path):
    wide = config("none")
    narrow = replace(wide, grid=replace(wide.grid, y_min=-6.4))
    points = around_points(narrow)
    found = []
    for number, each in enumerate((narrow, wide)):
        path = tmp_path / f"{number}.pt"
        checkpoint.save(path, network("none"), each, {})
        ready = Predictor.load(path, "cpu", "fp32", "torch", num_threads=1, grid="around")
        found.append(ready.predict_sample(Sample.of(points), "lidar_only", THRESHOLD).boxes)
    assert (found[0].centers[:, 0] < 0).any() and len(found[0]) == len(found[1])
    np.testing.assert_allclose(found[0].centers, found[1].centers, atol=1e-3)


@pytest.mark.parametrize("x_max", [25.2, 24.4])
def test_points_beyond_the_grid_of_a_pass_change_nothing(tmp_path, x_max):
    # The whole grid then begins up to 1.6 m farther behind than a pass reaches.
    wanted = config("none")
    wanted = replace(wanted, grid=replace(wanted.grid, x_max=x_max))
    checkpoint.save(tmp_path / "a.pt", network("none"), wanted, {})
    ready = Predictor.load(tmp_path / "a.pt", "cpu", "fp32", "torch", num_threads=1, grid="around")
    rng = np.random.default_rng(0)
    points = rng.uniform([-25.6, -8, 0, 0], [-20, 8, 2, 1], (600, 4)).astype(np.float32)
    near = points[points[:, 0] >= -x_max]
    found, expected = (
        ready.predict(Frame.of(0, cloud, np.eye(4)), "lidar_only", THRESHOLD).boxes
        for cloud in (points, near)
    )
    assert len(near) < len(points) and len(expected) > 5
    np.testing.assert_array_equal(found.centers, expected.centers)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("limits", [(5.0, 45.0), (-10.2, 50.2), (-40.0, 40.0), (0.0, 50.0)])
def test_every_grid_can_be_extended_behind_the_vehicle(limits):
    x_min, x_max = limits
    wanted = Config(grid=GridConfig(x_min=x_min, x_max=x_max))
    for extended, back in ((whole_config(wanted), x_max), (pass_config(wanted), OVERLAP)):
        assert -back - 1.6 < extended.grid.x_min < -back + 1e-6 and extended.grid.x_max == x_max


def around_points(wanted: Config) -> np.ndarray:
    """Return points ahead and behind, in the ego frame and inside the whole grid."""
    points = prepare(around_frame(), whole_config(wanted)).points
    assert points is not None and (points[:, 1] > 6.4).any()
    return points
