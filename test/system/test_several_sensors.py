"""A node with two lidars and three cameras, over real DDS: results, faults and counters."""

from __future__ import annotations

import numpy as np
import pytest
from support.peer import LABELS
from support.rig_peer import RigPeer

from bev_semseg_ros.data.calibration import Calibration, CameraMount, LidarMount, save_calibration
from bev_semseg_ros.frame import Camera, CameraImage, EgoMotion, Frame, LidarScan, Prediction
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud

NAMESPACE = "/several"
THRESHOLD = 0.01


def mounted(yaw: float, size: tuple[int, int]) -> Camera:
    width, height = size
    matrix = np.array([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1.0]])
    pose = OPTICAL_FROM_VIEW @ invert(transform(rotation_z(yaw), (0.3, 0, 1.4)))
    return Camera(matrix, size, pose)


@pytest.fixture(scope="module")
def rig() -> Calibration:
    """Return a rig of two lidars and three cameras, of which one has another image size."""
    return Calibration(
        {
            "roof": LidarMount(transform(None, (0, 0, 1.9)), "roof"),
            "bumper": LidarMount(transform(rotation_z(0.3), (2.0, 0, 0.6)), "bumper"),
        },
        {
            "front": CameraMount(mounted(0.0, (128, 64)), "front_optical"),
            "left": CameraMount(mounted(0.9, (96, 64)), "left_optical"),
            "right": CameraMount(mounted(-0.9, (128, 64)), "right_optical"),
        },
    )


@pytest.fixture(scope="module")
def calibration_path(rig, tmp_path_factory):
    path = tmp_path_factory.mktemp("rig") / "rig.yaml"
    save_calibration(rig, path)
    return path


@pytest.fixture(scope="module")
def process(start_node, calibration_path):
    found = start_node(
        "-r",
        f"__ns:={NAMESPACE}",
        calibration=calibration_path,
        lidars="[roof, bumper]",
        cameras="[front, left, right]",
        max_wait=1.0,
        ego_motion="odometry",
        score_threshold=THRESHOLD,
    )
    found.wait_for("READY")
    return found


@pytest.fixture(scope="module")
def peer(process, rig):
    made = RigPeer(rig, NAMESPACE)
    made.connect()
    yield made
    made.close()


def complete(peer: RigPeer) -> dict[str, str]:
    """Send the messages of all sensors for a moment and return the timing of its frame."""
    stamp = peer.next_stamp()
    peer.send(stamp, peer.streams)
    return peer.timing(stamp)


def test_results_of_the_node_equal_those_of_the_predictor_offline(peer, rig, checkpoint_file):
    stamp = peer.next_stamp()
    peer.send(stamp, peer.streams)
    timing = peer.timing(stamp)
    assert timing["mode"] == "fused" and int(timing["points"]) == 800
    expected = predict_offline(peer, rig, checkpoint_file, stamp)
    for name in rig.cameras:
        np.testing.assert_array_equal(peer.labels(name, stamp), expected.masks[name])
    check_boxes(peer, rig, stamp, expected)


def predict_offline(
    peer: RigPeer,
    rig: Calibration,
    checkpoint_file,
    stamp: int,
    motion: EgoMotion | None = None,
    seconds: dict[str, float] | None = None,
) -> Prediction:
    """Predict from what the peer sends for a moment; `seconds` has the lidars' delays by name."""
    predictor = Predictor.load(checkpoint_file, "cpu", "fp32", "torch", num_threads=1)
    lidars = {
        name: LidarScan(
            decode_cloud(peer.cloud(name, stamp)),
            mount.ego_from_lidar,
            seconds=(seconds or {}).get(name, 0.0),
        )
        for name, mount in rig.lidars.items()
    }
    cameras = {}
    for name, mount in rig.cameras.items():
        info, image = peer.image(name, stamp)
        camera = decode_camera(info, mount.camera.camera_from_ego)
        cameras[name] = CameraImage(decode_image(image), camera)
    return predictor.predict(Frame(stamp, lidars, cameras, motion=motion), "fused", THRESHOLD)


