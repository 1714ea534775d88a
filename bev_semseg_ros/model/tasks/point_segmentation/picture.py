"""Pictures of the classes of points: over an image, or from above."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.geometry import project
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.lifting import is_shown
from bev_semseg_ros.model.tasks.point_segmentation.postprocess import classes_of_sample
from bev_semseg_ros.preprocessing import RectifiedImage, Sample

SIDE = 800  # pixels of the picture from above
REACH = 60.0  # metres: largest distance shown to each side
MARGIN = 20  # pixels
DIMMED = 0.35  # factor on the brightness of the image below the points
_BACKGROUND = 24


def draw_points(
    found: Mapping[str, PointClasses], sample: Sample, labels: LabelSet
) -> np.ndarray | None:
    """Draw the points of a frame in the colours of their classes.

    Args:
        found: lidar name -> predicted classes.
        sample: input of the network, with one camera or none.
        labels: label set of the classes.

    Returns:
        (h, w, 3) uint8 RGB: the points over the image of the camera, or without a camera from
        above, with x up and y to the left. None without points.
    """
    if sample.points is None:
        return None
    classes = classes_of_sample(found, sample)
    known = np.flatnonzero(classes != MASK_IGNORED)
    points, colors = sample.points[known, :3], labels.colors[classes[known]]
    for seen in sample.images.values():
        return _over_image(seen, points, colors)
    return _from_above(points, colors)


def _over_image(seen: RectifiedImage, points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Draw the points that an image shows, the nearest on top."""
    picture = (seen.image * DIMMED).astype(np.uint8)
    pixels, depth = project(seen.camera.image_from_ego, points)
    shown = np.flatnonzero(is_shown(pixels, depth, picture.shape[:2]))
    for point in shown[np.argsort(-depth[shown], kind="stable")]:
        place = (round(float(pixels[point, 0])), round(float(pixels[point, 1])))
        cv2.circle(picture, place, 1, colors[point].tolist(), cv2.FILLED)
    return picture


def _from_above(points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Draw a dot for each point, the highest on top, cropped to the points and the vehicle."""
    picture = np.full((SIDE, SIDE, 3), _BACKGROUND, np.uint8)
    scale = SIDE / (2 * REACH)
    rows, columns = np.floor(SIDE / 2 - points[:, :2] * scale).astype(np.int64).T
    inside = (rows > 0) & (rows < SIDE - 1) & (columns > 0) & (columns < SIDE - 1)
    drawn = np.flatnonzero(inside)
    drawn = drawn[np.argsort(points[drawn, 2], kind="stable")]
    for row, column in np.ndindex(3, 3):  # single pixels vanish in small views
        picture[rows[drawn] + row - 1, columns[drawn] + column - 1] = colors[drawn]
    return picture[_span(rows[drawn]), _span(columns[drawn])]


def _span(places: np.ndarray) -> slice:
    """Return the range of rows or columns with the points, the vehicle and a margin."""
    held = np.append(places, SIDE // 2)
    return slice(max(held.min() - MARGIN, 0), held.max() + MARGIN + 1)
