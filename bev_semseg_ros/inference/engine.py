"""The engines that run the dense parts of a network: torch, or OpenVINO on a CPU.

An implementation detail of `predictor`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from bev_semseg_ros.model.layers import Float32Conv

MAX_SHAPES = 4  # number of compiled shapes to keep, for each part
_OWN_PACKAGE = __name__.partition(".")[0]

Compiled = Callable[..., Sequence[Tensor]]


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each BatchNorm into the layer registered just before it. This saves a tenth of the time.

    In modules of this package and in any Sequential, BatchNorm also runs directly after that layer.
    In other modules this is not certain, so their BatchNorm layers are not folded.
    """
    is_in_order = isinstance(module, nn.Sequential) or _root_package(module) == _OWN_PACKAGE
    previous_name, previous = "", None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and is_in_order:
            if isinstance(previous, nn.Conv2d):
                setattr(module, previous_name, fuse_conv_bn_eval(previous, child))
                setattr(module, name, nn.Identity())
            elif isinstance(previous, nn.Linear):
                setattr(module, previous_name, fuse_linear_bn_eval(previous, child))
                setattr(module, name, nn.Identity())
        fold_batch_norm(child)
        previous_name, previous = name, child


def _root_package(module: nn.Module) -> str:
    """Return the name of the package that a module's class is defined in."""
    return type(module).__module__.partition(".")[0]


def lower_precision(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert weights and buffers to `dtype`, but those of last layers stay in float32."""
    for child in module.modules():
        if isinstance(child, Float32Conv):
            continue
        for own in (*child.parameters(recurse=False), *child.buffers(recurse=False)):
            if own.is_floating_point():
                own.data = own.data.to(dtype)


class CompiledByShape(nn.Module):
    """A module that is compiled for each shape of its inputs, when the shape first occurs.

    The results for the `MAX_SHAPES` most recently used shapes are kept. Another thread than that of
    `forward` may call `prepare`.
    """

    def __init__(
        self,
        module: nn.Module,
        compile_module: Callable[[nn.Module, Sequence[Tensor]], Compiled],
        one_by_one: bool = False,
    ) -> None:
        """Store the module without compiling it yet.

        Args:
            module: module to compile.
            compile_module: compiles the module for example inputs.
            one_by_one: True runs the rows of the inputs one after the other, so that another number
                of rows costs no compilation.
        """
        super().__init__()
        self.module = module
        self._compile = compile_module
        self._one_by_one = one_by_one
        self._compiled: OrderedDict[tuple[torch.Size, ...], Compiled] = OrderedDict()
        self._lock = threading.Lock()

    def forward(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Run the module, compiled for inputs of these shapes."""
        if self._one_by_one and len(inputs[0]) > 1:
            rows = zip(*(tensor.split(1) for tensor in inputs), strict=True)
            parts = [self(*row) for row in rows]
            return [torch.cat(part) for part in zip(*parts, strict=True)]
        key = tuple(tensor.shape for tensor in inputs)
        with self._lock:
            compiled = self._compiled.get(key)
        compiled = compiled or self._compile(self.module, inputs)
        self._keep(key, compiled)
        return compiled(*inputs)

    def holds(self, *shapes: Sequence[int]) -> bool:
        """Return True if the module is compiled for inputs of these shapes."""
        with self._lock:
            return tuple(map(torch.Size, shapes)) in self._compiled

    def prepare(self, *inputs: Tensor) -> None:
        """Compile the module for inputs of these shapes. The result is kept once it is complete."""
        compiled = self._compile(self.module, inputs)
        for _ in range(2):  # torch optimises traced code in its second run
            compiled(*inputs)
        self._keep(tuple(tensor.shape for tensor in inputs), compiled)

    def _keep(self, key: tuple[torch.Size, ...], compiled: Compiled) -> None:
        with self._lock:
            self._compiled[key] = compiled
            self._compiled.move_to_end(key)
            while len(self._compiled) > MAX_SHAPES:
                self._compiled.popitem(last=False)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Set the number of torch's threads inside this block.

    Small operators are fastest on one thread: on shared cores, each barrier waits for the slowest.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_compiler(threads: int) -> Callable[[nn.Module, Sequence[Tensor]], Compiled]:
    """Return a function that traces and freezes a module, which saves another tenth."""

    def compile_module(module: nn.Module, inputs: Sequence[Tensor]) -> Compiled:
        with _sizes_may_be_constants():
            traced = torch.jit.freeze(torch.jit.trace(module, tuple(inputs), check_trace=False))

        def run(*tensors: Tensor) -> Sequence[Tensor]:
            with torch_threads(threads):
                return traced(*tensors)

        return run

    return compile_module


def openvino_compiler(
    precision: str, threads: int, cache: Path | None
) -> Callable[[nn.Module, Sequence[Tensor]], Compiled]:
    """Return a function that compiles a module for OpenVINO's CPU plugin. Outputs are float32.

    Args:
        precision: fp32 or bf16.
        threads: number of threads of the inference.
        cache: beginning of the paths to which converted modules are written; None stores nothing.
    """
    openvino = _openvino()
    # Pinned threads cannot leave a core that a bag player or DDS occupies: 63 ms instead of 51 ms.
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
    }

    def compile_module(module: nn.Module, inputs: Sequence[Tensor]) -> Compiled:
        compiled = openvino.Core().compile_model(_converted(module, inputs, cache), "CPU", settings)
        request = compiled.create_infer_request()

        def run(*tensors: Tensor) -> list[Tensor]:
            # The request uses the memory of these tensors until it is done.
            borrowed = [tensor.contiguous() for tensor in tensors]
            for index, tensor in enumerate(borrowed):
                request.set_input_tensor(index, openvino.Tensor(tensor.numpy(), shared_memory=True))
            request.infer()
            # The next run overwrites the request's own tensors.
            return [
                torch.from_numpy(request.get_output_tensor(index).data.copy())
                for index in range(len(compiled.outputs))
            ]

        return run

    return compile_module


