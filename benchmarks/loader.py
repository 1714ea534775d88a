"""Measure how many frames per second the loader makes for the training, without a network.

usage: python benchmarks/loader.py --config FILE --data PATH... [--workers N...] [--set KEY=VALUE]

N is `training.num_workers`: the number of processes, 0 for two threads. The numbers take turns,
because the load of a machine may change. Each line is a median over the turns.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros import config as configuration
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.cache import open_cache
from bev_semseg_ros.training.loader import Loader


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--frames", type=int, default=500, help="in each turn, at least")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as `train` does
    config = configuration.with_settings(configuration.load(arguments.config), arguments.set)
    network = build_network(config)
    caches = [open_cache(path, config, arguments.cache) for path in arguments.data]
    rates: dict[int, list[float]] = {count: [] for count in arguments.workers}
    with ExitStack() as open_loaders:
        loaders = {}
        for count in rates:
            training = replace(config.training, num_workers=count)
            loader = Loader(caches, network, replace(config, training=training))
            loaders[count] = open_loaders.enter_context(closing(loader))
            frames_per_second(loader, 1)  # starts the processes
        for _ in range(arguments.turns):
            for count, loader in loaders.items():
                rates[count].append(frames_per_second(loader, arguments.frames))
    for count, found in rates.items():
        makers = f"{count} processes" if count else "2 threads"
        print(
            f"{makers:12} {np.median(found):6.0f} frames/s "
            f"({min(found):.0f} to {max(found):.0f} in {len(found)} turns)"
        )


def frames_per_second(loader: Loader, least: int) -> float:
    """Return the rate at which whole epochs of at least this many frames are made."""
    start, frames, epoch = time.perf_counter(), 0, 0
    while frames < least:
        frames += sum(len(batch.names) for batch in loader.batches(epoch))
        epoch += 1
    return frames / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
