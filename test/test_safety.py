"""Untrusted files and messages run no code, write no other files and take little memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import tiny_data

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config, ModelConfig
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Camera, Frame, LidarScan
from bev_semseg_ros.preprocessing import prepare

CAMERA = Camera([[100, 0, 63.5], [0, 100, 31.5], [0, 0, 1]], (128, 64), np.eye(4))
MEMORY = 50_000_000  # bytes that a small file or message may take; the examples ask for far more
HUGE = 2**32 - 1


@pytest.fixture(autouse=True)
def memory():
    """Fail if a test allocates more than MEMORY bytes."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY


# --- files ---------------------------------------------------------------------------------------

RUNS_CODE = "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{path}]]"


@pytest.mark.parametrize(
    "load", [configuration.load, load_calibration], ids=["configuration", "calibration"]
)
def test_yaml_runs_no_code(load, tmp_path):
    (tmp_path / "file.yaml").write_text(RUNS_CODE.format(path=tmp_path / "touched"))
    with pytest.raises(ValueError, match=r"file\.yaml"):
        load(tmp_path / "file.yaml")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "load", [configuration.load, load_calibration], ids=["configuration", "calibration"]
)
def test_aliases_that_stand_for_billions_of_values_are_refused(load, tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "file.yaml").write_text("\n".join([*lines, "name: *a11"]))
    with pytest.raises(ValueError, match=r"file\.yaml"):
        load(tmp_path / "file.yaml")


def test_a_setting_with_billions_of_values_is_refused_with_a_short_message():
    value = [1]
    for _ in range(12):
        value = [value] * 9
    with pytest.raises(ValueError, match="more than 10000 values") as error:
        configuration.from_dict({"seed": value})
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "values",
    [
        {"grid": {"x_max": 1e9}},
        {"grid": {"cell": 1e-9}},
        {"model": {"pillar_channels": 10**9}},
        {"model": {"bev_channels": [10**9, 96, 128]}},
        {"model": {"bev_blocks": [10**9, 1, 1]}},
        {"image": {"max_pixels": 10**12}},
        {"postprocess": {"max_boxes": 10**12}},
        {
            "grid": {"x_max": 800.0, "y_min": -400.0, "y_max": 400.0},
            "model": {"pillar_channels": 1024},
        },
    ],
)
def test_a_configuration_that_would_not_fit_into_memory_is_refused(values):
    with pytest.raises(ValueError):
        configuration.from_dict(values)


def small_network():
    from bev_semseg_ros.model.build import build_network

    return build_network(Config(model=ModelConfig(camera_encoder="residual")))


def test_a_checkpoint_that_asks_for_a_huge_network_is_refused(tmp_path):
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.inference.predictor import Predictor

    checkpoint.save(tmp_path / "huge.pt", small_network(), Config(), {})
    content = torch.load(tmp_path / "huge.pt", weights_only=True)
    content["config"]["model"]["bev_channels"] = [10**6, 10**6, 10**6]
    torch.save(content, tmp_path / "huge.pt")
    with pytest.raises(ValueError, match=r"huge\.pt.*channels"):
        Predictor.load(tmp_path / "huge.pt", "cpu")


def test_a_huge_calibration_file_is_not_read(tmp_path):
    with (tmp_path / "calibration.yaml").open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(ValueError, match="1000000000 bytes"):
        load_calibration(tmp_path / "calibration.yaml")


@pytest.mark.parametrize(
    "change",
    [
        {"size": (1, 30_000)},
        {"size": (0, 64)},
        {"size": (10**9, 10**9)},
        {"matrix": np.full((3, 3), np.nan)},
        {"distortion": np.full(5, np.inf)},
        {"camera_from_ego": np.full((4, 4), np.nan)},
    ],
)
def test_impossible_cameras_are_refused(change):
    with pytest.raises(ValueError, match="camera: "):
        replace(CAMERA, **change)


# --- bags ----------------------------------------------------------------------------------------


@pytest.fixture
def bag(tmp_path) -> Path:
    from bev_semseg_ros.ros.bag.writer import write_bag

    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    write_bag(open_dataset(tmp_path / "data"), tmp_path / "bags" / "bag", "sqlite3")
    return tmp_path / "bags" / "bag"


