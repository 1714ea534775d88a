"""The prepared frames of a tiny data set, and batches of them."""

from __future__ import annotations

from pathlib import Path

from support.memory_dataset import TINY, TinyDataset

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.cache import Cache, build
from bev_semseg_ros.training.loader import Loader, TrainingBatch


def cache_of(dataset: TinyDataset, folder: Path, config: Config = TINY) -> Cache:
    build(dataset, config, folder)
    return Cache(folder)


def loader_of(caches: list[Cache], config: Config = TINY) -> Loader:
    return Loader(caches, build_network(config), config)


def first_batch(caches: list[Cache], config: Config = TINY) -> TrainingBatch:
    return next(loader_of(caches, config).batches(0))
