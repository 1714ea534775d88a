"""Value noise and hashing for compiled kernels: the source of textures, clouds and cut-outs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

_OPTIONS: dict[str, Any] = {"fastmath": True, "nogil": True, "error_model": "numpy", "_nrt": False}
# Files whose functions and constants are compiled into kernels of other files.
_SHARED_SOURCES = (
    "render/noise.py",
    "render/cutout.py",
    "render/light.py",
    "render/lamp_light.py",
    "assets/materials.py",
    "render/texture.py",
)
# Python numbers would turn single precision arithmetic into double precision.
_TWO, _THREE = np.float32(2), np.float32(3)
_PERIOD = 32
# The lattice is the same in every process and for every sensor, so a leaf that the camera sees also
# stops the rays of the lidar.
NOISE = np.random.default_rng(7).random((_PERIOD, _PERIOD, _PERIOD), dtype=np.float32)


def _sources_digest() -> str:
    """Return a digest of the files that are compiled into kernels of other files."""
    folder = Path(__file__).parents[1]
    return hashlib.sha256(
        b"".join((folder / name).read_bytes() for name in _SHARED_SOURCES)
    ).hexdigest()


def kernel(function: Callable) -> Callable:
    """Compile a function with numba for calls from Python.

    The result is cached on disk if a cache folder is writable. A kernel releases the GIL. It does
    not count references, which would take longer than the arithmetic. So it must write into arrays
    that it receives and must not create any.
    """
    try:
        compiled = numba.njit(function, cache=True, **_OPTIONS)
    except RuntimeError:
        # Neither __pycache__ nor the user's cache folder is writable.
        return numba.njit(function, **_OPTIONS)
    # numba considers a cached kernel stale only if the kernel's own file has changed. Here, it is
    # also stale if the code that it calls has changed.
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache_file is not None and hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, _sources_digest())
    return compiled


def inline(function: Callable) -> Callable:
    """Compile a function that kernels call."""
    return numba.njit(function, **_OPTIONS)


def pasted(function: Callable) -> Callable:
    """Compile a function that numba inlines into the kernels that call it.

    Use it for functions that take a named tuple of arrays. Passing that tuple takes longer than
    most of these functions.
    """
    return numba.njit(function, inline="always", **_OPTIONS)


@inline
def value_noise(noise, x, y, z):
    """Return smooth noise from 0 to 1 with about one period per unit of x, y, z.

    `noise` is NOISE, a lattice of random numbers that repeats after 32 units.
    """
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
    """Return a sum of octaves of value noise, about -1 to 1.

    Octaves finer than `footprint`, the size of the pixel in metres, fade out. `frequency` is that
    of the first octave in 1/m, and `seed` shifts the noise.
    """
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
    """Return a pseudo-random number from 0 to 1 that depends only on three integers."""
    n = ((i * 73856093) ^ (j * 19349663) ^ (k * 83492791)) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 15)) * 668265263) & 0xFFFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65536.0
