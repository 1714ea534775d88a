"""Refine a map with the boxes and masks that the network found in the same frame.

A cell of 0.4 m is coarse, and at the edge of a car it has points on the car and on the road. The
lidar sees only one or two sides of a car. Boxes have sharper edges and cover whole vehicles, and
masks show markings that points hardly show.

The constants are those with the best mIoU on 90 simulated frames, see docs/measured_trainings.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bev_semseg_ros.bev_lifting import fill_from_nearest
from bev_semseg_ros.frame import BevMap, Boxes, Prediction
from bev_semseg_ros.labels import MASK_IGNORED

LEAST = 1e-4  # lower limit of probabilities
LIFTED = 1.5  # log odds that the lifted map adds to the class that it shows in a cell
# Class of the map -> log odds that a box adds to it in its cells, and takes from it in the cells
# around; and how far around, metres. A vehicle's box always decides. A person is hardly larger than
# a cell. Boxes do not refine a map whose classes have other names.
OF_BOXES = {"vehicle": (20.0, 1.0), "person": (2.0, 0.5)}
MARGIN = 0.1  # metres: a cell belongs to a box if its centre is at most this far outside


def refine_lifted(lifted: BevMap, prediction: Prediction, fill: bool = False) -> BevMap:
    """Return a lifted map with the vehicles and persons of the boxes.

    The cells of a vehicle's box become vehicle, and vehicle cells around it unknown. The same holds
    for persons: a lifted map has no probabilities that could speak against a box.

    Args:
        lifted: map of the same frame.
        prediction: see `refine_learned`.
        fill: give unknown cells the class of the nearest known one, before the boxes are drawn.
    """
    classes = lifted.classes.copy()
    evidence = list(_evidence(lifted, prediction))
    for number, _, inside, around in evidence:
        classes[(inside | around) & (classes == number)] = MASK_IGNORED
    if fill:
        classes = fill_from_nearest(replace(lifted, classes=classes)).classes
    for number, _, inside, _ in evidence:
        classes[inside] = number
    return replace(lifted, classes=classes)


def refine_learned(learned: BevMap, lifted: BevMap | None, prediction: Prediction) -> BevMap:
    """Return the learned map with the evidence of masks and boxes.

    Args:
        learned: result of the task. Without probabilities, it is returned unchanged.
        lifted: masks of the prediction, lifted to the same cells.
        prediction: prediction for the same frame. Its boxes have no effect if their label set does
            not map to that of the map.
    """
    if learned.probabilities is None:
        return learned
    logits = np.log(np.maximum(learned.probabilities, LEAST))
    if lifted is not None:
        cells = np.nonzero(lifted.classes < len(learned.labels))
        logits[(lifted.classes[cells], *cells)] += LIFTED
    for number, amount, inside, around in _evidence(learned, prediction):
        logits[number][inside] += amount
        logits[number][around] -= amount
    probabilities = np.exp(logits - logits.max(0))
    probabilities /= probabilities.sum(0)
    known = learned.probabilities.any(0)  # two passes ahead and behind may leave cells out
    return replace(
        learned,
        classes=np.where(known, probabilities.argmax(0).astype(np.uint8), learned.classes),
        probabilities=np.where(known, probabilities, learned.probabilities),
    )


def _evidence(
    found: BevMap, prediction: Prediction
) -> Iterator[tuple[int, float, np.ndarray, np.ndarray]]:
    """Yield each class of OF_BOXES, its log odds, and the cells in its boxes and around them."""
    boxes, labels = prediction.boxes, prediction.label_sets.get("detection")
    if boxes is None or labels is None or not labels.maps_to(found.labels):
        return
    classes = labels.mask_table(found.labels)[boxes.labels]
    for name, (amount, reach) in OF_BOXES.items():
        if name in found.labels.classes:
            number = found.labels.index(name)
            yield number, amount, *cells_of_boxes(found, boxes[classes == number], reach)


def cells_of_boxes(found: BevMap, boxes: Boxes, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of boxes, and those around them.

    Args:
        found: map with the cells.
        boxes: M boxes.
        reach: how far cells around a box reach, metres.

    Returns:
        (X, Y) bool: cells whose centre is in a box that is MARGIN larger on all sides; and (X, Y)
        bool: other cells whose centre is at most `reach` away from a box.
    """
    inside, around = (np.zeros(found.classes.shape, bool) for _ in range(2))
    centers = found.centers()
    for center, size, yaw in zip(boxes.centers, boxes.sizes, boxes.yaws, strict=True):
        radius = (np.hypot(size[0], size[1]) / 2 + reach) / found.cell
        middle = (center[:2] - (found.x_min, found.y_min)) / found.cell
        ends = [np.floor(middle - radius), np.ceil(middle + radius)]
        first, last = np.clip(ends, 0, found.classes.shape).astype(int)
        window = (slice(first[0], last[0]), slice(first[1], last[1]))
        x, y = np.moveaxis(centers[window] - center[:2], -1, 0)
        along, across = np.cos(yaw) * x + np.sin(yaw) * y, np.cos(yaw) * y - np.sin(yaw) * x
        beyond = np.stack([np.abs(along) - size[0] / 2, np.abs(across) - size[1] / 2])
        inside[window] |= beyond.max(0) <= MARGIN
        around[window] |= np.hypot(*np.maximum(beyond, 0)) <= reach
    return inside, around & ~inside
