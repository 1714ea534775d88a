"""`bev-semseg doctor`: check a bag or live topics, and say what to do."""

from __future__ import annotations

import argparse
from pathlib import Path

from bev_semseg_ros.cli.sensor_arguments import (
    TOPIC_OPTIONS,
    add_sensor_arguments,
    check_height,
    sensor_names,
    topics_by_input,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg doctor`."""
    parser.description = (
        "Check a bag, or live topics, and say what is wrong and what to do. Exit status: 0 without "
        "faults (there may be warnings), 1 with faults, 2 for wrong arguments or a bag that cannot "
        "be read."
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "bag",
        type=Path,
        nargs="?",
        metavar="BAG",
        help="folder of a rosbag2, or a recorded file, of which the first minute is read; must "
        "precede --lidars and --cameras",
    )
    source.add_argument(
        "--live", type=float, metavar="SECONDS", help="listen to live topics for this long"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="C", help="the network (default: the shipped one)"
    )
    parser.add_argument(
        "--extrinsics",
        choices=("calibration", "tf"),
        default="calibration",
        help="where the node will take the poses from. calibration: the file; if there is none, "
        "--params writes one from TF. tf: the node itself looks up the poses in TF, which needs "
        "tf2_ros (default: calibration)",
    )
    add_sensor_arguments(parser)
    parser.add_argument(
        "--no-speed",
        action="store_true",
        help="skip the last check, which measures how many frames per second to expect on this "
        "machine: it compiles and runs the network, which takes several seconds",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write findings and statistics")
    parser.add_argument(
        "--params",
        type=Path,
        metavar="OUT.yaml",
        help="write a parameter file for running the node on this input",
    )
    parser.add_argument(
        "--write-beams",
        action="store_true",
        help="write the beams of the lidars, as measured, into the calibration file; `bev-semseg "
        "synth --rig FILE` needs them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the findings and write the requested files. Return the exit status."""
    from bev_semseg_ros.output_path import prepare_output_file, write_file
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.doctor.diagnose import diagnose

    check_height(arguments.lidar_height)
    inputs = [arguments.checkpoint, arguments.calibration]
    prepare_output_file(arguments.json, "doctor.json", inputs)
    prepare_output_file(arguments.params, "params.yaml", inputs)
    bag, asked = bag_and_topics(arguments)
    names = sensor_names(arguments, bag)
    if bag is not None:
        from bev_semseg_ros.ros.doctor.bag import read_bag

        observation = read_bag(bag, asked, names)
    else:
        from bev_semseg_ros.ros.doctor.live import listen

        observation = listen(arguments.live, asked, names)
    checkpoint = arguments.checkpoint or shipped_checkpoint()
    diagnosis = diagnose(
        observation,
        checkpoint,
        arguments.calibration,
        arguments.base_frame,
        arguments.lidar_height,
        node_uses_tf=arguments.extrinsics == "tf",
    )
    if arguments.checkpoint is not None:
        diagnosis.set_parameter("checkpoint", str(arguments.checkpoint.resolve()))
    if not arguments.no_speed:
        from bev_semseg_ros.ros.doctor.speed import check_speed

        check_speed(observation, checkpoint, diagnosis)
    try:
        print(diagnosis.table())
        print(f"\n{diagnosis.summary}\n{diagnosis.how_to_start(arguments.params)}")
    finally:  # even if the reader has closed the pipe, as `| head` does
        if arguments.json is not None:
            write_file(arguments.json, diagnosis.as_json())
        if arguments.params is not None:
            diagnosis.write_parameters(arguments.params)
    if arguments.write_beams:
        lacking = diagnosis.write_beams()
        exception = f", but not those of {', '.join(lacking)}: see above" if lacking else ""
        print(f"beams written into {diagnosis.calibration_file}{exception}")
    return 1 if diagnosis.count("fault") else 0


def bag_and_topics(arguments: argparse.Namespace) -> tuple[Path | None, dict[str, str]]:
    """Return the bag, if there is one, and the requested topics.

    Returns:
        The bag, and input -> topic, such as "front/image" -> "/front/image".

    Raises:
        ValueError: If there is neither a bag nor --live, or if a topic is malformed.
    """
    bag: Path | None = arguments.bag
    asked: dict[str, str] = {}
    for option, kind in TOPIC_OPTIONS.items():
        values: list[str] = getattr(arguments, kind)
        if bag is None and arguments.live is None and len(values) > 1 and "=" not in values[-1]:
            bag = Path(values.pop())  # argparse mistakes a BAG after `--points TOPIC` for a topic
        asked |= topics_by_input(option, kind, values)
    if bag is None and arguments.live is None:
        raise ValueError(
            "expected a BAG or --live SECONDS (BAG must precede --lidars and --cameras)"
        )
    return bag, asked
