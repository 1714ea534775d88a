"""`bev-semseg statistics`: write a page that compares data sets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bev_semseg_ros.cli.arguments import add_part_arguments, print_file_check

if TYPE_CHECKING:
    from bev_semseg_ros.data.dataset import Dataset
    from bev_semseg_ros.frame import Annotation, Frame
    from bev_semseg_ros.visualization.statistics_page import Column


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg statistics`."""
    parser.description = (
        "Measure data sets and write an HTML page that shows them side by side: points by "
        "range, objects by class, points per object, sizes, intensity, pixels per class, and a "
        "sheet of pictures. The pictures show frames of the data sets. If these are real, write "
        "the page to runs/, which git ignores, or leave the pictures out with --no-pictures."
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        nargs="+",
        metavar="DIR",
        help="data sets: A2D2, KITTI or simulated frames",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PAGE", help="file to write, such as page.html"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers as JSON")
    add_part_arguments(parser)
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="at most N frames of each set, evenly spaced (default: all)",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=6,
        metavar="N",
        help="frames of each set that are shown (default: %(default)s)",
    )
    parser.add_argument(
        "--no-pictures",
        dest="pictures",
        action="store_const",
        const=0,
        help="leave the pictures out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print where it is. Return the exit status."""
    import json

    from bev_semseg_ros.data.dataset import open_frames
    from bev_semseg_ros.input_check import counted
    from bev_semseg_ros.output_path import prepare_output_file, write_file
    from bev_semseg_ros.visualization.statistics_page import render_page

    prepare_output_file(arguments.out, "page.html")
    prepare_output_file(arguments.json, "statistics.json")
    datasets = [open_frames(path, arguments.split, arguments.cameras) for path in arguments.data]
    for path, dataset in zip(arguments.data, datasets, strict=True):
        print_file_check(dataset, path)
    columns = [
        _column(name, dataset, arguments.limit, arguments.pictures)
        for name, dataset in zip(_names(arguments.data), datasets, strict=True)
    ]
    write_file(arguments.out, render_page(columns))
    if arguments.json is not None:
        summaries = {column.name: column.summary for column in columns}
        write_file(arguments.json, json.dumps(summaries, indent=1) + "\n")
    num_frames = sum(column.summary["frames"] for column in columns)
    content = f"{counted(num_frames, 'frame')} of {counted(len(columns), 'data set')}"
    print(f"{arguments.out}: {content}")
    return 0


def _column(name: str, dataset: Dataset, limit: int | None, num_pictures: int) -> Column:
    """Measure a data set and draw some of its frames."""
    from bev_semseg_ros.evaluation.report import spaced
    from bev_semseg_ros.evaluation.statistics.data_set import measure
    from bev_semseg_ros.progress import Progress
    from bev_semseg_ros.visualization.contact_sheet import jpeg, thumbnail
    from bev_semseg_ros.visualization.statistics_page import Column

    count = len(spaced(len(dataset), limit))
    shown = set(spaced(count, num_pictures)) if num_pictures > 0 else set()
    pictures = []
    with Progress(f"measuring {name}", count) as progress:

        def on_frame(number: int, frame: Frame, annotation: Annotation) -> None:
            if number in shown:
                pictures.append((frame.name, jpeg(thumbnail(frame, annotation))))
            progress.advance()

        statistics = measure(dataset, limit, on_frame)
    return Column(name, statistics.summary(), pictures)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the folder names of data sets, or the paths of those whose folder names are equal."""
    short = [path.resolve().name for path in paths]
    return [
        str(path) if short.count(name) > 1 else name
        for path, name in zip(paths, short, strict=True)
    ]
