"""The doctor on bags: a good one passes, and each way to break it is named with what to do."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.bag_changes import (
    TENTH,
    cloud,
    compressed,
    in_a_map,
    late,
    scale_intensity,
    shifted,
)
from support.bag_faults import BROKEN, HIGH
from support.broken_bag import (
    CALIBRATION,
    COUNT,
    STORE,
    Entry,
    entries,
    good_bag,
    on,
    without,
    write,
)
from support.paths import ROOT

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.preprocessing import prepare_points
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.node.parameters import Parameters

pytestmark = pytest.mark.slow

WEIGHTS = ROOT / "weights" / "bev_semseg.pt"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_bag(tmp_path_factory.mktemp("good") / "bag")


@pytest.fixture(scope="module")
def content(bag: Path) -> list[Entry]:
    return entries(bag)


def findings(path: Path, **asked: str) -> dict[str, Finding]:
    return {finding.item: finding for finding in diagnose(read_bag(path, asked), WEIGHTS).findings}


def test_a_good_bag_has_no_findings(bag: Path) -> None:
    found = findings(bag)
    assert [str(finding) for finding in found.values() if finding.level != "ok"] == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named_with_what_to_do(
    name: str, content: list[Entry], tmp_path: Path
) -> None:
    spoil, calibration, item, level, said = BROKEN[name]
    finding = findings(write(tmp_path / "bag", spoil(content), calibration))[item]
    assert finding.level == level and re.search(said, str(finding), re.DOTALL), str(finding)
    assert finding.remedy


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("no camera_info", {"intrinsics": "calibration"}),
        ("unknown distortion", {"intrinsics": "calibration"}),
        ("no cloud", {"mode": "camera_only"}),
        ("TF in two trees", {"mode": "lidar_only"}),
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
    Parameters(**yaml.safe_load((tmp_path / "p.yaml").read_text())["/**"]["ros__parameters"])


def test_a_parameter_that_the_node_would_refuse_is_bounded_and_returned() -> None:
    diagnosis = Diagnosis("input")
    assert diagnosis.set_parameter("slop", 60.0) == diagnosis.parameters["slop"] == 10.0
    with pytest.raises(ValueError, match="mode: 'both'"):
        diagnosis.set_parameter("mode", "both")


def test_images_that_come_late_within_max_wait_are_ok(content: list[Entry], tmp_path: Path) -> None:
    """A camera takes a while to deliver: its stamps are right, and an offset would spoil them."""
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", late(170_000_000)(content)), {}), WEIGHTS)
    assert [str(finding) for finding in diagnosis.findings if finding.level != "ok"] == []
    assert diagnosis.parameters == {}
    wait = next(finding for finding in diagnosis.findings if finding.item == "wait")
    assert "the image comes 0.17 s after its cloud" in wait.text


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (255, "scales it by 1/255"),
        (60000, "scales it by 1/65535"),
        (3000, "scales it by 1/65535"),
        (0.1, "up to 0."),
    ],
)
def test_whatever_the_intensity_counts_to_it_is_the_training_s_afterwards(
    largest: float, said: str, content: list[Entry], tmp_path: Path
) -> None:
    """With the parameter that was found, if one was needed; the node's own rules judge."""
    observation = read_bag(
        write(
            tmp_path / "bag",
            on("/points", lambda entry: cloud(entry, scale_intensity(largest)))(content),
        ),
        {},
    )
    diagnosis = diagnose(observation, WEIGHTS)
    assert any(
        said in finding.text for finding in diagnosis.findings if finding.item == "intensity field"
    )
    trained = checkpoint.load(WEIGHTS)
    statistics, intensity = InputStatistics(), IntensityScale()
    for message in observation.streams["points"].samples:
        points = intensity.decode(
            message, "intensity", diagnosis.parameters.get("intensity_scale", 0.0)
        )
        statistics.add_points(
            prepare_points(points, CALIBRATION.ego_from_lidar, trained.config.grid),
            CALIBRATION.ego_from_lidar,
        )
    found = compare(statistics.summary(), trained.info)
    (finding,) = (each for each in found if each.item == "intensity")
    assert finding.level == "ok", finding


