"""Converts checkpoints of version 0.1 to this version. The weights stay bit-identical."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bev_semseg_ros import config as configuration
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.labels import LabelSet, load_label_set

# Former prefix of the names of weights -> current prefix.
_WEIGHTS = (
    ("camera.decoder.", "camera.neck."),
    ("camera.segmentation.", "camera.heads.segmentation."),
    ("camera.context.", "camera.fusion."),
    ("pillars.", "lidar_encoder."),
    ("bev.head.", "bev.heads.detection."),
    ("bev.attention.", "bev.fusion."),
)
_TASKS = ["detection", "segmentation"]


def convert(path: str | Path, out: str | Path) -> None:
    """Write a checkpoint of version 0.1 in this version's format.

    Args:
        path: the checkpoint; its training state, if any, is left out.
        out: the file to write.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the checkpoint is damaged or not of version 0.1.
    """
    content = checkpoint.read(path, checkpoint.FORMER_FORMAT)
    try:
        values = dict(content["config"])
        label_sets = _label_sets(content, values)
        config = configuration.from_dict(_settings(values))
        weights = {_renamed(key): value for key, value in content["weights"].items()}
        info = dict(content["info"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: damaged checkpoint of version 0.1: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    converted = checkpoint.Checkpoint(
        config, label_sets, {key: value.float() for key, value in weights.items()}, info, Path(path)
    )
    converted.build()  # fails if the parts do not fit together
    checkpoint.write(out, config, label_sets, weights, info)


def _renamed(key: str) -> str:
    for former, name in _WEIGHTS:
        if key.startswith(former):
            return name + key.removeprefix(former)
    return key


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the names of this version."""
    model = dict(values.get("model", {}))
    for former, name in (("decoder", "neck"), ("fpn_channels", "neck_channels")):
        if former in model:
            model[name] = model.pop(former)
    loss, postprocess = dict(values.get("loss", {})), dict(values.get("decoding", {}))
    loss.pop("heatmap_sigma", None)  # now part of the label set
    postprocess.pop("suppression_radius", None)
    training = dict(values.get("training", {}))
    if sorted(training.get("tasks", _TASKS)) == _TASKS:
        training.pop("tasks", None)  # all of them
    kept = {key: value for key, value in values.items() if key != "decoding"}
    changed = {"model": model, "loss": loss, "postprocess": postprocess, "training": training}
    return kept | changed


def _label_sets(content: dict[str, Any], values: dict[str, Any]) -> dict[str, LabelSet]:
    """Return the label sets of version 0.1, with this checkpoint's settings of the classes."""
    boxes, masks = load_label_set("boxes_4"), load_label_set("driving_13")
    for key, labels in (("detection_classes", boxes), ("segmentation_classes", masks)):
        if tuple(content[key]) != labels.classes:
            raise ValueError(
                f"its {key} are {', '.join(map(str, content[key]))}; version 0.1 had "
                f"{', '.join(labels.classes)}"
            )
    boxes = replace(
        boxes,
        colors=content["detection_colors"],
        heatmap_sigma=tuple(values.get("loss", {}).get("heatmap_sigma", boxes.heatmap_sigma)),
        suppression_radius=tuple(
            values.get("decoding", {}).get("suppression_radius", boxes.suppression_radius)
        ),
    )
    masks = replace(masks, colors=content["segmentation_colors"])
    return {"detection": boxes, "segmentation": masks}
