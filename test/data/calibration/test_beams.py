"""The beams of a lidar in a calibration file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.paths import ROOT

from bev_semseg_ros.data.calibration import (
    Beams,
    load_calibration,
    read_beams,
    save_calibration,
    write_beams,
)
from bev_semseg_ros.frame import LIDAR

EXAMPLE = ROOT / "config" / "calibration_example.yaml"
RIG_EXAMPLE = ROOT / "config" / "calibration_rig_example.yaml"
MEASURED = Beams("", (-3.0, -1.25, 0.5), 0.2, (-60.0, 60.0), 90.0)


def test_the_examples_name_the_models_of_their_lidars():
    assert load_calibration(EXAMPLE).lidars[LIDAR].beams == Beams("HDL-64E")
    lidars = load_calibration(RIG_EXAMPLE).lidars
    assert [mount.beams for mount in lidars.values()] == [Beams("OS1-64"), Beams("VLP-16")]


@pytest.mark.parametrize("beams", [MEASURED, Beams("VLP-16"), Beams("OS1-64", azimuth_step=0.18)])
def test_beams_round_trip(beams, tmp_path):
    written = load_calibration(EXAMPLE).with_beams({LIDAR: beams})
    save_calibration(written, tmp_path / "rig.yaml")
    assert load_calibration(tmp_path / "rig.yaml").lidars[LIDAR].beams == beams


def test_a_file_without_beams_is_read_and_written_without_them(tmp_path):
    tree = yaml.safe_load(EXAMPLE.read_text())
    del tree["lidar"]["beams"]
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree))
    read = load_calibration(tmp_path / "rig.yaml")
    assert read.lidars[LIDAR].beams is None
    save_calibration(read, tmp_path / "again.yaml")
    assert "beams" not in (tmp_path / "again.yaml").read_text()


@pytest.mark.parametrize(
    ("beams", "message"),
    [
        ("VLP-16", r"beams: expected a mapping such as \{model: VLP-16\}.*got 'VLP-16'"),
        ({}, "beams: expected a mapping"),
        ({"modell": "VLP-16"}, "beams: unknown key modell; known: model, elevations"),
        ({"model": 16}, "beams.model: expected the name of a lidar, got 16"),
        ({"elevations": 3}, "beams.elevations: expected a list of 1 to 1024 angles, got 3"),
        ({"elevations": []}, "beams.elevations: expected a list"),
        ({"elevations": [1, "up"]}, "beams.elevations: expected numbers"),
        ({"elevations": [0, 91]}, "beams.elevations: expected degrees from -90 to 90"),
        ({"azimuth_step": 0}, "beams.azimuth_step: expected 0.01 to 10 degrees, got 0"),
        ({"max_range": "100 m"}, "beams.max_range: expected a number, got '100 m'"),
        ({"max_range": 0.12}, "beams.max_range: expected 1 to 1000 metres, got 0.12"),
        ({"azimuth_step": [0.2]}, "beams.azimuth_step: expected shape"),
        ({"max_range": float("nan")}, "beams.max_range: expected finite"),
        ({"azimuths": [60, -60]}, "beams.azimuths: expected the first and the last angle"),
        ({"azimuths": [0, 400]}, "beams.azimuths: expected the first and the last angle"),
        (
            {"elevations": np.radians(np.linspace(-15, 15, 16)).tolist()},
            "beams.elevations: 16 beams within 0.26 degrees .* radians; give degrees",
        ),
        ({"azimuths": [-1.05, 1.05]}, "beams.azimuths: a sweep of 2.1 degrees: .* radians; give"),
        ({"azimuths": [-3.1416, 3.1416]}, "beams.azimuths: a sweep of 6.28 degrees: .* radians"),
        ({"azimuth_step": 0.0035}, "beams.azimuth_step: expected 0.01 to 10 degrees, got 0.0035"),
    ],
)
def test_the_error_for_wrong_beams_names_file_and_setting(beams, message, tmp_path):
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["lidar"]["beams"] = beams
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match=rf"rig.yaml: lidar\.{message}"):
        load_calibration(tmp_path / "rig.yaml")


def test_a_lidar_with_few_narrow_layers_is_accepted():
    elevations = (-1.2, -0.4, 0.4, 1.2)  # as of a scanner with four layers
    assert read_beams({"elevations": list(elevations)}, "").elevations == elevations


def without_beams(text: str) -> str:
    return re.sub(r"^ *beams:.*\n", "", text, flags=re.M)


def comments(text: str) -> list[str]:
    return re.findall(r"#.*", text)


@pytest.mark.parametrize(
    ("example", "names"),
    [(EXAMPLE, [LIDAR]), (RIG_EXAMPLE, ["rear"]), (RIG_EXAMPLE, ["roof", "rear"])],
)
@pytest.mark.parametrize("has_beams", [True, False])
def test_writing_beams_leaves_the_rest_of_the_file_unchanged(example, names, has_beams, tmp_path):
    path = tmp_path / "rig.yaml"
    text = example.read_text() if has_beams else without_beams(example.read_text())
    path.write_text(text)
    before = load_calibration(path)
    long = Beams(elevations=tuple(index / 4 for index in range(-60, 20)), azimuth_step=0.1)
    write_beams(path, dict.fromkeys(names, long))
    after = load_calibration(path)
    for name, mount in before.lidars.items():
        assert after.lidars[name].beams == (long if name in names else mount.beams)
    assert comments(path.read_text()) == comments(text)
    assert max(map(len, path.read_text().splitlines())) < 120
    others = [line for line in without_beams(text).splitlines() if "beams" not in line]
    assert [line for line in others if line not in path.read_text()] == []


@pytest.mark.parametrize(
    "old",
    [
        "",
        "    beams: {model: VLP-16}  # ours\n",
        "    beams:\n      model: VLP-16\n      # farther\n",
    ],
)
def test_beams_are_written_into_sections_of_any_style(old, tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(
        "lidars:\n  roof: {frame_id: roof, ego_from_lidar: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, "
        "1.9], [0, 0, 0, 1]]}\n  rear:\n    frame_id: rear\n"
        f"{old}    ego_from_lidar: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]\n"
    )
    write_beams(path, {"roof": MEASURED, "rear": MEASURED})
    assert [mount.beams for mount in load_calibration(path).lidars.values()] == [MEASURED] * 2


@pytest.mark.parametrize(
    ("name", "lidar", "message"),
    [
        ("rig.yaml", "roof", "rig.yaml: no lidar 'roof' in it"),
        ("calib.txt", LIDAR, "calib.txt: only"),
    ],
)
def test_a_file_that_cannot_hold_the_beams_is_left_unchanged(name, lidar, message, tmp_path: Path):
    path = tmp_path / name
    path.write_text(EXAMPLE.read_text())
    with pytest.raises(ValueError, match=message):
        write_beams(path, {lidar: MEASURED})
    assert path.read_text() == EXAMPLE.read_text()
