"""Statistics of labelled boxes: their number and sizes, and the points in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.evaluation.statistics.cloud import INTENSITY_BINS, RANGES, Cloud, range_bins
from bev_semseg_ros.evaluation.statistics.histogram import Histogram
from bev_semseg_ros.frame import Annotation, Boxes, Frame
from bev_semseg_ros.geometry import points_in_boxes
from bev_semseg_ros.labels import DEFAULT_BOX_LABELS, load_label_set
from bev_semseg_ros.model.tasks.detection.metric import MIN_POINTS, counted, scorable

PEDESTRIAN, CYCLIST = "pedestrian", "cyclist"
SIDES = ("length", "width", "height")
HEIGHT_BINS = 10
MOST_PEOPLE = 10  # frames with this many people or more are counted together


@dataclass
class _Class:
    """Statistics of the boxes of a class.

    Attributes:
        num_boxes: Number of labelled boxes.
        num_counted: Number of counted boxes (see `ObjectStatistics.summary`).
        sizes: (length, width, height) of each box, metres.
        points: For each bin of RANGES, the numbers of points in boxes that have points.
        heights: Heights of points in their box, from 0 (bottom) to 1 (top).
        intensity: Intensities of the same points.
    """

    num_boxes: int = 0
    num_counted: int = 0
    sizes: list[np.ndarray] = field(default_factory=list)
    points: list[list[int]] = field(default_factory=lambda: [[] for _ in RANGES])
    heights: Histogram = field(default_factory=lambda: Histogram(0, 1, HEIGHT_BINS))
    intensity: Histogram = field(default_factory=lambda: Histogram(0, 1, INTENSITY_BINS))


class ObjectStatistics:
    """Gathers the labelled boxes of frames. Frames whose boxes are unlabelled are left out.

    Boxes get the classes of the default label set if their own label set maps to it.
    """

    def __init__(self, grid: GridConfig | None = None) -> None:
        """Start without frames.

        Args:
            grid: Area in which boxes are counted; default: the network's default grid.
        """
        self._grid = grid or GridConfig()
        self._num_frames = 0
        self._classes: dict[str, _Class] = {}
        self._people = np.zeros(MOST_PEOPLE + 1, np.int64)  # number of frames by number of people
        self._num_without_riders = 0

    def add(self, frame: Frame, annotation: Annotation, cloud: Cloud) -> None:
        """Add a frame.

        Args:
            frame: Sensor data.
            annotation: Ground truth of the frame.
            cloud: Points of the frame.
        """
        wanted = load_label_set(DEFAULT_BOX_LABELS)
        if annotation.boxes is None:
            return
        if annotation.box_labels.maps_to(wanted):
            annotation = annotation.with_labels(box_labels=wanted)
        boxes, ignored = annotation.boxes, annotation.ignored
        assert boxes is not None
        self._num_frames += 1
        is_object = boxes.labels >= 0
        if ignored is not None:
            is_object &= ~ignored
        is_counted = counted(frame, annotation, self._grid) & is_object
        cameras = [seen.camera for seen in frame.cameras.values()]
        in_view = scorable(boxes.centers, self._grid, cameras) & is_object
        names = [annotation.box_labels.classes[label] for label in boxes.labels]
        for name in annotation.box_labels.classes:
            self._classes.setdefault(name, _Class())
        for index in np.flatnonzero(is_object):
            of_class = self._classes[names[index]]
            of_class.num_boxes += 1
            of_class.num_counted += int(is_counted[index])
            of_class.sizes.append(boxes.sizes[index])
            if in_view[index]:
                _add_points(of_class, boxes[index : index + 1], cloud)
        people = [name for name, is_one in zip(names, is_counted, strict=True) if is_one]
        self._people[min(people.count(PEDESTRIAN), MOST_PEOPLE)] += 1
        self._num_without_riders += PEDESTRIAN not in people and CYCLIST not in people

    def summary(self) -> dict[str, Any]:
        """Summarise the frames so far.

        Returns:
            Plain values. *Counted* boxes are those that count in the evaluation: within
            `metric.MAX_RANGE`, in the grid, in an image if there is a camera, and with at least
            `metric.MIN_POINTS` points.

            - frames: frames with labelled boxes.
            - people: fraction of these frames with 0, 1, 2, ... counted pedestrians; the last
              entry is for MOST_PEOPLE or more.
            - without_people_and_riders: fraction of these frames with neither a counted
              pedestrian nor a counted cyclist; None without frames.
            - classes: for each class `count`, `per_frame`, `counted`, `counted_per_frame`, `size`
              (mean and standard deviation of length, width and height in metres), `points` (see
              `_points_by_range`), `height_profile` (fractions of the points in HEIGHT_BINS equal
              parts of the box's height, from bottom to top) and percentiles of the `intensity`.
        """
        count = max(self._num_frames, 1)
        without = round(self._num_without_riders / count, 4) if self._num_frames else None
        return {
            "frames": self._num_frames,
            "people": (self._people / count).round(4).tolist(),
            "without_people_and_riders": without,
            "classes": {
                name: {
                    "count": each.num_boxes,
                    "per_frame": round(each.num_boxes / count, 3),
                    "counted": each.num_counted,
                    "counted_per_frame": round(each.num_counted / count, 3),
                    "size": _mean_size(each.sizes),
                    "points": _points_by_range(each.points),
                    "height_profile": each.heights.shares(),
                    "intensity": each.intensity.percentiles(),
                }
                for name, each in self._classes.items()
            },
        }


def _add_points(of_class: _Class, box: Boxes, cloud: Cloud) -> None:
    """Add the points in one box to the statistics of its class."""
    inside = points_in_boxes(cloud.positions, box)[0]
    num_points = int(inside.sum())
    if num_points:
        of_class.points[range_bins(box.centers)[0]].append(num_points)
    if num_points >= MIN_POINTS:
        bottom = box.centers[0, 2] - box.sizes[0, 2] / 2
        of_class.heights.add((cloud.positions[inside, 2] - bottom) / box.sizes[0, 2])
        of_class.intensity.add(cloud.intensities[inside])


def _mean_size(sizes: list[np.ndarray]) -> dict[str, list[float]] | None:
    """Return mean and standard deviation of each side of boxes; None if there are none."""
    if not sizes:
        return None
    mean, deviation = np.mean(sizes, 0).round(3), np.std(sizes, 0).round(3)
    sides = zip(SIDES, mean.tolist(), deviation.tolist(), strict=True)
    return {name: [average, spread] for name, average, spread in sides}


def _points_by_range(points: list[list[int]]) -> dict[str, dict[str, float]]:
    """Return, for each range with objects, their number and percentiles of the points in a box.

    Objects without points are left out, because it is unknown how many of them are labelled.
    """
    found = {}
    for name, counts in zip(RANGES, points, strict=True):
        if counts:
            low, median, high = np.percentile(counts, (10, 50, 90)).round(1).tolist()
            found[name] = {"objects": len(counts), "10": low, "50": median, "90": high}
    return found
