"""Checks arrays that a user passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def finite_array(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Convert values to a finite float64 array of a given shape.

    Args:
        values: An array or nested lists with as many numbers as `shape` needs.
        shape: Shape of the result, or () for a flat array of any length.
        what: Name of the values, for the message.

    Raises:
        ValueError: The number of values is wrong, or one is NaN or infinite.
    """
    array = np.asarray(values, np.float64)
    if shape and array.size != math.prod(shape):
        raise ValueError(f"{what} has the shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} has numbers that are not finite: {array.tolist()}")
    return array.reshape(shape or -1)


def homogeneous_matrix(values: Any, size: int, what: str) -> np.ndarray:
    """Convert values to a finite (size, size) float64 matrix for column vectors.

    Args:
        values: An array or nested lists.
        size: Number of rows and columns.
        what: Name of the matrix, for the message.

    Raises:
        ValueError: The shape is wrong, a number is NaN or infinite, or the last row is not
            0, ..., 0, 1, as in a transposed matrix.
    """
    matrix = finite_array(values, (size, size), what)
    expected = np.eye(size)[-1]
    if not np.allclose(matrix[-1], expected):
        raise ValueError(
            f"{what} has the last row {matrix[-1].tolist()}, expected {expected.tolist()}; if it "
            "is for row vectors, transpose it"
        )
    return matrix
