"""What the doctor reads from a bag."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.bag_changes import TENTH
from support.broken_bag import COUNT, STORE, Entry, without, write
from support.paths import WEIGHTS

from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose

pytestmark = pytest.mark.slow


def test_after_the_first_minute_only_static_transforms_are_read(
    content: list[Entry], tmp_path: Path
) -> None:
    """Damage after the first minute goes unnoticed, except in the message that ends the reading."""
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
        assert damaged.rowcount == len(later) - 3  # those of the moment that ends the reading
    database.close()
    observation = read_bag(path, {})
    assert {len(stream) for stream in observation.streams.values()} == {
        COUNT
    } and observation.seconds < 1
    assert observation.transforms.frames == {"base_link", "lidar", "camera"}


def test_a_sensor_that_begins_after_the_first_minute_is_not_called_missing(
    content: list[Entry], tmp_path: Path
) -> None:
    """As if the vehicle's clock was set after the lidar started and before the camera did."""
    hour = 3600 * 10 * TENTH
    first = [entry for entry in content if entry.topic in ("/points", "/tf_static")]
    later = [replace(entry, time=entry.time + hour) for entry in content]
    observation = read_bag(write(tmp_path / "bag", first + later), {})
    (found,) = (
        each for each in diagnose(observation, WEIGHTS).findings if each.item == "topic image"
    )
    assert found.level == "fault" and f"all {COUNT} come later" in found.text
    assert "cut off the beginning" in found.remedy


@pytest.mark.parametrize("topic", ["/camera_info", "/points"])
def test_a_message_with_the_time_0_does_not_end_the_first_minute(
    topic: str, content: list[Entry], tmp_path: Path
) -> None:
    """As in a bag whose times are the stamps, with a message that has none."""
    day = 86_400 * 10 * TENTH
    drive = [replace(each, time=each.time + day) for each in content]
    first = next(each for each in content if each.topic == topic)
    observation = read_bag(write(tmp_path / "bag", [replace(first, time=0), *drive]), {})
    lengths = {stream.topic: len(stream) for stream in observation.streams.values()}
    assert lengths == dict.fromkeys(lengths, COUNT) | {topic: COUNT + 1}
    assert observation.seconds < 1
    assert observation.streams[topic.strip("/")].rate == pytest.approx(10)
    found = {each.item: each for each in diagnose(observation, WEIGHTS).findings}
    assert found[f"rate {topic.strip('/')}"].level == "ok"


@pytest.mark.parametrize("seed", range(8))
def test_damaged_messages_are_reported_and_do_not_stop_the_doctor(
    seed: int, content: list[Entry], tmp_path: Path
) -> None:
    """Messages are truncated, or have random bytes in the header or the fields."""
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
