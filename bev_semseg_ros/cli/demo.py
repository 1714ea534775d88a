"""`bev-semseg demo`: simulate drives and play them to the node; `make demo` runs this."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg demo`."""
    parser.description = (
        "Simulate drives, play them (and real drives, if there are any) to the perception node, "
        "and score and draw the results. Needs no data and no screen."
    )
    parser.add_argument(
        "--out",
        default="runs/demo",
        metavar="DIR",
        help="folder of the results, which replace those of an earlier demo (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="trained network (default: the shipped one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and print its summary. Return the exit status."""
    from bev_semseg_ros.output_path import check_output_folder
    from bev_semseg_ros.path_kind import require_file
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.demo import run_demo, table

    check_output_folder(Path(arguments.out))
    data = Path(os.environ.get("BEV_SEMSEG_DATA", "../shared/data"))
    checkpoint = arguments.checkpoint or shipped_checkpoint()
    require_file(checkpoint, "checkpoint")
    summary = run_demo(arguments.out, checkpoint, data if data.is_dir() else None)
    print(table(summary, Path(arguments.out)))
    return 0