def check_boxes(peer: RigPeer, rig: Calibration, stamp: int, expected: Prediction) -> None:
    """Check that the markers of a moment show the boxes of a prediction."""

    def markers():
        messages = [each for each in peer.received["markers"] if each.markers]
        return [each for each in messages if stamp_ns(each.markers[0].header.stamp) == stamp]

    peer.spin_until(markers, "the markers")
    found = boxes_from_markers(markers()[0], LABELS, rig.lidars["roof"].ego_from_lidar)
    assert len(found) == len(expected.boxes) > 0
    np.testing.assert_array_equal(found.labels, expected.boxes.labels)
    np.testing.assert_allclose(found.centers, expected.boxes.centers, atol=1e-3)


def test_the_cloud_of_another_moment_is_moved_by_the_odometry(peer, rig, checkpoint_file):
    complete(peer)
    stamp, later = peer.next_stamp(), 40_000_000
    peer.speed = 15.0
    peer.send(stamp, [])  # the odometry alone
    peer.settle()
    others = [stream for stream in peer.streams if stream != "bumper/points"]
    peer.send(stamp, others)
    peer.send(stamp + later, ["bumper/points"])
    timing = peer.timing(stamp)
    peer.speed = 0.0
    assert timing["mode"] == "fused" and int(timing["points"]) == 800
    motion = EgoMotion((15, 0, 0), (0, 0, 0))
    moved = predict_offline(peer, rig, checkpoint_file, stamp, motion, {"bumper": later / 1e9})
    check_boxes(peer, rig, stamp, moved)
    still = predict_offline(peer, rig, checkpoint_file, stamp)
    assert not np.allclose(still.boxes.scores[:5], moved.boxes.scores[:5])  # it makes a difference


def test_frames_without_odometry_are_counted_and_explained(peer, process):
    before = complete(peer)
    peer.speed = None
    for _ in range(4):  # 0.2 s after the last odometry it is too old
        after = complete(peer)
    peer.speed = 0.0
    assert change(before, after, "published") == 4
    assert change(before, after, "degraded/no_ego_motion") >= 1
    process.wait_for("the ego motion is unknown: the nearest message on the topic odometry is")


def change(before: dict[str, str], after: dict[str, str], key: str) -> int:
    return int(after.get(key, 0)) - int(before.get(key, 0))


def check_accounts(peer: RigPeer, before: dict[str, str], after: dict[str, str], sent) -> None:
    """Check that each message was published, or dropped for a cause that names its stream.

    Args:
        peer: The sender of the messages.
        before: The counters before the first one.
        after: The counters after the last one, when no message waits.
        sent: The number of messages of each stream.
    """
    published = change(before, after, "published")
    for stream in peer.streams:
        received = change(before, after, f"received/{stream}")
        used = published - change(before, after, f"degraded/no_{stream}")
        dropped = sum(
            change(before, after, key)
            for key in after
            if key.startswith("dropped/") and key.endswith(stream)
        )
        assert received == sent[stream], stream
        assert received == used + dropped, (stream, received, used, dropped)


@pytest.mark.parametrize(
    "stream", ["roof/points", "bumper/points", "front/image", "left/image", "right/image"]
)
def test_a_stopped_sensor_is_counted_by_its_name_and_the_others_go_on(peer, process, stream):
    before = complete(peer)
    rest = [each for each in peer.streams if each != stream]
    sent = dict.fromkeys(peer.streams, 0)
    missing = f"degraded/no_{stream}"
    after = before
    # Until its silence is known, frames of a dead reference may be matched without it or not.
    while change(before, after, missing) < 4:
        stamp = peer.next_stamp()
        peer.send(stamp, rest)
        sent |= {each: sent[each] + 1 for each in rest}
        after = peer.timing(stamp)
    again = complete(peer)
    sent = {each: count + 1 for each, count in sent.items()}
    check_accounts(peer, before, again, sent)
    assert again["mode"] == "fused"
    if stream == "roof/points":
        process.wait_for("the reference is now bumper/points: roof/points is silent")
        process.wait_for("the reference is now roof/points: its messages come again")


@pytest.mark.parametrize("stream", ["bumper/points", "left/image"])
def test_a_late_message_is_left_out_and_counted_by_its_sensor(peer, stream):
    before = complete(peer)
    stamp = peer.next_stamp()
    peer.send(stamp, [each for each in peer.streams if each != stream])
    assert change(before, peer.timing(stamp), f"degraded/no_{stream}") == 1
    peer.send(stamp, [stream])  # its frame is already published
    peer.settle()
    after = complete(peer)
    assert change(before, after, f"dropped/late_{stream}") == 1
    check_accounts(peer, before, after, dict.fromkeys(peer.streams, 2))


