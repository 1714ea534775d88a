"""The executor of a node in this process answers during loading and survives errors."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import ReliabilityPolicy
from support.process import node_arguments

from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.input.subscriptions import Subscription
from bev_semseg_ros.ros.node import perception as node_module
from bev_semseg_ros.ros.node.perception import Perception


@pytest.fixture
def namespace(request) -> str:
    """Return a namespace for each test: late messages to an earlier node must not reach it."""
    return "/" + re.sub(r"\W", "_", request.node.name)


@pytest.fixture
def start(checkpoint_file, calibration_file, namespace):
    """start() -> (node, its executor): an active node in this process."""
    files = {"checkpoint": checkpoint_file, "calibration": calibration_file}
    rclpy.init(args=node_arguments("-r", f"__ns:={namespace}", **files))
    node, executor = Perception(), SingleThreadedExecutor()

    def start() -> tuple[Perception, SingleThreadedExecutor]:
        executor.add_node(node)
        assert node.start(executor)
        return node, executor

    yield start
    executor.shutdown()
    node.close()
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (StampFilter, "offer"),
        (Subscription, "follow"),
        (Subscription, "explain"),
    ],
)
def test_an_error_in_a_callback_is_counted_logged_and_survived(
    start, peers, namespace, monkeypatch, capfd, owner, name
):
    armed, method = [], getattr(owner, name)

    def fails_once(*arguments):
        if armed:
            raise ZeroDivisionError(armed.pop())
        return method(*arguments)

    monkeypatch.setattr(owner, name, fails_once)
    _, executor = start()
    peer, text = peers(namespace), []

    def pairs_until(condition, what: str) -> None:
        """Send pairs until the condition holds."""

        def holds() -> bool:
            executor.spin_once(timeout_sec=0)
            text.append(capfd.readouterr().err)
            if all(publisher.get_subscription_count() for publisher in peer.publishers.values()):
                peer.next_stamp()
                peer.send(peer.cloud(), peer.image())
            return condition()

        peer.spin_until(holds, what=what)

    def counted() -> str | None:
        """Return the number of such errors in the last timing; None if there was none."""
        status = peer.received["timing"][-1].status[0] if peer.received["timing"] else None
        return status and {value.key: value.value for value in status.values}.get(
            "dropped/callback_error"
        )

    pairs_until(lambda: peer.received["timing"], "the timing of a frame")
    assert counted() is None
    armed.append(f"{name} was spoiled")
    pairs_until(
        lambda: f"ZeroDivisionError: {name} was spoiled" in "".join(text), "the explanation"
    )
    if owner is StampFilter:  # the others cost no message
        pairs_until(lambda: counted() == "1", "the number of errors")


def test_a_subscription_that_cannot_follow_its_publishers_does_not_stop_the_others(
    start, peers, namespace, monkeypatch
):
    _, executor = start()
    follow = Subscription.follow

    def fails_for_camera_info(subscription: Subscription) -> None:
        if subscription.name == "camera_info":
            raise MemoryError("no room for a subscription")
        follow(subscription)

    monkeypatch.setattr(Subscription, "follow", fails_for_camera_info)
    peer = peers(namespace)  # its publishers are reliable

    def is_followed(topic: str) -> bool:
        executor.spin_once(timeout_sec=0)
        found = peer.node.get_subscriptions_info_by_topic(f"{namespace}/{topic}")
        return any(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in found)

    for topic in ("points", "image"):
        peer.spin_until(lambda topic=topic: is_followed(topic), 30, f"the subscription of {topic}")


def test_images_that_never_get_a_camera_info_are_counted(start, peers, namespace):
    node, executor = start()
    peer = peers(namespace)

    def spin_until(condition, what: str) -> None:
        def holds() -> bool:
            executor.spin_once(timeout_sec=0)
            return condition()

        peer.spin_until(holds, what=what)

    def is_matched() -> bool:
        found = peer.node.get_subscriptions_info_by_topic(f"{namespace}/image")
        return [info.qos_profile.reliability for info in found] == [ReliabilityPolicy.RELIABLE]

    def send_image() -> None:
        peer.next_stamp()
        peer.publishers["image"].publish(peer.image())

    publisher = peer.publishers["image"]
    spin_until(lambda: is_matched() and publisher.get_subscription_count() == 1, "the subscription")
    counts = node.health.counts
    send_image()
    spin_until(lambda: counts().dropped["no_camera_info"] == 1, "the end of its wait")
    send_image()
    spin_until(lambda: node.session.subscriptions["image"].received >= 2, "the second image")
    node.trigger_deactivate()
    assert counts().received["image"] == counts().dropped["no_camera_info"] == 2


def test_services_answer_while_the_network_loads(start, peers, namespace, monkeypatch):
    peer, loading, asked, load = (
        peers(namespace),
        threading.Event(),
        threading.Event(),
        node_module.load_calibration,
    )

    def waits(path):
        loading.set()
        assert asked.wait(60)
        return load(path)

    def ask() -> tuple[str, bool, str]:
        """Return (state, success of a transition, why a parameter was refused) during loading."""
        try:
            assert loading.wait(60)
            state = peer.call(GetState, "get_state", GetState.Request()).current_state.label
            changed = peer.call(
                ChangeState,
                "change_state",
                ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE)),
            ).success
            mode = Parameter(
                name="mode",
                value=ParameterValue(
                    type=ParameterType.PARAMETER_STRING, string_value="lidar_only"
                ),
            )
            return (
                state,
                changed,
                peer.call(SetParameters, "set_parameters", SetParameters.Request(parameters=[mode]))
                .results[0]
                .reason,
            )
        finally:
            asked.set()

    monkeypatch.setattr(node_module, "load_calibration", waits)
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(ask)
        start()
        state, changed, reason = answer.result()
    assert (state, changed) == ("configuring", False) and "read by configure only" in reason
