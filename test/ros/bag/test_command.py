"""The command `bev-semseg bag`."""

from __future__ import annotations

import pytest
from support import tiny_data
from support.bag_content import read

from bev_semseg_ros.cli.main import main

pytestmark = pytest.mark.slow


def run(*arguments: str) -> int:
    return main(["bag", *arguments])


def test_command_writes_the_first_frames_and_says_where_the_calibration_is(drive, tmp_path, capsys):
    assert (
        run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag"), "--limit", "2") == 0
    )
    assert len(read(tmp_path / "bag")["/image"]) == 2
    assert str(tmp_path / "bag" / "calibration.yaml") in capsys.readouterr().out


def test_command_says_that_frames_are_unrelated(tmp_path, capsys):
    for name in ("000001", "000002"):
        tiny_data.write_kitti_frame(tmp_path / "data", name)
    run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag"))
    assert "is stamped 0.5 s after it" in capsys.readouterr().out


def test_command_does_not_overwrite(drive, tmp_path, capsys):
    (tmp_path / "bag").mkdir()
    assert run("--data", str(tmp_path / "data"), "--out", str(tmp_path / "bag")) != 0
    assert f"{tmp_path / 'bag'} exists" in capsys.readouterr().err
    assert list((tmp_path / "bag").iterdir()) == []


def test_command_refuses_a_folder_without_a_known_data_set(tmp_path, capsys):
    assert run("--data", str(tmp_path), "--out", str(tmp_path / "bag")) != 0
    assert "looked for" in capsys.readouterr().err
