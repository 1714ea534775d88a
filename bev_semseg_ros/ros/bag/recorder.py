"""Plays a bag to a perception node, in separate processes, and records the node's output."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.ros.bag.recording import Recording, Result
from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.convert.message import message_class, stamp_ns
from bev_semseg_ros.ros.domain import reserve_domain
from bev_semseg_ros.ros.node.publishers import TOPICS
from bev_semseg_ros.ros.node.shutdown import end_process

NODE = "/perception"
QUIET = 1.5  # seconds without a result after which no more are expected
START = 120.0  # seconds that a node may take to load and to warm up
MATCHING = 30.0  # seconds; DDS repeats a lost announcement after three


class RecordingError(ChildProcessError):
    """The node or the player failed. The text quotes its output, or names its log."""


def record(
    bag: Path,
    folder: Path,
    labels: LabelSet,
    rate: float = 1.0,
    parameters: dict[str, Any] | None = None,
    further: tuple[str, ...] = (),
) -> Recording:
    """Run the node and the player in a ROS domain of their own, and record the node's output.

    Args:
        bag: Bag to play. The node uses its calibration, unless `parameters` names another one.
        folder: Folder for the logs of the processes.
        labels: The label set of the node's boxes.
        rate: Playback speed as a multiple of the recorded one.
        parameters: Parameters of the node.
        further: Further outputs whose messages are kept, named as in `publishers.TOPICS`.

    Returns:
        The recording.

    Raises:
        RecordingError: If the node does not become ready, or it or the player fails.
        DomainError: If other runs use all ROS domains.
    """
    parameters = {"calibration": bag, **(parameters or {})}
    folder.mkdir(parents=True, exist_ok=True)
    ego_from_lidar = load_calibration(parameters["calibration"]).ego_from_lidar
    domain = reserve_domain()
    environment = domain.environment(folder / "ros")
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    node_process = _process(
        ["node", "--ros-args", *arguments], environment, folder / "node.log", "READY"
    )
    subscriptions = subscriber(domain.number, environment, ego_from_lidar, labels, further)
    with domain, node_process as node, subscriptions as results:
        recording = Recording(results, {}, parameters.get("mode") != "lidar_only", further)
        recording.published = _play(bag, rate, environment, folder)
        _wait_for_results(recording)
        if node.poll() is not None:
            raise RecordingError(
                f"the node ended with status {node.returncode} while the bag was played: see "
                f"{folder / 'node.log'}"
            )
    return recording


def _play(bag: Path, rate: float, environment: dict[str, str], folder: Path) -> dict[int, int]:
    """Play the bag to its end. Return Recording.published."""
    log = folder / "published.jsonl"
    arguments = ["play", str(bag), "--rate", str(rate), "--for", NODE, "--log", str(log)]
    with _process(arguments, environment, folder / "player.log") as player:
        player.wait()
    if player.returncode != 0:
        raise RecordingError(
            f"the player ended with status {player.returncode}: see {folder / 'player.log'}"
        )
    return _pairs(log)


def _wait_for_results(recording: Recording) -> None:
    """Wait until the recording is complete, or nothing has come for QUIET seconds."""
    deadline = time.monotonic() + QUIET
    while time.monotonic() < deadline and not recording.is_all_there:
        received = [result.received for result in list(recording.results.values())]
        deadline = max(deadline, max(received, default=0) / 1e9 + QUIET)
        time.sleep(0.02)


def _pairs(log: Path) -> dict[int, int]:
    """Return stamp -> when the later of cloud and image was published, if both were."""
    times: dict[int, dict[str, int]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        times.setdefault(entry["stamp"], {})[entry["topic"]] = entry["published"]
    return {
        stamp: max(topics["/points"], topics["/image"])
        for stamp, topics in times.items()
        if {"/points", "/image"} <= topics.keys()
    }


def start_command(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen:
    """Start a `bev-semseg` command whose output can be read from a pipe.

    Args:
        arguments: The command and its arguments.
        environment: Environment variables of the process.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "bev_semseg_ros.cli.main", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def _process(
    arguments: list[str], environment: dict[str, str], log: Path, ready: str = ""
) -> Iterator[subprocess.Popen]:
    """Run a `bev-semseg` command while the context is entered; end it with SIGINT.

    Args:
        arguments: The command and its arguments.
        environment: Environment variables of the process.
        log: File for its output.
        ready: Text; the context is entered once a line of the output contains it.
    """
    process = start_command(arguments, environment)
    output = process.stdout
    assert output is not None  # because of PIPE
    lines: queue.Queue[str | None] = queue.Queue()

    def copy() -> None:
        with log.open("w") as file:
            for line in output:
                file.write(line)
                file.flush()
                lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=copy)
    reader.start()
    try:
        if ready:
            _wait_for_line(lines, ready, arguments[0])
        yield process
    finally:
        end_process(process)
        reader.join()


