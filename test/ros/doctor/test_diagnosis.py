"""The output of the doctor: a table, JSON, parameters, an exit status and the node's command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.bag_changes import TENTH, Change, as_it_is, in_a_map, shifted
from support.bag_faults import BROKEN, FIXABLE, HIGH
from support.broken_bag import COUNT, Entry, on, without, write
from support.paths import WEIGHTS

from bev_semseg_ros.cli import main as cli
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.parameters.parameters import Parameters

pytestmark = pytest.mark.slow


def main(arguments: list[str]) -> int:
    """Run the doctor without the speed check, which takes seconds."""
    return cli.main([*arguments, "--no-speed"])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("no camera_info", {"intrinsics": "calibration"}),
        ("unknown distortion", {"intrinsics": "calibration"}),
        ("no cloud", {"mode": "camera_only"}),
        ("TF in two trees", {"mode": "lidar_only", "base_frame": "ego"}),
        ("image unlike K", {"mode": "lidar_only"}),
        ("rate too low", {"marker_lifetime": 2.1}),
        ("images 0.3 s late", {"max_wait": 0.45}),
        ("TAI against UTC", {"image_offset": 37.0}),
        ("clocks apart at 1.4 Hz", {"image_offset": -0.3, "marker_lifetime": 2.1}),
        ("stamps since boot", {}),
        ("triggered in turns", {"slop": 0.36, "max_wait": 0.45, "marker_lifetime": 2.1}),
        ("no intensity", {"intensity_field": ""}),
    ],
)
def test_the_parameters_suit_the_input(
    name: str, parameters: dict, content: list[Entry], tmp_path: Path
) -> None:
    spoil, calibration, *_ = BROKEN[name]
    bag = write(tmp_path / "bag", spoil(content), calibration)
    main(["doctor", str(bag), "--params", str(tmp_path / "params.yaml")])
    written = yaml.safe_load((tmp_path / "params.yaml").read_text())["/**"]["ros__parameters"]
    assert load_calibration(written.pop("calibration")) and written == parameters


@pytest.mark.parametrize("name", BROKEN)
def test_the_node_takes_every_parameter_that_is_written(
    name: str, content: list[Entry], tmp_path: Path
) -> None:
    spoil, calibration, *_ = BROKEN[name]
    main(
        [
            "doctor",
            str(write(tmp_path / "bag", spoil(content), calibration)),
            "--params",
            str(tmp_path / "p.yaml"),
        ]
    )
    written = yaml.safe_load((tmp_path / "p.yaml").read_text())["/**"]["ros__parameters"]
    Parameters(**written)
    # `test/system/test_doctor_remedies.py` tries the parameters of FIXABLE with a node.
    assert bool(written.keys() - {"calibration", "base_frame"}) == (name in FIXABLE), written


@pytest.mark.parametrize(("spoil", "name"), [(as_it_is, "ego"), (in_a_map(True), "bev_ego")])
def test_the_ego_frame_of_a_calibration_from_tf_has_a_name_that_tf_does_not_use(
    spoil: Change, name: str, content: list[Entry], tmp_path: Path
) -> None:
    bag = write(tmp_path / "bag", spoil(content), None)
    main(["doctor", str(bag), "--params", str(tmp_path / "p.yaml")])
    written = yaml.safe_load((tmp_path / "p.yaml").read_text())["/**"]["ros__parameters"]
    assert written["base_frame"] == name


def test_a_number_out_of_range_is_clamped_and_an_unknown_choice_is_refused() -> None:
    diagnosis = Diagnosis("input")
    assert diagnosis.set_parameter("slop", 60.0) == diagnosis.parameters["slop"] == 10.0
    with pytest.raises(ValueError, match="mode: 'both'"):
        diagnosis.set_parameter("mode", "both")


def test_the_exit_status_says_whether_there_are_faults(
    bag: Path, content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["doctor", str(bag)]) == 0
    assert main(["doctor", str(write(tmp_path / "bag", without("/points")(content)))]) == 1
    assert "1 fault, 0 warnings" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_the_command_is_shown_only_if_it_can_start_the_node(
    content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A calibration from TF is in no file until --params writes one: no command can name it."""
    bag, bare = (
        write(tmp_path / "bag", content, None),
        write(tmp_path / "bare", without("/tf_static")(content), None),
    )
    main(["doctor", str(bag)])
    shown = capsys.readouterr().out
    assert (
        "bev-semseg node" not in shown
        and "run this again with --params FILE.yaml: the calibration from TF" in shown
    )
    main(["doctor", str(bag), "--params", str(tmp_path / "p.yaml")])
    assert (
        f"bev-semseg node --ros-args --params-file {tmp_path / 'p.yaml'} -r"
        in capsys.readouterr().out
    )
    assert (tmp_path / "p_calibration.yaml").is_file()
    main(["doctor", str(bare)])
    shown = capsys.readouterr().out
    assert "once there is a calibration:" in shown and "calibration:=CALIBRATION.yaml" in shown
    assert "mode:=" not in shown  # the calibration may well contain the camera


def test_the_table_begins_with_the_worst_and_is_aligned(
    content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    main(["doctor", str(write(tmp_path / "bag", on("/image", shifted(30 * TENTH))(content), HIGH))])
    rows = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(("ok ", "warning ", "fault "))
    ]
    levels = [row.split()[0] for row in rows]
    assert (
        levels == sorted(levels, key=["fault", "warning", "ok"].index)
        and levels.count("fault") == 2
    )
    column = rows[0].index("images are stamped")
    assert all(row[column - 1] == " " and row[column] != " " for row in rows)


def test_json_holds_the_same_findings_and_the_numbers(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    main(["doctor", str(bag), "--json", str(tmp_path / "out.json")])
    written, shown = json.loads((tmp_path / "out.json").read_text()), capsys.readouterr().out
    found = diagnose(read_bag(bag, {}), WEIGHTS).findings
    assert {finding["item"] for finding in written["findings"]} == {each.item for each in found}
    assert all(
        " ".join(finding["text"].split()) in " ".join(shown.split())
        for finding in written["findings"]
    )
    assert written["statistics"]["points"]["rate"] == pytest.approx(10)
    assert sum(count for _, _, count in written["statistics"]["sync"]["histogram"]) == COUNT
