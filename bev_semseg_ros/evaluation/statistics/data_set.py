"""The statistics of one data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.evaluation.report import spaced
from bev_semseg_ros.evaluation.statistics.cloud import Cloud
from bev_semseg_ros.evaluation.statistics.images import ImageStatistics
from bev_semseg_ros.evaluation.statistics.objects import ObjectStatistics
from bev_semseg_ros.evaluation.statistics.points import PointStatistics
from bev_semseg_ros.frame import Annotation, Frame


class DataSetStatistics:
    """Gathers statistics frame by frame, without keeping the frames."""

    def __init__(self) -> None:
        self._num_frames = 0
        self._scenes: set[str] = set()
        self._points = PointStatistics()
        self._objects = ObjectStatistics()
        self._images = ImageStatistics()

    def add(self, frame: Frame, annotation: Annotation) -> None:
        """Add a frame.

        Args:
            frame: Sensor data.
            annotation: Ground truth of the frame.
        """
        self._num_frames += 1
        self._scenes.add(frame.scene)
        cloud = Cloud.of(frame)
        self._points.add(frame, cloud)
        self._objects.add(frame, annotation, cloud)
        self._images.add(frame, annotation)

    def summary(self) -> dict[str, Any]:
        """Return plain values: `frames`, `scenes`, `points`, `objects` and `images`.

        `PointStatistics`, `ObjectStatistics` and `ImageStatistics` say what the last three hold.
        """
        return {
            "frames": self._num_frames,
            "scenes": len(self._scenes),
            "points": self._points.summary(),
            "objects": self._objects.summary(),
            "images": self._images.summary(),
        }


def measure(
    dataset: Dataset,
    limit: int | None = None,
    on_frame: Callable[[int, Frame, Annotation], None] = lambda index, frame, annotation: None,
) -> DataSetStatistics:
    """Measure the frames of a data set one after the other.

    Args:
        dataset: Frames and ground truth.
        limit: Number of frames to measure, evenly spaced; None: all.
        on_frame: Called after every frame with its index among the measured frames.

    Returns:
        The statistics.
    """
    statistics = DataSetStatistics()
    for number, index in enumerate(spaced(len(dataset), limit)):
        frame, annotation = dataset[index]
        statistics.add(frame, annotation)
        on_frame(number, frame, annotation)
    return statistics
