"""Results of a network on each test frame, as plain values for resampling the figures."""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fusion import Variant, variants

from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, Report, has_input
from bev_semseg_ros.frame import Annotation, Boxes, Frame, Mode, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.detection.metric import (
    MIN_POINTS,
    THRESHOLDS,
    DetectionMetric,
    DetectionScores,
    counted,
    points_on,
    scorable,
)
from bev_semseg_ros.model.tasks.segmentation.metric import intersection_over_union
from bev_semseg_ros.progress import Progress

# Bins of the number of lidar points on an object: the lowest number of each.
POINT_BINS = (MIN_POINTS, 20, 50, 200)
DEGREES = (0.5, 1.0, 2.0, 5.0)  # errors of the disturbed calibrations
AS_RECORDED = "fused"  # name of the variant in which frames are unchanged
TIMES = "times.json"  # "on": what the networks ran on, "ms": row -> milliseconds
Evidence = dict[str, Any]


def result_name(row: str, seed: int | str) -> str:
    """Return the name of the file with the result of a row and a seed."""
    return f"{row}-seed{seed}.json.xz"


def read_result(file: Path) -> Evidence:
    """Read the result of a row and a seed."""
    result: Evidence = json.loads(lzma.decompress(file.read_bytes()))
    return result


def bin_name(number: int) -> str:
    """Return the name of one of POINT_BINS, such as "20-49"."""
    low = POINT_BINS[number]
    is_last = number + 1 == len(POINT_BINS)
    return f"{low} or more" if is_last else f"{low}-{POINT_BINS[number + 1] - 1}"


def gather(
    predictor: Predictor, dataset: Dataset, mode: Mode, disturbed: bool, title: str
) -> Evidence:
    """Run a network over a data set.

    Args:
        predictor: The network.
        dataset: The frames.
        mode: Sensors to use.
        disturbed: Also score boxes with each of `fusion.variants`.
        title: Title of the progress bar.

    Returns:
        Plain values:

        - report: figures of all frames, see `Report.result`.
        - labels: name of the label set of the boxes.
        - frames: for each frame `name`, `scene`, `boxes` (variant -> evidence), `points` (number
          of points on the object -> evidence) and `counts` (see `Metric.frame_counts`). See
          `DetectionScores.evidence` for the evidence.
    """
    report = Report(predictor.tasks, mode)
    detects = mode != "camera_only" and any(task.name == "detection" for task in predictor.tasks)
    others = variants(dataset, DEGREES)[1:] if disturbed and detects else []
    frames, labels = [], ""
    with Progress(title, len(dataset), "frames") as progress:
        for index in range(len(dataset)):
            frame, annotation = dataset[index]
            progress.advance()
            prediction = None
            if has_input(frame, mode):
                prediction = predictor.predict(frame, mode, SCORE_THRESHOLD)
            report.add(frame, annotation, prediction)
            entry: Evidence = {"name": frame.name, "scene": dataset.scene(index), "boxes": {}}
            entry["counts"] = _counts(predictor, frame, annotation, prediction)
            if detects and annotation.boxes is not None and prediction is not None:
                metric = _boxes_metric(predictor)
                metric.add(frame, annotation, prediction, mode)
                if metric.scores.num_frames:
                    labels = metric.scores.labels.name
                    entry["boxes"][AS_RECORDED] = metric.scores.evidence()[0]
                    entry["points"] = _by_points(predictor, frame, annotation, prediction, labels)
            for variant in others:
                for found in _boxes_in(predictor, variant, index, frame, annotation):
                    entry["boxes"][variant.name] = found
            frames.append(entry)
    return {"report": report.result(), "labels": labels, "frames": frames}


def _boxes_metric(predictor: Predictor) -> DetectionMetric:
    return DetectionMetric(predictor.label_sets["detection"], predictor.config.grid)


def _counts(
    predictor: Predictor, frame: Frame, annotation: Annotation, prediction: Prediction | None
) -> Evidence:
    """Return the confusion matrices of a frame: task -> path of the figure -> (C, C + 1)."""
    alone = Report(predictor.tasks)
    alone.add(frame, annotation, prediction)
    return {
        task: {path: counts[0].tolist() for path, counts in metric.frame_counts().items()}
        for task, metric in alone.metrics.items()
    }


