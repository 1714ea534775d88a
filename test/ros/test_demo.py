"""How the demo compares the node with offline inference, and how it prints the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from support.point_clouds import points_config, points_network

from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.ros.bag.recording import Recording, Result
from bev_semseg_ros.ros.demo import SUMMARY, parity, run_demo, table

MASK = np.zeros((4, 5), np.uint8)


def prediction(centers: list[list[float]], labels: list[int], mask: np.ndarray) -> Prediction:
    count = len(labels)
    boxes = Boxes(
        np.array(centers).reshape(-1, 3),
        np.ones((count, 3)),
        np.zeros(count),
        np.array(labels),
        np.ones(count),
    )
    return Prediction.of(boxes, mask, None, "fused", 10.0)


def test_the_same_boxes_in_another_order_are_equal():
    ours = prediction([[1, 2, 3], [4, 5, 6.01]], [0, 1], MASK)
    theirs = prediction([[4, 5, 6], [1, 2, 3]], [1, 0], MASK)
    found = parity([ours], [theirs])
    assert (found["frames"], found["same_boxes"], found["label_agreement"]) == (1, 1, 1.0)
    assert found["max_box_difference"] == pytest.approx(0.01)


def test_other_boxes_and_pixels_count_as_different():
    mask = MASK.copy()
    mask[0] = 1
    found = parity([prediction([[1, 2, 3]], [0], mask)], [prediction([[1, 2, 3]], [1], MASK)])
    assert (found["frames"], found["same_boxes"], found["max_box_difference"]) == (1, 0, None)
    assert found["label_agreement"] == 0.75


def test_dropped_frames_are_not_compared():
    found = parity([None, prediction([], [], MASK)], [prediction([], [], MASK)] * 2)
    assert (found["frames"], found["same_boxes"], found["max_box_difference"]) == (1, 1, 0.0)
    assert parity([None], [prediction([], [], MASK)])["label_agreement"] is None


def test_the_table_has_a_line_for_each_drive():
    timing = {"network_ms": "30", "overhead_ms": "4", "dropped/overwritten": "1"}
    result = Result(Boxes.empty(), MASK, timing, 200_000_000)
    recording = Recording({1: result}, {1: 100_000_000, 2: 200_000_000})
    scores = {
        "scores": {"miou": 0.5, "map": None, "lanes": 0.25},
        "scores_offline": {"miou": 0.51, "map": None, "lanes": 0.25},
    }
    summary = {
        "conv_tflops": 1.0,
        "drive": recording.summary() | scores,
        "real": recording.summary(),
    }
    lines = [" ".join(line.split()) for line in table(summary, Path("out")).splitlines()]
    assert "drive 2 1 100/100 ms 30 ms 4 ms 1 overwritten" in lines
    assert "real 2 1 100/100 ms 30 ms 4 ms 1 overwritten" in lines
    assert "drive miou 0.500/0.510, lanes 0.250/0.250" in lines


@pytest.mark.parametrize("others", [["kitti", "notes.txt"], ["notes.txt", SUMMARY], ["kitti"]])
def test_a_folder_with_other_files_is_refused_and_keeps_them(
    tmp_path: Path, others: list[str]
) -> None:
    for name in others:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"no results of a demo, such as (no|ki)"):
        run_demo(tmp_path, tmp_path / "none.pt", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == others


def test_the_results_of_a_run_that_ended_early_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    for _ in range(2):
        with pytest.raises(OSError, match=r"none\.pt"):
            run_demo(out, tmp_path / "none.pt", None)
        assert [path.name for path in out.iterdir()] == [SUMMARY]
        (out / "first.png").touch()


def test_a_network_without_the_tasks_of_the_demo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "points.pt"
    checkpoint.save(path, points_network(), points_config(), {})
    with pytest.raises(ValueError, match=r"points\.pt: the network lacks the task segmentation"):
        run_demo(tmp_path / "demo", path, None)
