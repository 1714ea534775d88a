"""Run `bev-semseg extract` on small bags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.bag_changes import Change
from support.broken_bag import CALIBRATION, Entry, entries, good_bag
from support.broken_bag import write as write_entries

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Frame


@pytest.fixture(scope="package")
def content(tmp_path_factory) -> list[Entry]:
    """Return the messages of a good bag."""
    return entries(good_bag(tmp_path_factory.mktemp("good") / "bag"))


@pytest.fixture
def extract(tmp_path, capsys) -> Callable[..., list[Frame]]:
    """Return extract(bag, *options), which runs the command and returns the frames that it wrote.

    Its attribute `said` is the report of the last call.
    """

    def run(bag: Path, *options: str) -> list[Frame]:
        status = main(["extract", str(bag), "--out", str(tmp_path / "own"), *options])
        captured = capsys.readouterr()
        run.said = captured.out
        assert status == 0, captured.err
        dataset = open_dataset(tmp_path / "own", cameras="all")
        return [dataset[index][0] for index in range(len(dataset))]

    return run


@pytest.fixture
def changed(content, tmp_path) -> Callable[..., Path]:
    """Return changed(*changes), which writes the good bag with changes."""

    def write(*changes: Change, calibration=CALIBRATION, packed: bool = False) -> Path:
        messages = content
        for change in changes:
            messages = change(messages)
        return write_entries(tmp_path / "drive", messages, calibration, packed)

    return write
