"""sensor_msgs/PointCloud2 <-> numpy.

Decoding works on anything with the attributes of the message. The message class is imported only
where one is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bev_semseg_ros.ros.convert.message import fill

# sensor_msgs/PointField datatypes.
POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}

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
    layout = _Layout.of(message)
    if layout.is_empty:
        return np.zeros((0, 4), np.float32)
    present = {field.name for field in message.fields}
    missing = [name for name in "xyz" if name not in present]
    if missing:
        found = ", ".join(field.name for field in message.fields) or "none"
        raise ValueError(f"no field {', '.join(missing)}; the cloud has {found}")
    names = ["x", "y", "z"]
    if intensity_field and intensity_field in present:
        names.append(intensity_field)
    dtype = _dtype(message, names)
    if intensity_scale == 1.0 and layout.is_packed(dtype):
        return layout.packed_points(message.data)
    cloud = layout.structured(message.data, dtype)
    points = np.zeros((layout.height, layout.width, 4), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # doubles beyond the range of float32
        for column, name in enumerate(names):
            points[..., column] = cloud[name]
        if len(names) == 4:
            points[..., 3] *= np.float32(intensity_scale)
    return points.reshape(-1, 4)


def encode_cloud(points: np.ndarray, header: Any) -> Any:
    """Convert points to sensor_msgs/PointCloud2.

    Args:
        points: (N, 4) x, y, z, intensity.
        header: The std_msgs/Header of the message.

    Returns:
        The sensor_msgs/PointCloud2, one row of four float32 fields.
    """
    from sensor_msgs.msg import PointCloud2, PointField

    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(("x", "y", "z", "intensity"))
    ]
    count = len(points)
    message = PointCloud2(
        header=header,
        height=1,
        width=count,
        fields=fields,
        is_bigendian=False,
        point_step=16,
        row_step=16 * count,
        is_dense=bool(np.isfinite(points).all()),
    )
    fill(message, points.astype(np.float32, copy=False))
    return message


@dataclass(frozen=True)
class _Layout:
    """Where the points of a cloud lie in its bytes.

    Attributes:
        height: Rows.
        width: Points of a row.
        point_step: Bytes from a point to the next.
        row_step: Bytes from a row to the next.
    """

    height: int
    width: int
    point_step: int
    row_step: int

    @classmethod
    def of(cls, message: Any) -> _Layout:
        """Read the layout of a PointCloud2. Raise ValueError if its bytes do not suffice."""
        width, height, step = int(message.width), int(message.height), int(message.point_step)
        # Drivers leave the row_step of a single row unset.
        row_step = width * step if height == 1 else int(message.row_step)
        layout = cls(height, width, step, row_step)
        if layout.is_empty:
            return layout
        if step == 0 or row_step < width * step:
            raise ValueError(
                f"point_step {step} and row_step {message.row_step} cannot hold rows of "
                f"{width} points"
            )
        needed = (height - 1) * row_step + width * step
        if len(message.data) < needed:
            raise ValueError(
                f"{len(message.data)} bytes of data, {needed} expected for "
                f"{height} x {width} points"
            )
        if width * height > MAX_POINTS:
            raise ValueError(f"{height} x {width} points, at most {MAX_POINTS} are taken")
        return layout

    @property
    def is_empty(self) -> bool:
        return self.width * self.height == 0

    def structured(self, data: Any, dtype: np.dtype) -> np.ndarray:
        """View the bytes as a structured array (height, width)."""
        strides = (self.row_step, self.point_step)
        return np.ndarray((self.height, self.width), dtype, buffer=data, strides=strides)

    def is_packed(self, dtype: np.dtype) -> bool:
        """Return whether points (N, 4) can be a view: four float32, side by side from byte 0."""
        fields = dtype.fields or {}
        places = [(kind.str, offset) for kind, offset, *_ in fields.values()]
        is_aligned = self.point_step % 4 == 0 and self.row_step % 4 == 0
        return is_aligned and places == [("<f4", 0), ("<f4", 4), ("<f4", 8), ("<f4", 12)]

    def packed_points(self, data: Any) -> np.ndarray:
        """View the bytes as points (N, 4) float32, if `is_packed`."""
        shape, strides = (self.height, self.width, 4), (self.row_step, self.point_step, 4)
        return np.ndarray(shape, np.float32, buffer=data, strides=strides).reshape(-1, 4)


def _dtype(message: Any, names: list[str]) -> np.dtype:
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
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": step})
