"""`bev-semseg export`: write a training run's weights to a small file for the node."""

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
        "--tasks",
        nargs="+",
        metavar="TASK",
        help="tasks to keep, such as detection segmentation; the network needs less time without "
        "the others (default: all)",
    )
    parser.add_argument(
        "--logit-adjustment",
        "--unweight",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="how much of the class weights' effect on the segmentation to undo, 0 to 1, by logit "
        "adjustment (Menon et al. 2021): rare classes then cover fewer pixels (default: "
        "%(default)g)",
    )
    parser.add_argument(
        "--average",
        type=Path,
        metavar="OTHER",
        help="checkpoint that the run was initialized from: write the mean of its weights and "
        "those of the run, which preserves more of what OTHER learned (Wortsman et al. 2022)",
    )
    parser.add_argument(
        "--share",
        type=float,
        metavar="SHARE",
        help="with --average: how much the run contributes to the mean, 0 to 1 (default: 0.5)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the weights in half precision. Return the exit status."""
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.tasks.task import Task
    from bev_semseg_ros.output_path import prepare_output_file

    prepare_output_file(arguments.out, "small.pt", [arguments.checkpoint, arguments.average])
    if arguments.share is not None and arguments.average is None:
        raise ValueError("--share has no effect without --average; give --average, too")
    loaded = checkpoint.load(arguments.checkpoint)
    if arguments.tasks:
        loaded = loaded.with_tasks(arguments.tasks)
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
            raise ValueError(
                f"{arguments.checkpoint}: none of its tasks uses class weights; leave "
                "--logit-adjustment out"
            )
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
                    f"those of {arguments.checkpoint} by {ours:g}; give --logit-adjustment "
                    f"{theirs:g}, or average the checkpoints of two training runs"
                )
        network.load_state_dict(weights, strict=False)
        info[AVERAGED] = {"with": other.config.name, "share": of_run}
    checkpoint.save(arguments.out, network, loaded.config, info, half=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _adjustment(info: Mapping[str, Any], task: str) -> float:
    """Return the logit adjustment of a task, 0 to 1.

    If the run did not train the task, its head, and so the adjustment, comes from the last
    checkpoint of `--init` that did.
    """
    if task not in info.get("tasks", [task]):
        begun_from = info.get("begun_from", [])
        taught = [each for each in begun_from if task in each.get("tasks", [task])]
        info = taught[-1] if taught else {}
    return info.get(ADJUSTED, 0.0)
