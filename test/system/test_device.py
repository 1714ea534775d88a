"""A device that fails is reported and freed, and the node never hangs.

No GPU is needed: the predictor raises what torch raises on one.
"""

from __future__ import annotations

import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import TransitionEvent
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile
from support.process import Process, node_arguments

from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.node.perception import Perception
from bev_semseg_ros.ros.node.pipeline import is_device_failure
from bev_semseg_ros.ros.node.shutdown import EXIT_DEVICE_FAILED

NAMESPACE = "/device"
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
LOST = getattr(torch, "AcceleratorError", RuntimeError)(
    "CUDA error: an illegal memory access was encountered"
)


@pytest.mark.parametrize(
    "error", [OUT_OF_MEMORY, LOST, RuntimeError("CUDA error: unspecified launch failure")]
)
def test_errors_that_the_next_frame_would_meet_again_are_device_failures(error):
    assert is_device_failure(error)


@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("CUDA error"), RuntimeError("sizes must match")]
)
def test_errors_of_a_single_frame_are_no_device_failures(error):
    assert not is_device_failure(error)


@pytest.fixture
def arguments(checkpoint_file, calibration_file) -> list[str]:
    return node_arguments(
        "-r",
        f"__ns:={NAMESPACE}",
        checkpoint=checkpoint_file,
        calibration=calibration_file,
        mode="lidar_only",
    )


@pytest.fixture
def fails(monkeypatch):
    """Return a list: the network raises its last error, if there is one."""
    predict = Predictor.predict_sample
    armed: list[Exception] = []

    def predict_or_fail(self, *values):
        if armed:
            raise armed[-1]
        return predict(self, *values)

    monkeypatch.setattr(Predictor, "predict_sample", predict_or_fail)
    return armed


def send_until(condition, executor, peer) -> None:
    def holds() -> bool:
        executor.spin_once(timeout_sec=0.01)
        peer.next_stamp()
        peer.send(peer.cloud())
        return condition()

    peer.spin_until(holds)


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, LOST], ids=["memory", "lost"])
def test_a_failed_device_leads_through_the_error_state_to_a_node_that_can_be_configured(
    error, arguments, fails, peers, capfd
):
    rclpy.init(args=arguments)
    node, executor = Perception(), SingleThreadedExecutor()
    executor.add_node(node)
    peer, states, diagnostics = peers(NAMESPACE), [], []
    listeners = [
        peer.node.create_subscription(
            TransitionEvent,
            f"{NAMESPACE}/perception/transition_event",
            lambda event: states.append(event.goal_state.label),
            QoSProfile(depth=20),
        ),
        peer.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: diagnostics.extend(message.status),
            QoSProfile(depth=20),
        ),
    ]
    assert node.start(executor)
    fails.append(error)
    send_until(lambda: node.failed, executor, peer)
    peer.spin_until(lambda: states[-1:] == ["unconfigured"])
    peer.spin_until(
        lambda: any(
            status.level == DiagnosticStatus.ERROR and str(error) in status.message
            for status in diagnostics
        ),
        what="the failure on /diagnostics",
    )
    assert "errorprocessing" in states and str(error) in capfd.readouterr().err
    fails.clear()
    peer.received["timing"].clear()
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    send_until(lambda: peer.received["timing"], executor, peer)
    for listener in listeners:
        peer.node.destroy_subscription(listener)
    executor.shutdown()
    node.close()
    node.destroy_node()
    rclpy.shutdown()


FAILING_NODE = """
import sys
import torch
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.node.main import main

class Failing(Predictor):
    def warm_up(self, *cameras):
        super().warm_up(*cameras)
        self._network.run_camera = self.fail

    def fail(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

Predictor.load = Failing.load
main(["perception", *sys.argv[1:]])
"""


def test_a_node_without_a_manager_exits_with_a_code_of_its_own_if_the_device_fails(
    arguments, peers
):
    peer = peers(NAMESPACE)
    with Process(*arguments, program=("-c", FAILING_NODE)) as process:
        process.wait_for("READY")

        def has_ended() -> bool:
            peer.next_stamp()
            peer.send(peer.cloud())
            return process.has_ended

        peer.spin_until(has_ended)
        assert process.wait() == EXIT_DEVICE_FAILED
    assert any(
        "the device failed: OutOfMemoryError: CUDA out of memory" in line for line in process.lines
    )
