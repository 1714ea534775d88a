"""The results of the node for a bag equal those of the `Predictor` for the same messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from visualization_msgs.msg import Marker

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    MODES,
    Annotation,
    Boxes,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
    Prediction,
)
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.bag.recorder import record
from bev_semseg_ros.ros.bag.recording import Recording
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.convert.bev import encode_bev_cloud, encode_drivable_area
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.convert.message import message_class, stamp_ns
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, read_fields
from bev_semseg_ros.ros.node.publishers import TOPICS
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.parameters import Parameters

BOX_LABELS, PIXEL_LABELS = load_label_set("boxes_4"), load_label_set("driving_13")
COUNT = 4
RATE = 0.2  # 2 Hz: even a busy machine must process every frame
THRESHOLD = 0.01
FILTER = {
    "classes": ["pedestrian", "car", "truck"],
    "distance_bands": [10.0],
    "score_threshold_car": [0.02, 0.05],
    "nms_iou_threshold": 0.1,
}
IMAGES = ("~/semseg/color", "~/semseg/overlay", "~/semseg/labels", "~/semseg/camera_info")
MAPS = ("~/bev/drivable_area", "~/bev/points")
POINTS = "~/point_segmentation"
SETTINGS = {"precision": "fp32", "engine": "torch", "num_threads": 1}


# Poses of the three lidars whose points are combined in one cloud.
UNITS = {number: transform(rotation_z(0.5 * number), (0.4 * number, 0, 0)) for number in range(3)}


class Drive:
    """COUNT frames of a tilted lidar and a camera with a larger, distorted image.

    The cloud combines the points of several units.
    """

    name = "drive"

    def __init__(self, calibration) -> None:
        self._calibration = calibration
        camera = calibration.camera
        scale = np.diag([3.0, 3.0, 1.0])
        self._camera = Camera(
            scale @ camera.matrix,
            (384, 192),
            camera.camera_from_ego,
            [-0.2, 0.03, 0.001, -0.001, 0.0],
            "plumb_bob",
            scale @ camera.matrix,
        )

    def __len__(self) -> int:
        return COUNT

    def scene(self, index: int) -> str:
        return self.name

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        rng = np.random.default_rng(index)
        points = rng.uniform((2, -8, -1.8, 0), (18, 8, 0, 1), (800, 4)).astype(np.float32)
        image = np.kron(rng.integers(0, 255, (12, 24, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
        units = rng.integers(0, len(UNITS), len(points))
        scan = LidarScan(
            points, self._calibration.ego_from_lidar, {"unit": units}, lidar_from_unit=UNITS
        )
        cameras = {CAMERA: CameraImage(image, self._camera)}
        time_ns = (index + 1) * 100_000_000
        return Frame(time_ns, {LIDAR: scan}, cameras, f"{index}", self.name), Annotation()


@pytest.fixture(scope="module")
def bag(calibration, tmp_path_factory):
    path = tmp_path_factory.mktemp("parity") / "bag"
    write_bag(Drive(calibration), path)
    return path


@pytest.fixture(scope="module")
def bev_checkpoint(make_checkpoint):
    """Return a checkpoint with the same tasks, and one that learns a BEV map."""
    return make_checkpoint(tasks=("detection", "segmentation", "bev_segmentation"))


@pytest.fixture(scope="module")
def points_checkpoint(make_checkpoint):
    """Return a checkpoint with the same tasks, and one that classifies points."""
    tasks = ("detection", "segmentation", "point_segmentation")
    return make_checkpoint(tasks, "range_view", seed=9)  # gives boxes at different places


@pytest.fixture(
    scope="module",
    params=[*((mode, {}) for mode in MODES), ("fused", FILTER)],
    ids=[*MODES, "fused and filtered, with a map that is learned"],
)
def answers(
    request,
    bag,
    checkpoint_file,
    bev_checkpoint,
    points_checkpoint,
    forked_recorder,
    tmp_path_factory,
) -> tuple[str, Recording, dict[int, Prediction]]:
    """(mode, results of the node, predictions of the predictor by stamp)."""
    mode, settings = request.param
    images = () if mode == "lidar_only" else IMAGES
    boxes = () if mode == "camera_only" else ("~/markers",)
    maps = MAPS if mode == "fused" else ()
    points = (POINTS,) if mode == "lidar_only" else ()
    path = bev_checkpoint if settings else checkpoint_file
    if mode == "lidar_only":
        path = points_checkpoint
    recording = record(
        bag,
        tmp_path_factory.mktemp(mode),
        BOX_LABELS,
        RATE,
        {
            "checkpoint": path,
            "score_threshold": THRESHOLD,
            "mode": mode,
            "max_wait": 2.0,  # a busy machine may deliver an image late
            **settings,
            **SETTINGS,
        },
        boxes + images + maps + points,
    )
    predictor = Predictor.load(path, "cpu", **SETTINGS)
    defaults = Parameters(by_class=ClassParameters.defaults(BOX_LABELS.classes))
    values = {"score_threshold": THRESHOLD, **settings}
    keep = defaults.changed(values, configured=False).box_filter
    offline = {}
    for frame in frames(bag):
        sample = prepare(frame, predictor.config, predictor.whole_clouds)
        found = predictor.predict_sample(sample, mode, THRESHOLD)
        if settings:
            kept = replace(found, boxes=keep(found.boxes))
            assert len(kept.boxes) < len(found.boxes)
            found = kept
        results = {**found.results, "map": predictor.bev_map(sample, found)}
        offline[frame.timestamp_ns] = replace(found, results=results)
    return mode, recording, offline


def frames(bag) -> list[Frame]:
    """Return the pairs of a bag, decoded as the node decodes them."""
    calibration, moments = load_calibration(bag), {}
    with Reader(bag) as reader:
        for connection, _, data in reader.messages():
            if connection.topic == "/tf_static":
                continue
            message = deserialize_message(bytes(data), message_class(connection.msgtype))
            moments.setdefault(stamp_ns(message.header.stamp), {})[connection.topic] = message
    found = []
    for stamp, moment in moments.items():
        scan = LidarScan(
            decode_cloud(moment["/points"]),
            calibration.ego_from_lidar,
            decode_point_attributes(moment["/points"], stamp),
            lidar_from_unit=UNITS,
        )
        camera = decode_camera(moment["/camera_info"], calibration.camera.camera_from_ego)
        cameras = {CAMERA: CameraImage(decode_image(moment["/image"]), camera)}
        found.append(Frame(stamp, {LIDAR: scan}, cameras))
    return found


def by_place(boxes: Boxes, reference: Boxes) -> Boxes:
    """Return for each box of `reference` the nearest one of `boxes`."""
    distances = np.linalg.norm(boxes.centers[:, None] - reference.centers[None], axis=-1)
    order = distances.argmin(0)
    assert sorted(order) == list(range(len(boxes)))
    return boxes[order]


def test_the_node_gives_a_result_for_every_frame(answers):
    _, recording, offline = answers
    assert (
        recording.published.keys() == recording.complete.keys() == offline.keys()
        and len(offline) == COUNT
    )


@pytest.mark.parametrize("answers", [("lidar_only", {})], indirect=True)
def test_boxes_of_the_node_are_those_of_the_frames_that_extract_writes(
    answers, bag, points_checkpoint, tmp_path
):
    """So a training on these frames sees what the node sees."""
    _, recording, _ = answers
    assert main(["extract", str(bag), "--out", str(tmp_path), "--interval", "0"]) == 0
    extracted = open_dataset(tmp_path)
    predictor = Predictor.load(points_checkpoint, "cpu", **SETTINGS)
    assert len(extracted) == COUNT
    for index in range(COUNT):
        frame, _ = extracted[index]
        expected = recording.complete[frame.timestamp_ns].boxes
        boxes = predictor.predict(frame, "lidar_only", THRESHOLD).boxes
        assert len(boxes) == len(expected) > 0
        found = by_place(boxes, expected)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
        np.testing.assert_allclose(found.centers, expected.centers, atol=1e-2)


def test_boxes_equal_the_predictors(answers):
    mode, recording, offline = answers
    for stamp, result in recording.complete.items():
        expected = offline[stamp].boxes
        assert (result.boxes is None) == (expected is None) == (mode == "camera_only")
        if expected is None:
            continue
        assert len(result.boxes) == len(expected) > 0
        found = by_place(result.boxes, expected)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
        np.testing.assert_allclose(found.centers, expected.centers, atol=1e-3)
        np.testing.assert_allclose(found.sizes, expected.sizes, atol=1e-3)
        np.testing.assert_allclose(np.sin(found.yaws - expected.yaws), 0, atol=1e-3)


def test_labels_equal_the_predictors(answers):
    mode, recording, offline = answers
    for stamp, result in recording.complete.items():
        expected = offline[stamp].mask
        assert (expected is None) == (result.mask is None) == (mode == "lidar_only")
        if expected is not None:
            assert result.mask.shape == expected.shape and (result.mask == expected).mean() >= 0.999


def messages(answers, topic: str) -> list[tuple[int, object]]:
    """Return (stamp, message) of every frame; none if the mode does not have this output."""
    mode, recording, _ = answers
    found = [
        (stamp, result.messages[topic])
        for stamp, result in recording.complete.items()
        if topic in result.messages
    ]
    assert len(found) == (
        0 if mode == ("camera_only" if topic == "~/markers" else "lidar_only") else COUNT
    )
    return found


def pixels(message) -> np.ndarray:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1)


def test_every_output_is_compared_in_this_file():
    """Diagnostics and messages that are not installed everywhere are left out."""
    of_frames = {
        topic
        for topic, (kind, *_) in TOPICS.items()
        if not kind.startswith("vision_msgs") and not topic.startswith(("~/debug/", "/"))
    }
    assert of_frames == {"~/markers", *IMAGES, *MAPS, "~/timing", POINTS}


def test_colours_show_the_labels_of_the_predictor(answers):
    for stamp, message in messages(answers, "~/semseg/color"):
        assert message.encoding == "rgb8"
        assert (pixels(message) == PIXEL_LABELS.colorize(answers[2][stamp].mask)).mean() >= 0.999


def test_the_overlay_lies_on_the_image_that_the_predictor_saw(answers, bag, checkpoint_file):
    config = checkpoint.load(checkpoint_file).config
    seen = {frame.timestamp_ns: prepare(frame, config).image for frame in frames(bag)}
    for stamp, message in messages(answers, "~/semseg/overlay"):
        expected = (PIXEL_LABELS.colorize(answers[2][stamp].mask).astype(float) + seen[stamp]) / 2
        assert (np.abs(pixels(message) - expected) <= 1).mean() >= 0.999


def test_the_camera_info_belongs_to_the_mask_of_the_predictor(answers):
    for stamp, message in messages(answers, "~/semseg/camera_info"):
        camera = answers[2][stamp].camera
        assert (message.width, message.height) == camera.size == answers[2][stamp].mask.shape[::-1]
        np.testing.assert_allclose(np.reshape(message.k, (3, 3)), camera.matrix)
        np.testing.assert_allclose(np.reshape(message.p, (3, 4))[:, :3], camera.matrix)
        assert not any(message.d)


@pytest.mark.parametrize("topic", IMAGES)
def test_segmentation_has_the_stamp_and_the_frame_of_its_image(answers, topic):
    for stamp, message in messages(answers, topic):
        assert (stamp_ns(message.header.stamp), message.header.frame_id) == (stamp, "camera")


def test_markers_in_the_frame_of_the_cloud_match_the_boxes_of_the_predictor(answers, calibration):
    cloud_from_ego = invert(calibration.ego_from_lidar)
    for stamp, message in messages(answers, "~/markers"):
        boxes = answers[2][stamp].boxes
        shown = [marker for marker in message.markers if marker.action == Marker.ADD]
        assert {(stamp_ns(m.header.stamp), m.header.frame_id) for m in shown} == {(stamp, "lidar")}
        assert len({(m.ns, m.id) for m in shown}) == len(shown) == 3 * len(boxes)
        for kind in (Marker.CUBE, Marker.ARROW, Marker.TEXT_VIEW_FACING):
            markers = [marker for marker in shown if marker.type == kind]
            places = np.array(
                [[m.pose.position.x, m.pose.position.y, m.pose.position.z] for m in markers]
            )
            expected = apply(cloud_from_ego, boxes.centers)
            if kind == Marker.TEXT_VIEW_FACING:
                expected = expected + cloud_from_ego[:3, 2] * (boxes.sizes[:, 2:] / 2 + 0.6)
            distances = np.linalg.norm(places[:, None] - expected, axis=-1)
            nearest = distances.argmin(0)
            assert distances.min(0).max() < 1e-3
            for box, marker in enumerate(markers[index] for index in nearest):
                q = marker.pose.orientation
                ahead = [
                    1 - 2 * (q.y**2 + q.z**2),
                    2 * (q.x * q.y + q.w * q.z),
                    2 * (q.x * q.z - q.w * q.y),
                ]
                yaw = boxes.yaws[box]
                np.testing.assert_allclose(
                    ahead, cloud_from_ego[:3, :3] @ (np.cos(yaw), np.sin(yaw), 0), atol=1e-3
                )
                assert marker.ns == BOX_LABELS.classes[
                    boxes.labels[box]
                ] and marker.text.startswith(marker.ns)


def test_maps_equal_the_predictors_and_are_on_the_ground_in_the_frame_of_the_cloud(
    answers, calibration
):
    mode, recording, offline = answers
    lidar_from_ego = invert(calibration.ego_from_lidar)
    for stamp, result in recording.complete.items():
        if mode != "fused":
            assert not set(MAPS) & set(result.messages)
            continue
        expected = offline[stamp].results["map"]
        area, cloud = (result.messages[topic] for topic in MAPS)
        assert (stamp_ns(area.header.stamp), area.header.frame_id) == (stamp, "lidar")
        assert cloud.header == area.header
        wanted = encode_drivable_area(expected, lidar_from_ego, area.header)
        assert area.info == wanted.info
        assert (np.array(area.data) == np.array(wanted.data)).mean() >= 0.999
        assert len(np.unique(area.data)) > 1
        wanted = encode_bev_cloud(expected, lidar_from_ego, area.header)
        assert abs(cloud.width - wanted.width) <= 1 and cloud.fields == wanted.fields
        if cloud.width == wanted.width:
            same = np.frombuffer(cloud.data, np.uint8) == np.frombuffer(wanted.data, np.uint8)
            assert same.mean() >= 0.999


def test_points_of_a_cloud_from_three_units_have_the_classes_of_the_predictor(
    answers, bag, points_checkpoint
):
    mode, recording, offline = answers
    if mode != "lidar_only":
        pytest.skip("only the network of the mode lidar_only has the task")
    predictor = Predictor.load(points_checkpoint, "cpu", **SETTINGS)
    for frame in frames(bag):
        message = recording.complete[frame.timestamp_ns].messages[POINTS]
        expected = offline[frame.timestamp_ns].results["point_segmentation"][LIDAR]
        found = read_fields(message, ["label", "score"])[0]
        np.testing.assert_array_equal(found["label"], expected.labels)
        np.testing.assert_allclose(found["score"], expected.scores, atol=1e-6)
        of_one = replace(frame, lidars={LIDAR: replace(frame.lidar, lidar_from_unit={})})
        without = predictor.predict(of_one).results["point_segmentation"][LIDAR]
        assert (without.labels != found["label"]).mean() > 0.05


def test_the_mode_is_the_one_asked_for(answers):
    mode, recording, _ = answers
    assert {result.timing["mode"] for result in recording.complete.values()} == {mode}