def test_one_odd_point_is_no_fault_of_the_intensity(content: list[Entry], tmp_path: Path) -> None:
    def odd(points: np.ndarray) -> None:
        scale_intensity(255)(points)
        points[len(points) // 2, 3] = 1e6

    bag = write(tmp_path / "bag", on("/points", lambda entry: cloud(entry, odd))(content))
    diagnosis = diagnose(read_bag(bag, {}), WEIGHTS)
    assert (
        diagnosis.count("fault") == diagnosis.count("warning") == 0 and diagnosis.parameters == {}
    )


def test_compressed_images_are_looked_at_and_asked_for(
    content: list[Entry], tmp_path: Path
) -> None:
    found = diagnose(read_bag(write(tmp_path / "bag", compressed(content)), {}), WEIGHTS)
    assert found.count("fault") == found.count("warning") == 0
    assert (
        found.parameters == {"image_transport": "compressed"} and found.topics["image"] == "/image"
    )


def test_an_image_that_is_rectified_already_is_known_by_its_topic(
    content: list[Entry], tmp_path: Path
) -> None:
    renamed = [
        replace(entry, topic="/image_rect") if entry.topic == "/image" else entry
        for entry in content
    ]
    spoiled = on(
        "/camera_info", lambda entry: entry.with_message(d=np.array([-0.3, 0.1, 0, 0, 0]))
    )(renamed)
    found = findings(write(tmp_path / "bag", spoiled))
    assert found["distortion"].text == "none: the image is rectified already"


def test_tf_gives_the_calibration_where_no_file_does(content: list[Entry], tmp_path: Path) -> None:
    found = diagnose(read_bag(write(tmp_path / "bag", content, None), {}), WEIGHTS)
    assert found.count("fault") == 0 and found.calibration_file is None
    calibration = found.calibration
    np.testing.assert_allclose(calibration.ego_from_lidar, CALIBRATION.ego_from_lidar, atol=0.05)
    np.testing.assert_allclose(
        calibration.camera.camera_from_ego, CALIBRATION.camera.camera_from_ego, atol=0.05
    )


def test_the_axes_of_a_map_are_not_taken_for_the_vehicle_s(
    content: list[Entry], tmp_path: Path
) -> None:
    """The vehicle is what the lidar is mounted on by static transforms.

    Where all transforms move, the vehicle must be named.
    """
    fixed = read_bag(write(tmp_path / "fixed", in_a_map(is_static=True)(content), None), {})
    moving = read_bag(write(tmp_path / "moving", in_a_map(is_static=False)(content), None), {})
    assert diagnose(moving, WEIGHTS).calibration is None
    for observation, base_frame in ((fixed, ""), (moving, "ego"), (moving, "/ego")):
        diagnosis = diagnose(observation, WEIGHTS, base_frame=base_frame)
        np.testing.assert_allclose(
            diagnosis.calibration.ego_from_lidar, CALIBRATION.ego_from_lidar, atol=0.05
        )
        assert any("in the axes of 'ego'" in finding.text for finding in diagnosis.findings)
    unknown = diagnose(moving, WEIGHTS, base_frame="truck")
    assert unknown.calibration is None and any(
        "connect 'lidar' to 'truck'" in each.text for each in unknown.findings
    )


def test_without_any_calibration_the_rest_is_still_checked(
    content: list[Entry], tmp_path: Path
) -> None:
    found = findings(write(tmp_path / "bag", without("/tf_static")(content), None))
    assert (
        "about 1.7" in found["ground height"].text
        and found["beams"].level == found["focal length"].level == "ok"
    )


def test_of_several_lidars_the_one_with_most_messages_is_looked_at(
    content: list[Entry], tmp_path: Path
) -> None:
    rear = [replace(entry, topic="/rear") for entry in content if entry.topic == "/points"][:3]
    finding = findings(write(tmp_path / "bag", content + rear))["topic points"]
    assert finding.level == "ok" and finding.text.startswith("/points: 8 messages")
    assert "/rear (3 messages)" in finding.text


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("/image", "carries sensor_msgs/msg/Image, expected"),
        ("/nowhere", "there is no topic /nowhere; there is /points"),
    ],
)
def test_a_topic_that_was_named_wrongly_is_a_fault(topic: str, said: str, bag: Path) -> None:
    finding = findings(bag, points=topic)["topic points"]
    assert finding.level == "fault" and said in finding.text


