"""Real processes on a ROS domain of their own, a checkpoint of random weights and a calibration for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bev_semseg_ros.ros.domain import reserve_domain

DOMAIN = reserve_domain()  # held until this process ends; each worker of pytest-xdist has its own
os.environ.update(
    ROS_DOMAIN_ID=str(DOMAIN.number),
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    ROS_PYTHON_CHECK_FIELDS="1",
)

from support.peer import Peer  # noqa: E402 - the environment must be there before ROS is loaded
from support.process import Process  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    from bev_semseg_ros.ros.dds import use_shared_memory_profile

    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("log"))
    use_shared_memory_profile()


@pytest.fixture(scope="session")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights: what it sees means nothing, how it gets in and out does."""
    import torch

    from bev_semseg_ros.config import Config, DecodingConfig, GridConfig, ImageConfig, ModelConfig
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.build import build_network

    torch.manual_seed(1)
    config = Config(
        grid=GridConfig(x_max=19.2, y_min=-9.6, y_max=9.6, cell=0.4),
        image=ImageConfig(8192, 128),
        decoding=DecodingConfig(max_boxes=12),
        model=ModelConfig(
            camera_encoder="residual",
            neck_channels=16,
            fusion_channels=8,
            pillar_channels=16,
            bev_channels=(16, 16, 16),
            bev_blocks=(1, 1, 1),
            head_channels=16,
        ),
    )
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    checkpoint.save(path, build_network(config), config, {})
    return path


@pytest.fixture(scope="session")
def calibration():
    """A lidar on the roof, tilted by 0.1 rad, and a camera below it that looks ahead."""
    from bev_semseg_ros.data.calibration import Calibration
    from bev_semseg_ros.frame import Camera
    from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform

    camera = Camera(
        np.array([[100.0, 0, 63.5], [0, 100, 31.5], [0, 0, 1]]),
        (128, 64),
        OPTICAL_FROM_VIEW @ invert(transform(translation=(0.3, 0, 1.4))),
    )
    return Calibration(transform(rotation_rpy(0, 0.1, 0), (0, 0, 1.9)), camera, "roof", "front")


@pytest.fixture(scope="session")
def calibration_file(calibration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bev_semseg_ros.data.calibration import save_calibration

    path = tmp_path_factory.mktemp("calibration") / "calibration.yaml"
    save_calibration(calibration, path)
    return path


@contextmanager
def nodes(checkpoint_file: Path, calibration_file: Path) -> Iterator[Callable[..., Process]]:
    """start(*ROS arguments, name=value, ...) -> Process of a node with these parameters; all are ended at the end."""
    processes = []

    def start(*ros_arguments: str, **parameters) -> Process:
        values = {
            "checkpoint": checkpoint_file,
            "calibration": calibration_file,
            "engine": "torch",
            "precision": "fp32",
            "num_threads": 1,
            "score_threshold": 0.01,
            **parameters,
        }
        options = [part for name, value in values.items() for part in ("-p", f"{name}:={value}")]
        processes.append(Process("node", "--ros-args", *ros_arguments, *options))
        return processes[-1]

    yield start
    for process in processes:
        process.end()


@pytest.fixture(scope="module")
def start_node(checkpoint_file: Path, calibration_file: Path) -> Iterator[Callable[..., Process]]:
    """See `nodes`; they live as long as the tests of a module."""
    with nodes(checkpoint_file, calibration_file) as start:
        yield start


@pytest.fixture(scope="session")
def node(checkpoint_file: Path, calibration_file: Path) -> Iterator[Process]:
    """A node that is active."""
    with nodes(checkpoint_file, calibration_file) as start:
        process = start()
        process.wait_for("READY")
        yield process
        assert not process.has_ended, "the node has ended by itself:\n" + "\n".join(
            process.lines[-20:]
        )


@pytest.fixture(scope="session")
def peers(calibration):
    """peers(namespace) -> Peer; all are closed at the end."""
    found: dict[str, Peer] = {}

    def peer(namespace: str = "") -> Peer:
        if namespace not in found:
            found[namespace] = Peer(calibration, namespace)
        return found[namespace]

    yield peer
    for peer_ in found.values():
        peer_.close()


@pytest.fixture
def peer(peers) -> Peer:
    """The other side of `node`."""
    for messages in peers().received.values():
        messages.clear()
    return peers()
