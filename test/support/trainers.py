"""Trainers of small networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.cache import Cache
from bev_semseg_ros.training.description import describe
from bev_semseg_ros.training.loader import Loader, TrainingBatch
from bev_semseg_ros.training.trainer import Trainer


class InterruptedLoader(Loader):
    """A loader whose run is interrupted when the second epoch begins."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[TrainingBatch]:
        if epoch == 1:
            raise KeyboardInterrupt
        return super().batches(epoch, first)


def training(config: Config, cache: Cache, out: Path, loader: type[Loader] = Loader) -> Trainer:
    """Return a trainer that neither begins nor resumes a run yet."""
    torch.manual_seed(config.seed)
    network = build_network(config)
    made = Trainer(config, network, loader([cache], network, config), out)
    made.info |= describe([cache], made.loader.tasks)
    return made


def begun(
    config: Config, cache: Cache, out: Path, init: tuple = (), loader: type[Loader] = Loader
) -> Trainer:
    """Return a trainer that begins a run."""
    result = training(config, cache, out, loader)
    result.begin(list(init))
    return result
