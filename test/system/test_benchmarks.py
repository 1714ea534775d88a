"""Programs of benchmarks/."""

from __future__ import annotations

import importlib
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