@pytest.mark.parametrize("stream", ["bumper/points", "right/image"])
def test_at_half_rate_every_second_frame_goes_without_the_sensor(peer, stream):
    before = complete(peer)
    sent = dict.fromkeys(peer.streams, 0)
    for number in range(8):
        stamp = peer.next_stamp()
        streams = [each for each in peer.streams if each != stream or number % 2]
        peer.send(stamp, streams)
        sent |= {each: sent[each] + 1 for each in streams}
        after = peer.timing(stamp)
    assert change(before, after, f"degraded/no_{stream}") == 4
    check_accounts(peer, before, after, sent)


def test_faults_of_several_sensors_at_the_same_time_are_told_apart(peer):
    before = complete(peer)
    sent = dict.fromkeys(peer.streams, 0)
    silent, slow, late = "roof/points", "right/image", "left/image"  # silent: the reference

    def send(streams: list[str]) -> tuple[int, dict[str, str]]:
        stamp = peer.next_stamp()
        peer.send(stamp, streams)
        for stream in streams:
            sent[stream] += 1
        return stamp, peer.timing(stamp)

    lively = [stream for stream in peer.streams if stream != silent]
    known = before
    while change(before, known, f"degraded/no_{silent}") < 4:  # then its silence is known
        _, known = send(lively)
    for number in range(4):
        absent = {late} if number % 2 else {late, slow}
        stamp, after = send([stream for stream in lively if stream not in absent])
        peer.send(stamp, [late])
        sent[late] += 1
        peer.settle()
    again = complete(peer)
    check_accounts(peer, before, again, {stream: count + 1 for stream, count in sent.items()})
    assert again["mode"] == "fused"
    missing = {stream: change(known, after, f"degraded/no_{stream}") for stream in peer.streams}
    assert missing == {
        silent: 4,
        "bumper/points": 0,
        "front/image": 0,
        late: 4,
        slow: 2,
    }
    assert change(known, again, f"dropped/late_{late}") == 4


def test_messages_of_one_sensor_out_of_order_find_their_frames(peer):
    before = complete(peer)
    first, second = peer.next_stamp(), peer.next_stamp()
    rest = [each for each in peer.streams if each != "left/image"]
    peer.send(second, ["left/image"])
    peer.settle()
    peer.send(first, ["left/image"])
    peer.settle()
    peer.send(first, rest)
    peer.timing(first)
    peer.send(second, rest)
    after = peer.timing(second)
    assert change(before, after, "degraded/no_left/image") == 0
    check_accounts(peer, before, after, dict.fromkeys(peer.streams, 2))


def test_images_of_another_size_are_left_out_until_the_network_is_ready_for_them(peer):
    before = complete(peer)
    rest = [each for each in peer.streams if each != "left/image"]
    sent, modes = 0, []
    after = before
    while len(modes) < 2 or "semseg" not in modes[-1]:
        stamp = peer.next_stamp()
        peer.send(stamp, rest)
        peer.send(stamp, ["left/image"], size=(112, 64))
        sent += 1
        after = peer.timing(stamp)
        left = change(before, after, "degraded/left/new_image_size")
        modes.append("semseg" if left < sent else "left out")
    assert after["mode"] == "fused"
    assert peer.labels("left", stamp).shape != (64, 96)
    complete(peer)


def test_a_camera_that_the_calibration_lacks_is_an_error_that_names_it(
    start_node, calibration_path
):
    process = start_node(
        "-r",
        "__ns:=/lacking",
        calibration=calibration_path,
        lidars="[roof]",
        cameras="[front, rear]",
    )
    assert process.wait() == 1
    assert any("rear" in line for line in process.lines)


def test_a_sensor_name_that_is_invalid_in_a_topic_is_refused(start_node, calibration_path):
    process = start_node(
        "-r", "__ns:=/misnamed", calibration=calibration_path, cameras="['front-left']"
    )
    assert process.wait() == 2
    assert any("parameter cameras: 'front-left' cannot be" in line for line in process.lines)
