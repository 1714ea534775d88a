"""Which factor brings a lidar's intensity to 0..1: decided by its first clouds, then kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.input_check import LARGEST_INTENSITY
from bev_semseg_ros.ros.messages import POINT_TYPES, decode_cloud

CLOUDS = 10  # that are looked at
SHARE = 0.999  # of the points; a few broken ones must not decide
LITTLE = 0.1  # of the full scale; a lidar that reaches no more is scaled too far down


def full_scale(kind: str, largest: float) -> float:
    """What 1.0 is in a field of `kind` (as in POINT_TYPES) whose values reach `largest`: 1, 255 or 65535."""
    if kind == "u1":
        return 255.0
    if kind == "u2":
        return 255.0 if largest <= 255 else 65535.0
    return 1.0 if largest <= LARGEST_INTENSITY else 255.0 if largest <= 256 else 65535.0


class IntensityScale:
    """`decode_cloud` with the factor that suits the lidar.

    The full scale is that of the largest values of the first CLOUDS clouds with intensities: it may grow while these
    come and stays afterwards. A cloud whose field has another name or type begins anew.
    news: what was decided and not yet said, in words; to be set to None by whoever says it.
    """

    def __init__(self) -> None:
        self.news: str | None = None
        self._field: tuple[str, str] | None = None
        self._begin(None)

    def decode(self, message: Any, field: str, scale: float) -> np.ndarray:
        """sensor_msgs/PointCloud2 -> (N, 4) as `decode_cloud` gives it; a `scale` other than 0 decides alone."""
        if scale:
            return decode_cloud(message, field, scale)
        kind = next((POINT_TYPES.get(int(f.datatype), "") for f in message.fields if f.name == field), "")
        if not kind:
            return decode_cloud(message, field)
        if self._field != (field, kind):
            self._begin((field, kind))
        if self._seen < CLOUDS:
            self._look(decode_cloud(message, field, 1.0)[:, 3])
        return decode_cloud(message, field, 1.0 / self._full if self._full else 0.0)

    def _begin(self, field: tuple[str, str] | None) -> None:
        self._field, self._seen, self._largest, self._full = field, 0, 0.0, 0.0

    def _look(self, values: np.ndarray) -> None:
        values = values[np.isfinite(values)]
        largest = float(np.quantile(values, SHARE, method="higher")) if len(values) else 0.0
        if largest <= 0:
            return
        self._seen += 1
        self._largest = max(self._largest, largest)
        name, kind = self._field
        full = full_scale(kind, self._largest)
        reaches_little = full == 65535 and self._largest < LITTLE * full
        if full != self._full and (full != {"u1": 255, "u2": 65535}.get(kind, 1) or reaches_little):
            self.news = (f"{name} of the cloud ({np.dtype(kind).name}) reaches {self._largest:.0f}: "
                         f"scaled by 1/{full:.0f}")
            if reaches_little:
                self.news += (f", it stays below {self._largest / full:.2g}; if the lidar does not count to 65535, set "
                              f"intensity_scale (to {1 / self._largest:.2g}, say)")
        self._full = full
