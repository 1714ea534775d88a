"""The folders of A2D2: subsets and scenes."""

from __future__ import annotations

import cv2
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset


def test_a_frame_in_two_subsets_is_read_once_with_the_files_of_both(root):
    tiny_data.write_a2d2_frame(root, subset="camera_lidar_semantic")
    tiny_data.a2d2_file(root, "image").unlink()  # the semantic subset still has it
    dataset = A2D2Dataset(root)
    assert len(dataset) == 1
    assert dataset[0][0].missing == () and len(dataset[0][1].boxes) == 3


def test_a_subset_nested_in_a_folder_of_the_same_name_is_read(root, tmp_path):
    tiny_data.write_a2d2_frame(root, subset="camera_lidar_semantic", number=8)
    subset = root / "camera_lidar_semantic_bboxes"
    subset.rename(root / "unpacked")
    subset.mkdir()
    (root / "unpacked").rename(subset / subset.name)
    dataset = A2D2Dataset(root)
    assert [len(dataset[index][1].boxes or ()) for index in range(len(dataset))] == [3, 0]


@pytest.mark.parametrize("below", ["", "camera_lidar_semantic_bboxes"])
def test_a_scene_with_another_name_gets_a_note(root, below):
    assert A2D2Dataset(root / below).notes == ()
    scene = "20180807_145100"
    tiny_data.write_a2d2_frame(root, scene)
    assert A2D2Dataset(root / below).notes == ()
    folder = root / "camera_lidar_semantic_bboxes" / scene
    renamed = folder.rename(folder.with_name(f"{scene}_part1"))
    dataset = A2D2Dataset(root / below)
    assert len(dataset) == 1
    (note,) = dataset.notes
    assert note.startswith(f"{renamed} is not read") and "YYYYMMDD_hhmmss" in note


def test_hidden_files_of_macos_are_not_read_as_frames(root):
    for file in [file for file in root.rglob("2018*.*") if file.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    dataset = A2D2Dataset(root)
    assert len(dataset) == 1 and dataset[0][0].missing == ()


def test_the_semantic_subset_has_no_boxes_and_nothing_missing(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path, subset="camera_lidar_semantic")
    frame, annotation = A2D2Dataset(tmp_path)[0]
    assert annotation.boxes is None and frame.missing == ()


@pytest.mark.parametrize(
    "below", ["", "camera_lidar_semantic_bboxes", "camera_lidar_semantic_bboxes/20180807_145028"]
)
def test_root_subset_and_scene_open_alike(root, below):
    frame, annotation = A2D2Dataset(root / below)[0]
    assert frame.name == "20180807145028_000000007" and len(annotation.boxes) == 3


@pytest.mark.parametrize(
    "below", ["", "camera_lidar_semantic_bboxes", "camera_lidar_semantic_bboxes/20180807_145028"]
)
def test_the_current_folder_can_be_opened_as_a_dot(root, below, monkeypatch):
    monkeypatch.chdir(root / below)
    frame, annotation = A2D2Dataset(".")[0]
    assert frame.scene == "20180807_145028" and len(annotation.boxes) == 3


@pytest.mark.parametrize(
    "name", ["cams_lidars.json", "camera_lidar_semantic_bboxes/class_list.json"]
)
def test_missing_description_of_the_set_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(FileNotFoundError, match=name.rpartition("/")[2]):
        A2D2Dataset(root)


def test_images_stored_as_jpeg_are_read(root):
    file = tiny_data.a2d2_file(root, "image")
    cv2.imwrite(str(file.with_suffix(".jpg")), cv2.imread(str(file)))
    file.unlink()
    frame, _ = A2D2Dataset(root)[0]
    assert frame.missing == () and frame.image.shape == (40, 64, 3)


def test_data_of_only_another_camera_are_refused_with_its_name(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path, camera="side_left")
    with pytest.raises(
        ValueError, match=r"no frames of the camera front_center; try --cameras side"
    ):
        A2D2Dataset(tmp_path)


def test_unexpected_file_names_are_refused_with_the_expected_ones(root):
    scene = root / "camera_lidar_semantic_bboxes" / "20180807_145028"
    for file in [path for path in scene.rglob("*") if path.is_file()]:
        file.rename(file.with_name(f"7{file.suffix}"))
    with pytest.raises(
        ValueError, match=r"no frames: expected files such as .*; there are 5 files"
    ):
        A2D2Dataset(root)
