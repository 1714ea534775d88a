"""Initialization of a network: ImageNet weights for the camera encoder, or checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.checkpoint import Checkpoint
from bev_semseg_ros.model.build import build_tasks, names_fusion
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.model.tasks.task import BRANCHES, Task


@dataclass
class PartReport:
    """How a checkpoint initialised one part of the network.

    Attributes:
        name: name of the part, in words.
        taken: number of weights taken from the checkpoint.
        kept: number of weights kept from an earlier checkpoint.
        new: weight -> why it is newly initialised.
        fitted: weight -> how it was fitted.
    """

    name: str
    taken: int = 0
    kept: int = 0
    new: dict[str, str] = field(default_factory=dict)
    fitted: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        total = self.taken + self.kept + len(self.new)
        if self.taken == total:
            text = f"{self.name}: taken, {total} weights"
        elif len(self.new) == total:
            text = f"{self.name}: newly initialised, {total} weights"
        elif self.kept == total:
            text = f"{self.name}: kept from an earlier checkpoint, {total} weights"
        else:
            text = f"{self.name}: {self.taken} of {total} weights taken"
            text += f", {self.kept} kept from an earlier checkpoint" if self.kept else ""
        reasons = dict.fromkeys(self.new.values())
        for reason in reasons:
            names = [name for name, why in self.new.items() if why == reason]
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            is_whole = len(self.new) == total
            text += f" ({reason})" if is_whole else f"; newly initialised: {shown} ({reason})"
        for name, how in self.fitted.items():
            text += f"; {name}: {how}"
        return text


def load_pretrained(network: Network) -> bool:
    """Load ImageNet weights into the camera encoder; return False if there are none for it.

    Raises:
        ValueError: the package that contains the weights is not installed.
    """
    encoder = network.camera.encoder
    path = encoder.pretrained_file()
    if not path:
        return False
    encoder.load_pretrained(torch.load(path, map_location="cpu", weights_only=True))
    return True


def load_checkpoints(
    network: Network, paths: Sequence[Path], say: Callable[[str], None] = print
) -> tuple[bool, list[dict[str, Any]]]:
    """Initialise a network from checkpoints, in order. Later ones override earlier ones.

    Each checkpoint gives only the parts that were trained. So one that was trained for segmentation
    and one that was trained for detection can be combined. A report says for each part what is
    taken, kept from an earlier checkpoint, newly initialised, or not used. Layers whose channels
    are classes are newly initialised if the label sets differ.

    Args:
        network: network whose weights are replaced.
        paths: paths of the checkpoints.
        say: called with each line of the report.

    Returns:
        True if a checkpoint gave the whole camera encoder, and the `info` of each checkpoint.

    Raises:
        ValueError: no weight of a checkpoint fits.
    """
    infos, has_trunk = [], False
    initialized: set[str] = set()  # weights that a checkpoint has given
    for path in paths:
        given = checkpoint.load(path)
        taught = _Taught.by(given)
        parts = _initialize(network, given, taught, initialized, say)
        trunk = parts.get(_CAMERA_ENCODER.name)
        has_trunk |= trunk is not None and trunk.taken > 0 and not trunk.new
        infos.append(given.info)
        if not any(report.taken for report in parts.values()):
            raise ValueError(
                f"{given.path}: none of its weights fits this network (the report above says why); "
                "leave --init out, or choose the parts that the checkpoint has"
            )
    return has_trunk, infos


@dataclass(frozen=True)
class _Taught:
    """The parts of a network that a training run has trained.

    Training does not change the heads of other tasks. If only image tasks are trained, it does not
    change the BEV branch either. If BEV tasks are trained without images, it does not change the
    camera branch. The point encoder is trained by tasks on points, and by BEV tasks that get its
    features.
    """

    views: frozenset[str]
    tasks: frozenset[str]
    uses_both_sensors: bool
    feeds_bev: bool

    @classmethod
    def by(cls, given: Checkpoint) -> _Taught:
        tasks = build_tasks(given.config, given.label_sets)
        names = frozenset(given.info.get("tasks") or [task.name for task in tasks])
        views = frozenset(task.view for task in tasks if task.name in names)
        uses_both = bool(given.info.get("uses_both_sensors"))
        return cls(views, names, uses_both, given.config.model.point_features_to_bev)

    def includes(self, key: str) -> bool:
        """Return True if the part that a weight belongs to was trained."""
        branch, _, name = key.partition(".heads.")
        if branch in BRANCHES.values() and name.split(".")[0] not in self.tasks:
            return False
        if key.startswith("point_encoder."):
            return "points" in self.views or ("bev" in self.views and self.feeds_bev)
        if key.startswith("camera.fusion."):
            return "bev" in self.views and self._uses_images
        if key.startswith("camera."):
            return self._uses_images
        if key.startswith("points."):
            return "points" in self.views
        return "bev" in self.views

    @property
    def _uses_images(self) -> bool:
        return "image" in self.views or self.uses_both_sensors


def _initialize(
    network: Network,
    given: Checkpoint,
    taught: _Taught,
    initialized: set[str],
    say: Callable[[str], None],
) -> dict[str, PartReport]:
    """Take the weights of one checkpoint that fit, and return the report of each part by its name.

    `initialized` contains the weights that earlier checkpoints gave. Those that this one gives are
    added.
    """
    weights = network.state_dict()
    parts: dict[str, PartReport] = {}
    for key in weights:
        part = _part_of(key)
        report = parts.setdefault(part.name, PartReport(part.name))
        name = key.removeprefix(part.prefix)
        value, note = _fit(network, given, taught, key, weights[key])
        if not weights[key].is_floating_point():  # BatchNorm's counter of batches is not reported
            weights[key] = weights[key] if value is None else value
            continue
        if value is None:
            if key in initialized:
                report.kept += 1
            else:
                report.new[name] = note
            continue
        weights[key] = value
        initialized.add(key)
        report.taken += 1
        if note:
            report.fitted[name] = note
    network.load_state_dict(weights)
    say(f"{given.path}:")
    for report in parts.values():
        say(f"  {report}")
    unused = [
        key
        for key, value in given.weights.items()
        if key not in weights and value.is_floating_point()
    ]
    for name, count in Counter(_part_of(key).name for key in unused).items():
        why = "another one" if name in parts else "no such part"
        say(f"  {name}: not used, {count} weights; this network has {why}")
    return parts


def _fit(
    network: Network, given: Checkpoint, taught: _Taught, key: str, wanted: Tensor
) -> tuple[Tensor | None, str]:
    """Return a checkpoint's value for a weight and how it was fitted, or None and the reason."""
    setting = _part_of(key).setting
    if setting is not None:
        there = getattr(given.config.model, setting)
        here = getattr(network.tasks[0].config.model, setting)
        is_extended = setting == "fusion" and _extends_fusion(network, given)
        if there != here and not is_extended:
            return None, f"model.{setting} is {there} in the checkpoint, {here} in this network"
    if key not in given.weights:
        return None, "not in the checkpoint"
    if not taught.includes(key):
        return None, "the checkpoint was not trained for it"
    if _depends_on_other_classes(network, given, key):
        return None, "its classes differ"
    value = given.weights[key]
    prefix = "lidar_encoder."
    if key.startswith(prefix):
        fitted = _fit_lidar_encoder(network, given, key.removeprefix(prefix), value, wanted)
        if fitted is not None:
            new = int((fitted == 0).all(0).sum())
            left = value.shape[1] - (fitted.shape[1] - new)
            notes = [f"{new} new inputs begin at zero"] if new else []
            notes += [f"{left} inputs not used"] if left else []
            return fitted, ", ".join(notes)
    if value.shape == wanted.shape:
        return value, ""
    return None, f"{tuple(value.shape)} in the checkpoint, {tuple(wanted.shape)} in this network"


