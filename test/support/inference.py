"""Frames, and networks whose outputs vary with the position, for the tests of inference."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from bev_semseg_ros.config import Config, GridConfig, ModelConfig
from bev_semseg_ros.frame import Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.preprocessing import prepare

SIZE = (160, 96)
CAMERA = Camera(
    np.array([[100, 0, 80], [0, 100, 48], [0, 0, 1.0]]),
    SIZE,
    np.array([[0, -1, 0, 0], [0, 0, -1, 1.6], [1, 0, 0, 0], [0, 0, 0, 1.0]]),
)
THRESHOLD = 0.01
SHIPPED = ModelConfig()
# Compiles in a fraction of the time of SHIPPED.
SMALL = ModelConfig(
    camera_encoder="residual",
    neck_channels=16,
    fusion_channels=8,
    pillar_channels=16,
    bev_channels=(16, 16, 16),
    bev_blocks=(1, 1, 1),
    head_channels=16,
)


def config(fusion: str, model: ModelConfig = SMALL) -> Config:
    """Return the configuration of a network for images of SIZE and a grid of 25.6 m."""
    config = Config(
        grid=GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8), model=replace(model, fusion=fusion)
    )
    return replace(config, image=replace(config.image, max_pixels=SIZE[0] * SIZE[1]))


@cache
def network(fusion: str, model: ModelConfig = SMALL) -> Network:
    """Return a network with random weights whose outputs vary with the position."""
    torch.manual_seed(0)
    made = build_network(config(fusion, model))
    samples = [prepare(frame(seed=seed), config(fusion, model)) for seed in range(3)]
    batch = Batch.from_samples(samples)
    with torch.no_grad(), torch_threads(1):
        for _ in range(10):  # for the statistics of BatchNorm
            made(batch)
        made.bev.heads.detection.heatmap.weight *= 20
    return made.eval()


def new_predictor(
    engine: str,
    precision: str = "fp32",
    fusion: str = "projective",
    model: ModelConfig = SMALL,
    cache: Path | None = None,
) -> Predictor:
    """Return a predictor that has compiled nothing yet, on one thread of the CPU."""
    return Predictor(
        network(fusion, model),
        config(fusion, model),
        device="cpu",
        precision=precision,
        engine=engine,
        num_threads=1,
        cache=cache,
    )


# For tests in which the time of compilation does not matter: it is compiled once for all of them.
shared_predictor = cache(new_predictor)


def frame(points: bool = True, image: bool = True, seed: int = 0) -> Frame:
    """Return a frame with random points, an image of coarse random pixels, or both."""
    rng = np.random.default_rng(seed)
    cloud = np.concatenate(
        [rng.uniform([2, -8, 0], [25, 8, 2], (600, 3)), rng.random((600, 1))], 1
    ).astype(np.float32)
    picture = (
        rng.integers(0, 256, (SIZE[1] // 16, SIZE[0] // 16, 3), np.uint8)
        .repeat(16, 0)
        .repeat(16, 1)
    )
    return Frame.of(
        0,
        cloud if points else None,
        np.eye(4),
        picture if image else None,
        CAMERA if image else None,
    )


def rig_frame() -> Frame:
    """Return a frame of three cameras, one with a smaller image, and two lidars.

    Each lidar has half of the points.
    """
    whole, other, third = frame(seed=0), frame(seed=1), frame(seed=2)
    small = replace(CAMERA, size=(128, 96))
    turned = replace(CAMERA, camera_from_ego=CAMERA.camera_from_ego @ transform(rotation_z(-0.8)))
    rear_pose = transform(rotation_z(np.pi), (1.0, 0.0, 0.0))
    rear = whole.points[1::2].copy()
    rear[:, :3] = apply(invert(rear_pose), rear[:, :3])
    return Frame(
        0,
        {"front": LidarScan(whole.points[::2], np.eye(4)), "rear": LidarScan(rear, rear_pose)},
        {
            "front": CameraImage(whole.image, CAMERA),
            "small": CameraImage(np.ascontiguousarray(other.image[:, :128]), small),
            "left": CameraImage(third.image, turned),
        },
    )
