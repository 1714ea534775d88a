"""`bev-semseg`: one program with a command for each way to use the package."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

# Command -> its help. It is kept here so that `bev-semseg --help` imports no command and no torch.
COMMANDS = {
    "demo": "simulate drives and play them to the node: what `make demo` runs",
    "synth": "write simulated drives in A2D2's or KITTI's layout",
    "train": "train a network",
    "export": "write a training run's weights in half precision, for the node",
    "convert": "convert a checkpoint of version 0.1 to this version's format",
    "evaluate": "score a checkpoint on labelled frames",
    "check-data": "check a data set before it is used, and say what is wrong",
    "statistics": "compare data sets on an HTML page: points, objects, sizes, pixels, pictures",
    "visualize": "draw ground truth and predictions as pictures",
    "bag": "write the frames of a data set as a ROS 2 bag",
    "extract": "write frames of a bag in KITTI's layout, to label and train with them",
    "play": "publish a bag with its recorded timing",
    "doctor": "check a bag or live topics, and say what to do",
    "node": "run the perception node",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    An error that the user can correct is one line on stderr, or a traceback with --debug.

    Args:
        arguments: The command line without the program; default: that of this process.

    Returns:
        The exit status: that of the command, 2 for an error, 130 for an interruption, 141 if the
        reader of the output has closed the pipe.
    """
    # Threads that spin while waiting take cores from other processes. torch reads this on import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the rest of the output
        return 141
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
        if "--debug" in arguments:
            raise
        print(f"bev-semseg: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bev-semseg: interrupted", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    """Parse the command line and run the command; only its own module is imported."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="bev-semseg",
        description="Perception from lidar and camera: data, training, evaluation, pictures, and "
        "the ROS 2 node.",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    module: Any = None
    for command, text in COMMANDS.items():
        subparser = commands.add_parser(
            command, help=text, description=text[0].upper() + text[1:] + "."
        )
        if command == name:
            module = importlib.import_module(f"bev_semseg_ros.cli.{command.replace('-', '_')}")
            module.add_arguments(subparser)
    parsed = parser.parse_args(arguments)  # exits unless `name` is a command
    return module.run(parsed)


if __name__ == "__main__":
    sys.exit(main())
