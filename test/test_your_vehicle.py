"""docs/your_vehicle.md, followed word for word with smaller numbers."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from support.broken_bag import good_bag
from support.paths import ROOT

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import Beams, load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import LIDAR
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS
from bev_semseg_ros.sim.rigs.lidar_models import MODELS

PAGE = (ROOT / "docs" / "your_vehicle.md").read_text()
FILES = dict(re.findall(r"^```yaml file=(\S+)\n(.*?)^```$", PAGE, re.M | re.S))
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)).splitlines()
# Arguments on the page -> arguments that are quick enough for a test.
SMALLER = {
    "--scenes 600": "--scenes 3 --image-size 160x96",
    "--scenes 150": "--scenes 1 --image-size 160x96",
    "training.max_steps=200": "training.max_steps=1 training.batch_size=2 training.crop=[128,64] "
    "image.max_pixels=20000 image.max_width=192",
}


def command(name: str) -> list[str]:
    """Return the arguments of the only command with a name, with smaller numbers.

    Args:
        name: Beginning of the command after "bev-semseg" or "python".
    """
    (line,) = [each for each in COMMANDS if re.match(rf"(bev-semseg|python) {name}\b", each)]
    for page, test in SMALLER.items():
        line = line.replace(page, test)
    return shlex.split(line)[1:]


def test_every_command_of_the_page_is_run() -> None:
    names = [
        "doctor",
        "synth train_set",
        "synth test_set",
        "train",
        "benchmarks/rigs",
        "export",
        "node",
    ]
    assert [command(name)[0] for name in names] == [shlex.split(line)[1] for line in COMMANDS]
    assert all(any(page in line for line in COMMANDS) for page in SMALLER)


def test_the_page_names_every_lidar_model() -> None:
    (rows,) = re.findall(r"\| maker \| models \|\n.*\n((?: +\|.*\n)+)", PAGE)
    names = [row.split("|")[2] for row in rows.splitlines()]
    assert [name.strip() for name in ",".join(names).split(",")] == list(MODELS)


def test_the_example_beams_of_the_page_are_valid(tmp_path: Path) -> None:
    (numbers,) = re.findall(r"^ +(beams: \{elevations.*\})$", PAGE, re.M)
    text = re.sub(r"beams: .*", numbers, FILES["calibration.yaml"])
    (tmp_path / "calibration.yaml").write_text(text)
    beams = load_calibration(tmp_path / "calibration.yaml").lidars[LIDAR].beams
    assert beams == Beams("", (-15, -13, -11), 0.2, (-60, 60), 100)


@pytest.mark.slow
def test_the_page_leads_from_the_file_to_weights(
    kernels: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # more workers would take longer
    for name in ("config", "weights", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for name in ("synth train_set", "synth test_set", "train"):
        assert main(command(name)) == 0
    assert [len(open_dataset(name)) for name in ("train_set", "test_set")] == [3, 1]
    monkeypatch.setattr(sys, "argv", command("benchmarks/rigs"))
    runpy.run_path(sys.argv[0], run_name="__main__")
    assert "vehicle" in capsys.readouterr().out
    assert json.loads(Path("runs/vehicle/scores.json").read_text())
    assert main(command("export")) == 0
    assert Predictor.load("vehicle.pt", device="cpu").config.image.max_width == 192
    parameters = dict(each.split(":=") for each in command("node") if ":=" in each)
    assert parameters.keys() <= SPECIFICATIONS.keys()
    assert all(Path(file).is_file() for file in parameters.values())


@pytest.mark.slow
def test_the_doctor_writes_the_beams_of_a_bag_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good_bag(tmp_path / "YOUR_BAG")
    (tmp_path / "calibration.yaml").write_text(FILES["calibration.yaml"])
    assert main([*command("doctor"), "--no-speed"]) in (0, 1)  # the bag is of another vehicle
    beams = load_calibration(tmp_path / "calibration.yaml").lidars[LIDAR].beams
    assert beams is not None and len(beams.elevations) == 64
