"""bev-semseg export."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="C", help="checkpoint of a training run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")


def run(arguments: argparse.Namespace) -> int:
    from bev_semseg_ros import checkpoint
    from bev_semseg_ros.model.network import Network

    if arguments.out.resolve() == arguments.checkpoint.resolve():
        raise ValueError(f"{arguments.out}: the run could not be resumed any more; give another --out")
    config, weights, info = checkpoint.load(arguments.checkpoint)
    network = Network(config)
    checkpoint.load_weights(network, weights, arguments.checkpoint)
    checkpoint.save(arguments.out, network, config, info, half=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0
