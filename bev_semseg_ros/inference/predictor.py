"""Predictor: the one door. A `Frame` goes in and a `Prediction` comes out, offline and on the vehicle alike."""

from __future__ import annotations

import copy
import importlib.util
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import MODES, Camera, Frame, Mode, Prediction
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.engine import (
    PerShape,
    cache_folder,
    fold_batch_norm,
    lower_precision,
    openvino_compiler,
    torch_compiler,
    torch_threads,
)
from bev_semseg_ros.model.decoding import decode, decode_mask
from bev_semseg_ros.model.network import Batch, Network
from bev_semseg_ros.preprocessing import Sample, network_size, prepare

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ENGINES = ("torch", "openvino")


def cpu_flags() -> frozenset[str]:
    """What the processor says it can do; empty where /proc/cpuinfo does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split()
    )


def computes_bf16() -> bool:
    """True if the processor computes bfloat16 itself; elsewhere it is emulated and slower than float32."""
    return not cpu_flags().isdisjoint({"amx_bf16", "avx512_bf16"})


def choose_device(device: str) -> torch.device:
    """`auto` (the first GPU if there is one), `cpu`, `cuda` or `cuda:n`. Raises ValueError with the reason."""
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:n, got {device!r}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: {device!r} was asked for and torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices; use cpu or auto"
        )
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> str:
    """`auto` is bf16 where the device computes it, else fp16 on a GPU and fp32 on a CPU. Raises ValueError."""
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return "bf16" if computes_bf16() else "fp32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected auto, {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision: fp16 is for GPUs; on a CPU use bf16, fp32 or auto")
    return precision


def choose_engine(engine: str, device: torch.device) -> str:
    """`auto` is openvino on a CPU where it is installed, else torch. Raises ValueError with the reason."""
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


class Predictor:
    """A network that is ready to run. Not for several threads at a time, but for `is_warm` and `prepare`.

    The torch engine's OpenMP threads spin while they wait, which beside other work costs many times what it saves: set
    OMP_WAIT_POLICY=PASSIVE before torch is loaded. OpenVINO has threads of its own that do not.

    `config` and `info` are the checkpoint's; `device`, `precision` and `engine` are what was chosen, `description` says
    it in one line.
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        *,
        info: dict[str, Any] | None = None,
        device: str = "auto",
        precision: str = "auto",
        engine: str = "auto",
        num_threads: int | None = None,
        cache: Path | None = None,
    ) -> None:
        """The network is copied. `cache`: a folder for what an engine converts. Raises ValueError for a bad choice."""
        self.config = config
        self.info = info or {}
        self.device = choose_device(device)
        self.precision = precision = choose_precision(precision, self.device)
        self.engine = engine = choose_engine(engine, self.device)
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"num_threads: expected at least 1, got {num_threads}")
        threads = num_threads or len(os.sched_getaffinity(0))
        self._network = copy.deepcopy(network).eval().requires_grad_(False).to(self.device)
        fold_batch_norm(self._network)
        for name in ("camera", "bev"):
            branch = getattr(self._network, name)
            if engine == "openvino":
                compiler = openvino_compiler(
                    precision, threads, None if cache is None else cache / name
                )
            else:
                lower_precision(branch, PRECISIONS[precision])
                compiler = torch_compiler(threads)
            if self.device.type == "cpu":
                setattr(self._network, name, PerShape(branch, compiler))
        self.description = (
            f"device {self.device}, precision {precision}, engine {engine}, threads {threads}"
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "auto",
        precision: str = "auto",
        engine: str = "auto",
        num_threads: int | None = None,
    ) -> Predictor:
        """From a checkpoint. Raises FileNotFoundError or ValueError: one line that names the file or the setting."""
        config, weights, info = checkpoint.load(path)
        network = Network(config)
        checkpoint.load_weights(network, weights, path)
        return cls(
            network,
            config,
            info=info,
            device=device,
            precision=precision,
            engine=engine,
            num_threads=num_threads,
            cache=cache_folder(path),
        )

    @classmethod
    def from_network(
        cls, network: Network, config: Config, device: str = "auto", precision: str = "fp32"
    ) -> Predictor:
        """For an evaluation while training: plain torch, a copy of the network as it is now."""
        return cls(network, config, device=device, precision=precision, engine="torch")

    def warm_up(self, camera_size: tuple[int, int] | None = None) -> None:
        """Compile and run once for images of this recorded (width, height), or for the lidar alone."""
        points = np.array(
            [[0.5 * (self.config.grid.x_min + self.config.grid.x_max), 0, 1, 0.5]], np.float32
        )
        sample = Sample(points, None, None)
        if camera_size is not None:
            width, height = network_size(camera_size, self.config.image)
            camera = Camera(np.diag([width, width, 1.0]), (width, height), np.eye(4))
            sample = replace(sample, image=np.zeros((height, width, 3), np.uint8), camera=camera)
        for mode in ("fused", "lidar_only"):  # a lost image must not cost a compilation either
            for _ in range(2):  # traced code is optimised at its second run
                self.predict_sample(sample, mode)

    def is_warm(self, camera_size: tuple[int, int]) -> bool:
        """True if images of this recorded (width, height) cost no compilation."""
        width, height = network_size(camera_size, self.config.image)
        camera = self._network.camera
        return not isinstance(camera, PerShape) or camera.holds((1, height, width, 3))

    def prepare(self, camera_size: tuple[int, int]) -> None:
        """Make `is_warm` true. Takes seconds, but in a thread of its own others may predict meanwhile."""
        width, height = network_size(camera_size, self.config.image)
        with torch.inference_mode(), torch_threads(1):
            self._network.camera.prepare(torch.zeros((1, height, width, 3), dtype=torch.uint8))

    def predict(
        self, frame: Frame, mode: Mode = "fused", score_threshold: float | None = None
    ) -> Prediction:
        """See `predict_sample`."""
        if mode == "lidar_only":
            frame = replace(frame, image=None)  # not to be rectified for nothing
        return self.predict_sample(prepare(frame, self.config), mode, score_threshold)

    def predict_sample(
        self, sample: Sample, mode: Mode = "fused", score_threshold: float | None = None
    ) -> Prediction:
        """Boxes and mask. In `fused` mode a sensor that is missing is done without, and `Prediction.mode` says so.

        score_threshold: that of the configuration if None. Raises ValueError for an unknown mode or if the mode leaves
        nothing to look at.
        """
        if mode not in MODES:
            raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
        sample = Sample(
            None if mode == "camera_only" else sample.points,
            None if mode == "lidar_only" else sample.image,
            sample.camera,
        )
        if sample.points is None and sample.image is None:
            lacks = {
                "fused": "points and no image",
                "lidar_only": "points",
                "camera_only": "image",
            }[mode]
            raise ValueError(f"mode {mode}: the frame has no {lacks}")
        ran: Mode = (
            "camera_only"
            if sample.points is None
            else "lidar_only"
            if sample.image is None
            else "fused"
        )
        batch = Batch.from_samples([sample]).to(self.device)
        self._synchronize()
        start = time.perf_counter()
        with torch.inference_mode(), torch_threads(1):
            outputs = self._network(batch)
            boxes = decode(outputs, self.config, score_threshold)
            mask = None if outputs.segmentation is None else decode_mask(outputs.segmentation[0])
        self._synchronize()
        elapsed = (time.perf_counter() - start) * 1e3
        found = boxes[0] if boxes else None
        if mask is None:
            return Prediction(found, None, None, ran, elapsed)
        return Prediction(
            found,
            mask[: sample.image.shape[0], : sample.image.shape[1]],
            sample.camera,
            ran,
            elapsed,
        )

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
