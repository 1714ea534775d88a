"""Bags as they come: without metadata, cut off, packed, renamed, or something else altogether."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import sqlite3
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from lz4 import frame as lz4
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_typestore
from support.recordings import (
    BEST_EFFORT,
    SUFFIXES,
    read,
    record,
    split,
    storage_file,
)

from bev_semseg_ros.ros.bag.reader import BagReader

pytestmark = pytest.mark.slow

STORAGES = pytest.mark.parametrize("storage", SUFFIXES)


def edit_metadata(folder: Path, pattern: str, replacement: str) -> None:
    file = folder / "metadata.yaml"
    text, count = re.subn(pattern, replacement, file.read_text())
    assert count
    file.write_text(text)


# --- metadata.yaml differs from the recorded files ------------------------------------------------


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
def test_qos_and_hash_of_metadata_lose_no_message(
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
        ("a: [b\nc: 3", "is no YAML (line 2)"),
        ("rosbag2_bagfile_information:\n", "has no rosbag2_bagfile_information"),
        ("rosbag2_bagfile_information: {version: 5}\n", "lists no file that is there"),
        ("- 1\n", "has no rosbag2_bagfile_information"),
        (b"\xff\xfe\x00", "is no YAML"),
    ],
)
def test_without_metadata_the_files_are_read_and_reindex_is_named(
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


def test_reindex_is_not_named_where_it_finds_no_file(tmp_path: Path) -> None:
    """It looks for names such as bag_0.mcap, and for nothing that is packed."""
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
def test_the_recorded_file_may_be_given_itself(storage: str, tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(3), storage)
    assert read(storage_file(folder)) == ([0, 1, 2], [], {})
    assert read(folder / "metadata.yaml") == ([0, 1, 2], [], {})
    elsewhere = tmp_path / "50% #1?.recorded"
    shutil.move(storage_file(folder), elsewhere)
    assert read(elsewhere) == ([0, 1, 2], [], {})


# --- several files --------------------------------------------------------------------------------


@STORAGES
@pytest.mark.parametrize("pattern", ["bag_{}", "2026_11_28-{}", "{}"])
def test_split_ten_is_read_after_split_two(storage: str, pattern: str, tmp_path: Path) -> None:
    numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    names = [pattern.format(number) + SUFFIXES[storage] for number in numbers]
    folder = split(tmp_path / "bag", names, storage)
    assert read(folder)[0] == list(range(120))


def test_one_split_that_is_given_itself_is_read_and_the_others_are_named(tmp_path: Path) -> None:
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


def test_a_bag_that_was_packed_without_removing_the_files_is_read_once(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    file.with_name(f"{file.name}.zstd").write_bytes(zstd.compress(file.read_bytes()))
    (folder / "metadata.yaml").unlink()
    assert read(folder)[0] == [0, 1, 2]


def test_two_types_on_one_topic_are_two_topics(tmp_path: Path) -> None:
    """A driver that was changed between two recordings into one folder."""
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


# --- cut off, damaged -----------------------------------------------------------------------------


@STORAGES
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_of_a_file_that_is_cut_off_the_part_before_is_read(
    storage: str, share: float, tmp_path: Path
) -> None:
    folder = record(tmp_path / "bag", range(200), storage)
    file = storage_file(folder)
    with file.open("r+b") as data:
        data.truncate(int(share * file.stat().st_size))
    numbers, remarks, _ = read(folder)
    expected = 200 * share
    assert 0.8 * expected < len(numbers) <= min(1.2 * expected, 200)
    assert numbers == list(range(len(numbers)))
    assert str(file) in remarks[0] and f"{len(numbers)} messages" in remarks[0]
    assert f"counts 200 messages: {200 - len(numbers)} of them are lost" in remarks[1]
    has_recover = f"mcap recover {file} -o" in remarks[0]
    assert has_recover == (storage == "mcap")
    assert read(file)[0] == numbers


def test_messages_in_an_mcap_without_chunks_may_be_in_any_order(tmp_path: Path) -> None:
    """As with the preset fastwrite: nothing is wrong with it."""
    folder = record(tmp_path / "bag", [0, 2, 1, 4, 3, 5])
    file = storage_file(folder)
    file.write_bytes(without_chunks(file.read_bytes()))
    assert read(folder) == ([0, 1, 2, 3, 4, 5], [], {})


def test_an_mcap_whose_chunks_have_no_index_is_read(tmp_path: Path) -> None:
    """As some programs that compress an MCAP file leave it."""
    folder = record(tmp_path / "bag", range(250))
    file = storage_file(folder)
    file.write_bytes(without_index(file.read_bytes()))
    assert read(folder) == (list(range(250)), [], {})


def records_of(data: bytes) -> list[tuple[int, bytes]]:
    """Return opcode and content of each record of an MCAP file."""
    found, at = [], 8
    while at < len(data) - 8:
        opcode, length = struct.unpack_from("<BQ", data, at)
        found.append((opcode, data[at + 9 : at + 9 + length]))
        at += 9 + length
    return found


def mcap_of(records: list[tuple[int, bytes]]) -> bytes:
    """Return an MCAP file without a summary."""
    magic = b"\x89MCAP0\r\n"
    body = b"".join(struct.pack("<BQ", opcode, len(each)) + each for opcode, each in records)
    footer = struct.pack("<BQQQI", 2, 20, 0, 0, 0)
    return magic + body + footer + magic


def without_chunks(data: bytes) -> bytes:
    records = []
    for opcode, content in records_of(data):
        if opcode == 15:
            break
        if opcode == 6:
            name_length = struct.unpack_from("<I", content, 28)[0]
            records += records_of(bytes(8) + content[40 + name_length :] + bytes(8))
        elif opcode != 7:
            records.append((opcode, content))
    return mcap_of(records)


def without_index(data: bytes) -> bytes:
    """Return the file with a chunk index that names no message index."""
    magic, kept, summary = data[:8], b"", b""
    for opcode, content in records_of(data):
        packed = struct.pack("<BQ", opcode, len(content)) + content
        if opcode == 8:
            length = struct.unpack_from("<I", content, 32)[0]
            content = content[:32] + bytes(4) + content[36 + length :]
            summary += struct.pack("<BQ", opcode, len(content)) + content
        elif opcode in (3, 4, 11):
            summary += packed
        elif opcode in (1, 6, 7, 15):
            kept += packed
    footer = struct.pack("<BQQQI", 2, 20, 8 + len(kept), 0, 0)
    return magic + kept + summary + footer + magic


def test_an_mcap_without_its_index_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Messages of several topics are not recorded in the order of their times."""
    folder = record(tmp_path / "bag", [0, 2, 1, 4, 3, 5])
    file = storage_file(folder)
    file.write_bytes(file.read_bytes()[:-40])
    assert read(folder)[0] == [0, 1, 2, 3, 4, 5]


