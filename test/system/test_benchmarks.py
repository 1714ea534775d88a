"""Programs of benchmarks/."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.paths import ROOT


def copy_programs(tmp_path: Path) -> None:
    """Copy benchmarks/, because what the tests measure must not get into docs/ and runs/."""
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "test").symlink_to(ROOT / "test")


@pytest.mark.slow
@pytest.mark.ros
def test_the_sensors_of_the_benchmarks_send_current_stamps(tmp_path: Path) -> None:
    """Benchmarks tell their messages from those of an older bag by their stamps."""
    copy_programs(tmp_path)
    program = """
import numpy as np
from car import Car
from bev_semseg_ros.frame import Camera, Frame
camera = Camera(np.eye(3), (4, 4), np.eye(4))
frame = Frame.of(0, np.zeros((1, 4), np.float32), np.eye(4), np.zeros((4, 4, 3), np.uint8), camera)
car = Car(frame)
print(car.cloud().header.stamp.sec)
car.close()
"""
    command = [sys.executable, "-c", program]
    folders = os.pathsep.join([str(tmp_path / "benchmarks"), *sys.path])
    environment = os.environ | {"PYTHONPATH": folders}
    start = int(time.time())
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert start <= int(run.stdout.split()[-1]) <= time.time()


@pytest.mark.slow
def test_the_overhead_of_the_node_is_measured_with_every_output(tmp_path: Path) -> None:
    copy_programs(tmp_path)
    (tmp_path / "docs").mkdir()
    document = Path(shutil.copy(ROOT / "docs" / "reliability.md", tmp_path / "docs"))
    program = tmp_path / "benchmarks" / "node_overhead.py"
    command = [sys.executable, str(program), "--runs", "3"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "| whole frame, without DDS |" in run.stdout
    assert "3 runs." in document.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("fusion", ["--checkpoint", "none.pt", "--data", "none"]),
        ("network", ["--checkpoint", "none.pt"]),
        ("rigs", ["--checkpoint", "none.pt", "--data", "none=none"]),
        ("side_cameras", ["--with", "none.pt", "--without", "none.pt", "none"]),
    ],
)
def test_a_file_that_cannot_be_written_is_named_before_the_network_runs(
    program: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    results = tmp_path / "folder"
    results.mkdir()
    monkeypatch.setattr(sys, "argv", [program, *arguments, "--json", str(results)])
    with pytest.raises(ValueError, match=f"folder: is a folder; .* {results / program}.json"):
        importlib.import_module(program).main()
    monkeypatch.setattr(sys, "argv", [program, *arguments, "--json", str(tmp_path / "new" / "a")])
    with pytest.raises((OSError, ValueError), match="none"):
        importlib.import_module(program).main()
    assert (tmp_path / "new").is_dir()
