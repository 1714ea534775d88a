"""Hand-made files of A2D2."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import tiny_data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of an A2D2 data set of one frame."""
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path)
    return tmp_path
