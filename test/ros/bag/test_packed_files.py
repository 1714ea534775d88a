"""Compressed files and messages, and files that are not bags."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import sqlite3
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
from support.recordings import STORAGES, edit_metadata, read, record, storage_file

from bev_semseg_ros.ros.bag.reader import BagReader

pytestmark = pytest.mark.slow


@STORAGES
@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_file_compressed_with_zstd_is_read(
    storage: str, has_metadata: bool, tmp_path: Path
) -> None:
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
    """With and without metadata.yaml, and whatever compression it states."""
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
    subprocess.run(command, check=True)
    with BagReader(command[-1]) as reader:
        assert [each.name for each in reader.topics] == ["/chatter"]


def test_reindex_is_advised_for_a_bag_of_ros_1_without_an_index(ros1_bag: Path) -> None:
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
        (gzip.compress(b"bag", mtime=0), "packed with gzip: unpack it with `gzip -dc "),
        (b"<!DOCTYPE html><html>", "web page.* download the bag again"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "capture of network packets"),
        (b"\x89MCAP0\r\n\x01", "none of its messages can be read"),
        (b"SQLite format 3\0" + bytes(100), "none of its messages can be read"),
        (b"points,x,y,z", "is not a recorded file: it begins with b'points,x'"),
    ],
)
@pytest.mark.parametrize("is_folder", [True, False])
def test_the_error_for_a_file_that_is_not_a_bag_says_what_it_is(
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
    """The file may have any name, although the programs themselves expect certain suffixes."""
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
    command = f"tar xf {archive} -C {archive.parent}"
    with pytest.raises(ValueError, match=f"tar archive: unpack it with `{command}`"):
        BagReader(archive)
    packed = tmp_path / "bag.tar.zst"
    packed.write_bytes(zstd.compress(archive.read_bytes()))
    with (
        pytest.raises(ValueError, match=f"`tar xf {packed} -C {packed.parent}`"),
        BagReader(packed),
    ):
        pytest.fail("it was read")


def test_the_error_for_a_folder_of_bags_names_the_bags(tmp_path: Path) -> None:
    record(tmp_path / "first", range(2))
    record(tmp_path / "second", range(2))
    with pytest.raises(ValueError, match=r"bags in first, second: give one of them, such as .*st"):
        BagReader(tmp_path)
    with pytest.raises(ValueError, match="found no files"):
        (tmp_path / "empty").mkdir()
        BagReader(tmp_path / "empty")
    with pytest.raises(ValueError, match="there is no such file or folder"):
        BagReader(tmp_path / "nothing")


def test_topics_whose_messages_are_not_cdr_are_left_out_and_named(tmp_path: Path) -> None:
    """As in an MCAP file that another program wrote."""
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    data = file.read_bytes().replace(b"\x03\x00\x00\x00cdr", b"\x03\x00\x00\x00pb3")
    file.write_bytes(data.replace(b"\x04\x00\x00\x00ros2", b"\x04\x00\x00\x00fxgl", 1))
    numbers, remarks, _ = read(folder)
    assert numbers == []
    assert any("/image (sensor_msgs/msg/Image) is left out" in each for each in remarks)


def test_an_mcap_of_another_program_with_cdr_is_read(tmp_path: Path) -> None:
    """Its profile is not "ros2", but its messages are those of ROS 2."""
    folder = record(tmp_path / "bag", range(3))
    file = storage_file(folder)
    file.write_bytes(file.read_bytes().replace(b"\x04\x00\x00\x00ros2", b"\x04\x00\x00\x00fxgl", 1))
    assert read(folder)[0] == [0, 1, 2]


def test_type_names_of_other_programs_are_recognized(tmp_path: Path) -> None:
    for number, name in enumerate((b"sensor_msgs/Image", b"sensor_msgs::msg::dds_::Image_")):
        folder = record(tmp_path / f"bag{number}", range(3), "sqlite3")
        database = sqlite3.connect(storage_file(folder))
        database.execute("UPDATE topics SET type = ?", (name.decode(),))
        database.commit()
        database.close()
        with BagReader(folder) as reader:
            assert [each.message_type for each in reader.topics] == ["sensor_msgs/msg/Image"]
            assert len(list(reader.messages(reader.topics))) == 3
