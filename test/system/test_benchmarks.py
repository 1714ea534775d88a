"""Programs of benchmarks/ that no other test runs, with few rounds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.paths import ROOT


@pytest.mark.slow
def test_the_overhead_of_the_node_is_measured_with_every_output() -> None:
    program = ROOT / "benchmarks" / "node_overhead.py"
    command = [sys.executable, str(program), "--runs", "3"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "| whole frame, without DDS |" in run.stdout
