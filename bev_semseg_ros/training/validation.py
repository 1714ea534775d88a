"""The data sets on which a training is evaluated after every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import Dataset, Subset
from bev_semseg_ros.data.example import Example, make_example
from bev_semseg_ros.evaluation.report import spaced
from bev_semseg_ros.frame import Annotation, Frame
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.model.tasks.task import Task, parts_of

MOST_CHECKED = 50  # frames of each data set


class ValidationData(Subset):
    """A data set whose errors name the option that gives it."""

    def __init__(self, dataset: Dataset, option: str) -> None:
        """Take all frames of a data set.

        Args:
            dataset: the data set.
            option: option and path that give it, for messages.
        """
        super().__init__(dataset, list(range(len(dataset))))
        self._option = option

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        with self._named_errors():
            return super().__getitem__(index)

    def check_labels(self, network: Network, config: Config) -> None:
        """Encode frames until each task that is scored had labels, to find errors before the run.

        At most MOST_CHECKED frames are read, because a task may have no labels.

        Args:
            network: network that is trained.
            config: configuration of the training.

        Raises:
            ValueError: labels that share no set with those of the network, or a frame that cannot
                be read.
        """
        pending = [task for task in network.tasks if task.metric() is not None]
        limit = config.training.validation_frames or MOST_CHECKED
        for index in spaced(len(self), min(limit, MOST_CHECKED)):
            if not pending:
                return
            frame, annotation = self[index]
            with self._named_errors():
                whole_clouds = network.point_encoder.whole_clouds
                example = make_example(frame, annotation, config, whole_clouds)
                for task in pending:
                    for part in parts_of(example, task):
                        task.encode(part)
            pending = [task for task in pending if not _has_labels(example, task)]

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            raise ValueError(f"{self._option}: {error}") from error


def _has_labels(example: Example, task: Task) -> bool:
    """Return True if an example has what a task needs."""
    there = {
        "points": example.sample.points is not None,
        "image": bool(example.sample.images),
        "boxes": example.boxes is not None,
        "point_classes": example.point_classes is not None,
        "mask": bool(example.masks),
    }
    return all(there[part] for part in task.needs)
