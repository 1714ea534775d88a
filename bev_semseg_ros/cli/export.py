"""bev-semseg export."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="C", help="checkpoint of a training run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--unweight",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the class weights' effect on the segmentation to take back, 0 to 1: rare "
        "classes are drawn less widely (default: %(default)g)",
    )


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.losses import class_weights_from_counts, unweight
    from bev_semseg_ros.model.network import Network

    if arguments.out.resolve() == arguments.checkpoint.resolve():
        raise ValueError(
            f"{arguments.out}: the run could not be resumed any more; give another --out"
        )
    config, weights, info = checkpoint.load(arguments.checkpoint)
    network = Network(config)
    checkpoint.load_weights(network, weights, arguments.checkpoint)
    if arguments.unweight:
        if "unweighted" in info or "class_pixels" not in info:
            raise ValueError(
                f"{arguments.checkpoint}: "
                + (
                    "was unweighted already"
                    if "unweighted" in info
                    else "does not say how often it saw each class; --unweight needs a training run's checkpoint"
                )
            )
        unweight(
            network,
            class_weights_from_counts(np.array(info["class_pixels"]), config.loss),
            arguments.unweight,
        )
        info["unweighted"] = arguments.unweight
    checkpoint.save(arguments.out, network, config, info, half=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0
