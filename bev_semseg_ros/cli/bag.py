"""`bev-semseg bag`: write frames as a ROS 2 bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from bev_semseg_ros.cli.arguments import add_part_arguments, open_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg bag`."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="PATH",
        help="A2D2, KITTI or simulated frames",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="BAG",
        help="folder of the bag, which must not exist; calibration.yaml is written into it",
    )
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="file format (default: mcap)"
    )
    add_part_arguments(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="write only the first N frames")


def run(arguments: argparse.Namespace) -> int:
    """Write the bag and print what it holds. Return the exit status."""
    from bev_semseg_ros.output_path import check_output_folder
    from bev_semseg_ros.progress import Progress
    from bev_semseg_ros.ros.bag.writer import write_bag

    check_output_folder(arguments.out)
    dataset = open_data(arguments)
    with Progress("writing", min(arguments.limit or len(dataset), len(dataset))) as progress:
        summary = write_bag(
            dataset, arguments.out, arguments.storage, arguments.limit, progress.advance
        )
    print(
        f"{arguments.out}: {summary.frames} frames, {summary.clouds} clouds, "
        f"{summary.images} images; calibration: {summary.calibration}"
    )
    if summary.unrelated:
        print(
            f"{summary.unrelated} frames do not follow the one before them in a drive; each is "
            "stamped 0.5 s after it"
        )
    if summary.other_extrinsics:
        print(
            f"{summary.other_extrinsics} frames have a different calibration from the first; "
            f"{summary.calibration.name} and /tf_static hold that of the first"
        )
    return 0
