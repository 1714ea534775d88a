"""Measure memory, latency and counters of the node over a long drive.

usage: python benchmarks/soak.py [--minutes M] [--frames N] [--rate HZ] [--rig RIG | --bag BAG]
       [--checkpoint C]

A player process plays a bag in a loop, until M minutes are over or it has played N frames.
Resident memory should grow by less than 1 % after the first fifth of the time. The median latency
of the last third should be like that of the first. According to the node's counters, each cloud of
the reference lidar should have been answered or dropped.
Writes docs/reliability.md and runs/proof/soak.json; with a rig of several sensors another section,
and soak_rig.json.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from car import Car, simulated_bag, simulated_drive
from document import conditions, table, write
from support.process import Process

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.sim.rigs.named import RIGS

BAG_RATE = 10.0  # Hz at which the simulated drive was recorded
SAMPLING = 1.0  # seconds between two measurements of the memory
WARM_UP = 0.2  # fraction of the time
QUIET = 2.0  # seconds after the end of the player in which the node answers what is left
MIB = 2**20


def balance(timing: dict[str, str], stream: str) -> dict[str, int]:
    """Account for all clouds of the reference lidar by the node's counters.

    Args:
        timing: The last values of ~/timing.
        stream: Stream of the lidar: "points" or "NAME/points".

    Returns:
        Numbers of clouds. Those in `open` were neither answered nor dropped.
    """
    counters = {
        key: int(value)
        for key, value in timing.items()
        if key.startswith(("dropped/", "degraded/"))
    }
    answered = int(timing["published"]) - counters.get(f"degraded/no_{stream}", 0)
    others = [key.removeprefix("received/") for key in timing if key.startswith("received/")]
    others.remove(stream)
    dropped = sum(
        value
        for key, value in counters.items()
        if key.startswith("dropped/") and not key.endswith(tuple(others))
    )
    received = int(timing[f"received/{stream}"])
    return {
        "in": received,
        "out": answered,
        "dropped": dropped,
        "open": received - answered - dropped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=BAG_RATE, help="Hz (default: %(default)s)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--rig",
        choices=RIGS,
        default="a2d2",
        help="rig of the simulated drive (default: %(default)s)",
    )
    source.add_argument("--bag", type=Path, help="bag recorded at 10 Hz, with its calibration")
    parser.add_argument("--checkpoint", default="", help="default: the shipped one")
    args = parser.parse_args()
    setting = conditions()
    bag = args.bag or simulated_bag(args.rig)
    sensors = load_calibration(bag)
    has_several = len(sensors.lidars) > 1 or len(sensors.cameras) > 1
    names = {"lidars": list(sensors.lidars), "cameras": list(sensors.cameras)}
    stream = f"{names['lidars'][0]}/points" if has_several else "points"
    parameters = {kind: f"[{', '.join(each)}]" for kind, each in names.items() if has_several}
    if args.checkpoint:
        parameters["checkpoint"] = args.checkpoint
    car = Car(simulated_drive()[0][0])
    for publisher in car.publishers.values():
        car.node.destroy_publisher(publisher)  # here the player sends, not the car
    node = car.start_node(calibration=bag, **parameters)
    player = Process(
        "play", str(bag), "--loop", "--rate", str(args.rate / BAG_RATE), "--for", "/perception"
    )
    car.spin_until(lambda: car.arrivals, 60, "the first result")
    start, memory = time.monotonic(), []
    while (
        elapsed := time.monotonic() - start
    ) < 60 * args.minutes and elapsed < args.frames / args.rate:
        car.spin_until_time(time.monotonic() + SAMPLING)
        memory.append((time.monotonic() - start, node.resident))
        for messages in car.received.values():
            messages.clear()
        if node.has_ended or player.has_ended:
            raise SystemExit(
                "the node or the player has ended:\n" + "\n".join((node.lines + player.lines)[-5:])
            )
    player.interrupt()
    player.wait()
    car.spin_until_time(time.monotonic() + QUIET)
    result = summary(car, memory, elapsed, stream) | {
        "conditions": setting,
        "rate_hz": args.rate,
        "bag": bag.name,
    }
    node.interrupt()
    node.wait()
    car.close()
    section = "soak_rig" if has_several else "soak"
    write(section, f"{setting}.\n\n" + table(("", "result", "limit"), rows(result)), result)


def summary(car: Car, memory: list[tuple[float, int]], seconds: float, stream: str) -> dict:
    """Compute everything that the JSON file holds, except for the conditions."""
    times, bytes_ = np.array(memory).T
    warm = bytes_[times > WARM_UP * seconds]
    latency = np.array(
        [float(timing["network_ms"]) + float(timing["overhead_ms"]) for _, timing in car.arrivals]
    )
    network = np.array([float(timing["network_ms"]) for _, timing in car.arrivals])
    third = len(latency) // 3
    last = car.arrivals[-1][1]
    return {
        "seconds": seconds,
        "results": len(latency),
        "memory_mib": [round(float(b) / MIB, 1) for b in bytes_[::30]],
        "memory_after_warm_up_mib": float(np.median(warm[:5])) / MIB,
        "memory_at_the_end_mib": float(np.median(warm[-5:])) / MIB,
        "memory_growth": float(np.median(warm[-5:]) / np.median(warm[:5]) - 1),
        "latency_ms": {f"p{p}": float(np.percentile(latency, p)) for p in (50, 95, 99)},
        "latency_drift": float(np.median(latency[-third:]) / np.median(latency[:third])),
        "network_drift": float(np.median(network[-third:]) / np.median(network[:third])),
        "balance": balance(last, stream),
        "counters": {key: int(value) for key, value in last.items() if "/" in key},
    }


def rows(result: dict) -> list[tuple[str, str, str]]:
    latency, clouds = result["latency_ms"], result["balance"]
    causes = ", ".join(
        f"{count} {key.partition('/')[2]}"
        for key, count in result["counters"].items()
        if key.startswith("dropped/")
    )
    return [
        ("duration, results", f"{result['seconds'] / 60:.1f} min, {result['results']}", ""),
        (
            "resident memory after warm-up and at the end",
            f"{result['memory_after_warm_up_mib']:.0f} MiB, "
            f"{result['memory_at_the_end_mib']:.0f} MiB: {100 * result['memory_growth']:+.2f} %",
            "below +1 %",
        ),
        (
            "latency from the complete frame to its result",
            f"p50 {latency['p50']:.0f}, p95 {latency['p95']:.0f}, p99 {latency['p99']:.0f} ms",
            "",
        ),
        (
            "median latency in the last third of the run, divided by that in the first third",
            f"{result['latency_drift']:.3f} (network alone {result['network_drift']:.3f})",
            "about 1",
        ),
        (
            "clouds received = answered + dropped + open",
            f"{clouds['in']} = {clouds['out']} + {clouds['dropped']} + {clouds['open']}",
            "open: 0",
        ),
        ("drops by cause", causes or "none", ""),
    ]


if __name__ == "__main__":
    main()
