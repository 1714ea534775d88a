"""Training: prepared frames and a configuration -> a run folder with a checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import ConcatDataset, Dataset, open_dataset
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.frame import Mode
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor, choose_device, choose_precision
from bev_semseg_ros.model.losses import class_weights_from_counts, losses
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.progress import Progress
from bev_semseg_ros.training.cache import describe, open_cache
from bev_semseg_ros.training.initialization import load_checkpoints, load_imagenet
from bev_semseg_ros.training.loader import Loader, Step
from bev_semseg_ros.training.schedule import Schedule

TASKS = ("detection", "segmentation")
PRECISIONS = ("auto", "bf16", "fp32")
LOG_STEPS = 10


def train(
    config: Config,
    data: Sequence[str | Path],
    out: str | Path,
    *,
    resume: bool = False,
    init: Sequence[str | Path] = (),
    validation: Sequence[str | Path] = (),
) -> Path:
    """Train a network on the data and return the path of its checkpoint.

    out: the run folder; gets config.yaml, checkpoint.pt (after every epoch), metrics.json and tensorboard/. Prepared
    frames are kept in `cache` beside it, for other runs. resume: continue the run in `out`. init: checkpoints to begin
    from. validation: data evaluated after every epoch, besides `training.validation_split` of the data itself.
    Raises ValueError or FileNotFoundError naming a setting, file or folder that is wrong, FloatingPointError if the
    loss is no longer finite.
    """
    out = Path(out)
    _check(config, out, resume, init)
    cv2.setNumThreads(1)  # the loader has threads of its own
    torch.manual_seed(config.seed)
    caches = [
        open_cache(path, config, out.parent / "cache", config.training.split) for path in data
    ]
    info = describe(caches) | {
        "data": [Path(path).name for path in data],
        "seed": config.seed,
        "tasks": list(config.training.tasks),
    }
    training = Training(config, Loader(caches, config), out, info)
    training.validation = _validation(config, data, validation)
    if resume:
        training.resume()
    else:
        training.begin([Path(path) for path in init])
    out.mkdir(parents=True, exist_ok=True)
    configuration.save(config, out / "config.yaml")
    training.run()
    return training.path


def _check(config: Config, out: Path, resume: bool, init: Sequence[str | Path]) -> None:
    training = config.training
    if not training.tasks or not set(training.tasks) <= set(TASKS):
        raise ValueError(
            f"training.tasks: expected some of {', '.join(TASKS)}, got {list(training.tasks)}"
        )
    if training.precision not in PRECISIONS:
        raise ValueError(
            f"training.precision: expected one of {', '.join(PRECISIONS)}, got {training.precision!r}"
        )
    if training.crop != (0, 0) and any(side <= 0 or side % 32 for side in training.crop):
        raise ValueError(
            "training.crop: expected multiples of 32, or 0, 0 for whole images, got "
            f"{list(training.crop)}"
        )
    if training.batch_size < 1:
        raise ValueError(f"training.batch_size: expected at least 1, got {training.batch_size}")
    if training.validation_split and training.split in ("", training.validation_split):
        raise ValueError(
            f"training.validation_split: {training.validation_split!r} would be learnt from, too; set "
            "training.split to train"
        )
    if resume and init:
        raise ValueError("--resume continues a run and --init begins one: give only one of them")
    for path in [out / "checkpoint.pt"] if resume else init:
        if not Path(path).is_file():  # said now, not after an hour of preparing frames
            raise FileNotFoundError(f"{path}: no such checkpoint")
    if not resume and (out / "checkpoint.pt").exists():
        raise ValueError(
            f"{out}: holds a trained checkpoint already; --resume continues it, another --out begins anew"
        )


def _validation(
    config: Config, data: Sequence[str | Path], paths: Sequence[str | Path]
) -> Dataset | None:
    datasets = [open_dataset(path) for path in paths]
    if config.training.validation_split:
        datasets += [open_dataset(path, config.training.validation_split) for path in data]
    datasets = [dataset for dataset in datasets if len(dataset)]
    return ConcatDataset(datasets) if datasets else None


class Training:
    """A network on its way: everything that has to be kept to go on. Call `begin` or `resume`, then `run`."""

    def __init__(self, config: Config, loader: Loader, out: Path, info: dict[str, Any]):
        self.config, self.loader, self.out = config, loader, out
        self.info = info | {"uses_both_sensors": loader.uses_camera and "detection" in loader.tasks}
        self.path = out / "checkpoint.pt"
        self.device = choose_device("auto")
        self.bf16 = choose_precision(config.training.precision, self.device) == "bf16"
        self.network = Network(config).to(self.device)
        self.schedule = Schedule.of(config.training, loader.steps_per_epoch)
        self.class_weights = class_weights_from_counts(
            np.array(info["class_pixels"]), config.loss
        ).to(self.device)
        self.validation: Dataset | None = None
        self.epoch = self.step = 0
        self.minutes = 0.0
        self.metrics: list[dict[str, Any]] = []

    def begin(self, init: list[Path]) -> None:
        """Weights from checkpoints or from ImageNet."""
        pretrained = False
        if init:
            pretrained, self.info["begun_from"] = load_checkpoints(self.network, init)
        if not pretrained and self.loader.uses_camera:
            pretrained = load_imagenet(self.network)
            self.info["camera_trunk"] = "ImageNet" if pretrained else "from scratch"
        self._prepare(pretrained)

    def resume(self) -> None:
        """Weights and everything else from the run's own checkpoint. Raises ValueError if the settings are others."""
        config, weights, info = checkpoint.load(self.path)
        if changed := _changed_settings(config, self.config):
            raise ValueError(
                f"{self.path}: {changed[0]}, and a run keeps its settings; --init begins another from it"
            )
        state = checkpoint.load_training(self.path)
        checkpoint.load_weights(self.network, weights, self.path)
        self.info = info
        self._prepare(state["pretrained"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.epoch, self.step, self.minutes = state["epoch"], state["step"], state["minutes"]
        self.metrics = json.loads(state["metrics"])

    def _prepare(self, pretrained: bool) -> None:
        """Freeze and group what a pretrained trunk wants to be treated with care, and make the optimizer."""
        training = self.config.training
        self.pretrained = pretrained
        if pretrained:
            self.network.camera.encoder.freeze(training.frozen_trunk_blocks)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(
                self.network,
                training.learning_rate,
                training.weight_decay,
                training.trunk_learning_rate if pretrained else 1.0,
            ),
            betas=(0.9, 0.98),
        )

    @property
    def progress(self) -> float:
        return self.schedule.progress(self.step, self.minutes)

    def run(self) -> None:
        """Train until the schedule ends; the checkpoint is written after every epoch."""
        total, unit = (
            (self.schedule.minutes, "minutes")
            if self.schedule.minutes
            else (self.schedule.steps, "steps")
        )
        with (
            SummaryWriter(str(self.out / "tensorboard")) as board,
            Progress(f"training {self.config.name}", total, unit) as progress,
        ):
            progress.start_at(self.progress * total)
            while self.progress < 1:
                started, before = time.monotonic(), self.minutes
                sums: dict[str, float] = defaultdict(float)
                counts: Counter[str] = Counter()
                self.network.train()
                for step in self.loader.steps(self.epoch):
                    parts = self.train_step(step)
                    self.minutes = before + (time.monotonic() - started) / 60
                    for name, value in parts.items():  # not every step has every loss
                        sums[name] += value
                        counts[name] += 1
                    if self.step % LOG_STEPS == 0:
                        for name, value in parts.items():
                            board.add_scalar(f"loss/{name}", value, self.step)
                        board.add_scalar(
                            "learning_rate", self.optimizer.param_groups[0]["lr"], self.step
                        )
                    note = ", ".join(
                        f"{name} {value / counts[name]:.3f}" for name, value in sums.items()
                    )
                    progress.set(
                        self.progress * total, f"epoch {self.epoch + 1}, step {self.step}, {note}"
                    )
                    if self.progress >= 1:
                        break
                self.epoch += 1
                self._end_epoch({name: value / counts[name] for name, value in sums.items()}, board)

    def train_step(self, step: Step) -> dict[str, float]:
        """One step of the optimizer; the losses by name.

        Raises FloatingPointError naming step and frames if a loss or the gradient is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule.factor(self.step, self.minutes)
        batch, targets = step.batch.to(self.device), step.targets.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.network(batch)
        parts = losses(outputs, targets, self.config.loss, self.class_weights)
        values = {name: float(value.detach()) for name, value in parts.items()}
        if not all(math.isfinite(value) for value in values.values()):
            raise FloatingPointError(
                f"step {self.step}: the loss is not finite ({_listed(values)}); frames "
                f"{', '.join(step.names)}; a lower training.learning_rate may help"
            )
        if parts:  # a batch that lost every truth to augmentation teaches nothing
            total: Tensor = sum(parts.values())
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            norm = float(
                nn.utils.clip_grad_norm_(
                    self.network.parameters(), self.config.training.gradient_clip
                )
            )
            if not math.isfinite(norm):
                raise FloatingPointError(
                    f"step {self.step}: the gradient is not finite; frames {', '.join(step.names)}"
                )
            self.optimizer.step()
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
        if self.validation is not None:
            entry["validation"] = self._validate()
            for name, value in entry["validation"].items():
                if value is not None:
                    board.add_scalar(f"validation/{name}", value, self.step)
            self.save()
        (self.out / "metrics.json").write_text(json.dumps({"epochs": self.metrics}, indent=1))

    def _validate(self) -> dict[str, float | None]:
        """A short evaluation through the same door as every other."""
        predictor = Predictor.from_network(self.network, self.config)
        result = evaluate(
            predictor, self.validation, self._mode(), limit=self.config.training.validation_frames
        )
        return {
            "miou": result["segmentation"]["miou"],
            "group_miou": result["segmentation"]["group_miou"],
            "map": result["detection"]["map"],
            "ap_car": result["detection"]["car"]["ap"],
        }

    def _mode(self) -> Mode:
        if "detection" not in self.loader.tasks:
            return "camera_only"
        return "fused" if self.loader.uses_camera else "lidar_only"

    def save(self) -> None:
        """The run's checkpoint, from which it can be resumed."""
        self.info |= {"epochs": self.epoch, "steps": self.step, "minutes": round(self.minutes, 2)}
        state = {
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": self.epoch,
            "step": self.step,
            "minutes": self.minutes,
            "pretrained": self.pretrained,
            "metrics": json.dumps(self.metrics),
        }
        checkpoint.save(self.path, self.network, self.config, self.info, training=state)


def _changed_settings(saved: Config, wanted: Config) -> list[str]:
    """What differs between two configurations, in words; how long a run lasts and how it is watched may change."""
    free = {
        "name",
        "decoding",
        "epochs",
        "max_steps",
        "max_minutes",
        "precision",
        "validation_split",
        "validation_frames",
    }

    def differing(a: dict[str, Any], b: dict[str, Any], where: str) -> Iterator[str]:
        for key in a.keys() - free:
            if isinstance(a[key], dict):
                yield from differing(a[key], b[key], f"{where}{key}.")
            elif a[key] != b[key]:
                yield f"{where}{key} was {a[key]} and is now {b[key]}"

    return sorted(differing(configuration.to_dict(saved), configuration.to_dict(wanted), ""))


def _parameter_groups(
    network: Network, learning_rate: float, weight_decay: float, trunk: float
) -> list[dict]:
    """The camera trunk at `trunk` times the learning rate; no decay for biases and BatchNorm; nothing frozen."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    in_trunk = {id(parameter) for parameter in network.camera.encoder.parameters()}
    for parameter in network.parameters():
        if parameter.requires_grad:
            peak = learning_rate * (trunk if id(parameter) in in_trunk else 1.0)
            groups.setdefault((peak, weight_decay if parameter.dim() > 1 else 0.0), []).append(
                parameter
            )
    return [
        {"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay}
        for (peak, decay), parameters in groups.items()
    ]


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
