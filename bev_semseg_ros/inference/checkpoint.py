"""A trained network on disk: weights, configuration, label sets, and statistics of its input.

A checkpoint is a file of plain values and tensors. It is read with `weights_only=True`, so that no
code in the file runs. `Checkpoint.build` imports the modules of the user-defined classes that the
configuration names. The format is torch's and not safetensors, because the checkpoint of a run also
holds the state of the optimizer. safetensors cannot store it, and a second format would need more
code.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config, ModelConfig
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.build import build_network, build_tasks
from bev_semseg_ros.model.encoders.camera import IMAGE_MEAN, IMAGE_STD
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.path_kind import may_be_checkpoint, require_file, wrong_path

FORMAT = "bev_semseg_ros/2"
FORMER_FORMAT = "bev_semseg_ros/1"  # of version 0.1, which `conversion` reads
HALF_MAX = torch.finfo(torch.float16).max
_KINDS = {
    "config": dict,
    "label_sets": dict,
    "image_mean": float,
    "image_std": float,
    "info": dict,
    "weights": dict,
}


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        config: configuration of the network and its training.
        label_sets: task -> its label set, for the tasks that have classes.
        weights: name -> float32 weight, for the parts of the network that run.
        info: plain values: statistics of the training input (`InputStatistics.summary`, and those
            that the tasks collected) and facts about the training (data, seed, tasks, begun_from,
            epochs, steps, minutes).
        path: path of the file, for messages.
        training: state from which the run can resume; None if the file holds only weights.
    """

    config: Config
    label_sets: Mapping[str, LabelSet]
    weights: dict[str, Tensor]
    info: dict[str, Any]
    path: Path
    training: dict[str, Any] | None = None

    def build(self, config: Config | None = None) -> Network:
        """Build the network and load its weights.

        Args:
            config: a configuration with another grid; None: that of the checkpoint.

        Raises:
            ValueError: names the file and the first weights that do not fit, or the part of the
                network that this version does not know.
        """
        try:
            network = build_network(config or self.config, self.label_sets)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"{self.path}: {error}") from error
        self.load_into(network)
        return network

    def load_into(self, network: Network) -> None:
        """Load the weights into a network.

        Raises:
            ValueError: names the file and the first weights that do not fit.
        """
        wrong = _misfits(network, self.weights)
        if wrong:
            others = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ValueError(
                f"{self.path}: the weights do not fit the network; missing, unknown or of another "
                f"shape: {', '.join(wrong[:3])}{others}"
            )
        network.load_state_dict(self.weights, strict=False)

    def with_tasks(self, names: Collection[str]) -> Checkpoint:
        """Return the network without its other tasks, and without the training state.

        Args:
            names: names of the tasks to keep.

        Raises:
            ValueError: no name is given, or the network has no task with a name.
        """
        tasks = build_tasks(self.config, self.label_sets)
        present = [task.name for task in tasks]
        if unknown := [name for name in names if name not in present]:
            raise ValueError(
                f"{self.path}: has no task {unknown[0]}; its tasks are {', '.join(present)}"
            )
        settings = zip(self.config.model.tasks, tasks, strict=True)
        kept = tuple(setting for setting, task in settings if task.name in names)
        model = replace(self.config.model, tasks=kept)
        views = {task.view for task in tasks if task.name in names}
        if "points" not in views and not model.point_features_to_bev:
            model = replace(model, point_encoder=ModelConfig().point_encoder)  # nothing uses it
        if views == {"points"}:
            model = replace(model, fusion="none")  # it may need a task that is removed
        trained = tuple(name for name in self.config.training.tasks if name in names)
        removed = set(present) - set(names)
        config = replace(
            self.config,
            labels={name: each for name, each in self.config.labels.items() if name not in removed},
            model=model,
            training=replace(self.config.training, tasks=trained),
        )
        label_sets = {name: each for name, each in self.label_sets.items() if name in names}
        needed = build_network(config, label_sets).used_weights()
        weights = {key: value for key, value in self.weights.items() if key in needed}
        info = dict(self.info)
        if "tasks" in info:
            info["tasks"] = [name for name in info["tasks"] if name in names]
        return replace(
            self, config=config, label_sets=label_sets, weights=weights, info=info, training=None
        )

    def training_state(self) -> dict[str, Any]:
        """Return the state from which the run can resume.

        Raises:
            ValueError: the file holds only weights.
        """
        if self.training is None:
            raise ValueError(
                f"{self.path}: holds weights only and cannot be resumed; start from it with --init"
            )
        return self.training


