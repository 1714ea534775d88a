"""`bev-semseg`: one program with a command for every way to use the package."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# Help stands here, so that `bev-semseg --help` loads no command (and with it no torch).
COMMANDS = {
    "demo": "a drive through the node, from nothing: what `make demo` runs",
    "synth": "write simulated drives in A2D2's or KITTI's layout",
    "train": "train a network",
    "export": "a training run's weights in half precision and without its state, to ship",
    "convert": "bring a checkpoint of version 0.1 to this version's format",
    "evaluate": "score a checkpoint on labelled frames",
    "visualize": "draw truth and predictions as pictures",
    "bag": "write frames as a ROS 2 bag",
    "play": "publish a bag with its timing",
    "doctor": "what is wrong with a bag or with live topics, and what to do",
    "node": "run the perception node",
}


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; what a user can mend is one line on stderr and exit status 2 (with --debug a traceback)."""
    # Threads that spin while they wait take the cores from the others; read when torch is loaded, so set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(arguments)
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
        if "--debug" in arguments:
            raise
        print(f"bev-semseg: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bev-semseg: interrupted", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="bev-semseg",
        description="Perception from lidar and camera: data, training, "
        "figures, pictures, and the ROS 2 node.",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    module = None
    for command, text in COMMANDS.items():
        subparser = commands.add_parser(
            command, help=text, description=text[0].upper() + text[1:] + "."
        )
        if command == name:
            module = importlib.import_module(f"bev_semseg_ros.cli.{command}")
            module.add_arguments(subparser)
    parsed = parser.parse_args(arguments)
    return module.run(parsed) or 0


if __name__ == "__main__":
    sys.exit(main())
