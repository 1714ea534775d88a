"""Fixtures shared by the tests of the simulator."""

from __future__ import annotations

import pytest

from bev_semseg_ros.sim.assets.library import Library


@pytest.fixture(scope="session")
def library() -> Library:
    """Return the library of seed 0, built once because that takes more than a second."""
    return Library(0)
