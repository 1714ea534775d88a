"""Messages of one lidar and one camera, their synchronizer and its matches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bev_semseg_ros.ros.synchronizer import Match, Synchronizer

MS = 1_000_000


def make_synchronizer(**options) -> Synchronizer:
    """Return a synchronizer; unless given, slop is 50 ms and max_wait 200 ms."""
    return Synchronizer(**{"slop": 50 * MS, "max_wait": 200 * MS, **options})


def match_of(points, image) -> Match:
    """Return a match of one lidar and one camera; None means missing."""
    parts = {"points": points, "image": image}
    return Match(
        {stream: item for stream, item in parts.items() if item is not None},
        tuple(stream for stream, item in parts.items() if item is None),
    )


def feed(sync: Synchronizer, messages: list[tuple[str, float]], delay: float = 0.0) -> list[Match]:
    """Feed (stream, stamp in ms), each `delay` ms after its stamp; the item is the stamp."""
    out = []
    for stream, stamp in messages:
        out += sync.add(stream, round(stamp * MS), stamp, round((stamp + delay) * MS))
    return out


def feed_at(sync: Synchronizer, messages: list[tuple[float, str, float]]) -> list[Match]:
    """Feed (arrival in ms, stream, stamp in ms); the item is the stamp."""
    return [
        match
        for now, stream, stamp in messages
        for match in sync.add(stream, round(stamp * MS), stamp, round(now * MS))
    ]


def ticks(
    stream: str,
    rate: int,
    stamp: Callable[[float], float] = lambda now: now,
    delay: float = 0,
    seconds: int = 10,
) -> list[tuple[float, str, float]]:
    """Return the messages (arrival in ms, stream, stamp in ms) of a sensor.

    The sensor measures every 1 / `rate` s; `stamp` maps the time of a measurement to its stamp.
    """
    times = np.arange(0, seconds * 1e3, 1e3 / rate)
    return [(time + delay, stream, stamp(time)) for time in times]


def stamps_of(matches: list[Match], stream: str) -> list[float]:
    """Return the stamps of the messages of a stream in `matches`."""
    return [match.parts[stream] for match in matches if stream in match.parts]