def _boxes_in(
    predictor: Predictor, variant: Variant, index: int, frame: Frame, annotation: Annotation
) -> list[Evidence]:
    """Return the evidence of the boxes in a variant of a frame; empty if they are not scored."""
    if not has_input(frame, variant.mode):
        return []
    metric = _boxes_metric(predictor)
    shown = variant.shown(index, frame)
    prediction = predictor.predict(shown, variant.mode, SCORE_THRESHOLD)
    metric.add(frame, annotation, prediction, variant.mode)
    return metric.scores.evidence()


def _by_points(
    predictor: Predictor,
    frame: Frame,
    annotation: Annotation,
    prediction: Prediction,
    labels: str,
) -> Evidence:
    """Score a frame's boxes by the number of lidar points on the object.

    For each bin, objects of other bins are neither found nor missed. A prediction counts if it is
    near an object of the bin, or if its own number of points is in the bin.
    """
    grid, shared = predictor.config.grid, load_label_set(labels)
    truth = annotation.with_labels(box_labels=shared)
    true_boxes = Boxes.empty() if truth.boxes is None else truth.boxes
    required = counted(frame, truth, grid)
    predicted = Boxes.empty() if prediction.boxes is None else prediction.boxes
    table = predictor.label_sets["detection"].mapping_to(shared)
    predicted = replace(predicted, labels=table[predicted.labels])
    cameras = [seen.camera for seen in frame.cameras.values()]
    predicted = predicted[(predicted.labels >= 0) & scorable(predicted.centers, grid, cameras)]
    bins = (bin_of(points_on(frame, boxes)) for boxes in (true_boxes, predicted))
    of_truth, of_predicted = bins
    evidence = {}
    for number in range(len(POINT_BINS)):
        wanted = required & (of_truth == number)
        offsets = predicted.centers[:, None, :2] - true_boxes.centers[None, wanted, :2]
        is_near = (np.linalg.norm(offsets, axis=2) < max(THRESHOLDS)).any(1)
        scores = DetectionScores(shared)
        scores.add(predicted[is_near | (of_predicted == number)], true_boxes, wanted)
        evidence[bin_name(number)] = scores.evidence()[0]
    return evidence


def bin_of(num_points: np.ndarray) -> np.ndarray:
    """Return the index in POINT_BINS of each number of points; -1 below the first bin."""
    return np.searchsorted(POINT_BINS, num_points, side="right") - 1


class Resampled:
    """A figure of a network on some frames, and its values in resamples of their scenes.

    Attributes:
        value: Figure of all frames; NaN without ground truth.
        values: (R,) figures of the resamples.
    """

    def __init__(self, value: float, values: np.ndarray) -> None:
        self.value, self.values = value, values

    @classmethod
    def of_boxes(cls, labels: str, frames: Sequence[Evidence], times: np.ndarray) -> Resampled:
        """Return the mean AP of frames.

        Args:
            labels: Label set of the boxes.
            frames: `DetectionScores.evidence` of each frame.
            times: (R, F) how often each frame occurs in each resample.
        """
        scores = DetectionScores.of_evidence(load_label_set(labels), frames)
        all_frames = np.ones((1, len(frames)), int)  # `scores.result` would take seconds
        values = scores.resampled_map(np.concatenate([all_frames, times]))
        return cls(float(values[0]), values[1:])

    @classmethod
    def of_counts(cls, counts: Sequence[Any], times: np.ndarray) -> Resampled:
        """Return the mean IoU of frames.

        Args:
            counts: (F, C, C + 1) confusion matrices.
            times: (R, F) how often each frame occurs in each resample.
        """
        stacked = np.array(counts)
        of_resamples = mean_iou(np.tensordot(times, stacked, 1))
        return cls(float(mean_iou(stacked.sum(0))), of_resamples)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Return the mean IoU (...) of confusion matrices (..., C, C + 1); NaN without ground truth."""
    iou = intersection_over_union(counts)
    known = np.isfinite(iou)
    total = np.where(known, iou, 0).sum(-1)
    return np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), np.nan)
