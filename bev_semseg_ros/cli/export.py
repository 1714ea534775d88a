"""`bev-semseg export`: a training run's weights, to ship."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AVERAGED = "averaged"  # key of a checkpoint's `info`
ADJUSTED = "unweighted"  # key of a checkpoint's `info`, as version 0.1 named it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bev-semseg export`."""
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="C", help="checkpoint of a training run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--logit-adjustment",
        "--unweight",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the class weights' effect on the segmentation to undo, 0 to 1, by logit "
        "adjustment (Menon et al. 2021): rare classes cover less (default: %(default)g)",
    )
    parser.add_argument(
        "--average",
        type=Path,
        metavar="OTHER",
        help="checkpoint that the run began from: the mean of both weights is written, which keeps "
        "more of what OTHER knew (Wortsman et al. 2022)",
    )
    parser.add_argument(
        "--share",
        type=float,
        metavar="SHARE",
        help="with --average: the run's share of the mean, 0 to 1 (default: 0.5)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the weights in half precision. Return the exit status."""
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.tasks.task import Task
    from bev_semseg_ros.path_kind import prepare_output_file

    prepare_output_file(arguments.out, "small.pt")
    if arguments.share is not None and arguments.average is None:
        raise ValueError("--share: of what mean? Give --average, too")
    if arguments.out.resolve() == arguments.checkpoint.resolve():
        raise ValueError(
            f"{arguments.out}: the run could not be resumed after that; choose another --out"
        )
    loaded = checkpoint.load(arguments.checkpoint)
    network, info, share = loaded.build(), dict(loaded.info), arguments.logit_adjustment
    if share:
        if ADJUSTED in info:
            raise ValueError(
                f"{arguments.checkpoint}: its logits were adjusted already; export the checkpoint "
                "of the training run instead"
            )
        try:
            adjusted = [
                task.name
                for task in network.tasks
                if task.adjust_logits(network.head(task), info, share)
            ]
        except ValueError as error:
            raise ValueError(f"{arguments.checkpoint}: {error}") from error
        if not adjusted:
            raise ValueError(f"{arguments.checkpoint}: no task of it weights its classes")
        info[ADJUSTED] = share
    if arguments.average is not None:
        other = checkpoint.load(arguments.average)
        of_run = 0.5 if arguments.share is None else arguments.share
        weights = checkpoint.mean_weights(network, other, of_run)
        for task in network.tasks:
            if type(task).adjust_logits is Task.adjust_logits:
                continue
            ours, theirs = (_adjustment(each, task.name) for each in (info, other.info))
            if ours != theirs:
                raise ValueError(
                    f"{arguments.average}: its logits of {task.name} are adjusted by {theirs:g}, "
                    f"those of {arguments.checkpoint} by {ours:g}: give --logit-adjustment "
                    f"{theirs:g}, or else average the checkpoints of two training runs"
                )
        network.load_state_dict(weights, strict=False)
        info[AVERAGED] = {"with": other.config.name, "share": of_run}
    checkpoint.save(arguments.out, network, loaded.config, info, half=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _adjustment(info: Mapping[str, Any], task: str) -> float:
    """Return the share by which the logits of a task are adjusted.

    A run that did not train the task has its head from the last checkpoint of `--init` that did.
    """
    if task not in info.get("tasks", [task]):
        begun_from = info.get("begun_from", [])
        taught = [each for each in begun_from if task in each.get("tasks", [task])]
        info = taught[-1] if taught else {}
    return info.get(ADJUSTED, 0.0)
