"""Ring, time and unit of points in the layouts of the makers' drivers, and broken layouts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from support.clouds import PLAIN, cloud

from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, encode_cloud

STAMP = 1_700_000_000_123_456_789
OFFSETS = np.array([0.0, 0.0125, 0.05, 0.0999])  # seconds since the stamp
RINGS = np.array([0, 3, 127, 64])
NANOSECONDS = np.round(OFFSETS * 1e9)
SECONDS_SINCE_1970 = STAMP * 1e-9 + OFFSETS
NANOSECONDS_SINCE_1970 = STAMP + NANOSECONDS
ZEROS = np.zeros(4)

# Maker -> (fields in the order of its driver, values of the fields except the coordinates). The
# padding of the C++ structures is listed as separate fields.
MAKERS: dict[str, tuple[dict[str, str], dict[str, np.ndarray]]] = {
    "velodyne": ({**PLAIN, "ring": "u2", "time": "f4"}, {"ring": RINGS, "time": OFFSETS}),
    "ouster": (
        {
            "x": "f4",
            "y": "f4",
            "z": "f4",
            "padding": "f4",
            "intensity": "f4",
            "t": "u4",
            "reflectivity": "u2",
            "ring": "u2",
            "ambient": "u2",
            "padding2": "u2",
            "range": "u4",
        },
        {"ring": RINGS, "t": NANOSECONDS},
    ),
    "hesai": (
        {**PLAIN, "ring": "u2", "timestamp": "f8"},
        {"ring": RINGS, "timestamp": SECONDS_SINCE_1970},
    ),
    "robosense": (
        {**PLAIN, "ring": "u2", "timestamp": "f8"},
        {"ring": RINGS, "timestamp": SECONDS_SINCE_1970},
    ),
    "livox": (
        {**PLAIN, "tag": "u1", "line": "u1", "timestamp": "f8"},
        {"line": RINGS, "timestamp": NANOSECONDS_SINCE_1970},
    ),
    "livox custom": (
        {**PLAIN, "tag": "u1", "line": "u1", "offset_time": "u4"},
        {"line": RINGS, "offset_time": NANOSECONDS},
    ),
    "nebula": (
        {
            "x": "f4",
            "y": "f4",
            "z": "f4",
            "intensity": "u1",
            "return_type": "u1",
            "channel": "u2",
            "azimuth": "f4",
            "elevation": "f4",
            "distance": "f4",
            "time_stamp": "u4",
        },
        {"channel": RINGS, "time_stamp": NANOSECONDS},
    ),
}


def maker_cloud(maker: str, **layout) -> PointCloud2:
    kinds, values = MAKERS[maker]
    return cloud({name: values.get(name, ZEROS) for name in kinds}, kinds, **layout)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_ring_and_time_of_each_maker_are_read(maker, order):
    attributes = decode_point_attributes(maker_cloud(maker, order=order), STAMP)
    assert attributes.keys() == {"ring", "time"}
    np.testing.assert_array_equal(attributes["ring"], RINGS)
    np.testing.assert_allclose(attributes["time"], OFFSETS, atol=1e-6)
    assert attributes["ring"].dtype == np.uint16 and attributes["time"].dtype == np.float32


def test_attributes_have_the_order_of_the_points_in_an_organized_cloud_with_padded_rows():
    kinds = {**PLAIN, "ring": "u2"}
    values = {"x": RINGS * 2.0, "y": ZEROS, "z": ZEROS, "intensity": ZEROS, "ring": RINGS}
    message = cloud(values, kinds, height=2, row_padding=6)
    points = decode_cloud(message)
    ring = decode_point_attributes(message, STAMP)["ring"]
    np.testing.assert_array_equal(points[:, 0], ring * 2.0)


def test_a_plain_cloud_has_no_attributes():
    plain = cloud(dict.fromkeys(PLAIN, ZEROS), PLAIN)
    assert decode_point_attributes(plain, STAMP) == {}
    assert decode_point_attributes(PointCloud2(), STAMP) == {}


def test_attributes_survive_encoding():
    points = np.random.default_rng(0).uniform(-50, 50, (4, 4)).astype(np.float32)
    attributes = {"ring": RINGS, "time": OFFSETS.astype(np.float32), "unit": np.arange(4)}
    message = encode_cloud(points, Header(), attributes)
    found = decode_point_attributes(message, STAMP)
    assert found.keys() == attributes.keys()
    for name, expected in attributes.items():
        np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(decode_cloud(message), points)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("maker", MAKERS)
def test_damaged_bytes_give_attributes_or_a_value_error(maker):
    rng = np.random.default_rng(1)
    for _ in range(50):
        message = maker_cloud(maker)
        for position in rng.integers(0, len(message.data), 8):
            message.data[position] = int(rng.integers(0, 256))
        field = message.fields[rng.integers(0, len(message.fields))]
        field.datatype = int(rng.integers(0, 10))
        try:
            attributes = decode_point_attributes(message, STAMP)
        except ValueError:
            continue
        assert all(len(values) == 4 for values in attributes.values())


@pytest.mark.parametrize(("name", "kind"), [("lidar_id", "f8"), ("unit", "u1")])
def test_the_unit_of_a_merged_cloud_is_read(name, kind):
    unit = with_field(name, kind, np.array([4, 0, 2, 1]))
    attributes = decode_point_attributes(unit, STAMP)
    assert attributes["unit"].tolist() == [4, 0, 2, 1]


def test_points_may_be_measured_before_the_stamp():
    """Some drivers use the time of the last point as the stamp."""
    earlier = decode_point_attributes(with_field("time", "f4", -OFFSETS), STAMP)["time"]
    np.testing.assert_allclose(earlier, -OFFSETS, atol=1e-6)
    absolute = with_field("timestamp", "f8", STAMP * 1e-9 - OFFSETS)
    earlier = decode_point_attributes(absolute, STAMP)["time"]
    np.testing.assert_allclose(earlier, -OFFSETS, atol=1e-6)


def test_a_point_without_a_time_has_nan():
    times = SECONDS_SINCE_1970 * np.array([1, 0, 1, 1])
    attributes = decode_point_attributes(with_field("timestamp", "f8", times), STAMP)
    assert np.isnan(attributes["time"]).tolist() == [False, True, False, False]


def test_simulated_time_counts_from_zero():
    stamp = 5_000_000_000
    for times in (5.0 + OFFSETS, OFFSETS, stamp + NANOSECONDS):
        attributes = decode_point_attributes(with_field("timestamp", "f8", times), stamp)
        np.testing.assert_allclose(attributes["time"], OFFSETS, atol=1e-6)


@pytest.mark.parametrize(("datatype", "count"), [(9, 1), (10, 1), (2, 8)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_times_of_64_bits_are_read_as_nanoseconds(datatype, count, order):
    """PCL numbers these types 9 and 10. Luminar describes them as 8 fields of uint8."""
    whole = STAMP + NANOSECONDS.astype(np.int64)
    whole[1] = 0  # no time
    for times, expected in ((whole, [0, np.nan, *OFFSETS[2:]]), (NANOSECONDS, OFFSETS)):
        message = with_field("timestamp", "u8", times, order)
        message.fields[-1].datatype, message.fields[-1].count = datatype, count
        attributes = decode_point_attributes(message, STAMP)
        np.testing.assert_allclose(attributes["time"], expected, atol=1e-8)


def with_field(name: str, kind: str, values: np.ndarray, order: str = "<") -> PointCloud2:
    return cloud({**dict.fromkeys(PLAIN, ZEROS), name: values}, {**PLAIN, name: kind}, order)


@pytest.mark.parametrize(
    ("name", "kind", "values", "reason"),
    [
        ("ring", "f4", np.array([0.0, 1.5, 2, 3]), r"field ring \(float32\) holds 1.5, expected"),
        ("ring", "f4", np.full(4, np.nan), "field ring .* holds nan"),
        ("channel", "i2", np.full(4, -1), "field channel .* holds -1"),
        ("line", "u4", np.full(4, 70_000), "field line .* holds 70000"),
        ("time", "u2", ZEROS, "field time is uint16, expected float32"),
        ("offset_time", "f4", NANOSECONDS, "field offset_time .*, read as s since the stamp"),
        ("timestamp", "f8", SECONDS_SINCE_1970 + 37, "timestamp .* s since 1970.* up to 37"),
        ("timestamp", "f8", SECONDS_SINCE_1970 - 1e6, "stamp points and messages by the same"),
    ],
)
def test_values_that_no_driver_writes_are_refused_with_the_name_of_the_field(
    name, kind, values, reason
):
    with pytest.raises(ValueError, match=reason):
        decode_point_attributes(with_field(name, kind, values), STAMP)


def test_times_since_1970_need_a_stamp():
    message = with_field("timestamp", "f8", SECONDS_SINCE_1970)
    with pytest.raises(ValueError, match="field timestamp"):
        decode_point_attributes(message, 0)


def test_a_broken_field_is_refused_by_name():
    message = with_field("ring", "u2", RINGS)
    message.fields[-1].offset = 17
    with pytest.raises(ValueError, match="field ring at offset 17 ends beyond point_step 18"):
        decode_point_attributes(message, STAMP)
