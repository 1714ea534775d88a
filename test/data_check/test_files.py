"""Missing, damaged and unused files are reported with an example and a remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import tiny_data
from support.data_reports import finding, wrong
from support.label_sets import write_set
from support.street_data import CAR, write_labels, write_point_classes

from bev_semseg_ros.cli.main import main


def test_a_good_data_set_has_neither_faults_nor_warnings(street, check, capsys):
    status, report = check(street, "--strict")
    assert (status, wrong(report)) == (0, [])
    assert report["frames"] == 4
    assert report["scenes"] == {
        "drive_a": {"frames": 4, "image": 4, "lidar": 4, "calib": 4, "boxes": 4, "mask": 4}
    }
    assert report["boxes"] == {"Car": 4}
    text = capsys.readouterr().out
    assert "4 frames in 1 scene, 4 image, 4 lidar" in text and "0 faults, 0 warnings" in text


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("image", "image_2/000002.png"),
        ("lidar", "velodyne/000002.bin"),
        ("mask", "semantic/000002.png"),
        ("calib", "calib/000002.txt"),
        ("boxes", "label_2/000002.txt"),
    ],
)
def test_a_missing_file_is_a_warning_that_names_the_frame(part, file, street, check):
    (street / "training" / file).unlink()
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", part)])
    found = finding(report, part)
    assert found["count"] == 1 and "1 of 4 frames (25 %)" in found["text"]
    assert "000002" in found["example"]
    assert check(street, "--strict")[0] == 1


@pytest.mark.parametrize(
    ("folder", "part", "ending"),
    [("image_2", "image", "tiff"), ("velodyne", "lidar", "pcd"), ("label_2", "boxes", "json")],
)
def test_files_of_a_format_that_is_not_read_are_named(folder, part, ending, street, check):
    for path in (street / "training" / folder).iterdir():
        path.rename(path.with_suffix(f".{ending}"))
    _, report = check(street)
    assert finding(report, part)["count"] == 4
    (note,) = report["notes"]
    assert note.startswith(f"{folder} has 4 entries such as 000000.{ending}, none of them .")


def test_a_missing_image_of_a_further_camera_does_not_mean_the_lidar_alone(street, check):
    training = street / "training"
    shutil.copytree(training / "image_2", training / "image_3")
    (training / "image_3" / "000002.png").unlink()
    for path in (training / "calib").iterdir():
        path.write_text(path.read_text().replace("P2:", "P3:") + path.read_text())
    _, report = check(street, "--cameras", "all")
    found = finding(report, "image_03 image")
    assert found["count"] == 1 and "used without it" in found["remedy"]


def test_a_missing_calibration_folder_is_a_fault(street, check):
    shutil.rmtree(street / "training" / "calib")
    status, report = check(street)
    found = finding(report, "calib")
    assert status == 1 and found["level"] == "fault" and found["count"] == 4
    assert "so only points remain" in found["text"]
    assert "data_object_calib.zip" in found["remedy"]


def test_data_without_any_labels_are_a_warning(street, check):
    for folder in ("label_2", "semantic"):
        shutil.rmtree(street / "training" / folder)
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "labels")])


def test_clouds_with_classes_of_points_alone_are_labelled_data(street, check):
    write_point_classes(street, 3)
    assert check(street)[1]["notes"] == []
    for folder in ("label_2", "semantic", "image_2", "calib"):
        shutil.rmtree(street / "training" / folder)
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "image")])
    (note,) = report["notes"]
    assert "point_segmentation" in note


def test_labels_with_other_numbers_than_the_frames_are_reported(street, check):
    labels = street / "training" / "label_2"
    for index in (3, 2):
        (labels / f"{index:06d}.txt").rename(labels / f"{index + 100:06d}.txt")
    _, report = check(street)
    found = finding(report, "files in label_2")
    assert found["count"] == 2 and found["example"].endswith("000102.txt")
    assert finding(report, "boxes")["count"] == 2


def test_damaged_files_are_counted_and_the_other_frames_are_checked(street, check):
    tiny_data.truncate(street / "training" / "image_2" / "000001.png")
    (street / "training" / "calib" / "000003.txt").write_text("P2: 1 2 three\n")
    write_labels(street, 0, CAR.replace("4.00", "400.0"))
    status, report = check(street)
    assert status == 1 and wrong(report)[0] == ("fault", "unreadable")
    found = finding(report, "unreadable")
    assert found["count"] == 2 and "000003.txt" in found["example"]
    assert sorted(report["unreadable"]) == ["1", "3"] and "000001.png" in report["unreadable"]["1"]
    assert ("warning", "size of Car") in wrong(report)


def test_an_unknown_class_is_named_with_its_line(street, check):
    write_labels(street, 1, CAR + CAR.replace("Car", "Lorry"))
    status, report = check(street)
    found = finding(report, "unknown Lorry")
    assert status == 1 and found["level"] == "fault" and "000001.txt, line 2" in found["example"]


def test_an_unknown_class_in_a_mask_is_named(street, check, tmp_path):
    mask = np.full(tiny_data.KITTI_SIZE[::-1], 40, np.uint8)
    tiny_data.write_png(street / "training" / "semantic" / "000000.png", mask)
    status, report = check(street)
    found = finding(report, "unknown 40")
    assert status == 1 and "000000.png" in found["example"]
    # As the remedy says: a custom label set beside the masks.
    assert str(street / "training" / "semantic" / "labels.yaml") in found["remedy"]
    own = write_set(tmp_path, [f"class_{number}" for number in range(41)])
    own.rename(street / "training" / "semantic" / "labels.yaml")
    assert wrong(check(street)[1]) == []


def test_an_a2d2_colour_that_is_not_in_the_class_list_is_named(tmp_path, check):
    tiny_data.write_a2d2_rig(tmp_path / "a2d2")
    tiny_data.write_a2d2_frame(tmp_path / "a2d2")
    mask = tiny_data.a2d2_file(tmp_path / "a2d2", "mask")
    label = np.full((40, 64, 3), (1, 2, 3), np.uint8)
    tiny_data.write_png(mask, label)
    status, report = check(tmp_path / "a2d2")
    found = finding(report, "unknown #010203")
    assert status == 1 and mask.name in found["example"]
    # As the remedy says: the colour gets a category.
    colors = tmp_path / "a2d2" / "camera_lidar_semantic_bboxes" / "class_list.json"
    assert str(colors) in found["remedy"]
    colors.write_text(json.dumps(tiny_data.A2D2_COLORS | {"#010203": "Sky"}))
    assert not [item for _, item in wrong(check(tmp_path / "a2d2")[1]) if item.startswith("unk")]


def test_cameras_of_a2d2_are_counted_separately(tmp_path, check):
    root = tmp_path / "a2d2"
    tiny_data.write_a2d2_rig(root)
    for camera in ("front_center", "side_left"):
        tiny_data.write_a2d2_frame(root, camera=camera)
    tiny_data.a2d2_file(root, "image", camera="side_left").unlink()
    tiny_data.write_a2d2_frame(root, number=8, time_us=1_533_647_183_922_733)
    _, report = check(root, "--cameras", "all")
    assert report["parts"]["image"] == 2 and report["parts"]["lidar"] == 2
    assert report["parts"]["side_left lidar"] == 1
    assert finding(report, "side_left image")["count"] == 1
    assert finding(report, "side_left")["count"] == 1  # it has no frame near the second one


def test_images_resized_without_their_calibration_are_a_fault(street, check):
    for path in (street / "training" / "image_2").iterdir():
        image = cv2.imread(str(path))
        cv2.imwrite(str(path), cv2.resize(image, (128, 64)))
    for path in (street / "training" / "semantic").glob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.resize(mask, (128, 64)))
    status, report = check(street)
    found = finding(report, "calibration")
    assert status == 1 and found["level"] == "fault" and found["count"] == 4
    assert "(32, 16) of 128 x 64 pixels" in found["text"] and "resized by about 2" in found["text"]
    # As the remedy says: scale fx and cx with the width, fy and cy with the height.
    for path in (street / "training" / "calib").iterdir():
        path.write_text(path.read_text().replace("P2: 700 0 31.5 42 0 700 15.5", P2_DOUBLED))
    assert wrong(check(street)[1]) == []


P2_DOUBLED = "P2: 1400 0 63 84 0 1400 31"


def test_images_cropped_without_their_calibration_are_a_fault(street, check):
    for path in (street / "training" / "image_2").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[:18])
    shutil.rmtree(street / "training" / "semantic")
    status, report = check(street)
    assert status == 1 and "cropped" in finding(report, "calibration")["text"]


def test_an_a2d2_image_of_another_size_than_calibrated_is_reported(tmp_path, check):
    tiny_data.write_a2d2_rig(tmp_path / "a2d2")
    tiny_data.write_a2d2_frame(tmp_path / "a2d2")
    image = tiny_data.a2d2_file(tmp_path / "a2d2", "image")
    tiny_data.write_png(image, np.zeros((20, 32, 3), np.uint8))
    status, report = check(tmp_path / "a2d2")
    text = finding(report, "calibration")["text"]
    assert status == 1 and "32 x 20, calibrated for 64 x 40" in text


def test_a_folder_without_a_data_set_is_an_error(tmp_path, capsys):
    assert main(["check-data", str(tmp_path)]) == 2
    assert "the folder is empty" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a2d2", "kitti", "kitti_raw", "sustech", "camvid_people"])
def test_real_data_have_no_faults(name: str, real_data: Path, capsys):
    path = real_data / name
    if not path.is_dir():
        pytest.skip(f"no {name}")
    assert main(["check-data", str(path)]) == 0
    assert "0 faults" in capsys.readouterr().out
