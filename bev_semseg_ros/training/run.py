"""Training: data sets and a configuration -> a run folder with a checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import torch

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import ConcatDataset, open_dataset
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.checkpoint import Checkpoint
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.output_path import check_output_folder, named_full_disk
from bev_semseg_ros.path_kind import require_file
from bev_semseg_ros.training.cache import open_cache
from bev_semseg_ros.training.description import describe
from bev_semseg_ros.training.loader import Loader, needs_in_words, trained_tasks
from bev_semseg_ros.training.trainer import Trainer
from bev_semseg_ros.training.validation import ValidationData
from bev_semseg_ros.training.workers import refuse_in_worker


def train(
    config: Config,
    data: Sequence[str | Path],
    out: str | Path,
    *,
    resume: bool = False,
    init: Sequence[str | Path] = (),
    validation: Sequence[str | Path] = (),
    cameras: Sequence[str] | None = None,
) -> Path:
    """Train a network.

    Args:
        config: configuration of the network and the training.
        data: paths of the data sets to train on.
        out: run folder, for config.yaml, checkpoint.pt (written after every epoch and every
            `training.checkpoint_minutes`), metrics.json and tensorboard/. The folder `cache` beside
            it keeps the prepared frames for other runs.
        resume: True continues the run in `out`.
        init: paths of checkpoints to start from.
        validation: paths of data sets to evaluate after every epoch, in addition to the
            `training.validation_split` of `data`.
        cameras: names of the cameras to read in all data sets, or "all", see `open_dataset`.

    Returns:
        The path of the checkpoint.

    Raises:
        ValueError: names a setting or file that is wrong.
        FileNotFoundError: names a file or folder that is missing.
        FloatingPointError: a loss or the gradient is no longer finite.
        ChildProcessError: a process that makes batches was killed.
        OSError: the disk is full.
    """
    refuse_in_worker()
    out = Path(out)
    _check(config, out, resume, init)
    cv2.setNumThreads(1)  # the loader has its own threads
    torch.manual_seed(config.seed)
    # Build the network first: a wrong name must be reported before frames are prepared. A resumed
    # run has its label sets in its checkpoint.
    saved = checkpoint.load(out / "checkpoint.pt") if resume else None
    network = build_network(config, None if saved is None else saved.label_sets)
    trained_tasks(network.tasks, config)
    evaluated = _validation(config, data, validation, cameras)
    for dataset in evaluated:
        dataset.check_labels(network, config)
    caches = [
        open_cache(path, config, out.parent / "cache", config.training.split, cameras)
        for path in data
    ]
    names = [Path(path).absolute().name for path in data]
    camera_names = cameras if isinstance(cameras, str) else " ".join(cameras or ())
    if saved is not None:
        _check_same_data(saved, names, sum(map(len, caches)), camera_names)
    loader = Loader(caches, network, config)
    for task in loader.untrained:
        print(
            f"warning: {task.name} is not trained: no frame has {needs_in_words(task)}. Add such "
            "frames, or leave the task out of model.tasks or training.tasks",
            file=sys.stderr,
        )
    trainer = Trainer(config, network, loader, out)
    trainer.validation = ConcatDataset([*evaluated]) if evaluated else None
    if saved is not None:
        trainer.resume(saved)
    else:
        trainer.info |= describe(caches, loader.tasks)
        trainer.info |= {"data": names, "cameras": camera_names}
        trainer.begin([Path(path) for path in init])
    remedy = "make space there; --resume continues a run that has a checkpoint"
    with closing(loader), named_full_disk(out, "the run", remedy):
        out.mkdir(parents=True, exist_ok=True)
        configuration.save(config, out / "config.yaml")
        trainer.run()
    return trainer.path


def _check(config: Config, out: Path, resume: bool, init: Sequence[str | Path]) -> None:
    training = config.training
    if training.validation_split and training.split in ("", training.validation_split):
        raise ValueError(
            f"training.validation_split: {training.validation_split!r} is also trained on; "
            "set training.split to train"
        )
    if not (training.epochs or training.max_steps or training.max_minutes):
        raise ValueError(
            "training.epochs: is 0, so nothing would be trained; set it, "
            "training.max_steps or training.max_minutes"
        )
    check_output_folder(out)
    if resume and init:
        raise ValueError("--resume continues a run and --init starts one: give only one of them")
    for path in [out / "checkpoint.pt"] if resume else init:
        require_file(path, "checkpoint")  # now, not after an hour of preparing frames
    if not resume and (out / "checkpoint.pt").exists():
        raise ValueError(
            f"{out}: already holds a trained checkpoint; --resume continues it, "
            "another --out starts a new run"
        )


def _check_same_data(saved: Checkpoint, names: list[str], num_frames: int, cameras: str) -> None:
    """Check that a resumed run has the same data, whose statistics are in its checkpoint."""
    before = saved.info.get("data", names), saved.info.get("num_frames", num_frames)
    known, now = (
        f"{', '.join(data)} ({frames} frames)" for data, frames in (before, (names, num_frames))
    )
    known_cameras = saved.info.get("cameras", cameras)
    for option, then, given in (("--data", known, now), ("--cameras", known_cameras, cameras)):
        if then != given:
            raise ValueError(
                f"{saved.path}: {option} was {then or 'not given'} and is now "
                f"{given or 'not given'}, but a run keeps its data; --init starts a new run from it"
            )


def _validation(
    config: Config,
    data: Sequence[str | Path],
    paths: Sequence[str | Path],
    cameras: Sequence[str] | None,
) -> list[ValidationData]:
    """Return the data sets to evaluate after every epoch.

    Raises:
        ValueError: a path of `paths` is also one of `data`.
    """
    trained = {Path(path).resolve() for path in data}
    datasets = []
    for path in paths:
        if Path(path).resolve() in trained:
            raise ValueError(
                f"--val {path}: is also trained on; give other frames, or leave --val out and set "
                "training.split to train and training.validation_split to val"
            )
        datasets.append(ValidationData(open_dataset(path, None, cameras), f"--val {path}"))
    split = config.training.validation_split
    if split:
        datasets += [
            ValidationData(open_dataset(path, split, cameras), f"split {split} of --data {path}")
            for path in data
        ]
    return [dataset for dataset in datasets if len(dataset)]
