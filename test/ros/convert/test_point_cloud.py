"""PointCloud2 to points and back: all layouts, and broken clouds."""

from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from support.clouds import PLAIN, cloud

from bev_semseg_ros.ros.convert.point_cloud import MAX_POINTS, decode_cloud, encode_cloud

VALUES = {
    "x": np.array([1.5, -2.0, 3.25, 4.0]),
    "y": np.array([0.5, 1.0, -1.0, 8.0]),
    "z": np.array([-1.0, 0.0, 2.0, 0.5]),
    "intensity": np.array([0.0, 1.0, 0.25, 0.5]),
    "ring": np.arange(4),
}
EXPECTED = np.stack([VALUES[name] for name in ("x", "y", "z", "intensity")], 1)


@pytest.mark.parametrize(
    "kinds",
    [
        PLAIN,
        {"x": "f8", "y": "f8", "z": "f8", "intensity": "f4"},
        {"intensity": "f4", "z": "f4", "y": "f4", "x": "f4"},
        {"ring": "u2", **PLAIN},
        {"x": "f4", "y": "f4", "z": "f4", "ring": "u1", "intensity": "f8"},
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gap", [0, 3])
def test_any_layout_gives_the_same_points(kinds, order, gap):
    np.testing.assert_array_equal(decode_cloud(cloud(VALUES, kinds, order, gap)), EXPECTED)


def test_organised_clouds_with_padded_rows_are_flattened():
    np.testing.assert_array_equal(
        decode_cloud(cloud(VALUES, PLAIN, height=2, row_padding=8)), EXPECTED
    )


def test_a_plain_cloud_is_not_copied():
    message = cloud(VALUES, PLAIN)
    assert np.shares_memory(decode_cloud(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("kind", ["u1", "u2", "i1", "i2", "i4", "u4", "f4", "f8"])
def test_intensity_of_any_type_is_read_as_it_is(kind):
    message = cloud({**VALUES, "intensity": np.full(4, 100)}, {**PLAIN, "intensity": kind})
    np.testing.assert_array_equal(decode_cloud(message)[:, 3], 100)


def test_intensity_is_scaled_if_a_scale_is_given():
    message = cloud({**VALUES, "intensity": np.full(4, 100.0)}, PLAIN)
    np.testing.assert_allclose(decode_cloud(message, intensity_scale=0.01)[:, 3], 1.0)


def test_the_intensity_field_can_have_another_name():
    kinds = {"x": "f4", "y": "f4", "z": "f4", "reflectivity": "f4"}
    message = cloud({**VALUES, "reflectivity": VALUES["intensity"]}, kinds)
    np.testing.assert_array_equal(decode_cloud(message, "reflectivity"), EXPECTED)


def test_a_cloud_without_intensity_has_zeros():
    assert not decode_cloud(cloud(VALUES, {"x": "f4", "y": "f4", "z": "f4"}))[:, 3].any()


def test_nan_points_stay():
    message = cloud({**VALUES, "x": np.array([np.nan, 1, 2, 3])}, PLAIN)
    assert np.isnan(decode_cloud(message)[0, 0])


def test_a_cloud_without_points_is_empty():
    assert decode_cloud(PointCloud2()).shape == (0, 4)


def short_data(message: PointCloud2) -> None:
    del message.data[-5:]


def no_z(message: PointCloud2) -> None:
    message.fields[2].name = "depth"


def unknown_type(message: PointCloud2) -> None:
    message.fields[1].datatype = 99


def field_outside(message: PointCloud2) -> None:
    message.fields[0].offset = 14


def no_step(message: PointCloud2) -> None:
    message.point_step = 0
    del message.data[-5:]


def no_size(message: PointCloud2) -> None:
    message.width = 0


def rows_of_another_cloud(message: PointCloud2) -> None:
    """Give the cloud padded rows, and a row_step that does not count the padding."""
    message.height, message.width, message.row_step = 2, 1, 0


def far_too_many(message: PointCloud2) -> None:
    message.width, message.row_step = 2**31, 2**32 - 1


def rows_that_overlap(message: PointCloud2) -> None:
    message.height, message.row_step = 2**32 - 1, 0


def points_of_one_byte(message: PointCloud2) -> None:
    """Give the cloud more points than are allowed, and enough data for them."""
    for field in message.fields:
        field.offset, field.datatype = 0, PointField.UINT8
    message.data = array.array("B", bytes(MAX_POINTS + 1))
    message.width, message.point_step, message.row_step = MAX_POINTS + 1, 1, MAX_POINTS + 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (short_data, "59 bytes of data, 64 expected"),
        (no_z, "no field z; the cloud has x, y, depth"),
        (unknown_type, "field y has the unknown datatype 99"),
        (field_outside, "field x at offset 14"),
        (no_step, "point_step 0"),
        (far_too_many, "bytes of data"),
        (no_size, "1 x 0 points, but 64 bytes of data"),
        (rows_that_overlap, "64 bytes of data"),
        (rows_of_another_cloud, "row_step 0 does not fit 2 rows of 16 bytes in 64 bytes"),
        (points_of_one_byte, "at most 20000000 are allowed"),
    ],
)
def test_a_broken_cloud_is_refused_with_the_reason(spoil, reason):
    message = cloud(VALUES, PLAIN)
    spoil(message)
    with pytest.raises(ValueError, match=reason):
        decode_cloud(message)


@pytest.mark.parametrize("row_step", [0, 16, 1 << 20])
@pytest.mark.parametrize("height", [2, 4])
def test_an_organised_cloud_with_a_wrong_row_step_is_read_completely(height, row_step):
    """Drivers leave row_step unset, and filters leave it unchanged."""
    message = cloud(VALUES, {"ring": "u2", **PLAIN}, height=height)
    message.row_step = row_step
    np.testing.assert_array_equal(decode_cloud(message), EXPECTED)


def test_a_cloud_without_a_point_step_is_read_completely():
    message = cloud(VALUES, PLAIN, gap=3)
    message.point_step = message.row_step = 0
    np.testing.assert_array_equal(decode_cloud(message), EXPECTED)


def test_field_names_in_another_case_are_found():
    kinds = {"X": "f4", "Y": "f4", "Z": "f4", "Intensity": "f4"}
    values = {name: VALUES[name.lower()] for name in kinds}
    np.testing.assert_array_equal(decode_cloud(cloud(values, kinds)), EXPECTED)


def test_a_field_name_in_the_right_case_takes_precedence():
    kinds = {"X": "f4", **PLAIN}
    values = {**VALUES, "X": np.zeros(4)}
    np.testing.assert_array_equal(decode_cloud(cloud(values, kinds)), EXPECTED)


SCAN = np.random.default_rng(0).uniform(-60, 60, (3000, 3))


def wide(points: np.ndarray, kind: str, order: str) -> PointCloud2:
    values = {name: points[:, column] for column, name in enumerate("xyz")}
    return cloud(values, dict.fromkeys("xyz", kind), order, height=2, row_padding=8)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("points", [SCAN, np.round(SCAN), SCAN * 0.001], ids=["", "round", "near"])
def test_a_byte_order_that_contradicts_the_coordinates_is_named(points, kind, order):
    message = wide(points, kind, order)
    decode_cloud(message)
    message.is_bigendian = not message.is_bigendian
    said = rf"is_bigendian is {order == '<'}, but the bytes .* to {order == '>'}$"
    with pytest.raises(ValueError, match=said):
        decode_cloud(message)


@pytest.mark.parametrize("mark", [np.nan, np.inf, 0.0, np.finfo(np.float32).max, 1e30], ids=str)
def test_shots_without_a_return_are_not_taken_for_another_byte_order(mark):
    points = SCAN.copy()
    points[200:] = mark
    assert len(decode_cloud(wide(points, "f4", "<"))) == len(points)


def test_a_flat_cloud_is_not_taken_for_another_byte_order():
    points = SCAN * (1, 1e-12, 1e-16)
    assert len(decode_cloud(wide(points, "f4", "<"))) == len(points)


def test_a_cloud_survives_encoding():
    points = EXPECTED.astype(np.float32)
    np.testing.assert_array_equal(decode_cloud(encode_cloud(points, Header())), points)


def test_points_equal_those_read_by_sensor_msgs_py():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    message = cloud(VALUES, {"ring": "u2", **PLAIN}, gap=2)
    # Not read_points_numpy: it refuses a cloud whose first field, here ring, has another type.
    names = ("x", "y", "z", "intensity")
    theirs = point_cloud2.read_points(message, field_names=names)
    columns = np.stack([theirs[name] for name in names], -1)
    np.testing.assert_array_equal(decode_cloud(message), columns)
