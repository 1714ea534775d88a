"""Measure the time of the network block by block, in bf16 and in float32.

    python benchmarks/network.py [--checkpoint C] [--engine auto|torch|openvino] [--threads N]
                                 [--cameras N] [--points N] [--json OUT]

Beside each time is its floor: the time that the arithmetic of the block would take at the
convolution rate of this machine. The input is an image of 640x400 for each camera and 20,000 points
(--points). Without a checkpoint, the weights are random, and the grid is 57.6 m wide with cells of
0.2 m.

Blocks are compiled and timed alone. They therefore include the cost of their inputs and outputs and
add up to more than the branches, which are what the node runs. Set OMP_WAIT_POLICY=PASSIVE where
cores are shared. Otherwise idle threads of torch spin and take time from other processes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Camera, Rays
from bev_semseg_ros.geometry import rotation_z, transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.choices import PRECISIONS, choose_engine, cpu_flags
from bev_semseg_ros.inference.engine import (
    CompiledByShape,
    convolution_rate,
    fold_batch_norm,
    lower_precision,
    openvino_compiler,
    torch_compiler,
    torch_threads,
)
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.output_path import prepare_output_file
from bev_semseg_ros.preprocessing import RectifiedImage, Sample

FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "avx512_fp16",
)
IMAGE_SIZE = (640, 400)
LIDAR_POSITION = np.array([0, 0, 1.7], np.float32)  # in the ego frame, metres


class Listed(nn.Module):
    """Wraps a block that takes a list of maps, so that engines can pass the maps as arguments."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *maps: Tensor) -> Tensor:
        return self.block(list(maps))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", help="default: random weights")
    parser.add_argument("--engine", default="auto", help="auto, torch or openvino")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cameras", type=int, default=1, help="number of cameras (default: 1)")
    parser.add_argument(
        "--points", type=int, default=20_000, help="number of points (default: %(default)s)"
    )
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    prepare_output_file(arguments.json, "network.json")
    torch.manual_seed(0)
    if arguments.checkpoint:
        loaded = checkpoint.load(arguments.checkpoint)
        config, network = loaded.config, loaded.build()
    else:
        config = Config()
        network = build_network(config)
    sample = street_like_sample(config, arguments.cameras, arguments.points)
    result = measure(
        network.eval(), config, sample, arguments.engine, arguments.threads, arguments.runs
    )
    print_table(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def street_like_sample(config: Config, cameras: int, num_points: int) -> Sample:
    """Make images of blobs and points as dense as those of a lidar (half of them within 12 m).

    Each camera looks 50 degrees further to the left than the one before.
    """
    rng = np.random.default_rng(0)
    angle = rng.uniform(-0.7, 0.7, 2 * num_points)
    distance = np.minimum(4 + rng.exponential(12, 2 * num_points), 60)
    points = np.stack(
        [
            distance * np.cos(angle),
            distance * np.sin(angle),
            rng.uniform(0, 2.5, 2 * num_points),
            rng.random(2 * num_points),
        ],
        1,
    ).astype(np.float32)
    grid = config.grid
    inside = (points[:, 0] < grid.x_max) & (points[:, 1] > grid.y_min) & (points[:, 1] < grid.y_max)
    width, height = IMAGE_SIZE
    image = (
        rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    )
    camera_from_ego = np.array([[0, -1, 0, 0], [0, 0, -1, 1.6], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    matrix = np.array([[560, 0, width / 2], [0, 560, height / 2], [0, 0, 1.0]])
    images = {}
    for number in range(cameras):
        turn = transform(rotation_z(np.radians(-50 * number)))
        camera = Camera(matrix, IMAGE_SIZE, camera_from_ego @ turn)
        images[f"camera_{number}"] = RectifiedImage(image, camera)
    points = points[inside][:num_points]
    count = len(points)
    rays = Rays(points[:, :3] - LIDAR_POSITION, np.zeros(count, np.int64), np.arange(count))
    return Sample(points, images, rays=rays)


def measure(
    network: Network, config: Config, sample: Sample, engine: str, threads: int, runs: int
) -> dict:
    """Measure everything that `--json` writes."""
    engine = choose_engine(engine, torch.device("cpu"))
    rate_samples: dict[str, list[float]] = {"bf16": [], "fp32": []}

    def sample_rates() -> None:
        # Called before, between and after the measurements: the speed of a machine may change.
        for precision, found in rate_samples.items():
            found.append(convolution_rate(precision, threads))

    sample_rates()
    whole_clouds = network.point_encoder.whole_clouds
    batch = Batch.from_samples([sample], network.lidar_encoder.attributes, whole_clouds)
    gflop = flops(lambda: network(batch))
    blocks: dict[str, dict] = {}
    totals = {}
    for precision in rate_samples:
        predictor = Predictor(
            network, config, device="cpu", precision=precision, engine=engine, num_threads=threads
        )
        predictor.warm_up([IMAGE_SIZE] * len(sample.images))
        times = [predictor.predict_sample(sample).network_ms for _ in range(runs)]
        totals[precision] = {
            "p50": float(np.percentile(times, 50)),
            "p95": float(np.percentile(times, 95)),
        }
        for name, count, run in parts(network, predictor, sample, engine, precision, threads):
            with torch.inference_mode(), torch_threads(1):
                block = blocks.setdefault(name, {"name": name, "gflop": count})
                block[f"{precision}_ms"] = median_ms(run, runs)
        sample_rates()
    rates = {precision: float(np.median(found)) for precision, found in rate_samples.items()}
    for block in blocks.values():
        block |= {
            f"{precision}_floor_ms": block["gflop"] / rate for precision, rate in rates.items()
        }
    return {
        "cpu": {
            "model": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "flags": [flag for flag in FLAGS if flag in cpu_flags()],
        },
        "engine": engine,
        "threads": threads,
        "cameras": len(sample.images),
        "conv_tflops": rates,
        "gflop": gflop,
        "network_ms": totals["bf16"],
        "floor_ms": gflop / rates["bf16"],
        "network_fp32_ms": totals["fp32"],
        "floor_fp32_ms": gflop / rates["fp32"],
        "required_ms": 45 * max(1.0, 0.7 / rates["bf16"]),
        "blocks": list(blocks.values()),
    }


def parts(
    network: Network,
    predictor: Predictor,
    sample: Sample,
    engine: str,
    precision: str,
    threads: int,
) -> Sequence[tuple[str, float, Callable[[], object]]]:
    """List name, GFLOP and a function to time, for each branch and for each of its blocks."""
    batch = Batch.from_samples([sample], predictor.point_attributes, predictor.whole_clouds)
    ready = predictor._network
    plain = copy.deepcopy(network).eval()
    fold_batch_norm(plain)
    (images,) = batch.images
    with torch.inference_mode():
        features = plain.camera.encoder(images)
        p2 = plain.camera.neck(features)
        _, image_maps = plain.run_camera(batch)
        with_features, _ = plain.run_points(batch)
        bev_inputs = plain.bev_inputs(with_features, image_maps)
        canvas = bev_inputs[0].permute(0, 3, 1, 2)
        views = {
            "image": p2,
            "points": with_features.point_features,
            "bev": plain.bev.backbone(canvas),
        }
        outputs = plain(batch)

    def block(module: nn.Module, *inputs: Tensor) -> tuple[float, Callable[[], object]]:
        count = flops(lambda: module(*inputs))
        if engine == "openvino":
            compiled = CompiledByShape(module, openvino_compiler(precision, threads, None))
            inputs = tuple(each.contiguous() for each in inputs)
        else:
            lower_precision(module, PRECISIONS[precision])
            compiled = CompiledByShape(module, torch_compiler(threads))
            inputs = tuple(
                each if each.dtype == torch.uint8 else each.to(PRECISIONS[precision])
                for each in inputs
            )
        return count, lambda: compiled(*inputs)

    # Counted before `block` lowers the precision of the blocks.
    camera_flops = flops(lambda: plain.camera(images))
    point_flops = flops(lambda: plain.run_points(batch))
    input_flops = flops(lambda: plain.bev_inputs(with_features, image_maps))
    bev_flops = flops(lambda: plain.bev(*bev_inputs))
    heads: dict[str, list] = {"image": [], "points": [], "bev": []}
    postprocess: list[tuple[str, float, Callable[[], object]]] = []
    for task in plain.tasks:
        head = block(plain.head(task), views[task.view])
        heads[task.view].append((f"  head: {task.name}", *head))
        of_task, seen = outputs[task.name], sample
        if task.view == "image":
            first = next(iter(sample.images))
            of_task, seen = outputs.of_image(task.name, 0), sample.of_camera(first)
        run = partial(task.postprocess, of_task, seen)
        postprocess.append((f"postprocess: {task.name}", 0.0, run))
    branches: list[tuple[str, float, Callable[[], object]]] = []
    if plain.uses_images:
        branches += [
            ("camera branch", camera_flops, lambda: ready.camera(images)),
            ("  camera encoder", *block(plain.camera.encoder, images)),
            ("  neck", *block(Listed(plain.camera.neck).eval(), *features)),
            *heads["image"],
        ]
    if with_features.point_features is not None:
        branches += [
            ("point branch", point_flops, lambda: ready.run_points(batch)),
            *heads["points"],
        ]
    if heads["bev"]:
        branches += [
            (
                "fusion and lidar encoder",
                input_flops,
                lambda: ready.bev_inputs(with_features, image_maps),
            ),
            ("BEV branch", bev_flops, lambda: ready.bev(*bev_inputs)),
            ("  BEV backbone", *block(plain.bev.backbone, canvas)),
            *heads["bev"],
        ]
    return [*branches, *postprocess]


def flops(run: Callable[[], object]) -> float:
    """Count the GFLOP of convolutions, matrix products and attention; a multiply-add is two."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def median_ms(run: Callable[[], object], runs: int) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def processor() -> str:
    for line in (
        Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    ):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_table(result: dict) -> None:
    cpu, rates, network, slow = (
        result[key] for key in ("cpu", "conv_tflops", "network_ms", "network_fp32_ms")
    )
    print(f"{cpu['model']}, {cpu['cores']} cores, {' '.join(cpu['flags'])}")
    print(
        f"convolutions: {rates['bf16']:.2f} TFLOP/s bf16, {rates['fp32']:.2f} float32; "
        f"engine {result['engine']}, {result['threads']} threads, {result['cameras']} cameras\n"
    )
    print(f"{'ms, p50':27}{'GFLOP':>8}{'bf16':>8}{'floor':>8}{'float32':>10}{'floor':>8}")
    for block in result["blocks"]:
        print(
            f"{block['name']:27}{block['gflop']:8.2f}"
            f"{block['bf16_ms']:8.1f}{block['bf16_floor_ms']:8.1f}"
            f"{block['fp32_ms']:10.1f}{block['fp32_floor_ms']:8.1f}"
        )
    print(
        f"{'network':27}{result['gflop']:8.2f}{network['p50']:8.1f}{result['floor_ms']:8.1f}"
        f"{slow['p50']:10.1f}{result['floor_fp32_ms']:8.1f}"
    )
    print(f"{'network, p95':27}{'':8}{network['p95']:8.1f}{'':8}{slow['p95']:10.1f}")
    print(
        f"\nrequired: bf16 p50 <= {result['required_ms']:.0f} ms "
        "(45 ms at 0.7 TFLOP/s or more, else in inverse proportion to the rate)"
    )


if __name__ == "__main__":
    main()
