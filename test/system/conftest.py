"""Fixtures of the tests with real nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.fork_server import Fork, ForkServer
from support.process import COMMAND, Process, node_arguments

if TYPE_CHECKING:  # support.peer imports ROS, which may be absent
    from support.peer import Peer


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """Have the recorder wait longer if a result is missing: the machine may be busy."""
    from bev_semseg_ros.ros.bag import recorder

    recorder.QUIET = 20.0  # seconds


@pytest.fixture(scope="session", autouse=True)
def fork_server(ros_domain: None) -> Iterator[ForkServer]:
    """Start programs as forks, which saves each of them the time to load torch and ROS."""
    server = Process.server = ForkServer()
    yield server
    Process.server = None
    server.close()


@pytest.fixture(scope="module")
def forked_recorder(fork_server: ForkServer) -> Iterator[None]:
    """Have the recorder start its commands as forks, too."""
    from bev_semseg_ros.ros.bag import recorder

    def start(arguments: list[str], environment: dict[str, str]) -> Fork:
        return fork_server.start([*COMMAND, *arguments], environment)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "start_command", start)
        yield


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return make_checkpoint(**settings), which saves a small network with random weights.

    Its predictions are meaningless: the tests check how data gets in and results get out. The
    settings are `tasks`, `point_encoder`, `seed` and fields of Config.
    """
    import torch
    from support.inference import SMALL

    from bev_semseg_ros.config import Config, GridConfig, ImageConfig, PostprocessConfig
    from bev_semseg_ros.inference import checkpoint
    from bev_semseg_ros.model.build import build_network

    def make(
        tasks: tuple[str, ...] = ("detection", "segmentation"),
        point_encoder: str = "none",
        seed: int = 7,  # gives boxes of several classes, some of which overlap
        **settings: Any,
    ) -> Path:
        torch.manual_seed(seed)
        config = Config(
            grid=GridConfig(x_max=19.2, y_min=-9.6, y_max=9.6, cell=0.4),
            image=ImageConfig(8192, 128),
            postprocess=PostprocessConfig(max_boxes=12, bev_confidence=0.2),
            model=replace(SMALL, tasks=tasks, point_encoder=point_encoder, point_channels=8),
            **settings,
        )
        network = build_network(config)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.endswith(("heatmap.weight", "logits.weight")):
                    parameter.normal_(std=5.0)  # initial weights give every cell the same score
        path = tmp_path_factory.mktemp("weights") / "random.pt"
        checkpoint.save(path, network, config, {})
        return path

    return make


@pytest.fixture(scope="session")
def checkpoint_file(make_checkpoint: Callable[..., Path]) -> Path:
    """A checkpoint with the tasks and classes of the shipped one."""
    return make_checkpoint()


@pytest.fixture(scope="session")
def calibration():
    """Return a lidar on the roof, tilted by 0.1 rad, and a camera below it that looks ahead."""
    from bev_semseg_ros.data.calibration import Calibration
    from bev_semseg_ros.frame import Camera
    from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform

    camera = Camera(
        np.array([[100.0, 0, 63.5], [0, 100, 31.5], [0, 0, 1]]),
        (128, 64),
        OPTICAL_FROM_VIEW @ invert(transform(translation=(0.3, 0, 1.4))),
    )
    return Calibration.of(transform(rotation_rpy(0, 0.1, 0), (0, 0, 1.9)), camera, "roof", "front")


@pytest.fixture(scope="session")
def calibration_file(calibration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return `calibration` as a YAML file."""
    from bev_semseg_ros.data.calibration import save_calibration

    path = tmp_path_factory.mktemp("calibration") / "calibration.yaml"
    save_calibration(calibration, path)
    return path


@contextmanager
def nodes(checkpoint_file: Path, calibration_file: Path) -> Iterator[Callable[..., Process]]:
    """Start nodes and end them with the context.

    Args:
        checkpoint_file: Their checkpoint, unless `start` gets another.
        calibration_file: Their calibration, unless `start` gets another.

    Yields:
        start(*ros_arguments, **parameters), which returns the node's Process. With `fresh=True` the
        node has an interpreter of its own.
    """
    processes = ExitStack()

    def start(*ros_arguments: str, fresh: bool = False, **parameters) -> Process:
        files = {"checkpoint": checkpoint_file, "calibration": calibration_file}
        values = files | {"score_threshold": 0.01} | parameters
        process = Process("node", *node_arguments(*ros_arguments, **values), fresh=fresh)
        return processes.enter_context(process)

    with processes:
        yield start


@pytest.fixture(scope="module")
def start_node(checkpoint_file: Path, calibration_file: Path) -> Iterator[Callable[..., Process]]:
    """Return the function of `nodes`; its nodes run until the last test of the module."""
    with nodes(checkpoint_file, calibration_file) as start:
        yield start


@pytest.fixture(scope="session")
def node(checkpoint_file: Path, calibration_file: Path) -> Iterator[Process]:
    """Return an active node. It must still run after the last test."""
    with nodes(checkpoint_file, calibration_file) as start:
        process = start()
        process.wait_for("READY")
        yield process
        assert not process.has_ended, "the node has ended by itself:\n" + "\n".join(
            process.lines[-20:]
        )


@pytest.fixture(scope="session")
def lasting_peer(calibration) -> Iterator[Peer]:
    """Return the peer of `node`. It lives as long, because its stamps must not go back."""
    from support.peer import Peer

    with closing(Peer(calibration)) as peer:
        yield peer


@pytest.fixture(scope="module")
def peers(lasting_peer, calibration) -> Iterator[Callable[..., Peer]]:
    """Return peers(namespace), which gives the Peer of a namespace.

    All but the lasting one are closed with the module: every new node would discover them.
    """
    from support.peer import Peer

    found: dict[str, Peer] = {"": lasting_peer}
    with ExitStack() as opened:

        def peer(namespace: str = "") -> Peer:
            if namespace not in found:
                found[namespace] = opened.enter_context(closing(Peer(calibration, namespace)))
            return found[namespace]

        yield peer


@pytest.fixture
def peer(peers) -> Peer:
    """Return the peer of `node`, without the messages of earlier tests."""
    for messages in peers().received.values():
        messages.clear()
    return peers()
