"""Draw boxes, masks and text on images, in one style for all pictures."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import BOX_EDGES, box_corners, visible_lines
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet

Color = tuple[int, int, int]

BACKGROUND: Color = (22, 24, 28)
FOREGROUND: Color = (226, 228, 232)
MUTED: Color = (120, 126, 134)
GROUND_TRUTH_COLOR: Color = (245, 245, 245)
UNKNOWN_COLOR: Color = (150, 150, 150)  # of boxes without a class

_NEAR = 0.3  # metres in front of the camera; the parts of edges that are nearer are cut off
_FRONT_CROSS = ((0, 7), (3, 4))  # pairs of corners that its lines connect
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FRACTION_BITS = 4  # of coordinates; without such bits, OpenCV draws on whole pixels


def text_width(text: str, height: float = 11) -> int:
    """Return the width of a text drawn by `put_text`, pixels."""
    return cv2.getTextSize(text, _FONT, height / 22, 1)[0][0]


def put_text(
    picture: np.ndarray,
    text: str,
    position: tuple[float, float],
    color: Color = FOREGROUND,
    height: float = 11,
) -> None:
    """Write a text into a picture.

    Args:
        picture: (h, w, 3), changed in place.
        text: ASCII text; the font has no other characters.
        position: x, y of the lower left corner.
        color: RGB of the letters.
        height: Height of the capitals in pixels.
    """
    place = (round(position[0]), round(position[1]))
    cv2.putText(picture, text, place, _FONT, height / 22, color, 1, cv2.LINE_AA)


def put_tag(picture: np.ndarray, text: str, position: tuple[float, float], color: Color) -> None:
    """Write a small text on a plate, which is kept inside the picture.

    Args:
        picture: (h, w, 3), changed in place.
        text: ASCII text.
        position: x, y of the plate's lower left corner.
        color: RGB of the plate; the letters are dark or white, whichever is easier to read.
    """
    width, height = text_width(text, 9) + 6, 14
    x = int(np.clip(position[0], 0, max(picture.shape[1] - width, 0)))
    y = int(np.clip(position[1], height, max(picture.shape[0], height)))
    picture[y - height : y, x : x + width] = color
    is_bright = np.dot(color, (0.3, 0.59, 0.11)) > 140
    put_text(picture, text, (x + 3, y - 4), BACKGROUND if is_bright else (255, 255, 255), 9)


def draw_lines(
    picture: np.ndarray, pixels: np.ndarray, color: Color, closed: bool = False, width: int = 1
) -> None:
    """Draw a smooth line.

    Args:
        picture: (h, w, 3), changed in place.
        pixels: (N, 2) x, y of its corners, fractions of pixels included.
        color: RGB.
        closed: Connect the last corner with the first.
        width: Width in pixels.
    """
    # Larger values would not fit into 32 bits.
    fixed = np.round(np.clip(pixels, -1e6, 1e6) * 2**_FRACTION_BITS).astype(np.int32)
    cv2.polylines(picture, [fixed], closed, color, width, cv2.LINE_AA, _FRACTION_BITS)


def class_color(labels: LabelSet, label: int) -> Color:
    """Return the colour of a class of a label set; UNKNOWN_COLOR for a negative label."""
    if label < 0:
        return UNKNOWN_COLOR
    red, green, blue = labels.colors[label].tolist()
    return red, green, blue


def draw_boxes_on_image(
    image: np.ndarray,
    boxes: Boxes,
    image_from_ego: np.ndarray,
    labels: LabelSet,
    color: Color | None = None,
    tags: bool = True,
) -> np.ndarray:
    """Draw boxes on a rectified image: edges, a cross on the front face, class and score.

    Args:
        image: (h, w, 3) RGB.
        boxes: Boxes in the ego frame.
        image_from_ego: (3, 4) projection to this image.
        labels: Label set of the boxes.
        color: One colour for all boxes; default: the colour of their class.
        tags: Write the class and score of each box that has a class.

    Returns:
        A copy of the image with the boxes.
    """
    picture = np.ascontiguousarray(image).copy()
    depths = boxes.centers @ image_from_ego[2, :3] + image_from_ego[2, 3]
    all_corners = box_corners(boxes)
    for index in np.argsort(-depths):  # the nearest last, on top
        label = int(boxes.labels[index])
        line_color = class_color(labels, label) if color is None else color
        corners = all_corners[index] @ image_from_ego[:, :3].T + image_from_ego[:, 3]
        lines = visible_lines(corners, (*BOX_EDGES, *_FRONT_CROSS), _NEAR)
        for line in lines:
            draw_lines(picture, line, line_color)
        if lines and tags and label >= 0:
            text = f"{labels.classes[label].replace('_', ' ')} {boxes.scores[index]:.2f}"
            _put_box_tag(picture, text, np.concatenate(lines), line_color)
    return picture


def _put_box_tag(picture: np.ndarray, text: str, pixels: np.ndarray, color: Color) -> None:
    """Write a tag above the upper left corner of pixels (N, 2) if they overlap the picture."""
    left, top = pixels.min(0)
    right, bottom = pixels.max(0)
    height, width = picture.shape[:2]
    if right > 0 and bottom > 0 and left < width and top < height:
        put_tag(picture, text, (left, top), color)


def overlay(
    image: np.ndarray, mask: np.ndarray, labels: LabelSet, alpha: float = 0.5
) -> np.ndarray:
    """Tint an image with the colours of a mask.

    Args:
        image: (h, w, 3) RGB.
        mask: (h, w) classes; ignored pixels keep the colour of the image.
        labels: Label set of the mask.
        alpha: Strength of the tint, 0..1.

    Returns:
        (h, w, 3) RGB.
    """
    tinted = cv2.addWeighted(image, 1 - alpha, labels.colorize(mask), alpha, 0)
    is_ignored = mask == MASK_IGNORED
    tinted[is_ignored] = image[is_ignored]
    return tinted
