"""Transitions, parameters, exit codes and signals of the node, over real DDS."""

from __future__ import annotations

import signal

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from support.process import Process
from visualization_msgs.msg import Marker

from bev_semseg_ros.ros.node.shutdown import EXIT_BAD_PARAMETERS

NAMESPACE = "/managed"


@pytest.fixture(scope="module")
def managed(start_node, peers):
    """(process, peer) of a node that waits for a lifecycle manager."""
    process = start_node("-r", f"__ns:={NAMESPACE}", autostart="false", fresh=True)
    peer = peers(NAMESPACE)
    assert state(peer) == "unconfigured"
    return process, peer


def state(peer) -> str:
    answer = peer.call(GetState, "get_state", GetState.Request(), repeat=True)
    return answer.current_state.label


def change(peer, transition: int) -> bool:
    return peer.call(
        ChangeState, "change_state", ChangeState.Request(transition=Transition(id=transition))
    ).success


def bring_to(peer, wanted: str) -> None:
    steps = {
        ("unconfigured", "inactive"): [Transition.TRANSITION_CONFIGURE],
        ("unconfigured", "active"): [
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        ],
        ("inactive", "active"): [Transition.TRANSITION_ACTIVATE],
        ("inactive", "unconfigured"): [Transition.TRANSITION_CLEANUP],
        ("active", "inactive"): [Transition.TRANSITION_DEACTIVATE],
        ("active", "unconfigured"): [
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
        ],
    }
    for step in steps.get((state(peer), wanted), []):
        assert change(peer, step)


def set_parameter(peer, name: str, value):
    kind, field = {
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        str: (ParameterType.PARAMETER_STRING, "string_value"),
    }[type(value)]
    parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
    return peer.call(
        SetParameters, "set_parameters", SetParameters.Request(parameters=[parameter])
    ).results[0]


def complaints(process) -> list[str]:
    """Return lines with errors, except the one that Kilted's rclpy logs for SIGINT."""
    return [
        line
        for line in process.lines
        if ("Traceback" in line or "ERROR" in line) and "Failed to complete transition" not in line
    ]


def test_ros2_param_dump_gets_every_parameter_in_one_call(managed):
    """If one parameter has no value, such as an empty pose, rclpy returns no values at all."""
    _, peer = managed
    names = peer.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    values = peer.call(GetParameters, "get_parameters", GetParameters.Request(names=names)).values
    assert len(values) == len(names) > 30
    found = dict(zip(names, values, strict=True))
    assert found["camera_pose"].type == ParameterType.PARAMETER_DOUBLE_ARRAY
    assert found["lidars"].type == ParameterType.PARAMETER_STRING_ARRAY
    assert not [name for name, value in found.items() if value.type == 0]


def test_a_floating_point_parameter_accepts_an_integer(managed):
    _, peer = managed
    assert set_parameter(peer, "max_wait", 1).successful
    request = GetParameters.Request(names=["max_wait"])
    assert peer.call(GetParameters, "get_parameters", request).values[0].double_value == 1.0
    assert set_parameter(peer, "max_wait", 0.2).successful


def test_a_managed_node_waits_for_configure(managed):
    process, _ = managed
    assert not any("READY" in line for line in process.lines)


def test_an_active_node_works(managed):
    _, peer = managed
    bring_to(peer, "active")
    peer.connect()
    peer.next_stamp()
    assert peer.timing(peer.send(peer.cloud(), peer.image()))["mode"] == "fused"


def test_the_ready_line_names_device_precision_engine_and_threads(managed):
    process, peer = managed
    bring_to(peer, "active")
    assert "device cpu, precision fp32, engine torch, threads 1" in process.wait_for("READY")


def test_deactivation_clears_the_markers(managed):
    _, peer = managed
    bring_to(peer, "active")
    peer.connect()
    peer.received["markers"].clear()
    bring_to(peer, "inactive")
    peer.spin_until(lambda: peer.received["markers"], what="DELETEALL")
    assert [m.action for m in peer.received["markers"][-1].markers] == [Marker.DELETEALL]


def test_an_inactive_node_does_not_subscribe(managed):
    _, peer = managed
    bring_to(peer, "inactive")
    peer.spin_until(
        lambda: peer.publishers["points"].get_subscription_count() == 0,
        what="the end of the subscription",
    )


def test_cleanup_destroys_the_publishers(managed):
    _, peer = managed
    bring_to(peer, "unconfigured")
    peer.spin_until(lambda: peer.node.count_publishers(f"{NAMESPACE}/perception/markers") == 0)


def test_an_impossible_transition_is_refused_and_survived(managed):
    process, peer = managed
    bring_to(peer, "inactive")
    assert not change(peer, Transition.TRANSITION_CONFIGURE) and state(peer) == "inactive"
    process.wait_for("transition 1 refused: the node is inactive$")


