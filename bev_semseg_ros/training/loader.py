"""Prepared frames -> augmented batches with targets, made by background threads while the network trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example, augment
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.model.network import Batch
from bev_semseg_ros.model.targets import Targets, frame_targets
from bev_semseg_ros.training.cache import Cache

THREADS = 2
AHEAD = 3  # batches made in advance


@dataclass(frozen=True, eq=False)
class Step:
    """One training step's input, truth and, for messages, the frames it is made of."""

    batch: Batch
    targets: Targets
    names: tuple[str, ...]


class Loader:
    """Steps in an order and with an augmentation that depend on the seed and the epoch alone, never on timing."""

    def __init__(self, caches: list[Cache], config: Config):
        """Raises ValueError if no frame has what the tasks need."""
        self.config = config
        self.tasks = config.training.tasks
        self.uses_camera = "segmentation" in self.tasks or config.model.fusion != "none"
        self.frames = [
            (cache, i)
            for cache in caches
            for i in range(len(cache))
            if cache.teaches(i, self.tasks)
        ]
        if not self.frames:
            needs = {"detection": "points and boxes", "segmentation": "an image and a mask"}
            raise ValueError(
                f"none of {sum(map(len, caches))} frames has what training needs: "
                + " or ".join(needs[task] for task in self.tasks)
            )

    @property
    def steps_per_epoch(self) -> int:
        return len(self.order(0))

    def order(self, epoch: int) -> list[np.ndarray]:
        """Frames of each step of an epoch: every frame once, but for the few that fill no batch.

        With whole images (crop (0, 0)) the images of one batch have one size; a kind of frames that fills no batch
        makes a smaller one, so that none is left out for good.
        """
        rng = np.random.default_rng((self.config.seed, epoch))
        shuffled = rng.permutation(len(self.frames))
        kinds = [shuffled]
        if self.config.training.crop == (0, 0) and self.uses_camera:
            shapes = np.array([cache.image_shape(i) for cache, i in self.frames])[shuffled]
            kinds = [shuffled[(shapes == shape).all(1)] for shape in np.unique(shapes, axis=0)]
        size = self.config.training.batch_size
        batches = [
            kind[start : start + size]
            for kind in kinds
            for start in range(0, max(len(kind) - size + 1, 1), size)
        ]
        return [batches[i] for i in rng.permutation(len(batches))]

    def steps(self, epoch: int) -> Iterator[Step]:
        """The steps of an epoch in order."""
        indices = iter(enumerate(self.order(epoch)))
        pending: deque[Future[Step]] = deque()
        with ThreadPoolExecutor(THREADS) as pool:
            try:
                while True:
                    for number, frames in islice(indices, AHEAD - len(pending)):
                        pending.append(
                            pool.submit(self.make_step, frames, (self.config.seed, epoch, number))
                        )
                    if not pending:
                        return
                    yield pending.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def make_step(self, frames: np.ndarray, seed: tuple[int, ...]) -> Step:
        """The step of these frames, by index."""
        rng = np.random.default_rng(seed)
        training = self.config.training
        examples = []
        for index in frames:
            cache, i = self.frames[index]
            examples.append(
                augment(
                    self.restrict(cache[i]),
                    self.config.augmentation,
                    self.config.grid,
                    training.crop,
                    rng,
                )
            )
        targets = [
            frame_targets(
                self.boxes(example),
                example.ignored,
                example.sample.points,
                example.mask,
                self.config.grid,
                self.config.loss,
            )
            for example in examples
        ]
        return Step(
            Batch.from_samples([example.sample for example in examples]),
            Targets.stack(targets),
            tuple(self.frames[index][0].name(self.frames[index][1]) for index in frames),
        )

    def restrict(self, example: Example) -> Example:
        """The part of an example that the tasks use: what they do not need costs no time."""
        sample = example.sample
        if "detection" not in self.tasks:
            example = replace(
                example, sample=replace(sample, points=None), boxes=None, ignored=None
            )
        elif not self.uses_camera:
            example = replace(example, sample=replace(sample, image=None, camera=None))
        return example if "segmentation" in self.tasks else replace(example, mask=None)

    def boxes(self, example: Example) -> Boxes | None:
        """The boxes that can be learnt: where the points are lost only cross-attention could still see something."""
        blind = example.sample.points is None and self.config.model.fusion != "cross_attention"
        return None if blind else example.boxes