def _wait_for_line(lines: queue.Queue[str | None], ready: str, command: str) -> None:
    """Wait for a line that holds `ready`. Raise RecordingError with the last lines if none does."""
    seen: list[str] = []
    while not (seen and ready in seen[-1]):
        try:
            line = lines.get(timeout=START)
        except queue.Empty:
            line = None
        if line is None:
            raise RecordingError(
                f"{command} did not start: {''.join(seen[-5:]).strip() or 'no output'}"
            )
        seen.append(line)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set the environment variables of ROS and DDS for this process, within the context."""
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
    labels: LabelSet,
    further: tuple[str, ...] = (),
    timeout: float = MATCHING,
) -> Iterator[dict[int, Result]]:
    """Subscribe to the outputs of a node while the context is entered.

    The context is entered once the node's publishers are matched, because messages that they
    publish earlier are lost.

    Args:
        domain: The node's ROS domain.
        environment: The node's environment variables of ROS and DDS.
        ego_from_lidar: (4, 4) transform that takes the published boxes to the ego frame.
        labels: The label set of the node's boxes.
        further: Further outputs whose messages are kept, named as in `publishers.TOPICS`.
        timeout: Seconds within which the publishers must be found.

    Yields:
        Results by stamp. The dictionary fills while the context is entered.

    Raises:
        RecordingError: If publishers are not found in time. The text names their topics.
    """
    results: dict[int, Result] = {}
    context = Context()
    with ExitStack() as stack:
        with _environment(environment):
            rclpy.init(args=[], context=context, domain_id=domain)
            stack.callback(rclpy.try_shutdown, context=context)
            node = rclpy.create_node("recorder", context=context)
        stack.callback(node.destroy_node)
        matched = {}
        for topic, callback in _callbacks(results, ego_from_lidar, labels, further):
            matched[topic.replace("~", NODE)] = _subscribe(node, topic, callback)
        stack.enter_context(_spinning(node, context))
        end = time.monotonic() + timeout
        missing = []
        for topic, event in matched.items():
            if not event.wait(max(end - time.monotonic(), 0.0)):
                missing.append(topic)
        if missing:
            raise RecordingError(
                f"the node's topics were not found within {timeout:g} s: {', '.join(missing)}"
            )
        yield results


@contextmanager
def _spinning(node: Node, context: Context) -> Iterator[None]:
    """Run a node's callbacks in a thread while the context is entered.

    Raises:
        RecordingError: If a callback failed. The error of the callback is its cause.
    """
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    closing = threading.Event()
    errors: list[Exception] = []

    def spin() -> None:
        try:
            while not closing.is_set():
                executor.spin_once(timeout_sec=0.1)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=spin, name="recorder")
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()
        executor.shutdown()  # only after the thread has ended, which could otherwise hang
    if errors:
        raise RecordingError(f"a result of the node cannot be read: {errors[0]}") from errors[0]


def _subscribe(node: Node, topic: str, callback: Callable[[Any], None]) -> threading.Event:
    """Subscribe to a topic of `publishers.TOPICS`. Return an event that is set once matched."""
    event = threading.Event()

    def set_event(_: Any) -> None:
        event.set()

    events = SubscriptionEventCallbacks(matched=set_event)
    profile = QoSProfile(depth=10)
    message_type, name = message_class(TOPICS[topic].kind), topic.replace("~", NODE)
    node.create_subscription(message_type, name, callback, profile, event_callbacks=events)
    return event


def _callbacks(
    results: dict[int, Result],
    ego_from_lidar: np.ndarray,
    labels: LabelSet,
    further: tuple[str, ...],
) -> list[tuple[str, Callable[[Any], None]]]:
    """Return topic and callback of each subscription; the callbacks fill `results`."""

    def result(header: Any) -> Result:
        found = results.setdefault(stamp_ns(header.stamp), Result())
        found.received = time.monotonic_ns()
        return found

    def take_markers(message: MarkerArray) -> None:
        if message.markers:
            boxes = boxes_from_markers(message, labels, ego_from_lidar)
            result(message.markers[0].header).boxes = boxes

    def take_labels(message: Image) -> None:
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        result(message.header).mask = pixels[:, : message.width].copy()

    def take_timing(message: DiagnosticArray) -> None:
        found = result(message.header)
        found.timing = {entry.key: entry.value for entry in message.status[0].values}
        # A frame without boxes has no marker that could carry its stamp.
        if found.boxes is None and found.timing["boxes"] == "0":
            found.boxes = Boxes.empty()

    def keep(topic: str, message: Any) -> None:
        parts = message.markers if isinstance(message, MarkerArray) else [message]
        if parts:
            result(parts[0].header).messages[topic] = message

    return [
        ("~/markers", take_markers),
        ("~/semseg/labels", take_labels),
        ("~/timing", take_timing),
        *((topic, partial(keep, topic)) for topic in further),
    ]
