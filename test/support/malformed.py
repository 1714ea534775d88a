"""Damage any message at random, in ways that still let it be sent."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

LIMITS = {"uint8": (0, 2**8 - 1), "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}
TEXTS = (
    "",
    "x",
    "intensity",
    "rgb8",
    "rgba8",
    "mono8",
    "mono16",
    "bayer_rggb8",
    "yuv422",
    "plumb_bob",
    "equidistant",
    "rational_polynomial",
    "double_sphere",
    "y" * 10_000,
)
FLOATS = (0.0, -1.0, 1e-300, 1e300, -1e300, float("inf"), float("nan"))


def scramble(message: Any, rng: np.random.Generator) -> None:
    """Change one to three fields of a message.

    The new values have the fields' types; they are extreme, slightly off, or of another length.
    """
    kinds = message.get_fields_and_field_types()
    for name in rng.choice(list(kinds), min(len(kinds), int(rng.integers(1, 4))), replace=False):
        setattr(message, str(name), _other(getattr(message, str(name)), kinds[str(name)], rng))


def _other(value: Any, kind: str, rng: np.random.Generator) -> Any:
    if kind in LIMITS:
        low, high = LIMITS[kind]
        near = (value - 1, value + 1, 2 * value, value // 2, int(rng.integers(low, high + 1)))
        return int(np.clip(rng.choice([low, high, 1, *near]), low, high))
    if kind == "boolean":
        return not value
    if kind == "string":
        return str(rng.choice(TEXTS))
    if kind in ("double", "float"):
        return float(rng.choice([*FLOATS, 2 * value, rng.normal(0, 1000)]))
    if array := re.fullmatch(r"double\[(\d+)\]", kind):
        return [
            _other(float(item), "double", rng) if rng.random() < 0.3 else float(item)
            for item in value[: int(array[1])]
        ]
    if kind == "sequence<double>":
        return [
            _other(1.0, "double", rng) for _ in range(int(rng.choice([0, 1, 4, 5, 8, 13, 1000])))
        ]
    if kind == "sequence<uint8>":
        return _other_bytes(value, rng)
    if kind.startswith("sequence<"):
        items = [item for item in value if rng.random() < 0.8]
        for item in items:
            scramble(item, rng)
        return items
    scramble(value, rng)
    return value


def _other_bytes(data: Any, rng: np.random.Generator) -> Any:
    """Return noise of the same length, a shorter or a longer one."""
    length = int(
        rng.choice([0, 1, len(data) // 2, max(len(data) - 1, 0), len(data), 2 * len(data)])
    )
    return type(data)("B", rng.bytes(length))
