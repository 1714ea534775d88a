"""`bev-semseg evaluate`: score a checkpoint on labelled frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from bev_semseg_ros.cli.arguments import add_network_arguments, load_predictor, open_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg evaluate`."""
    add_network_arguments(parser)
    parser.add_argument(
        "--json", type=Path, required=True, metavar="OUT", help="file for the scores"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="S",
        help="boxes below this score are left out (default: 0.05)",
    )
    parser.add_argument(
        "--region",
        choices=("images", "grid"),
        default="images",
        help="where boxes and the classes of the bird's-eye view are scored: what the images show "
        "(default), or the whole grid, for data labelled all around the vehicle",
    )


def run(arguments: argparse.Namespace) -> int:
    """Score the checkpoint, print and write the scores. Return the exit status."""
    import json
    import sys

    from bev_semseg_ros.evaluation.fixed_set import check_folder
    from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, evaluate
    from bev_semseg_ros.output_path import prepare_output_file, write_file
    from bev_semseg_ros.progress import Progress

    prepare_output_file(arguments.json, "scores.json", [arguments.checkpoint])
    dataset = open_data(arguments)
    predictor = load_predictor(arguments)
    for difference in check_folder(arguments.data):
        print(f"warning: {difference}", file=sys.stderr)
    threshold = SCORE_THRESHOLD if arguments.score_threshold is None else arguments.score_threshold
    with Progress("evaluating", len(dataset)) as progress:
        report = evaluate(
            predictor,
            dataset,
            arguments.mode,
            threshold,
            on_frame=progress.advance,
            region=arguments.region,
        )
    names = {"data": str(arguments.data), "checkpoint": str(arguments.checkpoint)}
    result = names | report.result()
    try:
        print(report.table(result))
    finally:  # even if the reader has closed the pipe, as `| head` does
        write_file(arguments.json, json.dumps(result, indent=1) + "\n")
    return 0
