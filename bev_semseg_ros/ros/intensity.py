"""Which factor brings a lidar's intensity to 0..1: decided by its first clouds, then kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.input_check import LARGEST_INTENSITY
from bev_semseg_ros.ros.messages import POINT_TYPES, decode_cloud

CLOUDS = 10  # that decide
POINTS = 5000  # of a cloud that are looked at
SHARE = 0.999  # of the points; a few broken ones must not decide
LITTLE = 0.1  # of the full scale; a lidar that reaches no more is scaled too far down


def full_scale(kind: str, largest: float) -> float:
    """What 1.0 is in a field of `kind` (as in POINT_TYPES) whose values reach `largest`: 1, 255 or 65535."""
    if kind == "u1":
        return 255.0
    if kind == "u2":
        return 255.0 if largest <= 255 else 65535.0
    return 1.0 if largest <= LARGEST_INTENSITY else 255.0 if largest <= 256 else 65535.0


@dataclass
class _Decision:
    """full: what 1.0 is, 0 until a cloud had intensities; largest: of the clouds it was made of; clouds: how many."""

    full: float = 0.0
    largest: float = 0.0
    clouds: int = 0
    contrary: list[float] = field(default_factory=list)  # of the last clouds: all say otherwise


class IntensityScale:
    """`decode_cloud` with the factor that suits the lidar.

    The full scale is that of the largest values of the first CLOUDS clouds with intensities: it may grow while these
    come, and afterwards only CLOUDS in a row that all have another one change it. Fields of other names and types are
    looked at by themselves, so that damaged clouds between good ones decide nothing.
    news: what was decided and not yet said, in words; to be set to None by whoever says it.
    """

    def __init__(self) -> None:
        self.news: str | None = None
        self._decisions: dict[tuple[str, str], _Decision] = {}

    def decode(self, message: Any, field: str, scale: float) -> np.ndarray:
        """sensor_msgs/PointCloud2 -> (N, 4) as `decode_cloud` gives it; a `scale` other than 0 decides alone."""
        if scale:
            return decode_cloud(message, field, scale)
        kind = next((POINT_TYPES.get(int(f.datatype), "") for f in message.fields if f.name == field), "")
        if not kind:
            return decode_cloud(message, field)
        decision = self._decisions.setdefault((field, kind), _Decision())
        before = decision.full
        points = decode_cloud(message, field, 1.0)
        self._look(points[:, 3], kind, decision)
        if decision.full != before:
            self._tell(field, kind, decision)
        if decision.full in (0.0, 1.0):  # 0: there is nothing to scale
            return points
        if np.may_share_memory(points, np.asarray(message.data)):
            points = points.copy()  # a view of the message, which others may hold
        points[:, 3] *= np.float32(1.0 / decision.full)
        return points

    def _look(self, values: np.ndarray, kind: str, decision: _Decision) -> None:
        values = values[::max(1, len(values) // POINTS)]
        values = values[np.isfinite(values)]
        largest = float(np.quantile(values, SHARE, method="higher")) if len(values) else 0.0
        if largest <= 0:
            return
        if decision.clouds < CLOUDS:
            decision.clouds += 1
            decision.largest = max(decision.largest, largest)
            decision.full = full_scale(kind, decision.largest)
        elif full_scale(kind, largest) == decision.full:
            decision.contrary.clear()
        else:
            decision.contrary.append(largest)
            if len(decision.contrary) == CLOUDS:
                decision.largest = max(decision.contrary)
                decision.full = full_scale(kind, decision.largest)
                decision.contrary.clear()

    def _tell(self, name: str, kind: str, decision: _Decision) -> None:
        full, largest = decision.full, decision.largest
        reaches_little = full == 65535 and largest < LITTLE * full
        if full == {"u1": 255, "u2": 65535}.get(kind, 1) and not reaches_little:
            return
        self.news = f"{name} of the cloud ({np.dtype(kind).name}) reaches {largest:.0f}: scaled by 1/{full:.0f}"
        if reaches_little:
            self.news += (f", it stays below {largest / full:.2g}; if the lidar does not count to 65535, set "
                          f"intensity_scale (to {1 / largest:.2g}, say)")
