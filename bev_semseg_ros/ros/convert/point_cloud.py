"""sensor_msgs/PointCloud2 <-> numpy.

Decoding works on anything with the attributes of the message. The message class is imported only
where one is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.ros.convert.message import fill

# sensor_msgs/PointField datatypes.
POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}

# Attribute of a point -> its number type in a cloud that is made here.
_ATTRIBUTE_TYPES = {"ring": "u2", "time": "f4", "unit": "u2"}

# A few damaged bytes can claim any size: more points are refused before memory is taken.
MAX_POINTS = 20_000_000


def decode_cloud(
    message: Any, intensity_field: str = "intensity", intensity_scale: float = 1.0
) -> np.ndarray:
    """Convert a sensor_msgs/PointCloud2 to points.

    The fields may have any order, padding, byte order and number type.

    Args:
        message: The cloud, organized or not.
        intensity_field: The field that holds the intensity. If the cloud lacks it, or it is "",
            the intensity is zero.
        intensity_scale: Factor for the intensity.

    Returns:
        (N, 4) float32: x, y, z, intensity, in the frame of the cloud. NaN points stay. The result
        is a view of the message if that holds just these four as float32 and the scale is 1.

    Raises:
        ValueError: If x, y or z is missing, or the layout is broken. The text says what is wrong.
    """
    if int(message.width) * int(message.height) == 0:
        return np.zeros((0, 4), np.float32)
    present = {field.name for field in message.fields}
    missing = [name for name in "xyz" if name not in present]
    if missing:
        found = ", ".join(field.name for field in message.fields) or "none"
        raise ValueError(f"no field {', '.join(missing)}; the cloud has {found}")
    names = ["x", "y", "z"]
    if intensity_field and intensity_field in present:
        names.append(intensity_field)
    fields = read_fields(message, names)
    packed = _num_packed(fields)
    if packed == 4 and intensity_scale == 1.0 and _is_view(fields):
        shape, strides = (*fields.shape, 4), (*fields.strides, 4)
        return np.ndarray(shape, np.float32, buffer=message.data, strides=strides).reshape(-1, 4)
    points = np.zeros((*fields.shape, 4), np.float32)
    if packed:
        # One copy of 12 or 16 bytes a point: 0.1 ms for 120,000 points, 3 ms column by column.
        start = _start(fields, "x")
        _bytes_of(points.view("V16")[..., 0], 0, 4 * packed)[...] = _bytes_of(
            fields, start, 4 * packed
        )
    with np.errstate(invalid="ignore", over="ignore"):  # doubles beyond the range of float32
        for column, name in enumerate(names[packed:], packed):
            points[..., column] = fields[name]
        if len(names) == 4 and intensity_scale != 1.0:
            points[..., 3] *= np.float32(intensity_scale)
    return points.reshape(-1, 4)


def read_fields(message: Any, names: Sequence[str]) -> np.ndarray:
    """View some fields of a sensor_msgs/PointCloud2.

    sensor_msgs_py.point_cloud2.read_points is not used for this: it ignores row_step, swaps the
    bytes of a big-endian cloud inside the message, and takes no messages but those of rclpy.

    Args:
        message: The cloud, organized or not, with at least one point.
        names: Fields that the cloud has.

    Returns:
        (height, width) structured array with these fields, a view of the message.

    Raises:
        ValueError: If the layout or a field is broken. The text says what is wrong.
    """
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    # Drivers leave the row_step of a single row unset.
    row_step = width * step if height == 1 else int(message.row_step)
    if step == 0 or row_step < width * step:
        raise ValueError(
            f"point_step {step} and row_step {message.row_step} cannot hold rows of {width} points"
        )
    needed = (height - 1) * row_step + width * step
    if len(message.data) < needed:
        raise ValueError(
            f"{len(message.data)} bytes of data, {needed} expected for {height} x {width} points"
        )
    if width * height > MAX_POINTS:
        raise ValueError(f"{height} x {width} points, at most {MAX_POINTS} are taken")
    dtype = _dtype(message, names)
    return np.ndarray((height, width), dtype, buffer=message.data, strides=(row_step, step))


def encode_cloud(
    points: np.ndarray, header: Any, attributes: Mapping[str, np.ndarray] | None = None
) -> Any:
    """Convert points to sensor_msgs/PointCloud2.

    Args:
        points: (N, 4) x, y, z, intensity.
        header: The std_msgs/Header of the message.
        attributes: What `pack_points` takes.

    Returns:
        The sensor_msgs/PointCloud2, one row.
    """
    from sensor_msgs.msg import PointCloud2, PointField

    packed, fields = pack_points(points, attributes or {})
    message = PointCloud2(
        header=header,
        height=1,
        width=len(packed),
        fields=[
            PointField(name=name, offset=offset, datatype=datatype, count=1)
            for name, offset, datatype in fields
        ],
        is_bigendian=False,
        point_step=packed.dtype.itemsize,
        row_step=packed.nbytes,
        is_dense=bool(np.isfinite(points).all()),
    )
    fill(message, packed)
    return message


def pack_points(
    points: np.ndarray, attributes: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Lay points out as the data of a PointCloud2, in the fields that Velodyne's driver writes.

    Args:
        points: (N, 4) x, y, z, intensity.
        attributes: (N,) arrays by the names of `frame.POINT_ATTRIBUTES`.

    Returns:
        (N,) structured array, little-endian without padding, and for each of its fields the name,
        the offset and the datatype of its PointField.
    """
    names = [name for name in _ATTRIBUTE_TYPES if name in attributes]
    kinds = [(name, "f4") for name in ("x", "y", "z", "intensity")]
    kinds += [(name, _ATTRIBUTE_TYPES[name]) for name in names]
    packed = np.zeros(len(points), [(name, "<" + kind) for name, kind in kinds])
    for column, (name, _) in enumerate(kinds[:4]):
        packed[name] = points[:, column]
    for name in names:
        packed[name] = attributes[name]
    datatypes = {kind: number for number, kind in POINT_TYPES.items()}
    offsets: Any = packed.dtype.fields
    fields = [(name, int(offsets[name][1]), datatypes[kind]) for name, kind in kinds]
    return packed, fields


