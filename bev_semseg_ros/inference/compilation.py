"""Replaces the dense parts of a network by parts that an engine runs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from bev_semseg_ros.inference.choices import PRECISIONS
from bev_semseg_ros.inference.engine import (
    CompiledByShape,
    fold_batch_norm,
    lower_precision,
    openvino_compiler,
    torch_compiler,
)
from bev_semseg_ros.model.network import Network


def compile_network(
    network: Network,
    device: torch.device,
    precision: str,
    engine: str,
    threads: int,
    cache: Path | None,
) -> None:
    """Prepare a network for inference, in place. On a CPU, an engine runs its dense parts.

    Args:
        network: network on `device`, used only for inference.
        device: device that the network runs on.
        precision: one of `PRECISIONS`.
        engine: torch or openvino.
        threads: number of threads of the engine.
        cache: folder for what an engine converts; None stores nothing.
    """
    fold_batch_norm(network)
    for name, parent, part in _dense_parts(network):
        if engine == "openvino":
            compiler = openvino_compiler(
                precision, threads, None if cache is None else cache / name
            )
        else:
            lower_precision(part, PRECISIONS[precision])
            compiler = torch_compiler(threads)
        is_run = name != "camera" or network.uses_images
        if device.type == "cpu" and is_run:
            # A sensor may fail at any moment. Fewer inputs must not cost a compilation then.
            compiled = CompiledByShape(part, compiler, one_by_one=name != "bev")
            setattr(parent, name, compiled)


def _dense_parts(network: Network) -> list[tuple[str, nn.Module, nn.Module]]:
    """Return name, parent and module of each part of a network that an engine runs."""
    parts: list[tuple[str, nn.Module, nn.Module]] = [
        ("camera", network, network.camera),
        ("bev", network, network.bev),
    ]
    encoder = network.point_encoder
    if encoder.dense is not None:
        parts.append(("dense", encoder, encoder.dense))
    return parts
