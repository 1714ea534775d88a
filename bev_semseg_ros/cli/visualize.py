"""`bev-semseg visualize`: draw ground truth and predictions as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from bev_semseg_ros.cli.arguments import add_network_arguments, load_predictor, open_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg visualize`."""
    add_network_arguments(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the pictures"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most N frames, evenly spaced (default: all)"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="S",
        help="do not draw boxes below this score (default: the checkpoint's)",
    )
    parser.add_argument(
        "--bev",
        action="store_true",
        help="draw the classes of the bird's-eye view even if the checkpoint has no task for them: "
        "they are then derived from its masks, as on the bev topics of the node",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the pictures and print how many. Return the exit status."""
    from bev_semseg_ros.evaluation.report import spaced
    from bev_semseg_ros.input_check import counted
    from bev_semseg_ros.output_path import check_output_folder
    from bev_semseg_ros.progress import Progress
    from bev_semseg_ros.visualization import picture_page
    from bev_semseg_ros.visualization.pictures import write_pictures

    check_output_folder(arguments.out)
    dataset = open_data(arguments)
    predictor = load_predictor(arguments)
    if arguments.bev and predictor.bev_labels is None:
        raise ValueError(
            "--bev: the checkpoint has neither the task bev_segmentation nor masks whose classes "
            "can be lifted; leave --bev out"
        )
    with Progress("drawing", len(spaced(len(dataset), arguments.limit))) as progress:
        count = write_pictures(
            predictor,
            dataset,
            arguments.out,
            arguments.mode,
            arguments.score_threshold,
            arguments.limit,
            arguments.bev,
            progress.advance,
        )
    print(f"{counted(count, 'picture')} in {arguments.out}")
    if count:
        print(f"{arguments.out / picture_page.NAME} shows them one by one, in a browser")
    return 0
