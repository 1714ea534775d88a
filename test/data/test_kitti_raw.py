"""The KITTI raw reader, on hand-made files and on the real drive."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.kitti_raw import KittiRawDataset
from bev_semseg_ros.geometry import apply, points_in_boxes, project


@pytest.fixture
def drive(tmp_path):
    return tiny_data.write_kitti_raw(tmp_path)


@pytest.fixture(scope="module")
def real(real_data):
    dataset = KittiRawDataset(real_data / "kitti_raw")
    return [dataset[index] for index in range(len(dataset))]


# --- hand-made files -------------------------------------------------------------------------------------------------


def test_drive_day_and_folder_of_days_open_alike(drive):
    for folder in (drive, drive.parent, drive.parent.parent):
        dataset = KittiRawDataset(folder)
        assert len(dataset) == 2 and dataset.scene(0) == "2011_09_26_drive_0005_sync"
        assert dataset[0][0].missing == ()


def test_time_is_the_clouds_at_the_frames_number(drive):
    times = [frame.timestamp_ns for frame, _ in KittiRawDataset(drive)]
    start = np.datetime64("2011-09-26 13:02:25.000000001", "ns").astype(np.int64)
    assert times == [start + 200_000_000, start + 300_000_000]


def test_blank_cloud_time_falls_back_to_the_images(drive):
    path = drive / "velodyne_points" / "timestamps.txt"
    lines = path.read_text().splitlines()
    lines[2] = ""
    path.write_text("\n".join(lines))
    start = np.datetime64("2011-09-26 13:02:25.000000001", "ns").astype(np.int64)
    assert KittiRawDataset(drive)[0][0].timestamp_ns == start + 210_000_000


def test_tracklet_pose_belongs_to_the_frames_number(drive):
    boxes = KittiRawDataset(drive)[0][
        1
    ].boxes  # frame 2 is the second pose of a tracklet that begins at 1
    np.testing.assert_allclose(boxes.centers, [[11, 2, -1.7 + 1 + 1.73]])
    np.testing.assert_allclose((*boxes.sizes[0], boxes.yaws[0]), (4.4, 1.8, 2, 0.5))


def test_frame_after_the_tracklet_has_no_box(tmp_path):
    drive = tiny_data.write_kitti_raw(tmp_path, (0, 4))
    assert [len(annotation.boxes) for _, annotation in KittiRawDataset(drive)] == [0, 0]


@pytest.mark.parametrize(
    "file, part",
    [
        ("image_02/data/0000000002.png", "image"),
        ("velodyne_points/data/0000000002.bin", "lidar"),
        ("tracklet_labels.xml", "boxes"),
    ],
)
def test_missing_file_is_named_and_the_rest_given(drive, file, part):
    (drive / file).unlink()
    frame, annotation = KittiRawDataset(drive)[0]
    assert frame.missing == (part,)
    assert [frame.image is None, frame.points is None, annotation.boxes is None] == [
        part == "image",
        part == "lidar",
        part == "boxes",
    ]


def test_without_timestamps_frames_are_a_tenth_of_a_second_apart(drive):
    for sensor in ("image_02", "velodyne_points"):
        (drive / sensor / "timestamps.txt").unlink()
    frames = [frame for frame, _ in KittiRawDataset(drive)]
    assert frames[1].timestamp_ns - frames[0].timestamp_ns == 100_000_000
    assert frames[0].missing == ("timestamps",)


@pytest.mark.parametrize(
    "file",
    [
        "tracklet_labels.xml",
        "velodyne_points/timestamps.txt",
        "image_02/data/0000000002.png",
        "velodyne_points/data/0000000002.bin",
    ],
)
def test_truncated_file_is_named(drive, file):
    path = drive / file
    path.write_bytes(path.read_bytes()[:-13])
    with pytest.raises(ValueError, match=path.name):
        KittiRawDataset(drive)[0]


def test_missing_calibration_is_named(drive):
    (drive.parent / "calib_velo_to_cam.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"calib_velo_to_cam.txt"):
        KittiRawDataset(drive)


def test_unknown_tracklet_class_is_named(drive):
    path = drive / "tracklet_labels.xml"
    path.write_text(path.read_text().replace("Van", "Ufo"))
    with pytest.raises(
        ValueError, match=r"tracklet_labels.xml: tracklet 0: unknown box class 'Ufo'"
    ):
        KittiRawDataset(drive)


# --- real files ------------------------------------------------------------------------------------------------------


def test_real_drive_has_twenty_frames_at_ten_hertz(real):
    gaps = np.diff([frame.timestamp_ns for frame, _ in real]) / 1e9
    assert len(real) == 20 and np.all(np.abs(gaps - 0.1033) < 0.002)


def test_real_frames_are_complete(real):
    assert all(frame.missing == () and len(annotation.boxes) > 3 for frame, annotation in real)


def test_real_boxes_contain_points(real):
    counts = np.concatenate(
        [
            points_in_boxes(
                apply(frame.ego_from_lidar, frame.points[:, :3]), annotation.boxes, 0.1
            ).sum(1)
            for frame, annotation in real
        ]
    )
    assert (counts > 0).mean() > 0.9


def test_real_points_fall_into_the_image(real):
    frame, _ = real[0]
    pixels, depth = project(
        frame.camera.image_from_ego, apply(frame.ego_from_lidar, frame.points[:, :3])
    )
    assert (
        (depth > 0) & (pixels >= -1).all(1) & (pixels <= frame.camera.size).all(1)
    ).mean() > 0.99
