"""Distortion as drivers and calibration tools write it, in a file and in a camera_info alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from support.paths import ROOT

from bev_semseg_ros.data.calibration import load_calibration, read_distortion

FIVE = [-0.3, 0.1, 0.001, -0.002, 0.05]
FOUR = [-0.04, 0.01, -0.003, 0.002]
EIGHT = [*FIVE, 0.02, -0.01, 0.004]
EXAMPLE = ROOT / "config" / "calibration_example.yaml"


@pytest.mark.parametrize(
    ("name", "given", "model", "taken"),
    [
        pytest.param("plumb_bob", [*FIVE, 0, 0, 0], "plumb_bob", FIVE, id="zeros behind plumb_bob"),
        pytest.param("plumb_bob", EIGHT, "rational_polynomial", EIGHT, id="plumb_bob of 8"),
        pytest.param("plumb_bob", FIVE[:4], "plumb_bob", FIVE[:4], id="plumb_bob of 4"),
        pytest.param("rational_polynomial", FIVE, "plumb_bob", FIVE, id="rational of 5"),
        pytest.param(
            "rational_polynomial", [*EIGHT, 0], "rational_polynomial", EIGHT, id="rational of 9"
        ),
        pytest.param("equidistant", [*FOUR, 0], "equidistant", FOUR, id="equidistant of 5"),
        pytest.param("equidistant", FOUR[:2], "equidistant", [*FOUR[:2], 0, 0], id="of 2"),
        pytest.param("fisheye", FOUR, "equidistant", FOUR, id="fisheye"),
        pytest.param("Kannala Brandt4", FOUR, "equidistant", FOUR, id="as RealSense names it"),
        pytest.param("radtan", FOUR, "plumb_bob", FOUR, id="as Kalibr names it"),
        pytest.param("PLUMB-BOB", FIVE, "plumb_bob", FIVE, id="in other letters"),
        pytest.param("", FIVE, "plumb_bob", FIVE, id="no model and 5"),
        pytest.param("pinhole", EIGHT, "rational_polynomial", EIGHT, id="pinhole and 8"),
        pytest.param("none", [0, 0, 0, 0], "none", [0] * 5, id="none"),
        pytest.param("", [], "none", [0] * 5, id="nothing at all"),
    ],
)
def test_distortion_is_read_under_any_name_and_length_of_its_model(
    name, given, model, taken
) -> None:
    found, coefficients = read_distortion(name, given)
    assert found == model
    np.testing.assert_array_equal(coefficients, taken)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("double_sphere", FOUR, "unknown distortion model 'double_sphere', expected .*fisheye"),
        ("equidistant", FIVE, "equidistant with 5 coefficients, expected 4"),
        ("plumb_bob", FIVE[:3], "plumb_bob with 3 coefficients"),
        ("plumb_bob", [0.1] * 15, "plumb_bob with 15 coefficients"),
        ("none", FIVE, "'none' and D is not zero: name the model of D, .*or set D to zeros"),
        ("", FOUR, "4 coefficients and no distortion model, which may be plumb_bob or equidistant"),
    ],
)
def test_unknown_or_ambiguous_distortion_is_refused(name, given, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_distortion(name, given)


@pytest.mark.parametrize("zeros", [3, 7])
def test_trailing_zeros_do_not_change_the_distortion(zeros: int) -> None:
    """OpenCV reads the longer list as a rational polynomial; the pixels must be the same."""
    matrix = np.array([[500.0, 0, 320], [0, 510, 200], [0, 0, 1]])
    padded = np.array([*FIVE, *[0.0] * zeros])
    _, coefficients = read_distortion("plumb_bob", padded)
    places = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (50, 3))
    expected, _ = cv2.projectPoints(places, np.zeros(3), np.zeros(3), matrix, padded)
    found, _ = cv2.projectPoints(places, np.zeros(3), np.zeros(3), matrix, coefficients)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "given", "model"),
    [("fisheye", [*FOUR, 0], "equidistant"), ("plumb_bob", [*FIVE, 0, 0, 0], "plumb_bob")],
)
def test_a_calibration_file_may_name_the_distortion_model_as_a_driver_does(
    tmp_path: Path, name: str, given: list[float], model: str
) -> None:
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["camera"] |= {"distortion_model": name, "distortion": given}
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree))
    camera = load_calibration(tmp_path / "rig.yaml").known_camera
    assert camera.distortion_model == model
    np.testing.assert_array_equal(camera.distortion, given[: len(camera.distortion)])
