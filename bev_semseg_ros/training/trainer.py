"""Trains a network on prepared frames and writes the run folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.frame import Mode
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.checkpoint import Checkpoint
from bev_semseg_ros.inference.choices import choose_device, choose_precision
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.model.tasks.task import merged, to_device
from bev_semseg_ros.progress import Progress
from bev_semseg_ros.training.averaging import WeightAverage
from bev_semseg_ros.training.initialization import load_checkpoints, load_pretrained
from bev_semseg_ros.training.loader import Loader, TrainingBatch
from bev_semseg_ros.training.memory import keep_freed_memory
from bev_semseg_ros.training.optimizer import make_optimizer
from bev_semseg_ros.training.schedule import Schedule

LOG_STEPS = 10


@dataclass
class _Means:
    """Mean of each loss over the steps that have it, by name."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def values(self) -> dict[str, float]:
        return {name: value / self.counts[name] for name, value in self.sums.items()}


class Trainer:
    """Training state: network, optimizer, schedule and counters.

    Call `begin` or `resume`, then `run`.

    Attributes:
        info: metadata stored in the checkpoint; it must hold the statistics of the tasks before
            `begin`.
        path: path of the checkpoint.
        validation: frames to evaluate after every epoch; None: none.
        metrics: one entry for every epoch.
    """

    def __init__(self, config: Config, network: Network, loader: Loader, out: Path) -> None:
        self.config, self.loader, self.out = config, loader, out
        self.views = {task.view for task in loader.tasks}
        self.info: dict[str, Any] = {
            "seed": config.seed,
            "tasks": [task.name for task in loader.tasks],
            "uses_both_sensors": loader.uses_camera and "bev" in self.views,
        }
        self.path = out / "checkpoint.pt"
        self.device = choose_device("auto")
        self.bf16 = choose_precision(config.training.precision, self.device) == "bf16"
        self.network = network.to(self.device)
        self.average: WeightAverage | None = None  # if training.average_power is set
        self.schedule = Schedule.of(config.training, loader.steps_per_epoch)
        self.validation: Dataset | None = None
        self.epoch = self.step = 0
        self.batch = 0  # index of the next batch of this epoch
        self.losses = _Means()  # means of this epoch
        self.minutes = 0.0
        self.metrics: list[dict[str, Any]] = []

    def begin(self, init: Sequence[Path]) -> None:
        """Initialise the weights from checkpoints.

        If none of them gives the whole camera encoder, it gets ImageNet weights.

        Args:
            init: paths of the checkpoints.
        """
        is_pretrained = False
        if init:
            is_pretrained, self.info["begun_from"] = load_checkpoints(self.network, init)
        if not is_pretrained and self.loader.uses_camera:
            is_pretrained = load_pretrained(self.network)
            self.info["camera_trunk"] = "ImageNet" if is_pretrained else "from scratch"
        self._prepare(is_pretrained)

    def resume(self, saved: Checkpoint) -> None:
        """Continue from the run's own checkpoint.

        Args:
            saved: the run's checkpoint.

        Raises:
            ValueError: settings or label sets differ from those of the saved run.
        """
        if changed := _changed_settings(saved.config, self.config):
            raise ValueError(
                f"{saved.path}: {changed[0]}, but a run keeps its settings; "
                "--init starts a new run from it"
            )
        state = saved.training_state()
        saved.load_into(self.network)
        self.info = saved.info
        self._prepare(state["pretrained"])
        if self.average is not None:
            self.average.steps = state["averaged_steps"]
            self.network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.epoch, self.step, self.minutes = state["epoch"], state["step"], state["minutes"]
        if "batch" in state:  # absent in older checkpoints, which were written only after an epoch
            self.batch, self.losses = state["batch"], _Means(**state["losses"])
        self.metrics = json.loads(state["metrics"])

    def _prepare(self, is_pretrained: bool) -> None:
        """Freeze pretrained blocks, make the optimizer, and prepare the losses of the tasks."""
        training = self.config.training
        self.pretrained = is_pretrained
        if is_pretrained:
            self.network.camera.encoder.freeze(training.frozen_trunk_blocks)
        self.optimizer = make_optimizer(self.network, training, is_pretrained)
        if training.average_power:
            self.average = WeightAverage(self.network, training.average_power)
        for task in self.loader.tasks:
            task.begin_training(self.info)

    @property
    def result(self) -> Network:
        """The network that is evaluated and saved: the mean over the steps, if that is wanted."""
        return self.network if self.average is None else self.average.network

    @property
    def progress(self) -> float:
        """Completed fraction of the training, 0..1."""
        return self.schedule.progress(self.step, self.minutes)

    def run(self) -> None:
        """Train until the schedule ends.

        The checkpoint is written after every epoch and every `training.checkpoint_minutes`.

        Raises:
            ValueError: the GPU's memory is too small for a batch.
            FloatingPointError: see `train_step`.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        if self.schedule.minutes:
            total, unit = self.schedule.minutes, "minutes"
        else:
            total, unit = float(self.schedule.steps), "steps"
        with (
            # An interrupted run may have written curves of steps that are now repeated.
            SummaryWriter(str(self.out / "tensorboard"), purge_step=self.step + 1) as board,
            Progress(f"training {self.config.name}", total, unit) as progress,
        ):
            progress.start_at(self.progress * total)
            if self.metrics and self.batch == 0 and self.metrics[-1]["validation"] is None:
                self._score_epoch(board)  # the run was interrupted during this
            while self.progress < 1:
                self._run_epoch(board, progress, total)

    def _run_epoch(self, board: SummaryWriter, progress: Progress, total: float) -> None:
        started, before = time.monotonic(), self.minutes
        next_save = before + self.config.training.checkpoint_minutes
        self.network.train()
        for batch in self.loader.batches(self.epoch, self.batch):
            try:
                losses = self.train_step(batch)
            except torch.OutOfMemoryError as error:
                raise ValueError(
                    f"training.batch_size: {self.config.training.batch_size} frames need more "
                    "memory than the GPU has free; lower it, or choose a smaller training.crop"
                ) from error
            self.batch += 1
            self.minutes = before + (time.monotonic() - started) / 60
            self.losses.add(losses)
            if self.step % LOG_STEPS == 0:
                for name, value in losses.items():
                    board.add_scalar(f"loss/{name}", value, self.step)
                board.add_scalar("learning_rate", self.optimizer.param_groups[0]["lr"], self.step)
            means = ", ".join(f"{name} {value:.3f}" for name, value in self.losses.values().items())
            note = f"epoch {self.epoch + 1}, step {self.step}, {means}"
            progress.set(self.progress * total, note)
            if self.progress >= 1:
                break
            if self.minutes >= next_save:
                self.save()
                next_save = self.minutes + self.config.training.checkpoint_minutes
        means_of_epoch = self.losses.values()
        self.epoch, self.batch, self.losses = self.epoch + 1, 0, _Means()
        self._end_epoch(means_of_epoch, board)

    def train_step(self, training_batch: TrainingBatch) -> dict[str, float]:
        """Take one step of the optimizer and return the losses by name.

        Raises:
            FloatingPointError: a loss or the gradient is not finite; names the step and the frames.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule.factor(self.step, self.minutes)
        batch = training_batch.batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.network(batch, self.views)
        parts: dict[str, Tensor] = {}
        for task in self.loader.tasks:
            if task.name in outputs and task.name in training_batch.targets:
                targets = to_device(training_batch.targets[task.name], self.device)
                parts = merged(parts, task.losses(outputs[task.name], targets), task)
        values = {name: float(value.detach()) for name, value in parts.items()}
        frames = ", ".join(training_batch.names)
        if not all(math.isfinite(value) for value in values.values()):
            raise FloatingPointError(
                f"step {self.step}: the loss is not finite ({_listed(values)}); frames {frames}; "
                "a lower training.learning_rate may help"
            )
        if parts:  # a batch that lost every label to augmentation has no loss
            self.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(parts.values())).sum().backward()
            limit = self.config.training.gradient_clip
            norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), limit))
            if not math.isfinite(norm):
                raise FloatingPointError(
                    f"step {self.step}: the gradient is not finite; frames {frames}"
                )
            self.optimizer.step()
            if self.average is not None:
                self.average.update(self.network)
        self.step += 1
        return values

    def _end_epoch(self, means: dict[str, float], board: SummaryWriter) -> None:
        entry: dict[str, Any] = {
            "epoch": self.epoch,
            "step": self.step,
            "minutes": round(self.minutes, 2),
            "loss": means,
            "validation": None,
        }
        self.metrics.append(entry)
        self.save()
        self._score_epoch(board)

    def _score_epoch(self, board: SummaryWriter) -> None:
        """Evaluate the network at the end of an epoch, if wanted, and write metrics.json."""
        entry = self.metrics[-1]
        if self.validation is not None:
            entry["validation"] = self._validate()
            for name, value in entry["validation"].items():
                if value is not None:
                    board.add_scalar(f"validation/{name}", value, self.step)
            self.save()
        (self.out / "metrics.json").write_text(json.dumps({"epochs": self.metrics}, indent=1))

    def _validate(self) -> dict[str, float | None]:
        """Evaluate the network and return the main scores.

        Raises:
            ValueError: a frame cannot be read or scored.
        """
        assert self.validation is not None
        predictor = Predictor.from_network(self.result, self.config, str(self.device))
        limit = self.config.training.validation_frames or None
        try:
            return evaluate(predictor, self.validation, self._mode(), limit=limit).headline()
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{error}; the training up to here is saved: correct the data or leave them out of "
                "the evaluation (--val, training.validation_split), and continue with --resume"
            ) from error

    def _mode(self) -> Mode:
        if self.views == {"image"}:
            return "camera_only"
        return "fused" if self.loader.uses_camera else "lidar_only"

    def save(self) -> None:
        """Write the run's checkpoint, from which it can be resumed."""
        self.info |= {
            "epochs": self.epoch,
            "steps": self.step,
            "minutes": round(self.minutes, 2),
        }
        state = {
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": self.epoch,
            "step": self.step,
            "batch": self.batch,
            "losses": asdict(self.losses),
            "minutes": self.minutes,
            "pretrained": self.pretrained,
            "metrics": json.dumps(self.metrics),
        }
        if self.average is not None:
            state |= {
                "weights": self.network.state_dict(),
                "averaged_steps": self.average.steps,
            }
        checkpoint.save(self.path, self.result, self.config, self.info, training=state)


def _changed_settings(saved: Config, wanted: Config) -> list[str]:
    """Describe the settings that differ between two configurations.

    The settings in `free`, such as the length of a run and its validation, may differ.
    """
    free = {
        "name",
        "postprocess",
        "epochs",
        "max_steps",
        "max_minutes",
        "precision",
        "validation_split",
        "validation_frames",
        "checkpoint_minutes",
        "num_workers",
    }

    def differing(a: dict[str, Any], b: dict[str, Any], where: str) -> Iterator[str]:
        for key in (a.keys() | b.keys()) - free:
            before, now = a.get(key), b.get(key)
            if isinstance(before, dict) and isinstance(now, dict):
                yield from differing(before, now, f"{where}{key}.")
            elif before != now:
                yield f"{where}{key} was {before} and is now {now}"

    return sorted(differing(configuration.to_dict(saved), configuration.to_dict(wanted), ""))


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
