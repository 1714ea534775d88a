"""Bags written from data sets of several lidars and cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.bag_content import cloud, image, read, stamp
from support.memory_dataset import RigDataset

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import CAMERA, LIDAR, Annotation, Frame
from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform
from bev_semseg_ros.ros.bag.writer import write_bag

pytestmark = pytest.mark.slow


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


def test_a_sensor_without_data_or_that_starts_later_has_a_static_transform(tmp_path):
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


def test_frames_of_a_rig_with_other_sensor_poses_are_counted(tmp_path):
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


def test_several_sensors_are_refused_if_the_first_frame_did_not_have_several(tmp_path):
    def grows(frame: Frame, index: int) -> Frame:
        return frame if index else replace(frame, lidars={}, cameras={})

    with pytest.raises(ValueError, match=r"frame frame1: .*\(front, rear, camera, left\)"):
        write_bag(Changed(grows), tmp_path / "bag")
