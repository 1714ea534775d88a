"""Find the factor that scales a lidar's intensity to 0..1, from its first clouds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.input_check import expected_full_scale, full_scale, highest_intensity
from bev_semseg_ros.ros.convert.message import Note, ignore
from bev_semseg_ros.ros.convert.point_cloud import POINT_TYPES, decode_cloud, find_field

CLOUDS = 10  # number of clouds that decide the full scale


@dataclass
class _Decision:
    """The full scale of one field of the cloud.

    Attributes:
        full: Intensity that is scaled to 1.0; 0 until a cloud had intensities above 0.
        largest: Largest intensity of the clouds that decided.
        clouds: Number of clouds that decided, at most `CLOUDS`.
        contrary: Largest intensities of the last clouds in a row that disagree with `full`.
    """

    full: float = 0.0
    largest: float = 0.0
    clouds: int = 0
    contrary: list[float] = field(default_factory=list)


class IntensityScale:
    """Decodes clouds and scales their intensity by the factor that suits the lidar.

    The largest values of the first `CLOUDS` clouds with intensities decide the full scale. It may
    grow during these clouds. Afterwards, only `CLOUDS` clouds in a row that disagree change it.
    Fields with other names or types are judged separately, so that damaged clouds between good ones
    have no effect. `input_check` judges whether the result suits the network.

    Attributes:
        factor: Factor of the last cloud.
    """

    def __init__(self) -> None:
        """Start without a decision."""
        self.factor = 1.0
        self._warning: str | None = None
        self._decisions: dict[tuple[str, str], _Decision] = {}

    def take_warning(self) -> str | None:
        """Return a warning about an unusual full scale, once; None if there is no new one."""
        warning, self._warning = self._warning, None
        return warning

    def decode(self, message: Any, field: str, scale: float, note: Note = ignore) -> np.ndarray:
        """Decode a cloud with its intensity scaled.

        Args:
            message: sensor_msgs/PointCloud2.
            field: The parameter intensity_field.
            scale: The parameter intensity_scale; 0 to choose the factor here.
            note: Called for each assumption, see `Note`.

        Returns:
            (N, 4) float32 as from `decode_cloud`, with intensity 0..1 after scaling.
        """
        found = find_field(message, field)
        kind = "" if found is None else POINT_TYPES.get(int(found.datatype), "")
        if scale or not kind:
            self.factor = scale or 1.0
            return decode_cloud(message, field, self.factor, note)
        decision = self._decisions.setdefault((field, kind), _Decision())
        before = decision.full
        points = decode_cloud(message, field, note=note)
        self._judge(points[:, 3], kind, decision)
        if decision.full != before:
            self._explain(field, kind, decision)
        self.factor = 1.0 / (decision.full or 1.0)  # full is 0 if there is nothing to scale
        if self.factor == 1.0:
            return points
        if np.may_share_memory(points, np.asarray(message.data)):
            points = points.copy()  # a view of the message, which others may use
        with np.errstate(invalid="ignore"):  # signalling NaN of a damaged cloud; they stay NaN
            points[:, 3] *= np.float32(self.factor)
        return points

    def _judge(self, values: np.ndarray, kind: str, decision: _Decision) -> None:
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

    def _explain(self, name: str, kind: str, decision: _Decision) -> None:
        if decision.full != expected_full_scale(kind):
            self._warning = (
                f"{name} of the cloud ({np.dtype(kind).name}) reaches {decision.largest:.0f}: "
                f"scaled by 1/{decision.full:.0f}"
            )
