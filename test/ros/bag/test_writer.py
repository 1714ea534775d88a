"""Bags written from data sets, read back with rosbags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore
from support import tiny_data
from support.memory_dataset import RigDataset

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import CAMERA, LIDAR, Annotation, Camera, Frame
from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud

pytestmark = pytest.mark.slow

STORE = get_typestore(Stores.ROS2_JAZZY)


def read(path) -> dict[str, list]:
    """topic -> [(nanoseconds, message)], oldest first."""
    topics: dict[str, list] = {}
    with Reader(path) as reader:
        for connection, time, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            topics.setdefault(connection.topic, []).append((time, message))
    return topics


def stamp(message) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def cloud(message) -> np.ndarray:
    """Return x, y, z and intensity; further fields may follow them."""
    assert [(field.name, field.offset, field.datatype) for field in message.fields][:4] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("intensity", 12, 7),
    ]
    rows = message.data.reshape(message.height * message.width, message.point_step)
    return np.ascontiguousarray(rows[:, :16]).view(np.float32)


def image(message) -> np.ndarray:
    assert message.encoding == "rgb8" and message.step == 3 * message.width
    return message.data.reshape(message.height, message.width, 3)


def assert_holds(topics, frames) -> None:
    """The bag has every cloud and image of the frames, bit by bit and in order."""
    clouds = [frame.points for frame in frames if frame.points is not None]
    images = [frame.image for frame in frames if frame.image is not None]
    for (_, message), expected in zip(topics["/points"], clouds, strict=True):
        np.testing.assert_array_equal(cloud(message), expected)
    for (_, message), expected in zip(topics["/image"], images, strict=True):
        np.testing.assert_array_equal(image(message), expected)
    assert [time for time, _ in topics["/camera_info"]] == [time for time, _ in topics["/image"]]


@pytest.fixture
def drive(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 4)
    return open_dataset(tmp_path / "data")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_drive_round_trips_with_its_times(drive, tmp_path, storage):
    summary = write_bag(drive, tmp_path / "bag", storage)
    topics = read(tmp_path / "bag")
    frames = [frame for frame, _ in drive]
    assert_holds(topics, frames)
    for topic in ("/points", "/image", "/camera_info"):
        assert [time for time, _ in topics[topic]] == [frame.timestamp_ns for frame in frames]
        assert all(stamp(message) == time for time, message in topics[topic])
    assert (summary.frames, summary.clouds, summary.images, summary.unrelated) == (4, 4, 4, 0)


class OneFrame:
    """A data set of a single frame."""

    name = "one frame"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return 1

    def scene(self, index: int) -> str:
        return self._frame.scene

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        return self._frame, Annotation()


def test_ring_time_and_unit_of_points_are_kept(drive, tmp_path):
    frame, _ = drive[0]
    count = len(frame.points)
    attributes = {
        "ring": np.arange(count, dtype=np.uint16) % 64,
        "time": np.linspace(-0.1, 0, count, dtype=np.float32),
        "unit": np.arange(count, dtype=np.uint16) % 5,
    }
    dataset = OneFrame(replace(frame, lidars={LIDAR: replace(frame.lidar, attributes=attributes)}))
    write_bag(dataset, tmp_path / "bag")
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
        rotation = np.array(
            [  # of a unit quaternion
                [
                    1 - 2 * (q.y**2 + q.z**2),
                    2 * (q.x * q.y - q.z * q.w),
                    2 * (q.x * q.z + q.y * q.w),
                ],
                [
                    2 * (q.x * q.y + q.z * q.w),
                    1 - 2 * (q.x**2 + q.z**2),
                    2 * (q.y * q.z - q.x * q.w),
                ],
                [
                    2 * (q.x * q.z - q.y * q.w),
                    2 * (q.y * q.z + q.x * q.w),
                    1 - 2 * (q.x**2 + q.y**2),
                ],
            ]
        )
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


# --- several lidars and cameras


class Changed(RigDataset):
    """The frames of a rig, changed by a function of the frame and its number."""

    def __init__(self, change, count: int = 2) -> None:
        super().__init__(count)
        self._change = change

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        return self._change(frame, index), annotation


def test_topics_of_a_rig_begin_with_the_names_of_its_sensors(tmp_path):
    dataset = RigDataset(3)
    summary = write_bag(dataset, tmp_path / "bag")
    topics = read(tmp_path / "bag")
    assert set(topics) == {
        "/front/points",
        "/rear/points",
        "/camera/image",
        "/camera/camera_info",
        "/left/image",
        "/left/camera_info",
        "/tf_static",
    }
    assert (summary.clouds, summary.images, summary.other_extrinsics) == (6, 6, 0)
    for index in range(3):
        frame, _ = dataset[index]
        for name, scan in frame.lidars.items():
            _, message = topics[f"/{name}/points"][index]
            np.testing.assert_array_equal(cloud(message), scan.points)
            assert message.header.frame_id == name
        for name, seen in frame.cameras.items():
            (_, message), (_, info) = (
                topics[f"/{name}/{last}"][index] for last in ("image", "camera_info")
            )
            np.testing.assert_array_equal(image(message), seen.image)
            assert message.header == info.header and message.header.frame_id == name
            np.testing.assert_array_equal(info.k.reshape(3, 3), seen.camera.matrix)
        of_frame = [messages[index] for topic, messages in topics.items() if topic != "/tf_static"]
        assert len({stamp(message) for _, message in of_frame}) == 1


def test_static_transforms_and_calibration_of_a_rig_hold_every_sensor(tmp_path):
    dataset = RigDataset(2)
    write_bag(dataset, tmp_path / "bag")
    ((_, message),) = read(tmp_path / "bag")["/tf_static"]
    found = {item.child_frame_id: item.transform for item in message.transforms}
    assert {item.header.frame_id for item in message.transforms} == {"base_link"}
    assert set(found) == {"front", "rear", "camera", "left"}
    calibration, (frame, _) = load_calibration(tmp_path / "bag"), dataset[0]
    assert (list(calibration.lidars), list(calibration.cameras)) == (
        list(frame.lidars),
        list(frame.cameras),
    )
    poses = {}
    for name, mount in calibration.lidars.items():
        poses[mount.frame_id] = mount.ego_from_lidar
        np.testing.assert_array_equal(mount.ego_from_lidar, frame.lidars[name].ego_from_lidar)
    for name, mount in calibration.cameras.items():
        poses[mount.frame_id] = invert(mount.camera.camera_from_ego)
        expected = frame.cameras[name].camera
        np.testing.assert_array_equal(mount.camera.image_from_ego, expected.image_from_ego)
    for frame_id, pose in poses.items():
        t, q = found[frame_id].translation, found[frame_id].rotation
        rotation = rotation_from_quaternion((q.x, q.y, q.z, q.w))
        np.testing.assert_allclose(transform(rotation, (t.x, t.y, t.z)), pose, atol=1e-9)


def test_one_lidar_and_one_camera_of_any_name_keep_the_plain_topics(tmp_path):
    def alone(frame: Frame, index: int) -> Frame:
        cameras = {"left": frame.cameras["left"]}
        return replace(frame, lidars={"rear": frame.lidars["rear"]}, cameras=cameras)

    write_bag(Changed(alone), tmp_path / "bag")
    topics = read(tmp_path / "bag")
    assert set(topics) == {"/points", "/image", "/camera_info", "/tf_static"}
    calibration = load_calibration(tmp_path / "bag")
    assert (list(calibration.lidars), list(calibration.cameras)) == ([LIDAR], [CAMERA])
    assert (calibration.lidar_frame, calibration.camera_frame) == (
        topics["/points"][0][1].header.frame_id,
        topics["/image"][0][1].header.frame_id,
    )


def test_a_camera_with_the_name_of_a_lidar_has_a_frame_of_its_own(tmp_path):
    def renamed(frame: Frame, index: int) -> Frame:
        cameras = {"front": frame.cameras["camera"], "left": frame.cameras["left"]}
        return replace(frame, cameras=cameras)

    write_bag(Changed(renamed), tmp_path / "bag")
    topics = read(tmp_path / "bag")
    ((_, message),) = topics["/tf_static"]
    assert {item.child_frame_id for item in message.transforms} == {
        "front",
        "rear",
        "front_optical",
        "left",
    }
    assert topics["/front/image"][0][1].header.frame_id == "front_optical"
    assert load_calibration(tmp_path / "bag").cameras["front"].frame_id == "front_optical"


def test_a_sensor_of_a_rig_that_gave_nothing_or_comes_later_is_placed_too(tmp_path):
    def changed(frame: Frame, index: int) -> Frame:
        if index:
            return frame
        rear = replace(frame.lidars["rear"], points=None)
        cameras = {"camera": frame.cameras["camera"]}
        return replace(
            frame, lidars={"front": frame.lidars["front"], "rear": rear}, cameras=cameras
        )

    write_bag(Changed(changed), tmp_path / "bag")
    topics = read(tmp_path / "bag")
    first, last = ([item.child_frame_id for item in m.transforms] for _, m in topics["/tf_static"])
    assert (first, last) == (["front", "rear", "camera"], ["front", "rear", "camera", "left"])
    assert len(topics["/rear/points"]) == len(topics["/left/image"]) == 1
    assert list(load_calibration(tmp_path / "bag").cameras) == ["camera", "left"]


def test_frames_of_a_rig_whose_sensors_sit_elsewhere_are_counted(tmp_path):
    def moved(frame: Frame, index: int) -> Frame:
        pose = transform(translation=(0, 0, 0.01 * index))
        front = replace(frame.lidars["front"], ego_from_lidar=pose)
        return replace(frame, lidars={**frame.lidars, "front": front})

    assert write_bag(Changed(moved, 3), tmp_path / "bag").other_extrinsics == 2


def test_a_name_that_no_topic_can_have_is_refused(tmp_path):
    def renamed(frame: Frame, index: int) -> Frame:
        return replace(frame, cameras={"cam-0": frame.cameras["camera"]})

    with pytest.raises(ValueError, match="tiny, frame frame0: cameras: 'cam-0' cannot be the name"):
        write_bag(Changed(renamed), tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_a_second_sensor_in_a_bag_of_one_is_refused(tmp_path):
    def grows(frame: Frame, index: int) -> Frame:
        return frame if index else replace(frame, lidars={}, cameras={})

    with pytest.raises(ValueError, match=r"frame frame1: .*\(front, rear, camera, left\)"):
        write_bag(Changed(grows), tmp_path / "bag")


def test_damaged_frame_leaves_no_bag_behind(drive, tmp_path):
    tiny_data.truncate(tmp_path / "data" / "training" / "image_2" / "000002.png")
    with pytest.raises(ValueError, match=r"000002.png"):
        write_bag(drive, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_that_leaves_nothing_is_refused(drive, tmp_path, limit):
    with pytest.raises(ValueError, match="no frames to write"):
        write_bag(drive, tmp_path / "bag", limit=limit)


# --- the command


def run(*arguments: str) -> int:
    return main(["bag", *arguments])


def test_command_writes_the_first_frames_and_says_where_the_calibration_is(drive, tmp_path, capsys):
    assert (
        run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag"), "--limit", "2") == 0
    )
    assert len(read(tmp_path / "bag")["/image"]) == 2
    assert str(tmp_path / "bag" / "calibration.yaml") in capsys.readouterr().out


def test_command_says_that_frames_are_unrelated(tmp_path, capsys):
    for name in ("000001", "000002"):
        tiny_data.write_kitti_frame(tmp_path / "data", name)
    run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag"))
    assert "is stamped 0.5 s after it" in capsys.readouterr().out


def test_command_does_not_overwrite(drive, tmp_path, capsys):
    (tmp_path / "bag").mkdir()
    assert run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag")) != 0
    assert f"{tmp_path / 'bag'} exists" in capsys.readouterr().err
    assert list((tmp_path / "bag").iterdir()) == []


def test_command_names_an_unknown_data_set(tmp_path, capsys):
    assert run("--data", str(tmp_path), "--out", str(tmp_path / "bag")) != 0
    assert "looked for" in capsys.readouterr().err


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


def test_real_a2d2_leaves_out_images_it_has_not(real_data, tmp_path):
    dataset = open_dataset(real_data / "a2d2")
    summary = write_bag(dataset, tmp_path / "bag")
    assert (summary.clouds, summary.images, summary.unrelated) == (8, 6, 7)
    assert_holds(read(tmp_path / "bag"), [frame for frame, _ in dataset])
