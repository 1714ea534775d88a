"""benchmarks/ablation with three rows, two steps and three scenes, and a row that cannot run."""

from __future__ import annotations

import gc
import json
import lzma
import os
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from support.paths import ROOT

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.config import Config, with_settings
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks import bootstrap
from bev_semseg_ros.training.trainer import Trainer

PROGRAMS = ROOT / "benchmarks" / "ablation"
TABLE = """
common: [training.learning_rate=1.0e-3]
figures:
  mAP: detection.map
  mIoU: segmentation.miou
  BEV mIoU: bev_segmentation.learned.in_view.miou
  point mIoU: point_segmentation.miou
branches:
  lidar: {steps: 9, settings: [model.fusion=none, "model.tasks=[detection]"]}
  camera: {init: GIVEN, settings: ["model.tasks=[segmentation]"]}
rows:
  - name: lidar_only
    section: Fusion
    part: no image
    init: [lidar]
    settings: [model.fusion=none, "model.tasks=[detection]"]
  - name: projective
    section: Fusion
    part: image features
    init: [lidar]
    against: [lidar_only]
    disturbed: true
    places: [test, real]
  - name: magic
    section: Fusion
    part: a part of tomorrow
    settings: [model.fusion=magic]
    against: [projective]
  - name: fpn
    section: Necks
    part: the neck
    init: [camera]
    settings: ["model.tasks=[segmentation]"]
    mode: camera_only
"""
SMALL = [
    "grid.x_max=25.6",
    "grid.y_min=-12.8",
    "grid.y_max=12.8",
    "grid.cell=0.4",
    "model.camera_encoder=residual",
    "model.neck_channels=8",
    "model.head_channels=8",
    "model.pillar_channels=8",
    "model.bev_channels=[8]",
    "model.bev_blocks=[1]",
    "postprocess.max_boxes=10",
    "training.batch_size=4",
    "training.crop=[64,64]",
    "training.precision=fp32",
    "image.max_pixels=10000",
    "image.max_width=128",
]
RUN = "--data sim --out runs --table table.yaml --engine torch --threads 1 --branch-steps"


def read(file: Path) -> dict[str, Any]:
    return json.loads(lzma.decompress(file.read_bytes()))


@pytest.fixture
def programs(tmp_path: Path, kernels: None, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Return the functions `main` of run.py and collect.py, with data and a table beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # more workers would take longer
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    given, config = tmp_path / "given.pt", with_settings(Config(), SMALL)
    checkpoint.save(given, build_network(config), config, {})
    (tmp_path / "table.yaml").write_text(TABLE.replace("GIVEN", str(given)))
    synth = "synth sim/kitti/test --rig kitti --scenes 3 --frames 1 --seed 1 --image-size 160x96"
    assert main(synth.split()) == 0
    (tmp_path / "sim" / "kitti" / "train").symlink_to("test")
    (tmp_path / "sim" / ".simulator-1" / "test").mkdir(parents=True)
    return {
        name: runpy.run_path(str(PROGRAMS / f"{name}.py"))["main"] for name in ("run", "collect")
    }


@pytest.mark.slow
def test_rows_are_trained_once_continued_and_collected(
    programs: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def run(*further: str) -> int:
        return programs["run"]([*RUN.split(), "1", *further, "--set", *SMALL])

    def epochs() -> list[dict]:
        return json.loads(Path("runs/lidar_only-seed0/metrics.json").read_text())["epochs"]

    def end_and_interrupt(trainer: Trainer, *arguments: Any) -> None:
        end_epoch(trainer, *arguments)
        raise KeyboardInterrupt

    end_epoch = Trainer._end_epoch
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_end_epoch", end_and_interrupt)
        for _ in ("the branch, at its end", "the row, in the middle"):
            with pytest.raises(KeyboardInterrupt):
                run("--rows", "lidar_only", "--steps", "2")
    begun = epochs()
    assert begun[-1]["step"] == 1
    assert run("--steps", "2") == 1
    error = capfd.readouterr().err
    assert "magic: cannot run: model.fusion: unknown 'magic', expected one of" in error
    assert epochs()[: len(begun)] == begun and epochs()[-1]["step"] == 2  # it was continued

    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/checkpoint.pt")}
    names = ["branch_camera", "branch_lidar", "fpn-seed0", "lidar_only-seed0", "projective-seed0"]
    assert sorted(path.parent.name for path in files) == names
    taken, given = (
        checkpoint.load(path).weights for path in ("runs/branch_camera/checkpoint.pt", "given.pt")
    )
    assert all(torch.equal(value, given[name]) for name, value in taken.items())
    stored = Path("runs/results/projective-seed0.json.xz")
    result = read(stored)
    assert (result["samples"], len(set(result["places"]["test"]["scenes"]))) == (8, 3)
    other = Path("runs/results/lidar_only-seed0.json.xz")
    before = read(other)
    assert run("--steps", "2", "--rows", "lidar_only") == 0  # nothing left to do
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert read(other) == before
    assert run("--times", "--rounds", "1") == 0

    assert run("--steps", "3", "--rows", "lidar_only") == 1
    assert "lidar_only-seed0: was made with other steps (" in capfd.readouterr().err

    config = with_settings(Config(), [*SMALL, "seed=5"])
    checkpoint.save("given.pt", build_network(config), config, {})
    assert run("--steps", "2", "--rows", "fpn") == 1
    assert "branch_camera: was made with other init (" in capfd.readouterr().err

    collect = ["--results", "runs/results", "--table", "table.yaml", "--document", "ablation.md"]
    assert programs["collect"](collect) == 0
    page = Path("ablation.md").read_text()
    for pattern in (
        r"`lidar_only` \| no image \| 0\.\d+ \| - \| \d[\d.]* \| [\d,]+ \| 8 \| 0 \|",
        r"`projective` \| image features \| 0\.\d+ \| 0\.\d+ \| \d[\d.]* \| [\d,]+ \|",
        r"`projective` \| `lidar_only` \| [+-]0\.\d+ \(.* to .*\) \| - \|",
        r"`fpn` \| the neck \| 0\.\d+ \| \d[\d.]* \| [\d,]+ \| 8 \| 0 \|",
        r"`projective` \| 0\.\d+ \|( 0\.\d+; [+-]0\.\d+ .*\|){6}",
    ):
        assert re.search(rf"^\| {pattern}", page, re.M), pattern
    assert "- `magic`, a part of tomorrow: it cannot run: model.fusion: unknown 'magic'" in page

    result["places"]["test"]["scenes"][0] = "another"
    stored.write_bytes(lzma.compress(json.dumps(result).encode()))
    assert programs["collect"](collect) == 2
    assert "were evaluated on other scenes; run" in capfd.readouterr().err


@pytest.mark.slow
def test_the_page_matches_the_results(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """This leaves out the intervals, which take minutes."""
    gc.disable()  # looking at the millions of lists of the results takes longer than reading them
    request.addfinalizer(gc.enable)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    collect = runpy.run_path(str(PROGRAMS / "collect.py"))
    page = (ROOT / "docs" / "ablation.md").read_text()
    table = collect["read_table"]()
    results = collect["read_results"](table, PROGRAMS / "results")
    for section in {each.row.section for each in results.values()}:
        inside = [each for each in results.values() if each.row.section == section]
        columns = collect["columns_of"](table, [(each, "test") for each in inside])
        assert collect["rows_table"](columns, inside) in page
    assert collect["points_table"](results) in page
    assert collect["real_table"](table, results) in page
    assert collect["rows_without_results"](table, results) in page
