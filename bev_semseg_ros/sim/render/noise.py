"""Value noise and hashing inside compiled kernels: what textures, clouds and cut-outs are made of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

_OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "_nrt": False}
_SHARED_SOURCES = (
    "render/noise.py",
    "render/cutout.py",
    "render/light.py",
    "assets/materials.py",
    "render/texture.py",
)
_TWO, _THREE = (
    np.float32(2),
    np.float32(3),
)  # plain numbers would turn the arithmetic into double precision
_PERIOD = 32
# The lattice is one and the same in every process and for every sensor: a leaf the camera sees stops the lidar, too.
NOISE = np.random.default_rng(7).random((_PERIOD, _PERIOD, _PERIOD), dtype=np.float32)


def _sources_digest() -> str:
    """Of the files whose functions and constants are compiled into kernels of other files."""
    folder = Path(__file__).parents[1]
    return hashlib.sha256(
        b"".join((folder / name).read_bytes() for name in _SHARED_SOURCES)
    ).hexdigest()


def kernel(function: Callable) -> Callable:
    """`function` compiled by numba, cached on disk where a cache folder can be written. Called from Python.

    The GIL is let go and references are not counted (which would cost more than the arithmetic): a kernel writes into
    arrays that it is given and creates none.
    """
    try:
        compiled = numba.njit(function, cache=True, **_OPTIONS)
    except RuntimeError:  # neither __pycache__ nor the user's cache folder can be written
        return numba.njit(function, **_OPTIONS)
    # numba takes a cached kernel for stale only if its own file changed; here it must be if what it calls changed, too.
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, _sources_digest())
    return compiled


def inline(function: Callable) -> Callable:
    """`function` for the use of kernels."""
    return numba.njit(function, **_OPTIONS)


def pasted(function: Callable) -> Callable:
    """`function` pasted into the kernels that call it: handing over a named tuple of arrays costs more than it does."""
    return numba.njit(function, inline="always", **_OPTIONS)


@inline
def value_noise(noise, x, y, z):
    """Smooth noise in 0..1 of about one period per unit; `noise` is NOISE."""
    floor_x, floor_y, floor_z = math.floor(x), math.floor(y), math.floor(z)
    i0, j0, k0 = floor_x & 31, floor_y & 31, floor_z & 31
    i1, j1, k1 = (i0 + 1) & 31, (j0 + 1) & 31, (k0 + 1) & 31
    x, y, z = np.float32(x - floor_x), np.float32(y - floor_y), np.float32(z - floor_z)
    x, y, z = x * x * (_THREE - _TWO * x), y * y * (_THREE - _TWO * y), z * z * (_THREE - _TWO * z)
    n00 = noise[i0, j0, k0] + (noise[i0, j0, k1] - noise[i0, j0, k0]) * z
    n01 = noise[i0, j1, k0] + (noise[i0, j1, k1] - noise[i0, j1, k0]) * z
    n10 = noise[i1, j0, k0] + (noise[i1, j0, k1] - noise[i1, j0, k0]) * z
    n11 = noise[i1, j1, k0] + (noise[i1, j1, k1] - noise[i1, j1, k0]) * z
    n0 = n00 + (n01 - n00) * y
    n1 = n10 + (n11 - n10) * y
    return n0 + (n1 - n0) * x


@inline
def fractal_noise(noise, x, y, z, frequency, footprint, seed, octaves):
    """Octaves of value noise, about -1..1. Those finer than `footprint` metres (what a pixel covers) fade out."""
    total = 0.0
    amplitude = 1.0
    x, y, z = x + seed, y + seed * 0.7, z + seed * 0.3
    for _ in range(octaves):
        weight = 1.5 - 2.5 * frequency * footprint
        if weight <= 0:
            break
        total += (
            amplitude
            * min(weight, 1.0)
            * (value_noise(noise, x * frequency, y * frequency, z * frequency) - 0.5)
        )
        frequency *= 2.37
        amplitude *= 0.6
        x, y, z = x + 5.2, y + 1.3, z + 9.1
    return total


@inline
def hash_unit(i, j, k):
    """A random number in 0..1 that belongs to three integers."""
    n = ((i * 73856093) ^ (j * 19349663) ^ (k * 83492791)) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 15)) * 668265263) & 0xFFFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65536.0
