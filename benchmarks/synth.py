"""Measure how fast the simulator makes frames, and print statistics of the points.

usage: python benchmarks/synth.py [--rig a2d2|kitti|random] [--scenes N] [--seed K]

Every scene has one frame, as in training data. The benchmark uses one process with one thread and
leaves out the first scene, during which code is compiled.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.source import RANDOM, rig_source
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.sweep import Path, seen_from

RANGES = (0, 10, 20, 30, 40, 50, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rig", choices=(*sorted(RIGS), RANDOM), default="a2d2")
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=500_000)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    source, library = rig_source(args.rig, args.seed), Library(args.seed)
    seconds: dict[str, list[float]] = {"world": [], "image": [], "lidar": []}
    counts, intensities = [], []
    for scene in range(args.scenes + 1):
        marks = [time.perf_counter()]
        rig, world = source.rig_of(scene), World(args.seed + scene, 1, library)
        view = seen_from(world.view(0), rig.vehicle_from_ego)
        marks.append(time.perf_counter())
        for camera in rig.cameras.values():
            render(view, camera)
        marks.append(time.perf_counter())
        path = Path.of(world, 0, rig.sweep, rig.vehicle_from_ego) if rig.sweep else None
        points = scan(view, rig, path=path)
        marks.append(time.perf_counter())
        if scene == 0:
            continue
        for part, took in zip(seconds.values(), np.diff(marks), strict=True):
            part.append(took)
        counts.append(np.histogram(np.linalg.norm(points.positions[:, :2], axis=1), RANGES)[0])
        intensities.append(points.intensities)
    for name, values in seconds.items():
        print(
            f"{name:6} {1e3 * np.mean(values):6.0f} ms "
            f"(5-95 %: {1e3 * np.percentile(values, 5):.0f}-{1e3 * np.percentile(values, 95):.0f})"
        )
    print(
        f"all    {1 / sum(map(np.mean, seconds.values())):6.1f} frames/s "
        "in one process, without writing files"
    )
    print(
        f"points {np.sum(counts) / len(counts):6.0f} per frame; by range "
        + ", ".join(
            f"{low}-{high} m {n:.0f}"
            for low, high, n in zip(RANGES, RANGES[1:], np.mean(counts, 0), strict=False)
        )
    )
    shares = np.percentile(np.concatenate(intensities) * 255, (5, 25, 50, 75, 95))
    print(
        "intensity, 0 to 255, at 5, 25, 50, 75, 95 %: "
        + " ".join(f"{value:.0f}" for value in shares)
    )


if __name__ == "__main__":
    main()
