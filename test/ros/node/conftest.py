"""The launch file, run with a substitute of ROS's launch."""

from __future__ import annotations

from functools import partial

import pytest
from support.recorded_launch import actions_of, load_launch_file


@pytest.fixture
def launch_file(monkeypatch):
    """The launch file as a module."""
    return load_launch_file(monkeypatch)


@pytest.fixture
def run(launch_file):
    """run(argument=text, ...) -> the actions of the launch file."""
    return partial(actions_of, launch_file)
