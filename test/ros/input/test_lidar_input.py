"""What the points of a cloud are given beside their place."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import PointCloud2, PointField

from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.ros.node.sensors import Sensors

TIMES = (0.0, 0.02, 0.09)


def cloud_with_times(times: tuple[float, ...] = TIMES) -> PointCloud2:
    """Points as a Velodyne's driver writes them."""
    names = ("x", "y", "z", "intensity", "time")
    points = np.array([(9, 0, 0, 0.5, time) for time in times], np.float32)
    return PointCloud2(
        height=1,
        width=len(points),
        fields=[
            PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
            for number, name in enumerate(names)
        ],
        point_step=4 * len(names),
        row_step=points.nbytes,
        data=points.tobytes(),
    )


@pytest.mark.parametrize("attributes", [(), ("time",)])
def test_points_that_are_moved_have_their_time_after_the_frame_s(attributes):
    sensor = Sensors.named((), ()).lidars[0]
    lidar = LidarInput(sensor, Health(), attributes, moves_points=True)
    scan = lidar.decode(cloud_with_times(), np.eye(4), Parameters(), seconds=0.03)
    np.testing.assert_allclose(scan.times, np.add(TIMES, 0.03), atol=1e-6)


def test_points_are_not_moved_by_times_that_cannot_be_of_one_sweep():
    health = Health()
    lidar = LidarInput(Sensors.named((), ()).lidars[0], health, (), moves_points=True)
    scan = lidar.decode(cloud_with_times((0.0, 8.0)), np.eye(4), Parameters(), seconds=0.03)
    assert scan.times == 0.03
    (warning,) = [each for each in health.take_warnings() if "from its stamp" in each]
    assert "up to 8 s" in warning and "moved by the stamp alone" in warning


def test_times_that_nobody_uses_are_not_read():
    lidar = LidarInput(Sensors.named((), ()).lidars[0], Health(), ())
    scan = lidar.decode(cloud_with_times(), np.eye(4), Parameters())
    assert scan.attributes == {} and scan.times == 0.0
