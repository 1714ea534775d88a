"""`bev-semseg doctor`: check a bag or live topics, and say what to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bev_semseg_ros.cli.arguments import absolute_name

# Option -> kind of input whose topics the option names.
TOPIC_OPTIONS = {"points": "points", "image": "image", "camera-info": "camera_info"}
MAX_HEIGHT = 10.0  # of a lidar above the ground, metres


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
        "--calibration",
        type=Path,
        metavar="FILE",
        help="file with the sensor poses (default: calibration.yaml in the bag's folder, else TF)",
    )
    parser.add_argument(
        "--extrinsics",
        choices=("calibration", "tf"),
        default="calibration",
        help="where the node will take the poses from. calibration: the file; if there is none, "
        "--params writes one from TF. tf: the node itself looks up the poses in TF, which needs "
        "tf2_ros (default: calibration)",
    )
    parser.add_argument(
        "--base-frame",
        metavar="FRAME",
        default="",
        help="frame of the vehicle in TF (default: base_footprint, base_link, or the frame that "
        "the lidar is mounted on according to /tf_static)",
    )
    parser.add_argument(
        "--lidar-height",
        type=float,
        metavar="METRES",
        help="height of the first lidar above the ground, if the poses come from TF (default: that "
        "above base_footprint, or above the lowest points)",
    )
    for kind, topic in (("lidar", "/NAME/points"), ("camera", "/NAME/image")):
        parser.add_argument(
            f"--{kind}s",
            nargs="+",
            metavar="NAME",
            default=[],
            help=f"names of the {kind}s, as in the node's parameter {kind}s; their topics are "
            f"{topic} (default: the names in the calibration, if a topic begins with one of them; "
            f"otherwise one {kind} without a name)",
        )
    for option in TOPIC_OPTIONS:
        parser.add_argument(
            f"--{option}",
            nargs="+",
            metavar="TOPIC",
            default=[],
            help="TOPIC, or NAME=TOPIC for sensors with names (default: the topic that begins with "
            "the name; without names, the topic whose messages suit best)",
        )
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
    from bev_semseg_ros.data.calibration import load_calibration
    from bev_semseg_ros.path_kind import prepare_output_file, write_file
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.doctor.diagnose import diagnose
    from bev_semseg_ros.ros.doctor.topics import SensorNames, calibration_beside

    height = arguments.lidar_height
    if height is not None and not 0 < height <= MAX_HEIGHT:
        raise ValueError(f"--lidar-height {height:g}: expected metres, up to {MAX_HEIGHT:g}")
    prepare_output_file(arguments.json, "doctor.json")
    prepare_output_file(arguments.params, "params.yaml")
    bag, asked = bag_and_topics(arguments)
    file = arguments.calibration
    if file is None and bag is not None:
        file = calibration_beside(bag)
    names = SensorNames(
        tuple(arguments.lidars),
        tuple(arguments.cameras),
        None if file is None else load_calibration(file),
    )
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
        height,
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
        asked |= _topics_by_input(option, kind, values)
    if bag is None and arguments.live is None:
        raise ValueError(
            "expected a BAG or --live SECONDS (BAG must precede --lidars and --cameras)"
        )
    return bag, asked


def _topics_by_input(option: str, kind: str, values: Sequence[str]) -> dict[str, str]:
    """Return input -> topic of the values of an option.

    Raises:
        ValueError: If a value lacks its topic, or its name although there are several values.
    """
    asked = {}
    for value in values:
        name, separator, topic = value.rpartition("=")
        if not topic or (separator and not name) or (not separator and len(values) > 1):
            raise ValueError(f"--{option} {value}: expected NAME=TOPIC, as in front=/front/image")
        asked[f"{name}/{kind}" if name else kind] = absolute_name(topic)
    return asked
