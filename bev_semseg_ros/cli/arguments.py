"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bev_semseg_ros.config import GRIDS, GRIDS_MEANING
from bev_semseg_ros.frame import MODES

if TYPE_CHECKING:
    from bev_semseg_ros.data.dataset import Dataset
    from bev_semseg_ros.inference.predictor import Predictor


def absolute_name(name: str) -> str:
    """Return the name of a node or a topic with the slash that users leave out; "" stays ""."""
    return f"/{name.lstrip('/')}" if name else ""


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a checkpoint, how to run it, and labelled data."""
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="C", help="the trained network"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="PATH", help="A2D2, KITTI or simulated frames"
    )
    add_part_arguments(parser)
    parser.add_argument(
        "--mode", choices=MODES, default="fused", help="sensors to use (default: fused)"
    )
    parser.add_argument(
        "--grid",
        choices=GRIDS,
        default="forward",
        help=f"area in which boxes are found. {GRIDS_MEANING} (default: forward)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:n")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--engine", default="auto", help="auto, torch or openvino")


def add_part_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose a part of a data set: `--split` and `--cameras`."""
    parser.add_argument(
        "--split",
        choices=("train", "val"),
        help="whole scenes; one in five belongs to val (default: all frames)",
    )
    add_cameras_argument(parser)


def add_cameras_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that chooses the cameras of a data set."""
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="NAME",
        help="cameras to read, such as front_center front_left (A2D2) or image_02 image_03 "
        "(KITTI), the reference camera first; all: every camera of the data set (default: the "
        "reference camera)",
    )


def open_data(arguments: argparse.Namespace) -> Dataset:
    """Open the data set of `--data`, `--split` and `--cameras`, and print a check of its files.

    Args:
        arguments: The parsed command line.

    Returns:
        The data set.

    Raises:
        ValueError: If it has no frames or lacks one of the cameras.
    """
    from bev_semseg_ros.data.dataset import open_frames

    dataset = open_frames(arguments.data, arguments.split, arguments.cameras)
    print_file_check(dataset, arguments.data)
    return dataset


def print_file_check(dataset: Dataset, path: Path) -> None:
    """Print the short form of `bev-semseg check-data` on stderr. Errors do not stop the command.

    Args:
        dataset: A data set that is about to be read.
        path: Its path.
    """
    from bev_semseg_ros.data_check import check_files

    try:
        lines = check_files(dataset, path).lines()
    except Exception as error:  # also of a custom reader; reading a frame will raise it again
        lines = [f"{path}: not checked: {error!r}"]
    print("\n".join(lines), file=sys.stderr)


def load_predictor(arguments: argparse.Namespace) -> Predictor:
    """Load the checkpoint of the command line onto its device.

    Args:
        arguments: The parsed command line.

    Returns:
        The predictor.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is damaged, or the command line asks for something that this
            machine or this network cannot do.
    """
    from bev_semseg_ros.inference.predictor import Predictor

    predictor = Predictor.load(
        arguments.checkpoint,
        device=arguments.device,
        precision=arguments.precision,
        engine=arguments.engine,
        grid=arguments.grid,
    )
    if arguments.mode == "camera_only" and not predictor.uses_images:
        raise ValueError("--mode camera_only: the network uses no images; use lidar_only")
    if arguments.mode == "lidar_only" and all(task.view == "image" for task in predictor.tasks):
        raise ValueError("--mode lidar_only: the network uses no points; use camera_only")
    return predictor
