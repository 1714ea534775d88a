"""bev-semseg demo: what `make demo` runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Simulate a drive, play it (and the real drives that are there) to the perception node, "
        "score and draw what comes out. Needs no data and no screen."
    )
    parser.add_argument(
        "--out",
        default="runs/demo",
        metavar="DIR",
        help="folder of the results (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="trained network (default: the one that is shipped)"
    )


def run(arguments: argparse.Namespace) -> int:
    from bev_semseg_ros.resources import shipped_checkpoint
    from bev_semseg_ros.ros.demo import run_demo, table

    data = Path(os.environ.get("BEV_SEMSEG_DATA", "../shared/data"))
    summary = run_demo(
        arguments.out, arguments.checkpoint or shipped_checkpoint(), data if data.is_dir() else None
    )
    print(table(summary, Path(arguments.out)))
    return 0
