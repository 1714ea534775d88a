"""What is drawn on camera images: boxes and masks; and text, in one style for every picture."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import BOX_EDGES, box_corners
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, DETECTION_COLORS, IGNORE, colorize

BACKGROUND = (22, 24, 28)
FOREGROUND = (226, 228, 232)
MUTED = (120, 126, 134)
TRUTH_COLOR = (245, 245, 245)
UNKNOWN_COLOR = (150, 150, 150)  # boxes of no class

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHIFT = 4  # OpenCV draws on whole pixels unless coordinates carry fraction bits


def text_width(text: str, height: float = 11) -> int:
    """Pixels that `put_text` needs."""
    return cv2.getTextSize(text, _FONT, height / 22, 1)[0][0]


def put_text(
    picture: np.ndarray,
    text: str,
    position: tuple[float, float],
    color: tuple = FOREGROUND,
    height: float = 11,
) -> None:
    """Text whose capitals are `height` pixels high, its lower left corner at (x, y)."""
    cv2.putText(
        picture,
        text,
        (round(position[0]), round(position[1])),
        _FONT,
        height / 22,
        tuple(map(int, color)),
        1,
        cv2.LINE_AA,
    )


def put_tag(picture: np.ndarray, text: str, position: tuple[float, float], color: tuple) -> None:
    """Small text on a plate of a colour, its lower left corner at (x, y), kept inside the picture."""
    width, height = text_width(text, 9) + 6, 14
    x = int(np.clip(position[0], 0, max(picture.shape[1] - width, 0)))
    y = int(np.clip(position[1], height, max(picture.shape[0], height)))
    picture[y - height : y, x : x + width] = color
    dark = np.dot(color, (0.3, 0.59, 0.11)) > 140
    put_text(picture, text, (x + 3, y - 4), BACKGROUND if dark else (255, 255, 255), 9)


def draw_lines(
    picture: np.ndarray, pixels: np.ndarray, color: tuple, closed: bool = False, width: int = 1
) -> None:
    """A smooth line through pixels (N, 2) of any precision."""
    fixed = np.round(np.clip(pixels, -1e6, 1e6) * 2**_SHIFT).astype(
        np.int32
    )  # farther would not fit into 32 bits
    cv2.polylines(picture, [fixed], closed, tuple(map(int, color)), width, cv2.LINE_AA, _SHIFT)


def box_color(label: int) -> tuple[int, int, int]:
    return tuple(int(c) for c in DETECTION_COLORS[label]) if label >= 0 else UNKNOWN_COLOR


def draw_boxes_on_image(
    image: np.ndarray,
    boxes: Boxes,
    image_from_ego: np.ndarray,
    color: tuple | None = None,
    tags: bool = True,
    near: float = 0.3,
) -> np.ndarray:
    """A copy of the rectified image with the boxes' edges, the front face crossed, and class and score.

    image_from_ego (3, 4) of this very image; color: one for all boxes instead of the class's; edges nearer to the
    camera than `near` metres are cut there.
    """
    picture = np.ascontiguousarray(image).copy()
    middles = boxes.centers @ image_from_ego[2, :3] + image_from_ego[2, 3]
    all_corners = box_corners(boxes)
    for index in np.argsort(-middles):  # the nearest last, on top
        corners = all_corners[index] @ image_from_ego[:, :3].T + image_from_ego[:, 3]
        line_color = box_color(int(boxes.labels[index])) if color is None else color
        segments = [(corners[a], corners[b]) for a, b in BOX_EDGES]
        segments += [(corners[0], corners[7]), (corners[3], corners[4])]
        kept = [
            segment for segment in (_cut(a, b, near) for a, b in segments) if segment is not None
        ]
        for segment in kept:
            draw_lines(picture, segment, line_color)
        if kept and tags and boxes.labels[index] >= 0:
            low, high = np.concatenate(kept).min(0), np.concatenate(kept).max(0)
            if (
                high[0] > 0
                and high[1] > 0
                and low[0] < picture.shape[1]
                and low[1] < picture.shape[0]
            ):
                name = DETECTION_CLASSES[boxes.labels[index]]
                put_tag(picture, f"{name} {boxes.scores[index]:.2f}", (low[0], low[1]), line_color)
    return picture


def _cut(a: np.ndarray, b: np.ndarray, near: float) -> np.ndarray | None:
    """(2, 2) pixels of the part of a line between homogeneous points that lies beyond `near`; None if there is none."""
    if max(a[2], b[2]) < near:
        return None
    if a[2] < near:
        a = a + (near - a[2]) / (b[2] - a[2]) * (b - a)
    elif b[2] < near:
        b = b + (near - b[2]) / (a[2] - b[2]) * (a - b)
    return np.stack([a[:2] / a[2], b[:2] / b[2]])


def overlay(image: np.ndarray, mask: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """The image (h, w, 3) tinted by the class colours of a mask (h, w) of the same size; ignored pixels stay bare."""
    tinted = cv2.addWeighted(image, 1 - alpha, colorize(mask), alpha, 0)
    ignored = mask == IGNORE
    tinted[ignored] = image[ignored]
    return tinted