def _fit_lidar_encoder(
    network: Network, given: Checkpoint, name: str, value: Tensor, wanted: Tensor
) -> Tensor | None:
    """Return a weight of the lidar encoder fitted to this network; None if nothing is fitted."""
    encoder = network.lidar_encoder
    is_same_fusion = names_fusion(given.config.model.fusion, type(network.fusion))
    has_other_features = is_same_fusion and _fusion_has_other_classes(network, given)
    if has_other_features or _extends_fusion(network, given):
        shared = network.fusion.shared_point_channels(given.config.model)
        fitted = encoder.fit_weight(name, value, shared)
    elif value.shape != wanted.shape and _adds_point_features(network, given):
        fitted = encoder.fit_weight(name, value, network.fusion.point_channels)
    elif value.shape != wanted.shape:
        fitted = encoder.fit_weight(name, value)
    else:
        return None
    return None if fitted is None or fitted.shape != wanted.shape else fitted


def _adds_point_features(network: Network, given: Checkpoint) -> bool:
    """Return True if only features of the point encoder are new; they follow the fusion's."""
    model = given.config.model
    return (
        network.point_features_to_bev
        and not model.point_features_to_bev
        and names_fusion(model.fusion, type(network.fusion))
        and model.fusion_channels == network.tasks[0].config.model.fusion_channels
    )


