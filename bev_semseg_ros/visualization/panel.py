"""One picture of a frame: image, truth, prediction, overlay, bird's-eye view and legend."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Annotation, Frame, Prediction
from bev_semseg_ros.preprocessing import Sample, prepare, rectify
from bev_semseg_ros.taxonomy import colorize
from bev_semseg_ros.visualization.bev import draw_bev
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    FOREGROUND,
    MUTED,
    TRUTH_COLOR,
    draw_boxes_on_image,
    overlay,
    put_text,
    text_width,
)
from bev_semseg_ros.visualization.legend import legend

GAP = 8
TITLE = 24
BEV_ALONE = 800  # pixels of the bird's-eye view where there is no image beside it


def panel(
    frame: Frame, annotation: Annotation, prediction: Prediction, config: Config
) -> np.ndarray:
    """(h, w, 3): everything that is known of a frame at the size the network sees; an empty `Annotation()` is fine.

    Without an image there is only the bird's-eye view.
    """
    sample = prepare(frame, config)
    if sample.image is None:
        bev = _titled(
            draw_bev(sample.points, prediction.boxes, annotation.boxes, BEV_ALONE, config.grid),
            _bev_title(annotation, prediction),
        )
        body, masks = bev, False
    else:
        cells = _cells(frame, sample, annotation, prediction)
        gap = _gap(len(cells[0]))
        upper, lower = np.hstack([cells[0], gap, cells[1]]), np.hstack([cells[2], gap, cells[3]])
        pictures = np.vstack(
            [upper, np.full((GAP, upper.shape[1], 3), BACKGROUND, np.uint8), lower]
        )
        size = len(pictures) - TITLE
        bev = _titled(
            draw_bev(sample.points, prediction.boxes, annotation.boxes, size, config.grid),
            _bev_title(annotation, prediction),
        )
        body, masks = np.hstack([pictures, _gap(len(pictures)), bev]), True
    head = np.full((TITLE + 4, body.shape[1], 3), BACKGROUND, np.uint8)
    note = (
        f"{frame.scene}  {frame.name}"
        if frame.scene and frame.scene not in frame.name
        else frame.name
    )
    put_text(head, note, (GAP, 18), FOREGROUND)
    mode = f"{prediction.mode.replace('_', ' ')}, {prediction.network_ms:.0f} ms"
    put_text(head, mode, (body.shape[1] - GAP - text_width(mode), 18), MUTED)
    return np.vstack([head, body, legend(body.shape[1], masks=masks)])


def _cells(
    frame: Frame, sample: Sample, annotation: Annotation, prediction: Prediction
) -> list[np.ndarray]:
    """Image, truth, prediction and overlay, each with its title."""
    image, matrix, size = sample.image, sample.camera.image_from_ego, sample.camera.size
    truth = None
    if annotation.mask is not None:
        truth = colorize(rectify(annotation.mask, frame.camera, size, cv2.INTER_NEAREST))
    mask = prediction.mask
    if mask is not None and mask.shape != image.shape[:2]:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    blended = image if mask is None else overlay(image, mask)
    if prediction.boxes is not None:
        blended = draw_boxes_on_image(blended, prediction.boxes, matrix)
    with_truth = image
    if annotation.boxes is not None:
        with_truth = draw_boxes_on_image(image, annotation.boxes, matrix, TRUTH_COLOR, tags=False)
    return [
        _titled(with_truth, "image" if annotation.boxes is None else "image, true boxes"),
        _titled(_or_empty(truth, size), "truth"),
        _titled(_or_empty(None if mask is None else colorize(mask), size), "prediction"),
        _titled(blended, "overlay" if prediction.boxes is None else "overlay, predicted boxes"),
    ]


def _bev_title(annotation: Annotation, prediction: Prediction) -> str:
    absent = [
        kind
        for kind, boxes in (("true", annotation.boxes), ("predicted", prediction.boxes))
        if boxes is None
    ]
    return "bird's-eye view" + (f", no {' or '.join(absent)} boxes" if absent else "")


def _or_empty(picture: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    if picture is not None:
        return picture
    picture = np.full((size[1], size[0], 3), BACKGROUND, np.uint8) + np.uint8(10)
    put_text(picture, "none", (size[0] / 2 - 14, size[1] / 2), MUTED)
    return picture


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    head = np.full((TITLE, picture.shape[1], 3), BACKGROUND, np.uint8)
    put_text(head, title, (2, 16), MUTED)
    return np.vstack([head, picture])


def _gap(height: int) -> np.ndarray:
    return np.full((height, GAP, 3), BACKGROUND, np.uint8)
