"""Detections on a plane, and their scores."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, Camera, Frame, Prediction
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.detection.metric import DetectionMetric

LABELS = load_label_set("boxes_4")
CAR, TRUCK = LABELS.index("car"), LABELS.index("truck")
CAMERA = Camera(
    [[500, 0, 320], [0, 500, 200], [0, 0, 1]],
    (640, 400),
    OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5))),
)


def boxes(*centers: tuple[float, float], labels=CAR, scores=None) -> Boxes:
    count = len(centers)
    return Boxes(
        [[x, y, 1] for x, y in centers],
        np.tile([4, 2, 2], (count, 1)),
        np.zeros(count),
        np.broadcast_to(labels, count),
        np.ones(count) if scores is None else scores,
    )


def frame_with_points_in(truth: Boxes, num_points: int = 10, camera: Camera | None = None) -> Frame:
    points = np.repeat(truth.centers, num_points, 0)
    return Frame.of(
        0,
        np.column_stack([points, np.zeros(len(points))]).astype(np.float32),
        np.eye(4),
        None,
        camera,
        name="f",
    )


def predicted_as(boxes: Boxes | None, mode: str = "fused") -> Prediction:
    return Prediction.of(boxes, None, None, mode, 1.0)


def new_metric(labels: str = "boxes_4") -> DetectionMetric:
    return DetectionMetric(load_label_set(labels), GridConfig())


def score(
    predicted: Boxes,
    truth: Boxes,
    num_points: int = 10,
    camera: Camera | None = None,
    labels: str = "boxes_4",
    box_labels: str = "boxes_4",
    **annotation,
) -> dict:
    """Return the figures of one frame; `labels` is of the network, `box_labels` of the truth."""
    metric = new_metric(labels)
    metric.add(
        frame_with_points_in(truth, num_points, camera),
        Annotation(boxes=truth, box_labels=load_label_set(box_labels), **annotation),
        predicted_as(predicted),
        "fused",
    )
    return metric.result()


def score_car(predicted: Boxes, truth: Boxes, **options) -> dict:
    """Return the figures of the cars of one frame; `options` are those of `score`."""
    return score(predicted, truth, **options)["classes"]["car"]