def _extends_fusion(network: Network, given: Checkpoint) -> bool:
    """Return True if the fusion of this network extends that of the checkpoint."""
    extended = network.fusion.extends
    return extended is not None and names_fusion(given.config.model.fusion, extended)


def _fusion_has_other_classes(network: Network, given: Checkpoint) -> bool:
    """Return True if the fusion uses classes, and those of the checkpoint differ."""
    used = {task for task, _ in network.fusion.image_outputs}
    return any(_has_other_classes(task, given) for task in network.tasks if task.name in used)


def _has_other_classes(task: Task, given: Checkpoint) -> bool:
    theirs = given.label_sets.get(task.name)
    return task.labels is not None and (theirs is None or theirs.classes != task.labels.classes)


def _depends_on_other_classes(network: Network, given: Checkpoint, key: str) -> bool:
    for task in network.tasks:
        prefix = f"{BRANCHES[task.view]}.heads.{task.name}."
        if _is_in(key, prefix, network.head(task).class_layers):
            return _has_other_classes(task, given)
    for prefix in ("camera.fusion.", "fusion."):
        if _is_in(key, prefix, network.fusion.class_layers):
            return _fusion_has_other_classes(network, given)
    return False


def _is_in(key: str, prefix: str, layers: Sequence[str]) -> bool:
    """Return True if a weight belongs to one of these layers, or is one of these parameters."""
    name = key.removeprefix(prefix)
    return key.startswith(prefix) and any(f"{name}.".startswith(f"{layer}.") for layer in layers)


class _Part(NamedTuple):
    """A part of the network.

    Attributes:
        prefix: prefix of the names of its weights.
        name: name in words.
        setting: setting of `model` that chooses its class; None if there is no choice. Weights of
            another class never fit.
    """

    prefix: str
    name: str
    setting: str | None = None


_CAMERA_ENCODER = _Part("camera.encoder.", "camera encoder", "camera_encoder")
_PARTS = (
    _CAMERA_ENCODER,
    _Part("camera.neck.", "neck", "neck"),
    _Part("camera.fusion.", "fusion, image part", "fusion"),
    _Part("lidar_encoder.", "lidar encoder", "lidar_encoder"),
    _Part("bev.backbone.", "BEV backbone"),
    _Part("bev.fusion.", "fusion, BEV part", "fusion"),
    _Part("fusion.", "fusion", "fusion"),
    _Part("point_encoder.", "point encoder", "point_encoder"),
)


def _part_of(key: str) -> _Part:
    """Return the part that a weight belongs to, such as `camera.heads.segmentation.logits.bias`."""
    for part in _PARTS:
        if key.startswith(part.prefix):
            return part
    if key.count(".") < 3:
        return _Part("", f"head of {key}")
    branch, heads, task, _ = key.split(".", 3)
    return _Part(f"{branch}.{heads}.{task}.", f"head of {task}")
