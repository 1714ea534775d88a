"""Measure the time that the node takes in addition to its network, stage by stage.

usage: python benchmarks/node_overhead.py [--runs N] [--encoding E]

The input has 1920 x 1208 pixels and 60,000 points. A stub replaces the network and immediately
returns a mask and 30 boxes. The total excludes DDS: it starts with messages as rclpy delivers them
and ends with messages as rclpy takes them, for all outputs. The same run also measures the
transport of these messages through DDS and a memory copy of their bytes. Times are also given as
multiples of that copy, because milliseconds depend on the machine. The limits are 15 ms (p50) and
30 ms (p99).
Writes docs/reliability.md and runs/proof/overhead.json.
"""

from __future__ import annotations

import argparse
import gc
import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import rclpy
from car import RUNS  # noqa: F401 - sets the environment of ROS
from document import conditions, table, write
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import CAMERA, LIDAR, Boxes, Camera, Prediction
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.preprocessing import network_size, prepare_points, rectify
from bev_semseg_ros.ros.convert.camera_info import decode_camera, encode_camera
from bev_semseg_ros.ros.convert.image import decode_image, encode_image
from bev_semseg_ros.ros.convert.message import fill
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_info_matcher import CameraInfoMatcher
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.extrinsics import FixedExtrinsics
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.node.pipeline import Pipeline
from bev_semseg_ros.ros.node.publishers import Publishers
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import Synchronizer

SIZE = (1920, 1208)
POINTS, BOXES = 60_000, 30
POINT_STEP = 32  # bytes, padded as many drivers do: x, y, z, intensity at 16, ring
CONFIG = Config()
LABEL_SETS = {task: load_label_set(name) for task, name in CONFIG.labels.items()}


