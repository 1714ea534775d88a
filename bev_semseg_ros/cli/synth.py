"""`bev-semseg synth`: write simulated drives."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from bev_semseg_ros.output_path import check_output_folder
from bev_semseg_ros.sim.generate import generate
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.source import RANDOM


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg synth`."""
    sizes = ", ".join(
        f"{name} {rig.reference_camera.size[0]}x{rig.reference_camera.size[1]}"
        for name, rig in RIGS.items()
    )
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="folder to write to; an interrupted run is resumed there",
    )
    parser.add_argument("--scenes", type=int, required=True, help="number of drives")
    parser.add_argument(
        "--first-scene",
        type=int,
        default=0,
        metavar="N",
        help="number of the first drive (default: 0). Several runs with disjoint ranges, such as "
        "the tasks of an array job, may write to one OUT at the same time; together they give the "
        "same files as one run",
    )
    parser.add_argument("--frames", type=int, required=True, help="frames per drive, 0.1 s apart")
    parser.add_argument(
        "--rig",
        required=True,
        metavar="RIG",
        help=f"sensors, which also determine the data set's layout: {', '.join(RIGS)}; {RANDOM} "
        "for a different rig in each drive, in KITTI's layout; or, for your own vehicle, a "
        "calibration YAML with the beams of your lidars, in KITTI's layout (docs/your_vehicle.md)",
    )
    parser.add_argument(
        "--seed", type=int, required=True, help="the same seed gives the same files"
    )
    parser.add_argument(
        "--image-size",
        type=_size,
        metavar="WxH",
        help=f"size of the images (default: that of the rig, {sizes}; for a calibration YAML, the "
        f"network's image size); not with --rig {RANDOM}",
    )
    parser.add_argument(
        "--full-turn",
        action="store_true",
        help="also keep lidar points outside all images (default: only those in an image)",
    )
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")


def run(arguments: argparse.Namespace) -> int:
    """Write the drives. Return the exit status."""
    check_output_folder(arguments.out)
    generate(
        arguments.out,
        arguments.rig,
        arguments.scenes,
        arguments.frames,
        arguments.seed,
        arguments.image_size,
        arguments.workers,
        command=shlex.join(["bev-semseg", *sys.argv[1:]]),
        full_turn=arguments.full_turn,
        first_scene=arguments.first_scene,
    )
    return 0


def _size(text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT."""
    try:
        width, height = (int(value) for value in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 640x403, got {text!r}"
        ) from None
    return width, height
