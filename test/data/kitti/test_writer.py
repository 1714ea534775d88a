"""Frames that are written in KITTI's object layout are read back as they were."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    Calibration,
    read_kitti_matrices,
    save_calibration,
)
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data.kitti.label_text import write_boxes
from bev_semseg_ros.data.kitti.writer import FrameWriter, lidar_folders
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, rotation_rpy, transform
from bev_semseg_ros.rectification import rectify

TILTED = transform(rotation_rpy(0.03, -0.2, 1.1), (0.4, -0.1, 2.4))
BUMPER = transform(rotation_rpy(0.0, 0.1, -0.3), (1.9, 0.2, 0.5))
AHEAD = OPTICAL_FROM_VIEW @ invert(transform(rotation_rpy(0.01, 0.02, 0.0), (0.3, 0.1, 1.6)))
LEFT = OPTICAL_FROM_VIEW @ invert(transform(rotation_rpy(0.0, 0.0, 1.2), (0.2, 0.5, 1.5)))
MATRIX = [[80.0, 0, 60.5], [0, 82.0, 31.5], [0, 0, 1]]
SIZE = (120, 64)


def points(seed: int, count: int = 500) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform((-60, -60, -3, 0), (60, 60, 5, 1), (count, 4)).astype(np.float32)


def image(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 15, 3), np.uint8)
    return np.kron(coarse, np.ones((size[1] // 8, size[0] // 15, 1), np.uint8))


def frame(pose: np.ndarray = TILTED) -> Frame:
    """Return a frame of one lidar and one camera with a rectified image."""
    seen = CameraImage(image(1), Camera(MATRIX, SIZE, AHEAD))
    return Frame(5_000_000_007, {LIDAR: LidarScan(points(1), pose)}, {CAMERA: seen})


def written(out: Path, *frames: Frame) -> list[Frame]:
    """Write frames and read them with all cameras."""
    writer = FrameWriter(out, "drive_a")
    for each in frames:
        writer.write(each)
    writer.finish()
    dataset = open_dataset(out, cameras="all")
    assert len(dataset) == len(frames)
    return [dataset[index][0] for index in range(len(dataset))]


def assert_same_scan(found: LidarScan, expected: LidarScan) -> None:
    np.testing.assert_allclose(found.ego_from_lidar, expected.ego_from_lidar, atol=1e-9)
    assert found.points is not None and expected.points is not None
    np.testing.assert_allclose(found.points[:, :3], expected.points[:, :3], atol=5e-5)
    assert np.array_equal(found.points[:, 3], expected.points[:, 3])


def assert_same_camera(found: Camera, expected: Camera) -> None:
    assert found.size == expected.size and found.is_rectified
    np.testing.assert_allclose(found.matrix, expected.rectified_matrix, atol=1e-9)
    np.testing.assert_allclose(found.camera_from_ego, expected.camera_from_ego, atol=1e-9)


@pytest.mark.parametrize("pose", [TILTED, KITTI_EGO_FROM_LIDAR, transform(translation=(0, 0, 2.4))])
def test_a_frame_is_read_back_with_points_poses_and_time(pose, tmp_path) -> None:
    expected = frame(pose)
    later = replace(expected, timestamp_ns=5_900_000_000)
    found, second = written(tmp_path, expected, later)
    assert (found.timestamp_ns, second.timestamp_ns) == (5_000_000_007, 5_900_000_000)
    assert found.scene == "drive_a" and found.missing == () and found.name == "000000"
    assert_same_scan(found.lidars[LIDAR], expected.lidars[LIDAR])
    assert_same_camera(found.cameras[CAMERA].camera, expected.cameras[CAMERA].camera)
    assert np.array_equal(found.image, expected.image)


def test_the_cloud_is_level_with_the_ground_at_the_height_of_kitti(tmp_path) -> None:
    """Labelling tools and other readers of the layout rely on this."""
    ground = np.array([[20.0, 3.0, 0.0], [5.0, -8.0, 0.0]])  # in the ego frame
    own = apply(invert(TILTED), ground)
    scan = LidarScan(np.column_stack([own, [0.2, 0.3]]).astype(np.float32), TILTED)
    written(tmp_path, replace(frame(), lidars={LIDAR: scan}))
    numbers = np.fromfile(tmp_path / "training" / "velodyne" / "000000.bin", np.float32)
    expected = [[20.0, 3.0, -1.73, 0.2], [5.0, -8.0, -1.73, 0.3]]
    np.testing.assert_allclose(numbers.reshape(-1, 4), expected, atol=1e-5)
    rows = read_kitti_matrices(tmp_path / "training" / "calib" / "000000.txt")
    to_camera = np.vstack([rows["Tr_velo_to_cam"].reshape(3, 4), (0, 0, 0, 1)])
    np.testing.assert_allclose(
        apply(to_camera, numbers.reshape(-1, 4)[:, :3].astype(float)),
        apply(AHEAD, ground),
        atol=1e-5,
    )


def test_a_lidar_that_is_mounted_like_kittis_has_kittis_own_rows(tmp_path) -> None:
    written(tmp_path, frame(KITTI_EGO_FROM_LIDAR))
    rows = read_kitti_matrices(tmp_path / "training" / "calib" / "000000.txt")
    expected = ["P0", "P1", "P2", "P3", "R0_rect", "Tr_velo_to_cam", "Tr_imu_to_velo"]
    assert list(rows) == expected  # other tools read them by the number of the line


def test_several_lidars_and_cameras_are_read_back(tmp_path) -> None:
    lidars = {
        "roof": LidarScan(points(2), TILTED),
        "bumper": LidarScan(points(3, 300), BUMPER),
    }
    right = transform(translation=(-0.5, 0, 0)) @ AHEAD  # looks in the same direction
    poses = {"front": AHEAD, "right": right, "left": LEFT}
    cameras = {
        name: CameraImage(image(seed), Camera(MATRIX, SIZE, pose))
        for seed, (name, pose) in enumerate(poses.items())
    }
    (found,) = written(tmp_path, Frame(7, lidars, cameras))
    assert list(found.lidars) == ["velodyne", "bumper"]
    for scan, expected in zip(found.lidars.values(), lidars.values(), strict=True):
        assert_same_scan(scan, expected)
    assert list(found.cameras) == ["image_02", "image_03", "image_04"]
    for seen, known in zip(found.cameras.values(), cameras.values(), strict=True):
        assert_same_camera(seen.camera, known.camera)
        assert np.array_equal(seen.image, known.image)


def test_an_image_is_rectified_at_the_size_at_which_it_was_recorded(tmp_path) -> None:
    """Its camera may be of a larger image with the same view."""
    matrix = [[150.0, 0, 125.5], [0, 160.0, 60.0], [0, 0, 1]]
    camera = Camera(MATRIX, SIZE, AHEAD, [-0.3, 0.05, 0, 0, 0], "plumb_bob")
    camera = replace(camera, matrix=np.array(matrix), size=(240, 128), rectified_matrix=matrix)
    recorded = image(4)
    (found,) = written(tmp_path, replace(frame(), cameras={CAMERA: CameraImage(recorded, camera)}))
    assert np.array_equal(found.image, rectify(recorded, camera, SIZE))
    assert not np.array_equal(found.image, recorded)
    assert_same_camera(found.cameras[CAMERA].camera, camera.rectified(SIZE))


def test_points_that_were_not_measured_are_left_out(tmp_path) -> None:
    measured = points(5, 4)
    unusable = np.array([[0, 0, 0, 0], [np.nan, 1, 1, 0.5], [3, 1, np.inf, 0.5]], np.float32)
    scan = LidarScan(np.concatenate([measured[:2], unusable, measured[2:]]), TILTED)
    (found,) = written(tmp_path, replace(frame(), lidars={LIDAR: scan}))
    assert_same_scan(found.lidars[LIDAR], LidarScan(measured, TILTED))


def test_points_with_an_intensity_that_is_not_finite_are_written_with_intensity_0(tmp_path) -> None:
    given = points(5, 4)
    given[1:3, 3] = np.nan, np.inf
    (found,) = written(tmp_path, replace(frame(), lidars={LIDAR: LidarScan(given, TILTED)}))
    given[1:3, 3] = 0
    assert_same_scan(found.lidars[LIDAR], LidarScan(given, TILTED))


def test_a_frame_without_camera_is_read_back(tmp_path) -> None:
    expected = replace(frame(), cameras={})
    (found,) = written(tmp_path, expected)
    assert_same_scan(found.lidars[LIDAR], expected.lidars[LIDAR])
    assert not found.cameras and found.missing == ("image",)


def test_a_frame_without_lidar_is_read_back(tmp_path) -> None:
    expected = replace(frame(), lidars={})
    (found,) = written(tmp_path, expected)
    assert_same_camera(found.cameras[CAMERA].camera, expected.cameras[CAMERA].camera)
    assert found.points is None


def test_an_error_leaves_no_file_of_its_frame(tmp_path) -> None:
    writer = FrameWriter(tmp_path, "drive_a")
    writer.write(frame())
    names = {"roof": frame().lidars[LIDAR], "sensor": LidarScan(points(2), BUMPER)}
    (tmp_path / "training" / "calib" / "000001.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"000001\.txt: cannot be written \(No space left"):
        writer.write(frame())
    with pytest.raises(ValueError, match="'sensor' stands for the first lidar"):
        writer.write(replace(frame(), lidars=names))
    writer.finish()
    assert writer.count == len(open_dataset(tmp_path)) == 1
    assert not list(tmp_path.rglob("000001*"))


@pytest.mark.parametrize("name", ["velodyne", "sensor"])
def test_only_the_first_lidar_may_have_a_name_of_the_first_lidar(name: str) -> None:
    assert lidar_folders([name, "rear"]) == ["velodyne", "velodyne_rear"]
    with pytest.raises(ValueError, match=f"{name!r} stands for the first lidar"):
        lidar_folders(["roof", name])


@pytest.mark.parametrize("pose", [TILTED, KITTI_EGO_FROM_LIDAR])
def test_boxes_that_a_tool_drew_in_the_cloud_are_read_in_the_ego_frame(pose, tmp_path) -> None:
    written(tmp_path, frame(pose))
    centers = [[12.0, 3.0, -0.9], [30.0, -8.0, -1.0], [-5.0, 2.0, -0.8]]
    sizes = [[4.2, 1.8, 1.5], [0.6, 0.7, 1.7], [1.8, 0.6, 1.6]]
    yaws = [0.3, -2.0, 3.0]
    names = ["Car", "Pedestrian", "Cyclist"]
    write_boxes(tmp_path / "training", "000000", names, centers, sizes, yaws)
    _, annotation = open_dataset(tmp_path)[0]
    boxes = annotation.boxes
    assert boxes is not None and annotation.box_labels is not None
    assert [annotation.box_labels.classes[label] for label in boxes.labels] == names
    np.testing.assert_allclose(boxes.centers, np.add(centers, [0, 0, 1.73]), atol=1e-3)
    np.testing.assert_allclose(boxes.sizes, sizes, atol=1e-3)
    np.testing.assert_allclose(boxes.yaws, yaws, atol=1e-3)


def test_a_box_of_an_unknown_class_is_refused(tmp_path) -> None:
    written(tmp_path, frame())
    with pytest.raises(ValueError, match="Lorry"):
        write_boxes(tmp_path / "training", "000000", ["Lorry"], [[9, 0, 0]], [[4, 2, 2]], [0])
    assert not (tmp_path / "training" / "label_2").exists()


def test_a_box_with_a_rotation_in_degrees_is_refused(tmp_path) -> None:
    written(tmp_path, frame())
    with pytest.raises(ValueError, match=r"yaws: expected .* radians, got 90; convert degrees"):
        write_boxes(tmp_path / "training", "000000", ["Car"], [[9, 0, 0]], [[4, 2, 2]], [90])


def test_boxes_may_have_classes_of_their_own(tmp_path) -> None:
    written(tmp_path, frame())
    file = tmp_path / "training" / "label_2" / "labels.yaml"
    file.parent.mkdir()
    file.write_text("classes:\n  Cone: {color: [255, 255, 0]}\n  Lorry: {color: [0, 0, 0]}\n")
    write_boxes(tmp_path / "training", "000000", ["Lorry"], [[9, 0, 0]], [[4, 2, 2]], [0])
    _, annotation = open_dataset(tmp_path)[0]
    assert annotation.boxes is not None and annotation.boxes.labels.tolist() == [1]


def test_a_frame_without_boxes_has_an_empty_label_file(tmp_path) -> None:
    written(tmp_path, frame())
    write_boxes(tmp_path / "training", "000000", [], [], [], [])
    frame_, annotation = open_dataset(tmp_path)[0]
    assert annotation.boxes is not None and len(annotation.boxes) == 0 and not frame_.missing


def test_the_examples_in_the_documentation_run(tmp_path, monkeypatch) -> None:
    page = (ROOT / "docs" / "training.md").read_text()
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", page, re.M | re.S)
    labels, frames = (textwrap.dedent(text) for _, text in blocks)
    monkeypatch.chdir(tmp_path)
    camera = Camera(MATRIX, SIZE, AHEAD)
    save_calibration(Calibration.of(TILTED, camera), Path("calibration.yaml"))
    exec(frames, {"recording": [(5, points(1), image(1)), (6, points(2), image(2))]})
    Path("data/own").rename("data/drive1")
    exec(labels, {})
    dataset = open_dataset("data/drive1")
    assert_same_scan(dataset[1][0].lidars[LIDAR], LidarScan(points(2), TILTED))
    boxes = dataset[0][1].boxes
    assert boxes is not None and dataset[0][0].timestamp_ns == 5
    np.testing.assert_allclose(boxes.centers[0], [14.2, -3.1, -0.95 + 1.73], atol=1e-3)
