"""Check whether the scale of a lidar's intensity suits a network, and choose one that does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST_INTENSITY = 2.0  # above it, the scale of the sensor is not 0 to 1
LITTLE_INTENSITY = 0.1  # if no intensity reaches it, the scale is too small
DIM = 0.25  # fraction of the training data's brightness below which input is too dim
# Raw values that correspond to an intensity of 1.0.
UNIT_SCALE, BYTE_SCALE, WORD_SCALE = 1.0, 255.0, 65535.0


def training_brightness(trained: Mapping[str, Any]) -> float | None:
    """Return the 95th percentile of the training data's intensities; None if unknown.

    Args:
        trained: A checkpoint's `info`.
    """
    percentiles = trained.get("intensity_percentiles")
    return percentiles[-1] if percentiles else None


def suits(largest: float, bright: float, usual: float | None) -> bool:
    """Return whether intensities are neither too bright nor too dim for the network.

    Args:
        largest: The highest intensity.
        bright: 95th percentile of the intensities.
        usual: 95th percentile of the training data; None if unknown.
    """
    if largest > LARGEST_INTENSITY:
        return False
    if usual:
        return bright >= DIM * usual
    return largest >= LITTLE_INTENSITY


def full_scale(field_type: str, largest: float) -> float:
    """Return the raw value that corresponds to an intensity of 1.0.

    Args:
        field_type: NumPy type of the field: "u1", "f4" and so on.
        largest: Highest raw value in the field.

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


def warn_of_raw_intensities(lidar: str, intensities: np.ndarray) -> None:
    """Warn if intensities are on a sensor's own scale. Python shows equal warnings only once.

    Args:
        lidar: Name of the lidar.
        intensities: (N,) intensities, which should be 0 to 1.
    """
    largest = float(intensities.max(initial=0))
    if largest > LARGEST_INTENSITY:
        warnings.warn(
            f"intensities of the lidar {lidar!r} are above {LARGEST_INTENSITY:g}, but the network "
            f"expects 0 to 1: divide them by {full_scale('f4', largest):g}",
            stacklevel=3,
        )


def expected_full_scale(field_type: str) -> float:
    """Return the raw value of intensity 1.0 in a field that uses the whole range of its type.

    Args:
        field_type: NumPy type of the field. The range of floating-point types is 0 to 1.
    """
    return {"u1": BYTE_SCALE, "u2": WORD_SCALE}.get(field_type, UNIT_SCALE)


def suited_intensity_scale(largest: float, bright: float, trained: Mapping[str, Any]) -> float:
    """Choose the node's intensity_scale for raw intensities.

    The scale is 1, 1 / 255 or 1 / 65535, depending on the range of the intensities, if that suits
    the network. Otherwise, it makes them as bright as the training data, as far as the highest one
    stays in range. If the training data's brightness is unknown, it maps the highest one to 1.

    Args:
        largest: The highest raw intensity, above 0.
        bright: 95th percentile of the raw intensities.
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
    # Leave room for clouds with slightly higher intensities.
    return min(usual / bright, 0.8 * LARGEST_INTENSITY / largest)


def better_intensity_scale(
    seen: Mapping[str, Any], trained: Mapping[str, Any], scale: float
) -> float | None:
    """Choose another intensity_scale if the present one does not suit the network.

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
