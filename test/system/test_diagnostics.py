"""A node's /diagnostics over real DDS: OK with input, and the reason when a sensor stops."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_msgs.msg import Float64

from bev_semseg_ros.ros.health.diagnostics import KEYS, TIMING_KEYS
from bev_semseg_ros.ros.health.stages import STAGES

NAMESPACE = "/watched"
PATIENT = 60_000.0  # ms: a busy machine must not make a frame late


class Watch:
    """The sensors of a node and the statuses it publishes."""

    def __init__(self, peer) -> None:
        self.peer, self.statuses = peer, []
        peer.node.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)

    def _take(self, message: DiagnosticArray) -> None:
        self.statuses += [
            status for status in message.status if status.name == "watched/perception: perception"
        ]

    def until(
        self, is_wanted: Callable[[DiagnosticStatus], bool], send: Callable[[], None] = lambda: None
    ):
        """Return the first wanted status from now on; meanwhile, `send` feeds the node."""
        self.statuses.clear()

        def has_come() -> bool:
            send()
            return any(is_wanted(status) for status in self.statuses)

        try:
            self.peer.spin_until(has_come, what="the status")
        except pytest.fail.Exception as failure:
            told = [(status.level, status.message) for status in self.statuses]
            pytest.fail(f"{failure}; /diagnostics said {told}")
        return next(status for status in self.statuses if is_wanted(status))

    def pair(self) -> int:
        self.peer.next_stamp()
        return self.peer.send(self.peer.cloud(), self.peer.image())

    def cloud(self) -> int:
        self.peer.next_stamp()
        return self.peer.send(self.peer.cloud())


@pytest.fixture(scope="module")
def watch(start_node, peers) -> Watch:
    process = start_node("-r", f"__ns:={NAMESPACE}", max_processing_time_ms=PATIENT)
    process.wait_for("READY")
    watch = Watch(peers(NAMESPACE))
    watch.peer.connect()
    return watch


def is_well(status: DiagnosticStatus) -> bool:
    """Return whether the status is OK and pairs were processed in the last second."""
    return status.level == DiagnosticStatus.OK and values_of(status).get("mode_actual") == "fused"


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_a_node_with_input_is_ok(watch):
    status = watch.until(is_well, watch.pair)
    values = values_of(status)
    assert status.hardware_id == values["device"] == "cpu" and values["mode"] == "fused"
    assert all(
        float(values[key]) > 0
        for key in (
            "input/points/rate_hz",
            "input/image/rate_hz",
            "input/points/age_ms",
            "output/frames/rate_hz",
            "latency_ms/p50",
            "memory/resident_mib",
        )
    )
    assert float(values["sync_offset_ms"]) == 0


def test_a_camera_that_stops_is_named_while_the_lidar_goes_on(watch):
    watch.until(is_well, watch.pair)
    status = watch.until(
        lambda status: "/watched/image has been silent" in status.message, watch.cloud
    )
    assert status.level == DiagnosticStatus.WARN


def test_sensors_that_stop_are_an_error_with_both_named(watch):
    watch.until(is_well, watch.pair)
    status = watch.until(
        lambda status: status.level == DiagnosticStatus.ERROR and "silent" in status.message
    )
    assert status.message.startswith("no frame in time for")
    assert (
        "/watched/points has been silent" in status.message
        and "/watched/image has been silent" in status.message
    )


def test_frames_that_exceed_max_processing_time_are_reported(watch):
    assert watch.peer.set_parameters(max_processing_time_ms=1.0, max_silence_ms=PATIENT).successful
    status = watch.until(lambda status: "longer than 1 ms" in status.message, watch.pair)
    assert watch.peer.set_parameters(
        max_processing_time_ms=PATIENT, max_silence_ms=1000.0
    ).successful
    assert status.level == DiagnosticStatus.WARN


def test_the_status_is_ok_again_when_the_sensors_come_back(watch):
    watch.until(lambda status: status.level == DiagnosticStatus.ERROR)
    assert watch.until(is_well, watch.pair).message.endswith("frames/s")


def test_every_key_is_documented(watch):
    status = watch.until(is_well, watch.pair)
    assert undocumented(list(values_of(status)), KEYS) == []
    assert undocumented(list(watch.peer.timing(watch.pair())), TIMING_KEYS) == []


def undocumented(keys: list[str], documented: dict[str, str]) -> list[str]:
    patterns = [re.sub("INPUT|OUTPUT|STREAM|CAUSE", ".+", key) for key in documented]
    return [key for key in keys if not any(re.fullmatch(pattern, key) for pattern in patterns)]


def test_stages_are_published_separately_and_add_up(watch):
    received: dict[str, list[Float64]] = {stage: [] for stage in STAGES}
    subscriptions = [
        watch.peer.node.create_subscription(
            Float64, f"{NAMESPACE}/perception/debug/{stage}", received[stage].append, 10
        )
        for stage in STAGES
    ]

    def all_have_come() -> bool:
        watch.pair()
        return all(received.values())

    watch.peer.spin_until(all_have_come, what="the stages")
    stamp = watch.pair()
    timing = watch.peer.timing(stamp)
    named = watch.peer.result("timing", stamp).status[0].name
    assert named == f"{NAMESPACE.strip('/')}/perception: timing"  # as /diagnostics names the node
    for subscription in subscriptions:
        watch.peer.node.destroy_subscription(subscription)
    parts = [float(timing[stage]) for stage in STAGES if stage not in ("total_ms", "input_age_ms")]
    assert sum(parts) == pytest.approx(float(timing["total_ms"]), abs=0.01)


def test_a_node_that_is_deactivated_says_so(watch):
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert watch.peer.call(ChangeState, "change_state", request).success

    watch.statuses.clear()
    change(Transition.TRANSITION_DEACTIVATE)
    watch.peer.spin_until(
        lambda: any(status.message == "inactive" for status in watch.statuses), what="the status"
    )
    change(Transition.TRANSITION_ACTIVATE)
    status = next(status for status in watch.statuses if status.message == "inactive")
    assert status.level == DiagnosticStatus.OK
