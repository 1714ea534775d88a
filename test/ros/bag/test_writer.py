"""Bags written from data sets, read back with rosbags."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pytest
import yaml
from support import tiny_data
from support.bag_content import assert_holds, read, stamp

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import LIDAR, Annotation, Camera, Frame, LidarScan
from bev_semseg_ros.geometry import rotation_from_quaternion, transform
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_drive_round_trips_with_its_times(drive, tmp_path, storage):
    done: list[int] = []
    summary = write_bag(drive, tmp_path / "bag", storage, on_frame=lambda: done.append(1))
    topics = read(tmp_path / "bag")
    frames = [frame for frame, _ in drive]
    assert_holds(topics, frames)
    for topic in ("/points", "/image", "/camera_info"):
        assert [time for time, _ in topics[topic]] == [frame.timestamp_ns for frame in frames]
        assert all(stamp(message) == time for time, message in topics[topic])
    assert (summary.frames, summary.clouds, summary.images, summary.unrelated) == (4, 4, 4, 0)
    assert len(done) == 4


class InMemory:
    """A data set of given frames."""

    name = "in memory"

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def scene(self, index: int) -> str:
        return self._frames[index].scene

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        return self._frames[index], Annotation()


def test_ring_time_and_unit_of_points_are_kept(drive, tmp_path):
    frame, _ = drive[0]
    count = len(frame.points)
    attributes = {
        "ring": np.arange(count, dtype=np.uint16) % 64,
        "time": np.linspace(-0.1, 0, count, dtype=np.float32),
        "unit": np.arange(count, dtype=np.uint16) % 5,
    }
    scan = replace(frame.lidar, attributes=attributes)
    write_bag(InMemory([replace(frame, lidars={LIDAR: scan})]), tmp_path / "bag")
    ((_, message),) = read(tmp_path / "bag")["/points"]
    found = decode_point_attributes(message, stamp(message))
    assert found.keys() == attributes.keys()
    for name, expected in attributes.items():
        np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(decode_cloud(message), frame.points)


def test_unrelated_frames_are_half_a_second_apart(tmp_path):
    for name in ("000001", "000002", "000003"):
        tiny_data.write_kitti_frame(tmp_path / "data", name)
    summary = write_bag(open_dataset(tmp_path / "data"), tmp_path / "bag")
    times = [time for time, _ in read(tmp_path / "bag")["/points"]]
    assert np.diff(times).tolist() == [500_000_000] * 2 and times[0] > 0
    assert summary.unrelated == 2


def test_next_scene_follows_half_a_second_after_the_last(tmp_path):
    times = [100, 200, 90, 190]
    for index in range(4):
        tiny_data.write_kitti_frame(tmp_path / "data", f"{index:06d}")
    tiny_data.write_kitti_table(
        tmp_path / "data",
        [(f"{index:06d}", "ab"[index // 2], time * 1_000_000) for index, time in enumerate(times)],
    )
    summary = write_bag(open_dataset(tmp_path / "data"), tmp_path / "bag")
    written = [time // 1_000_000 for time, _ in read(tmp_path / "bag")["/points"]]
    assert written == [100, 200, 700, 800] and summary.unrelated == 1


@pytest.mark.parametrize(
    "part, topics",
    [
        ("image_2", {"/points", "/tf_static"}),
        ("velodyne", {"/image", "/camera_info", "/tf_static"}),
    ],
)
def test_what_a_frame_lacks_is_left_out(tmp_path, part, topics):
    tiny_data.write_kitti_frame(tmp_path / "data", "000000")
    next((tmp_path / "data" / "training" / part).iterdir()).unlink()
    write_bag(open_dataset(tmp_path / "data"), tmp_path / "bag")
    assert set(read(tmp_path / "bag")) == topics


def test_camera_info_describes_recorded_and_rectified_image(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path)
    dataset = open_dataset(tmp_path)
    write_bag(dataset, tmp_path / "bag")
    camera = dataset[0][0].camera
    ((_, info),) = read(tmp_path / "bag")["/camera_info"]
    assert (info.width, info.height, info.distortion_model, info.header.frame_id) == (
        64,
        40,
        "plumb_bob",
        "camera",
    )
    np.testing.assert_array_equal(info.k.reshape(3, 3), camera.matrix)
    np.testing.assert_array_equal(info.d, camera.distortion)
    np.testing.assert_array_equal(info.r.reshape(3, 3), np.eye(3))
    np.testing.assert_array_equal(
        info.p.reshape(3, 4), np.hstack([camera.rectified_matrix, np.zeros((3, 1))])
    )


def test_undistorted_image_is_plumb_bob_with_zeros(drive, tmp_path):
    write_bag(drive, tmp_path / "bag", limit=1)
    ((_, info),) = read(tmp_path / "bag")["/camera_info"]
    assert info.distortion_model == "plumb_bob" and info.d.tolist() == [0] * 5


def test_static_transforms_place_sensors_in_the_ego_frame(drive, tmp_path):
    write_bag(drive, tmp_path / "bag")
    ((_, message),) = read(tmp_path / "bag")["/tf_static"]
    poses = {item.child_frame_id: item for item in message.transforms}
    assert {item.header.frame_id for item in message.transforms} == {"base_link"}
    frame, _ = drive[0]
    ego_from_camera = np.linalg.inv(frame.camera.camera_from_ego)
    for child, expected in (("lidar", frame.ego_from_lidar), ("camera", ego_from_camera)):
        t, q = poses[child].transform.translation, poses[child].transform.rotation
        rotation = rotation_from_quaternion((q.x, q.y, q.z, q.w))
        np.testing.assert_allclose(transform(rotation, (t.x, t.y, t.z)), expected, atol=1e-9)


def test_static_transforms_are_latched(drive, tmp_path):
    write_bag(drive, tmp_path / "bag")
    information = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())[
        "rosbag2_bagfile_information"
    ]
    durability = {
        topic["topic_metadata"]["name"]: topic["topic_metadata"]["offered_qos_profiles"][0][
            "durability"
        ]
        for topic in information["topics_with_message_count"]
    }
    assert durability == {
        "/points": "volatile",
        "/image": "volatile",
        "/camera_info": "volatile",
        "/tf_static": "transient_local",
    }


def test_calibration_beside_the_bag_is_that_of_the_frames(drive, tmp_path):
    summary = write_bag(drive, tmp_path / "bag")
    read_back, (frame, _) = load_calibration(tmp_path / "bag"), drive[0]
    assert summary.calibration == tmp_path / "bag" / "calibration.yaml"
    np.testing.assert_array_equal(read_back.ego_from_lidar, frame.ego_from_lidar)
    assert isinstance(read_back.camera, Camera)
    np.testing.assert_array_equal(read_back.camera.image_from_ego, frame.camera.image_from_ego)


def test_frames_of_another_calibration_are_counted(tmp_path):
    for name in ("000000", "000001"):
        tiny_data.write_kitti_frame(tmp_path, name)
    path = tmp_path / "training" / "calib" / "000001.txt"
    path.write_text(path.read_text().replace("-0.27", "-0.28"))
    assert write_bag(open_dataset(tmp_path), tmp_path / "bag").other_extrinsics == 1


def test_calibration_holds_the_unit_poses_and_frames_with_other_poses_are_counted(drive, tmp_path):
    frames = [frame for frame, _ in drive]
    poses = {number: transform(translation=(number, 0, 0)) for number in range(3)}
    units = np.arange(len(frames[0].points), dtype=np.uint16) % 3
    numbered = [poses, poses, {0: poses[2], 1: poses[1], 2: poses[0]}, {}]
    empty = LidarScan(None, frames[0].ego_from_lidar, lidar_from_unit={1: poses[1]})
    scans = [
        LidarScan(each.points, each.ego_from_lidar, {"unit": units}, lidar_from_unit=of_frame)
        for each, of_frame in zip(frames, numbered, strict=True)
    ]
    dataset = InMemory([replace(frames[0], lidars={LIDAR: scan}) for scan in (empty, *scans)])
    summary = write_bag(dataset, tmp_path / "bag")
    assert summary.other_extrinsics == 2
    read_back = load_calibration(tmp_path / "bag").units[LIDAR]
    assert read_back.keys() == poses.keys()
    for number, pose in poses.items():
        np.testing.assert_array_equal(read_back[number], pose)


def test_damaged_frame_leaves_no_bag_behind(drive, tmp_path):
    tiny_data.truncate(tmp_path / "data" / "training" / "image_2" / "000002.png")
    with pytest.raises(ValueError, match=r"000002.png"):
        write_bag(drive, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_full_disk_is_named_and_leaves_no_bag_behind(drive, tmp_path, storage):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match=r"/bag: the bag cannot be written .*another disk"):
            write_bag(drive, tmp_path / "bag", storage)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_that_leaves_nothing_is_refused(drive, tmp_path, limit):
    with pytest.raises(ValueError, match="no frames to write"):
        write_bag(drive, tmp_path / "bag", limit=limit)


# --- real data


def test_real_drive_round_trips(real_data, tmp_path):
    dataset = open_dataset(real_data / "kitti_raw")
    summary = write_bag(dataset, tmp_path / "bag", limit=5)
    topics = read(tmp_path / "bag")
    assert_holds(topics, [dataset[index][0] for index in range(5)])
    assert [time for time, _ in topics["/points"]] == [
        dataset[index][0].timestamp_ns for index in range(5)
    ]
    assert summary.unrelated == 0


def test_missing_images_of_real_a2d2_are_left_out(real_data, tmp_path):
    dataset = open_dataset(real_data / "a2d2")
    summary = write_bag(dataset, tmp_path / "bag")
    assert (summary.clouds, summary.images, summary.unrelated) == (8, 6, 7)
    assert_holds(read(tmp_path / "bag"), [frame for frame, _ in dataset])
