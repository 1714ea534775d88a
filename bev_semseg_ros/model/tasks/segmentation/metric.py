"""Intersection over union of masks at the resolution of the ground truth.

A network is scored on the finest label set that its classes and the ground truth share, and on
every coarser set that both map to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.bootstrap import interval, resample
from bev_semseg_ros.model.tasks.label_view import shared_sets
from bev_semseg_ros.model.tasks.task import Metric
from bev_semseg_ros.preprocessing import rectify

NAMES_PER_LINE = 7


def confusion(ground_truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return (C, C + 1) int64 numbers of pixels; rows are ground truth, columns are predictions.

    The last column is for predictions without a class.

    Args:
        ground_truth: (...) uint8; pixels without a class are left out.
        predicted: (...) uint8; pixels without a class count as missed.
        num_classes: number of classes C.
    """
    known = ground_truth < num_classes
    # Predictions without a class of this set are counted in the last column.
    columns = np.minimum(predicted[known], num_classes)
    pairs = ground_truth[known].astype(np.int64) * (num_classes + 1) + columns
    counts = np.bincount(pairs, minlength=num_classes * (num_classes + 1))
    return counts.reshape(num_classes, num_classes + 1)


def intersection_over_union(counts: np.ndarray) -> np.ndarray:
    """Return IoU (..., C) of confusions (..., C, C + 1); NaN for classes without ground truth."""
    square = counts[..., :-1]
    hits = np.diagonal(square, axis1=-2, axis2=-1).astype(np.float64)
    ground_truth = counts.sum(-1)
    union = ground_truth + square.sum(-2) - hits
    return np.where(ground_truth > 0, hits / np.maximum(union, 1), np.nan)


class SegmentationMetric(Metric):
    """Collects a confusion matrix for each frame and each label set."""

    def __init__(self, labels: LabelSet) -> None:
        """Start without frames.

        Args:
            labels: label set of the predicted masks.
        """
        self.labels = labels
        self._confusions: dict[LabelSet, list[np.ndarray]] = {}

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame's masks, for each camera with an image, ground truth and a prediction."""
        if prediction is None:
            return
        pairs = []
        for name, mask in annotation.masks.items():
            seen = frame.cameras.get(name)
            if name in prediction.masks and seen is not None and seen.image is not None:
                size = (mask.shape[1], mask.shape[0])
                predicted = prediction.masks[name]
                predicted = cv2.resize(predicted, size, interpolation=cv2.INTER_NEAREST_EXACT)
                pairs.append((rectify(mask, seen.camera, size, cv2.INTER_NEAREST), predicted))
        if pairs:
            self.count(pairs, annotation.mask_labels)

    def count(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]], labels: LabelSet) -> None:
        """Count a frame on every label set that both sides map to.

        Args:
            pairs: (ground truth, prediction) of each mask, or of points; two uint8 arrays of the
                same shape.
            labels: label set of the ground truth.
        """
        for shared in shared_sets(self.labels, labels):
            of_truth = labels.mask_table(shared)
            of_prediction = self.labels.mask_table(shared)
            counts = [
                confusion(of_truth[ground_truth], of_prediction[predicted], len(shared))
                for ground_truth, predicted in pairs
            ]
            self._confusions.setdefault(shared, []).append(np.sum(counts, axis=0))

    def result(self) -> dict[str, Any]:
        """Return the figures on every label set.

        Returns:
            `labels`: the finest set on which all frames were scored; `num_frames`, `miou`, `iou`
            (by class): the figures on it; `group_labels`, `group_miou`, `group_iou`,
            `group_interval`: the same on the coarsest set, with the 95 % bootstrap interval over
            frames [low, high] of the mean; `by_labels`: name of a set -> num_frames, miou, iou,
            interval. Means are over the classes in the ground truth. None without ground truth.
        """
        by_labels = {
            labels.name: scores_of(confusions, labels) for labels, confusions in self._by_size()
        }
        if not by_labels:
            by_labels = {self.labels.name: scores_of([], self.labels)}
            by_labels |= {each.name: scores_of([], each) for each in self.labels.coarser_sets()}
        most = max(scores["num_frames"] for scores in by_labels.values())
        complete = [name for name, scores in by_labels.items() if scores["num_frames"] == most]
        finest, coarsest = by_labels[complete[0]], by_labels[complete[-1]]
        return {
            "num_frames": most,
            "labels": complete[0],
            "miou": finest["miou"],
            "iou": finest["iou"],
            "group_labels": complete[-1],
            "group_miou": coarsest["miou"],
            "group_iou": coarsest["iou"],
            "group_interval": coarsest["interval"],
            "by_labels": by_labels,
        }

    def frame_counts(self) -> dict[str, np.ndarray]:
        """Return the confusion matrices on the finest set with all frames, see `Metric`."""
        most = max((len(confusions) for confusions in self._confusions.values()), default=0)
        for _, confusions in self._by_size():
            if len(confusions) == most:
                return {"": np.array(confusions)}
        return {}

    def _by_size(self) -> list[tuple[LabelSet, list[np.ndarray]]]:
        return sorted(self._confusions.items(), key=lambda item: -len(item[0]))

    @staticmethod
    def table(result: Mapping[str, Any], what: str = "masks") -> list[str]:
        """Return a result as lines of text; `what` says what was counted."""
        lines = []
        for name, scores in result["by_labels"].items():
            interval = scores["interval"]
            shown = "" if interval is None else f"  {interval[0]:.3f}-{interval[1]:.3f}"
            lines.append(
                f"{what}, {name}: {scores['num_frames']} frames, "
                f"mIoU {_cell(scores['miou'])}{shown}"
            )
            items = [f"{each} {_cell(value)}" for each, value in scores["iou"].items()]
            for start in range(0, len(items), NAMES_PER_LINE):
                lines.append("  " + ", ".join(items[start : start + NAMES_PER_LINE]))
        return lines

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the mean IoU on the finest and the coarsest label set."""
        return {"miou": result["miou"], "group_miou": result["group_miou"]}


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def scores_of(confusions: Sequence[np.ndarray], labels: LabelSet) -> dict[str, Any]:
    """Return `num_frames`, `miou`, `iou` (by class) and `interval` of confusion matrices."""
    count = len(labels)
    total = sum(confusions, np.zeros((count, count + 1), np.int64))
    iou = intersection_over_union(total)
    by_name = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(labels.classes, iou, strict=True)
    }
    return {
        "num_frames": len(confusions),
        "miou": None if np.isnan(iou).all() else float(np.nanmean(iou)),
        "iou": by_name,
        "interval": _interval(confusions),
    }


def _interval(confusions: Sequence[np.ndarray]) -> list[float] | None:
    """Return the 95 % bootstrap interval over frames of the mean IoU."""
    stacked = np.array(confusions)
    if not len(stacked) or not stacked.any():
        return None
    totals = np.tensordot(resample(len(stacked)), stacked, 1)
    totals = totals[totals.any((1, 2))]  # a resample may hold only frames without a labelled pixel
    return interval(np.nanmean(intersection_over_union(totals), 1))
