"""sensor_msgs/PointCloud2 <-> numpy.

Decoding works on any object with the attributes of the message. The message class is imported only
for encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.frame import have_intensity
from bev_semseg_ros.geometry import have_return
from bev_semseg_ros.ros.convert.message import Note, fill, find_step, ignore

# Datatypes of sensor_msgs/PointField. PCL had those of 64 bits before ROS 2 did.
POINT_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    8: "f8",
    9: "i8",
    10: "u8",
}

# Attribute of a point -> its number type in an encoded cloud.
_ATTRIBUTE_TYPES = {"ring": "u2", "time": "f4", "unit": "u2"}

# A damaged message can claim any size: more points are refused before memory is allocated.
MAX_POINTS = 20_000_000

INTENSITY_REMEDY = "let the driver correct the field, or set intensity_field to another one"

LOOKED_AT = 1000  # points of a cloud by which its byte order is checked
# Metres. In the wrong byte order, coordinates have random exponents, and most are outside.
PLAUSIBLE = (1e-6, 1e6)
MOST_IMPLAUSIBLE, FEW_IMPLAUSIBLE = 0.5, 0.1  # fraction of the coordinates


def decode_cloud(
    message: Any,
    intensity_field: str = "intensity",
    intensity_scale: float = 1.0,
    note: Note = ignore,
) -> np.ndarray:
    """Convert a sensor_msgs/PointCloud2 to points.

    The fields may have any order, padding, byte order and number type, and their names any case.

    Args:
        message: The cloud, organized or not.
        intensity_field: The field that holds the intensity. If the cloud lacks it, or it is broken
            or "", the intensity is zero.
        intensity_scale: Factor for the intensity.
        note: Called for each assumption, see `Note`.

    Returns:
        (N, 4) float32: x, y, z, intensity, in the frame of the cloud. NaN is kept. The result is a
        view of the message if each point begins with these four as float32, and the scale is 1.

    Raises:
        ValueError: If x, y or z is missing, the layout is broken, or the byte order is not the one
            that the message states. The text says what is wrong.
    """
    if int(message.width) * int(message.height) == 0:
        if len(message.data):
            raise ValueError(
                f"{message.height} x {message.width} points, but {len(message.data)} bytes of "
                "data: let the driver set width and height"
            )
        return np.zeros((0, 4), np.float32)
    missing = [name for name in "xyz" if find_field(message, name) is None]
    if missing:
        found = ", ".join(field.name for field in message.fields) or "none"
        raise ValueError(f"no field {', '.join(missing)}; the cloud has {found}")
    has_intensity = bool(intensity_field) and find_field(message, intensity_field) is not None
    names = ["x", "y", "z", intensity_field] if has_intensity else ["x", "y", "z"]
    try:
        fields = read_fields(message, names)
    except ValueError as error:
        # Without the intensity, this raises again unless only the intensity is broken.
        names = ["x", "y", "z"]
        fields = read_fields(message, names)
        note(f"{error}: the intensity counts as 0", INTENSITY_REMEDY)
    _check_byte_order(fields, bool(message.is_bigendian))
    points = _points(message, fields, intensity_scale)
    is_lost = ~have_intensity(points)
    if is_lost.any() and have_return(points[is_lost]).any():
        text = f"field {intensity_field} is NaN or infinite in measured points: it counts as 0"
        note(text, INTENSITY_REMEDY)
    return points


def _points(message: Any, fields: np.ndarray, intensity_scale: float) -> np.ndarray:
    """Return points (N, 4) of the fields x, y, z and, possibly, an intensity."""
    assert fields.dtype.names is not None  # it is a structured array
    names = fields.dtype.names
    packed = _num_packed(fields)
    if packed == 4 and intensity_scale == 1.0 and _is_view(fields):
        shape, strides = (*fields.shape, 4), (*fields.strides, 4)
        return np.ndarray(shape, np.float32, buffer=message.data, strides=strides).reshape(-1, 4)
    points = np.zeros((*fields.shape, 4), np.float32)
    if packed:
        # One copy of 12 or 16 bytes per point: 0.1 ms for 120,000 points, 3 ms column by column.
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


def find_field(message: Any, name: str) -> Any | None:
    """Return the PointField with a name, or else one whose name differs only in case.

    Returns None if the cloud has neither.
    """
    others = None
    for field in message.fields:
        if field.name == name:
            return field
        if others is None and field.name.lower() == name.lower():
            others = field
    return others


def read_fields(message: Any, names: Sequence[str]) -> np.ndarray:
    """View some fields of a sensor_msgs/PointCloud2.

    sensor_msgs_py.point_cloud2.read_points is not used for this: it ignores row_step, swaps the
    bytes of a big-endian cloud inside the message, and accepts only messages of rclpy.

    Args:
        message: The cloud, organized or not, with at least one point.
        names: Fields that the cloud has, see `find_field`.

    Returns:
        (height, width) structured array with these fields by these names, a view of the message.

    Raises:
        ValueError: If the layout or a field is broken. The text says what is wrong.
    """
    width, height, step = int(message.width), int(message.height), _point_step(message)
    num_bytes, row = len(message.data), width * step
    if num_bytes < height * row:
        raise ValueError(
            f"{num_bytes} bytes of data, {height * row} expected for {height} x {width} points of "
            f"{step} bytes"
        )
    # A single row needs no row_step: drivers leave it unset.
    row_step = row if height == 1 else find_step(int(message.row_step), row, height, num_bytes)
    if row_step is None:
        raise ValueError(
            f"row_step {message.row_step} does not fit {height} rows of {row} bytes in "
            f"{num_bytes} bytes of data"
        )
    if width * height > MAX_POINTS:
        raise ValueError(f"{height} x {width} points, at most {MAX_POINTS} are allowed")
    dtype = _dtype(message, names, step)
    return np.ndarray((height, width), dtype, buffer=message.data, strides=(row_step, step))


def encode_cloud(
    points: np.ndarray, header: Any, attributes: Mapping[str, np.ndarray] | None = None
) -> Any:
    """Convert points to sensor_msgs/PointCloud2.

    Args:
        points: (N, 4) x, y, z, intensity.
        header: The std_msgs/Header of the message.
        attributes: Further attributes, see `pack_points`.

    Returns:
        The sensor_msgs/PointCloud2, one row.
    """
    packed, _ = pack_points(points, attributes or {})
    return encode_packed(packed, header, bool(np.isfinite(points).all()))


def encode_packed(packed: np.ndarray, header: Any, is_dense: bool) -> Any:
    """Convert points with any fields to sensor_msgs/PointCloud2.

    Args:
        packed: (N,) structured array, little-endian.
        header: The std_msgs/Header of the message.
        is_dense: Whether all numbers are finite.

    Returns:
        The sensor_msgs/PointCloud2, one row.
    """
    from sensor_msgs.msg import PointCloud2, PointField

    message = PointCloud2(
        header=header,
        height=1,
        width=len(packed),
        fields=[
            PointField(name=name, offset=offset, datatype=datatype, count=1)
            for name, offset, datatype in packed_fields(packed)
        ],
        is_bigendian=False,
        point_step=packed.dtype.itemsize,
        row_step=packed.nbytes,
        is_dense=is_dense,
    )
    fill(message, packed)
    return message


def pack_colors(colors: np.ndarray) -> np.ndarray:
    """Pack colours, (N, 3) uint8 RGB, into the field `rgb` that PCL and RViz read.

    Returns:
        (N,) float32 with the bytes of 0x00RRGGBB.
    """
    red, green, blue = colors.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).astype("<u4").view("<f4")


def packed_fields(packed: np.ndarray) -> list[tuple[str, int, int]]:
    """Return name, offset and datatype of the PointField of each field of a structured array."""
    datatypes = {kind: number for number, kind in POINT_TYPES.items()}
    kinds: Any = packed.dtype.fields
    return [(name, int(offset), datatypes[kind.str[1:]]) for name, (kind, offset) in kinds.items()]


def pack_points(
    points: np.ndarray, attributes: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Pack points as the data of a PointCloud2, with the field names of Velodyne's driver.

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
    return packed, packed_fields(packed)


def _num_packed(fields: np.ndarray) -> int:
    """Return how many fields are contiguous float32: 4, 3 (all but the intensity) or 0."""
    start = _start(fields, "x")
    kinds: Any = fields.dtype.fields
    places = [(kind.str, offset - start) for kind, offset in kinds.values()]
    wanted = [("<f4", 0), ("<f4", 4), ("<f4", 8), ("<f4", 12)]
    if places == wanted:
        return 4
    return 3 if places[:3] == wanted[:3] else 0


def _is_view(fields: np.ndarray) -> bool:
    """Return whether packed points can be a view of the message: aligned, from byte 0 on."""
    return _start(fields, "x") == 0 and all(stride % 4 == 0 for stride in fields.strides)


def _start(fields: np.ndarray, name: str) -> int:
    """Return the offset of a field within a point, bytes."""
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


def _check_byte_order(fields: np.ndarray, is_bigendian: bool) -> None:
    """Raise ValueError if the coordinates are plausible only in the other byte order."""
    kinds: Any = fields.dtype.fields
    if any(kinds[name][0].kind != "f" for name in "xyz"):
        return
    count = fields.size
    some = fields[np.unravel_index(np.arange(0, count, max(count // LOOKED_AT, 1)), fields.shape)]
    coordinates = [some[name] for name in "xyz"]
    share, largest = _implausible(coordinates)
    if share <= MOST_IMPLAUSIBLE:
        return
    share, _ = _implausible([values.byteswap() for values in coordinates])
    if share < FEW_IMPLAUSIBLE:
        raise ValueError(
            f"is_bigendian is {is_bigendian}, but the bytes are in the other order (coordinates "
            f"up to {largest:.0e} m): let the driver set is_bigendian to {not is_bigendian}"
        )


def _implausible(coordinates: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the fraction of coordinates outside PLAUSIBLE, and the largest; zeros do not count."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        sizes = np.abs(np.concatenate(coordinates).astype(np.float64))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(sizes):
        return 1.0, 0.0
    is_implausible = (sizes < PLAUSIBLE[0]) | (sizes > PLAUSIBLE[1])
    return float(is_implausible.mean()), float(sizes.max())


def _point_step(message: Any) -> int:
    """Return the bytes per point; if point_step is not set, those that the data imply.

    Raises:
        ValueError: If it is not set and the data do not imply it.
    """
    step = int(message.point_step)
    if step:
        return step
    ends = [
        int(field.offset) + int(POINT_TYPES.get(int(field.datatype), "u1")[1])
        for field in message.fields
    ]
    count, num_bytes = int(message.width) * int(message.height), len(message.data)
    if num_bytes % count or num_bytes // count < max(ends, default=1):
        raise ValueError(
            f"point_step 0, and {num_bytes} bytes of data do not show the size of {count} points"
        )
    return num_bytes // count


def _dtype(message: Any, names: Sequence[str], step: int) -> np.dtype:
    """Return the structured dtype of some fields. Raise ValueError naming a broken field."""
    order = ">" if message.is_bigendian else "<"
    formats, offsets = [], []
    for name in names:
        field = find_field(message, name)
        if field is None:
            raise ValueError(f"no field {name}")
        kind = POINT_TYPES.get(int(field.datatype))
        if kind is None:
            raise ValueError(f"field {field.name} has the unknown datatype {field.datatype}")
        if kind == "u1" and field.count == 8:
            kind = "u8"  # as Luminar writes it, because PointField had no datatype of 64 bits
        if int(field.offset) + int(kind[1]) > step:
            raise ValueError(
                f"field {field.name} at offset {field.offset} ends beyond point_step {step}"
            )
        formats.append(order + kind)
        offsets.append(int(field.offset))
    return np.dtype(
        {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": step}
    )
