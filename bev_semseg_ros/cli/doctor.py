"""`bev-semseg doctor`: check a bag or live topics, and say what to do."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg doctor`."""
    parser.description = (
        "Check a bag, or live topics, and say what is wrong and what to do. Exit status: 0 without "
        "faults (there may be warnings), 1 with faults, 2 for wrong arguments or a bag that cannot "
        "be read."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "bag",
        type=Path,
        nargs="?",
        metavar="BAG",
        help="folder of a rosbag2, of which the first minute is read",
    )
    source.add_argument(
        "--live", type=float, metavar="SECONDS", help="listen to live topics for so long"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="C", help="the network (default: the shipped one)"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="where the sensors sit (default: calibration.yaml in the bag's folder, else TF)",
    )
    parser.add_argument(
        "--base-frame",
        metavar="FRAME",
        default="",
        help="TF's frame with the vehicle's axes (default: base_footprint, base_link, or what the "
        "lidar is mounted on by /tf_static)",
    )
    for name in ("points", "image", "camera-info"):
        parser.add_argument(
            f"--{name}",
            metavar="TOPIC",
            default="",
            help="default: the only one of its type, or the one with most messages",
        )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write findings and statistics")
    parser.add_argument(
        "--params",
        type=Path,
        metavar="OUT.yaml",
        help="write a parameter file with which the node works on this input",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the findings and write the files asked for. Return the exit status."""
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.doctor.diagnose import diagnose

    asked = {
        "points": arguments.points,
        "image": arguments.image,
        "camera_info": arguments.camera_info,
    }
    if arguments.live is None:
        from bev_semseg_ros.ros.doctor.bag import read_bag

        observation = read_bag(arguments.bag, asked)
    else:
        from bev_semseg_ros.ros.doctor.live import listen

        observation = listen(arguments.live, asked)
    diagnosis = diagnose(
        observation,
        arguments.checkpoint or shipped_checkpoint(),
        arguments.calibration,
        arguments.base_frame,
    )
    if arguments.checkpoint is not None:
        diagnosis.set_parameter("checkpoint", str(arguments.checkpoint.resolve()))
    print(diagnosis.table())
    print(f"\n{diagnosis.summary}\n{diagnosis.how_to_start(arguments.params)}")
    if arguments.json is not None:
        arguments.json.write_text(diagnosis.as_json())
    if arguments.params is not None:
        diagnosis.write_parameters(arguments.params)
    return 1 if diagnosis.count("fault") else 0