def test_a_bag_is_read_only_from_its_own_folder(bag):
    from rosbags.rosbag2 import Reader

    database = next(bag.glob("*.db3"))
    database.rename(bag.parent / "outside.db3")
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(database.name, "../outside.db3"))
    with pytest.raises(Exception, match=r"bag/outside\.db3"), Reader(bag):
        pytest.fail("read a file beside the bag")


@pytest.mark.ros
def test_a_bag_cannot_import_packages_without_messages(tmp_path, monkeypatch):
    from bev_semseg_ros.ros.convert.message import message_class

    (tmp_path / "stranger.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in (
        "stranger/msg/Image",
        "stranger/Image",
        "../stranger/msg/Image",
        "stranger.x/msg/Image",
        "",
        "/msg/",
    ):
        assert message_class(name) is None
    assert (
        not (tmp_path / "touched").exists()
        and message_class("sensor_msgs/msg/Image").__name__ == "Image"
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:4096],
        lambda data: b"\xff" * len(data),
        lambda data: data.replace(b"sensor_msgs", b"\xff\xfe_or_msgs"),
    ],
)
@pytest.mark.ros
def test_an_unreadable_bag_is_named(bag, spoil):
    """Both the player and the doctor name it."""
    import rclpy

    from bev_semseg_ros.ros.bag.player import Player
    from bev_semseg_ros.ros.doctor.bag import read_bag

    database = next(bag.glob("*.db3"))
    database.write_bytes(spoil(database.read_bytes()))
    with pytest.raises(ValueError, match=str(bag)):
        read_bag(bag, {})
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("player", context=context)
    try:
        with pytest.raises(ValueError, match=str(bag)):
            Player(node, bag).play(rate=1000)
    finally:
        node.destroy_node()
        context.try_shutdown()


# --- messages ------------------------------------------------------------------------------------


def decoded(topic: str, message) -> Frame:
    """Return a frame with the content of one message, and valid data where it needs more."""
    from bev_semseg_ros.ros.convert.camera_info import decode_camera
    from bev_semseg_ros.ros.convert.image import decode_image
    from bev_semseg_ros.ros.convert.point_cloud import decode_cloud

    if topic == "points":
        return Frame(0, {"lidar": LidarScan(decode_cloud(message), np.eye(4))})
    if topic == "image":
        return Frame.of(0, None, np.eye(4), decode_image(message), CAMERA)
    return Frame.of(
        0, None, np.eye(4), np.zeros((64, 128, 3), np.uint8), decode_camera(message, np.eye(4))
    )


def good(topic: str):
    from std_msgs.msg import Header

    from bev_semseg_ros.ros.convert.camera_info import encode_camera
    from bev_semseg_ros.ros.convert.image import encode_image
    from bev_semseg_ros.ros.convert.point_cloud import encode_cloud

    rng = np.random.default_rng(1)
    return {
        "points": lambda: encode_cloud(rng.uniform(0, 20, (500, 4)), Header()),
        "image": lambda: encode_image(
            rng.integers(0, 255, (64, 128, 3), np.uint8), "rgb8", Header()
        ),
        "camera_info": lambda: encode_camera(CAMERA, Header()),
    }[topic]()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("topic", ["points", "image", "camera_info"])
@pytest.mark.ros
def test_malformed_messages_are_refused_or_harmless(topic):
    from support.malformed import scramble

    refused = 0
    for seed in range(200):
        message = good(topic)
        scramble(message, np.random.default_rng(seed))
        try:
            frame = decoded(topic, message)
        except ValueError:
            refused += 1
            continue
        sample = prepare(frame, Config())
        assert sample.points is None or np.isfinite(sample.points).all()
    assert 20 < refused < 180


@pytest.mark.parametrize(
    ("topic", "sizes"),
    [
        ("points", {"width": HUGE, "height": HUGE}),
        ("points", {"width": HUGE, "point_step": 1, "row_step": HUGE}),
        ("points", {"width": 1, "height": HUGE, "row_step": 0}),
        ("image", {"width": HUGE, "height": HUGE, "step": HUGE}),
        ("image", {"height": HUGE, "step": 0}),
        ("camera_info", {"width": HUGE, "height": HUGE}),
        ("camera_info", {"width": 1, "height": 30_000}),
    ],
)
@pytest.mark.ros
def test_a_message_that_claims_more_than_it_holds_is_refused(topic, sizes):
    message = good(topic)
    for name, value in sizes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError):
        decoded(topic, message)
