"""Images are found by the type of their publisher, under any topic name (in one process)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, IMAGE
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_info_matcher import CameraInfoMatcher
from bev_semseg_ros.ros.input.image_topics import remapping
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.input.subscriptions import Subscription, open_subscriptions
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import Synchronizer

_numbers = itertools.count()


class Camera:
    """A node with the subscription of its camera."""

    def __init__(self, peer, context: rclpy.Context, image: str, **parameters: str) -> None:
        self._peer = peer
        name = f"camera_{next(_numbers)}"
        self.prefix = f"/{name}"
        self.node = rclpy.create_node(
            name,
            namespace=name,
            context=context,
            cli_args=["--ros-args", "-r", f"image:={self.prefix}{image}"],
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        values = Parameters(mode="camera_only", intrinsics="calibration", **parameters)
        self.health = Health()
        queue = LatestPairQueue(Synchronizer(0, 0, streams=("image",)), self.health)
        stamp_filter = StampFilter(queue, self.health, lambda: 1)
        matchers = {CAMERA: CameraInfoMatcher(stamp_filter, self.health, False)}
        self.subscriptions = open_subscriptions(
            self.node, values, stamp_filter, matchers, self.health, lambda callback: callback
        )

    @property
    def source(self) -> Subscription:
        return self.subscriptions["image"]

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Let both sides work until the condition holds."""

        def holds() -> bool:
            self._executor.spin_once(timeout_sec=0)
            return bool(condition())

        self._peer.spin_until(holds, what=what)

    def publisher(self, kind: type, topic: str) -> Any:
        """Return a publisher that the camera has found."""
        made = self._peer.node.create_publisher(kind, f"{self.prefix}{topic}", 1)
        self.until(lambda: self.node.count_publishers(made.topic_name), "the publisher")
        return made

    def forget(self, publisher: Any) -> None:
        """Destroy a publisher, and wait until the camera knows it."""
        name = publisher.topic_name
        self._peer.node.destroy_publisher(publisher)
        self.until(lambda: not self.node.count_publishers(name), "the end of the publisher")

    def take_one(self, kind: type, topic: str) -> None:
        """Publish on a topic until the camera, which follows its publishers, takes a message."""
        publisher = self.publisher(kind, topic)
        before = self.source.received

        def is_taken() -> bool:
            self.source.follow()
            publisher.publish(kind())
            return self.source.received > before

        self.until(is_taken, "the message")
        self.forget(publisher)

    def close(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.destroy()
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture(scope="module")
def context():
    """Return a context other than the peer's: within one, a topic cannot have two types."""
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def camera(peer, context):
    """camera(topic of the image, **parameters) -> Camera; all are closed after the test."""
    made = []

    def make(image: str = "", **parameters: str) -> Camera:
        made.append(Camera(peer, context, image, **parameters))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize("topic", ["/jpeg", "/image_raw/compressed", "/compressed"])
def test_a_compressed_topic_of_any_name_is_received_if_image_is_remapped_to_it(
    camera, topic, transport
):
    camera(topic, image_transport=transport).take_one(CompressedImage, topic)


def test_compressed_images_are_received_beside_raw_ones_if_the_parameter_says_so(camera):
    one = camera("/image_raw", image_transport="compressed")
    raw = one.publisher(Image, "/image_raw")
    one.take_one(CompressedImage, "/image_raw/compressed")
    one.forget(raw)


def test_raw_images_are_received_whatever_the_name_of_the_topic(camera):
    camera("/image/compressed").take_one(Image, "/image/compressed")


@pytest.mark.parametrize(
    ("message_type", "topic"),
    [
        (IMAGE, "/image_raw"),
        (COMPRESSED_IMAGE, "/image_raw/compressed"),
        (COMPRESSED_IMAGE, "/jpeg"),
        (COMPRESSED_IMAGE, "/compressed"),
    ],
)
def test_the_remapping_that_the_doctor_prints_works(camera, message_type, topic):
    remapped, transport = remapping(topic, message_type)
    kind = Image if message_type == IMAGE else CompressedImage
    camera(remapped, image_transport=transport).take_one(kind, topic)


def test_a_publisher_that_comes_back_with_the_other_type_is_received_again(camera):
    """The same topic in the same process: the middleware must forget the former type first."""
    one = camera("/image")
    for kind in (CompressedImage, Image, CompressedImage):
        one.take_one(kind, "/image")
        assert one.source.topic == f"{one.prefix}/image"


@pytest.mark.parametrize(
    ("image", "transport", "kind", "topic", "remedy"),
    [
        ("/a", "raw", CompressedImage, "/a/compressed", "set image_transport to compressed"),
        ("/a", "compressed", Image, "/a", "set image_transport to raw"),
        ("/a/compressed", "raw", Image, "/a", "remap image to {prefix}/a"),
        (
            "/a/compressed",
            "compressed",
            Image,
            "/a",
            "remap image to {prefix}/a and set image_transport to raw",
        ),
    ],
)
def test_the_topic_with_the_images_is_reported_with_the_setting_to_use(
    camera, image, transport, kind, topic, remedy
):
    one = camera(image, image_transport=transport)
    publisher = one.publisher(kind, topic)
    said = f"publishes {one.prefix}{topic}: {remedy.format(prefix=one.prefix)}"
    one.until(lambda: said in one.source.explain(), said)
    one.forget(publisher)


def test_a_topic_of_neither_type_is_named(camera):
    one = camera("/a", image_transport="compressed")
    publisher = one.publisher(Header, "/a")
    said = f"{one.prefix}/a carries std_msgs/msg/Header from "
    one.until(lambda: one.source.explain().startswith(said), said)
    assert one.source.explain().endswith(
        "expected sensor_msgs/msg/CompressedImage; remap the topic"
    )
    one.forget(publisher)
