"""Numbers that a user gives, as arrays that are known to be usable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def finite_array(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return numbers as float64 of a shape.

    Args:
        values: an array, or lists, of this shape or flat.
        shape: the shape, or () for a flat array of any length.
        what: the values are, for messages.

    Raises:
        ValueError: another shape, or a number that is not finite.
    """
    array = np.asarray(values, np.float64)
    if shape and array.size != math.prod(shape):
        raise ValueError(f"{what} has the shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} has numbers that are not finite: {array.tolist()}")
    return array.reshape(shape or -1)
