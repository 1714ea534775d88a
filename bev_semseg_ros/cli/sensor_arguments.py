"""Arguments of the commands that find the sensors of a vehicle: their topics and poses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bev_semseg_ros.cli.arguments import absolute_name

if TYPE_CHECKING:
    from bev_semseg_ros.ros.doctor.topics import SensorNames

# Option -> kind of input whose topics the option names.
TOPIC_OPTIONS = {"points": "points", "image": "image", "camera-info": "camera_info"}
MAX_HEIGHT = 10.0  # of a lidar above the ground, metres


def add_sensor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the sensors, their topics and their poses."""
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="file with the sensor poses (default: calibration.yaml in the bag's folder, else TF)",
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


def check_height(height: float | None) -> None:
    """Check the value of --lidar-height.

    Raises:
        ValueError: If no lidar is mounted at this height.
    """
    if height is not None and not 0 < height <= MAX_HEIGHT:
        raise ValueError(f"--lidar-height {height:g}: expected metres, up to {MAX_HEIGHT:g}")


def sensor_names(arguments: argparse.Namespace, bag: Path | None) -> SensorNames:
    """Return the names of the sensors that the command line or the calibration gives.

    Args:
        arguments: The parsed command line.
        bag: The bag, in whose folder the calibration may be.

    Raises:
        ValueError: If the calibration is damaged.
        FileNotFoundError: If it does not exist.
    """
    from bev_semseg_ros.data.calibration import load_calibration
    from bev_semseg_ros.ros.doctor.topics import SensorNames, calibration_beside

    file = arguments.calibration
    if file is None and bag is not None:
        file = calibration_beside(bag)
    return SensorNames(
        tuple(arguments.lidars),
        tuple(arguments.cameras),
        None if file is None else load_calibration(file),
    )


def topics_by_input(option: str, kind: str, values: Sequence[str]) -> dict[str, str]:
    """Return input -> topic of the values of an option.

    Args:
        option: The option, without dashes.
        kind: Kind of the inputs.
        values: TOPIC or NAME=TOPIC.

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