def save(
    path: str | Path,
    network: Network,
    config: Config,
    info: Mapping[str, Any],
    *,
    half: bool = False,
    training: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: path of the file.
        network: network whose weights and label sets are written.
        config: configuration of the network.
        info: see `Checkpoint`.
        half: True writes weights in float16; BatchNorm's statistics stay in float32.
        training: state from which the run can resume.

    Raises:
        ValueError: a weight is not finite, or with `half` too large for float16.
        OSError: the file cannot be written; the message names it.
    """
    label_sets = {task.name: task.labels for task in network.tasks if task.labels is not None}
    weights = {key: _stored(key, value, half) for key, value in network.used_weights().items()}
    write(path, config, label_sets, weights, info, training)


def write(
    path: str | Path,
    config: Config,
    label_sets: Mapping[str, LabelSet],
    weights: Mapping[str, Tensor],
    info: Mapping[str, Any],
    training: dict[str, Any] | None = None,
) -> None:
    """Write the parts of a checkpoint unchanged and atomically. See `save`.

    Raises:
        OSError: the file cannot be written; the message names it.
    """
    content = {
        "format": FORMAT,
        "config": configuration.to_dict(config),
        "label_sets": {name: labels.to_dict() for name, labels in label_sets.items()},
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
        # numpy's values become plain ones
        "info": json.loads(json.dumps(dict(info), default=lambda value: value.tolist())),
        "weights": dict(weights),
    }
    if training is not None:
        content["training"] = training
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    packed = io.BytesIO()  # on a full disk, torch.save raises an error that does not say so
    torch.save(content, packed)
    try:
        partial.write_bytes(packed.getbuffer())
        partial.replace(path)
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error.strerror}); check the folder's permissions and "
            "space. An earlier file of this name is unchanged"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def mean_weights(network: Network, other: Checkpoint, share: float) -> dict[str, Tensor]:
    """Return the mean of a network's weights and those that its training started from.

    The mean preserves what the first training learned and the second one forgot (Wortsman et al.
    2022, "Robust fine-tuning of zero-shot models"). The weights of independent trainings have no
    useful mean.

    Args:
        network: network after its training.
        other: checkpoint that this training started from.
        share: weight of the network in the mean, 0 to 1.

    Raises:
        ValueError: `share` is outside 0 to 1, or the checkpoint has another network or classes.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0 to 1, got {share:g}")
    weights = network.used_weights()
    ours = {task.name: task.labels for task in network.tasks if task.labels is not None}
    differing = _misfits(network, other.weights)
    if differing or ours != other.label_sets:
        same_tasks = ours.keys() == other.label_sets.keys()
        is_labels = same_tasks and ours != other.label_sets
        what = "their classes differ" if is_labels else f"they differ in {differing[0]}"
        raise ValueError(
            f"{other.path}: cannot be averaged with this run: both must have the same parts and "
            f"classes, and {what}"
        )
    return {
        key: torch.lerp(other.weights[key], value, share) if value.is_floating_point() else value
        for key, value in weights.items()
    }


def _misfits(network: Network, weights: Mapping[str, Tensor]) -> list[str]:
    """Return the names of weights that are missing, unknown to the network or of another shape.

    Weights of parts that never run may be present, as in checkpoints of version 0.1.
    """
    needed, known = network.used_weights(), network.state_dict()
    return [
        key
        for key in dict.fromkeys([*needed, *weights])
        if key not in weights or key not in known or weights[key].shape != known[key].shape
    ]


def _stored(key: str, value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu()
    is_statistic = key.endswith(("running_mean", "running_var"))
    shrinks = half and value.is_floating_point() and not is_statistic
    if not torch.isfinite(value).all() or (shrinks and value.abs().max() > HALF_MAX):
        raise ValueError(
            f"weight {key} is not finite or too large for 16 bit; the training has diverged"
        )
    if shrinks:
        value = value.half()
    return value.contiguous()  # the file must not depend on the memory format of the training


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: no such file.
        ValueError: names the file and what is wrong with it: truncated, another format, an unknown
            setting, a damaged label set.
    """
    content = read(path)
    if abs(content["image_mean"] - IMAGE_MEAN) + abs(content["image_std"] - IMAGE_STD) > 1e-6:
        raise ValueError(f"{path}: trained with another image normalisation than this version's")
    try:
        config = configuration.from_dict(content["config"])
        label_sets = {
            str(name): LabelSet.from_dict(values).with_shipped_mappings()
            for name, values in content["label_sets"].items()
        }
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    weights = {
        key: value.float() if value.is_floating_point() else value
        for key, value in content["weights"].items()
    }
    training = content.get("training")
    return Checkpoint(config, label_sets, weights, content["info"], Path(path), training)


def read(path: str | Path, wanted_format: str = FORMAT) -> dict[str, Any]:
    """Read the plain content of a checkpoint file.

    Args:
        path: path of the file.
        wanted_format: format that the file must have.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, not a checkpoint, or of another format; the message says
            what to do.
    """
    require_file(path, "checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > Path(path).stat().st_size:
            # torch never compresses. A small file must not need much memory.
            raise ValueError("compressed")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: damaged, or holds objects, which are never loaded; expected plain values"
        ) from error
    except (
        zipfile.BadZipFile,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        if not may_be_checkpoint(Path(path)):
            raise wrong_path(path, "checkpoint") from error
        raise ValueError(f"{path}: truncated or not a checkpoint: {error!r:.120}") from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != wanted_format:
        raise ValueError(_other_format(path, found, wanted_format))
    kinds = _KINDS if wanted_format == FORMAT else {"weights": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(content.get(key), kind)]
    if not wrong:
        wrong = [key for key, value in content["weights"].items() if not _is_plain_tensor(value)]
    if wrong:
        raise ValueError(f"{path}: damaged: {wrong[0]} is missing or of another kind")
    return content


def _other_format(path: str | Path, found: Any, wanted: str) -> str:
    if found == FORMER_FORMAT and wanted == FORMAT:
        return (
            f"{path}: a checkpoint of version 0.1 (format {found}); convert it once with "
            f"`bev-semseg convert {path} --out NEW.pt`"
        )
    if found == FORMAT:
        return f"{path}: is already of this version, there is nothing to convert"
    text = f"{path}: expected a checkpoint of format {wanted}, found {found}"
    if isinstance(found, str) and found.startswith("bev_semseg_ros/"):
        text += "; it comes from another version of bev_semseg_ros: use that one"
    return text


def _is_plain_tensor(value: Any) -> bool:
    # A tensor that is not contiguous could claim more values than the file has.
    return isinstance(value, Tensor) and value.layout == torch.strided and value.is_contiguous()
