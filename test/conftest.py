"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is loaded: tests share the cores with nodes, players and workers, and threads that spin take them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Before message modules are loaded: without it wrongly typed fields arrive as other numbers, silently.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"

import pytest
from support.paths import ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames (a2d2, kitti, kitti_raw); skips where it is absent."""
    path = Path(os.environ.get("BEV_SEMSEG_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(
            f"no real data at {path}; set BEV_SEMSEG_DATA to the folder with a2d2, kitti and kitti_raw"
        )
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the suite the absence of real frames has silenced."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "real data" in str(report.longrepr)
    ]
    terminalreporter.write_line(f"{len(skipped)} tests skipped for want of real data")
