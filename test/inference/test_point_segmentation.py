"""Every point of every cloud gets its class, in the cloud's own order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.inference import frame as camera_frame
from support.point_clouds import (
    ROOF,
    TASKS,
    cloud_frame,
    points_config,
    points_network,
    points_predictor,
    turn,
)

from bev_semseg_ros.frame import Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.inference.around import pass_config
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.visualization.pictures import task_pictures


def classes(frame: Frame, engine: str = "torch", mode="fused"):
    return points_predictor(engine).predict(frame, mode).results["point_segmentation"]


def test_every_point_keeps_its_index_whatever_else_is_in_the_cloud():
    cloud = turn(reach=50)
    cloud[7, 2], cloud[9, 3], cloud[11] = np.nan, np.inf, np.nan
    found = classes(cloud_frame(cloud))["lidar"]
    assert len(found) == len(cloud) and found.labels.dtype == np.uint8
    assert np.flatnonzero(found.labels == MASK_IGNORED).tolist() == [
        7,
        11,
    ]  # not 9: an infinite intensity counts as 0
    assert not found.scores[[7, 11]].any() and (found.scores[:7] > 1 / 13).all()
    order = np.random.default_rng(0).permutation(len(cloud))
    shuffled = classes(cloud_frame(cloud[order]))["lidar"]
    assert np.array_equal(shuffled.labels, found.labels[order])
    np.testing.assert_allclose(shuffled.scores, found.scores[order], atol=1e-4)
    assert len(np.unique(found.scores)) > 100
    assert len(np.unique(found.labels)) > 3


def test_each_of_several_lidars_has_its_own_classes_and_a_missing_one_has_none():
    cloud, pose = turn(reach=50), transform(rotation_z(0.5), (1, 0, 1.5))
    scans = {
        "left": LidarScan(None, ROOF),
        "roof": LidarScan(cloud, ROOF),
        "right": LidarScan(cloud[::2], pose),
    }
    found = classes(Frame(0, scans))
    assert {name: len(each) for name, each in found.items()} == {"roof": 480, "right": 240}
    # Each lidar has an image of its own, in its own frame.
    alone = classes(cloud_frame(cloud))["lidar"]
    assert np.array_equal(found["roof"].labels, alone.labels)


def five_units() -> Frame:
    """Return one cloud of five units at different positions."""
    poses = [transform(rotation_z(0.3 * n), (0.4 * n, 1 - 0.5 * n, 0)) for n in range(5)]
    parts = [turn(columns=40, reach=40, seed=n) for n in range(5)]
    cloud = np.concatenate(parts)
    for n, pose in enumerate(poses):
        of_unit = slice(n * 320, (n + 1) * 320)
        cloud[of_unit, :3] = apply(pose, parts[n][:, :3])
    numbers = np.repeat(np.arange(5), 320)
    order = np.random.default_rng(0).permutation(len(cloud))
    scan = LidarScan(
        cloud[order],
        ROOF,
        {"unit": numbers[order]},
        lidar_from_unit=dict(enumerate(poses)),
    )
    return Frame(0, {"lidar": scan})


def test_each_of_five_units_of_one_cloud_has_a_spherical_image_of_its_own():
    frame = five_units()
    found = classes(frame)["lidar"]
    scan = frame.lidars["lidar"]
    for n in (0, 3):
        chosen = np.flatnonzero(scan.attributes["unit"] == n)
        pose = scan.lidar_from_unit[n]
        own = scan.points[chosen].copy()
        own[:, :3] = apply(invert(pose), own[:, :3])
        alone = Frame(0, {"lidar": LidarScan(own, ROOF @ pose)})
        labels = classes(alone)["lidar"].labels
        assert (labels == found.labels[chosen]).mean() > 0.98  # rounding may change a pixel


def test_images_are_not_needed_and_do_not_change_the_classes():
    cloud = turn(reach=50)
    seen = camera_frame(seed=1)
    frame = replace(cloud_frame(cloud), cameras=seen.cameras)
    with_image, without = (classes(frame, mode=mode)["lidar"] for mode in ("fused", "lidar_only"))
    assert np.array_equal(with_image.labels, without.labels)
    assert points_predictor().predict(seen, "camera_only").results == {}


@pytest.mark.slow
def test_the_grid_around_does_not_change_the_classes():
    wide = build_network(pass_config(points_config()))
    wide.load_state_dict(points_network().state_dict())
    around = Predictor(
        wide.eval(),
        points_config(),
        device="cpu",
        precision="fp32",
        engine="torch",
        num_threads=1,
        grid="around",
    )
    frame = cloud_frame(turn())
    found = around.predict(frame)
    assert found.boxes is not None
    expected = classes(frame)["lidar"]
    assert np.array_equal(found.results["point_segmentation"]["lidar"].labels, expected.labels)


@pytest.mark.slow
def test_openvino_gives_the_same_classes_as_torch():
    pytest.importorskip("openvino")
    frame = cloud_frame(turn(reach=50))
    found, expected = (classes(frame, engine)["lidar"] for engine in ("openvino", "torch"))
    assert (found.labels == expected.labels).mean() > 0.999
    assert np.allclose(found.scores, expected.scores, atol=1e-3)


def test_results_are_drawn_from_above_and_over_each_image():
    predictor = points_predictor()
    frame = replace(cloud_frame(turn(reach=50)), cameras=camera_frame().cameras)
    pictures = task_pictures(predictor, frame, predictor.predict(frame))
    assert [task.name for task in predictor.tasks] == list(TASKS)
    assert list(pictures) == ["point_segmentation, camera", "point_segmentation, from above"]
    assert pictures["point_segmentation, camera"].shape == (96, 160, 3)
    colors = predictor.label_sets["point_segmentation"].colors @ (1, 256, 65536)
    for picture in pictures.values():
        assert np.isin(colors, picture.astype(int) @ (1, 256, 65536)).sum() > 2
    blind = task_pictures(predictor, frame.without_images(), predictor.predict(frame, "lidar_only"))
    assert list(blind) == ["point_segmentation, from above"]
