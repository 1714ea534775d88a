"""What a trained network is on disk: weights, configuration, classes, normalisation and what its input looked like.

A file of plain values and tensors, read with `weights_only=True`: loading one runs no code of its own.
"""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config
from bev_semseg_ros.model.camera_encoder import IMAGE_MEAN, IMAGE_STD
from bev_semseg_ros.taxonomy import (
    DETECTION_CLASSES,
    DETECTION_COLORS,
    SEGMENTATION_CLASSES,
    SEGMENTATION_COLORS,
)

FORMAT = "bev_semseg_ros/1"
HALF_MAX = torch.finfo(torch.float16).max
_KINDS = {
    "config": dict,
    "detection_classes": list,
    "segmentation_classes": list,
    "image_mean": float,
    "image_std": float,
    "info": dict,
    "weights": dict,
}  # what `load` reads; colours are for other programs


def save(
    path: str | Path,
    network: nn.Module,
    config: Config,
    info: dict[str, Any],
    *,
    half: bool = False,
    training: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    info: plain values: what the training input looked like (`InputStatistics.summary` and class_pixels) and how
    the training went (data, seed, tasks, begun_from, epochs, steps, minutes). half: weights in float16, BatchNorm
    statistics stay in float32. training: state dictionaries with which training resumes.
    """
    content = {
        "format": FORMAT,
        "config": configuration.to_dict(config),
        "detection_classes": list(DETECTION_CLASSES),
        "detection_colors": DETECTION_COLORS.tolist(),
        "segmentation_classes": list(SEGMENTATION_CLASSES),
        "segmentation_colors": SEGMENTATION_COLORS.tolist(),
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
        "info": json.loads(
            json.dumps(info, default=lambda value: value.tolist())
        ),  # numpy's numbers become plain
        "weights": {key: _stored(key, value, half) for key, value in network.state_dict().items()},
    }
    if training is not None:
        content["training"] = training
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        torch.save(content, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _stored(key: str, value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu()
    statistics = key.endswith(("running_mean", "running_var"))
    if not torch.isfinite(value).all() or (
        half and not statistics and value.abs().max() > HALF_MAX
    ):
        raise ValueError(
            f"weight {key} is not finite or too large for 16 bit; the training has diverged"
        )
    # contiguous: a file must not depend on the memory format that training chose
    return (
        value.half() if half and value.is_floating_point() and not statistics else value
    ).contiguous()


def load(path: str | Path) -> tuple[Config, dict[str, Tensor], dict[str, Any]]:
    """(configuration, weights in float32, info) of a checkpoint.

    Raises FileNotFoundError, or ValueError naming the file and what is wrong with it: truncated, another format, other
    classes, an unknown setting.
    """
    content = _read(path)
    for key, ours in (
        ("detection_classes", DETECTION_CLASSES),
        ("segmentation_classes", SEGMENTATION_CLASSES),
    ):
        if tuple(content[key]) != ours:
            raise ValueError(
                f"{path}: its {key} are {', '.join(map(str, content[key]))}; this version has "
                f"{', '.join(ours)}"
            )
    if abs(content["image_mean"] - IMAGE_MEAN) + abs(content["image_std"] - IMAGE_STD) > 1e-6:
        raise ValueError(f"{path}: trained with another image normalisation than this version's")
    try:
        config = configuration.from_dict(content["config"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    weights = {
        key: value.float() if value.is_floating_point() else value
        for key, value in content["weights"].items()
    }
    return config, weights, content["info"]


def load_training(path: str | Path) -> dict[str, Any]:
    """What training needs to resume. Errors as of `load`; ValueError if the file holds none (weights made to ship)."""
    content = _read(path)
    if "training" not in content:
        raise ValueError(
            f"{path}: holds weights only and cannot be resumed; begin from it with --init"
        )
    return content["training"]


def load_weights(network: nn.Module, weights: dict[str, Tensor], path: str | Path) -> None:
    """Put weights into a network. Raises ValueError naming the file and the first weight that does not fit."""
    wanted = network.state_dict()
    wrong = [
        key
        for key in [*wanted, *weights]
        if key not in weights or key not in wanted or weights[key].shape != wanted[key].shape
    ]
    if wrong:
        raise ValueError(
            f"{path}: the weights do not fit the network: {wrong[0]} and {len(wrong) - 1} more are "
            "missing, unknown or of another shape"
        )
    network.load_state_dict(weights)


def _read(path: str | Path) -> dict[str, Any]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if (
            unpacked > Path(path).stat().st_size
        ):  # torch compresses nothing, so that a small file stays small
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
        raise ValueError(f"{path}: truncated or no checkpoint: {error!r:.120}") from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        raise ValueError(f"{path}: expected a checkpoint of format {FORMAT}, found {found}")
    wrong = [key for key, kind in _KINDS.items() if not isinstance(content.get(key), kind)]
    if not wrong:  # a tensor that is not contiguous could claim more values than the file has
        wrong = [
            key
            for key, value in content["weights"].items()
            if not (
                isinstance(value, Tensor)
                and value.layout == torch.strided
                and value.is_contiguous()
            )
        ]
    if wrong:
        raise ValueError(f"{path}: damaged: {wrong[0]} is missing or of another kind")
    return content