def test_a_failed_configure_can_be_repeated(managed):
    process, peer = managed
    bring_to(peer, "unconfigured")
    good = peer_parameter(process)
    assert set_parameter(peer, "calibration", "/nowhere/calibration.yaml").successful
    assert not change(peer, Transition.TRANSITION_CONFIGURE) and state(peer) == "unconfigured"
    assert set_parameter(peer, "calibration", good).successful
    assert change(peer, Transition.TRANSITION_CONFIGURE)


def peer_parameter(process) -> str:
    return next(
        part.split(":=")[1] for part in process.arguments if part.startswith("calibration:=")
    )


def test_a_threshold_is_tuned_while_the_node_runs(managed):
    _, peer = managed
    bring_to(peer, "active")
    peer.connect()
    assert set_parameter(peer, "score_threshold", 1.0).successful
    peer.next_stamp()
    boxes = int(peer.timing(peer.send(peer.cloud(), peer.image()))["boxes"])
    set_parameter(peer, "score_threshold", 0.01)
    assert boxes == 0


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("score_threshold", 1.5, "range"),
        ("unmatched", "perhaps", "not one of process, drop"),
        ("device", "tpu", "not auto, cpu"),
        ("reliability", "reliable", "read by configure only"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(managed, name, value, reason):
    _, peer = managed
    bring_to(peer, "inactive")
    result = set_parameter(peer, name, value)
    assert not result.successful and reason in result.reason


def test_no_parameter_of_a_refused_set_is_changed(managed):
    _, peer = managed
    bring_to(peer, "active")
    peer.connect()
    values = [
        Parameter(
            name="score_threshold",
            value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=1.0),
        ),
        Parameter(
            name="unmatched",
            value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="perhaps"),
        ),
    ]
    answer = peer.call(
        SetParametersAtomically,
        "set_parameters_atomically",
        SetParametersAtomically.Request(parameters=values),
    )
    peer.next_stamp()
    assert not answer.result.successful
    assert int(peer.timing(peer.send(peer.cloud(), peer.image()))["boxes"]) > 0


def test_sigint_while_the_node_loads_ends_it_cleanly(start_node, peers):
    process = start_node("-r", "__ns:=/loading_ends", fresh=True)
    peer = peers("/loading_ends")
    state(peer)
    process.interrupt()
    assert process.wait() == 0 and not complaints(process)


