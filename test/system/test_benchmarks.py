"""Programs of benchmarks/ that no other test runs, with few rounds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT


@pytest.mark.slow
def test_the_overhead_of_the_node_is_measured_with_every_output(tmp_path: Path) -> None:
    # In a copy of the tree, because the figures of few rounds must not get into docs/.
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "test").symlink_to(ROOT / "test")
    (tmp_path / "docs").mkdir()
    document = Path(shutil.copy(ROOT / "docs" / "reliability.md", tmp_path / "docs"))
    program = tmp_path / "benchmarks" / "node_overhead.py"
    command = [sys.executable, str(program), "--runs", "3"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "| whole frame, without DDS |" in run.stdout
    assert "3 runs." in document.read_text()
