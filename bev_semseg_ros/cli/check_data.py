"""`bev-semseg check-data`: check labelled data before they are used."""

from __future__ import annotations

import argparse
from pathlib import Path

from bev_semseg_ros.cli.arguments import add_cameras_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg check-data`."""
    parser.description = (
        "Read every frame of a data set and say what is wrong and what to do. A fault would spoil "
        "the training; a warning is worth a look, such as a frame that lacks something. Exit "
        "status: 0 without faults (there may be warnings), 1 with faults, 2 for wrong arguments or "
        "a path that is not a data set."
    )
    parser.add_argument(
        "data",
        type=Path,
        metavar="PATH",
        help="A2D2, KITTI or simulated frames; must precede --cameras",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all findings")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 for warnings, too"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="C",
        help="compare with the training data of this network (default: the shipped one)",
    )
    add_cameras_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the report and write it if requested. Return the exit status."""
    from bev_semseg_ros.data.dataset import open_dataset
    from bev_semseg_ros.data_check import check_data
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.output_path import prepare_output_file, write_file
    from bev_semseg_ros.progress import Progress
    from bev_semseg_ros.resources import shipped_checkpoint

    prepare_output_file(arguments.json, "report.json", [arguments.checkpoint])
    dataset = open_dataset(arguments.data, None, arguments.cameras)
    trained = checkpoint.load(arguments.checkpoint or shipped_checkpoint())
    with Progress("checking", len(dataset)) as progress:
        report = check_data(dataset, arguments.data, trained, progress.advance)
    try:
        print(report.text())
    finally:  # even if the reader has closed the pipe, as `| head` does
        if arguments.json is not None:
            write_file(arguments.json, report.as_json())
    is_bad = report.count("fault") or (arguments.strict and report.count("warning"))
    return 1 if is_bad else 0
