"""Preprocessing: frames become the input of the network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bev_semseg_ros.config import Config, GridConfig, ImageConfig
from bev_semseg_ros.frame import Camera, CameraImage, EgoMotion, Frame, LidarScan
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, rotation_z, transform
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.preprocessing import (
    MAX_GRID_POINTS,
    network_size,
    points_in_grid,
    prepare,
    prepare_points,
    rectify,
)


def pinhole(width: int, height: int, **settings) -> Camera:
    return Camera(
        [[width, 0, width / 2 - 0.5], [0, width, height / 2 - 0.5], [0, 0, 1]],
        (width, height),
        OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5))),
        **settings,
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1920, 1208), (640, 400)), ((1242, 375), (768, 224)), ((1280, 960), (576, 432))],
)
def test_network_size_keeps_the_aspect_ratio_in_whole_strides(size, expected):
    assert network_size(size, ImageConfig()) == expected


def test_points_are_transformed_to_the_ego_frame_and_bad_ones_are_dropped():
    points = np.array(
        [
            [1, 0, 0, 0.5],
            [np.nan, 0, 0, 0.5],
            [1, 0, np.inf, 0.5],
            [500, 0, 0, 0.5],
        ]
    )
    pose = transform(rotation_z(np.pi / 2), (5, 0, 1))
    result = prepare_points(points, pose, GridConfig())
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[5, 1, 1, 0.5]], atol=1e-6)


@pytest.mark.parametrize("angle", [0, 0.3])
@pytest.mark.parametrize("whole_clouds", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_points_with_an_intensity_that_is_not_finite_are_kept_with_intensity_0(
    angle, whole_clouds, kind
):
    points = np.array([[9, 0, 0, np.nan], [9, 1, 0, -np.inf], [9, 2, 0, 0.5]], kind)
    if kind == np.float64:
        points[0, 3] = 1e300  # becomes infinite in float32
    pose = transform(rotation_z(angle), (0, 0, 1.73))
    frame = Frame(0, {"roof": LidarScan(points, pose)})
    sample = prepare(frame, Config(), whole_clouds)
    np.testing.assert_allclose(sample.points[:, :3], apply(pose, points[:, :3]), atol=1e-5)
    np.testing.assert_array_equal(sample.points[:, 3], [0, 0, 0.5])
    assert not np.isfinite(points[1, 3])  # the caller's array is unchanged


def test_the_grid_includes_its_lower_bounds_and_excludes_its_upper_ones():
    grid = GridConfig(x_min=-8, x_max=8, y_min=-4, y_max=4, z_min=-2, z_max=2)
    low, high = np.array([-8.0, -4, -2]), np.array([8.0, 4, 2])
    assert points_in_grid(np.array([low, [0, 0, 0]]), grid).all()
    for axis in range(3):
        below, above = np.zeros((2, 3))
        below[axis], above[axis] = np.nextafter(low[axis], -9), high[axis]
        assert not points_in_grid(np.array([below, above]), grid).any()


@pytest.mark.parametrize(
    "points", [np.zeros((0, 4), np.float32), np.full((7, 4), np.nan, np.float32)]
)
def test_an_empty_cloud_stays_an_empty_cloud(points):
    assert prepare_points(points, np.eye(4), GridConfig()).shape == (0, 4)


def test_too_many_points_are_thinned_evenly_and_reproducibly():
    rng = np.random.default_rng(1)
    count = 5 * MAX_GRID_POINTS
    points = np.column_stack(
        [
            rng.uniform(1, 50, count),
            rng.uniform(-20, 20, count),
            np.zeros(count),
            np.tile(np.arange(5) / 5, MAX_GRID_POINTS),
        ]
    ).astype(np.float32)
    thinned = prepare_points(points, np.eye(4), GridConfig())
    assert abs(len(thinned) / MAX_GRID_POINTS - 1) < 0.01
    np.testing.assert_array_equal(thinned, prepare_points(points, np.eye(4), GridConfig()))
    for column in (0, 1):
        counts, _ = np.histogram(thinned[:, column], 10)
        assert abs(counts / len(thinned) - 0.1).max() < 0.005
    counts = np.unique(thinned[:, 3], return_counts=True)[1]
    assert len(counts) == 5 and abs(counts / len(thinned) - 0.2).max() < 0.005


def test_thinned_points_keep_their_attributes():
    count = 2 * MAX_GRID_POINTS
    points = np.ones((count, 4), np.float32)
    points[:, 0] = np.linspace(1, 50, count)
    frame = Frame.of(0, points, np.eye(4), point_attributes={"time": points[:, 0]})
    sample = prepare(frame, Config())
    assert 0 < len(sample.points) < 1.1 * MAX_GRID_POINTS
    np.testing.assert_array_equal(sample.point_attributes["time"], sample.points[:, 0])
    inside = prepare(frame, Config(), whole_clouds=True).within(Config().grid)
    np.testing.assert_array_equal(inside.points, sample.points)


def test_the_main_origin_is_that_of_the_lidar_with_the_most_points():
    scans = {
        name: LidarScan(np.full((count, 4), 1, np.float32), transform(None, (count, -count, 1)))
        for name, count in (("front", 2), ("roof", 5), ("left", 3))
    }
    np.testing.assert_array_equal(prepare(Frame(0, scans), Config()).main_origin, [5, -5])


def test_a_rectified_image_of_the_right_size_is_left_unchanged():
    image = np.random.default_rng(0).integers(0, 255, (40, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(rectify(image, pinhole(64, 40), (64, 40)), image)


@pytest.mark.parametrize("recorded", [(400, 240), (401, 239)])
@pytest.mark.parametrize("factor", [0.5, 0.4, 0.3, 0.2, 1.7])
def test_a_spot_is_found_where_the_resized_camera_sees_it(factor, recorded):
    camera = pinhole(*recorded)
    image = np.zeros((recorded[1], recorded[0], 3), np.uint8)
    u, v = 381, 221
    image[v - 3 : v + 4, u - 3 : u + 4] = 255
    size = (round(400 * factor), round(240 * factor))
    result = rectify(image, camera, size)[..., 0].astype(float)
    rows, columns = np.mgrid[: size[1], : size[0]]
    found = np.array([(columns * result).sum(), (rows * result).sum()]) / result.sum()
    ray = np.linalg.inv(camera.matrix) @ [u, v, 1]
    expected = (camera.rectified(size).matrix @ ray)[:2]
    np.testing.assert_allclose(found, expected, atol=0.15)


@pytest.mark.parametrize("recorded", [(1920, 1208), (1921, 1207), (1280, 806)])
def test_a_reduced_image_is_filled_to_its_last_row_and_column(recorded):
    looking = Camera(
        np.array([[900.0, 0, recorded[0] / 2], [0, 900, recorded[1] / 2], [0, 0, 1]]),
        recorded,
        np.eye(4),
    )
    reduced = rectify(np.full((recorded[1], recorded[0], 3), 200, np.uint8), looking, (640, 400))
    assert (reduced == 200).all()


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 7])
def test_a_reduced_pixel_is_the_mean_of_its_block(factor):
    size = 64, 48
    image = np.random.default_rng(factor).integers(
        0, 256, (size[1] * factor, size[0] * factor, 3), np.uint8
    )
    blocks = image.reshape(size[1], factor, size[0], factor, 3).mean((1, 3))
    assert abs(rectify(image, pinhole(size[0] * factor, size[1] * factor), size) - blocks).max() < 1


@pytest.mark.parametrize("size", [(400, 240), (320, 192)])
@pytest.mark.parametrize(
    ("model", "coefficients", "project"),
    [
        ("plumb_bob", np.array([-0.3, 0.1, 0.001, -0.002, 0.0]), cv2.projectPoints),
        ("equidistant", np.array([0.05, -0.01, 0.0, 0.0]), cv2.fisheye.projectPoints),
    ],
)
def test_a_distorted_spot_lands_where_a_pinhole_sees_it(model, coefficients, project, size):
    flat = [[330.0, 0, 190], [0, 320, 125], [0, 0, 1]]
    camera = pinhole(
        400, 240, distortion=coefficients, distortion_model=model, rectified_matrix=flat
    )
    ray = np.array([[[0.30, 0.12, 1.0]]])
    pixel = project(ray, np.zeros(3), np.zeros(3), camera.matrix, coefficients)[0]
    u, v = pixel.ravel().round().astype(int)
    image = np.zeros((240, 400, 3), np.uint8)
    image[v - 2 : v + 3, u - 2 : u + 3] = 255
    result = rectify(image, camera, size)[..., 0].astype(float)
    rows, columns = np.mgrid[: size[1], : size[0]]
    found = np.array([(columns * result).sum(), (rows * result).sum()]) / result.sum()
    expected = (camera.rectified(size).matrix @ ray[0, 0])[:2]
    np.testing.assert_allclose(found, expected, atol=1.0)


@pytest.mark.parametrize("size", [(64, 40), (32, 20)])
@pytest.mark.parametrize(
    "model, coefficients, bent",
    [
        ("none", [], False),
        ("plumb_bob", [], False),
        ("plumb_bob", [0] * 5, False),
        ("plumb_bob", [-0.3, 0.1, 0, 0, 0], True),
        ("equidistant", [0] * 4, True),
    ],
)
def test_the_distortion_model_decides_at_every_size_whether_an_image_is_rectified(
    size, model, coefficients, bent
):
    image = np.random.default_rng(0).integers(0, 255, (40, 64, 3)).astype(np.uint8)
    straight = rectify(image, pinhole(64, 40), size)
    result = rectify(image, pinhole(64, 40, distortion=coefficients, distortion_model=model), size)
    assert np.array_equal(result, straight) != bent


def test_masks_keep_their_classes_and_pixels_without_a_source_are_ignored():
    camera = pinhole(400, 240, distortion=np.array([0.3, 0, 0, 0, 0]), distortion_model="plumb_bob")
    mask = np.full((240, 400), 3, np.uint8)
    mask[:, 200:] = 9
    result = rectify(mask, camera, (320, 192), cv2.INTER_NEAREST)
    assert set(np.unique(result)) <= {3, 9, MASK_IGNORED} and MASK_IGNORED in result


def test_a_strongly_reduced_mask_has_no_interpolated_classes():
    mask = np.full((240, 400), 3, np.uint8)
    mask[:, 199:] = 9
    result = rectify(mask, pinhole(400, 240), (100, 60), cv2.INTER_NEAREST)
    assert set(np.unique(result)) == {3, 9}


def test_rectification_maps_of_twelve_cameras_are_computed_only_once(monkeypatch):
    computed, compute = [], cv2.initUndistortRectifyMap
    monkeypatch.setattr(
        cv2, "initUndistortRectifyMap", lambda *given: computed.append(given) or compute(*given)
    )
    # No other test has such cameras.
    cameras = [pinhole(70, 40 + number) for number in range(12)]
    for _ in range(2):
        for camera in cameras:
            rectify(np.zeros((40, 70, 3), np.uint8), camera, (64, 32))
            rectify(np.zeros((40, 70), np.uint8), camera, (64, 32), cv2.INTER_NEAREST)
    assert len(computed) == 24


def test_a_sample_lacks_what_the_frame_lacks():
    camera = pinhole(128, 64)
    points = np.array([[5, 0, 1, 0.5]], np.float32)
    sample = prepare(Frame.of(0, points, np.eye(4), None, camera), Config())
    assert sample.image is None and sample.camera is None and len(sample.points) == 1
    sample = prepare(
        Frame.of(0, None, np.eye(4), np.zeros((64, 128, 3), np.uint8), camera), Config()
    )
    assert sample.points is None and sample.camera.size == sample.image.shape[1::-1]


def test_several_lidars_are_merged_into_one_cloud_with_their_indices():
    pose = transform(rotation_z(np.pi / 2), (1.0, 0, 0.5))
    ahead = np.array([[5, 0, 1, 0.5], [500, 0, 1, 0.5], [6, 0, 1, 0.5]], np.float32)
    beside = np.array([[0, -8, 0.5, 0.25]], np.float32)  # 9 m ahead of the ego frame
    frame = Frame(
        0,
        {
            "front": LidarScan(ahead, np.eye(4), {"ring": np.array([1, 2, 3])}),
            "silent": LidarScan(None, np.eye(4)),
            "left": LidarScan(beside, pose),
        },
    )
    sample = prepare(frame, Config())
    expected = [[5, 0, 1, 0.5], [6, 0, 1, 0.5], [9, 0, 1, 0.25]]
    np.testing.assert_allclose(sample.points, expected, atol=1e-5)
    assert sample.point_lidar.tolist() == [0, 0, 2]
    np.testing.assert_array_equal(sample.ego_from_lidar[[0, 2]], [np.eye(4), pose])
    np.testing.assert_array_equal(sample.point_attributes["ring"], [1, 3, np.nan])
    unit = sample.point_attributes["unit"]
    assert unit[0] == unit[1] != unit[2]


def test_units_of_several_lidars_never_share_a_number():
    cloud = np.full((4, 4), 1, np.float32)
    units = {"unit": np.array([0, 1, 4, 2])}
    scans = {name: LidarScan(cloud, np.eye(4), units) for name in ("a", "b")}
    unit = prepare(Frame(0, scans), Config()).point_attributes["unit"]
    assert len(set(unit.tolist())) == 8


def test_the_only_lidar_keeps_its_units():
    cloud = np.full((2, 4), 1, np.float32)
    frame = Frame.of(0, cloud, np.eye(4), point_attributes={"unit": np.array([3, 1])})
    assert prepare(frame, Config()).point_attributes["unit"].tolist() == [3, 1]


def test_thinning_keeps_points_of_every_lidar():
    cloud = np.full((MAX_GRID_POINTS, 4), 1, np.float32)
    scans = {name: LidarScan(cloud, np.eye(4)) for name in ("a", "b")}
    sample = prepare(Frame(0, scans), Config())
    counts = np.bincount(sample.point_lidar)
    assert len(counts) == 2 and abs(counts / MAX_GRID_POINTS - 0.5).max() < 0.02


def test_a_sample_has_only_the_cameras_with_an_image():
    wide, small = pinhole(400, 240), pinhole(128, 64)
    frame = Frame(
        0,
        {},
        {
            "wide": CameraImage(np.full((240, 400, 3), 7, np.uint8), wide),
            "blind": CameraImage(None, wide),
            "small": CameraImage(np.full((64, 128, 3), 9, np.uint8), small),
        },
    )
    sample = prepare(frame, Config())
    assert list(sample.images) == ["wide", "small"]
    for name, value in (("wide", 7), ("small", 9)):
        seen = sample.images[name]
        assert seen.camera.size == seen.image.shape[1::-1]
        assert np.median(seen.image) == value


def test_the_shorthand_for_one_camera_fails_if_there_are_several():
    sample = prepare(
        Frame(
            0,
            {},
            {n: CameraImage(np.zeros((64, 128, 3), np.uint8), pinhole(128, 64)) for n in "ab"},
        ),
        Config(),
    )
    with pytest.raises(ValueError, match=r"several cameras \(a, b\)"):
        _ = sample.image


MOTION = EgoMotion((20, 0, 0), (0, 0, 0.3))


def seen_later(points: np.ndarray, seconds: float) -> np.ndarray:
    """Return static `points` (N, 3) as seen from the moving vehicle after some seconds."""
    return apply(invert(MOTION.pose_after(seconds)), points)


def standing_points() -> np.ndarray:
    points = np.random.default_rng(1).uniform((5, -20, 0.2), (50, 20, 1.8), (200, 3))
    return points.astype(np.float32)


def with_intensity(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.full(len(points), 0.5)]).astype(np.float32)


def test_static_points_of_lidars_at_different_times_coincide():
    points = standing_points()
    early, late = with_intensity(points), with_intensity(seen_later(points, 0.05))
    lidars = {"a": LidarScan(early, np.eye(4)), "b": LidarScan(late, np.eye(4), seconds=0.05)}
    still = prepare(Frame(0, lidars), Config()).points
    sample = prepare(Frame(0, lidars, motion=MOTION), Config())
    moved = sample.points
    np.testing.assert_allclose(
        sample.ego_from_lidar, [np.eye(4), MOTION.pose_after(0.05)], atol=1e-9
    )
    assert np.abs(still[:200] - still[200:]).max() > 0.9
    np.testing.assert_allclose(moved[:200], moved[200:], atol=0.01)


def test_points_of_one_sweep_are_corrected_by_their_own_times():
    points = standing_points()
    times = np.linspace(-0.05, 0.05, len(points)).astype(np.float32)
    seen = [seen_later(point[None], time)[0] for point, time in zip(points, times, strict=True)]
    times[7], seen[7] = np.nan, seen_later(points[7:8], 0.02)[0]  # no time: that of the scan
    scan = LidarScan(with_intensity(np.array(seen)), np.eye(4), {"time": times}, seconds=0.02)
    sample = prepare(Frame(0, {"roof": scan}, motion=MOTION), Config())
    np.testing.assert_allclose(sample.points[:, :3], points, atol=0.01)


def test_points_project_to_where_a_later_image_shows_them():
    camera = pinhole(128, 96)
    image = CameraImage(np.zeros((96, 128, 3), np.uint8), camera, seconds=0.04)
    sample = prepare(Frame(0, {}, {"front": image}, motion=MOTION), Config())
    points = standing_points()
    in_image = apply(camera.camera_from_ego, seen_later(points, 0.04))
    np.testing.assert_allclose(apply(sample.camera.camera_from_ego, points), in_image, atol=1e-3)
