"""What `bev-semseg extract` leaves out, warns of and refuses."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from support.bag_changes import (
    as_it_is,
    lost_images,
    truncated,
)
from support.bag_changes import frame as frame_id
from support.broken_bag import COUNT, Entry, on, without

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.dataset import open_dataset

pytestmark = pytest.mark.slow


def counted(said: str, *causes: str) -> int:
    """Return the sum of the counts that a report has for some causes."""
    found = re.findall(r"left out: (\d+) (\w+): ", said)
    return sum(int(count) for count, cause in found if cause in causes)


def test_without_any_pose_nothing_is_written(changed, tmp_path, capsys) -> None:
    bag = changed(without("/tf_static"), calibration=None)
    assert main(["extract", str(bag), "--out", str(tmp_path / "own")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "calibration: none: no file was named" in error and "--calibration" in error
    assert not (tmp_path / "own" / "training").exists()


def test_messages_without_a_frame_are_counted_by_cause(changed, extract) -> None:
    def damage(all_: list[Entry]) -> list[Entry]:
        clouds = [each for each in all_ if each.topic == "/points"]
        images = [each for each in all_ if each.topic == "/image"]
        kept = {
            id(clouds[1]): truncated(clouds[1]),
            id(clouds[3]): replace(clouds[3], message=b"x"),
        }
        kept[id(images[6])] = images[6].stamped(0)
        return [kept.get(id(each), each) for each in all_]

    found = extract(changed(damage), "--interval", "0")
    assert len(found) == COUNT - 3
    assert "1 bad_points: the cloud cannot be decoded" in extract.said
    assert "1 no_stamp_image: the stamp of the message is 0" in extract.said
    assert "/points: 1 messages are left out: damaged" in extract.said
    assert counted(extract.said, "no_image", "unmatched_points") == 1
    assert counted(extract.said, "no_points", "unmatched_image") == 1


@pytest.mark.parametrize(("interval", "expected"), [("0", COUNT - 4), ("1", 1)])
def test_a_frame_needs_every_sensor(interval, expected, changed, extract) -> None:
    assert len(extract(changed(lost_images), "--interval", interval)) == expected
    assert counted(extract.said, "no_image", "unmatched_points") == 4
    assert f"{expected} frames, of {COUNT - 4} matches with all sensors" in extract.said


def test_a_lost_camera_info_costs_no_frame_at_the_end_of_the_bag(changed, extract) -> None:
    """Its image waits for it, as in the node, and then takes the one before."""

    def lose_last(all_: list[Entry]) -> list[Entry]:
        last = [each for each in all_ if each.topic == "/camera_info"][-1]
        return [each for each in all_ if each is not last]

    assert len(extract(changed(lose_last), "--interval", "0")) == COUNT


def test_messages_that_cannot_be_unpacked_are_counted(changed, extract) -> None:
    bag = changed(packed=True)
    (file,) = bag.glob("*.db3")
    with closing(sqlite3.connect(file)) as rows, rows:
        (cloud_id,) = rows.execute("SELECT id FROM messages ORDER BY length(data) DESC").fetchone()
        rows.execute("UPDATE messages SET data = substr(data, 1, 40) WHERE id = ?", [cloud_id])
    assert len(extract(bag, "--interval", "0")) == COUNT - 1
    assert "left out: /points: 1 messages are left out: " in extract.said


def test_clouds_in_another_frame_than_the_calibration_cause_a_warning(changed, extract) -> None:
    extract(changed(on("/points", frame_id("base_link"))))
    assert "warning: the clouds are in frame 'base_link', the calibration is of 'lidar'" in (
        extract.said
    )


def test_a_bag_without_images_gives_clouds(changed, extract, tmp_path) -> None:
    bag = changed(without("/image"), without("/camera_info"))
    found = extract(bag, "--interval", "0")
    assert len(found) == COUNT and not (tmp_path / "own" / "training" / "image_2").exists()
    assert found[0].lidars and not found[0].cameras
    assert "not used: image" in extract.said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--image", "/nope"], "error: image: there is no topic /nope"),
        (["--camera-info", "/points"], "error: camera_info: /points carries"),
        (["--image", "/image"], "error: image: its messages cannot be used; see the faults above"),
    ],
)
def test_a_sensor_that_the_user_asks_for_is_not_left_out(
    options, said, changed, tmp_path, capsys
) -> None:
    no_jpeg = on("/image", lambda each: each.with_message(encoding="32FC1"))
    bag = changed(no_jpeg if "cannot be used" in said else as_it_is)
    assert main(["extract", str(bag), "--out", str(tmp_path / "own"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "own" / "training").exists()


def test_if_no_messages_belong_together_the_error_counts_them(changed, tmp_path, capsys) -> None:
    def hours_apart(each: Entry) -> Entry:
        return each.stamped(each.time + 10**15)

    bag = changed(on("/image", hours_apart), on("/camera_info", hours_apart))
    assert main(["extract", str(bag), "--out", str(tmp_path / "own")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"no frame with all sensors (/points, /image): {COUNT} no_image" in error
    assert not (tmp_path / "own" / "training").exists()


def test_a_folder_with_frames_is_refused_and_left_as_it_is(changed, extract, tmp_path, capsys):
    bag = changed()
    extract(bag)
    label = tmp_path / "own" / "training" / "label_2" / "000000.txt"
    label.parent.mkdir()
    label.write_text("precious")
    assert main(["extract", str(bag), "--out", str(tmp_path / "own")]) == 2
    assert "training exists, and may hold labels" in capsys.readouterr().err
    assert label.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--interval", "-1"], "--interval -1: expected seconds, 0 or more"),
        (["--interval", "nan"], "--interval nan: expected seconds"),
        (["--limit", "0"], "--limit 0: expected at least 1 frame"),
        (["--lidar-height", "20"], "--lidar-height 20: expected metres"),
        (["--points", "=x"], "--points =x: expected NAME=TOPIC"),
    ],
)
def test_wrong_values_are_refused_before_any_work(options, said, tmp_path, capsys) -> None:
    assert main(["extract", "nowhere", "--out", str(tmp_path / "own"), *options]) == 2
    assert said in capsys.readouterr().err


def test_what_was_written_before_an_interruption_can_be_used(changed, tmp_path, monkeypatch):
    from bev_semseg_ros.data.kitti.writer import FrameWriter

    def interrupted(self, frame, name):
        if self.count == 2:
            raise KeyboardInterrupt
        write(self, frame, name)

    write = FrameWriter._write_files
    monkeypatch.setattr(FrameWriter, "_write_files", interrupted)
    out = tmp_path / "own"
    assert main(["extract", str(changed()), "--out", str(out), "--interval", "0"]) == 130
    assert len(open_dataset(out)) == 2
