"""Reads lens distortion with the model names and numbers of coefficients that occur in practice.

The same rules apply to calibration files and to sensor_msgs/CameraInfo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bev_semseg_ros.frame import DISTORTION_LENGTHS, DISTORTION_MODELS

# Other names -> one of DISTORTION_MODELS. Case, spaces, hyphens and underscores are normalized.
OTHER_NAMES = {
    "fisheye": "equidistant",  # OpenCV
    "kannala_brandt": "equidistant",
    "kannala_brandt4": "equidistant",  # RealSense
    "kb4": "equidistant",
    "radtan": "plumb_bob",  # Kalibr
    "radial_tangential": "plumb_bob",
    "brown_conrady": "plumb_bob",
    "rational": "rational_polynomial",
    "pinhole": "",  # does not specify the distortion
}


def read_distortion(
    name: str, coefficients: Sequence[float] | np.ndarray
) -> tuple[str, np.ndarray]:
    """Return the distortion model and its coefficients as `Camera` expects them.

    If the name does not fit the number of coefficients, or if there is no name, the number decides
    between plumb_bob and rational_polynomial. Trailing zeros do not count; they are added or
    removed to get a number that OpenCV accepts.

    Args:
        name: One of the names of the model; "" if unnamed.
        coefficients: Coefficients in OpenCV's order.

    Returns:
        One of DISTORTION_MODELS, and as many coefficients as OpenCV accepts for it.

    Raises:
        ValueError: The model is unknown or ambiguous, or the number of coefficients does not fit.
    """
    key = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    model = OTHER_NAMES.get(key, key)
    values = np.asarray(coefficients, np.float64).ravel()
    used = int(np.max(np.flatnonzero(values), initial=-1)) + 1
    if model and model not in DISTORTION_MODELS:
        known = (*DISTORTION_MODELS, *(each for each, meant in OTHER_NAMES.items() if meant))
        raise ValueError(f"unknown distortion model {name!r}, expected one of {', '.join(known)}")
    if model in ("", "none") and used == 0:
        return "none", np.zeros(5)
    if model == "none":
        raise ValueError(
            f"the distortion model is {name!r} and D is not zero: name the model of D, such as "
            "plumb_bob, or set D to zeros"
        )
    if not model and len(values) <= 4:
        raise ValueError(
            f"D has {len(values)} coefficients and no distortion model, which may be plumb_bob or "
            "equidistant: name it in distortion_model"
        )
    if model == "equidistant":
        return model, _padded(values, used, DISTORTION_LENGTHS[model], name)
    if model and len(values) in DISTORTION_LENGTHS[model]:
        return model, values
    lengths = DISTORTION_LENGTHS["plumb_bob"] + DISTORTION_LENGTHS["rational_polynomial"]
    if used and len(values) < 4:  # the third may be p1 or k3
        raise ValueError(_wrong_count(name, len(values), lengths))
    padded = _padded(values, used, lengths[1:], name)
    model = "plumb_bob" if len(padded) in DISTORTION_LENGTHS["plumb_bob"] else "rational_polynomial"
    return model, padded


def _padded(values: np.ndarray, used: int, lengths: Sequence[int], name: str) -> np.ndarray:
    """Pad the first `used` values with zeros to the smallest of `lengths` that holds them."""
    for length in lengths:
        if used <= length:
            padded = np.zeros(length)
            padded[:used] = values[:used]
            return padded
    raise ValueError(_wrong_count(name, used, lengths))


def _wrong_count(name: str, count: int, lengths: Sequence[int]) -> str:
    """Return the text of an error."""
    expected = " or ".join(map(str, lengths))
    return f"{name or 'D'} with {count} coefficients, expected {expected}"
