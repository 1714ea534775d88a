"""`bev-semseg extract`: the frames of a bag are those that the node would process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.bag_changes import (
    TENTH,
    clock_jumps_back,
    cloud,
    compressed,
    late,
    scale_intensity,
    shifted,
    slowly,
)
from support.broken_bag import CALIBRATION, CAMERA, COUNT, Entry, entries, on, without
from support.broken_bag import Drive as LevelDrive
from support.broken_bag import write as write_entries
from support.rig_bag import RIG, RigDrive, rig_bag

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import CAMERA as CAMERA_NAME
from bev_semseg_ros.frame import LIDAR, Annotation, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_rpy, transform
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.rectification import rectify
from bev_semseg_ros.ros.bag.writer import STORAGES, Storage, write_bag

pytestmark = pytest.mark.slow

TILTED = transform(rotation_rpy(0.02, 0.3, -0.8), (0.0, 0.0, 2.4))
DISTORTED = replace(
    CAMERA, distortion=np.array([-0.2, 0.03, 0, 0, 0]), distortion_model="plumb_bob"
)


class TiltedDrive(LevelDrive):
    """The drive with a tilted lidar, a camera with distortion, and other near points in each frame.

    The cloud has a point without a return.
    """

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        level = frame.points.astype(np.float64)
        level[: 50 * (index + 1), :3] *= 0.5
        points = apply(invert(TILTED), apply(CALIBRATION.ego_from_lidar, level[:, :3]))
        points = np.column_stack([points, level[:, 3]]).astype(np.float32)
        points[7] = 0
        image = np.random.default_rng(index).integers(0, 255, (29, 96, 3), np.uint8)
        image = np.kron(image, np.ones((8, 8, 1), np.uint8))
        lidars = {LIDAR: LidarScan(points, TILTED)}
        cameras = {CAMERA_NAME: CameraImage(image, DISTORTED)}
        return replace(frame, lidars=lidars, cameras=cameras), annotation


@pytest.mark.parametrize("storage", STORAGES)
def test_the_frames_equal_those_of_the_data_set_behind_the_bag(
    storage: Storage, extract, tmp_path
) -> None:
    drive = TiltedDrive()
    write_bag(drive, tmp_path / "drive", storage)
    found = extract(tmp_path / "drive", "--interval", "0")
    assert len(found) == len(drive) == COUNT
    for index, frame in enumerate(found):
        expected, _ = drive[index]
        assert frame.timestamp_ns == expected.timestamp_ns
        assert frame.scene == "drive" and not frame.missing
        np.testing.assert_allclose(frame.ego_from_lidar, TILTED, atol=1e-9)
        measured = np.delete(expected.points, 7, axis=0)
        np.testing.assert_allclose(frame.points, measured, atol=5e-5)
        np.testing.assert_array_equal(frame.image, rectify(expected.image, DISTORTED, CAMERA.size))
        pose = frame.camera.camera_from_ego
        np.testing.assert_allclose(pose, DISTORTED.camera_from_ego, atol=1e-9)
        np.testing.assert_allclose(frame.camera.matrix, DISTORTED.rectified_matrix, atol=1e-9)
        # What matters is the input of the network: the points in the ego frame.
        own, known = prepare(frame, Config()), prepare(expected, Config())
        (ahead,) = np.nonzero(np.linalg.norm(known.points[:, :3] - TILTED[:3, 3], axis=1) > 1e-3)
        np.testing.assert_allclose(own.points, known.points[ahead], atol=1e-4)


def test_the_frames_of_several_sensors_equal_those_behind_the_bag(extract, tmp_path) -> None:
    drive = RigDrive()
    found = extract(rig_bag(tmp_path / "drive"), "--interval", "0")
    for index, frame in enumerate(found):
        expected, _ = drive[index]
        assert list(frame.lidars) == ["velodyne", "bumper"]
        assert list(frame.cameras) == ["image_02", "image_03"]
        for scan, mount, known in zip(
            frame.lidars.values(), RIG.lidars.values(), expected.lidars.values(), strict=True
        ):
            np.testing.assert_allclose(scan.ego_from_lidar, mount.ego_from_lidar, atol=1e-9)
            np.testing.assert_allclose(scan.points, known.points, atol=5e-5)
        for seen, mount in zip(frame.cameras.values(), RIG.cameras.values(), strict=True):
            pose = mount.camera.camera_from_ego
            np.testing.assert_allclose(seen.camera.camera_from_ego, pose, atol=1e-9)
    assert "/bumper/points -> training/velodyne_bumper" in extract.said
    assert "/left/image -> training/image_3" in extract.said
    assert "--cameras all" in extract.said


def test_named_sensors_may_be_left_out(extract, tmp_path) -> None:
    options = ["--lidars", "roof", "--cameras", "left"]
    (frame, *_) = extract(rig_bag(tmp_path / "drive"), *options)
    assert list(frame.lidars) == [LIDAR] and list(frame.cameras) == [CAMERA_NAME]
    pose = RIG.cameras["left"].camera.camera_from_ego
    np.testing.assert_allclose(frame.camera.camera_from_ego, pose, atol=1e-9)


def test_the_poses_are_read_from_tf_without_a_calibration(changed, extract) -> None:
    (frame, *_) = extract(changed(calibration=None))
    np.testing.assert_allclose(frame.ego_from_lidar, CALIBRATION.ego_from_lidar, atol=0.02)
    np.testing.assert_allclose(frame.camera.camera_from_ego, CAMERA.camera_from_ego, atol=0.02)
    assert "which the lowest points gave" in extract.said


def test_the_height_of_the_lidar_may_be_given(changed, extract) -> None:
    (frame, *_) = extract(changed(calibration=None), "--lidar-height", "2.1")
    assert frame.ego_from_lidar[2, 3] == pytest.approx(2.1)
    assert "2.10 m above the ground, which --lidar-height gave" in extract.said


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ([], [0, 14, 28, 42]),  # the drive lasts 7 * 0.7 s
        (["--interval", "1.5"], [0, 21, 42]),
        (["--interval", "0"], [0, 7, 14, 21, 28, 35, 42, 49]),
        (["--interval", "0", "--limit", "3"], [0, 7, 14]),
    ],
)
def test_the_interval_and_the_limit_select_frames(options, times, changed, extract) -> None:
    found = extract(changed(slowly), *options)
    stamps = [(frame.timestamp_ns - found[0].timestamp_ns) // TENTH for frame in found]
    assert stamps == times


def test_stamps_that_jump_back_do_not_end_the_frames(changed, extract) -> None:
    def clouds_jump_back(all_: list[Entry]) -> list[Entry]:
        moved = clock_jumps_back(all_)
        topics = ("/points", "/camera_info")
        later = all_[0].time + COUNT // 2 * TENTH
        return [
            each.stamped(each.time - 10 * TENTH)
            if each.topic in topics and each.time >= later
            else each
            for each in moved
        ]

    found = extract(changed(clouds_jump_back), "--interval", "0.2")
    stamps = [frame.timestamp_ns // TENTH for frame in found]
    assert stamps == [10, 12, 4, 6]


def test_compressed_messages_and_images_are_read(changed, extract) -> None:
    (frame, *_) = extract(changed(compressed, packed=True))
    assert np.abs(frame.image.astype(int) - 90).max() <= 2  # JPEG
    assert "/image/compressed -> training/image_2" in extract.said


def test_all_frames_have_one_scale_of_the_intensity(changed, extract) -> None:
    """The first cloud alone would show intensities from 0 to 1."""

    def grow(all_: list[Entry]) -> list[Entry]:
        first = next(each for each in all_ if each.topic == "/points")
        scaled = on("/points", lambda each: cloud(each, scale_intensity(250.0)))(all_)
        dim = cloud(first, scale_intensity(0.9))
        return [
            dim if each.time == first.time and each.topic == "/points" else each for each in scaled
        ]

    found = extract(changed(grow), "--interval", "0")
    largest = [float(frame.points[:, 3].max()) for frame in found]
    np.testing.assert_allclose(largest, [0.9 / 255, *[250 / 255] * (COUNT - 1)], rtol=1e-4)


def test_images_that_were_recorded_late_are_matched_like_by_the_node(changed, extract) -> None:
    """The doctor raises max_wait for them."""
    assert len(extract(changed(late(9 * TENTH)), "--interval", "0")) == COUNT


def test_stamps_of_another_clock_are_corrected_as_the_doctor_proposes(changed, extract) -> None:
    seconds = 37  # between TAI and UTC
    topics = ("/image", "/camera_info")
    changes = [on(topic, shifted(seconds * 10**9)) for topic in topics]
    found = extract(changed(*changes), "--interval", "0")
    assert len(found) == COUNT
    assert found[0].timestamp_ns == 10 * TENTH  # that of the cloud


def test_images_that_are_rectified_already_are_left_as_they_are(extract, tmp_path) -> None:
    drive = TiltedDrive()
    write_bag(drive, tmp_path / "raw")
    renamed = [
        replace(each, topic="/image_rect") if each.topic == "/image" else each
        for each in entries(tmp_path / "raw")
    ]
    bag = write_entries(tmp_path / "drive", renamed, load_calibration(tmp_path / "raw"))
    (frame, *_) = extract(bag)
    np.testing.assert_array_equal(frame.image, drive[0][0].image)


def test_without_camera_infos_the_intrinsics_of_the_calibration_are_used(changed, extract) -> None:
    (frame, *_) = extract(changed(without("/camera_info")))
    np.testing.assert_allclose(frame.camera.matrix, CAMERA.matrix)


def test_an_image_may_come_before_its_camera_info(changed, extract) -> None:
    def after_the_images(all_: list[Entry]) -> list[Entry]:
        later = on("/camera_info", lambda each: replace(each, time=each.time + TENTH // 2))(all_)
        return sorted(later, key=lambda each: each.time)

    assert len(extract(changed(after_the_images), "--interval", "0")) == COUNT


def test_the_frames_pass_the_check_of_data_except_for_their_labels(
    changed, extract, tmp_path, capsys
):
    extract(changed(), "--interval", "0")
    assert main(["check-data", str(tmp_path / "own")]) == 0
    report = capsys.readouterr().out
    assert "none of the 8 frames has boxes, a mask or classes of points" in report
    assert "0 faults" in report and "missing" not in report


def test_no_module_of_ros_is_imported() -> None:
    code = (
        "import sys, bev_semseg_ros.ros.extraction.extract; "
        "assert 'rclpy' not in sys.modules and 'sensor_msgs' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
