"""Opening, splitting and joining data sets."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data import dataset as datasets
from bev_semseg_ros.data.dataset import ConcatDataset, data_files, open_dataset, validation_scenes
from bev_semseg_ros.data.files import FrameParts
from bev_semseg_ros.frame import Annotation, Frame


def scenes(dataset) -> list[str]:
    return [dataset.scene(index) for index in range(len(dataset))]


def write_scenes(root, names) -> None:
    rows = []
    for index, name in enumerate(name for name in names for _ in range(2)):
        tiny_data.write_kitti_frame(root, f"{index:06d}")
        rows.append((f"{index:06d}", name, index * 100_000_000))
    tiny_data.write_kitti_table(root, rows)


def test_layouts_are_recognised(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path / "a")
    tiny_data.write_a2d2_frame(tmp_path / "a")
    tiny_data.write_kitti_frame(tmp_path / "b", "000000")
    tiny_data.write_kitti_raw(tmp_path / "c")
    assert [open_dataset(tmp_path / name).name for name in "abc"] == ["a2d2", "kitti", "kitti_raw"]


def test_an_unknown_layout_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="no known data set") as error:
        open_dataset(tmp_path)
    for expected in ("camera_lidar_semantic_bboxes", "training/velodyne", "_sync", str(tmp_path)):
        assert expected in str(error.value)


class Clouds:
    """A user's data set, with only the methods that docs/extending.md asks for."""

    name = "clouds"
    layout = "a folder of SCENE_NUMBER.npy"

    def __init__(self, path):
        self._files = sorted(path.glob("*.npy"))

    @staticmethod
    def matches(path):
        return any(path.glob("*.npy"))

    def __len__(self):
        return len(self._files)

    def __getitem__(self, index):
        return Frame.of(index, np.load(self._files[index]), np.eye(4), None, None), Annotation()

    def scene(self, index):
        return self._files[index].stem.partition("_")[0]

    def parts(self, index):
        return FrameParts({"lidar": self._files[index]}, ())

    def cameras(self, index):
        return {}


def test_a_custom_layout_is_a_class_and_an_entry_in_readers(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "READERS", (*datasets.READERS, Clouds))
    with pytest.raises(ValueError, match=r"SCENE_NUMBER\.npy"):
        open_dataset(tmp_path)
    for name in ("a_1", "a_2", "b_1"):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, 4), np.float32))
    whole, parts = (
        open_dataset(tmp_path),
        [open_dataset(tmp_path, split) for split in ("train", "val")],
    )
    assert whole.name == "clouds" and whole[2][0].points.shape == (5, 4)
    assert sorted(scene for part in parts for scene in scenes(part)) == ["a", "a", "b"]
    with pytest.raises(ValueError, match="the kind clouds have no cameras to choose from"):
        open_dataset(tmp_path, cameras="all")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder"):
        open_dataset(tmp_path / "nowhere")


def test_layout_without_frames_is_refused(tmp_path):
    (tmp_path / "training" / "velodyne").mkdir(parents=True)
    with pytest.raises(ValueError, match="no frames"):
        open_dataset(tmp_path)


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown split 'test', expected one of train, val"):
        open_dataset(tmp_path, "test")


def test_splits_share_no_scene_and_lose_no_frame(tmp_path):
    write_scenes(tmp_path, [f"scene_{index}" for index in range(8)])
    train, val = open_dataset(tmp_path, "train"), open_dataset(tmp_path, "val")
    assert set(scenes(train)).isdisjoint(scenes(val))
    assert len(train) + len(val) == 16 and len(val) >= 2


def test_frames_of_a_split_belong_to_its_scenes(tmp_path):
    write_scenes(tmp_path, ["a", "b", "c"])
    val = open_dataset(tmp_path, "val")
    assert [frame.scene for frame, _ in val] == scenes(val)


def test_about_one_scene_in_five_is_kept_for_validation():
    assert 0.15 < len(validation_scenes(map(str, range(1000)))) / 1000 < 0.25


def test_validation_scenes_are_the_same_in_every_version():
    """Otherwise, a checkpoint would be evaluated on frames of its training data."""
    kept = validation_scenes(f"{index:06d}" for index in range(30))
    assert kept == {f"{index:06d}" for index in (0, 1, 6, 7, 11, 19, 24, 27)}


def test_split_of_a_scene_does_not_depend_on_the_others():
    names = [f"{index:06d}" for index in range(50)]
    assert validation_scenes(names) & set(names[:25]) == validation_scenes(names[:25])


@pytest.mark.parametrize("count", range(2, 12))
def test_two_or_more_scenes_always_give_both_splits(count):
    for start in range(20):
        names = [f"drive_{start + index}" for index in range(count)]
        assert 0 < len(validation_scenes(names)) < count


def test_a_single_scene_is_used_for_training(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 3)
    assert (len(open_dataset(tmp_path, "train")), len(open_dataset(tmp_path, "val"))) == (3, 0)


def test_concatenation_keeps_order_and_names(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "a", 2)
    tiny_data.write_kitti_raw(tmp_path / "b")
    joined = ConcatDataset([open_dataset(tmp_path / "a"), open_dataset(tmp_path / "b")])
    assert joined.name == "kitti+kitti_raw"
    assert scenes(joined) == ["drive_a"] * 2 + ["2011_09_26_drive_0005_sync"] * 2
    assert [frame.scene for frame, _ in joined] == scenes(joined)


@pytest.mark.parametrize("target", [".", "..", "inner"])
def test_links_to_a_folder_above_are_not_followed(tmp_path, target):
    tiny_data.write_kitti_drive(tmp_path, 2)
    training = tmp_path / "training"
    outside = tmp_path / "elsewhere"
    (training / "velodyne").rename(outside)
    (training / "velodyne").symlink_to(outside)
    files = list(data_files(tmp_path))
    assert str(training / "velodyne" / "000001.bin") in files
    if target == "inner":  # two links that lead to each other
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "back").symlink_to(training)
        (training / "loop").symlink_to(tmp_path / "inner")
    else:
        (training / "loop").symlink_to(target)
    assert list(data_files(tmp_path)) == files


def test_index_out_of_range_is_refused(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 2)
    dataset = open_dataset(tmp_path)
    for kind in (dataset, ConcatDataset([dataset]), open_dataset(tmp_path, "train")):
        with pytest.raises(IndexError):
            kind[2]
