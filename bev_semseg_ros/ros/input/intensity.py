"""Which factor brings a lidar's intensity to 0..1: decided by its first clouds, then kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.input_check import full_scale, highest_intensity
from bev_semseg_ros.ros.convert.point_cloud import POINT_TYPES, decode_cloud

CLOUDS = 10  # that decide


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
    factor: of the last cloud; news: what was decided and not yet said, in words; to be set to None by whoever says it.
    Whether the factor suits the network is for `input_check` to say.
    """

    def __init__(self) -> None:
        self.factor = 1.0
        self.news: str | None = None
        self._decisions: dict[tuple[str, str], _Decision] = {}

    def decode(self, message: Any, field: str, scale: float) -> np.ndarray:
        """sensor_msgs/PointCloud2 -> (N, 4) as `decode_cloud` gives it; a `scale` other than 0 decides alone."""
        kind = next(
            (POINT_TYPES.get(int(f.datatype), "") for f in message.fields if f.name == field), ""
        )
        if scale or not kind:
            self.factor = scale or 1.0
            return decode_cloud(message, field, self.factor)
        decision = self._decisions.setdefault((field, kind), _Decision())
        before = decision.full
        points = decode_cloud(message, field)
        self._look(points[:, 3], kind, decision)
        if decision.full != before:
            self._tell(field, kind, decision)
        self.factor = 1.0 / (decision.full or 1.0)  # 0: there is nothing to scale
        if self.factor == 1.0:
            return points
        if np.may_share_memory(points, np.asarray(message.data)):
            points = points.copy()  # a view of the message, which others may hold
        points[:, 3] *= np.float32(self.factor)
        return points

    def _look(self, values: np.ndarray, kind: str, decision: _Decision) -> None:
        largest = highest_intensity(values)
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
        if decision.full != {"u1": 255, "u2": 65535}.get(kind, 1):
            self.news = (
                f"{name} of the cloud ({np.dtype(kind).name}) reaches {decision.largest:.0f}: scaled by "
                f"1/{decision.full:.0f}"
            )
