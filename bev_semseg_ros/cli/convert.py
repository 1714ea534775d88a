"""`bev-semseg convert`: convert a checkpoint of version 0.1 to this version's format."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg convert`."""
    parser.add_argument("checkpoint", type=Path, metavar="OLD", help="checkpoint of version 0.1")
    parser.add_argument("--out", type=Path, required=True, metavar="NEW", help="file to write")


def run(arguments: argparse.Namespace) -> int:
    """Write the checkpoint. Return the exit status."""
    from bev_semseg_ros.inference.conversion import convert
    from bev_semseg_ros.output_path import prepare_output_file

    prepare_output_file(arguments.out, "new.pt", [arguments.checkpoint])
    convert(arguments.checkpoint, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0
