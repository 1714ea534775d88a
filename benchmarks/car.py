"""Helpers for the benchmarks: a simulated scene, sensors that send it, and the node process.

Importing this module reserves a ROS domain until the process ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from document import ROOT, RUNS

from bev_semseg_ros.ros.domain import reserve_domain

sys.path.insert(0, str(ROOT / "test"))  # for support.*
os.environ.update(reserve_domain().environment(RUNS / "log"))  # held until this process ends

from support.peer import Peer
from support.process import Process

from bev_semseg_ros.data.calibration import Calibration, save_calibration
from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.frame import Frame
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.point_cloud import encode_cloud
from bev_semseg_ros.sim.generate import generate

SEED = 995_000  # never trained on
FRAMES = 20


def simulated_drive(rig: str = "a2d2") -> Dataset:
    """Simulate a drive of FRAMES frames with a rig's sensors, or open that of an earlier run."""
    path = RUNS / f"drive_{rig}"
    generate(path, rig, 1, FRAMES, SEED, progress=False)
    return open_dataset(path, cameras="all")


def simulated_bag(rig: str = "a2d2") -> Path:
    """Write the simulated drive as a bag, or return the one from an earlier run."""
    path = RUNS / f"bag_{rig}"
    if not (path / "metadata.yaml").is_file():
        write_bag(simulated_drive(rig), path)
    return path


class Car(Peer):
    """Sensors that send one frame repeatedly with current stamps, and a receiver of the results.

    Attributes:
        arrivals: For every result, time of arrival (time.monotonic) and values of ~/timing.
        calibration_file: Path of the calibration that belongs to the frame.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__(Calibration.of(frame.ego_from_lidar, frame.camera))
        from diagnostic_msgs.msg import DiagnosticArray

        self._frame = frame
        self.stamp = time.time_ns()
        self.arrivals: list[tuple[float, dict[str, str]]] = []
        self.node.create_subscription(DiagnosticArray, "/perception/timing", self._arrived, 10)
        RUNS.mkdir(parents=True, exist_ok=True)
        self.calibration_file = RUNS / "calibration.yaml"
        save_calibration(self._calibration, self.calibration_file)

    def _arrived(self, message: Any, info: dict[str, Any]) -> None:
        """Keep the timing of a result.

        This thread also sends, so it may take a message late. A callback with two arguments also
        gets the time at which DDS received the message.
        """
        since = 1e-9 * (time.time_ns() - info["received_timestamp"])
        self.arrivals.append(
            (time.monotonic() - since, {pair.key: pair.value for pair in message.status[0].values})
        )

    def start_node(self, ready: str = "READY", **parameters: Any) -> Process:
        """Start a node with this car's calibration and wait until it has logged `ready`."""
        values = {"calibration": self.calibration_file, **parameters}
        process = Process(
            "node",
            "--ros-args",
            *(part for name, value in values.items() for part in ("-p", f"{name}:={value}")),
        )
        process.wait_for(ready, 120)
        return process

    def cloud(self, points: Any = None) -> Any:
        return encode_cloud(self._frame.points if points is None else points, self.header("lidar"))

    def image(self, encoding: str = "rgb8") -> Any:
        return encode_image(self._frame.image, encoding, self.header("camera"))

    def info(self) -> Any:
        return encode_camera(self._frame.camera, self.header("camera"))
