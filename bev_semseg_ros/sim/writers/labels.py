"""Labels of a simulated frame: which objects get a box, and how a labeller would draw it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.geometry import box_corners, box_image_bounds, project
from bev_semseg_ros.sim.classes import BOX_CLASSES
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan

# Height in metres above which both data sets call a car a van.
VAN_HEIGHT = 1.8
# Occlusion grows by one level at each of these fractions of hidden points.
OCCLUSION_SHARES = (0.1, 0.5)
# A point is in front of an object if it is nearer by more than this many metres.
OCCLUSION_MARGIN = 0.2


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the M objects with at least one lidar point.

    Attributes:
        boxes: M boxes in the ego frame, drawn by the rig's convention.
        names: M class names in the spelling of the data set.
        bounds: (M, 4) left, top, right, bottom in pixels of the reference camera's rectified
            image, not clipped; zeros for an object entirely behind that camera.
        truncations: (M,) fraction of `bounds` outside that image, 0 to 1.
        occlusions: (M,) 0 fully visible, 1 partly hidden, 2 largely hidden.
    """

    boxes: Boxes
    names: list[str]
    bounds: np.ndarray
    truncations: np.ndarray
    occlusions: np.ndarray


def label_view(view: View, scan: Scan, rig: Rig, van_name: str) -> Labels:
    """Label the objects of a view as a human labeller would.

    Args:
        view: State of the world at this frame.
        scan: Points that the rig's lidars measured.
        rig: Sensors, and convention of the boxes.
        van_name: Name in the data set of a car taller than VAN_HEIGHT.

    Returns:
        The labels, ordered like `view.boxes`.
    """
    seen = np.unique(scan.objects[scan.objects >= 0])
    seen = seen[view.boxes.labels[seen] >= 0]
    true_boxes = view.boxes[seen]
    boxes = rig.convention.apply(true_boxes)
    camera = rig.reference_camera
    bounds = np.nan_to_num(box_image_bounds(boxes, camera.image_from_ego))
    clipped = clip_to_image(bounds, camera.size)
    truncations = 1 - _areas(clipped) / np.maximum(_areas(bounds), 1e-9)
    names = []
    for label, height in zip(true_boxes.labels, true_boxes.sizes[:, 2], strict=True):
        is_van = BOX_CLASSES[label] == "car" and height > VAN_HEIGHT
        names.append(van_name if is_van else BOX_CLASSES[label].capitalize())
    occlusions = _occlusions(scan, camera, seen, true_boxes, bounds)
    return Labels(boxes, names, bounds, truncations, occlusions)


def clip_to_image(bounds: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clip rectangles (..., 4) left, top, right, bottom to an image of `size` (width, height)."""
    width, height = size
    return np.clip(bounds, 0, [width - 1, height - 1, width - 1, height - 1])


def _areas(bounds: np.ndarray) -> np.ndarray:
    """Return the areas (M,) of rectangles (M, 4) in square pixels."""
    return np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)


def _occlusions(
    scan: Scan, camera: Camera, seen: np.ndarray, true_boxes: Boxes, bounds: np.ndarray
) -> np.ndarray:
    """Return the occlusion levels (M,), from the points within the bounds in front of each object.

    Args:
        scan: Points, each with the object on which it lies.
        camera: The reference camera.
        seen: (M,) rows of the objects in `View.boxes`.
        true_boxes: M boxes in the ego frame, at their true size.
        bounds: (M, 4) rectangles in pixels.
    """
    pixels, depth = project(camera.image_from_ego, scan.positions)
    ranges = np.linalg.norm(scan.positions, axis=1)
    nearest = np.zeros(0)
    if len(true_boxes):
        nearest = np.linalg.norm(box_corners(true_boxes), axis=2).min(axis=1)
    occlusions = np.zeros(len(seen), np.int64)
    for row, (number, (left, top, right, bottom)) in enumerate(zip(seen, bounds, strict=True)):
        inside = (
            (depth > 0)
            & (pixels[:, 0] > left)
            & (pixels[:, 0] < right)
            & (pixels[:, 1] > top)
            & (pixels[:, 1] < bottom)
        )
        own = scan.objects == number
        in_front = np.sum(inside & ~own & (ranges < nearest[row] - OCCLUSION_MARGIN))
        hidden = in_front / (in_front + np.sum(own))
        occlusions[row] = np.searchsorted(OCCLUSION_SHARES, hidden)
    return occlusions
