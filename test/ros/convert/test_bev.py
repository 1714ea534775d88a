"""BEV maps as messages, in the frame of a tilted lidar that is not above the ego origin."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Header

from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.geometry import (
    apply,
    invert,
    rotation_from_quaternion,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.ros.convert.bev import encode_bev_cloud, encode_drivable_area
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, read_fields

pytestmark = pytest.mark.ros

BEV = load_label_set("bev_8")
ROAD, MARKING, VEHICLE = BEV.index("road"), BEV.index("lane_marking"), BEV.index("vehicle")
EGO_FROM_LIDAR = transform(rotation_rpy(0.05, -0.12, 0.4), (0.6, -0.3, 1.9))
LIDAR_FROM_EGO = invert(EGO_FROM_LIDAR)
HEADER = Header(frame_id="roof")
HEADER.stamp.sec = 7


def a_map() -> BevMap:
    """Return five rows of three cells of 0.4 m, of which only four are known."""
    classes = np.full((5, 3), MASK_IGNORED, np.uint8)
    classes[0, 0], classes[2, 1], classes[4, 0], classes[4, 2] = ROAD, MARKING, VEHICLE, ROAD
    return BevMap(classes, -1.2, -0.8, 0.4, BEV)


def test_the_drivable_area_lies_on_the_ground_whatever_the_lidar_s_tilt() -> None:
    found = a_map()
    message = encode_drivable_area(found, LIDAR_FROM_EGO, HEADER)
    info = message.info
    assert (message.header.frame_id, info.map_load_time.sec) == ("roof", 7)
    assert (info.width, info.height, info.resolution) == (5, 3, pytest.approx(0.4))
    cells = np.array(message.data, np.int8).reshape(info.height, info.width)
    # RViz places cell (column, row) at origin * (column * resolution, row * resolution, 0).
    position, q = info.origin.position, info.origin.orientation
    lidar_from_map = transform(
        rotation_from_quaternion((q.x, q.y, q.z, q.w)), (position.x, position.y, position.z)
    )
    for row, column in np.ndindex(cells.shape):
        center = np.array([(column + 0.5) * 0.4, (row + 0.5) * 0.4, 0.0])
        in_ego = apply(EGO_FROM_LIDAR @ lidar_from_map, center)
        np.testing.assert_allclose(in_ego[:2], found.centers()[column, row], atol=1e-6)
        assert abs(in_ego[2]) < 1e-6
    values = {ROAD: 0, MARKING: 0, VEHICLE: 100, MASK_IGNORED: -1}
    assert cells.T.tolist() == [[values[each] for each in row] for row in found.classes.tolist()]


def test_the_coloured_cloud_has_a_point_on_the_ground_in_each_known_cell() -> None:
    found = a_map()
    message = encode_bev_cloud(found, LIDAR_FROM_EGO, HEADER)
    assert message.header == HEADER and message.width == 4
    points = apply(EGO_FROM_LIDAR, decode_cloud(message, "")[:, :3].astype(float))
    known = found.classes != MASK_IGNORED
    np.testing.assert_allclose(points[:, :2], found.centers()[known], atol=1e-5)
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-5)
    fields = read_fields(message, ["label", "rgb"])[0]
    assert fields["label"].tolist() == found.classes[known].tolist()
    colors = np.ascontiguousarray(fields["rgb"]).view(np.uint8).reshape(-1, 4)
    assert (colors[:, 2::-1] == BEV.colors[found.classes[known]]).all() and not colors[:, 3].any()


def test_a_map_without_a_known_cell_is_an_empty_cloud_and_an_unknown_area() -> None:
    nothing = BevMap(np.full((4, 6), MASK_IGNORED, np.uint8), 0, 0, 1.0, BEV)
    assert encode_bev_cloud(nothing, LIDAR_FROM_EGO, HEADER).width == 0
    assert set(encode_drivable_area(nothing, LIDAR_FROM_EGO, HEADER).data) == {-1}


def test_a_label_set_without_a_road_gives_an_unknown_drivable_area() -> None:
    labels = LabelSet("streets", ("street", "grass"), np.zeros((2, 3), np.uint8))
    found = BevMap(np.zeros((5, 3), np.uint8), -1.2, -0.8, 0.4, labels)
    assert set(encode_drivable_area(found, LIDAR_FROM_EGO, HEADER).data) == {-1}
