"""Ids and velocities in the files that `bev-semseg synth` adds to KITTI and A2D2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset
from bev_semseg_ros.data.kitti import KittiDataset
from bev_semseg_ros.frame import Boxes

FRAME = "000003"


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """Return the root of a KITTI data set of one frame, whose labels have one box in line 1."""
    tiny_data.write_kitti_frame(tmp_path, FRAME)
    return tmp_path


@pytest.fixture
def a2d2(tmp_path: Path) -> Path:
    """Return the root of an A2D2 data set of one frame."""
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path)
    return tmp_path


def kitti_boxes(root: Path, motion: str | None) -> Boxes:
    """Return the boxes of the frame, with this text as its motion file."""
    if motion is not None:
        folder = root / "training" / "motion"
        folder.mkdir()
        (folder / f"{FRAME}.csv").write_text(motion)
    return KittiDataset(root)[0][1].boxes


def a2d2_boxes(root: Path, additions: dict) -> Boxes:
    """Return the boxes of the frame, with these entries added to the first one."""
    path = tiny_data.a2d2_file(root, "boxes")
    content = json.loads(path.read_text())
    next(iter(content.values())).update(additions)
    path.write_text(json.dumps(content))
    return A2D2Dataset(root)[0][1].boxes


def test_kitti_box_gets_the_id_and_velocity_of_its_line(kitti):
    boxes = kitti_boxes(kitti, "box,id,vx,vy\n1,42,3.5,-0.25\n")
    assert boxes.ids.tolist() == [42]
    assert boxes.velocities.tolist() == [[3.5, -0.25]]


@pytest.mark.parametrize("motion", [None, "box,id,vx,vy\n"])
def test_kitti_box_without_a_row_has_neither_id_nor_velocity(kitti, motion):
    boxes = kitti_boxes(kitti, motion)
    assert boxes.ids.tolist() == [-1] and np.isnan(boxes.velocities).all()


def test_kitti_velocity_may_be_unknown(kitti):
    boxes = kitti_boxes(kitti, "box,id,vx,vy\n1,42,nan,nan\n")
    assert boxes.ids.tolist() == [42] and np.isnan(boxes.velocities).all()


@pytest.mark.parametrize(
    "motion, expected",
    [
        ("box,id\n1,42\n", "expected the columns box, id, vx, vy"),
        ("box,id,vx,vy\n1,first,0,0\n", "line 2: expected whole numbers"),
        ("box,id,vx,vy\n1,42,0\n", "line 2: expected whole numbers"),
        ("box,id,vx,vy\n1,42,inf,0\n", "line 2: expected an id from -1"),
        ("box,id,vx,vy\n1,-7,0,0\n", "line 2: expected an id from -1"),
        ("box,id,vx,vy\n1,42,0,0\n1,43,0,0\n", "line 3: second row for box 1"),
        ("box,id,vx,vy\n9,42,0,0\n", "row for box 9"),
    ],
)
def test_damaged_kitti_motion_is_named(kitti, motion, expected):
    with pytest.raises(ValueError, match=rf"{FRAME}\.csv.*{expected}"):
        kitti_boxes(kitti, motion)


def test_a2d2_velocity_is_rotated_from_the_view_to_the_ego_frame(a2d2):
    boxes = a2d2_boxes(a2d2, {"id": 7, "velocity": [2.0, 0.5, 0.0]})
    assert boxes.ids[0] == 7
    # The view of the tiny rig's front camera has the axes of the ego frame.
    np.testing.assert_allclose(boxes.velocities[0], [2.0, 0.5], atol=1e-9)
    assert (boxes.ids[1:] == -1).all() and np.isnan(boxes.velocities[1:]).all()


def test_an_a2d2_id_without_a_velocity_is_not_used(a2d2):
    boxes = a2d2_boxes(a2d2, {"id": 7})
    assert (boxes.ids == -1).all() and np.isnan(boxes.velocities).all()


@pytest.mark.parametrize(
    "additions, expected",
    [
        ({"id": 1.5, "velocity": [0, 0, 0]}, "id: expected a whole number"),
        ({"id": -1, "velocity": [0, 0, 0]}, "id: expected a whole number"),
        ({"id": True, "velocity": [0, 0, 0]}, "id: expected a whole number"),
        ({"id": 1, "velocity": [0, 0]}, "velocity"),
        ({"id": 1, "velocity": "fast"}, "velocity"),
    ],
)
def test_damaged_a2d2_motion_is_named(a2d2, additions, expected):
    with pytest.raises(ValueError, match=rf"label3D.*{expected}"):
        a2d2_boxes(a2d2, additions)
