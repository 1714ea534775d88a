"""Implausible boxes, points and stamps are reported with an example and a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.data_reports import finding, wrong
from support.street_data import CAR, write_cloud, write_labels, write_point_classes

COUNT = 4


def write_all_labels(root: Path, text: str, indices: range = range(COUNT)) -> None:
    """Write the same labels for several frames."""
    for index in indices:
        write_labels(root, index, text)


def test_boxes_beside_the_points_are_a_fault(street, check):
    write_all_labels(street, CAR.replace("1.00 1.65 20.00", "1.00 1.65 28.00"))
    status, report = check(street)
    found = finding(report, "boxes without points")
    assert (status, found["level"], found["count"]) == (1, "fault", COUNT)
    assert "Tr_velo_to_cam" in found["remedy"]


def test_many_boxes_without_points_are_a_warning_and_a_few_are_not(street, check):
    far = CAR.replace("1.00 1.65 20.00", "1.00 1.65 60.00")
    write_labels(street, 0, CAR * 7 + far)
    assert wrong(check(street)[1]) == []
    write_all_labels(street, CAR * 2 + far)
    status, report = check(street)
    found = finding(report, "boxes without points")
    assert (status, found["level"], found["count"]) == (0, "warning", COUNT)
    assert "up to 10 % are usual" in found["text"]


def test_boxes_behind_the_camera_are_a_fault(street, check):
    write_all_labels(street, CAR.replace("1.00 1.65 20.00", "1.00 1.65 -20.00"))
    status, report = check(street)
    assert status == 1 and finding(report, "boxes outside")["level"] == "fault"


def test_boxes_all_around_the_vehicle_are_a_warning(street, check):
    behind = CAR.replace("1.00 1.65 20.00", "1.00 1.65 -20.00")
    write_all_labels(street, CAR + behind * 2)
    rng = np.random.default_rng(1)
    for index in range(COUNT):
        in_cars = [
            np.array([x, -1.0, -0.98]) + rng.uniform(-0.5, 0.5, (50, 3)) * (4.0, 1.6, 1.5)
            for x in (20.27, -19.73)
        ]
        points = np.concatenate(in_cars)
        write_cloud(street, index, np.column_stack([points, rng.uniform(0, 1, 100)]))
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "boxes outside")])
    assert "evaluate --region grid" in finding(report, "boxes outside")["remedy"]


@pytest.mark.parametrize(
    ("situation", "size"),
    [
        ("sizes in centimetres", "150 160 400"),
        ("length and height exchanged", "4.00 1.60 1.50"),
        ("length and width exchanged", "1.50 4.00 1.60"),
    ],
)
def test_implausible_sizes_of_cars_are_a_fault(situation, size, street, check):
    write_all_labels(street, CAR.replace("1.50 1.60 4.00", size))
    status, report = check(street)
    found = finding(report, "size of Car")
    assert (status, found["level"], found["count"]) == (1, "fault", COUNT)
    assert "length 1.8 to 8" in found["text"] and "KITTI's height, width, length" in found["remedy"]


def test_a_single_box_of_an_odd_size_is_a_warning(street, check):
    write_labels(street, 2, CAR.replace("1.50 1.60 4.00", "1.50 1.60 0.40"))
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "size of Car")])
    assert "0.4 m x 1.6 m x 1.5 m in" in finding(report, "size of Car")["example"]
    assert "000002.txt" in finding(report, "size of Car")["example"]


def test_a_single_frame_without_boxes_is_a_warning(street, check):
    write_labels(street, 1, "")
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "frames without boxes")])
    assert "000001.txt" in finding(report, "frames without boxes")["example"]


def test_a_frame_with_only_dont_care_areas_is_not_empty(street, check):
    write_labels(street, 1, "DontCare -1 -1 -10 1 2 30 20 -1 -1 -1 -1000 -1000 -1000 -10\n")
    assert wrong(check(street)[1]) == []


def test_empty_label_files_in_all_frames_are_a_fault(street, check):
    write_all_labels(street, "")
    status, report = check(street)
    assert status == 1 and finding(report, "frames without boxes")["level"] == "fault"


def test_stamps_that_run_backwards_are_a_warning(street, check):
    times = [5_000_000_000, 5_200_000_000, 5_100_000_000, 5_300_000_000]
    rows = [(f"{index:06d}", "drive_a", time) for index, time in enumerate(times)]
    tiny_data.write_kitti_table(street, rows)
    status, report = check(street)
    assert (status, wrong(report)) == (0, [("warning", "stamps")])
    assert finding(report, "stamps")["example"] == "-0.1 s from 000001 to 000002"


def test_a_large_gap_between_stamps_of_one_scene_is_reported(street, check):
    times = [5_000_000_000, 5_100_000_000, 5_200_000_000, 5_300_000_000 + 3_600_000_000_000]
    rows = [(f"{index:06d}", "drive_a", time) for index, time in enumerate(times)]
    tiny_data.write_kitti_table(street, rows)
    _, report = check(street)
    assert finding(report, "stamps")["example"] == "+3600.1 s from 000002 to 000003"
    rows[3] = ("000003", "drive_b", times[3])  # as the remedy says
    tiny_data.write_kitti_table(street, rows)
    assert wrong(check(street)[1]) == []


def test_a_drive_without_times_is_reported(street, check):
    rows = [(f"{index:06d}", "drive_a", 0) for index in range(COUNT)]
    tiny_data.write_kitti_table(street, rows)
    _, report = check(street)
    assert finding(report, "stamps")["count"] == COUNT


def test_a_drive_whose_times_begin_at_0_has_times(street, check):
    rows = [(f"{index:06d}", "drive_a", index * 100_000_000) for index in range(COUNT)]
    tiny_data.write_kitti_table(street, rows)
    assert wrong(check(street)[1]) == []
    rows[2] = (*rows[2][:2], 0)
    tiny_data.write_kitti_table(street, rows)
    _, report = check(street)
    assert finding(report, "stamps")["text"].startswith("1 frame without a time, such as 000002")


def test_an_empty_cloud_file_is_a_warning(street, check):
    (street / "training" / "velodyne" / "000001.bin").write_bytes(b"")
    _, report = check(street)
    found = finding(report, "empty clouds")
    assert found["level"] == "warning" and found["example"].endswith("000001.bin")


@pytest.mark.parametrize("reflectance", [40_000.0, -40.0])
def test_intensities_outside_0_to_1_are_a_fault(reflectance, tmp_path, check):
    root = tmp_path / "a2d2"
    tiny_data.write_a2d2_rig(root)
    tiny_data.write_a2d2_frame(root)
    path = tiny_data.a2d2_file(root, "lidar")
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **content | {"reflectance": np.full(12, reflectance)})
    status, report = check(root)
    found = finding(report, "intensities")
    assert status == 1 and found["level"] == "fault" and found["example"].startswith(str(path))


def test_intensities_up_to_255_are_reported_as_a_note(street, check, capsys):
    for path in (street / "training" / "velodyne").iterdir():
        points = np.frombuffer(path.read_bytes(), np.float32).reshape(-1, 4) * (1, 1, 1, 255)
        path.write_bytes(points.astype(np.float32).tobytes())
    status, report = check(street)
    assert (status, wrong(report)) == (0, [])
    assert any("divided by 255" in note for note in report["notes"])
    assert "note: velodyne" in capsys.readouterr().out


def write_masks(root: Path, upper: int, lower: int) -> None:
    """Give each frame a mask with one class in its upper half and one in its lower half."""
    mask = np.full((32, 64), lower, np.uint8)
    mask[:16] = upper
    for index in range(COUNT):
        tiny_data.write_png(root / "training" / "semantic" / f"{index:06d}.png", mask)


def test_masks_with_class_numbers_of_another_label_set_are_a_fault(street, check):
    write_masks(street, upper=8, lower=0)  # driving_13: sky and road
    assert wrong(check(street)[1]) == []
    write_masks(street, upper=0, lower=8)  # CamVid's own numbers: sky and cars
    status, report = check(street)
    found = finding(report, "classes of masks")
    assert (status, found["level"], found["count"]) == (1, "fault", COUNT)
    assert "the road lies above the sky" in found["text"] and "labels.yaml" in found["remedy"]
    names = ("sky", "building", "pole", "road", "walk", "tree", "sign", "fence", "car")
    own = "".join(f"  {name}: {{color: [{n}, 0, 0]}}\n" for n, name in enumerate(names))
    (street / "training" / "semantic" / "labels.yaml").write_text(f"classes:\n{own}")
    assert wrong(check(street)[1]) == []  # as the remedy says


def test_masks_in_which_all_pixels_are_ignored_are_a_warning(street, check):
    write_masks(street, upper=255, lower=255)
    status, report = check(street)
    found = finding(report, "empty masks")
    assert (status, found["level"], found["count"]) == (0, "warning", COUNT)


def test_points_whose_classes_are_all_ignored_are_a_warning(street, check):
    write_point_classes(street, 3)
    assert wrong(check(street)[1]) == []
    write_point_classes(street, 255)
    status, report = check(street)
    found = finding(report, "classes of points")
    assert (status, found["level"], found["count"]) == (0, "warning", COUNT)
    assert found["example"].endswith("labels/000000.label")


def test_clouds_of_several_lidars_without_poses_are_a_warning(check, tmp_path):
    root = tmp_path / "a2d2"
    tiny_data.write_a2d2_rig(root)
    tiny_data.write_a2d2_frame(root)
    cloud, sidecar = (tiny_data.a2d2_file(root, part) for part in ("lidar", "sidecar"))
    np.savez(cloud, **{**np.load(cloud), "lidar_id": np.arange(12) % 2})
    content = json.loads(sidecar.read_text()) | {"lidar_ids": {"0": "front_left", "1": "rear"}}
    sidecar.write_text(json.dumps(content))
    found = finding(check(root)[1], "lidar poses")
    assert found["level"] == "warning" and found["count"] == 1
    assert "lidars of cams_lidars.json" in found["remedy"]
    file = root / "cams_lidars.json"
    content = json.loads(file.read_text())
    front = content["cameras"]["front_center"]
    content["lidars"] = {key: {"view": front["view"]} for key in ("front_left", "rear")}
    file.write_text(json.dumps(content))
    assert ("warning", "lidar poses") not in wrong(check(root)[1])


def test_a_ground_height_unlike_the_training_data_is_a_fault(street, check, tmp_path):
    from support.memory_dataset import TINY

    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.build import build_network

    trained = tmp_path / "trained.pt"
    info = {"ground_height_percentiles": [-0.1, 0.0, 0.0, 0.0, 0.1]}
    checkpoint.save(trained, build_network(TINY), TINY, info)
    for path in (street / "training" / "velodyne").iterdir():
        points = np.frombuffer(path.read_bytes(), np.float32).reshape(-1, 4).copy()
        points[:, 2] += 0.9
        path.write_bytes(points.astype(np.float32).tobytes())
    status, report = check(street, "--checkpoint", str(trained))
    found = finding(report, "ground height (trained.pt)")
    assert status == 1 and found["level"] == "fault" and "1.73 m" in found["remedy"]
