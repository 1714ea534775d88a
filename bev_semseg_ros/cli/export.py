"""`bev-semseg export`: a training run's weights, to ship."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg export`."""
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="C", help="checkpoint of a training run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--logit-adjustment",
        "--unweight",
        dest="logit_adjustment",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the class weights' effect on the segmentation to undo, 0 to 1, by logit "
        "adjustment (Menon et al. 2021): rare classes cover less (default: %(default)g)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the weights in half precision. Return the exit status."""
    import numpy as np

    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.losses import class_weights_from_counts, unweight
    from bev_semseg_ros.model.network import Network

    if arguments.out.resolve() == arguments.checkpoint.resolve():
        raise ValueError(
            f"{arguments.out}: the run could not be resumed after that; choose another --out"
        )
    config, weights, info = checkpoint.load(arguments.checkpoint)
    network = Network(config)
    checkpoint.load_weights(network, weights, arguments.checkpoint)
    if arguments.logit_adjustment:
        if "unweighted" in info:
            raise ValueError(
                f"{arguments.checkpoint}: its logits were adjusted already; export the checkpoint "
                "of the training run instead"
            )
        if "class_pixels" not in info:
            raise ValueError(
                f"{arguments.checkpoint}: it does not say how often it saw each class; "
                "--logit-adjustment needs the checkpoint of a training run"
            )
        weights_of_classes = class_weights_from_counts(np.array(info["class_pixels"]), config.loss)
        unweight(network, weights_of_classes, arguments.logit_adjustment)
        info["unweighted"] = arguments.logit_adjustment
    checkpoint.save(arguments.out, network, config, info, half=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0