def test_a_damaged_chunk_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    """The index of a chunk tells how many messages it holds."""
    folder = record(tmp_path / "bag", range(250), packs_chunks=True)
    file = storage_file(folder)
    data = bytearray(file.read_bytes())
    first = data.index(b"zstd") + 12
    data[first + 40 : first + 80] = bytes(40)
    file.write_bytes(data)
    numbers, remarks, _ = read(folder)
    assert 50 < len(numbers) < 200 and numbers == list(range(250 - len(numbers), 250))
    assert f"{len(numbers)} messages of it are read, {250 - len(numbers)} are lost" in remarks[0]


def test_a_page_of_sqlite_that_is_damaged_loses_its_messages_alone(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(200), "sqlite3")
    file = storage_file(folder)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4 * 4096] = b"\xff" * (4 * 4096)
    file.write_bytes(data)
    numbers, remarks, left_out = read(folder)
    assert 150 < len(numbers) < 200 and numbers == sorted(set(numbers))
    assert len(numbers) + left_out.total() <= 200 and str(file) in remarks[0]


def test_messages_in_a_write_ahead_log_are_read(tmp_path: Path) -> None:
    """`ros2 bag record` with the preset "resilient" leaves one if it is killed."""
    folder = record(tmp_path / "bag", range(3), "sqlite3")
    file = storage_file(folder)
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "INSERT INTO messages(topic_id, timestamp, data) "
        "SELECT topic_id, timestamp + 900000000, data FROM messages WHERE id = 2"
    )
    database.commit()
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    database.close()
    numbers, (remark,), _ = read(killed)
    assert numbers == [0, 1, 2, 1] and f"{storage_file(killed)}-wal" in remark


# --- packed ---------------------------------------------------------------------------------------


