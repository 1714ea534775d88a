"""Plays a bag to a perception node, each a process of its own, and keeps what the node publishes."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.convert.message import message_class, stamp_ns
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.health.diagnostics import NOT_SEARCHED
from bev_semseg_ros.ros.node.publishers import TOPICS

QUIET = 1.5  # seconds without a result after which nothing more is expected
START = 120.0  # seconds a node may take to load and warm up
DOMAINS = range(70, 101)  # of ROS, beyond those that people commonly take
MATCHING = 30.0  # seconds until the node's topics must be found; DDS repeats a lost announcement after three


class RecordingError(ChildProcessError):
    """The node or the player failed; in the node's own words, or naming its log."""


@dataclass
class Result:
    """What came of one pair.

    boxes: in the ego frame; received: time.monotonic_ns of the last part; messages: of further topics, as they came.
    """

    boxes: Boxes | None = None
    mask: np.ndarray | None = None
    timing: dict[str, str] = field(default_factory=dict)
    received: int = 0
    messages: dict[str, Any] = field(default_factory=dict)


@dataclass
class Recording:
    """results: by stamp (ns); published: stamp -> time.monotonic_ns at which the pair was complete on its topics;
    with_masks: False of a node that sees no images; further: topics whose messages are kept, too."""

    results: dict[int, Result]
    published: dict[int, int]
    with_masks: bool = True
    further: tuple[str, ...] = ()

    @property
    def complete(self) -> dict[int, Result]:
        """Results with boxes (if they were looked for) and mask (if there are masks), by stamp in order."""
        return {
            stamp: result
            for stamp, result in sorted(self.results.items())
            if stamp in self.published
            and (result.mask is not None or not self.with_masks)
            and (result.boxes is not None or result.timing.get("boxes") == NOT_SEARCHED)
        }

    @property
    def is_all_there(self) -> bool:
        """True if every pair has a complete result, its timing and the messages of further topics."""
        complete = self.complete
        return all(
            stamp in complete
            and complete[stamp].timing
            and complete[stamp].messages.keys() >= {*self.further}
            for stamp in self.published
        )

    @property
    def dropped(self) -> dict[str, int]:
        """Pairs without a complete result: by the node's own last count, the rest as `transport`.

        The node counts a pair twice whose cloud and image it dropped apart; here each counts once.
        """
        timed = [result for result in self.results.values() if result.timing]
        last = max(timed, key=lambda result: result.received, default=Result())
        causes: dict[str, int] = {}
        lost = len(self.published) - len(self.complete)
        for key, value in last.timing.items():
            if key.startswith("dropped/") and (count := min(int(value), lost)):
                causes[key.removeprefix("dropped/")] = count
                lost -= count
        return causes | {"transport": lost}

    def summary(self) -> dict[str, Any]:
        """frames_in, frames_out, dropped, and percentiles of latency, network and overhead in milliseconds."""
        results = self.complete
        latency = [
            (result.received - self.published[stamp]) / 1e6 for stamp, result in results.items()
        ]

        def timing(key: str) -> list[float]:
            return [
                float(result.timing[key]) for result in results.values() if key in result.timing
            ]

        third = len(latency) // 3
        drift = float(np.median(latency[-third:]) / np.median(latency[:third])) if third else None
        return {
            "frames_in": len(self.published),
            "frames_out": len(results),
            "dropped": self.dropped,
            "latency_ms": _percentiles(latency),
            "latency_last_to_first_third": drift,
            "network_ms": _percentiles(timing("network_ms")),
            "overhead_ms": _percentiles(timing("overhead_ms")),
        }


def _percentiles(values: list[float]) -> dict[str, float | None]:
    return {f"p{p}": float(np.percentile(values, p)) if values else None for p in (50, 95, 99)}


