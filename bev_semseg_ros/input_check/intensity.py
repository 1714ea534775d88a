"""The scale of the lidar's intensity: which one suits a network, and which one would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST_INTENSITY = 2.0  # a larger one comes from a sensor that does not count from 0 to 1
LITTLE_INTENSITY = 0.1  # a lidar that reaches no more was scaled too far down
DIM = 0.25  # of the training data's brightness
# What an intensity of 1.0 is in the numbers of a lidar.
UNIT_SCALE, BYTE_SCALE, WORD_SCALE = 1.0, 255.0, 65535.0


def training_brightness(trained: Mapping[str, Any]) -> float | None:
    """Return what 95 % of the training data's intensities are below; None if unknown.

    Args:
        trained: A checkpoint's `info`.
    """
    percentiles = trained.get("intensity_percentiles")
    return percentiles[-1] if percentiles else None


def suits(largest: float, bright: float, usual: float | None) -> bool:
    """Return whether intensities are neither too bright nor too dim for the network.

    Args:
        largest: The highest intensity.
        bright: What 95 % of the intensities are below.
        usual: The same of the training data, None if unknown.
    """
    if largest > LARGEST_INTENSITY:
        return False
    if usual:
        return bright >= DIM * usual
    return largest >= LITTLE_INTENSITY


def full_scale(field_type: str, largest: float) -> float:
    """Return what an intensity of 1.0 is in the numbers of a field.

    Args:
        field_type: Type of the field as numpy writes it: "u1", "f4" and so on.
        largest: The highest value in it.

    Returns:
        1, 255 or 65535.
    """
    if field_type == "u1":
        return BYTE_SCALE
    if field_type == "u2":
        return BYTE_SCALE if largest <= BYTE_SCALE else WORD_SCALE
    if largest <= LARGEST_INTENSITY:
        return UNIT_SCALE
    return BYTE_SCALE if largest <= BYTE_SCALE + 1 else WORD_SCALE


def expected_full_scale(field_type: str) -> float:
    """Return what an intensity of 1.0 is in a field that uses the whole range of its type.

    Args:
        field_type: Type of the field as numpy writes it; floating point counts from 0 to 1.
    """
    return {"u1": BYTE_SCALE, "u2": WORD_SCALE}.get(field_type, UNIT_SCALE)


def suited_intensity_scale(largest: float, bright: float, trained: Mapping[str, Any]) -> float:
    """Choose the node's intensity_scale for raw intensities.

    It is the full scale of their range where that suits. Otherwise it makes them as bright as the
    training data, as far as the highest stays in range. If the training data's brightness is
    unknown it makes the highest 1.

    Args:
        largest: The highest raw intensity, above 0.
        bright: What 95 % of the raw intensities are below.
        trained: A checkpoint's `info`.

    Returns:
        The factor.
    """
    scale = 1 / full_scale("f4", largest)
    usual = training_brightness(trained)
    if suits(largest * scale, bright * scale, usual):
        return scale
    if not usual or bright <= 0:
        return 1 / largest
    # Leave room for clouds that reach a little higher.
    return min(usual / bright, 0.8 * LARGEST_INTENSITY / largest)


def better_intensity_scale(
    seen: Mapping[str, Any], trained: Mapping[str, Any], scale: float
) -> float | None:
    """Choose another intensity_scale where the present one does not suit.

    Args:
        seen: Summary of the input (`InputStatistics.summary`).
        trained: A checkpoint's `info`.
        scale: The intensity_scale with which the input was decoded.

    Returns:
        The factor; None if the present one suits or no other would suit better.
    """
    largest = seen["largest_intensity"]
    if largest <= 0:
        return None
    bright = seen["intensity_percentiles"][-1]
    if suits(largest, bright, training_brightness(trained)):
        return None
    suited = suited_intensity_scale(largest / scale, bright / scale, trained)
    better = float(f"{suited:.3g}")
    return None if np.isclose(better, scale, rtol=0.1, atol=0) else better
