"""Fixtures shared by the tests of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.shape import Shape


@pytest.fixture(scope="session")
def library() -> Library:
    """Return the library of seed 0, built once because that takes more than a second."""
    return Library(0)


@pytest.fixture
def shape(request: pytest.FixtureRequest) -> Shape:
    """Return the shape of a maker, kind and seed (indirect parameters), built at its first use."""
    return build(*request.param)


@cache
def build(make: Callable[[np.random.Generator, str], Shape], kind: str, seed: int) -> Shape:
    """Build a shape once; no test changes it."""
    return make(np.random.default_rng(seed), kind)
