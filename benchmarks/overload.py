"""Measure the age of results when the node gets several times the input it can process.

usage: python benchmarks/overload.py [--seconds S] [--times N] [--checkpoint C]

The age of a result is the time from publishing its pair to its arrival. It is given as a multiple
of the time that the node worked on this frame. The capacity of the node is one frame in the median
time between two results. Ages should be at most two processing times, and every result should be
that of the newest pair at the time when the node became free.
Writes docs/reliability.md and runs/proof/overload.json.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np
from car import Car, simulated_drive
from document import conditions, table, write
from support.faults import recover

CALIBRATION = 5.0  # seconds in which the processing time is measured
WARM = 3  # results of the warm-up, which are left out


def flood(car: Car, seconds: float, period: float) -> list[dict[str, float]]:
    """Publish a pair every `period` seconds and collect the results.

    Returns:
        For each result, the times (time.monotonic) at which its pair was published and at which it
        arrived, and the duration of its processing in seconds.
    """
    published: dict[int, float] = {}
    first, due, end = len(car.arrivals), time.monotonic(), time.monotonic() + seconds
    cloud, image, info = car.make("points"), car.make("image"), car.make("camera_info")
    while time.monotonic() < end:
        stamp = car.next_stamp()
        for topic, message in (("camera_info", info), ("points", cloud), ("image", image)):
            message.header.stamp = car.header("").stamp
            car.publishers[topic].publish(message)
        published[stamp] = time.monotonic()
        due = max(due + period, time.monotonic())
        car.spin_until_time(due)
    found = []
    for arrival, timing in car.arrivals[first + WARM :]:
        if (sent := published.get(int(timing["stamp"]))) is not None:
            work = 1e-3 * (float(timing["total_ms"]) - float(timing["wait_ms"]))
            found.append({"published": sent, "arrived": arrival, "processing": work})
    return found


def newest_wins(results: list[dict[str, float]], period: float) -> float:
    """Compute the fraction of results whose pair was new when the node became free.

    A pair is new if it is at most two periods old.
    """
    return float(
        np.mean(
            [
                result["published"] > before["arrived"] - 2 * period
                for before, result in itertools.pairwise(results)
            ]
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument(
        "--times",
        type=float,
        default=5.0,
        metavar="N",
        help="input rate as a multiple of the node's capacity (default: 5)",
    )
    parser.add_argument("--checkpoint", default="", help="default: the shipped one")
    args = parser.parse_args()
    setting = conditions()
    car = Car(simulated_drive()[0][0])
    node = car.start_node(**({"checkpoint": args.checkpoint} if args.checkpoint else {}))
    recover(car)
    processing = interval(flood(car, CALIBRATION, 0.03))
    period = processing / args.times
    before = car.arrivals[-1][1]
    results = flood(car, args.seconds, period)
    after, processing = car.arrivals[-1][1], interval(results)
    ages = np.array([result["arrived"] - result["published"] for result in results])
    own = ages / [result["processing"] for result in results]
    received, out, overwritten = (
        int(after[key]) - int(before.get(key, 0))
        for key in ("received/points", "published", "dropped/overwritten")
    )
    result = {
        "conditions": setting,
        "times": processing / period,
        "input_hz": 1 / period,
        "processing_ms": 1e3 * processing,
        "received": received,
        "published": out,
        "overwritten": overwritten,
        "age_ms": {f"p{p}": 1e3 * float(np.percentile(ages, p)) for p in (50, 95, 100)},
        "age_in_processing_times": {f"p{p}": float(np.percentile(own, p)) for p in (50, 95, 100)},
        "newest": newest_wins(results, period),
    }
    node.interrupt()
    node.wait()
    car.close()
    age = result["age_in_processing_times"]
    rows = [
        (
            "input",
            f"{result['input_hz']:.0f} Hz, {result['times']:.1f} times what the node can process",
        ),
        ("median time between two results", f"{result['processing_ms']:.0f} ms"),
        (
            "pairs received, results, pairs overwritten by newer ones",
            f"{received}, {out}, {overwritten}",
        ),
        (
            "age of a result, as a multiple of the time that the node worked on it (limit: 2)",
            f"p50 {age['p50']:.2f}, p95 {age['p95']:.2f}, largest {age['p100']:.2f}",
        ),
        (
            "share of the results that were made from the newest pair in the node",
            f"{100 * result['newest']:.0f} %",
        ),
    ]
    write("overload", f"{setting}.\n\n" + table(("", "result"), rows), result)


def interval(results: list[dict[str, float]]) -> float:
    """Compute the median time between two results, seconds."""
    return float(np.median(np.diff([result["arrived"] for result in results])))


if __name__ == "__main__":
    main()
