"""Fixtures shared by the tests of bags."""

from __future__ import annotations

import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset


@pytest.fixture
def drive(tmp_path):
    """Return a drive of four frames in tmp_path / "data"."""
    tiny_data.write_kitti_drive(tmp_path / "data", 4)
    return open_dataset(tmp_path / "data")
