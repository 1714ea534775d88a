"""Fixtures that run the launch file with a substitute for ROS's launch."""

from __future__ import annotations

from functools import partial

import pytest
from support.recorded_launch import actions_of, load_launch_file


@pytest.fixture
def launch_file(monkeypatch):
    """Return the launch file as a module."""
    return load_launch_file(monkeypatch)


@pytest.fixture
def run(launch_file):
    """Return run(argument=text, ...), which returns the actions of the launch file."""
    return partial(actions_of, launch_file)
