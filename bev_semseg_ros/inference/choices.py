"""The device, the precision and the engine of a network, and what `auto` means for each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ENGINES = ("torch", "openvino")


def cpu_flags() -> frozenset[str]:
    """Return the features of the processor; empty if /proc/cpuinfo does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split()
    )


def computes_bf16() -> bool:
    """Return True if the processor has native bfloat16.

    Otherwise it is emulated, and slower than float32.
    """
    return not cpu_flags().isdisjoint({"amx_bf16", "avx512_bf16"})


def choose_device(device: str | torch.device) -> torch.device:
    """Return torch's device for `auto` (the first GPU if there is one), `cpu`, `cuda` or `cuda:n`.

    Args:
        device: one of these names, or a device of torch.

    Raises:
        ValueError: an unknown or missing device.
    """
    device = str(device)
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:n, got {device!r}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: {device!r} was requested, but torch {torch.__version__} finds "
            f"{torch.cuda.device_count()} CUDA devices; use cpu or auto"
        )
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> str:
    """Return the precision to compute in.

    `auto` is bf16 if the device supports it natively, otherwise fp16 on a GPU and fp32 on a CPU.

    Raises:
        ValueError: an unknown precision, or one that the device does not support.
    """
    if precision == "auto":
        if device.type == "cuda":
            # Not torch.cuda.is_bf16_supported(), which is also True for GPUs that emulate it.
            return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
        return "bf16" if computes_bf16() else "fp32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected auto, {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision: fp16 is for GPUs; on a CPU use bf16, fp32 or auto")
    return precision


def choose_engine(engine: str, device: torch.device) -> str:
    """Return the engine: `auto` is openvino on a CPU if it is installed, otherwise torch.

    Raises:
        ValueError: an unknown engine, or one that is not installed or does not support the device.
    """
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "auto":
        return "openvino" if installed and device.type == "cpu" else "torch"
    if engine not in ENGINES:
        raise ValueError(f"engine: expected auto, {' or '.join(ENGINES)}, got {engine!r}")
    if engine == "openvino" and not installed:
        raise ValueError(
            "engine: openvino is not installed; `pip install openvino`, or use torch or auto"
        )
    if engine == "openvino" and device.type != "cpu":
        raise ValueError(
            f"engine: openvino runs on a CPU and the device is {device}; use torch or auto"
        )
    return engine
