"""`bev-semseg train`: train a network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bev_semseg_ros.cli.arguments import add_cameras_argument, print_file_check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg train`."""
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML file with the settings that differ from the defaults (config/synthetic.yaml, "
        "config/a2d2.yaml)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        nargs="+",
        metavar="PATH",
        help="data sets to train on",
    )
    parser.add_argument(
        "--val",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="data sets for a short evaluation after every epoch",
    )
    add_cameras_argument(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME, as configured)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in the run folder")
    parser.add_argument(
        "--init",
        type=Path,
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="initialize from these: each gives the parts it was trained for; later ones win",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings that override the file, such as training.max_minutes=40",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train and print the path of the checkpoint. Return the exit status."""
    from bev_semseg_ros import config as configuration
    from bev_semseg_ros.data.dataset import SplitDataset, open_dataset
    from bev_semseg_ros.training.run import train

    config = configuration.with_settings(configuration.load(arguments.config), arguments.set)
    split = config.training.validation_split
    for path in (*arguments.data, *arguments.val):
        dataset = open_dataset(path, None, arguments.cameras)
        print_file_check(dataset, path)
        if split and path in arguments.data and not len(SplitDataset(dataset, split)):
            print(
                f"  warning: no frames of the split {split!r}, because a single scene belongs to "
                "'train': the training is not evaluated on this data; give other frames with --val",
                file=sys.stderr,
            )
    checkpoint = train(
        config,
        arguments.data,
        arguments.out or Path("runs") / config.name,
        resume=arguments.resume,
        init=arguments.init,
        validation=arguments.val,
        cameras=arguments.cameras,
    )
    print(checkpoint)
    return 0