def _num_packed(fields: np.ndarray) -> int:
    """Return how many columns lie side by side as float32: 4, 3 (all but the intensity) or 0."""
    start = _start(fields, "x")
    kinds: Any = fields.dtype.fields
    places = [(kind.str, offset - start) for kind, offset in kinds.values()]
    wanted = [("<f4", 0), ("<f4", 4), ("<f4", 8), ("<f4", 12)]
    if places == wanted:
        return 4
    return 3 if places[:3] == wanted[:3] else 0


def _is_view(fields: np.ndarray) -> bool:
    """Return whether packed points can stay in the message, aligned and from byte 0 on."""
    return _start(fields, "x") == 0 and all(stride % 4 == 0 for stride in fields.strides)


def _start(fields: np.ndarray, name: str) -> int:
    """Return the byte of a point where a field begins."""
    kinds: Any = fields.dtype.fields
    return kinds[name][1]


def _bytes_of(points: np.ndarray, start: int, size: int) -> np.ndarray:
    """View some bytes of each point as one element, which numpy copies at once."""
    layout: Any = {
        "names": ["bytes"],
        "formats": [f"V{size}"],
        "offsets": [start],
        "itemsize": points.dtype.itemsize,
    }
    return points.view(np.dtype(layout))["bytes"]


def _dtype(message: Any, names: Sequence[str]) -> np.dtype:
    """Return the structured dtype of some fields. Raise ValueError naming a broken field."""
    fields = {field.name: field for field in message.fields if field.name in names}
    step = int(message.point_step)
    order = ">" if message.is_bigendian else "<"
    formats, offsets = [], []
    for name in names:
        field = fields[name]
        kind = POINT_TYPES.get(int(field.datatype))
        if kind is None:
            raise ValueError(f"field {name} has the unknown datatype {field.datatype}")
        if int(field.offset) + int(kind[1]) > step:
            raise ValueError(f"field {name} at offset {field.offset} ends beyond point_step {step}")
        formats.append(order + kind)
        offsets.append(int(field.offset))
    return np.dtype(
        {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": step}
    )
