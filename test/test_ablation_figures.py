"""Figures of the ablation, from networks whose outputs are known."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.memory_dataset import ROAD, SKY, TINY, TinyDataset, with_car_at
from support.paths import ROOT

from bev_semseg_ros.evaluation.report import Report
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    Annotation,
    Boxes,
    Frame,
    LidarScan,
    Mode,
    Prediction,
)
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.build import build_tasks
from bev_semseg_ros.model.tasks import bootstrap
from bev_semseg_ros.model.tasks.detection.metric import DetectionScores

pytestmark = pytest.mark.slow

BOXES = load_label_set("boxes_4")
CAR = BOXES.index("car")


@pytest.fixture(autouse=True)
def programs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 50)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "ablation"))


def program(name: str) -> ModuleType:
    return importlib.import_module(name)


# What is stored for each frame.


class Network:
    """Stands for a trained network: its boxes are a function of the frame and the mode.

    Its masks are road below sky. The sky is too small, by a different amount in each frame.
    """

    def __init__(self, boxes: Callable[[Frame, Mode], Boxes | None]) -> None:
        self.config = TINY
        self.tasks = build_tasks(TINY)
        self.label_sets = {task.name: task.labels for task in self.tasks}
        self._boxes = boxes

    def predict(self, frame: Frame, mode: Mode, score_threshold: float) -> Prediction:
        assert score_threshold == 0.05
        if mode == "lidar_only":
            frame = frame.without_images()
        ran: Mode = "fused" if frame.has_image else "lidar_only"
        if not frame.has_points or mode == "camera_only":
            ran = "camera_only"
        mask = np.full((64, 128), ROAD, np.uint8)
        mask[: 8 + 4 * number_of(frame)] = SKY
        boxes = None if ran == "camera_only" else self._boxes(frame, ran)
        return Prediction.of(
            boxes, mask if frame.has_image else None, frame.cameras[CAMERA].camera, ran
        )


def number_of(frame: Frame) -> int:
    return int(frame.name.removeprefix("frame"))


def finds(dataset: TinyDataset) -> Callable[[Frame, Mode], Boxes | None]:
    """Return a function that finds every second car, with a false alarm if it has no image."""

    def boxes(frame: Frame, mode: Mode) -> Boxes | None:
        index = number_of(frame)
        truth = dataset[index][1].boxes
        assert truth is not None
        false = replace(truth, centers=truth.centers + np.array([4.5, 0, 0]), scores=np.array([1]))
        found = replace(truth, scores=np.array([0.5]))[: index % 2]
        return found if mode == "fused" else Boxes.concatenate([false, found])

    return boxes


@pytest.mark.parametrize("mode", ["fused", "lidar_only", "camera_only"])
def test_the_stored_frames_give_the_figures_of_the_report(mode: Mode) -> None:
    evidence, dataset = program("evidence"), TinyDataset()
    answers = Network(finds(dataset))
    found = evidence.gather(answers, dataset, mode, False, "")
    report = Report(answers.tasks, mode)
    for index in range(len(dataset)):
        frame, annotation = dataset[index]
        report.add(frame, annotation, answers.predict(frame, mode, 0.05))
    assert found["report"] == report.result()
    assert [frame["scene"] for frame in found["frames"]] == ["scene0", "scene0", "scene1", "scene1"]
    once = np.ones((1, 4), int)
    if mode != "camera_only":
        frames = [frame["boxes"]["fused"] for frame in found["frames"]]
        figure = evidence.Resampled.of_boxes(found["labels"], frames, once)
        assert figure.value == figure.values == found["report"]["detection"]["map"] > 0
    if mode != "lidar_only":
        counts = [frame["counts"]["segmentation"][""] for frame in found["frames"]]
        figure = evidence.Resampled.of_counts(counts, once)
        assert figure.value == figure.values == found["report"]["segmentation"]["miou"] > 0


def test_disturbed_frames_are_scored_like_the_recorded_ones() -> None:
    evidence, dataset = program("evidence"), TinyDataset()
    found = evidence.gather(Network(finds(dataset)), dataset, "fused", True, "")
    names = {"fused", "lidar_only", "another image", "0.5 degrees", "1 degree", "2 degrees"}
    assert all(set(frame["boxes"]) == names | {"5 degrees"} for frame in found["frames"])
    once = np.ones((1, 4), int)
    figures = {
        name: evidence.Resampled.of_boxes(
            found["labels"], [frame["boxes"][name] for frame in found["frames"]], once
        ).value
        for name in names
    }
    assert figures["fused"] == figures["another image"] == figures["2 degrees"]
    assert 0 < figures["lidar_only"] < figures["fused"]


class AtTheBorder(TinyDataset):
    """Frames whose only car is just inside the image."""

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        return with_car_at(*super().__getitem__(index), np.array([12, 5.9, 0.8]))


def test_a_wrong_calibration_does_not_change_which_boxes_count() -> None:
    found = program("evidence").gather(
        Network(finds(TinyDataset())), AtTheBorder(), "fused", True, ""
    )
    truth = [
        [frame["boxes"][name]["truth"] for name in ("fused", "5 degrees")]
        for frame in found["frames"]
    ]
    assert truth == [[[1, 0, 0, 0]] * 2] * 4


def test_frames_without_a_sensor_are_left_out_where_it_is_needed() -> None:
    evidence, dataset = program("evidence"), TinyDataset(missing="image")
    found = evidence.gather(Network(finds(dataset)), dataset, "fused", True, "")
    assert ["fused" in frame["boxes"] for frame in found["frames"]] == [True, False] * 2
    assert ["lidar_only" in frame["boxes"] for frame in found["frames"]] == [True] * 4
    dataset = TinyDataset(missing="points")
    found = evidence.gather(Network(finds(dataset)), dataset, "fused", True, "")
    assert [bool(frame["boxes"]) for frame in found["frames"]] == [True, False] * 2
    assert all("" in frame["counts"]["segmentation"] for frame in found["frames"])


class Street(TinyDataset):
    """Three cars in the image and one outside, and places without a car: x, y, number of points."""

    CARS = ((8.0, 0.0, 12), (14.0, 0.0, 30), (20.0, 0.0, 300))
    OUTSIDE = (5.0, 9.0, 12)
    NOTHING = ((8.0, 3.0, 5), (20.0, -4.9, 60), (14.0, 6.0, 30), (6.0, -9.0, 30))

    def __init__(self) -> None:
        super().__init__(1)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        places = (*self.CARS, self.OUTSIDE, *self.NOTHING)
        points = [[x, y, 1, 0] for x, y, count in places for _ in range(count)]
        scan = LidarScan(np.array(points, np.float32), np.eye(4))
        return (
            replace(frame, lidars={LIDAR: scan}),
            replace(annotation, boxes=cars(*self.CARS, self.OUTSIDE), ignored=None),
        )


def cars(*places: tuple[float, ...], score: float = 0.5) -> Boxes:
    count = len(places)
    centers = [[x, y, 1] for x, y, *_ in places]
    sizes, yaws = np.tile([4, 2, 2], (count, 1)), np.zeros(count)
    return Boxes(centers, sizes, yaws, [CAR] * count, np.full(count, score))


def by_points(*predicted: tuple[float, ...]) -> dict[str, float | None]:
    """Return the mean AP for each number of points on the object."""
    figures, evidence, street = program("figures"), program("evidence"), Street()
    boxes = Boxes.concatenate([cars(*predicted, score=0.9), cars(*Street.CARS)])
    answers = Network(lambda frame, mode: boxes)
    found = evidence.gather(answers, street, "fused", False, "")
    results = figures.Results(None, {0: {"places": {"test": found}}}, None, {})
    names = [evidence.bin_name(number) for number in range(4)]
    return {name: figures.mean_ap(results, figures.in_bin(name)) for name in names}


def test_each_object_counts_by_the_number_of_points_on_it() -> None:
    assert by_points() == {"10-19": 1, "20-49": 1, "50-199": None, "200 or more": 1}


def test_a_false_alarm_counts_in_the_column_of_its_points_or_of_a_near_object() -> None:
    half = pytest.approx((0.5 - 0.1) / 0.9)
    # Five points are in no column. But an object with twelve points is 3 m away: nearer than the
    # largest threshold, and farther than the other three.
    found = by_points(Street.NOTHING[0])
    assert found.pop("10-19") == pytest.approx((3 * (0.5 - 0.1) / 0.9 + 1) / 4)
    assert list(found.values()) == [1, None, 1]
    # 60 points are in a column without objects, and no object is nearer than 4 m.
    assert list(by_points(Street.NOTHING[1]).values()) == [1, 1, None, 1]
    # 30 points are in a column with an object; outside the image they are in none.
    assert list(by_points(Street.NOTHING[2]).values()) == [1, half, None, 1]
    assert list(by_points(Street.NOTHING[3]).values()) == [1, 1, None, 1]


def test_columns_contain_the_numbers_of_points_that_their_names_say() -> None:
    evidence = program("evidence")
    numbers = [9, 10, 19, 20, 49, 50, 199, 200, 5000]
    assert evidence.bin_of(np.array(numbers)).tolist() == [-1, 0, 0, 1, 1, 2, 2, 3, 3]


def test_the_mean_iou_leaves_out_classes_without_ground_truth() -> None:
    mean_iou = program("evidence").mean_iou
    counts = np.array([[[2, 0, 2], [0, 0, 0]], [[3, 1, 0], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]]])
    np.testing.assert_allclose(mean_iou(counts), [0.5, (3 / 4 + 1 / 2) / 2, np.nan])


# What the page computes from it.


def frame_of(*found: bool, scene: str, name: str = "fused") -> dict[str, Any]:
    """Return what is stored for a frame with cars that are found or missed."""
    truth = cars(*((10.0 * number + 10, 0.0) for number in range(len(found))))
    scores = DetectionScores(BOXES)
    scores.add(truth[np.array(found, bool)], truth, np.ones(len(found), bool))
    return {"scene": scene, "boxes": {name: scores.evidence()[0]}, "counts": {}}


def results_of(*seeds: Sequence[dict], reports: Sequence[float] = ()) -> Any:
    """Return the results of a row with these frames, one list for each seed."""
    runs = {}
    for seed, frames in enumerate(seeds):
        scenes = [frame["scene"] for frame in frames]
        report = {"detection": {"map": reports[seed] if reports else None}}
        test = {"frames": frames, "scenes": scenes, "labels": "boxes_4", "report": report}
        runs[seed] = {"places": {"test": test}}
    row = program("rows").Row(name="row", section="", part="")
    return program("figures").Results(row, runs, None, {"mAP": "detection.map"})


def gain(first: Any, second: Any) -> Any:
    figures = program("figures")
    parts = (figures.part_of(first, "mAP"), figures.part_of(second, "mAP"))
    return figures.paired(first, second, parts)


ALL = [frame_of(True, True, scene="a"), frame_of(True, True, scene="b")]
HALF = [frame_of(True, False, scene="a"), frame_of(True, False, scene="b")]
AP_OF_HALF = pytest.approx(41 / 91)


def test_a_difference_is_that_of_the_first_row_minus_the_second() -> None:
    value, (low, high) = gain(results_of(ALL), results_of(HALF))
    assert value == low == high == pytest.approx(50 / 91)
    assert gain(results_of(HALF), results_of(ALL))[0] == pytest.approx(-50 / 91)


def test_a_row_does_not_differ_from_itself_in_any_resample() -> None:
    mixed = [ALL[0], HALF[1], frame_of(False, False, scene="c"), frame_of(True, scene="c")]
    assert gain(results_of(mixed), results_of(mixed)) == (0, [0, 0])


def test_a_difference_is_the_mean_over_the_seeds_that_both_rows_have() -> None:
    value, (low, high) = gain(results_of(ALL, HALF), results_of(HALF, HALF, ALL))
    assert value == low == high == pytest.approx(25 / 91)
    assert gain(results_of(), results_of(ALL)) is None


def test_frames_without_a_figure_in_one_of_the_rows_are_left_out() -> None:
    without = {"scene": "b", "boxes": {}, "counts": {}}
    first, second = results_of([ALL[0], without]), results_of([HALF[0], ALL[1]])
    assert gain(first, second)[0] == pytest.approx(50 / 91)
    assert gain(second, first)[0] == pytest.approx(-50 / 91)
    assert gain(results_of([without]), results_of([without])) is None


def test_resamples_without_an_object_are_left_out_of_an_interval() -> None:
    empty = frame_of(scene="b")
    value, bounds = gain(results_of([ALL[0], empty]), results_of([HALF[0], empty]))
    assert [value, *bounds] == pytest.approx([50 / 91] * 3)


def test_a_difference_of_masks_is_that_of_their_mean_iou() -> None:
    figures = program("figures")
    rows = []
    for missed in (0, 5):
        counts = [[10 - missed, 0, missed], [0, 0, 0]]
        frames = [{"scene": scene, "boxes": {}, "counts": {"bev": {"lifted": counts}}}
                  for scene in "ab"]  # fmt: skip
        row = results_of(frames)
        row.figures = {"BEV": "bev.lifted.miou"}
        rows.append(row)
    parts = tuple(figures.part_of(row, "BEV") for row in rows)
    assert figures.paired(*rows, parts) == (0.5, [0.5, 0.5])


def test_the_frames_of_a_scene_are_resampled_together() -> None:
    times = program("figures").resample_scenes(["a", "b", "a", "c", "b"])
    assert (times[:, 0] == times[:, 2]).all() and (times[:, 1] == times[:, 4]).all()
    assert (times[:, [0, 1, 3]].sum(1) == 3).all()
    assert len(np.unique(times, axis=0)) > 5


def test_the_figures_of_a_row_are_means_over_its_seeds() -> None:
    figures = program("figures")
    row = results_of(ALL, HALF, reports=(0.2, 0.4))
    assert row.figure("mAP", "test") == pytest.approx(0.3)
    assert row.figure("mAP", "kitti") is None
    expected = pytest.approx((1 + 41 / 91) / 2)
    assert figures.mean_ap(row, figures.of_variant("fused")) == expected
    assert figures.mean_ap(row, figures.of_variant("lidar_only")) is None
    assert figures.mean_ap(results_of(HALF), figures.of_variant("fused")) == AP_OF_HALF
