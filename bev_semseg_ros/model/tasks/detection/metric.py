"""Scores of boxes against the ground truth, by class.

A ground-truth box counts if its centre is inside the BEV grid, within 50 m of the origin and inside
one of the images, and if it contains at least ten lidar points. All other ground truth is neither
found nor missed. The same applies to boxes that are marked as ignored, and to those of classes that
the label set calls `neutral` for a class. A prediction is scored if its centre is inside the grid,
within 50 m and inside one of the images. A prediction without a match is not false if more than
half of its 2D box is inside a `dont_care` area.

A network is scored on the finest label set that its classes and the ground truth share, and on
every coarser set that both map to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, Camera, Frame, Mode, Prediction
from bev_semseg_ros.geometry import apply, box_image_bounds, points_in_boxes, project
from bev_semseg_ros.labels import BOX_IGNORED, LabelSet
from bev_semseg_ros.model.tasks.detection.average_precision import (
    DROPPED,
    FALSE,
    FOUND,
    average_precision,
    bootstrap_interval,
    match,
)
from bev_semseg_ros.model.tasks.detection.postprocess import unsuppressed
from bev_semseg_ros.model.tasks.label_view import shared_sets
from bev_semseg_ros.model.tasks.task import Metric

THRESHOLDS = (0.5, 1.0, 2.0, 4.0)  # metres
INTERVAL_THRESHOLD = 2.0
MAX_RANGE = 50.0  # metres
MIN_POINTS = 10


def scorable(centers: np.ndarray, grid: GridConfig, cameras: Sequence[Camera]) -> np.ndarray:
    """Return (M,) bool: centres in the area that is scored.

    Args:
        centers: (M, 3) centres in the ego frame, metres.
        grid: the area is inside this grid, and within 50 m of the origin.
        cameras: the area is inside the images of these cameras; empty: no limit.
    """
    x, y = centers[:, 0], centers[:, 1]
    inside = (
        (x >= grid.x_min)
        & (x < grid.x_max)
        & (y >= grid.y_min)
        & (y < grid.y_max)
        & (np.hypot(x, y) <= MAX_RANGE)
    )
    if cameras and len(centers):
        inside &= np.any([in_image(centers, camera) for camera in cameras], axis=0)
    return inside


def in_image(centers: np.ndarray, camera: Camera) -> np.ndarray:
    """Return (M,) bool: centres (M, 3) that an image shows."""
    pixels, depth = project(camera.image_from_ego, centers)
    limit = np.array(camera.size) - 0.5
    return (depth > 0) & (pixels >= -0.5).all(1) & (pixels < limit).all(1)


def counted(frame: Frame, annotation: Annotation, grid: GridConfig) -> np.ndarray:
    """Return (M,) bool: boxes of the ground truth that a detector has to find."""
    boxes = Boxes.empty() if annotation.boxes is None else annotation.boxes
    has_points = points_on(frame, boxes) >= MIN_POINTS
    required = scorable(boxes.centers, grid, _cameras(frame)) & has_points
    return required if annotation.ignored is None else required & ~annotation.ignored


def points_on(frame: Frame, boxes: Boxes) -> np.ndarray:
    """Return (M,) int: number of points of all lidars in each box."""
    num_points = np.zeros(len(boxes), np.int64)
    for scan in frame.lidars.values():
        if scan.points is not None:
            points = apply(scan.ego_from_lidar, scan.points[:, :3].astype(np.float64))
            num_points += points_in_boxes(points, boxes).sum(1)
    return num_points


def _cameras(frame: Frame) -> list[Camera]:
    return [seen.camera for seen in frame.cameras.values()]


def may_be_unlabelled(boxes: Boxes, frame: Frame, annotation: Annotation) -> np.ndarray:
    """Return (M,) bool: boxes in an area of an image where there may be unlabelled objects."""
    found = np.zeros(len(boxes), bool)
    for name, areas in annotation.dont_care.items():
        if name in frame.cameras:
            found |= in_dont_care(boxes, areas, frame.cameras[name].camera)
    return found


def in_dont_care(boxes: Boxes, areas: np.ndarray, camera: Camera) -> np.ndarray:
    """Return (M,) bool: boxes whose 2D box is more than half inside one of the areas (D, 4)."""
    if not len(areas) or not len(boxes):
        return np.zeros(len(boxes), bool)
    bounds = box_image_bounds(boxes, camera.image_from_ego)  # NaN if behind: in no area
    limits = np.array(camera.size) - 1
    low, high = np.clip(bounds[:, :2], 0, limits), np.clip(bounds[:, 2:], 0, limits)
    shared_low = np.maximum(low[:, None], areas[None, :, :2])
    shared_high = np.minimum(high[:, None], areas[None, :, 2:])
    overlap = np.clip(shared_high - shared_low, 0, None).prod(2)
    return (overlap > 0.5 * (high - low).prod(1)[:, None]).any(1)


@dataclass
class _Matches:
    """Outcomes of the predictions of one class at one threshold, frame by frame."""

    frames: list[int] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)
    found: list[np.ndarray] = field(default_factory=list)

    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """Return frame (P,) and success (P,) of all predictions, by descending score."""
        counts = [len(scores) for scores in self.scores]
        scores = np.concatenate(self.scores)
        order = np.argsort(-scores, kind="stable")
        return np.repeat(self.frames, counts)[order], np.concatenate(self.found)[order]


class DetectionScores:
    """Collects the outcomes of frames on one label set."""

    def __init__(self, labels: LabelSet) -> None:
        self.labels = labels
        self.num_frames = 0
        self._num_truth: list[np.ndarray] = []  # of each frame: counted ground truth by class
        self._matches: dict[tuple[int, float], _Matches] = {
            (label, threshold): _Matches()
            for label in range(len(labels))
            for threshold in THRESHOLDS
        }

    def add(
        self,
        predicted: Boxes,
        ground_truth: Boxes,
        required: np.ndarray,
        excused: np.ndarray | None = None,
    ) -> None:
        """Score a frame.

        Args:
            predicted: predictions to be scored.
            ground_truth: all T boxes of the ground truth.
            required: (T,) bool: boxes that have to be found.
            excused: (P,) bool: predictions that are not false without a match; None: none of them.
        """
        excused = np.zeros(len(predicted), bool) if excused is None else excused
        order = np.argsort(-predicted.scores, kind="stable")
        predicted, excused = predicted[order], excused[order]
        demanded = ground_truth.labels[required & (ground_truth.labels >= 0)]
        self._num_truth.append(np.bincount(demanded, minlength=len(self.labels)))
        for (label, threshold), matches in self._matches.items():
            is_predicted = predicted.labels == label
            of_class = predicted[is_predicted]
            is_class = ground_truth.labels == label
            relevant = is_class | np.isin(ground_truth.labels, self._neutral(label))
            outcome = match(
                of_class.centers[:, :2],
                ground_truth.centers[relevant, :2],
                (required & is_class)[relevant],
                threshold,
            )
            outcome[excused[is_predicted] & (outcome == FALSE)] = DROPPED
            kept = outcome != DROPPED
            matches.frames.append(self.num_frames)
            matches.scores.append(of_class.scores[kept])
            matches.found.append(outcome[kept] == FOUND)
        self.num_frames += 1

    def evidence(self) -> list[dict[str, Any]]:
        """Return what each frame contributes to the figures, as plain values for `of_evidence`.

        Returns:
            For each frame `truth`, the counted ground truth by class, and `predictions`: threshold
            -> [class, score, found] of each prediction that counts.
        """
        frames: list[dict[str, Any]] = []
        for index, truth in enumerate(self._num_truth):
            predictions: dict[str, list[Any]] = {f"{each:g}": [] for each in THRESHOLDS}
            for (label, threshold), matches in self._matches.items():
                outcomes = zip(matches.scores[index], matches.found[index], strict=True)
                predictions[f"{threshold:g}"] += [
                    [label, round(float(score), 6), bool(found)] for score, found in outcomes
                ]
            frames.append({"truth": truth.tolist(), "predictions": predictions})
        return frames

    @classmethod
    def of_evidence(cls, labels: LabelSet, frames: Sequence[Mapping[str, Any]]) -> DetectionScores:
        """Restore the scores from the `evidence` of frames."""
        scores = cls(labels)
        for frame in frames:
            scores._num_truth.append(np.array(frame["truth"]))
            for (label, threshold), matches in scores._matches.items():
                outcomes = frame["predictions"][f"{threshold:g}"]
                of_class = [each for each in outcomes if each[0] == label]
                matches.frames.append(scores.num_frames)
                matches.scores.append(np.array([score for _, score, _ in of_class], float))
                matches.found.append(np.array([found for _, _, found in of_class], bool))
            scores.num_frames += 1
        return scores

    def _neutral(self, label: int) -> list[int]:
        names = self.labels.neutral.get(self.labels.classes[label], ())
        return [BOX_IGNORED if name == "ignored" else self.labels.index(name) for name in names]

    def result(self) -> dict[str, Any]:
        """Return the figures, None where there is no ground truth.

        Returns:
            `num_frames`, `map`, and `classes`: name of a class -> `ap`, `ap_0.5m`, ...,
            `num_truth` and `interval_2m`, the 95 % bootstrap interval over frames [low, high] of
            `ap_2m`.
        """
        num_truth = np.array(self._num_truth).reshape(-1, len(self.labels))
        classes = {
            name: self._class_result(label, num_truth[:, label])
            for label, name in enumerate(self.labels.classes)
        }
        known = [scores["ap"] for scores in classes.values() if scores["ap"] is not None]
        return {
            "num_frames": self.num_frames,
            "map": float(np.mean(known)) if known else None,
            "classes": classes,
        }

    def resampled_map(self, times: np.ndarray) -> np.ndarray:
        """Return (R,) mean AP of R resamples of the frames, NaN if a class has no ground truth.

        With the same resamples, two networks can be compared on the same frames.

        Args:
            times: (R, F) number of times that each frame counts.
        """
        num_truth = np.array(self._num_truth).reshape(-1, len(self.labels))
        values = []
        for label in np.flatnonzero(num_truth.sum(0)):
            for threshold in THRESHOLDS:
                values.append(self.resampled_ap(int(label), threshold, times))
        return np.mean(values, axis=0) if values else np.full(len(times), np.nan)

    def resampled_ap(self, label: int, threshold: float, times: np.ndarray) -> np.ndarray:
        """Return (R,) AP of a class in R resamples of the frames, NaN without ground truth.

        Args:
            label: index of the class.
            threshold: one of THRESHOLDS, metres.
            times: (R, F) number of times that each frame counts.
        """
        num_truth = np.array([counts[label] for counts in self._num_truth])
        total = (times @ num_truth).astype(np.float64)
        frames, found = self._matches[label, threshold].ranked()
        weights = times[:, frames].astype(np.float64)
        ap = average_precision(found, weights, np.where(total > 0, total, 1.0))
        return np.where(total > 0, ap, np.nan)

    def _class_result(self, label: int, num_truth: np.ndarray) -> dict[str, Any]:
        total = int(num_truth.sum())
        result: dict[str, Any] = {
            "ap": None,
            **{f"ap_{threshold:g}m": None for threshold in THRESHOLDS},
            "num_truth": total,
            f"interval_{INTERVAL_THRESHOLD:g}m": None,
        }
        if total == 0:
            return result
        for threshold in THRESHOLDS:
            frames, found = self._matches[label, threshold].ranked()
            ap = average_precision(found, np.ones((1, len(found))), np.array([total]))[0]
            result[f"ap_{threshold:g}m"] = float(ap)
            if threshold == INTERVAL_THRESHOLD:
                interval = bootstrap_interval(frames, found, num_truth)
                result[f"interval_{threshold:g}m"] = interval
        result["ap"] = float(np.mean([result[f"ap_{threshold:g}m"] for threshold in THRESHOLDS]))
        return result


class DetectionMetric(Metric):
    """Scores frames on every label set that network and ground truth share."""

    def __init__(self, labels: LabelSet, grid: GridConfig) -> None:
        """Start without frames.

        Args:
            labels: label set of the predicted boxes.
            grid: BEV grid; nothing outside it is scored.
        """
        self.labels = labels
        self.grid = grid
        self.num_skipped = 0
        self._scores: dict[LabelSet, DetectionScores] = {}

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame's boxes if it has all sensors of the mode and the network detects boxes."""
        if annotation.boxes is None:
            return
        if prediction is None or prediction.mode != mode or prediction.boxes is None:
            self.num_skipped += 1
            return
        predicted = prediction.boxes
        predicted = predicted[scorable(predicted.centers, self.grid, _cameras(frame))]
        for shared in shared_sets(self.labels, annotation.box_labels):
            ground_truth = annotation.with_labels(box_labels=shared)
            required = counted(frame, ground_truth, self.grid)
            scores = self._scores.setdefault(shared, DetectionScores(shared))
            true_boxes = Boxes.empty() if ground_truth.boxes is None else ground_truth.boxes
            found = self._relabelled(predicted, shared)
            scores.add(found, true_boxes, required, may_be_unlabelled(found, frame, annotation))

    def _relabelled(self, boxes: Boxes, shared: LabelSet) -> Boxes:
        """Return predicted boxes in a coarser set, without duplicates that now have one class."""
        if shared == self.labels:
            return boxes
        boxes = replace(boxes, labels=self.labels.mapping_to(shared)[boxes.labels])
        boxes = boxes[boxes.labels >= 0]
        boxes = boxes[np.argsort(-boxes.scores, kind="stable")]
        return boxes[unsuppressed(boxes, np.array(shared.suppression_radius))]

    @property
    def scores(self) -> DetectionScores:
        """The scores on the finest label set on which all frames were scored."""
        scores = sorted(self._scores.values(), key=lambda each: -len(each.labels))
        if not scores:
            return DetectionScores(self.labels)
        most = max(each.num_frames for each in scores)
        return next(each for each in scores if each.num_frames == most)

    def result(self) -> dict[str, Any]:
        """Return the figures on every label set.

        Returns:
            The figures of `DetectionScores.result` on the finest set on which all frames were
            scored; `labels`: the name of this set; `num_skipped`: number of frames with ground
            truth that lack a sensor of the mode, or the one in which the network finds boxes;
            `by_labels`: name of a set -> figures.
        """
        main = self.scores
        finest_first = sorted(self._scores.values(), key=lambda each: -len(each.labels))
        by_labels = {each.labels.name: each.result() for each in finest_first or [main]}
        return {
            **by_labels[main.labels.name],
            "labels": main.labels.name,
            "num_skipped": self.num_skipped,
            "by_labels": by_labels,
        }

    @staticmethod
    def table(result: Mapping[str, Any]) -> list[str]:
        """Return a result as lines of text."""
        lines: list[str] = []
        for name, scores in result["by_labels"].items():
            lines += _table(name, scores)
        if result["num_skipped"]:
            lines.append(
                f"  {result['num_skipped']} more frames with boxes lack a sensor of this mode, "
                "or the one in which the network finds boxes"
            )
        return lines

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the mean AP and the AP of every class."""
        by_class = {f"ap_{name}": scores["ap"] for name, scores in result["classes"].items()}
        return {"map": result["map"], **by_class}


def _table(name: str, scores: Mapping[str, Any]) -> list[str]:
    head = f"boxes, {name}: {scores['num_frames']} frames, mAP {_cell(scores['map']).strip()}"
    columns = "  ".join(f"{f'{threshold:g}m':>5}" for threshold in THRESHOLDS)
    classes = scores["classes"]
    width = max([12, *map(len, classes)])
    lines = [head, f"  {'':{width}} {'truth':>5}  {'AP':>5}  {columns}  95 % of 2m"]
    keys = ["ap", *(f"ap_{threshold:g}m" for threshold in THRESHOLDS)]
    for each, row in classes.items():
        cells = "  ".join(_cell(row[key]) for key in keys)
        line = f"  {each:{width}} {row['num_truth']:5}  {cells}  {_bounds(row['interval_2m'])}"
        lines.append(line.rstrip())
    return lines


def _cell(value: float | None) -> str:
    return "    -" if value is None else f"{value:5.3f}"


def _bounds(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"