@STORAGES
@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_whole_file_in_zstd_is_read(storage: str, has_metadata: bool, tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(5), storage)
    file = storage_file(folder)
    packed = folder / f"{file.name}.zstd"
    packed.write_bytes(zstd.compress(file.read_bytes()))
    file.unlink()
    if has_metadata:
        edit_metadata(folder, re.escape(f"- {file.name}"), f"- {packed.name}")
        edit_metadata(folder, "compression_mode: .*", "compression_mode: FILE")
    else:
        (folder / "metadata.yaml").unlink()
    assert read(folder)[0] == [0, 1, 2, 3, 4]
    assert read(packed)[0] == [0, 1, 2, 3, 4]


def test_a_packed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(200))
    packed = tmp_path / "bag.mcap.zstd"
    packed.write_bytes(zstd.compress(storage_file(folder).read_bytes(), 1))
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    numbers, remarks, _ = read(packed)
    assert 0 < len(numbers) < 200 and numbers == list(range(len(numbers)))
    assert f"{packed} is cut off or damaged (zstd)" in remarks[0]


@STORAGES
@pytest.mark.parametrize("pack", [zstd.compress, lz4.compress, bytes], ids=["zstd", "lz4", "not"])
@pytest.mark.parametrize("has_metadata", [True, False])
def test_messages_that_were_compressed_one_by_one_are_unpacked(
    storage: str, pack: Callable[[bytes], bytes], has_metadata: bool, tmp_path: Path
) -> None:
    """Whatever metadata.yaml says, and without it."""
    folder = record(tmp_path / "bag", range(3), storage, pack=pack)
    if not has_metadata:
        (folder / "metadata.yaml").unlink()
    numbers, _, left_out = read(folder)
    assert numbers == [0, 1, 2] and not left_out
    if has_metadata:
        edit_metadata(folder, "compression_mode: .*", "compression_mode: MESSAGE")
        edit_metadata(folder, "compression_format: .*", "compression_format: zstd")
        assert read(folder)[0] == [0, 1, 2]


def test_a_message_whose_compression_is_damaged_is_counted(tmp_path: Path) -> None:
    def spoiled(data: bytes) -> bytes:
        packed = zstd.compress(data)
        return packed[:20] if data[8:12] == b"\x00\x00\x00\x00" else packed

    folder = record(tmp_path / "bag", range(3), pack=spoiled)
    numbers, _, left_out = read(folder)
    assert left_out.total() + len(numbers) == 3 and left_out.total() == 1
    assert [topic for topic, _ in left_out] == ["/image"]


# --- something else -------------------------------------------------------------------------------


@pytest.fixture
def ros1_bag(tmp_path: Path) -> Path:
    path = tmp_path / "old drive.bag"
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(path) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"]("hello")
        data = store.serialize_ros1(message, "std_msgs/msg/String")
        writer.write(connection, 5, data)
    return path


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_command_for_a_bag_of_ros_1_converts_it(
    is_folder: bool, ros1_bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ros1_bag.parent if is_folder else ros1_bag
    with pytest.raises(ValueError, match="is a bag of ROS 1") as error:
        BagReader(given)
    command = shlex.split(re.search("`(.*?)`", str(error.value))[1])
    assert command[0] == "rosbags-convert"
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    subprocess.run([sys.executable, "-m", "rosbags.convert", *command[1:]], check=True)
    with BagReader(command[-1]) as reader:
        assert [each.name for each in reader.topics] == ["/chatter"]


def test_a_bag_of_ros_1_without_an_index_is_sent_to_reindex_first(ros1_bag: Path) -> None:
    data = ros1_bag.read_bytes()
    at = data.index(b"index_pos=") + 10
    ros1_bag.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
    with pytest.raises(ValueError, match=r"rosbag reindex '.*old drive\.bag'"):
        BagReader(ros1_bag)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (bytes(5000), "holds only zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS .* `git lfs pull`"),
        (b"PK\x03\x04...", "zip archive: unpack it with `unzip "),
        (gzip.compress(b"bag"), "packed with gzip: unpack it with `gzip -dc "),
        (b"<!DOCTYPE html><html>", "web page.* download the bag again"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "capture of network packets"),
        (b"\x89MCAP0\r\n\x01", "no message of it can be read"),
        (b"SQLite format 3\0" + bytes(100), "no message of it can be read"),
        (b"points,x,y,z", "is no recorded file: it begins with b'points,x'"),
    ],
)
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_file_that_is_no_bag_is_named_with_what_it_is(
    content: bytes, said: str, is_folder: bool, tmp_path: Path
) -> None:
    file = tmp_path / "bag_0.mcap"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error, BagReader(tmp_path if is_folder else file):
        pytest.fail("it was read")
    assert str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("packer", "name"),
    [("gzip", "bag.db3.gz"), ("gzip", "bag.db3"), ("xz", "bag.db3.xz"), ("zstd", "bag.zst")],
)
def test_the_command_for_a_packed_file_unpacks_it(packer: str, name: str, tmp_path: Path) -> None:
    """Whatever its name is: the programs themselves know a packed file by its suffix."""
    source = storage_file(record(tmp_path / "bag", range(3), "sqlite3"))
    file = tmp_path / name
    content = source.read_bytes() if packer != "zstd" else b"nothing that was recorded"
    if shutil.which(packer) is None:
        pytest.skip(f"needs {packer}")
    file.write_bytes(subprocess.run([packer, "-c"], input=content, stdout=-1, check=True).stdout)
    with pytest.raises(ValueError, match=f"`{packer} -dc") as error, BagReader(file):
        pytest.fail("it was read")
    command = re.search("`(.*?)`", str(error.value))[1]
    subprocess.run(["sh", "-c", command], check=True)
    target = Path(shlex.split(command)[-1])
    assert target.read_bytes() == content
    if packer != "zstd":
        assert read(target)[0] == [0, 1, 2]


