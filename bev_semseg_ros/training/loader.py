"""Prepared frames -> augmented batches with targets, made while the network trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import augment
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.model.tasks.detection.metric import in_image
from bev_semseg_ros.model.tasks.task import NEEDS, Targets, Task, encode_batch, parts_of
from bev_semseg_ros.training.cache import Cache
from bev_semseg_ros.training.workers import Workers, num_workers

THREADS = 2  # that make batches if no processes do
AHEAD = 2  # number of batches made in advance, for each of the threads or processes


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """The input and the targets of one training step.

    Attributes:
        batch: input of the network.
        targets: task -> its targets; tasks without a labelled frame are absent.
        names: names of the frames, for messages.
    """

    batch: Batch
    targets: Mapping[str, Targets]
    names: tuple[str, ...]


class Loader:
    """Makes training batches. Their order and augmentation depend only on the seed and the epoch.

    Threads or, with `training.num_workers`, processes make them. The processes start with the first
    batch and stay for all epochs. `close` ends them.

    Attributes:
        tasks: tasks that are trained.
        untrained: tasks that the configuration asks for, but for which no frame has labels.
        uses_camera: True if the training needs images.
    """

    def __init__(self, caches: Sequence[Cache], network: Network, config: Config) -> None:
        """Choose the frames.

        Args:
            caches: prepared frames.
            network: network to train.
            config: configuration of the training.

        Raises:
            ValueError: no frame has what a task needs; the message says what the tasks need.
        """
        self.config = config
        self._sees_without_points = network.fusion.finds_boxes_in_images
        wanted = trained_tasks(network.tasks, config)
        self.tasks = [task for task in wanted if self._has_frames(caches, task)]
        self.untrained = [task for task in wanted if task not in self.tasks]
        self._attributes = network.lidar_encoder.attributes
        self._with_rays = network.point_encoder.whole_clouds
        self._inputs = {part for task in self.tasks for part in task.needs}
        if any(task.view == "bev" for task in self.tasks):
            self._inputs.add("points")
            if network.fusion.uses_image:
                self._inputs.add("image")
        self.uses_camera = "image" in self._inputs
        self.frames = [
            (cache, index)
            for cache in caches
            for index in range(len(cache))
            if cache.has_labels(index, self.tasks)
        ]
        if not self.frames:
            needs = [f"{task.name} needs {needs_in_words(task)}" for task in wanted]
            raise ValueError(
                f"none of {sum(map(len, caches))} frames has what training needs: "
                f"{'; '.join(needs)}"
            )
        self._check_labels(caches)
        self._workers: Workers[TrainingBatch] | None = None

    def _has_frames(self, caches: Sequence[Cache], task: Task) -> bool:
        """Return False if no frame can train a task."""
        if task.view == "bev" and self._sees_without_points:
            return True  # frames of other tasks, which have no points, train it, too
        return any(
            cache.has_labels(index, [task]) for cache in caches for index in range(len(cache))
        )

    def _check_labels(self, caches: Sequence[Cache]) -> None:
        """Encode one frame of each data set for each task, to find errors before the run.

        Raises:
            ValueError: labels that share no set with those of the network.
        """
        for cache in caches:
            for task in self.tasks:
                labelled = (i for i in range(len(cache)) if cache.has_labels(i, [task]))
                first = next(labelled, None)
                if first is not None:
                    for part in parts_of(self.restrict(cache[first]), task):
                        task.encode(part)

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches of an epoch."""
        return len(self.order(0))

    def order(self, epoch: int) -> list[np.ndarray]:
        """Return the indices of the frames of each batch of an epoch.

        Every frame occurs once, except the few that do not fill a batch. With whole images (crop
        (0, 0)), the images of one batch have the same size. If a size has too few frames for a
        batch, they form a smaller batch, so that every size is trained.
        """
        rng = np.random.default_rng((self.config.seed, epoch))
        shuffled = rng.permutation(len(self.frames))
        groups = [shuffled]
        if self.config.training.crop == (0, 0) and self.uses_camera:
            shapes = np.array([_image_shape(cache, i) for cache, i in self.frames])[shuffled]
            groups = [shuffled[(shapes == shape).all(1)] for shape in np.unique(shapes, axis=0)]
        size = self.config.training.batch_size
        batches = []
        for group in groups:
            for start in range(0, max(len(group) - size + 1, 1), size):
                batches.append(group[start : start + size])
        return [batches[i] for i in rng.permutation(len(batches))]

    def batches(self, epoch: int, first: int = 0) -> Iterator[TrainingBatch]:
        """Yield the batches of an epoch in order, starting at index `first`.

        Raises:
            ChildProcessError: a process that makes batches was killed.
        """
        indices = islice(enumerate(self.order(epoch)), first, None)
        pending: deque[Future[TrainingBatch]] = deque()
        make, count = self._maker()
        with ThreadPoolExecutor(count) as pool:
            try:
                while True:
                    for number, frames in islice(indices, AHEAD * count - len(pending)):
                        seed = (self.config.seed, epoch, number)
                        pending.append(pool.submit(make, frames, seed))
                    if not pending:
                        return
                    yield pending.popleft().result()
            except BaseException:  # or the caller stops early: do not wait for unused batches
                pool.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise

    def _maker(self) -> tuple[Callable[..., TrainingBatch], int]:
        """Return what makes a batch, and the number of threads that may call it at a time."""
        count = num_workers(self.config.training)
        if not count:
            return self.make_batch, THREADS
        if self._workers is None:
            self._workers = Workers(self.make_batch, count)
        return self._workers.call, count

    def close(self) -> None:
        """End the processes that make batches, if there are any."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def make_batch(self, frames: np.ndarray, seed: tuple[int, ...]) -> TrainingBatch:
        """Return the batch of the frames with these indices."""
        rng = np.random.default_rng(seed)
        training = self.config.training
        examples, names = [], []
        for index in frames:
            cache, i = self.frames[index]
            example = augment(
                self.restrict(cache[i]),
                self.config.augmentation,
                self.config.grid,
                training.crop,
                rng,
            )
            examples.append(self._learnable(example))
            names.append(cache.name(i))
        targets: dict[str, Targets] = {}
        for task in self.tasks:
            encoded = encode_batch(examples, task)
            if encoded is not None:
                targets[task.name] = encoded
        samples = [example.sample for example in examples]
        batch = Batch.from_samples(samples, self._attributes, self._with_rays)
        return TrainingBatch(batch, targets, tuple(names))

    def restrict(self, example: Example) -> Example:
        """Return only the parts of an example that the training uses, to save time."""
        sample = example.sample
        if "points" not in self._inputs:
            sample = sample.without_points()
        if "image" not in self._inputs:
            sample = sample.without_images()
        example = replace(example, sample=sample)
        if "boxes" not in self._inputs:
            example = replace(example, boxes=None, ignored=None)
        if "mask" not in self._inputs:
            example = replace(example, masks={})
        return example

    def _learnable(self, example: Example) -> Example:
        """Leave out the boxes that the network cannot detect in an example without points.

        If the network finds boxes in images, boxes that no image shows are ignored. Otherwise the
        example gets no boxes.
        """
        boxes, sample = example.boxes, example.sample
        if boxes is None or sample.points is not None:
            return example
        if not self._sees_without_points:
            return replace(example, boxes=None, ignored=None)
        hidden = np.ones(len(boxes), bool)
        for seen in sample.images.values():
            hidden &= ~in_image(boxes.centers, seen.camera)
        ignored = hidden if example.ignored is None else example.ignored | hidden
        return replace(example, ignored=ignored)


def needs_in_words(task: Task) -> str:
    """Return what a frame must have to train a task, in words."""
    return " and ".join(words for part, words in NEEDS.items() if part in task.needs)


def _image_shape(cache: Cache, i: int) -> tuple[int, int]:
    """Return (height, width) of a frame's images, (0, 0) if there is none.

    Raises:
        ValueError: the images differ in size.
    """
    shapes = set(cache.image_shapes(i))
    if len(shapes) > 1:
        raise ValueError(
            f"{cache.name(i)}: its images differ in size; set training.crop, to which all are cut"
        )
    return shapes.pop() if shapes else (0, 0)


def trained_tasks(tasks: Sequence[Task], config: Config) -> list[Task]:
    """Return the tasks that a configuration trains.

    Raises:
        ValueError: names a task in `training.tasks` that the network does not have.
    """
    wanted = config.training.tasks
    known = [task.name for task in tasks]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(
            f"training.tasks: {unknown[0]!r} is not a task of the network; model.tasks has "
            f"{', '.join(known)}"
        )
    return [task for task in tasks if not wanted or task.name in wanted]
