"""Faults of sensors and of their messages, for the tests and benchmarks/faults.py.

A drive is a list of events. A fault turns a good drive into a faulty one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo
from support.malformed import scramble
from support.peer import PATIENCE, Peer

from bev_semseg_ros.ros.convert.message import fill

PERIOD = 0.1  # seconds between two moments of a good drive
BURST = 0.5  # seconds for which a stuttering sensor holds back its messages
HOUR_NS = 3_600_000_000_000
SENSORS = ("points", "image")
AT_ONCE = 10  # requests of a storm that are pending at the same time
MALFORMED = 200  # messages of each type
SEED = 3


@dataclass(frozen=True)
class Event:
    """A message of a drive.

    Attributes:
        due: Time of publishing, seconds after the beginning of the drive.
        topic: points, image or camera_info.
        stamp: Its stamp, nanoseconds.
        spoil: Changes the message before it is published.
    """

    due: float
    topic: str
    stamp: int
    spoil: Callable[[Any], None] | None = None


Drive = list[Event]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: Its name.
        inflict: Turns a good drive into one with the fault.
        counter: Regular expression for names of counters; at least one of them counts the fault.
            Empty: the node continues as if nothing had happened.
        period: Seconds between two moments of the drive.
        moments: Minimum number of moments in the drive.
    """

    name: str
    inflict: Callable[[Drive], Drive]
    counter: str = ""
    period: float = PERIOD
    moments: int = 0


def drive(moments: int, begin: int, period: float = PERIOD) -> Drive:
    """Return a good drive: at each moment a cloud and an image with its camera_info.

    The first moment is stamped `begin`.
    """
    return [
        Event(index * period, topic, begin + round(index * period * 1e9))
        for index in range(moments)
        for topic in ("camera_info", "points", "image")
    ]


def play(peer: Peer, events: Drive) -> None:
    """Publish each event when it is due, and collect the peer's results in the meantime."""
    start = time.monotonic()
    # The sort is stable: events that are due together keep their order.
    for event in sorted(events, key=lambda event: event.due):
        peer.stamp = event.stamp
        message = peer.make(event.topic)
        if event.spoil is not None:
            event.spoil(message)
        peer.spin_until_time(start + event.due)
        peer.publishers[event.topic].publish(message)


def fail(peer: Peer, fault: Fault, moments: int) -> None:
    """Play a drive with the fault, then advance the peer's stamp to the end of the drive."""
    moments, begin = max(moments, fault.moments), peer.next_stamp()
    play(peer, fault.inflict(drive(moments, begin, fault.period)))
    peer.stamp = begin + round(max(moments * fault.period, PERIOD) * 1e9)


def recover(peer: Peer, timeout: float = PATIENCE) -> tuple[dict[str, str], float]:
    """Play a good drive until the node answers one of its pairs with both sensors.

    The drive slows down until the answer comes: a node that is too slow for the drive, as on a busy
    machine, takes the newest cloud and the newest image, which may never be a pair.

    If `peer.reference` (the markers of the same scene before the fault) is set, the boxes of the
    answer must be the same.

    Returns:
        The timing of that answer, and the seconds from the first pair until it came.
    """
    start, sent = time.monotonic(), []

    def answer() -> dict[str, str] | None:
        timings = (peer.timing_of(stamp) for stamp in sent)
        return next((timing for timing in timings if timing and timing["mode"] == "fused"), None)

    for moment in _moments(start, timeout):
        sent.append(peer.next_stamp())
        peer.send(peer.make("points"), peer.make("image"))
        peer.spin_until_time(moment, answer)
        if timing := answer():
            seconds = time.monotonic() - start
            peer.compare_with_reference(int(timing["stamp"]))
            return timing, seconds
    counts = {topic: len(messages) for topic, messages in peer.received.items()}
    raise TimeoutError(
        f"no answer with both sensors within {timeout} s to {len(sent)} pairs; came: {counts}"
    )


