"""PointCloud2 messages of any layout."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from bev_semseg_ros.ros.convert.point_cloud import POINT_TYPES

PLAIN = {"x": "f4", "y": "f4", "z": "f4", "intensity": "f4"}
DATATYPE = {kind: number for number, kind in POINT_TYPES.items()}


def cloud(
    values: dict[str, np.ndarray],
    kinds: dict[str, str],
    order: str = "<",
    gap: int = 0,
    height: int = 1,
    row_padding: int = 0,
) -> PointCloud2:
    """Make a cloud.

    Args:
        values: (N,) values of each field.
        kinds: Field -> NumPy type, in the order of the fields in a point.
        order: "<" for little-endian, ">" for big-endian.
        gap: Bytes before each field.
        height: Number of rows.
        row_padding: Bytes after each row.
    """
    offsets, step = [], 0
    for kind in kinds.values():
        offsets.append(step + gap)
        step += gap + int(kind[1])
    dtype = np.dtype(
        {
            "names": list(kinds),
            "formats": [order + kind for kind in kinds.values()],
            "offsets": offsets,
            "itemsize": step,
        }
    )
    count = len(next(iter(values.values())))
    points = np.zeros(count, dtype)
    for name in kinds:
        points[name] = values[name]
    width = count // height
    rows = np.zeros((height, width * step + row_padding), np.uint8)
    rows[:, : width * step] = points.view(np.uint8).reshape(height, width * step)
    fields = [
        PointField(name=name, offset=offset, datatype=DATATYPE[kind], count=1)
        for (name, kind), offset in zip(kinds.items(), offsets, strict=True)
    ]
    return PointCloud2(
        height=height,
        width=width,
        fields=fields,
        is_bigendian=order == ">",
        point_step=step,
        row_step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )
