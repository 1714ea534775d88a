"""A small picture of a frame with its ground truth: image with mask and boxes, and BEV."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Annotation, Frame
from bev_semseg_ros.labels import DEFAULT_MASK_LABELS, load_label_set
from bev_semseg_ros.preprocessing import RectifiedImage, prepare, rectify
from bev_semseg_ros.visualization.bev import draw_bev
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    MUTED,
    class_color,
    draw_boxes_on_image,
    overlay,
    put_text,
)

HEIGHT = 320  # of a picture, pixels
MAX_WIDTH = 620  # of the image in it
GAP = 6
MASK_STRENGTH = 0.4
JPEG_QUALITY = 82


def thumbnail(frame: Frame, annotation: Annotation) -> np.ndarray:
    """Draw the ground truth of a frame on its first image and in the bird's-eye view.

    Args:
        frame: Sensor data.
        annotation: Ground truth. Boxes have the colours of their own label set, and masks those
            of the default label set if their own maps to it.

    Returns:
        (HEIGHT, w, 3) RGB. Only the BEV or only the image if the frame lacks the other; if it
        lacks both, a picture that says so.
    """
    config = Config()
    shared = load_label_set(DEFAULT_MASK_LABELS)
    if annotation.masks and annotation.mask_labels.maps_to(shared):
        annotation = annotation.with_labels(mask_labels=shared)
    sample = prepare(frame, config)
    parts = []
    for name, seen in sample.images.items():
        parts.append(_on_image(name, seen, frame, annotation))
        break
    if sample.points is not None:
        boxes = annotation.boxes
        bev = draw_bev(sample.points, boxes, None, HEIGHT, config.grid, annotation.box_labels)
        parts.append(bev)
    if not parts:
        plate = np.full((HEIGHT, HEIGHT, 3), BACKGROUND, np.uint8)
        put_text(plate, "no image, no points", (10, HEIGHT / 2), MUTED)
        return plate
    gap = np.full((HEIGHT, GAP, 3), BACKGROUND, np.uint8)
    return np.hstack([parts[0], *(np.hstack([gap, part]) for part in parts[1:])])


def _on_image(name: str, seen: RectifiedImage, frame: Frame, annotation: Annotation) -> np.ndarray:
    """Return a rectified image with mask and boxes (HEIGHT, w, 3), centred vertically."""
    camera = seen.camera
    picture = seen.image
    mask = annotation.masks.get(name)
    if mask is not None:
        recorded = frame.cameras[name].camera
        rectified = rectify(mask, recorded, camera.size, cv2.INTER_NEAREST)
        picture = overlay(picture, rectified, annotation.mask_labels, MASK_STRENGTH)
    if annotation.boxes is not None:
        for label in np.unique(annotation.boxes.labels):
            picture = draw_boxes_on_image(
                picture,
                annotation.boxes[annotation.boxes.labels == label],
                camera.image_from_ego,
                annotation.box_labels,
                class_color(annotation.box_labels, int(label)),
                tags=False,
            )
    width, height = camera.size
    scale = min(MAX_WIDTH / width, HEIGHT / height)
    size = round(width * scale), round(height * scale)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    canvas = np.full((HEIGHT, size[0], 3), BACKGROUND, np.uint8)
    top = (HEIGHT - size[1]) // 2
    canvas[top : top + size[1]] = small
    return canvas


def jpeg(picture: np.ndarray) -> bytes:
    """Encode a picture (h, w, 3) RGB as JPEG."""
    _, encoded = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return encoded.tobytes()
