"""docs/python_api.md: its code runs as it stands."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.memory_dataset import TinyDataset
from support.paths import ROOT
from support.tiny_data import write_kitti_drive

import bev_semseg_ros

PAGE = (ROOT / "docs" / "python_api.md").read_text()
BLOCKS = re.findall(r"^```python(?: file=(\S+))?\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_api_is_what_the_page_names() -> None:
    named = re.findall(r"`(?:from bev_semseg_ros import )?([\w, ]+)`", PAGE.split("## ")[0])
    names = {name.strip() for text in named for name in text.split(",")}
    assert names == set(bev_semseg_ros.__all__)
    assert all(getattr(bev_semseg_ros, name) is not None for name in names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Predictr"):
        _ = bev_semseg_ros.Predictr


def test_importing_the_package_loads_no_torch() -> None:
    code = (
        "import sys; from bev_semseg_ros import open_dataset, Frame; print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "False", result.stderr


@pytest.mark.slow
def test_the_examples_predict_on_arrays_and_on_a_data_set(tmp_path: Path) -> None:
    frame, _ = TinyDataset()[0]
    assert frame.camera is not None
    names = {
        "points": frame.points,
        "image": frame.image,
        "K": frame.camera.matrix,
        "width": frame.camera.size[0],
        "height": frame.camera.size[1],
        "ego_from_lidar": np.eye(4),
        "camera_from_ego": frame.camera.camera_from_ego,
    }
    (_, predict), (_, with_a_rig), (_, on_the_way), (_, over_a_data_set), _ = BLOCKS
    assert len(predict.strip().splitlines()) <= 6
    exec(predict, names)
    assert names["prediction"].boxes is not None and names["prediction"].mask.ndim == 2
    names["left_image"], names["left_camera"] = names["image"], names["camera"]
    exec(with_a_rig, names)
    assert names["prediction"].masks["left"].shape == names["prediction"].masks["front"].shape
    exec(on_the_way, names)
    assert names["frame"].motion is not None and names["prediction"].boxes is not None
    write_kitti_drive(tmp_path, 2)
    exec(over_a_data_set.replace('"DATA"', repr(str(tmp_path))), names)


@pytest.mark.slow
def test_the_training_script_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ((name, text),) = [block for block in BLOCKS if block[0]]
    assert len(text.splitlines()) <= 50
    (tmp_path / name).write_text(text)
    write_kitti_drive(tmp_path / "data", 4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "data"])
    runpy.run_path(name, run_name="__main__")  # in this process, which has torch loaded
    assert "boxes in the first frame" in capsys.readouterr().out
    assert (tmp_path / "my_network.pt").is_file()
