"""`bev-semseg extract`: turn a recorded drive into frames to label."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from bev_semseg_ros.cli.sensor_arguments import (
    TOPIC_OPTIONS,
    add_sensor_arguments,
    check_height,
    sensor_names,
    topics_by_input,
)

if TYPE_CHECKING:
    from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
    from bev_semseg_ros.ros.doctor.observation import Observation
    from bev_semseg_ros.ros.extraction.extract import Extraction, Extractor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg extract`."""
    parser.description = (
        "Write frames of a rosbag2 in KITTI's object layout, to label them and to train with them. "
        "Messages are matched and decoded as the node does if it is started as the doctor says. "
        "Exit status: 0 if there are frames, 2 if there are none or for wrong arguments."
    )
    parser.add_argument(
        "bag",
        type=Path,
        metavar="BAG",
        help="folder of a rosbag2, or a recorded file; must precede options with several values",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the data set, in which there must be no folder `training` yet",
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="shortest time between two frames; 0 for all frames (default: %(default)g)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="write only the first N frames")
    add_sensor_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the frames and print what was written. Return the exit status."""
    from bev_semseg_ros.input_check import findings_table
    from bev_semseg_ros.output_path import check_output_folder
    from bev_semseg_ros.progress import Progress
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.doctor.bag import read_bag
    from bev_semseg_ros.ros.doctor.diagnose import diagnose
    from bev_semseg_ros.ros.extraction.extract import Extractor

    bag, out = arguments.bag, arguments.out
    _check(arguments)
    check_output_folder(out)
    if (out / "training").exists():
        raise ValueError(f"{out / 'training'} exists, and may hold labels; give another --out")
    asked: dict[str, str] = {}
    for option, kind in TOPIC_OPTIONS.items():
        asked |= topics_by_input(option, kind, getattr(arguments, kind))
    observation = read_bag(bag, asked, sensor_names(arguments, bag))
    diagnosis = diagnose(
        observation,
        shipped_checkpoint(),
        arguments.calibration,
        arguments.base_frame,
        arguments.lidar_height,
    )
    faults = [each for each in diagnosis.findings if each.level == "fault"]
    if faults:  # shown before the long part, so that the user can correct them first
        print(findings_table(faults), file=sys.stderr)
    extractor = Extractor(observation, diagnosis)
    _require_usable({*asked, *arguments.lidars, *arguments.cameras}, observation, extractor)
    with Progress("extracting", extractor.num_messages, "messages") as progress:
        result = extractor.extract(bag, out, arguments.interval, arguments.limit, progress.advance)
    print(report(result, diagnosis, arguments))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raise ValueError if an argument has a value without meaning."""
    check_height(arguments.lidar_height)
    if not arguments.interval >= 0:
        raise ValueError(f"--interval {arguments.interval:g}: expected seconds, 0 or more")
    if arguments.limit is not None and arguments.limit < 1:
        raise ValueError(f"--limit {arguments.limit}: expected at least 1 frame")


def _require_usable(
    requested: Collection[str], observation: Observation, extractor: Extractor
) -> None:
    """Raise ValueError if the messages of a sensor that the user asked for cannot be used.

    Args:
        requested: Inputs whose topics the user gave, such as image or front/image, and names of
            sensors.
        observation: What the doctor has read of the bag.
        extractor: Has the sensors that can be used.
    """
    for name, problem in observation.wrong.items():
        if name in requested or name.rpartition("/")[2] in requested:
            raise ValueError(f"{name}: {problem}")
    for sensor in observation.sensors.all:
        is_requested = not {sensor.stream, sensor.kind, sensor.name}.isdisjoint(requested)
        if is_requested and sensor not in extractor.sensors:
            raise ValueError(
                f"{sensor.stream}: its messages cannot be used; see the faults above, or leave the "
                "sensor out"
            )


def report(result: Extraction, diagnosis: Diagnosis, arguments: argparse.Namespace) -> str:
    """Return what was written and left out, what was assumed, and what to do next.

    Args:
        result: What was extracted.
        diagnosis: What the doctor found.
        arguments: The parsed command line.
    """
    from bev_semseg_ros.resources import share_path, shipped_checkpoint

    out = arguments.out
    calibration = diagnosis.calibration
    assert calibration is not None  # there are frames
    height = next(iter(calibration.lidars.values())).ego_from_lidar[2, 3]
    lines = [
        f"{out}: {result.frames} frames, of {result.complete} matches with all sensors",
        *(f"  {topic} -> training/{folder}" for topic, folder in result.folders.items()),
        *(str(each) for each in diagnosis.findings if each.item == "calibration"),
        f"height of the first lidar above the ground: {height:.2f} m",
    ]
    if result.unused:
        lines.append(f"not used: {', '.join(result.unused)}")
    if result.unused or diagnosis.count("fault") or diagnosis.count("warning"):
        lines.append(f"`bev-semseg doctor` explains: {diagnosis.summary}")
    lines += [f"left out: {cause}" for cause in result.causes()]
    lines += [f"warning: {warning}" for warning in result.warnings]
    cameras = " --cameras all" if "image_3" in result.folders.values() else ""
    lines += [
        "",
        "Next, label the frames as docs/training.md says. These commands draw, check and train:",
        f"  bev-semseg visualize --checkpoint {shipped_checkpoint()} --data {out} "
        f"--out {out}/pictures{cameras}",
        f"  bev-semseg check-data {out}{cameras}",
        f"  bev-semseg train --config {share_path('config/a2d2.yaml')} --data {out} "
        f"--init {shipped_checkpoint()} --set name={out.name}{cameras}",
    ]
    return "\n".join(lines)
