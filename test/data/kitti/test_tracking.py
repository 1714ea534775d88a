"""The layout of KITTI tracking: drives whose objects have ids."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import CAMERA

OBJECT = "0 0 -1.57 10 10 30 30 1.50 1.60 4.00 1.00 1.65 20.00 -1.5707963"
AREA = "-1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10"
LABELS = f"0 7 Car {OBJECT}\n2 7 Car {OBJECT}\n2 8 Person {OBJECT}\n2 -1 DontCare {AREA}\n"


@pytest.fixture
def root(tmp_path):
    """Return a data set of two drives with three frames each, copied from an object data set."""
    objects = tmp_path / "objects"
    tiny_data.write_kitti_drive(objects, 3)
    training = tmp_path / "tracking" / "training"
    for drive in ("0000", "0004"):
        for old, new in (("image_2", "image_02"), ("velodyne", "velodyne")):
            (training / new / drive).mkdir(parents=True)
            for file in (objects / "training" / old).iterdir():
                (training / new / drive / file.name).write_bytes(file.read_bytes())
        for folder in ("label_02", "calib"):
            (training / folder).mkdir(exist_ok=True)
        (training / "label_02" / f"{drive}.txt").write_text(LABELS)
        text = tiny_data.KITTI_CALIB.replace("R0_rect:", "R_rect")
        (training / "calib" / f"{drive}.txt").write_text(
            text.replace("Tr_velo_to_cam:", "Tr_velo_cam")
        )
    return tmp_path / "tracking"


def test_a_drive_of_kitti_tracking_is_a_scene_with_ids(root):
    dataset = open_dataset(root)
    assert dataset.name == "kitti_tracking" and len(dataset) == 6
    assert [dataset.scene(index) for index in range(6)] == ["0000"] * 3 + ["0004"] * 3
    frame, annotation = dataset[2]
    assert (frame.name, frame.timestamp_ns, frame.missing) == ("0000_000002", 200_000_000, ())
    assert annotation.boxes.ids.tolist() == [7, 8]
    classes = [annotation.box_labels.classes[label] for label in annotation.boxes.labels]
    assert classes == ["Car", "Person_sitting"]
    assert annotation.dont_care[CAMERA].tolist() == [[1, 2, 3, 4]]


def test_boxes_are_the_same_as_in_the_object_data_set(root, tmp_path):
    _, tracked = open_dataset(root)[0]
    _, single = open_dataset(tmp_path / "objects")[0]
    np.testing.assert_allclose(tracked.boxes.centers, single.boxes.centers)
    np.testing.assert_allclose(tracked.boxes.sizes, single.boxes.sizes)
    np.testing.assert_allclose(tracked.boxes.yaws, single.boxes.yaws)


def test_a_frame_without_objects_has_no_boxes_and_nothing_missing(root):
    frame, annotation = open_dataset(root)[1]
    assert frame.missing == () and len(annotation.boxes) == 0


def test_drives_without_labels_are_read(root):
    for file in (root / "training" / "label_02").iterdir():
        file.unlink()
    (root / "training" / "label_02").rmdir()
    frame, annotation = open_dataset(root)[0]
    assert frame.missing == () and annotation.boxes is None


def test_a_drive_whose_name_is_not_a_number_gets_one_note(root):
    assert open_dataset(root).notes == ()
    for sensor in ("image_02", "velodyne"):
        (root / "training" / sensor / "0004").rename(root / "training" / sensor / "drive2")
    (note,) = open_dataset(root).notes
    assert note.startswith(f"{root / 'training'}: drive2 is not read") and "numbers" in note


def test_missing_files_of_a_frame_are_named(root):
    (root / "training" / "velodyne" / "0000" / "000001.bin").unlink()
    (root / "training" / "calib" / "0000.txt").unlink()
    frame, annotation = open_dataset(root)[1]
    assert frame.missing == ("lidar", "calib")
    assert frame.image is None and annotation.boxes is None


def test_a_wrong_line_is_named(root):
    (root / "training" / "label_02" / "0000.txt").write_text("0 1 Car 0 0\n")
    with pytest.raises(ValueError, match=r"0000.txt, line 1: expected 17 fields"):
        open_dataset(root)[0]


def test_the_right_camera_of_tracking_is_read_by_name(root):
    training = root / "training"
    for drive in ("0000", "0004"):
        (training / "image_03" / drive).mkdir(parents=True)
        for file in (training / "image_02" / drive).iterdir():
            (training / "image_03" / drive / file.name).write_bytes(file.read_bytes())
        calibration = training / "calib" / f"{drive}.txt"
        calibration.write_text(
            calibration.read_text() + "P3: 700 0 31.5 -300 0 700 15.5 0 0 0 1 0\n"
        )
    frame, _ = open_dataset(root, cameras="all")[0]
    assert list(frame.cameras) == ["image_02", "image_03"] and frame.missing == ()
    left, right = (each.camera.camera_from_ego[:3, 3] for each in frame.cameras.values())
    np.testing.assert_allclose(right - left, [(-300 - 42) / 700, 0, -0.003], atol=1e-3)


def test_drives_with_other_leading_zeros_are_read(root):
    for sensor in ("image_02", "velodyne"):
        (root / "training" / sensor / "0004").rename(root / "training" / sensor / "04")
    dataset = open_dataset(root)
    assert dataset[5][0].missing == () and len(dataset[5][1].boxes) == 2
