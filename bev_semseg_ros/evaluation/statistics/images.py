"""Statistics of cameras and masks: sizes of images, fields of view, pixels per class."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Annotation, Camera, Frame
from bev_semseg_ros.labels import LabelSet

PERSON = "pedestrian"  # the class of people in label sets that have one


class ImageStatistics:
    """Gathers the images and masks of frames."""

    def __init__(self) -> None:
        self._cameras: dict[str, Counter[tuple[int, int]]] = {}
        self._fields_of_view: dict[str, list[tuple[float, float]]] = {}
        self._pixels: dict[LabelSet, np.ndarray] = {}
        self._num_masks = 0
        self._num_telling = 0  # masks whose label set has a class for people
        self._num_with_people = 0

    def add(self, frame: Frame, annotation: Annotation) -> None:
        """Add a frame.

        Args:
            frame: Sensor data.
            annotation: Ground truth of the frame.
        """
        for name, seen in frame.cameras.items():
            if seen.image is not None:
                height, width = seen.image.shape[:2]
                self._cameras.setdefault(name, Counter())[width, height] += 1
                self._fields_of_view.setdefault(name, []).append(_field_of_view(seen.camera))
        labels = annotation.mask_labels
        for mask in annotation.masks.values():
            counts = np.bincount(mask.ravel(), minlength=256)
            self._num_masks += 1
            self._num_telling += any(PERSON in each.classes for each in _sets(labels))
            self._pixels[labels] = self._pixels.get(labels, 0) + counts
            for each in _sets(labels):
                if PERSON in each.classes:
                    people = _in_set(counts, labels, each)[each.index(PERSON)]
                    self._num_with_people += bool(people)
                    break

    def summary(self) -> dict[str, Any]:
        """Summarise the frames so far.

        Returns:
            Plain values:

            - cameras: for each camera `sizes`, a list of [width, height, images], and
              `field_of_view`, the mean [horizontal, vertical] one of the rectified images,
              degrees.
            - masks: number of labelled images.
            - without_people: fraction of masks without a pedestrian, among those whose label set
              has a class for pedestrians; None if there are none.
            - pixels: for each label set (the data's own and the coarser ones), the fraction of
              each class among the pixels that have a class.
        """
        totals: dict[LabelSet, np.ndarray] = {}
        for labels, counts in self._pixels.items():
            for each in _sets(labels):
                totals[each] = totals.get(each, 0) + _in_set(counts, labels, each)
        pixels: dict[str, dict[str, float]] = {}
        for each, numbers in totals.items():
            shares = (numbers / max(numbers.sum(), 1)).round(5).tolist()
            pixels[each.name] = dict(zip(each.classes, shares, strict=True))
        without = 1 - self._num_with_people / self._num_telling if self._num_telling else None
        return {
            "cameras": {
                name: {
                    "sizes": [[*size, count] for size, count in sorted(sizes.items())],
                    "field_of_view": np.mean(self._fields_of_view[name], 0).round(1).tolist(),
                }
                for name, sizes in self._cameras.items()
            },
            "masks": self._num_masks,
            "without_people": None if without is None else round(without, 4),
            "pixels": pixels,
        }


def _sets(labels: LabelSet) -> list[LabelSet]:
    """Return a label set and the coarser ones that it maps to."""
    return [labels, *labels.coarser_sets()]


def _field_of_view(camera: Camera) -> tuple[float, float]:
    """Return the horizontal and vertical field of view of the rectified image, degrees."""
    width, height = camera.size
    focal = camera.rectified_matrix[0, 0], camera.rectified_matrix[1, 1]
    horizontal, vertical = np.degrees(2 * np.arctan2([width, height], [2 * f for f in focal]))
    return float(horizontal), float(vertical)


def _in_set(counts: np.ndarray, labels: LabelSet, wanted: LabelSet) -> np.ndarray:
    """Convert pixel counts by mask value (256,) to counts by class of `wanted` (C,)."""
    gathered = np.bincount(labels.mask_table(wanted), weights=counts, minlength=256)
    return gathered[: len(wanted)]
