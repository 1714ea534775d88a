"""`bev-semseg play`: publish a rosbag2 with its recorded timing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bev_semseg_ros.cli.arguments import absolute_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg play`."""
    parser.description = (
        "Publish a rosbag2 (mcap or sqlite3) with its recorded timing, once its topics have "
        "subscribers. The last line of the output summarises in JSON what was sent."
    )
    parser.add_argument("bag", metavar="BAG", help="folder of the bag, or a recorded file")
    parser.add_argument(
        "--rate",
        type=float,
        default=1.0,
        metavar="R",
        help="times the recorded speed (default: %(default)g)",
    )
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    parser.add_argument(
        "--clock",
        action="store_true",
        help="publish /clock for nodes with use_sim_time; if the bag has /clock, that is published",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds to wait for subscribers before playing anyway (default: %(default)g)",
    )
    parser.add_argument(
        "--for",
        dest="listener",
        type=absolute_name,
        default="",
        metavar="NODE",
        help="node that must be among the subscribers, such as /perception (default: any); without "
        "--for, a node on a busy machine may lose the first messages",
    )
    parser.add_argument(
        "--log", metavar="FILE", help="write a line of JSON for each message that is published"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the bag and print what was sent. Return the exit status."""
    from bev_semseg_ros.output_path import prepare_output_file
    from bev_semseg_ros.ros.bag.player import play

    prepare_output_file(None if arguments.log is None else Path(arguments.log), "play.jsonl")
    summary = play(
        arguments.bag,
        rate=arguments.rate,
        loop=arguments.loop,
        clock=arguments.clock,
        wait=arguments.wait,
        listener=arguments.listener,
        log=arguments.log,
    )
    print(json.dumps(summary), flush=True)
    return 0