class Network:
    """A stub of the predictor that answers at once."""

    config = CONFIG
    info: ClassVar[dict] = {}
    label_sets: ClassVar[dict[str, LabelSet]] = LABEL_SETS
    point_attributes: ClassVar[tuple[str, ...]] = ()
    whole_clouds = False

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        width, height = network_size(SIZE, CONFIG.image)
        self.mask = rng.integers(0, 13, (height // 16 + 1, width // 16 + 1)).astype(np.uint8)
        self.mask = self.mask.repeat(16, 0).repeat(16, 1)[:height, :width].copy()
        self.boxes = Boxes(
            rng.uniform((0, -20, 0), (50, 20, 2), (BOXES, 3)),
            np.full((BOXES, 3), 2.0),
            np.zeros(BOXES),
            rng.integers(0, 4, BOXES),
            np.sort(rng.uniform(0.3, 1, BOXES))[::-1],
        )

    def is_warm(self, size: tuple[int, int]) -> bool:
        return True

    def predict_sample(self, sample: Any, mode: str, threshold: float) -> Prediction:
        return Prediction.of(self.boxes, self.mask, sample.camera, "fused", 0.0)

    def bev_map(self, sample: Any, prediction: Prediction) -> None:
        """Return no map: the predictor would lift it, not the node."""


class Unsent(Publishers):
    """Builds every message and sends none."""

    def wanted(self, topic: str) -> bool:
        return topic in self._publishers  # absent where the message type is not installed

    def _send(self, topic: str, message: Any) -> None:
        pass


class Moment:
    """The messages of one moment and the calibration that belongs to them."""

    def __init__(self, encoding: str) -> None:
        rng = np.random.default_rng(2)
        camera = Camera(
            np.array([[1600.0, 0, 960], [0, 1600, 604], [0, 0, 1]]),
            SIZE,
            OPTICAL_FROM_VIEW @ invert(transform(translation=(1.5, 0, 1.2))),
            [-0.27, 0.1, 0.0005, -0.0002, -0.02],
            "plumb_bob",
            np.array([[1580.0, 0, 960], [0, 1580, 604], [0, 0, 1]]),
        )
        self.calibration = Calibration.of(transform(translation=(0, 0, 1.8)), camera)
        pixels = rng.integers(
            0, 256, (SIZE[1] // 8, SIZE[0] // 8, 1 if "bayer" in encoding else 3), np.uint8
        )
        self.image = encode_image(
            np.squeeze(pixels.repeat(8, 0).repeat(8, 1)), encoding, Header(frame_id="camera")
        )
        self.info = encode_camera(camera, self.image.header)
        self.cloud = cloud(rng)
        self.bytes = np.frombuffer(bytes(self.image.data) + bytes(self.cloud.data), np.uint8)


def cloud(rng: np.random.Generator) -> PointCloud2:
    """Make a cloud in the layout of common drivers, with one NaN in 50 points."""
    kind = np.dtype(
        {
            "names": ["x", "y", "z", "intensity", "ring"],
            "formats": ["<f4", "<f4", "<f4", "<f4", "<u2"],
            "offsets": [0, 4, 8, 16, 20],
            "itemsize": POINT_STEP,
        }
    )
    points = np.zeros(POINTS, kind)
    angle, distance = rng.uniform(-np.pi, np.pi, POINTS), 3 + rng.exponential(12, POINTS)
    points["x"], points["y"] = distance * np.cos(angle), distance * np.sin(angle)
    points["z"], points["intensity"] = rng.uniform(-1.8, 1.5, POINTS), rng.random(POINTS)
    points["x"][::50] = np.nan
    fields = [
        PointField(
            name=name,
            offset=int(kind.fields[name][1]),
            count=1,
            datatype=PointField.UINT16 if name == "ring" else PointField.FLOAT32,
        )
        for name in kind.names
    ]
    message = PointCloud2(
        header=Header(frame_id="lidar"),
        height=1,
        width=POINTS,
        fields=fields,
        is_bigendian=False,
        point_step=POINT_STEP,
        row_step=POINT_STEP * POINTS,
        is_dense=False,
    )
    fill(message, points.view(np.uint8))
    return message


def measure(run: Callable[[], Any], runs: int) -> np.ndarray:
    """Measure the time of each run in milliseconds, after some warm-up runs."""
    times = []
    for _ in range(runs + runs // 10 + 3):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times[-runs:])


def node_parameters() -> Parameters:
    """Return the parameters of a configured node with default values."""
    return Parameters(by_class=ClassParameters.defaults(LABEL_SETS["detection"].classes))


def whole(moment: Moment, node: Any) -> Callable[[], None]:
    """Return a function that turns three messages into all outputs, as the node does."""
    health, parameters = Health(), node_parameters()
    queue = LatestPairQueue(Synchronizer(50_000_000, 200_000_000), health)
    camera = moment.calibration.camera
    assert camera is not None
    extrinsics = FixedExtrinsics(
        {LIDAR: moment.calibration.ego_from_lidar}, {CAMERA: camera.camera_from_ego}, "lidar", {}
    )
    pipeline = Pipeline(
        Network(),
        extrinsics,
        queue,
        Unsent(node, LABEL_SETS, health),
        health,
        lambda: parameters,
        cameras={CAMERA: CameraInput(parameters.sensors.cameras[0], camera=camera)},
        frame_ids={"points": "lidar"},
    )
    stamp_filter = StampFilter(queue, health, time.time_ns)
    matcher = CameraInfoMatcher(stamp_filter, health, True)
    stamps = iter(range(1, 1_000_000))

    def run() -> None:
        second = next(stamps)
        for message, take in (
            (moment.info, matcher.take_camera_info),
            (moment.cloud, partial(stamp_filter.offer, "points")),
            (moment.image, matcher.take_image),
        ):
            message.header.stamp.sec = second
            take(message)
        work = queue.take(1.0)
        if work is not None:
            pipeline.process(work)
        if health.counts().published != second:
            raise SystemExit(f"a frame was dropped: {health.counts()} {health.take_warnings()}")

    return run


def stages(moment: Moment, node: Any) -> dict[str, Callable[[], Any]]:
    """Return a function for each stage of the whole."""
    network, publishers = Network(), Unsent(node, LABEL_SETS, Health())
    parameters = node_parameters()
    cloud_from_ego, scale = invert(moment.calibration.ego_from_lidar), IntensityScale()
    points, pixels = decode_cloud(moment.cloud), decode_image(moment.image)
    camera = decode_camera(moment.info, moment.calibration.camera.camera_from_ego)
    size = network_size(camera.size, CONFIG.image)
    small = rectify(pixels, camera, size)
    prediction = network.predict_sample(
        SimpleNamespace(camera=camera.rectified(size)), "fused", 0.3
    )
    return {
        "decode cloud": lambda: scale.decode(moment.cloud, "intensity", 0.0),
        "decode image": lambda: decode_image(moment.image),
        "decode camera_info": lambda: decode_camera(moment.info, camera.camera_from_ego),
        "points into the grid": lambda: prepare_points(
            points, moment.calibration.ego_from_lidar, CONFIG.grid
        ),
        "rectify and resize": lambda: rectify(pixels, camera, size),
        "all outputs": lambda: publishers.publish(
            prediction,
            {CAMERA: small},
            moment.cloud.header,
            cloud_from_ego,
            {CAMERA: moment.image.header},
            parameters,
        ),
    }


def transport(moment: Moment, runs: int) -> np.ndarray:
    """Measure the milliseconds that a pair takes through DDS between two participants."""
    contexts = [rclpy.Context() for _ in range(2)]
    for context in contexts:
        rclpy.init(context=context)
    sender, receiver = (
        rclpy.create_node(name, context=context)
        for name, context in zip(("sender", "receiver"), contexts, strict=True)
    )
    arrived, executor = threading.Semaphore(0), SingleThreadedExecutor(context=contexts[1])
    publishers = {}
    for kind, topic in ((Image, "image"), (PointCloud2, "points"), (CameraInfo, "camera_info")):
        receiver.create_subscription(kind, topic, lambda _: arrived.release(), 1)
        publishers[topic] = sender.create_publisher(kind, topic, 1)
    executor.add_node(receiver)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    while not all(publisher.get_subscription_count() for publisher in publishers.values()):
        time.sleep(0.01)

    def send() -> None:
        for topic, message in (
            ("camera_info", moment.info),
            ("points", moment.cloud),
            ("image", moment.image),
        ):
            publishers[topic].publish(message)
        for _ in publishers:
            if not arrived.acquire(timeout=5):
                raise SystemExit("DDS lost a message; see 'Large messages' in docs/integration.md")

    times = measure(send, runs)
    executor.shutdown()
    thread.join()
    for node, context in zip((sender, receiver), contexts, strict=True):
        node.destroy_node()
        context.try_shutdown()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--encoding", default="rgb8")
    args = parser.parse_args()
    setting = conditions()
    cv2.setNumThreads(1)  # as the node does
    rclpy.init(args=[])
    node = rclpy.create_node("perception")
    moment = Moment(args.encoding)
    run = whole(moment, node)
    gc.collect()
    gc.freeze()  # as the node does
    times = {"whole frame, without DDS": measure(run, args.runs)}
    times |= {
        "  " + name: measure(stage, args.runs) for name, stage in stages(moment, node).items()
    }
    times["DDS transport of the messages"] = transport(moment, args.runs // 3)
    times["memory copy of the messages"] = measure(moment.bytes.copy, args.runs)
    node.destroy_node()
    rclpy.try_shutdown()
    copy = float(np.median(times["memory copy of the messages"]))
    result = {
        name.strip(): {
            "p50_ms": float(np.percentile(found, 50)),
            "p99_ms": float(np.percentile(found, 99)),
            "copies": float(np.percentile(found, 50)) / copy,
        }
        for name, found in times.items()
    }
    rows = [
        (name, *(f"{result[name.strip()][key]:.2f}" for key in ("p50_ms", "p99_ms", "copies")))
        for name in times
    ]
    write(
        "overhead",
        f"{setting}; {args.encoding}, {POINT_STEP} bytes per point, {args.runs} runs.\n\n"
        + table(("", "p50, ms", "p99, ms", "p50, as a multiple of one memory copy"), rows),
        result | {"conditions": setting},
    )


if __name__ == "__main__":
    main()
