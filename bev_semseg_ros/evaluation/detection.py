"""Average precision of boxes by the distance of their centres (nuScenes, Caesar et al. 2020, section 3.1).

Counted truth: centre inside the BEV grid, within 50 m of the origin and inside the image, at least ten lidar points in
the box. Other truth (also what is marked as ignored, and for cars every other vehicle) is neither found nor missed.
Scored predictions: centre inside grid, 50 m and image, and not more than half inside an area where objects may stand
that nobody boxed. By falling score each claims the nearest unclaimed truth closer than the threshold; a prediction
that claims ignored truth is dropped. Precision is made monotone, sampled at recalls 0.10, 0.11, ... 1.00, and its part
above 0.1 is rescaled to 0..1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, Camera, Frame
from bev_semseg_ros.geometry import apply, box_image_bounds, points_in_boxes, project
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, IGNORED_VEHICLE

THRESHOLDS = (0.5, 1.0, 2.0, 4.0)  # metres
INTERVAL_THRESHOLD = 2.0
MAX_RANGE = 50.0
MIN_POINTS = 10
RECALLS = np.arange(10, 101) / 100
MIN_PRECISION = 0.1
RESAMPLES = 500
CAR, TRUCK = DETECTION_CLASSES.index("car"), DETECTION_CLASSES.index("truck")
FOUND, FALSE, DROPPED = 1, 0, -1


def scorable(centers: np.ndarray, grid: GridConfig, camera: Camera | None) -> np.ndarray:
    """(M,) bool: centres (M, 3) inside the grid, within 50 m and, where a camera is known, inside its image."""
    x, y = centers[:, 0], centers[:, 1]
    inside = (
        (x >= grid.x_min)
        & (x < grid.x_max)
        & (y >= grid.y_min)
        & (y < grid.y_max)
        & (np.hypot(x, y) <= MAX_RANGE)
    )
    if camera is not None and len(centers):
        pixels, depth = project(camera.image_from_ego, centers)
        inside &= (
            (depth > 0) & (pixels >= -0.5).all(1) & (pixels < np.array(camera.size) - 0.5).all(1)
        )
    return inside


def counted(frame: Frame, annotation: Annotation, grid: GridConfig) -> np.ndarray:
    """(M,) bool: which true boxes of a frame a detector has to find."""
    boxes = annotation.boxes
    num_points = np.zeros(len(boxes), np.int64)
    if frame.points is not None:
        points = apply(frame.ego_from_lidar, frame.points[:, :3].astype(np.float64))
        num_points = points_in_boxes(points, boxes).sum(1)
    required = scorable(boxes.centers, grid, frame.camera) & (num_points >= MIN_POINTS)
    return required if annotation.ignored is None else required & ~annotation.ignored


def in_dont_care(boxes: Boxes, areas: np.ndarray, camera: Camera | None) -> np.ndarray:
    """(M,) bool: boxes whose 2D box in the image lies by more than half inside one of the areas (D, 4)."""
    inside = np.zeros(len(boxes), bool)
    if camera is None or not len(areas) or not len(boxes):
        return inside
    bounds = np.nan_to_num(box_image_bounds(boxes, camera.image_from_ego), nan=-1e6)
    limits = np.array(camera.size) - 1
    low, high = np.clip(bounds[:, :2], 0, limits), np.clip(bounds[:, 2:], 0, limits)
    overlap = np.clip(
        np.minimum(high[:, None], areas[None, :, 2:])
        - np.maximum(low[:, None], areas[None, :, :2]),
        0,
        None,
    ).prod(2)
    return (overlap > 0.5 * (high - low).prod(1)[:, None]).any(1)


def match(
    predicted: np.ndarray, truth: np.ndarray, required: np.ndarray, threshold: float
) -> np.ndarray:
    """(P,) FOUND, FALSE or DROPPED for centres (P, 2) by falling score against truth (T, 2), `required` or ignored."""
    outcome = np.full(len(predicted), FALSE)
    distance = np.linalg.norm(predicted[:, None] - truth[None], axis=2)
    for index in range(len(predicted) if len(truth) else 0):
        nearest = int(np.argmin(distance[index]))
        if distance[index, nearest] < threshold:
            outcome[index] = FOUND if required[nearest] else DROPPED
            distance[:, nearest] = np.inf
    return outcome


def average_precision(found: np.ndarray, weights: np.ndarray, num_truth: np.ndarray) -> np.ndarray:
    """(R,) AP of R weightings of the same predictions by falling score.

    found (P,) bool; weights (R, P): how often each prediction counts; num_truth (R,): how much there was to find.
    """
    hits = np.cumsum(weights * found, 1)
    precision = hits / np.maximum(np.cumsum(weights, 1), 1e-9)
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    result = np.zeros(len(weights))
    for row in range(len(weights)):
        first = np.searchsorted(hits[row] / num_truth[row], RECALLS - 1e-9)
        sampled = np.append(precision[row], 0.0)[first]
        result[row] = (np.clip(sampled - MIN_PRECISION, 0, None) / (1 - MIN_PRECISION)).mean()
    return result


class DetectionScores:
    """Gathers frames; `result` is the `detection` part of a report."""

    def __init__(self, grid: GridConfig):
        self.grid = grid
        self.num_frames = 0
        self._num_truth: list[np.ndarray] = []  # per frame: counted truth by class
        self._matches: dict[tuple[int, float], list[tuple[int, np.ndarray, np.ndarray]]] = {
            (label, threshold): []
            for label in range(len(DETECTION_CLASSES))
            for threshold in THRESHOLDS
        }

    def add(self, frame: Frame, annotation: Annotation, predicted: Boxes) -> None:
        """Score a frame's boxes. Raises ValueError where nobody said what is there."""
        truth = annotation.boxes
        if truth is None:
            raise ValueError(f"frame {frame.name}: no boxes to score against")
        required = counted(frame, annotation, self.grid)
        keep = scorable(predicted.centers, self.grid, frame.camera) & ~in_dont_care(
            predicted, annotation.dont_care, frame.camera
        )
        predicted = predicted[keep]
        predicted = predicted[np.argsort(-predicted.scores, kind="stable")]
        self._num_truth.append(
            np.bincount(
                truth.labels[required & (truth.labels >= 0)], minlength=len(DETECTION_CLASSES)
            )
        )
        for (label, threshold), matches in self._matches.items():
            of_class = predicted[predicted.labels == label]
            relevant = truth.labels == label
            if label == CAR:
                relevant |= (truth.labels == IGNORED_VEHICLE) | (truth.labels == TRUCK)
            outcome = match(
                of_class.centers[:, :2],
                truth.centers[relevant, :2],
                (required & (truth.labels == label))[relevant],
                threshold,
            )
            kept = outcome != DROPPED
            matches.append((self.num_frames, of_class.scores[kept], outcome[kept] == FOUND))
        self.num_frames += 1

    def result(self) -> dict[str, Any]:
        """{num_frames, map, <class>: {ap, ap_0.5m, ..., num_truth, interval_2m}}; None where there is no truth.

        interval_2m: [low, high], the 95 % bootstrap interval over frames of ap_2m.
        """
        result: dict[str, Any] = {"num_frames": self.num_frames, "map": None}
        num_truth = np.array(self._num_truth).reshape(-1, len(DETECTION_CLASSES))
        for label, name in enumerate(DETECTION_CLASSES):
            result[name] = self._class_result(label, num_truth[:, label])
        scores = [
            result[name]["ap"] for name in DETECTION_CLASSES if result[name]["ap"] is not None
        ]
        if scores:
            result["map"] = float(np.mean(scores))
        return result

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
            frames, found = self._ranked(label, threshold)
            ap = average_precision(found, np.ones((1, len(found))), np.array([total]))[0]
            result[f"ap_{threshold:g}m"] = float(ap)
            if threshold == INTERVAL_THRESHOLD:
                result[f"interval_{threshold:g}m"] = _interval(frames, found, num_truth)
        result["ap"] = float(np.mean([result[f"ap_{threshold:g}m"] for threshold in THRESHOLDS]))
        return result

    def _ranked(self, label: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Frame (P,) and success (P,) of a class's predictions in the whole set by falling score."""
        matches = self._matches[label, threshold]
        scores = np.concatenate([scores for _, scores, _ in matches])
        order = np.argsort(-scores, kind="stable")
        frames = np.repeat(
            [frame for frame, _, _ in matches], [len(scores) for _, scores, _ in matches]
        )
        return frames[order], np.concatenate([found for _, _, found in matches])[order]


def _interval(frames: np.ndarray, found: np.ndarray, num_truth: np.ndarray) -> list[float]:
    """95 % bootstrap interval over frames; resamples without any truth are left out."""
    rng = np.random.default_rng(0)
    count = len(num_truth)
    times = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    times = times[times @ num_truth > 0]
    portion = max(1, 4_000_000 // max(len(found), 1))  # bounds the memory of a large set
    values = [
        average_precision(found, part[:, frames].astype(np.float64), part @ num_truth)
        for part in np.split(times, range(portion, len(times), portion))
    ]
    return [float(x) for x in np.percentile(np.concatenate(values), [2.5, 97.5])]
