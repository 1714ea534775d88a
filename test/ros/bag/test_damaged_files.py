"""Truncated and damaged recorded files, and MCAP files of other programs."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from support.mcap import without_chunks, without_index
from support.recordings import STORAGES, read, record, storage_file

pytestmark = pytest.mark.slow


@STORAGES
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_read_as_far_as_possible(
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
    assert str(file) in remarks[0] and f"{len(numbers)} of its messages" in remarks[0]
    assert f"counts 200 messages: {200 - len(numbers)} of them are lost" in remarks[1]
    has_recover = f"mcap recover {file} -o" in remarks[0]
    assert has_recover == (storage == "mcap")
    assert read(file)[0] == numbers


def test_messages_in_an_mcap_without_chunks_may_be_in_any_order(tmp_path: Path) -> None:
    """The preset fastwrite records such files. Nothing is wrong with them."""
    folder = record(tmp_path / "bag", [0, 2, 1, 4, 3, 5])
    file = storage_file(folder)
    file.write_bytes(without_chunks(file.read_bytes()))
    assert read(folder) == ([0, 1, 2, 3, 4, 5], [], {})


def test_an_mcap_whose_chunks_have_no_index_is_read(tmp_path: Path) -> None:
    """Some programs that compress MCAP files write such files."""
    folder = record(tmp_path / "bag", range(250))
    file = storage_file(folder)
    file.write_bytes(without_index(file.read_bytes()))
    assert read(folder) == (list(range(250)), [], {})


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
    assert f"{len(numbers)} of its messages are read, {250 - len(numbers)} are lost" in remarks[0]


def test_damaged_pages_of_sqlite_lose_only_their_own_messages(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(200), "sqlite3")
    file = storage_file(folder)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4 * 4096] = b"\xff" * (4 * 4096)
    file.write_bytes(data)
    numbers, remarks, left_out = read(folder)
    assert 150 < len(numbers) < 200 and numbers == sorted(set(numbers))
    assert len(numbers) + left_out.total() <= 200 and str(file) in remarks[0]


def test_a_missing_message_definition_in_sqlite_is_not_damage(tmp_path: Path) -> None:
    """`ros2 bag record` does not find the definition if the package has no .msg files."""
    folder = record(tmp_path / "bag", range(3), "sqlite3")
    with sqlite3.connect(storage_file(folder)) as database:
        database.execute(
            "UPDATE message_definitions SET encoding = '', encoded_message_definition = ''"
        )
    database.close()
    assert read(folder) == ([0, 1, 2], [], {})


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