def storm(peer: Peer, count: int) -> tuple[int, int]:
    """Set a parameter `count` times, as fast as the node answers, during a good drive.

    Half of the values are invalid.

    Returns:
        The numbers of accepted and of rejected values.
    """

    def request(index: int) -> SetParameters.Request:
        value = ParameterValue(
            type=ParameterType.PARAMETER_DOUBLE, double_value=0.05 if index % 2 else -1.0
        )
        return SetParameters.Request(parameters=[Parameter(name="slop", value=value)])

    client = peer.node.create_client(SetParameters, f"{peer.namespace}/perception/set_parameters")
    peer.spin_until(client.service_is_ready, what="the node's service")
    answers: list[bool] = []
    due = time.monotonic()
    for first in range(0, count, AT_ONCE):
        futures = [
            client.call_async(request(index)) for index in range(first, min(first + AT_ONCE, count))
        ]
        peer.spin_until(
            lambda futures=futures: all(future.done() for future in futures), what="the answers"
        )
        answers += [future.result().results[0].successful for future in futures]
        if time.monotonic() >= due:
            due += PERIOD
            peer.next_stamp()
            peer.send(peer.make("points"), peer.make("image"))
    peer.node.destroy_client(client)
    return sum(answers), len(answers) - sum(answers)


def counted(timing: dict[str, str], counter: str) -> int:
    """Return the sum of the counters whose names match."""
    return sum(int(value) for name, value in timing.items() if re.fullmatch(counter, name))


def _moments(start: float, timeout: float) -> Iterator[float]:
    """Yield the end of each moment of a drive, `time.monotonic()`.

    A moment takes PERIOD or, after the first second, a tenth of the time since the start.
    """
    while (now := time.monotonic()) < start + timeout:
        yield now + max(PERIOD, (now - start) / 10)


# --- faults of a sensor ---------------------------------------------------------------------------


def _of(
    topics: tuple[str, ...] | str, change: Callable[[Event], Event]
) -> Callable[[Drive], Drive]:
    """Return a function that changes every event of these topics."""
    return lambda events: [change(event) if event.topic in topics else event for event in events]


def stopped(topic: str) -> Callable[[Drive], Drive]:
    return lambda events: [event for event in events if event.topic != topic]


def late(topic: str, seconds: float) -> Callable[[Drive], Drive]:
    return _of(topic, lambda event: replace(event, due=event.due + seconds))


