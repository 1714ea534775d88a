"""The same scene with another rig: no calibration file, lidar upside down, compressed images."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from support.peer import LABELS

from bev_semseg_ros.geometry import apply, invert, wrap_angle
from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.input.extrinsics import pose_matrix

NAMESPACE = "/rig"
LIDAR = [0.7, -0.2, 1.4, 3.1, 0.4, -2.0]  # in the frame of the vehicle; the ground is at z = -0.5
CAMERA = [
    0.7 + 0.3,
    -0.2,
    1.4 - 0.5,
    0.0,
    0.0,
    0.0,
]  # in the frame of the vehicle; the offset from the lidar is that of the calibration
POINTS = (
    np.random.default_rng(1).uniform((2, -8, 0.1, 0), (18, 8, 1.9, 1), (500, 4)).astype(np.float32)
)  # ego frame


@pytest.fixture(scope="module")
def rig(start_node, peers):
    """(the node, its peer, a publisher of compressed images, the parameters it got)."""
    process = start_node(
        "-r",
        f"__ns:={NAMESPACE}",
        "-r",
        f"image:={NAMESPACE}/front/image_raw",
        calibration="''",
        extrinsics="parameters",
        lidar_pose=LIDAR,
        camera_pose=CAMERA,
        base_frame="vehicle",
        ground_height=-0.5,
        output_frame="vehicle",
        image_transport="compressed",
    )
    peer = peers(NAMESPACE)
    publisher = peer.node.create_publisher(
        CompressedImage, f"{NAMESPACE}/front/image_raw/compressed", 1
    )
    process.wait_for("READY")
    peer.connect("points", "camera_info")
    peer.spin_until(
        publisher.get_subscription_count, what="the node's subscription to compressed images"
    )
    found = process, peer, publisher
    # Without a calibration the node learns the size of the images from the first one.
    end = time.monotonic() + 30
    while peer.timing(send_compressed(found))["mode"] != "fused":
        assert time.monotonic() < end, "the node does not get ready for images"
    return found


def cloud_of(peer, ego_from_lidar: np.ndarray):
    points = POINTS.copy()
    points[:, :3] = apply(invert(ego_from_lidar), POINTS[:, :3].astype(np.float64))
    return peer.cloud(points)


def compressed(image, kind: str = "png") -> CompressedImage:
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)[..., ::-1]
    message = CompressedImage(header=image.header, format=f"rgb8; {kind} compressed bgr8")
    message.data.frombytes(cv2.imencode(f".{kind}", pixels)[1].tobytes())
    return message


def send_compressed(rig, message_of=compressed) -> int:
    _, peer, publisher = rig
    peer.next_stamp()
    cloud = cloud_of(peer, pose_matrix([0, 0, 1.9, *LIDAR[3:]]))
    peer.publishers["camera_info"].publish(peer.info())
    publisher.publish(message_of(peer.image()))
    return peer.send(cloud)


def test_boxes_do_not_depend_on_how_the_lidar_is_mounted(rig, node, peer, calibration):
    """Compare with `node`, whose lidar is upright in a calibration file, in the ego frame."""
    peer.connect()
    peer.next_stamp()
    upright = peer.result(
        "markers", peer.send(cloud_of(peer, calibration.ego_from_lidar), peer.image())
    )
    stamp = send_compressed(rig)
    turned = rig[1].result("markers", stamp)
    assert {marker.header.frame_id for marker in turned.markers} == {"vehicle"}
    expected = boxes_from_markers(upright, LABELS, calibration.ego_from_lidar)
    found = boxes_from_markers(turned, LABELS, invert(pose_matrix([0.7, -0.2, -0.5, 0, 0, 0])))
    assert rig[1].timing(stamp)["mode"] == "fused" and len(found) == len(expected) > 0
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.scores, expected.scores, atol=2e-3)
    np.testing.assert_allclose(found.centers, expected.centers, atol=1e-2)
    np.testing.assert_allclose(wrap_angle(found.yaws - expected.yaws), 0, atol=1e-2)


def test_jpeg_is_decoded_too(rig):
    assert (
        rig[1].timing(send_compressed(rig, lambda image: compressed(image, "jpg")))["mode"]
        == "fused"
    )


def test_an_image_that_cannot_be_decoded_is_reported_and_its_cloud_is_used(rig):
    def webp(image) -> CompressedImage:
        message = compressed(image)
        message.format, message.data[:4] = "webp", type(message.data)("B", b"RIFF")
        return message

    before = len(rig[0].lines)
    timing = rig[1].timing(send_compressed(rig, webp))
    assert timing["mode"] == "lidar_only" and int(timing["degraded/bad_image"]) == 1
    rig[0].wait_for("compressed image of format 'webp': neither JPEG nor PNG", after=before)


def test_missing_intrinsics_end_the_node_with_one_clear_line(start_node):
    """test/ros/input/extrinsics tests what the sources of extrinsics refuse."""
    process = start_node(
        "-r",
        "__ns:=/nowhere",
        calibration="''",
        extrinsics="parameters",
        lidar_pose=LIDAR,
        camera_pose=CAMERA,
        intrinsics="calibration",
    )
    code, lines = process.wait(), [line for line in process.lines if line.strip()]
    assert code == 1 and len(lines) == 1 and "configure failed" in lines[0]
    assert "no calibration file has a camera" in lines[0]
