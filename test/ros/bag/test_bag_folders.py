"""Bags of one or several files, with a correct, a wrong or no metadata.yaml."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import pytest
from backports import zstd
from support.recordings import (
    BEST_EFFORT,
    STORAGES,
    SUFFIXES,
    edit_metadata,
    read,
    record,
    split,
    storage_file,
)

from bev_semseg_ros.ros.bag.reader import BagReader

pytestmark = pytest.mark.slow


@STORAGES
@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("reliability: best_effort", "reliability: reliable"),
        ("reliability: best_effort", "reliability: best_available"),
        ("depth: 5", "depth: 0"),
        (r"RIHS01_\w+", "RIHS01_" + 64 * "0"),
        ("deadline:", "forgotten:"),
    ],
    ids=["edited by hand", "best_available", "unknown depth", "another hash", "not complete"],
)
def test_wrong_qos_and_hashes_in_metadata_lose_no_messages(
    storage: str, pattern: str, replacement: str, tmp_path: Path
) -> None:
    folder = record(tmp_path / "bag", range(5), storage, qos=[BEST_EFFORT])
    edit_metadata(folder, pattern, replacement)
    assert read(folder) == ([0, 1, 2, 3, 4], [], {})


def test_qos_of_metadata_is_used_for_playing(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(2), qos=[BEST_EFFORT])
    edit_metadata(folder, "reliability: best_effort", "reliability: reliable")
    with BagReader(folder) as reader:
        assert [each.reliability.name for each in reader.topics[0].profiles] == ["RELIABLE"]
    with BagReader(storage_file(folder)) as reader:
        assert [each.reliability.name for each in reader.topics[0].profiles] == ["RELIABLE"]
    (folder / "metadata.yaml").unlink()
    with BagReader(folder) as reader:
        assert [each.reliability.name for each in reader.topics[0].profiles] == ["BEST_EFFORT"]


@STORAGES
def test_a_newer_metadata_version_and_an_empty_storage_identifier_are_read(
    storage: str, tmp_path: Path
) -> None:
    folder = record(tmp_path / "bag", range(3), storage)
    edit_metadata(folder, "storage_identifier: .*", 'storage_identifier: ""')
    assert read(folder) == ([0, 1, 2], [], {})
    edit_metadata(folder, "version: 9", "version: 12")
    numbers, (said,), _ = read(folder)
    assert numbers == [0, 1, 2] and "is of version 12, newer than 9" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("", "is empty"),
        ("a: [b\nc: 3", "is not YAML (line 2)"),
        ("rosbag2_bagfile_information:\n", "has no rosbag2_bagfile_information"),
        ("rosbag2_bagfile_information: {version: 5}\n", "lists no file that is there"),
        ("- 1\n", "has no rosbag2_bagfile_information"),
        (b"\xff\xfe\x00", "is not YAML"),
    ],
)
def test_without_usable_metadata_the_files_are_read_and_reindex_is_advised(
    content: str | bytes | None, said: str, tmp_path: Path
) -> None:
    folder = record(tmp_path / "bag", range(4))
    storage_file(folder).rename(folder / "bag_0.mcap")
    file = folder / "metadata.yaml"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    numbers, (remark,), _ = read(folder)
    assert numbers == [0, 1, 2, 3]
    assert remark.startswith(f"{file} {said}") and "bag_0.mcap" in remark
    assert f"`ros2 bag reindex -s mcap {folder}`" in remark


def test_reindex_is_not_advised_if_it_would_find_no_file(tmp_path: Path) -> None:
    """`ros2 bag reindex` looks for names such as bag_0.mcap, and ignores compressed files."""
    folder = record(tmp_path / "bag", range(2))
    (folder / "metadata.yaml").unlink()
    _, (remark,), _ = read(folder)
    assert "is missing" in remark and "ros2 bag reindex" not in remark
    file = storage_file(folder)
    (folder / "bag_0.mcap.zstd").write_bytes(zstd.compress(file.read_bytes()))
    file.unlink()
    numbers, (remark,), _ = read(folder)
    assert numbers == [0, 1] and "ros2 bag reindex" not in remark


@STORAGES
def test_the_recorded_file_may_be_given_instead_of_the_folder(storage: str, tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(3), storage)
    assert read(storage_file(folder)) == ([0, 1, 2], [], {})
    assert read(folder / "metadata.yaml") == ([0, 1, 2], [], {})
    elsewhere = tmp_path / "50% #1?.recorded"
    shutil.move(storage_file(folder), elsewhere)
    assert read(elsewhere) == ([0, 1, 2], [], {})


@STORAGES
@pytest.mark.parametrize("pattern", ["bag_{}", "2026_11_28-{}", "{}"])
def test_split_ten_is_read_after_split_two(storage: str, pattern: str, tmp_path: Path) -> None:
    numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    names = [pattern.format(number) + SUFFIXES[storage] for number in numbers]
    folder = split(tmp_path / "bag", names, storage)
    assert read(folder)[0] == list(range(120))


@STORAGES
def test_a_bag_may_have_more_files_than_the_soft_limit_of_open_files(
    storage: str, tmp_path: Path
) -> None:
    names = [f"bag_{number}{SUFFIXES[storage]}" for number in range(24)]
    folder = split(tmp_path / "bag", names, storage)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    num_open = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (num_open + 12, usual[1]))
    try:
        assert read(folder)[0] == list(range(240))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def test_a_single_split_is_read_with_a_remark_about_the_others(tmp_path: Path) -> None:
    folder = split(tmp_path / "bag", ["bag_0.db3", "bag_1.db3"])
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_0.db3, bag_1.db3]}"
    )
    assert read(folder) == (list(range(20)), [], {})
    numbers, (remark,), _ = read(folder / "bag_1.db3")
    assert numbers == list(range(10, 20)) and f"give the folder {folder}" in remark


def test_a_split_that_metadata_does_not_list_is_read(tmp_path: Path) -> None:
    """As after a recording that was killed."""
    folder = split(tmp_path / "bag", ["bag_0.db3", "bag_1.db3"])
    listed = "rosbag2_bagfile_information: {relative_file_paths: [bag_0.db3]}"
    (folder / "metadata.yaml").write_text(listed)
    numbers, (remark,), _ = read(folder)
    assert numbers == list(range(20))
    assert "bag_1.db3" in remark and "ros2 bag reindex -s sqlite3" in remark


def test_a_missing_split_is_named_with_the_number_of_lost_messages(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(10))
    edit_metadata(folder, "- bag.mcap", "- bag.mcap\n  - bag_1.mcap")
    edit_metadata(folder, "message_count: 10", "message_count: 17")
    numbers, (missing, lost), _ = read(folder)
    assert numbers == list(range(10))
    assert "lists bag_1.mcap, which is not there" in missing and "7 of them are lost" in lost


def test_recordings_of_two_sensors_in_one_folder_are_merged_by_time(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    for name, numbers in (("left", range(0, 10, 2)), ("right", range(1, 10, 2))):
        part = record(tmp_path / name, numbers, topic=f"/{name}/image")
        storage_file(part).rename(folder / f"{name}.mcap")
    assert read(folder)[0] == list(range(10))


def test_a_file_beside_its_compressed_copy_is_read_once(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    file.with_name(f"{file.name}.zstd").write_bytes(zstd.compress(file.read_bytes()))
    assert read(folder) == ([0, 1, 2], [], {})
    (folder / "metadata.yaml").unlink()
    numbers, (_, remark), _ = read(folder)
    assert numbers == [0, 1, 2]
    assert f"{file}.zstd is not read, because bag.mcap has the same name" in remark


def test_two_types_on_one_topic_are_two_topics(tmp_path: Path) -> None:
    """As if a driver was changed between two recordings in one folder."""
    folder = tmp_path / "bag"
    folder.mkdir()
    storage_file(record(tmp_path / "a", range(3))).rename(folder / "a.mcap")
    data = storage_file(record(tmp_path / "b", range(3, 5))).read_bytes()
    changed = data.replace(b"sensor_msgs/msg/Image", b"sensor_msgs/msg/Imuge")
    (folder / "b.mcap").write_bytes(changed)
    with BagReader(folder) as reader:
        counts = {(each.name, each.message_type): each.count for each in reader.topics}
        (images,) = (each for each in reader.topics if each.message_type.endswith("Image"))
        assert len(list(reader.messages([images]))) == 3
    assert counts == {
        ("/image", "sensor_msgs/msg/Image"): 3,
        ("/image", "sensor_msgs/msg/Imuge"): 2,
    }