def stuttering(topic: str) -> Callable[[Drive], Drive]:
    return _of(topic, lambda event: replace(event, due=(event.due // BURST + 1) * BURST))


def out_of_order(topic: str) -> Callable[[Drive], Drive]:
    """Delay every other message until just after the next one."""
    return _of(
        topic,
        lambda event: (
            replace(event, due=event.due + 1.1 * PERIOD)
            if round(event.due / PERIOD) % 2 == 0
            else event
        ),
    )


def half_rate(topic: str) -> Callable[[Drive], Drive]:
    return lambda events: [
        event for event in events if event.topic != topic or round(event.due / PERIOD) % 2 == 0
    ]


def triple_rate(topic: str) -> Callable[[Drive], Drive]:
    def between(event: Event, third: int) -> Event:
        later = third * PERIOD / 3
        return replace(event, due=event.due + later, stamp=event.stamp + round(later * 1e9))

    return lambda events: [
        between(event, third)
        for event in events
        for third in range(3 if event.topic == topic else 1)
    ]


def stamped(topics: tuple[str, ...] | str, stamp: Callable[[int], int]) -> Callable[[Drive], Drive]:
    return _of(topics, lambda event: replace(event, stamp=stamp(event.stamp)))


# --- faults of a message --------------------------------------------------------------------------


def spoilt(topics: tuple[str, ...] | str, spoil: Callable[[Any], None]) -> Callable[[Drive], Drive]:
    return _of(topics, lambda event: replace(event, spoil=spoil))


def with_points(message: Any, points: np.ndarray) -> None:
    """Replace the points of a cloud by these (N, 4)."""
    message.width, message.row_step = len(points), 16 * len(points)
    del message.data[:]
    fill(message, points.astype(np.float32))


def truncated(message: Any) -> None:
    del message.data[len(message.data) // 2 :]


def resized(message: Any, width: float, height: float) -> None:
    """Scale the size and K of a camera_info, or the size of an image, which becomes grey."""
    message.width, message.height = int(width * message.width), int(height * message.height)
    if isinstance(message, CameraInfo):
        scale = np.diag([width, height, 1.0])
        message.k, message.p = (
            (scale @ np.reshape(matrix, (3, -1))).ravel() for matrix in (message.k, message.p)
        )
    else:
        message.step = 3 * message.width
        del message.data[:]
        fill(message, np.full((message.height, message.width, 3), 128, np.uint8))


def malformed(topic: str) -> Callable[[Drive], Drive]:
    """Damage each message of the topic at random, each in a different way."""

    def inflict(events: Drive) -> Drive:
        number = iter(range(len(events)))
        return [
            replace(event, spoil=partial(scramble, rng=np.random.default_rng((SEED, next(number)))))
            if event.topic == topic
            else event
            for event in events
        ]

    return inflict


MILLION = np.random.default_rng(SEED).uniform((0, -30, -2, 0), (60, 30, 2, 1), (1_000_000, 4))

FAULTS = [
    Fault("points stopped", stopped("points"), "dropped/unmatched_image"),
    Fault("image stopped", stopped("image"), "degraded/no_image"),
    Fault("camera_info stopped", stopped("camera_info")),
    *[Fault(f"{topic} 0.1 s late", late(topic, 0.1)) for topic in SENSORS],
    Fault("points 0.5 s late", late("points", 0.5), "dropped/unmatched_image"),
    Fault("image 0.5 s late", late("image", 0.5), "degraded/no_image"),
    Fault("points stuttering", stuttering("points"), "dropped/unmatched_image"),
    Fault("image stuttering", stuttering("image"), "degraded/no_image"),
    # On a busy machine the older message may replace the newer one in DDS (depth 1). The partner of
    # the newer one then remains unmatched.
    *[
        Fault(
            f"{topic} out of order",
            out_of_order(topic),
            f"dropped/late_{topic}|dropped/unmatched_.*|degraded/no_.*",
        )
        for topic in SENSORS
    ],
    Fault("points at half rate", half_rate("points"), "dropped/unmatched_image"),
    Fault("image at half rate", half_rate("image"), "degraded/no_image|dropped/unmatched_points"),
    Fault(
        "points at triple rate", triple_rate("points"), "degraded/no_image|dropped/unmatched_points"
    ),
    Fault("image at triple rate", triple_rate("image"), "dropped/unmatched_image"),
    *[
        Fault(f"{name} stamped 0", stamped(topics, lambda _: 0), counter)
        for name, topics, counter in (
            ("points", "points", "dropped/no_stamp_points"),
            ("image", "image", "dropped/no_stamp_image"),
            ("everything", (*SENSORS, "camera_info"), "dropped/no_stamp_points"),
        )
    ],
    *[
        Fault(f"{name} stamped an hour ahead", stamped(topics, lambda stamp: stamp + HOUR_NS))
        for name, topics in (
            ("points", "points"),
            ("image", "image"),
            ("everything", (*SENSORS, "camera_info")),
        )
    ],
    Fault(
        "empty cloud",
        spoilt("points", partial(with_points, points=np.zeros((0, 4)))),
        "degraded/empty_points",
    ),
    Fault(
        "cloud of one point",
        spoilt("points", partial(with_points, points=np.array([[9, 1, 0, 0.5]]))),
    ),
    Fault(
        "cloud of NaN",
        spoilt("points", partial(with_points, points=np.full((500, 4), np.nan))),
        "degraded/empty_points",
    ),
    Fault("cloud of a million points", spoilt("points", partial(with_points, points=MILLION))),
    Fault(
        "image and camera_info of half the size",
        spoilt(("image", "camera_info"), partial(resized, width=0.5, height=0.5)),
    ),
    Fault(
        "image and camera_info of half the width",
        spoilt(("image", "camera_info"), partial(resized, width=0.5, height=1.0)),
        "degraded/new_image_size",
    ),
    Fault(
        "image alone of half the width",
        spoilt("image", partial(resized, width=0.5, height=1.0)),
        "degraded/bad_camera_info",
    ),
    Fault("truncated cloud", spoilt("points", truncated), "degraded/bad_points"),
    Fault("truncated image", spoilt("image", truncated), "degraded/bad_image"),
    Fault(
        f"{MALFORMED} malformed PointCloud2",
        malformed("points"),
        "degraded/bad_points",
        0.01,
        MALFORMED,
    ),
    Fault(
        f"{MALFORMED} malformed Image", malformed("image"), "degraded/bad_image", 0.01, MALFORMED
    ),
    Fault(
        f"{MALFORMED} malformed CameraInfo",
        malformed("camera_info"),
        "degraded/bad_camera_info",
        0.01,
        MALFORMED,
    ),
]
