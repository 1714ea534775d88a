"""The KITTI raw reader, on hand-made files and on the real drive."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.kitti import KittiRawDataset
from bev_semseg_ros.geometry import apply, points_in_boxes, project
from bev_semseg_ros.labels import load_label_set


@pytest.fixture
def drive(tmp_path):
    return tiny_data.write_kitti_raw(tmp_path)


@pytest.fixture(scope="module")
def real(real_data):
    dataset = KittiRawDataset(real_data / "kitti_raw")
    return [dataset[index] for index in range(len(dataset))]


# --- hand-made files ------------------------------------------------------------------------------


def test_drive_day_and_folder_of_days_open_alike(drive):
    for folder in (drive, drive.parent, drive.parent.parent):
        dataset = KittiRawDataset(folder)
        assert len(dataset) == 2 and dataset.scene(0) == "2011_09_26_drive_0005_sync"
        assert dataset[0][0].missing == ()


def test_a_drive_with_another_name_gets_a_note(drive):
    other = tiny_data.write_kitti_raw(drive.parents[1], drive=6)
    for folder in (drive, drive.parent, drive.parents[1]):
        assert KittiRawDataset(folder).notes == ()
    renamed = other.rename(other.with_name("evening"))
    for folder in (drive.parent, drive.parents[1]):
        (note,) = KittiRawDataset(folder).notes
        assert note.startswith(f"{renamed} is not read") and "*_sync" in note
    assert KittiRawDataset(drive).notes == ()


def test_the_timestamp_is_that_of_the_cloud(drive):
    times = [frame.timestamp_ns for frame, _ in KittiRawDataset(drive)]
    start = np.datetime64("2011-09-26 13:02:25.000000001", "ns").astype(np.int64)
    assert times == [start + 200_000_000, start + 300_000_000]


def test_a_blank_cloud_time_falls_back_to_that_of_the_image(drive):
    path = drive / "velodyne_points" / "timestamps.txt"
    lines = path.read_text().splitlines()
    lines[2] = ""
    path.write_text("\n".join(lines))
    start = np.datetime64("2011-09-26 13:02:25.000000001", "ns").astype(np.int64)
    assert KittiRawDataset(drive)[0][0].timestamp_ns == start + 210_000_000


def test_a_frame_has_the_tracklet_pose_of_its_number(drive):
    # Frame 2 is the second pose of a tracklet that begins at frame 1.
    boxes = KittiRawDataset(drive)[0][1].boxes
    np.testing.assert_allclose(boxes.centers, [[11, 2, -1.7 + 1 + 1.73]])
    np.testing.assert_allclose((*boxes.sizes[0], boxes.yaws[0]), (4.4, 1.8, 2, 0.5))


def test_frames_before_and_after_a_tracklet_have_no_box(tmp_path):
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
def test_a_missing_file_is_named_and_the_rest_is_read(drive, file, part):
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
    with pytest.raises(ValueError, match=r"tracklet_labels.xml: tracklet 0: unknown class 'Ufo'"):
        KittiRawDataset(drive)


def test_a_sitting_person_is_ignored_only_in_the_four_classes(drive):
    path = drive / "tracklet_labels.xml"
    path.write_text(path.read_text().replace("Van", "Person (sitting)"))
    for name, expected in (("kitti_boxes", False), ("boxes_4", True)):
        dataset = KittiRawDataset(drive)
        frames = (dataset[index][1] for index in range(len(dataset)))
        annotation = next(each for each in frames if each.boxes is not None and len(each.boxes))
        annotation = annotation.with_labels(box_labels=load_label_set(name))
        ignored = annotation.ignored if annotation.ignored is not None else [False]
        assert list(ignored) == [expected]


@pytest.mark.parametrize(
    ("size", "reason"),
    [("0", "above 0, got 4.4 x 0 x 2 m"), ("-1.8", "got 4.4 x -1.8 x 2 m"), ("nan", "finite")],
)
def test_a_tracklet_with_an_invalid_size_is_named(drive, size, reason):
    path = drive / "tracklet_labels.xml"
    path.write_text(path.read_text().replace("<w>1.8</w>", f"<w>{size}</w>"))
    with pytest.raises(ValueError, match=rf"labels.xml: tracklet 0: l, w, h: expected.*{reason}"):
        KittiRawDataset(drive)


def test_a_tracklet_with_a_rotation_in_degrees_is_named(drive):
    path = drive / "tracklet_labels.xml"
    path.write_text(path.read_text().replace("<rz>0.5</rz>", "<rz>28.6</rz>"))
    with pytest.raises(ValueError, match=r"tracklet 0: rz: expected .* radians, got 28.6; convert"):
        KittiRawDataset(drive)


# --- motion ---------------------------------------------------------------------------------------


def write_motion(drive, poses, frames=range(5), velocity=(0.0, 0.0), yaws=(0.0,) * 5):
    """Write GPS/IMU records of a drive, and new poses of its tracklet for frames 1 to 3.

    Args:
        drive: Folder of the drive.
        poses: (3, 2) positions of the tracklet in the lidar frame.
        frames: Frames that have a record.
        velocity: Velocity of the vehicle towards east and north, m/s.
        yaws: Heading of the vehicle for each frame, radians.
    """
    (drive / "oxts" / "data").mkdir(parents=True)
    for frame in frames:
        record = np.zeros(30)
        record[5], record[6], record[7] = yaws[frame], velocity[1], velocity[0]
        text = " ".join(map(str, record))
        (drive / "oxts" / "data" / f"{frame:010d}.txt").write_text(text)
    # The IMU sits 1 m behind the lidar.
    (drive.parent / "calib_imu_to_velo.txt").write_text("R: 1 0 0 0 1 0 0 0 1\nT: -1 0 -0.8\n")
    path = drive / "tracklet_labels.xml"
    text = path.read_text()
    for index, (x, y) in enumerate(poses):
        text = text.replace(f"<tx>{10 + index}</tx><ty>2</ty>", f"<tx>{x}</tx><ty>{y}</ty>")
    path.write_text(text)


def velocities(drive):
    """Return the velocity of the tracklet in each frame of the drive."""
    return [annotation.boxes.velocities[0] for _, annotation in KittiRawDataset(drive)]


def test_an_object_has_the_index_of_its_tracklet_as_id(drive):
    path = drive / "tracklet_labels.xml"
    text = path.read_text()
    start, end = text.index("<item>"), text.rindex("</item>") + len("</item>")
    van = text[start:end]
    dont_care = van.replace("Van", "DontCare")
    path.write_text(text[:start] + van + dont_care + van + text[end:])
    assert [a.boxes.ids.tolist() for _, a in KittiRawDataset(drive)] == [[0, 2], [0, 2]]


def test_velocity_is_relative_to_the_ground(tmp_path):
    """The vehicle drives north at 5 m/s, the object 10 m/s faster and 5 m/s to the left."""
    drive = tiny_data.write_kitti_raw(tmp_path, (1, 2, 3))
    north = (np.pi / 2,) * 5
    write_motion(drive, [(10, 2), (11, 2.5), (12, 3)], velocity=(0, 5), yaws=north)
    np.testing.assert_allclose(velocities(drive), [[15, 5]] * 3, atol=1e-9)


def test_a_standing_object_has_zero_velocity_while_the_vehicle_turns(tmp_path):
    drive = tiny_data.write_kitti_raw(tmp_path, (1, 2, 3))
    yaws = 0.4 + 0.08 * np.arange(5)
    place = np.array([20.0, 30.0])  # relative to the IMU, which rotates on the spot
    poses = []
    for yaw in yaws[1:4]:
        c, s = np.cos(yaw), np.sin(yaw)
        poses.append((c * place[0] + s * place[1] - 1, c * place[1] - s * place[0]))
    write_motion(drive, poses, yaws=yaws)
    np.testing.assert_allclose(velocities(drive), np.zeros((3, 2)), atol=1e-9)
    assert np.ptp(poses, axis=0).max() > 3


def test_velocity_is_unknown_where_the_motion_of_the_vehicle_is_unknown(tmp_path):
    drive = tiny_data.write_kitti_raw(tmp_path, (1, 2, 3))
    write_motion(drive, [(10, 2), (11, 2), (13, 2)], frames=(1, 2))
    first, second, third = velocities(drive)
    np.testing.assert_allclose([first, second], [[10, 0]] * 2)  # one-sided, as frame 3 is unknown
    assert np.isnan(third).all()


def test_without_gps_imu_records_every_velocity_is_unknown(drive):
    assert np.isnan(velocities(drive)).all()


def test_a_damaged_record_is_named(drive):
    write_motion(drive, [(10, 2), (11, 2), (12, 2)])
    (drive / "oxts" / "data" / "0000000002.txt").write_text("49.0 8.4 112")
    with pytest.raises(ValueError, match=r"0000000002.txt: GPS/IMU record: expected shape \(30,\)"):
        KittiRawDataset(drive)[0]


# --- real files -----------------------------------------------------------------------------------


def test_real_drive_has_twenty_frames_at_ten_hertz(real):
    gaps = np.diff([frame.timestamp_ns for frame, _ in real]) / 1e9
    assert len(real) == 20 and np.all(np.abs(gaps - 0.1033) < 0.002)


def test_real_frames_are_complete(real):
    assert all(frame.missing == () and len(annotation.boxes) > 3 for frame, annotation in real)


def test_real_boxes_contain_points(real):
    counts = []
    for frame, annotation in real:
        points = apply(frame.ego_from_lidar, frame.points[:, :3])
        counts.append(points_in_boxes(points, annotation.boxes, 0.1).sum(1))
    assert (np.concatenate(counts) > 0).mean() > 0.9


def test_real_points_fall_into_the_image(real):
    frame, _ = real[0]
    points = apply(frame.ego_from_lidar, frame.points[:, :3])
    pixels, depth = project(frame.camera.image_from_ego, points)
    is_in_image = (pixels >= -1).all(1) & (pixels <= frame.camera.size).all(1)
    assert ((depth > 0) & is_in_image).mean() > 0.99


# Ids of parked cars that are labelled for at least one second of these frames.
PARKED = (5, 6, 7, 9)
VAN = 0  # id of a van that drives ahead


def of_object(real, number, field):
    """Return a field of the boxes of an object, for all frames that contain it."""
    values = []
    for _, annotation in real:
        chosen = annotation.boxes.ids == number
        if chosen.any():
            values.append(getattr(annotation.boxes, field)[chosen][0])
    return np.array(values)


@pytest.mark.parametrize("number", PARKED)
def test_a_parked_car_stands_still_while_the_vehicle_passes(real, number):
    speeds = np.linalg.norm(of_object(real, number, "velocities"), axis=1)
    passed = np.ptp(of_object(real, number, "centers")[:, 0])
    assert len(speeds) >= 10 and passed > 5
    assert np.median(speeds) < 0.4 and speeds.max() < 1


def test_the_velocity_of_the_van_ahead_points_along_its_heading(real):
    velocities = of_object(real, VAN, "velocities")
    yaws = of_object(real, VAN, "yaws")
    assert ((velocities[:, 0] > 6) & (velocities[:, 0] < 9)).all()
    directions = np.arctan2(velocities[:, 1], velocities[:, 0])
    assert np.abs(directions - yaws).max() < 0.2