def test_an_older_checkpoint_leaves_what_it_does_not_know_unknown(
    bag: Path, tmp_path: Path
) -> None:
    trained = checkpoint.load(WEIGHTS)
    checkpoint.save(tmp_path / "old.pt", trained.build(), trained.config, {"seed": 1})
    found = diagnose(read_bag(bag, {}), tmp_path / "old.pt")
    assert found.count("fault") == found.count("warning") == 0
    assert "unknown for the training data" in next(
        finding.text for finding in found.findings if finding.item == "beams"
    )


def test_after_the_first_minute_only_static_transforms_are_read(
    content: list[Entry], tmp_path: Path
) -> None:
    """Damage after the first minute goes unnoticed, but for the message that ends the minute."""
    hour = 3600 * 10 * TENTH
    (static,) = (entry for entry in content if entry.topic == "/tf_static")
    later = [replace(entry, time=entry.time + hour) for entry in content if entry is not static]
    path = write(
        tmp_path / "bag",
        without("/tf_static")(content) + later + [replace(static, time=static.time + hour)],
        None,
        packed=True,
    )
    with sqlite3.connect(next(path.glob("*.db3"))) as database:
        damaged = database.execute(
            "UPDATE messages SET data = x'00' WHERE timestamp > ? AND topic_id != (SELECT id "
            "FROM topics WHERE name = '/tf_static')",
            (later[0].time,),
        )
        assert damaged.rowcount == len(later) - 3  # of one moment
    database.close()
    observation = read_bag(path, {})
    assert {len(stream) for stream in observation.streams.values()} == {
        COUNT
    } and observation.seconds < 1
    assert observation.transforms.frames == {"base_link", "lidar", "camera"}


@pytest.mark.parametrize("seed", range(8))
def test_damaged_messages_are_counted_and_nothing_ends(
    seed: int, content: list[Entry], tmp_path: Path
) -> None:
    """Cut off, or with other bytes where the header and the fields are."""
    rng = np.random.default_rng(seed)

    def damaged(entry: Entry) -> Entry:
        data = bytearray(STORE.serialize_cdr(entry.message, entry.kind))
        start = int(rng.integers(4, min(len(data), 300)))
        if rng.random() < 0.5:
            del data[start:]
        data[start : start + 8] = rng.bytes(8)
        return replace(entry, message=bytes(data))

    diagnosis = diagnose(
        read_bag(write(tmp_path / "bag", [damaged(entry) for entry in content]), {}), WEIGHTS
    )
    assert diagnosis.count("fault") and json.loads(diagnosis.as_json())["findings"]


# --- the command


def test_the_exit_status_says_whether_something_must_be_mended(
    bag: Path, content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["doctor", str(bag)]) == 0
    assert main(["doctor", str(write(tmp_path / "bag", without("/points")(content)))]) == 1
    assert "1 fault, 0 warnings" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_command_is_told_only_where_it_can_start_the_node(
    content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The calibration from TF is in no file until one is written, so no command can name it."""
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
    assert "mode:=" not in shown  # it may well place the camera


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
    assert {finding["item"] for finding in written["findings"]} == set(findings(bag))
    assert all(
        " ".join(finding["text"].split()) in " ".join(shown.split())
        for finding in written["findings"]
    )
    assert written["statistics"]["points"]["rate"] == pytest.approx(10)
    assert sum(count for _, _, count in written["statistics"]["sync"]["histogram"]) == COUNT


# --- real drives


@pytest.mark.parametrize(
    ("name", "warnings"),
    [("kitti_raw", set()), ("a2d2", {"rate points", "rate image", "rate camera_info", "sync"})],
)
def test_a_real_drive_has_no_fault(
    name: str, warnings: set[str], real_data: Path, tmp_path: Path
) -> None:
    """A2D2's frames do not follow each other, and two of them have no image: a slow, uneven bag."""
    write_bag(open_dataset(real_data / name), tmp_path / "bag")
    assert {
        item for item, finding in findings(tmp_path / "bag").items() if finding.level == "warning"
    } == warnings
    assert not any(finding.level == "fault" for finding in findings(tmp_path / "bag").values())
