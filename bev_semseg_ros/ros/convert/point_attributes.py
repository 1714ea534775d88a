"""Ring, time and unit of the points of a sensor_msgs/PointCloud2, whichever driver wrote them.

| driver                         | ring            | time                                        |
| ------------------------------ | --------------- | ------------------------------------------- |
| ros-drivers/velodyne           | ring uint16     | time float32, s since the stamp             |
| ouster-lidar/ouster-ros        | ring uint16     | t uint32, ns since the stamp                |
| HesaiTechnology/HesaiLidar_ROS | ring uint16     | timestamp float64, s since 1970             |
| RoboSense-LiDAR/rslidar_sdk    | ring uint16     | timestamp float64, s since 1970             |
| Livox-SDK/livox_ros_driver2    | line uint8      | timestamp float64, ns since 1970            |
| the same, its CustomPoint      | line uint8      | offset_time uint32, ns since the stamp      |
| tier4/nebula, Autoware         | channel uint16  | time_stamp uint32, ns since the stamp       |
| Luminar                        |                 | timestamp uint64 in uint8[8], ns since 1970 |

Sources: velodyne_pointcloud/src/lib/rawdata.cpp, ouster_ros/src/point_cloud_compose.h,
HesaiLidar_ROS_2.0/src/manager/source_driver_ros2.hpp, rslidar_sdk/src/source/
source_pointcloud_ros.hpp, livox_ros_driver2/src/lddc.cpp and msg/CustomPoint.msg,
nebula_core_common/point_types.hpp.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from bev_semseg_ros.frame import POINT_ATTRIBUTES
from bev_semseg_ros.ros.convert.point_cloud import find_field, read_fields

# Names of the fields; the first one that the cloud has is used.
RING_FIELDS = ("ring", "channel", "line", "laser_id", "ring_id", "beam_id")
TIME_FIELDS = ("time", "t", "timestamp", "time_stamp", "offset_time", "time_offset_ns")
UNIT_FIELDS = ("unit", "lidar_id", "sensor_id")

# Seconds. A sweep takes at most 0.2 s, a cloud that accumulates several sweeps a few seconds.
LONGEST_OFFSET = 10.0


def decode_point_attributes(
    message: Any, stamp: int, wanted: Collection[str] = tuple(POINT_ATTRIBUTES)
) -> dict[str, np.ndarray]:
    """Read the attributes of the points of a PointCloud2: all but position and intensity.

    Args:
        message: The cloud, organized or not.
        stamp: The stamp of the message, integer nanoseconds.
        wanted: The attributes to read.

    Returns:
        The wanted attributes that the cloud has, each (N,) in the order of `decode_cloud`:
        "ring" (uint16, the laser of the point, as the manufacturer numbers it),
        "time" (float32, seconds since `stamp`, NaN where the driver gives none; it may be a view
        of the message) and
        "unit" (uint16, the lidar of the point, in a cloud that was merged from several).

    Raises:
        ValueError: If a field has a layout or values that no driver in the table above writes.
            The text names the field.
    """
    if int(message.width) * int(message.height) == 0:
        return {}
    attributes = {}
    for attribute, names in (("ring", RING_FIELDS), ("unit", UNIT_FIELDS)):
        name = _first(message, names) if attribute in wanted else None
        if name is not None:
            attributes[attribute] = _numbers(_column(message, name), name)
    name = _first(message, TIME_FIELDS) if "time" in wanted else None
    if name is not None:
        attributes["time"] = _offsets(_column(message, name), name, stamp)
    return attributes


def _first(message: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of these names for which the cloud has a field; None without any."""
    return next((name for name in names if find_field(message, name) is not None), None)


def _column(message: Any, name: str) -> np.ndarray:
    """Return a field of all points (N,), in the byte order of this machine."""
    values = read_fields(message, [name])[name].reshape(-1)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Return the values as uint16. Raise ValueError if they are not whole numbers in its range."""
    if values.dtype in (np.uint8, np.uint16):
        return values.astype(np.uint16)
    with np.errstate(invalid="ignore"):
        is_number = (values >= 0) & (values <= 65535) & (values % 1 == 0)
    if not is_number.all():
        wrong = values[~is_number][0]
        raise ValueError(
            f"field {name} ({values.dtype}) holds {wrong}, expected whole numbers of 0 to 65535"
        )
    return values.astype(np.uint16)


def _offsets(values: np.ndarray, name: str, stamp: int) -> np.ndarray:
    """Return the times in seconds since the stamp. The number type determines their unit."""
    if values.dtype in (np.uint32, np.int32):
        unit, offsets = "ns since the stamp", values * 1e-9
    elif values.dtype == np.float32:
        unit, offsets = "s since the stamp", values
    elif values.dtype == np.float64:
        unit, offsets = _offsets_of_doubles(values, stamp)
    elif values.dtype in (np.uint64, np.int64):
        unit, offsets = _offsets_of_long_integers(values, stamp)
    else:
        raise ValueError(
            f"field {name} is {values.dtype}, expected float32 (s since the stamp), uint32 (ns "
            "since the stamp), float64 (s or ns since 1970) or uint64 (ns since 1970)"
        )
    with np.errstate(over="ignore"):  # doubles beyond the range of float32
        offsets = offsets.astype(np.float32, copy=False)
    largest = float(np.fmax.reduce(np.abs(offsets), initial=0.0))  # NaN is left out
    if largest > LONGEST_OFFSET:
        raise ValueError(
            f"field {name} ({values.dtype}, read as {unit}) is up to {largest:.3g} s away from "
            f"the stamp of the message, at most {LONGEST_OFFSET:g} s are allowed: let the driver "
            "stamp points and messages by the same clock"
        )
    return offsets


def _offsets_of_doubles(values: np.ndarray, stamp: int) -> tuple[str, np.ndarray]:
    """Return the unit that brings the times closest to the stamp, and the offsets in seconds.

    Drivers use the same field name for seconds and for nanoseconds. They write 0 for a point
    without a time, which becomes NaN if the times are since 1970.
    """
    sample = values[:: max(len(values) // 1000, 1)]
    known = sample[np.isfinite(sample) & (sample != 0)]
    if len(known) == 0 or stamp <= 0:
        return "s since the stamp", values
    middle = float(np.median(known))
    stamp_seconds = stamp * 1e-9
    distances = {
        "s since the stamp": abs(middle),
        "s since 1970": abs(middle - stamp_seconds),
        "ns since 1970": abs(middle * 1e-9 - stamp_seconds),
    }
    unit = min(distances, key=lambda unit: distances[unit])
    if unit == "s since the stamp":
        return unit, values
    offsets = values * (1.0 if unit == "s since 1970" else 1e-9) - stamp_seconds
    offsets[values == 0] = np.nan
    return unit, offsets


def _offsets_of_long_integers(values: np.ndarray, stamp: int) -> tuple[str, np.ndarray]:
    """Return the unit that brings the times closest to the stamp, and the offsets in seconds.

    As with doubles, 0 is written for a point without a time if the times are since 1970.
    """
    nanoseconds = values.astype(np.int64)
    middle = int(np.median(nanoseconds))
    if stamp <= 0 or abs(middle) < abs(middle - stamp):
        return "ns since the stamp", nanoseconds * 1e-9
    offsets = (nanoseconds - stamp) * 1e-9
    offsets[values == 0] = np.nan
    return "ns since 1970", offsets