def test_an_archive_is_named_with_the_command_that_unpacks_it(tmp_path: Path) -> None:
    record(tmp_path / "bag", range(2))
    archive = tmp_path / "bag.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "bag", "bag")
    with pytest.raises(ValueError, match=rf"tar archive: unpack it with `tar xf {archive}`"):
        BagReader(archive)
    packed = tmp_path / "bag.tar.zst"
    packed.write_bytes(zstd.compress(archive.read_bytes()))
    with pytest.raises(ValueError, match=f"`tar --zstd -xf {packed}`"), BagReader(packed):
        pytest.fail("it was read")


def test_a_folder_of_bags_is_named_with_one_of_them(tmp_path: Path) -> None:
    record(tmp_path / "first", range(2))
    record(tmp_path / "second", range(2))
    with pytest.raises(ValueError, match=r"bags in first, second: give one of them, such as .*st"):
        BagReader(tmp_path)
    with pytest.raises(ValueError, match="found no files"):
        (tmp_path / "empty").mkdir()
        BagReader(tmp_path / "empty")
    with pytest.raises(ValueError, match="there is no such file or folder"):
        BagReader(tmp_path / "nothing")


def test_messages_that_are_not_cdr_are_left_out_by_name(tmp_path: Path) -> None:
    """An MCAP file that another program wrote."""
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    data = file.read_bytes().replace(b"\x03\x00\x00\x00cdr", b"\x03\x00\x00\x00pb3")
    file.write_bytes(data.replace(b"\x04\x00\x00\x00ros2", b"\x04\x00\x00\x00fxgl", 1))
    numbers, remarks, _ = read(folder)
    assert numbers == []
    assert any("/image (sensor_msgs/msg/Image) is left out" in each for each in remarks)


def test_an_mcap_of_another_program_with_cdr_is_read(tmp_path: Path) -> None:
    """Its profile is not "ros2", but its messages are."""
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    file.write_bytes(file.read_bytes().replace(b"\x04\x00\x00\x00ros2", b"\x04\x00\x00\x00fxgl", 1))
    assert read(folder)[0] == [0, 1, 2]


def test_types_in_the_form_of_other_programs_are_known(tmp_path: Path) -> None:
    for number, name in enumerate((b"sensor_msgs/Image", b"sensor_msgs::msg::dds_::Image_")):
        folder = record(tmp_path / f"bag{number}", range(3), "sqlite3")
        database = sqlite3.connect(storage_file(folder))
        database.execute("UPDATE topics SET type = ?", (name.decode(),))
        database.commit()
        database.close()
        with BagReader(folder) as reader:
            assert [each.message_type for each in reader.topics] == ["sensor_msgs/msg/Image"]
            assert len(list(reader.messages(reader.topics))) == 3
