"""Intersection over union of maps of the bird's-eye view, learned and lifted.

A cell counts if its centre is at most 40 m from the origin and inside the grid of the network, and
if its centre on the ground is inside one of the images. The region `in_view` contains all these
cells, the region `observed` those in which a lidar measured a point. For frames without a map as
ground truth, labelled points vote as in `bev_lifting`, and the region `points` contains the cells
with a vote. This also holds for frames whose map has classes that do not map to those of the
network. Cells that are unknown in the predicted map count as missed.

Each map is scored twice: as it is, and refined by boxes and masks (see `refinement`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.bev_lifting import DRIVABLE, fill_from_nearest, lift, members
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.example import make_example
from bev_semseg_ros.frame import Annotation, BevMap, Frame, Mode, Prediction
from bev_semseg_ros.labels import LabelSet, shared_label_set
from bev_semseg_ros.model.tasks.bev_segmentation.refinement import refine_learned, refine_lifted
from bev_semseg_ros.model.tasks.bev_segmentation.targets import encode_cells
from bev_semseg_ros.model.tasks.bootstrap import interval, resample
from bev_semseg_ros.model.tasks.detection.metric import in_image
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.segmentation.metric import (
    confusion,
    intersection_over_union,
    scores_of,
)
from bev_semseg_ros.model.tasks.task import Metric
from bev_semseg_ros.preprocessing import Sample, prepare

MAX_RANGE = 40.0  # metres
# Maps that are scored: the learned one, the one lifted from the masks, and the lifted one in which
# unknown cells have the class of the nearest known cell.
METHODS = ("learned", "lifted", "lifted_filled")
REGIONS = ("observed", "in_view", "points")
REFINED = "refined"

_FrameCounts = dict[tuple[str, str], np.ndarray]  # method and region -> confusion


class BevSegmentationMetric(Metric):
    """Collects a confusion matrix for each frame, method and region."""

    def __init__(self, labels: LabelSet, config: Config) -> None:
        """Start without frames.

        Args:
            labels: label set of the predicted maps, to which masks are lifted.
            config: configuration of the network.
        """
        self.labels = labels
        self._config = replace(config, training=replace(config.training, carry_masks=False))
        self._frames: dict[LabelSet, list[_FrameCounts]] = {}

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame's maps, if there is ground truth for them."""
        if prediction is None:
            return
        truth = self._ground_truth(frame, annotation)
        if truth is None:
            return
        sample = prepare(frame.without_images(), self._config)
        maps = self._maps(sample, prediction)
        shared = view_of(self.labels, truth.labels).shared
        of_truth, of_map = truth.labels.mask_table(shared), self.labels.mask_table(shared)
        counts: _FrameCounts = {}
        answered = np.zeros(truth.classes.shape, bool)  # inside a predicted map
        for found in maps.values():
            answered |= found.cells_of(truth.centers())[1]
        for region, cells in _regions(frame, sample, annotation, truth).items():
            scored = cells & answered
            true_classes = of_truth[truth.classes[scored]]
            for method, found in maps.items():
                predicted = of_map[found.at(truth.centers()[scored])]
                counts[method, region] = confusion(true_classes, predicted, len(shared))
        if counts:
            self._frames.setdefault(shared, []).append(counts)

    def _ground_truth(self, frame: Frame, annotation: Annotation) -> BevMap | None:
        """Return the map of the annotation, or otherwise a map from its labelled points."""
        bev = annotation.bev
        if bev is not None and shared_label_set(self.labels, bev.labels) is not None:
            return bev
        is_labelled = bool(annotation.masks or annotation.point_classes)
        if not is_labelled or shared_label_set(self.labels, annotation.mask_labels) is None:
            return None
        example = make_example(frame, annotation, self._config)
        points, classes = example.sample.points, example.point_classes
        if points is None or classes is None:
            return None
        grid = self._config.grid
        cells = encode_cells(points, classes, annotation.mask_labels, self.labels, grid)
        return BevMap(cells.mask, grid.x_min, grid.y_min, grid.output_cell, cells.labels)

    def _maps(self, sample: Sample, prediction: Prediction) -> dict[str, BevMap]:
        """Return the maps to score by METHODS and "refined.METHOD", as far as there are any."""
        maps = {}
        lifted = lift(sample.points, prediction, self._config.grid, self.labels, sample.main_origin)
        sure = prediction
        if sure.boxes is not None:
            # `evaluate` predicts with a lower threshold, for the average precision.
            threshold = self._config.postprocess.score_threshold
            sure = replace(sure, boxes=sure.boxes[sure.boxes.scores >= threshold])
        learned = prediction.results.get("bev_segmentation")
        if learned is not None:
            maps["learned"] = learned
            maps[f"{REFINED}.learned"] = refine_learned(learned, lifted, sure)
        if lifted is not None:
            maps |= {"lifted": lifted, "lifted_filled": fill_from_nearest(lifted)}
            maps[f"{REFINED}.lifted"] = refine_lifted(lifted, sure)
            maps[f"{REFINED}.lifted_filled"] = refine_lifted(lifted, sure, fill=True)
        return maps

    def _most_frames(self) -> tuple[LabelSet, list[_FrameCounts]]:
        """Return the label set on which most frames were scored, and their confusion matrices."""
        labels = max(self._frames, key=lambda each: len(self._frames[each]), default=self.labels)
        return labels, self._frames.get(labels, [])

    def frame_counts(self) -> dict[str, np.ndarray]:
        """Return the confusion matrices by "method.region", see `Metric`."""
        _, frames = self._most_frames()
        found: dict[str, list[np.ndarray]] = {}
        for frame in frames:
            for (method, region), counts in frame.items():
                found.setdefault(f"{method}.{region}", []).append(counts)
        return {path: np.array(counts) for path, counts in found.items()}

    def result(self) -> dict[str, Any]:
        """Return the figures on the label set on which most frames were scored.

        Returns:
            `labels`; for each of METHODS and REGIONS `num_frames`, `miou`, `iou` (by class),
            `drivable_iou` (of road and lane markings as one class) and `interval`, the 95 %
            bootstrap interval over frames of the mean; `gain`: for each region `miou`, learned
            minus lifted_filled on the frames that have both, and its `interval`; and `refined`, the
            same of the refined maps. Regions without ground truth are left out.
        """
        labels, frames = self._most_frames()
        plain = _scores(frames, labels, "")
        return {"labels": labels.name, **plain, REFINED: _scores(frames, labels, f"{REFINED}.")}

    @staticmethod
    def table(result: Mapping[str, Any]) -> list[str]:
        """Return a result as lines of text."""
        lines = [f"bird's-eye view, {result['labels']}, within {MAX_RANGE:.0f} m"]
        for scores, title in ((result, ""), (result[REFINED], f"{REFINED} ")):
            lines += _lines(scores, title)
        return lines if len(lines) > 1 else [*lines, "  no frame with ground truth and a map"]

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the mean IoU of the learned map in the region `in_view`, or else `points`."""
        learned = result["learned"]
        scores = learned.get("in_view") or learned.get("points") or {}
        return {"bev_miou": scores.get("miou")}


def _scores(frames: Iterable[_FrameCounts], labels: LabelSet, prefix: str) -> dict[str, Any]:
    """Return the figures of the maps whose names begin with a prefix, see `result`."""
    found: dict[str, Any] = {}
    for method in METHODS:
        found[method] = {}
        for region in REGIONS:
            key = (prefix + method, region)
            counts = [each[key] for each in frames if key in each]
            if counts:
                drivable = drivable_iou(np.sum(counts, axis=0), labels)
                found[method][region] = scores_of(counts, labels) | {"drivable_iou": drivable}
    gains = {region: _gain(frames, prefix, region) for region in REGIONS}
    return found | {"gain": {region: gain for region, gain in gains.items() if gain is not None}}


def _lines(scores: Mapping[str, Any], title: str) -> list[str]:
    """Return the figures of `_scores` as lines of text."""
    lines = []
    for method in METHODS:
        for region, found in scores[method].items():
            items = [f"{name} {_shown(value)}" for name, value in found["iou"].items()]
            lines += [
                f"  {title}{method.replace('_', ' ')}, {region.replace('_', ' ')}: "
                f"{found['num_frames']} frames, mIoU {_shown(found['miou'])}"
                f"{_range(found['interval'])}, drivable {_shown(found['drivable_iou'])}",
                "    " + ", ".join(items),
            ]
    for region, gain in scores["gain"].items():
        lines.append(
            f"  {title}learned minus {title}lifted filled, {region.replace('_', ' ')}: mIoU "
            f"{gain['miou']:+.3f}{_range(gain['interval'])}"
        )
    return lines


def _regions(
    frame: Frame, sample: Sample, annotation: Annotation, truth: BevMap
) -> dict[str, np.ndarray]:
    """Return region -> (X, Y) bool: cells that count there if their true class is known."""
    in_view = cells_in_view(truth, frame)
    if truth is not annotation.bev:
        return {"points": in_view}
    observed = truth.observed
    if observed is None:
        observed = np.zeros(truth.classes.shape, bool)
        if sample.points is not None:
            cells, inside = truth.cells_of(sample.points)
            observed[cells[inside, 0], cells[inside, 1]] = True
    return {"observed": in_view & observed, "in_view": in_view}


def cells_in_view(bev_map: BevMap, frame: Frame) -> np.ndarray:
    """Return (X, Y) bool: cells at most MAX_RANGE away whose centre on the ground is in an image.

    For a frame without cameras, only the range is limited.
    """
    centers = bev_map.centers().reshape(-1, 2)
    near = np.hypot(centers[:, 0], centers[:, 1]) <= MAX_RANGE
    on_ground = np.column_stack([centers, np.zeros(len(centers))])
    cameras = [seen.camera for seen in frame.cameras.values()]
    if cameras:
        near &= np.any([in_image(on_ground, camera) for camera in cameras], axis=0)
    return near.reshape(bev_map.classes.shape)


def drivable_iou(counts: np.ndarray, labels: LabelSet) -> float | None:
    """Return the IoU of road and lane markings as one class; None if the truth has neither.

    Args:
        counts: (C, C + 1) confusion matrix; rows are ground truth.
        labels: label set of the classes.
    """
    drivable = members(labels, DRIVABLE)[: len(labels)]
    truth = counts[drivable].sum()
    hits = counts[drivable][:, :-1][:, drivable].sum()
    union = truth + counts[:, :-1][:, drivable].sum() - hits
    return float(hits / union) if truth else None


def _gain(frames: Iterable[_FrameCounts], prefix: str, region: str) -> dict[str, Any] | None:
    """Return the mIoU of the learned map minus that of the filled map, on the same frames."""
    first, second = ((prefix + method, region) for method in ("learned", "lifted_filled"))
    pairs = [(each[first], each[second]) for each in frames if first in each and second in each]
    stacked: np.ndarray = np.array(pairs)
    if not stacked.any():
        return None
    totals = np.tensordot(resample(len(pairs)), stacked, 1)  # (resamples, 2, C, C + 1)
    totals = totals[totals[:, 0].any((1, 2))]
    of_resamples = np.nanmean(intersection_over_union(totals), -1)
    of_all = np.nanmean(intersection_over_union(stacked.sum(0)), -1)
    return {
        "miou": float(of_all[0] - of_all[1]),
        "interval": interval(of_resamples[:, 0] - of_resamples[:, 1]),
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _range(values: list[float] | None) -> str:
    return "" if values is None else f" ({values[0]:.3f} to {values[1]:.3f})"
