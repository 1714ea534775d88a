"""Measure how much accuracy the vehicle's motion costs, and how much its correction recovers.

usage: python benchmarks/ego_motion.py DATA [--checkpoint C] [--speed V] [--yaw-rate W] [--delay S]

DATA are simulated frames with velocities of the objects, such as

    bev-semseg synth DATA --rig kitti_2_lidars --scenes 60 --frames 1 --seed 930000

The simulator measures all points of a frame at one moment. This benchmark moves each point to where
a spinning lidar on a moving vehicle would measure it. A sweep takes 0.1 s and ends at the time of
the frame; the sweeps of lidars other than the first end DELAY earlier. Meanwhile, objects move with
their own velocities. Each frame is scored three times: as simulated ("simulated"), as measured from
the moving vehicle ("not moved"), and as the latter with the points corrected for the vehicle's
motion ("moved"). The network does not know the motion of the objects, which is not corrected.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scores import print_boxes

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, Report, spaced
from bev_semseg_ros.frame import Annotation, Boxes, EgoMotion, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, points_in_boxes
from bev_semseg_ros.inference.predictor import Predictor

SWEEP = 0.1  # duration of a sweep, seconds


def swept(scan: LidarScan, delay: float, motion: EgoMotion, objects: Boxes) -> LidarScan:
    """Return a scan as a spinning lidar on a moving vehicle would measure it.

    Args:
        scan: The scan as simulated, all points at the time of the frame.
        delay: Time from the end of the sweep to the time of the frame, seconds.
        motion: Motion of the vehicle.
        objects: Ground truth; the points in its boxes move with its velocities.
    """
    if scan.points is None:
        return scan
    points = scan.points
    # Clockwise from behind, as a Velodyne spins.
    turned = 0.5 - np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi)
    times = ((turned - 1) * SWEEP - delay).astype(np.float32)
    in_ego = apply(scan.ego_from_lidar, points[:, :3].astype(np.float64))
    inside = points_in_boxes(in_ego, objects, margin=0.1)
    for on_object, velocity in zip(inside, objects.velocities, strict=True):
        if np.isfinite(velocity).all():
            in_ego[on_object, :2] += times[on_object, None] * velocity
    # Positions of static points in the ego frame of time t: the inverse of the motion correction.
    back = EgoMotion(-motion.linear, -motion.angular)
    seen = apply(invert(scan.ego_from_lidar), back.to_frame_time(in_ego, times))
    moved = np.column_stack([seen, points[:, 3]]).astype(np.float32)
    return LidarScan(moved, scan.ego_from_lidar, {**scan.attributes, "time": times}, -delay)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--checkpoint", default="weights/bev_semseg.pt")
    parser.add_argument("--speed", type=float, default=15.0, help="m/s")
    parser.add_argument("--yaw-rate", type=float, default=0.1, help="rad/s")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds")
    parser.add_argument("--limit", type=int, help="number of frames, evenly spaced; default: all")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data)
    predictor = Predictor.load(arguments.checkpoint)
    motion = EgoMotion((arguments.speed, 0, 0), (0, 0, arguments.yaw_rate))
    names = ("simulated", "not moved", "moved")
    reports = {name: Report(predictor.tasks, "fused") for name in names}
    costs = []
    for index in spaced(len(dataset), arguments.limit):
        frame, annotation = dataset[index]
        for name, seen in views(frame, annotation, motion, arguments.delay).items():
            reports[name].add(frame, annotation, predictor.predict(seen, "fused", SCORE_THRESHOLD))
        costs.append(cost(frame, motion))
    print(f"{arguments.data}, {len(costs)} frames, {predictor.description}")
    print(f"{arguments.speed:g} m/s, {arguments.yaw_rate:g} rad/s, delay {arguments.delay:g} s")
    print(f"moving a cloud takes {np.median(costs):.1f} ms (p50)")
    for name, report in reports.items():
        print_boxes(name, report)


def views(
    frame: Frame, annotation: Annotation, motion: EgoMotion, delay: float
) -> dict[str, Frame]:
    """Return the frame as simulated, as measured on the way, and the latter with its motion."""
    objects = annotation.boxes or Boxes.empty()
    first = next(iter(frame.lidars))
    lidars = {
        name: swept(scan, 0.0 if name == first else delay, motion, objects)
        for name, scan in frame.lidars.items()
    }
    on_the_way = replace(frame, lidars=lidars)
    return {
        "simulated": frame,
        "not moved": on_the_way,
        "moved": replace(on_the_way, motion=motion),
    }


def cost(frame: Frame, motion: EgoMotion) -> float:
    """Return the time that the motion correction of a frame's points takes, milliseconds."""
    clouds = [scan.points for scan in frame.lidars.values() if scan.points is not None]
    started = time.perf_counter()
    for points in clouds:
        motion.to_frame_time(points[:, :3], np.zeros(len(points), np.float32))
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
