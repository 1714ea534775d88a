"""`bev-semseg node`: run the perception node without `ros2 run`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg node`."""
    parser.usage = "%(prog)s [-h] [--ros-args ...]"
    parser.description = (
        "Run the perception node. All arguments go to ROS, such as --ros-args --params-file FILE."
    )
    parser.set_defaults(help_text=parser.format_help())
    parser.prefix_chars = "\0"  # otherwise argparse treats --ros-args as an option
    parser.add_argument("ros_arguments", nargs="*", metavar="--ros-args ...")


def run(arguments: argparse.Namespace) -> int:
    """Run the node, which ends the process, or print the help. Return the exit status."""
    if arguments.ros_arguments[:1] in (["-h"], ["--help"]):
        from bev_semseg_ros.ros.node.shutdown import EXIT_CODES

        print(
            arguments.help_text,
            "exit codes:",
            *(f"  {code}  {text}" for code, text in EXIT_CODES.items()),
            sep="\n",
        )
        return 0
    from bev_semseg_ros.ros.node.main import main

    main(["perception", *arguments.ros_arguments])
