"""Run `bev-semseg check-data` on small data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.memory_dataset import TINY
from support.street_data import write_street

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.config import ImageConfig
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import build_network


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint without statistics of its training data."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pt"
    config = replace(TINY, image=ImageConfig(max_pixels=64 * 32))  # images as small as the street's
    checkpoint.save(path, build_network(config), config, {})
    return path


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Return a data set of four frames without faults."""
    write_street(tmp_path / "street")
    return tmp_path / "street"


@pytest.fixture
def check(tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return check(path, *options), which returns the exit status and the JSON report."""

    def run(path: Path, *options: str) -> tuple[int, dict[str, Any]]:
        out = tmp_path / "out" / "report.json"
        arguments = ["check-data", str(path), "--checkpoint", str(tiny_checkpoint)]
        status = main([*arguments, "--json", str(out), *options])
        return status, json.loads(out.read_text())

    return run
