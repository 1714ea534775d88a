"""Clouds of a spinning lidar, and small networks that classify their points."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from support.inference import SMALL, config

from bev_semseg_ros.config import Config, ModelConfig
from bev_semseg_ros.frame import Frame, LidarScan
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.preprocessing import prepare

ROOF = transform(None, (0, 0, 1.8))
TASKS = ("detection", "point_segmentation")
POINTS = replace(SMALL, tasks=TASKS, point_encoder="range_view", point_channels=8)


def turn(beams: int = 8, columns: int = 60, reach: float = 180.0, seed: int = 0) -> np.ndarray:
    """Return (beams * columns, 4) points on walls 4 to 20 m away, in the frame of the lidar.

    Args:
        beams: Number of beams, with elevations from -12 to 3 degrees.
        columns: Number of azimuths.
        reach: Largest azimuth to both sides of the x axis, degrees.
        seed: Seed of ranges and intensities.
    """
    rng = np.random.default_rng(seed)
    azimuth = np.radians(np.linspace(-reach, reach, columns, endpoint=False))[:, None]
    elevation = np.radians(np.linspace(3, -12, beams))[None]
    ranges = rng.uniform(4, 20, (columns, 1)) + rng.uniform(0, 0.1, (columns, beams))
    x, y = (ranges * np.cos(elevation) * axis(azimuth) for axis in (np.cos, np.sin))
    z = ranges * np.sin(elevation)
    cloud = np.stack([x, y, z, rng.random(x.shape)], -1).reshape(-1, 4)
    return cloud.astype(np.float32)


def cloud_frame(cloud: np.ndarray) -> Frame:
    """Return a frame of one lidar on the roof."""
    return Frame(0, {"lidar": LidarScan(cloud, ROOF)})


def points_config(**model) -> Config:
    """Return the configuration of a small network that classifies points."""
    base = config("none", POINTS)
    return replace(base, model=replace(base.model, **model))


@cache
def points_network(model: ModelConfig | None = None) -> Network:
    """Return a network with random weights whose outputs differ from point to point."""
    wanted = points_config() if model is None else replace(points_config(), model=model)
    torch.manual_seed(0)
    made = build_network(wanted)
    samples = [prepare(cloud_frame(turn(seed=seed, reach=50)), wanted, True) for seed in range(2)]
    batch = Batch.from_samples(samples, with_rays=True)
    with torch.no_grad(), torch_threads(1):
        for _ in range(4):  # for the statistics of BatchNorm
            made(batch)
        made.points.heads.point_segmentation.logits.weight *= 20
        made.bev.heads.detection.heatmap.weight *= 20
    return made.eval()


@cache
def points_predictor(engine: str = "torch") -> Predictor:
    """Return a predictor of `points_network`, on one thread of the CPU."""
    return Predictor(
        points_network(),
        points_config(),
        device="cpu",
        precision="fp32",
        engine=engine,
        num_threads=1,
    )
