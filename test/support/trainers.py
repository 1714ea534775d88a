"""Trainers of small networks."""

from __future__ import annotations

from pathlib import Path

import torch

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.cache import Cache
from bev_semseg_ros.training.description import describe
from bev_semseg_ros.training.loader import Loader
from bev_semseg_ros.training.trainer import Trainer


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
