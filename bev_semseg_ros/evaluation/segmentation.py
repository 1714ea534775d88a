"""Intersection over union of masks, per class and per group, from confusions at the resolution of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.frame import Annotation, Frame
from bev_semseg_ros.preprocessing import rectify
from bev_semseg_ros.taxonomy import GROUPS, SEGMENTATION_CLASSES, group_of_class_table

RESAMPLES = 500


def confusion(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C) int64 pixel counts, truth by rows, of masks (h, w) uint8; truth that is no class (255) is left out."""
    known = truth < num_classes
    pairs = truth[known].astype(np.int64) * num_classes + predicted[known]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def intersection_over_union(counts: np.ndarray) -> np.ndarray:
    """(..., C) of confusions (..., C, C); NaN for classes that do not occur in the truth."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    truth = counts.sum(-1)
    union = truth + counts.sum(-2) - hits
    return np.where(truth > 0, hits / np.maximum(union, 1), np.nan)


class SegmentationScores:
    """Gathers frames; `result` is the `segmentation` part of a report."""

    def __init__(self):
        self._classes: list[np.ndarray] = []  # one confusion per frame
        self._groups: list[np.ndarray] = []

    def add(self, frame: Frame, annotation: Annotation, predicted: np.ndarray) -> None:
        """Score a mask (h, w) of the rectified image of a frame against the truth, rectified at its own resolution.

        Raises ValueError where nobody said what the pixels show.
        """
        if annotation.mask is None or frame.camera is None:
            raise ValueError(f"frame {frame.name}: no mask to score against")
        size = (annotation.mask.shape[1], annotation.mask.shape[0])
        predicted = cv2.resize(predicted, size, interpolation=cv2.INTER_NEAREST_EXACT)
        truth = rectify(annotation.mask, frame.camera, size, cv2.INTER_NEAREST)
        self._classes.append(confusion(truth, predicted, len(SEGMENTATION_CLASSES)))
        group_of_class = group_of_class_table()
        groups = (
            group_of_class[truth]
            if annotation.group_mask is None
            else rectify(annotation.group_mask, frame.camera, size, cv2.INTER_NEAREST)
        )
        self._groups.append(confusion(groups, group_of_class[predicted], len(GROUPS)))

    def result(self) -> dict[str, Any]:
        """{num_frames, miou, iou, group_miou, group_iou, group_interval}; None where there is no truth.

        miou and group_miou are means over what occurs in the truth; group_interval: [low, high], the 95 % bootstrap
        interval over frames of group_miou.
        """
        miou, iou = _summary(self._classes, SEGMENTATION_CLASSES)
        group_miou, group_iou = _summary(self._groups, GROUPS)
        return {
            "num_frames": len(self._classes),
            "miou": miou,
            "iou": iou,
            "group_miou": group_miou,
            "group_iou": group_iou,
            "group_interval": _interval(self._groups),
        }


def _summary(
    confusions: list[np.ndarray], names: Sequence[str]
) -> tuple[float | None, dict[str, float | None]]:
    total = sum(confusions, np.zeros((len(names), len(names)), np.int64))
    iou = intersection_over_union(total)
    by_name = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(names, iou, strict=True)
    }
    return None if np.isnan(iou).all() else float(np.nanmean(iou)), by_name


def _interval(confusions: list[np.ndarray]) -> list[float] | None:
    stacked = np.array(confusions)
    if not len(stacked) or not stacked.any():
        return None
    count = len(stacked)
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    totals = np.tensordot(times, stacked, 1)
    totals = totals[totals.any((1, 2))]  # a resample may hold only frames without a labelled pixel
    return [
        float(x) for x in np.percentile(np.nanmean(intersection_over_union(totals), 1), [2.5, 97.5])
    ]