def record(
    bag: Path,
    folder: Path,
    rate: float = 1.0,
    parameters: dict[str, Any] | None = None,
    further: tuple[str, ...] = (),
) -> Recording:
    """Run the node and the player on a domain of their own; return all that came out.

    folder: gets the processes' logs. parameters: of the node, besides the bag's calibration. further: outputs, as in
    `outputs.TOPICS`, whose messages are kept as they came. Raises RecordingError with the node's own words if it does
    not become ready, and if it or the player fails.
    """
    parameters = {"calibration": bag, **(parameters or {})}
    folder.mkdir(parents=True, exist_ok=True)
    domain = random.SystemRandom().choice(DOMAINS)
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(folder / "ros"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    use_shared_memory_profile(environment)
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    ego_from_lidar = load_calibration(parameters["calibration"]).ego_from_lidar
    with (
        _process(
            ["node", "--ros-args", *arguments], environment, folder / "node.log", "READY"
        ) as node,
        subscriber(domain, environment, ego_from_lidar, further) as results,
    ):
        recording = Recording(results, {}, parameters.get("mode") != "lidar_only", further)
        log = folder / "published.jsonl"
        with _process(
            ["play", str(bag), "--rate", str(rate), "--for", "/perception", "--log", str(log)],
            environment,
            folder / "player.log",
        ) as player:
            player.wait()
        if player.returncode != 0:
            raise RecordingError(
                f"the player ended with {player.returncode}: see {folder / 'player.log'}"
            )
        recording.published = _pairs(log)
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline and not recording.is_all_there:
            last = max((result.received for result in list(results.values())), default=0) / 1e9
            deadline = max(deadline, last + QUIET)
            time.sleep(0.02)
        if node.poll() is not None:
            raise RecordingError(
                f"the node ended with {node.returncode} while it was played to: see "
                f"{folder / 'node.log'}"
            )
    return recording


def _pairs(log: Path) -> dict[int, int]:
    """Stamps of which both cloud and image were published -> when the later one was."""
    times: dict[int, dict[str, int]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        times.setdefault(entry["stamp"], {})[entry["topic"]] = entry["published"]
    return {
        stamp: max(topics["/points"], topics["/image"])
        for stamp, topics in times.items()
        if {"/points", "/image"} <= topics.keys()
    }


@contextmanager
def _process(
    arguments: list[str], environment: dict[str, str], log: Path, ready: str = ""
) -> Iterator[subprocess.Popen]:
    """A `bev-semseg` command whose output goes to `log`; entered once a line holds `ready`; ended with SIGINT."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bev_semseg_ros.cli.main", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def copy() -> None:
        with log.open("w") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=copy)
    reader.start()
    try:
        seen: list[str] = []
        while ready and not (seen and ready in seen[-1]):
            try:
                line = lines.get(timeout=START)
            except queue.Empty:
                line = None
            if line is None:
                raise RecordingError(
                    f"{arguments[0]} did not start: {''.join(seen[-5:]).strip() or 'no output'}"
                )
            seen.append(line)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        reader.join()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """What ROS and DDS read of the environment, for this process while the context is entered."""
    chosen = {name: value for name, value in values.items() if name.startswith(("ROS_", "FAST"))}
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def subscriber(
    domain: int,
    environment: dict[str, str],
    ego_from_lidar: np.ndarray,
    further: tuple[str, ...] = (),
    timeout: float = MATCHING,
) -> Iterator[dict[int, Result]]:
    """Subscriptions to a node's outputs; the dictionary fills while the context is entered.

    Entered once the node's publishers are matched: what they publish before that would be lost. Raises RecordingError
    if they are not within `timeout` seconds.
    """
    results: dict[int, Result] = {}
    context = Context()
    with _environment(environment):
        rclpy.init(args=[], context=context, domain_id=domain)
        node = rclpy.create_node("recorder", context=context)

    def result(header: Any) -> Result:
        found = results.setdefault(stamp_ns(header.stamp), Result())
        found.received = time.monotonic_ns()
        return found

    def take_markers(message: MarkerArray) -> None:
        if message.markers:
            result(message.markers[0].header).boxes = boxes_from_markers(message, ego_from_lidar)

    def take_labels(message: Image) -> None:
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        result(message.header).mask = pixels[:, : message.width].copy()

    def take_timing(message: DiagnosticArray) -> None:
        found = result(message.header)
        found.timing = {entry.key: entry.value for entry in message.status[0].values}
        if found.boxes is None and found.timing["boxes"] == "0":
            found.boxes = (
                Boxes.empty()
            )  # a frame without boxes has no marker that could carry its stamp

    def keep(topic: str, message: Any) -> None:
        parts = message.markers if isinstance(message, MarkerArray) else [message]
        if parts:
            result(parts[0].header).messages[topic] = message

    matched: dict[str, threading.Event] = {}
    wanted = [
        (MarkerArray, "markers", take_markers),
        (Image, "semseg/labels", take_labels),
        (DiagnosticArray, "timing", take_timing),
    ]
    wanted += [
        (message_class(TOPICS[topic].kind), topic.removeprefix("~/"), partial(keep, topic))
        for topic in further
    ]
    for kind, topic, callback in wanted:
        matched[topic] = threading.Event()
        events = SubscriptionEventCallbacks(matched=lambda _, event=matched[topic]: event.set())
        node.create_subscription(
            kind, f"/perception/{topic}", callback, QoSProfile(depth=10), event_callbacks=events
        )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, name="recorder")
    thread.start()
    try:
        end = time.monotonic() + timeout
        missing = [
            topic
            for topic, event in matched.items()
            if not event.wait(max(end - time.monotonic(), 0.0))
        ]
        if missing:
            raise RecordingError(
                f"the node's topics were not found within {timeout:g} s: {', '.join(missing)}"
            )
        yield results
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
