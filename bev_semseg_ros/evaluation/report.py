"""Score predictions against ground truth, and report the figures of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, load_label_set
from bev_semseg_ros.model.tasks.bev_segmentation.metric import BevSegmentationMetric
from bev_semseg_ros.model.tasks.task import Metric, Task, merged

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor

# Part of the bird's-eye view that is scored: what the images show, or the whole grid.
Region = Literal["images", "grid"]
LIFTED = "bev_segmentation"  # key of the map's scores, whether it is learned or lifted
SCORE_THRESHOLD = 0.05  # low, since average precision ranks every prediction


class Report:
    """Gathers the scores of frames for every task that has a metric."""

    def __init__(
        self, tasks: Sequence[Task], mode: Mode = "fused", region: Region = "images"
    ) -> None:
        """Start without frames.

        Args:
            tasks: Tasks of the network.
            mode: Sensors that the predictions use.
            region: Where BEV tasks are scored. "grid" needs labels all around the vehicle.
        """
        self.mode, self.region = mode, region
        self.num_frames = 0
        self._tasks = list(tasks)
        self._metrics: dict[str, Metric] = {}
        for task in tasks:
            metric = task.metric()
            if metric is not None:
                self._metrics[task.name] = metric
        self._of_lifted = metric_of_lifted_map(tasks)

    def add(self, frame: Frame, annotation: Annotation, prediction: Prediction | None) -> None:
        """Score a frame for all tasks that have ground truth.

        Args:
            frame: Sensor data.
            annotation: Ground truth of the frame.
            prediction: None if the frame has no data of the sensors that the mode uses.
        """
        self.num_frames += 1
        # Without cameras, boxes and cells outside the images count, too.
        around = replace(frame, cameras={}) if self.region == "grid" else frame
        for task in self._tasks:
            if task.name in self._metrics:
                seen = around if task.view == "bev" else frame
                self._metrics[task.name].add(seen, annotation, prediction, self.mode)
        if self._of_lifted is not None and annotation.bev is not None:
            self._metrics.setdefault(LIFTED, self._of_lifted)
            self._of_lifted.add(around, annotation, prediction, self.mode)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics by the names of their tasks."""
        return self._metrics

    def result(self) -> dict[str, Any]:
        """Return `mode`, `region`, `num_frames`, and the figures of each task by its name."""
        figures = {name: metric.result() for name, metric in self._metrics.items()}
        head = {"mode": self.mode, "region": self.region, "num_frames": self.num_frames}
        return {**head, **figures}

    def table(self, result: Mapping[str, Any]) -> str:
        """Format the figures of `result` as text."""
        where = ", scored on the whole grid" if result["region"] == "grid" else ""
        lines = [f"{result['num_frames']} frames, mode {result['mode']}{where}"]
        for name, metric in self._metrics.items():
            lines += ["", *metric.table(result[name])]
        return "\n".join(line.rstrip() for line in lines)

    def headline(self) -> dict[str, float | None]:
        """Return the main figures of all tasks, to be logged during training."""
        figures: dict[str, float | None] = {}
        for task in self._tasks:
            metric = self._metrics.get(task.name)
            if metric is not None:
                figures = merged(figures, metric.headline(metric.result()), task)
        return figures


def metric_of_lifted_map(tasks: Sequence[Task]) -> BevSegmentationMetric | None:
    """Return a metric of the map that is lifted from masks.

    Returns:
        The metric; None if one of the tasks learns the map, or if there are no masks that can be
        lifted.
    """
    by_name = {task.name: task for task in tasks}
    masks = by_name.get("segmentation")
    labels = load_label_set(DEFAULT_BEV_LABELS)
    if LIFTED in by_name or masks is None or masks.labels is None:
        return None
    return BevSegmentationMetric(labels, masks.config) if masks.labels.maps_to(labels) else None


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    mode: Mode = "fused",
    score_threshold: float = SCORE_THRESHOLD,
    limit: int | None = None,
    on_frame: Callable[[], None] = lambda: None,
    region: Region = "images",
) -> Report:
    """Run a predictor over a data set and score it.

    If a frame lacks a sensor that the mode needs, the network gets the remaining data. The mask of
    such a frame counts, its boxes do not. For a network that uses no images, "fused" means
    "lidar_only".

    Args:
        predictor: The network.
        dataset: Frames and ground truth.
        mode: Sensors to use.
        score_threshold: Boxes with lower scores are left out.
        limit: Number of frames to use, evenly spaced; None: all.
        on_frame: Called after every frame.
        region: Where BEV tasks are scored.
    """
    mode = predictor.effective_mode(mode)
    report = Report(predictor.tasks, mode, region)
    for index in spaced(len(dataset), limit):
        frame, annotation = dataset[index]
        prediction = None
        if has_input(frame, mode):
            prediction = predictor.predict(frame, mode, score_threshold)
        report.add(frame, annotation, prediction)
        on_frame()
    return report


def spaced(count: int, limit: int | None) -> list[int]:
    """Return at most `limit` of `count` indices, evenly spaced and starting with 0.

    Raises:
        ValueError: If the limit is not positive.
    """
    if limit is None:
        return list(range(count))
    if limit < 1:
        raise ValueError(f"limit: expected at least 1 frame, got {limit}")
    if limit >= count:
        return list(range(count))
    return [i * count // limit for i in range(limit)]


def has_input(frame: Frame, mode: Mode) -> bool:
    """Return True if a frame has data of the sensors that the mode uses."""
    wanted = {
        "fused": frame.has_points or frame.has_image,
        "lidar_only": frame.has_points,
        "camera_only": frame.has_image,
    }
    return wanted[mode]
