"""Folders with other layouts are named, with a remedy."""

from __future__ import annotations

import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset


@pytest.mark.parametrize(
    "folders, message",
    [
        (
            ["samples/CAM_FRONT", "v1.0-mini"],
            r"nuScenes: convert it .*export_kitti.py.*label_2/labels\.yaml",
        ),
        (["sequences/00/velodyne", "sequences/00/labels"], "SemanticKITTI: its class numbers"),
        (["sequences/00/image_2"], "KITTI odometry: it has no labels"),
        (["data_3d_raw/2013_05_28_drive_0000_sync/velodyne_points/data"], "KITTI-360: its boxes"),
        (["data_object_image_2/training"], "move the contents of their training folders"),
        (["photos/2019"], "the folder has 1 entries, such as photos; looked for"),
        ([], "the folder is empty; looked for"),
    ],
)
def test_a_folder_of_another_layout_is_named(tmp_path, folders, message):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path)


def test_the_error_for_a_parent_folder_names_the_data_set(tmp_path):
    tiny_data.write_kitti_frame(tmp_path / "data" / "kitti", "000000")
    with pytest.raises(ValueError, match=r"not a data set itself, but .*data/kitti is one: give"):
        open_dataset(tmp_path / "data")
