import json
import runpy
from dataclasses import replace

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import TinyDataset
from support.paths import ROOT

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation import fixed_set
from bev_semseg_ros.frame import CAMERA, LIDAR, BevMap

REQUEST = {
    "seed": 1,
    "rig": "kitti",
    "frames": 1,
    "image_size": [64, 32],
    "complete_scenes": [0, 1],
}


@pytest.fixture
def made(tmp_path):
    """Return a folder with two frames of a set, and the manifest of the set."""
    folder, manifest = tmp_path / "set", tmp_path / "manifest.json"
    for name in ("000000", "000001"):
        tiny_data.write_kitti_frame(folder, name)
    (folder / "synth.json").write_text(json.dumps(REQUEST))
    named = {"name": "tiny", "part": "kitti/test", "commit": "abc"}
    (folder / "data_set.json").write_text(json.dumps(named))
    dataset = open_dataset(folder)
    frames = {dataset[i][0].name: fixed_set.describe(*dataset[i]) for i in range(2)}
    part = {"request": fixed_set.request_of(folder), "frames": frames}
    fixed_set.write_manifest(manifest, "abc", {"kitti/test": part})
    return folder, manifest


def check(made):
    return fixed_set.check(made[0], open_dataset(made[0]), made[1])


def test_a_correctly_generated_set_has_no_differences(made):
    assert check(made) == []


def test_a_frame_with_another_cloud_is_named(made):
    (made[0] / "training" / "velodyne" / "000001.bin").write_bytes(np.ones(4 * 30, "f4").tobytes())
    (told,) = check(made)
    assert told.startswith("tiny, kitti/test: frame 000001: points of lidar: value 0 is 30")


def test_a_frame_that_was_deleted_is_named(made):
    for path in (made[0] / "training").rglob("000001.*"):
        path.unlink()
    assert check(made) == ["tiny, kitti/test: frame 000001: missing"]


def test_another_image_and_another_number_of_boxes_are_named(made):
    image = np.zeros((32, 64, 3), np.uint8)
    tiny_data.write_png(made[0] / "training" / "image_2" / "000000.png", image)
    (made[0] / "training" / "label_2" / "000000.txt").write_text("")
    assert [told.split(": ")[2].split()[0] for told in check(made)] == ["boxes", "image"]


def test_a_set_of_another_seed_and_another_simulator_is_named(made):
    (made[0] / "synth.json").write_text(json.dumps(REQUEST | {"seed": 2}))
    named = {"name": "tiny", "part": "kitti/test", "commit": "def"}
    (made[0] / "data_set.json").write_text(json.dumps(named))
    assert [told.partition(": ")[2] for told in check(made)] == [
        "made by the simulator def instead of abc",
        "seed 2 instead of 1",
    ]


def test_small_numerical_differences_are_accepted(made):
    frame, annotation = open_dataset(made[0])[0]
    scan = frame.lidar
    points = scan.points + np.float32(1e-3)
    other = replace(frame, lidars={"lidar": replace(scan, points=points)})
    expected = fixed_set.describe(frame, annotation)
    assert fixed_set.differences(expected, fixed_set.describe(other, annotation)) == []


def everything():
    """Return a frame with a cloud and an image, and an annotation with every kind of label."""
    frame, annotation = TinyDataset()[0]
    classes = np.repeat(np.arange(5, dtype=np.uint8), 100)
    bev = BevMap(np.repeat(np.arange(4, dtype=np.uint8), 400).reshape(40, 40), 0, -8, 0.4)
    return frame, replace(annotation, point_classes={LIDAR: classes}, bev=bev)


def changed(**amounts):
    """Return the description of this frame with some of its values changed."""
    frame, annotation = everything()
    cloud, classes = frame.points.copy(), annotation.point_classes[LIDAR].copy()
    cloud[:, 0] += amounts.get("metres", 0)
    cloud[:, 3] += amounts.get("intensity", 0)
    classes[: amounts.get("classes", 0)] = 4
    kept = slice(amounts.get("points", 0), None)
    image = frame.image + np.uint8(amounts.get("color", 0))
    mask, cells = annotation.mask.copy(), annotation.bev.classes.copy()
    mask[0, : amounts.get("pixels", 0)] = 0
    cells[0, : amounts.get("cells", 0)] = 3
    lidar, camera = frame.lidars[LIDAR], frame.cameras[CAMERA]
    frame = replace(
        frame,
        lidars={LIDAR: replace(lidar, points=cloud[kept])},
        cameras={CAMERA: replace(camera, image=image)} if amounts.get("cameras", True) else {},
    )
    annotation = replace(
        annotation,
        point_classes={LIDAR: classes[kept]},
        masks={CAMERA: mask},
        bev=replace(annotation.bev, classes=cells) if amounts.get("bev", True) else None,
    )
    return fixed_set.describe(frame, annotation)


