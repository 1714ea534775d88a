"""Several topics for one input: which one the doctor examines, why, and which others it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg
from support.bag_changes import TENTH, cloud, compressed_on, frame
from support.broken_bag import STORE, Entry, on, without, write

from bev_semseg_ros.input_check import Finding
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.streams import check_info_frames, check_topics, check_undecoded

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(3)
COLORS = RNG.integers(0, 256, (232, 768, 3), np.uint8)
GREY = np.full((232, 768), 90, np.uint8)


def copies(
    content: list[Entry], topic: str, to: str, change: Callable[[Entry], Entry] = lambda e: e
) -> list[Entry]:
    """Return copies of the messages of a topic, changed and on another topic."""
    return [
        change(replace(entry, topic=to, message=replace(entry.message)))
        for entry in content
        if entry.topic == topic
    ]


def moved(content: list[Entry], **topics: str) -> list[Entry]:
    """Return the messages of a bag with some topics renamed."""
    names = {f"/{name}": topic for name, topic in topics.items()}
    return [replace(entry, topic=names.get(entry.topic, entry.topic)) for entry in content]


def pixels(image: np.ndarray, encoding: str) -> Callable[[Entry], Entry]:
    step = image.strides[0]
    data = np.ascontiguousarray(image).view(np.uint8).reshape(-1)
    return lambda entry: entry.with_message(encoding=encoding, step=step, data=data)


def first(number: int) -> Callable[[Entry], Entry]:
    """Return a change that keeps the first points of a cloud."""

    def change(entry: Entry) -> Entry:
        size = 16 * number
        return entry.with_message(width=number, row_step=size, data=entry.message.data[:size])

    return change


def looked_at(path: Path, content: list[Entry]) -> Observation:
    return read_bag(write(path, content), {})


def topics(observation: Observation) -> dict[str, str]:
    return {name: stream.topic for name, stream in observation.streams.items()}


def findings(observation: Observation) -> dict[str, Finding]:
    diagnosis = Diagnosis("bag")
    check_topics(observation, diagnosis)
    check_undecoded(observation, diagnosis)
    check_info_frames(observation, diagnosis)
    return {finding.item: finding for finding in diagnosis.findings}


@pytest.fixture
def colored(content: list[Entry]) -> list[Entry]:
    """Return the messages of the good bag, with images in colour."""
    return on("/image", pixels(COLORS, "rgb8"))(content)


# --- images --------------------------------------------------------------------------------------


def test_a_colour_image_is_preferred_to_depth_infrared_and_grey_images(
    colored: list[Entry], tmp_path: Path
) -> None:
    """A depth camera: some of its other images come more often, and one cannot be decoded."""
    depth = np.full((232, 768), 2000, np.uint16)
    content = moved(colored, image="/camera/color/image_raw")
    color = "/camera/color/image_raw"
    content += copies(content, color, "/camera/depth/image_rect_raw", pixels(depth, "16UC1"))
    content += copies(
        content, color, "/camera/aligned_depth_to_color/color", pixels(COLORS, "rgb8")
    )
    for name in ("/camera/infra1/image_rect_raw", "/camera/mono"):
        content += copies(content, color, name, pixels(GREY, "mono8"))
        content += copies(content, color, name, pixels(GREY, "mono8"))
    observation = looked_at(tmp_path / "bag", content)
    assert topics(observation)["image"] == color
    text = findings(observation)["topic image"].text
    assert "/camera/mono (no colours)" in text and "/camera/depth/image_rect_raw (" in text
    assert "infra1/image_rect_raw (not a camera image by its name)" in text


def test_a_compressed_topic_at_full_rate_is_preferred_to_a_throttled_raw_one(
    colored: list[Entry], tmp_path: Path
) -> None:
    full = compressed_on("/image")(copies(colored, "/image", "/image"))
    throttled = [entry for entry in colored if entry.topic == "/image"][:2]
    content = without("/image")(colored) + full + throttled
    observation = looked_at(tmp_path / "bag", content)
    assert topics(observation)["image"] == "/image/compressed"
    found = findings(observation)
    assert "/image (2 messages)" in found["topic image"].text and "other image" not in found
    equal = looked_at(tmp_path / "equal", colored + full)
    assert topics(equal)["image"] == "/image"


def test_a_camera_with_a_matching_camera_info_is_preferred(
    colored: list[Entry], tmp_path: Path
) -> None:
    other = copies(colored, "/image", "/aux/image", frame("aux"))
    observation = looked_at(tmp_path / "bag", colored + other)
    assert topics(observation) == {
        "points": "/points",
        "image": "/image",
        "camera_info": "/camera_info",
    }
    found = findings(observation)
    assert "/aux/image (no camera_info fits it)" in found["topic image"].text
    assert found["other image"].remedy.startswith("to examine several, name them: --cameras")


def test_the_front_camera_is_chosen_among_equal_cameras(
    colored: list[Entry], tmp_path: Path
) -> None:
    content = moved(colored, image="/front/image", camera_info="/front/camera_info")
    for name in ("back", "side"):
        content += copies(colored, "/image", f"/{name}/image")
        content += copies(colored, "/camera_info", f"/{name}/camera_info")
    observation = looked_at(tmp_path / "bag", content)
    assert topics(observation)["image"] == "/front/image"
    assert topics(observation)["camera_info"] == "/front/camera_info"
    text = findings(observation)["topic image"].text
    assert "/back/image (not the front camera by its name)" in text


def test_images_that_are_damaged_are_not_chosen(colored: list[Entry], tmp_path: Path) -> None:
    spoiled = copies(
        colored, "/image", "/front/image", lambda e: e.with_message(data=e.message.data[:99])
    )
    observation = looked_at(tmp_path / "bag", colored + spoiled + spoiled)
    assert topics(observation)["image"] == "/image"
    assert "/front/image (99 bytes of data" in findings(observation)["topic image"].text


def test_a_requested_topic_is_used_whatever_it_contains(
    colored: list[Entry], tmp_path: Path
) -> None:
    grey = copies(colored, "/image", "/mono", pixels(GREY, "mono8"))
    path = write(tmp_path / "bag", colored + grey)
    assert topics(read_bag(path, {"image": "/mono"}))["image"] == "/mono"


# --- camera_info ---------------------------------------------------------------------------------


def test_the_camera_info_with_matching_frame_stamps_and_size_is_chosen(
    colored: list[Entry], tmp_path: Path
) -> None:
    """None of the camera_info topics is beside the image topic."""

    def late(entry: Entry) -> Entry:
        return entry.stamped(entry.time + TENTH // 3)

    content = moved(colored, camera_info="/calibration/b")
    content += copies(colored, "/camera_info", "/calibration/a", frame("rear"))
    content += copies(colored, "/camera_info", "/calibration/c", late)
    content += copies(
        colored, "/camera_info", "/calibration/d", lambda e: e.with_message(width=640, height=480)
    )
    observation = looked_at(tmp_path / "bag", content)
    assert topics(observation)["camera_info"] == "/calibration/b"
    text = findings(observation)["topic camera_info"].text
    assert "/calibration/a (in the frame 'rear')" in text
    assert "/calibration/c (other stamps than the image)" in text
    assert "/calibration/d (of 640 x 480 pixels)" in text


def test_a_camera_info_in_another_frame_is_a_warning(colored: list[Entry], tmp_path: Path) -> None:
    content = on("/camera_info", frame("rear_camera"))(colored)
    finding = findings(looked_at(tmp_path / "bag", content))["camera_info frame"]
    assert finding.level == "warning"
    assert "'camera'" in finding.text and "'rear_camera'" in finding.text
    assert "--camera-info TOPIC" in finding.remedy
    assert "camera_info frame" not in findings(looked_at(tmp_path / "good", colored))


# --- clouds --------------------------------------------------------------------------------------


def test_the_lidar_is_preferred_to_a_radar_and_filtered_clouds(
    content: list[Entry], tmp_path: Path
) -> None:
    """The radar sends twice as often."""
    radar = copies(content, "/points", "/radar/points", first(150))
    filtered = copies(content, "/points", "/obstacles", first(9000))
    observation = looked_at(tmp_path / "bag", content + radar + radar + filtered)
    assert topics(observation)["points"] == "/points"
    text = findings(observation)["topic points"].text
    assert "/radar/points (150 points)" in text and "/obstacles (9000 points)" in text


def test_the_lidar_is_preferred_to_a_larger_map_and_the_cloud_of_a_depth_camera(
    content: list[Entry], tmp_path: Path
) -> None:
    def without_intensity(entry: Entry) -> Entry:
        return entry.with_message(fields=entry.message.fields[:3])

    lidar = on("/points", first(9000))(content)
    collected = copies(content, "/points", "/cloud_registered", frame("odom"))
    depth = copies(content, "/points", "/camera/depth/points", without_intensity)
    observation = looked_at(tmp_path / "bag", lidar + collected + depth)
    assert topics(observation)["points"] == "/points"
    text = findings(observation)["topic points"].text
    assert "/cloud_registered (collected in the frame 'odom')" in text
    assert "/camera/depth/points (of a depth camera)" in text


def test_gaps_do_not_count_as_points(content: list[Entry], tmp_path: Path) -> None:
    """Drivers write shots without a return as zeros or NaN."""

    def mostly_gaps(points: np.ndarray) -> None:
        points[: len(points) // 2] = np.nan
        points[len(points) // 2 : -500] = 0

    second = copies(content, "/points", "/a_second_return", lambda e: cloud(e, mostly_gaps))
    observation = looked_at(tmp_path / "bag", second + content)
    assert topics(observation)["points"] == "/points"
    assert "/a_second_return (500 points)" in findings(observation)["topic points"].text


# --- what the node does not decode ---------------------------------------------------------------


def of_type(content: list[Entry], topic: str, to: str, kind: str) -> list[Entry]:
    """Return the messages, those of a topic replaced by messages of an unknown type."""
    if kind not in STORE.fielddefs:
        STORE.register(get_types_from_msg("string data", kind))
    string = STORE.types["std_msgs/msg/String"]("data")
    data = bytes(STORE.serialize_cdr(string, "std_msgs/msg/String"))
    return [
        Entry(to, kind, entry.time, data) if entry.topic == topic else entry for entry in content
    ]


@pytest.mark.parametrize(
    ("topic", "kind", "what", "remedy"),
    [
        (
            "/velodyne_packets",
            "velodyne_msgs/msg/VelodyneScan",
            "packets of the lidar",
            "the driver decodes them: play the bag to velodyne_pointcloud",
        ),
        (
            "/ouster/lidar_packets",
            "ouster_sensor_msgs/msg/PacketMsg",
            "packets of the lidar",
            "the driver decodes them: play the bag to ouster_ros",
        ),
        (
            "/livox/lidar",
            "livox_ros_driver2/msg/CustomMsg",
            "Livox's own message",
            "the driver decodes them: let livox_ros_driver2 publish sensor_msgs/msg/PointCloud2",
        ),
        (
            "/top/draco",
            "point_cloud_interfaces/msg/CompressedPointCloud2",
            "a compressed cloud",
            "-p in_transport:=draco -p out_transport:=raw -r in/draco:=/top/draco",
        ),
        (
            "/roof",
            "acme_lidar_msgs/msg/AcmePacketArray",
            "the lidar's own message",
            "the driver decodes them",
        ),
    ],
)
def test_undecoded_lidar_data_is_named_with_a_remedy(
    topic: str, kind: str, what: str, remedy: str, content, tmp_path
) -> None:
    observation = looked_at(tmp_path / "bag", of_type(content, "/points", topic, kind))
    finding = findings(observation)["topic points"]
    assert finding.level == "fault" and f"{topic} ({kind}): " in finding.text
    assert what in finding.text and remedy in finding.remedy


@pytest.mark.parametrize(
    ("topic", "kind", "remedy"),
    [
        ("/front/theora", "theora_image_transport/msg/Packet", "in_transport:=theora"),
        ("/front/ffmpeg", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket", "-r in/ffmpeg:=/front/f"),
        ("/front/video", "foxglove_msgs/msg/CompressedVideo", "in_transport:=foxglove"),
        ("/front/zstd", "sensor_msgs/msg/CompressedImage", "-r in/zstd:=/front/zstd"),
        ("/compressedDepth", "sensor_msgs/msg/CompressedImage", "the topic of the colour image"),
        ("/rgbd", "realsense2_camera_msgs/msg/RGBD", "let the camera's driver publish"),
    ],
)
def test_undecoded_images_are_named_with_a_remedy(
    topic: str, kind: str, remedy: str, content, tmp_path
) -> None:
    observation = looked_at(tmp_path / "bag", of_type(content, "/image", topic, kind))
    finding = findings(observation)["topic image"]
    assert finding.level == "fault" and f"{topic} ({kind}): " in finding.text
    assert remedy in finding.remedy


def test_requested_packets_are_named_with_the_package_that_decodes_them(content, tmp_path) -> None:
    """The bag also contains clouds."""
    kind = "velodyne_msgs/msg/VelodyneScan"
    packets = of_type(content, "/points", "/packets", kind)
    path = write(tmp_path / "bag", content + [e for e in packets if e.topic == "/packets"])
    finding = findings(read_bag(path, {"points": "/packets"}))["topic points"]
    assert f"/packets carries {kind}" in finding.text and "velodyne_pointcloud" in finding.remedy


def test_a_requested_topic_of_images_packed_with_zstd_is_named_with_a_remedy(
    content, tmp_path
) -> None:
    """The bag also contains raw images."""
    packed = of_type(content, "/image", "/image/zstd", "sensor_msgs/msg/CompressedImage")
    path = write(tmp_path / "bag", content + [e for e in packed if e.topic == "/image/zstd"])
    found = findings(read_bag(path, {"image": "/image/zstd"}))["topic image"]
    assert found.level == "fault" and "in_transport:=zstd" in found.remedy
    assert findings(read_bag(path, {}))["topic image"].level == "ok"


def test_topics_that_merely_contain_zed_or_infra_are_not_taken_for_such_cameras(
    colored, tmp_path
) -> None:
    cloud_topic, image_topic = "/points_organized", "/infrastructure/image"
    content = moved(colored, points=cloud_topic, image=image_topic)
    content += copies(content, cloud_topic, "/depth/points", first(9000))
    content += copies(content, image_topic, "/infra1/image")
    observation = looked_at(tmp_path / "bag", content)
    assert topics(observation)["points"] == cloud_topic
    assert topics(observation)["image"] == image_topic


def test_packets_beside_clouds_are_named_but_are_not_a_fault(content, tmp_path) -> None:
    packets = of_type(content, "/points", "/packets", "velodyne_msgs/msg/VelodyneScan")
    content = [*content, *(entry for entry in packets if entry.topic == "/packets")]
    found = findings(looked_at(tmp_path / "bag", content))
    assert found["topic points"].level == "ok" and found["not decoded: /packets"].level == "ok"


def test_a_jpeg_without_colours_is_grey(colored: list[Entry], tmp_path: Path) -> None:
    def grey_jpeg(entry: Entry) -> Entry:
        data = cv2.imencode(".jpg", GREY)[1].reshape(-1)
        return entry.with_message(format="mono8; jpeg compressed ", data=data)

    jpegs = compressed_on("/mono/image")(copies(colored, "/image", "/mono/image"))
    jpegs = [grey_jpeg(entry) for entry in jpegs]
    observation = looked_at(tmp_path / "bag", compressed_on("/image")(colored) + jpegs)
    assert topics(observation)["image"] == "/image/compressed"
    assert "/mono/image/compressed (no colours)" in findings(observation)["topic image"].text