@pytest.fixture
def start_spoilt(checkpoint_file, calibration_file):
    """Return start_spoilt(namespace, statements, **parameters), which starts a spoilt node.

    Before it starts, the process runs the statements. They see the node's modules `main` and
    `perception`, and `threading`.
    """
    processes = []
    values = {"checkpoint": checkpoint_file, "calibration": calibration_file, "engine": "torch"}

    def start(namespace: str, statements: str, **parameters: str) -> Process:
        given = (values | parameters).items()
        options = [part for name, value in given for part in ("-p", f"{name}:={value}")]
        program = (
            "import threading; from bev_semseg_ros.ros.node import main, perception; "
            f"{statements}; main.main()"
        )
        processes.append(
            Process(
                "--ros-args",
                "-r",
                f"__ns:={namespace}",
                *options,
                program=("-c", program),
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.end()


def test_sigint_ends_a_node_whose_loading_hangs(start_spoilt, peers):
    process = start_spoilt(
        "/hangs", "perception.load_calibration = lambda path: threading.Event().wait()"
    )
    peer = peers("/hangs")
    peer.spin_until(lambda: state(peer) == "configuring", what="configuring")
    process.interrupt()
    assert process.wait() == 0 and not any("Traceback" in line for line in process.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_configure_that_a_lifecycle_manager_asked_for(start_spoilt, peers, number):
    namespace = f"/managed_{number.name.lower()}"
    process = start_spoilt(
        namespace,
        "perception.load_calibration = lambda path: print('loads') or threading.Event().wait()",
        autostart="false",
    )
    peer = peers(namespace)
    client = peer.node.create_client(ChangeState, f"{namespace}/perception/change_state")
    peer.spin_until(client.service_is_ready, what="the service")
    client.call_async(
        ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    )
    process.wait_for("loads")
    process.interrupt(number)
    assert process.wait() == 0 and not complaints(process)


def test_a_node_that_is_ended_while_it_loads_logs_nothing_more(start_spoilt):
    process = start_spoilt(
        "/ended",
        "import rclpy; from bev_semseg_ros.inference.predictor import Predictor; "
        "Predictor.warm_up = lambda *_: rclpy.shutdown()",
    )
    assert process.wait() == 0 and said_by_the_node(process) == []


def test_a_shutdown_that_hangs_is_ended_and_says_where(start_spoilt):
    process = start_spoilt(
        "/never_ends",
        "main.SHUTDOWN_LIMIT = 1; perception.Perception.close = lambda _: threading.Event().wait()",
    )
    process.wait_for("READY")
    process.interrupt()
    assert process.wait() == 1 and any("node/main.py" in line for line in process.lines)


def test_parameters_have_descriptions_and_ranges(managed):
    _, peer = managed
    answer = peer.call(
        DescribeParameters, "describe_parameters", DescribeParameters.Request(names=["slop"])
    )
    slop = answer.descriptors[0]
    assert "stamps" in slop.description and slop.floating_point_range[0].to_value == 10


def test_sigint_ends_an_active_node_cleanly(managed):
    process, peer = managed
    bring_to(peer, "active")
    process.interrupt()
    assert process.wait() == 0 and not any("Traceback" in line for line in process.lines)


def test_sigterm_ends_a_node_cleanly(start_node):
    process = start_node("-r", "__ns:=/terminated", autostart="false")
    process.wait_for("waiting for")
    process.interrupt(signal.SIGTERM)
    assert process.wait() == 0


def test_sigterm_while_the_node_configures_is_no_error(start_node, peers):
    process, peer = start_node("-r", "__ns:=/early", fresh=True), peers()
    peer.spin_until(
        lambda: peer.node.count_publishers("/early/perception/transition_event"), what="the node"
    )
    process.interrupt(signal.SIGTERM)
    assert process.wait(90) == 0 and not complaints(process)


def test_a_damaged_checkpoint_ends_the_node_with_one_clear_line(start_node, tmp_path):
    path = tmp_path / "damaged.pt"
    path.write_bytes(b"not a checkpoint")
    process = start_node("-r", "__ns:=/damaged", checkpoint=path)
    code, lines = process.wait(), [line for line in process.lines if "ERROR" in line]
    assert (
        code == 1 and len(lines) == 1 and "configure failed" in lines[0] and str(path) in lines[0]
    )


def said_by_the_node(process) -> list[str]:
    """Return the lines of a process without those of the middleware.

    Fast DDS complains about shared memory that a killed process of another test has left.
    """
    return [line for line in process.lines if line.strip() and "RTPS_TRANSPORT_SHM" not in line]


def test_a_missing_calibration_ends_the_node_with_one_clear_line(start_node):
    process = start_node("-r", "__ns:=/uncalibrated", calibration="/nowhere/calibration.yaml")
    code, lines = process.wait(), said_by_the_node(process)
    assert code == 1 and len(lines) == 1 and "/nowhere/calibration.yaml" in lines[0]


@pytest.mark.parametrize(
    ("name", "value"), [("slop", "-1.0"), ("slop", "soon"), ("mode", "sideways")]
)
def test_a_wrong_parameter_ends_the_node_with_one_clear_line(start_node, name, value):
    process = start_node("-r", "__ns:=/wrong", **{name: value})
    code, lines = process.wait(), said_by_the_node(process)
    assert (code, len(lines)) == (2, 1) and name in lines[0], lines


def test_a_class_unknown_to_the_checkpoint_ends_the_node_like_a_wrong_parameter(
    start_node,
):
    process = start_node("-r", "__ns:=/wrong_class", classes="[car, tram]")
    code, errors = process.wait(), [line for line in process.lines if "ERROR" in line]
    assert code == EXIT_BAD_PARAMETERS and "'tram' is not one of car, truck" in errors[-1], errors


@pytest.mark.parametrize("content", [None, "/**: {ros__parameters: {slop: ["])
def test_a_parameter_file_that_cannot_be_read_is_named_without_a_traceback(
    start_node, tmp_path, content
):
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_text(content)
    process = start_node("-r", "__ns:=/unread", "--params-file", str(path))
    code, lines = process.wait(), said_by_the_node(process)
    assert code == 2 and len(lines) <= 2 and str(path) in lines[-1]  # rcl adds a line of its own


def test_a_misspelt_parameter_is_reported_with_a_suggestion(start_node, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("/**: {ros__parameters: {scor_threshold: 0.5, slop: 0.1}}")
    process = start_node("-r", "__ns:=/misspelt", "--params-file", str(path), autostart="false")
    process.wait_for("waiting for")
    told = [line for line in process.lines if "unknown parameters" in line]
    process.interrupt()
    assert len(told) == 1 and told[0].endswith(
        "ignored: scor_threshold (did you mean score_threshold?)"
    )


def test_parameters_for_a_node_of_another_name_are_reported(tmp_path):
    """A parameter on the command line once hid that the file was for another node."""
    for name in ("perception", "/*/perception"):
        path = tmp_path / f"{name.count('*')}.yaml"
        path.write_text(f"{name}: {{ros__parameters: {{extrinsics: tf}}}}")
    files = ("--params-file", str(tmp_path / "0.yaml"), "--params-file", str(tmp_path / "1.yaml"))
    given = ("-p", "mode:=lidar_only")
    with Process("node", "--ros-args", "-r", "__ns:=/car", *given, *files) as process:
        process.wait()
    (said,) = [line for line in process.lines if "nothing in the parameter file" in line]
    assert f"{files[1]} is for /car/perception: write the parameters below" in said