@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        ({"metres": 0.3}, "points of lidar: value 1 is"),
        ({"intensity": 0.05}, "points of lidar: value 13 is"),
        ({"points": 20}, "points of lidar: value 0 is 480 instead of 500"),
        ({"classes": 20}, "classes of lidar: value 0 is 80 instead of 100"),
        ({"color": 4}, "image of camera: value 0 is"),
        ({"pixels": 100}, "mask of camera: value 0 is"),
        ({"cells": 30}, "bev: value 0 is 370 instead of 400"),
        ({"bev": False}, "bev: missing"),
        ({"cameras": False}, "image of nothing instead of camera"),
    ],
)
def test_differences_larger_than_between_processors_are_named(amounts, told):
    differences = fixed_set.differences(changed(), changed(**amounts))
    assert differences and differences[0].startswith(told)


def test_differences_between_processors_are_accepted():
    slightly = {"metres": 0.05, "intensity": 0.01, "color": 1, "pixels": 8, "cells": 8}
    assert fixed_set.differences(changed(), changed(**slightly)) == []
    found = changed()
    found["points"][LIDAR][0] -= 8
    assert fixed_set.differences(changed(), found) == []


def test_a_frame_that_the_manifest_does_not_have_is_named(made):
    content = json.loads(made[1].read_text())
    del content["parts"]["kitti/test"]["frames"]["000001"]
    made[1].write_text(json.dumps(content))
    assert check(made) == ["tiny, kitti/test: frame 000001: not in the manifest"]


def test_an_unknown_set_or_part_is_named(made):
    named = {"name": "tiny", "part": "kitti/other", "commit": "abc"}
    (made[0] / "data_set.json").write_text(json.dumps(named))
    assert "the manifest of tiny has no part 'kitti/other'" in check(made)[0]
    assert "no manifest of a set 'tiny'; nothing was compared" in fixed_set.check_folder(made[0])[0]


def test_a_part_is_summed_up_over_its_frames():
    summary = fixed_set.summarize([changed(), changed(points=100)])
    assert summary["frames"] == 2 and summary["points"] == 450
    assert summary["classes"] == {"0": 100, "1": 200, "2": 200, "3": 200, "4": 200}


def test_a_folder_that_is_no_fixed_set_is_not_compared(made):
    (made[0] / "data_set.json").unlink()
    assert check(made) == [] and fixed_set.check_folder(made[0]) == []


def test_a_manifest_is_written_only_for_a_complete_set(made, tmp_path):
    described = runpy.run_path(str(ROOT / "benchmarks" / "sim_v1.py"))["described"]
    recipe = {"commit": "abc", "rigs": ["kitti"], "scenes": {"train": 2, "val": 3, "test": 2}}
    for split in ("val", "test"):
        (tmp_path / "kitti").mkdir(exist_ok=True)
        (tmp_path / "kitti" / split).symlink_to(made[0])
    with pytest.raises(SystemExit) as error:
        described(tmp_path, recipe)
    assert [line.rpartition("kitti/")[2] for line in str(error.value).splitlines()[:-1]] == [
        "train: is missing or not complete",
        "val: holds 2 scenes instead of 3",
    ]
    (tmp_path / "kitti" / "train").symlink_to(made[0])
    parts = described(tmp_path, recipe | {"scenes": {"train": 2, "val": 2, "test": 2}})
    assert [len(part.get("frames", [])) for part in parts.values()] == [0, 0, 2]


def test_a_set_is_not_continued_with_another_simulator(made, tmp_path):
    refuse = runpy.run_path(str(ROOT / "benchmarks" / "sim_v1.py"))["refuse_other_commit"]
    refuse(tmp_path / "new", "def")
    (tmp_path / "kitti").mkdir()
    (tmp_path / "kitti" / "test").symlink_to(made[0])
    refuse(tmp_path, "abc")
    with pytest.raises(SystemExit, match="kitti/test: was made by the simulator abc instead of"):
        refuse(tmp_path, "def")