def _openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which reports its use over the network.

    A vehicle must not do that. OpenVINO works without the telemetry package.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if absent
    import openvino

    return openvino


class _Float32Answers(nn.Module):
    """A module whose outputs stay in float32 when OpenVINO computes in bfloat16.

    OpenVINO would round the float32 sums of a last convolution to bfloat16, and equal scores give
    an object two peaks. An elementwise operation after the convolution stays in float32. OpenVINO
    fuses it into the convolution, which then does not round. The limits are never reached.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the module."""
        return tuple(answer.clamp(-1e6, 1e6) for answer in self.module(*inputs))


def _converted(module: nn.Module, inputs: Sequence[Tensor], cache: Path | None) -> Any:
    """Convert the module to an OpenVINO model for inputs of these shapes, cached if possible."""
    openvino = _openvino()
    shapes = [tuple(tensor.shape) for tensor in inputs]
    file = None
    if cache is not None:
        # A digest, because a file name cannot hold the shapes of the maps of many cameras.
        digest = hashlib.sha256(repr(shapes).encode()).hexdigest()[:16]
        file = Path(f"{cache}-{digest}.xml")
        if file.is_file():
            # An unreadable file, from a crash or another version, is converted again.
            with contextlib.suppress(RuntimeError):
                return openvino.Core().read_model(file)
    with _sizes_may_be_constants():
        model = openvino.convert_model(
            _Float32Answers(module), example_input=tuple(inputs), input=shapes
        )
    if file is not None:
        # If the disk is full or read-only, the next start only takes two seconds longer.
        with contextlib.suppress(OSError, RuntimeError):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f"{os.getpid()}-{file.name}")
            openvino.save_model(model, partial, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):  # the file that is looked for comes last
                partial.with_suffix(suffix).replace(file.with_suffix(suffix))
    return model


@contextlib.contextmanager
def _sizes_may_be_constants() -> Iterator[None]:
    """Silence the tracer: traces are made for one shape, so sizes may become constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def cache_folder(checkpoint: str | Path, network: nn.Module) -> Path | None:
    """Return the folder in which parts that are converted from a checkpoint are stored.

    It is in the user's cache. Its name is a digest of the checkpoint and of this package's code of
    the network, so that neither can change unnoticed.

    Args:
        checkpoint: path of the file.
        network: network that was built from it.

    Returns:
        The folder, or None if nothing is stored: for a user without a home, as in some containers,
        and for a network with user-defined parts, whose code may be in any number of files.
    """
    if any(_root_package(module) not in (_OWN_PACKAGE, "torch") for module in network.modules()):
        return None
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    digest = hashlib.sha256(Path(checkpoint).read_bytes())
    for source in sorted([Path(__file__), *(Path(__file__).parents[1] / "model").rglob("*.py")]):
        digest.update(source.read_bytes())
    return root / "bev_semseg_ros" / digest.hexdigest()[:16]


def convolution_rate(precision: str, threads: int, seconds: float = 0.5) -> float:
    """Return the TFLOP/s that torch reaches on this CPU with 3x3 convolutions like the network's.

    Other durations can be compared with this rate. It is computed from the median of many runs, for
    the faster of two sizes.

    Args:
        precision: fp32 or bf16.
        threads: number of torch's threads.
        seconds: time for which each size is run.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    rates = []
    for channels, size in ((64, 144), (128, 72)):
        layer: Any = nn.Conv2d(channels, channels, 3, padding=1).eval()
        layer = layer.to(dtype, memory_format=torch.channels_last)
        image = torch.randn(1, channels, size, size).to(dtype, memory_format=torch.channels_last)
        with torch.inference_mode(), torch_threads(threads):
            layer = torch.jit.freeze(torch.jit.trace(layer, image))
            times: list[float] = []
            while len(times) < 10 or sum(times) < seconds:
                start = time.perf_counter()
                layer(image)
                times.append(time.perf_counter() - start)
        rates.append(2 * 9 * channels**2 * size**2 / sorted(times)[len(times) // 2] / 1e12)
    return max(rates)
