"""Opens recorded files. Intact ones are read by rosbags, others as far as they are readable."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import apsw  # a dependency of rosbags
from rosbags.rosbag2 import Reader

from bev_semseg_ros.ros.bag.reading.file_kind import (
    MCAP,
    SQLITE,
    ZSTD,
    kind_of,
    kind_of_file,
    unpack_command,
    why_unreadable,
    why_unreadable_in_zstd,
)
from bev_semseg_ros.ros.bag.reading.mcap_records import McapRecords
from bev_semseg_ros.ros.bag.reading.remark import Remark
from bev_semseg_ros.ros.bag.reading.sqlite_rows import SqliteRows, is_cut, write_ahead_log
from bev_semseg_ros.ros.bag.reading.storage import Channel, Recorded, StorageFile, type_name
from bev_semseg_ros.ros.bag.reading.zstd import zstd

_SUFFIXES = {MCAP: ".mcap", SQLITE: ".db3"}  # by which rosbags recognises the format
_IN_URIS = set("?#%")  # rosbags opens SQLite by a URI, in which these are special
_BLOCK = 2**20
_HEAD = 4096  # bytes that tell what a file is


def open_file(path: Path, workspace: Path, remarks: list[Remark]) -> StorageFile:
    """Open a recorded file.

    Args:
        path: The MCAP or SQLite file, possibly packed with zstd.
        workspace: Folder for unpacked files.
        remarks: Gets what is wrong with the file, also later while it is read.

    Raises:
        ValueError: If nothing in it can be read. The text names the file and says what to do.
    """
    kind, source = kind_of_file(path), path
    if kind == ZSTD:
        kind = _kind_in_zstd(path)
        source = _unpack(path, workspace, remarks)
    if kind not in _SUFFIXES:
        raise ValueError(why_unreadable(path))
    if kind == SQLITE and write_ahead_log(source) is not None:
        return _open_rows(path, source, kind, remarks, is_damaged=False)
    if kind == SQLITE and is_cut(source):
        return _open_rows(path, source, kind, remarks, is_damaged=True)
    try:
        file = _WholeFile(path, source, kind, workspace, remarks)
    except KeyError:  # rosbags cannot open a message type recorded without definition
        return _open_rows(path, source, kind, remarks, is_damaged=False)
    except Exception:  # rosbags raises any type for a damaged file
        return _open_rows(path, source, kind, remarks, is_damaged=True)
    if file.has_index:
        return file
    file.close()  # rosbags would find no messages, or refuse those that are not in order
    return _open_rows(path, source, kind, remarks, is_damaged=False)


def _kind_in_zstd(path: Path) -> str:
    """Return the format of a file that is packed with zstd.

    Raises:
        ValueError: If it contains no recorded file. The text names the packed file.
    """
    try:
        with path.open("rb") as file:
            head = zstd.ZstdDecompressor().decompress(file.read(_BLOCK), _HEAD)
    except zstd.ZstdError as error:
        raise ValueError(f"{path} is damaged (zstd): copy it again") from error
    if not head:
        raise ValueError(f"{path} is cut off, and nothing of it can be unpacked: copy it again")
    kind = kind_of(head)
    if kind not in _SUFFIXES:
        raise ValueError(why_unreadable_in_zstd(path, head))
    return kind


def _unpack(path: Path, workspace: Path, remarks: list[Remark]) -> Path:
    """Unpack a zstd file; of a damaged file, the part before the damage."""
    target = workspace / path.stem
    try:
        with target.open("wb") as file, path.open("rb") as packed:
            decompressor = zstd.ZstdDecompressor()
            while block := packed.read(_BLOCK):
                file.write(decompressor.decompress(block))
                while decompressor.eof:  # rosbag2 writes one zstd frame, others several
                    block = decompressor.unused_data
                    if not block:
                        break
                    decompressor = zstd.ZstdDecompressor()
                    file.write(decompressor.decompress(block))
            is_whole = decompressor.eof
    except (zstd.ZstdError, EOFError):
        is_whole = False
    except OSError as error:
        raise ValueError(
            f"{path} cannot be unpacked into {workspace.parent} ({error.strerror}): set TMPDIR to "
            f"a folder with more space, or unpack it with `{unpack_command('zstd', path)}`"
        ) from error
    if not is_whole:
        text = f"{path} is cut off or damaged (zstd): the part before the damage is read"
        remarks.append(Remark(text, "copy it again from where it was recorded"))
    return target


def _open_rows(
    path: Path, source: Path, kind: str, remarks: list[Remark], is_damaged: bool
) -> McapRecords | SqliteRows:
    """Open a file that rosbags cannot read. Report how much is read if it is incomplete.

    Args:
        path: The file as the user knows it.
        source: The file to read, which may be an unpacked one.
        kind: Its format.
        remarks: Gets what is wrong with it.
        is_damaged: Whether it seems to be damaged.

    Raises:
        ValueError: If nothing in it can be read.
    """
    file = shlex.quote(str(path))
    try:
        if kind == MCAP:
            records = McapRecords(source)
            _check_content(path, records)
            remark = _of_mcap(path, records, is_damaged)
            if remark is not None:
                remarks.append(remark)
            return records
        rows = SqliteRows(source)
        _check_content(path, rows)
    except (apsw.Error, ValueError) as error:
        log = write_ahead_log(source)
        if kind == SQLITE and log is not None:
            raise ValueError(
                f"{path} cannot be read together with {log.name}, which holds its last "
                f"messages: merge them into it with `sqlite3 {file} 'PRAGMA wal_checkpoint;'`"
            ) from error
        raise ValueError(
            f"{path} is damaged, and none of its messages can be read: copy it again from where it "
            "was recorded"
        ) from error
    count, log = _count(rows), write_ahead_log(source)
    if log is not None:
        remarks.append(
            Remark(
                f"{path} was not closed when its recording ended: {count} messages are read, "
                f"including those that are only in {log}"
            )
        )
    elif is_damaged:
        remarks.append(
            Remark(
                f"{path} is cut off or damaged: {count} of its messages are found",
                "copy it again from where it was recorded; what a killed recording did not write "
                "is lost",
            )
        )
    return rows


def _of_mcap(path: Path, records: McapRecords, is_damaged: bool) -> Remark | None:
    """Say what is wrong with an MCAP file; None if it only lacks an index."""
    count = _count(records)
    if not records.is_complete:
        return Remark(
            f"{path} has no end, because it was cut off or is still being recorded: {count} "
            "of its messages are read",
            f"for a file with an index use `mcap recover {shlex.quote(str(path))} -o NEW.mcap`",
        )
    if records.lost:
        return Remark(
            f"{path} is damaged: {count} of its messages are read, {records.lost} are lost",
            "copy it again from where it was recorded",
        )
    if not is_damaged:
        return None
    return Remark(f"{path} is not written as `ros2 bag` writes it: it is read record by record")


def _check_content(path: Path, file: StorageFile) -> None:
    if not file.channels:
        raise ValueError(f"{path} holds no topics")


def _count(file: StorageFile) -> int:
    return sum(channel.count for channel in file.channels)


class _WholeFile:
    """A file that rosbags can open. If it turns out to be damaged, the rest is read row by row.

    Attributes:
        channels: Its topics.
        start: Time of its first message, ns.
        has_index: Whether rosbags can find its messages.
    """

    def __init__(
        self, path: Path, source: Path, kind: str, workspace: Path, remarks: list[Remark]
    ) -> None:
        self._path, self._kind, self._remarks = path, kind, remarks
        self._source = _named_for_rosbags(source, kind, workspace)
        self._reader = Reader(self._source)
        self._reader.open()
        self._rows: McapRecords | SqliteRows | None = None
        self._connections: dict[int, Any] = {each.id: each for each in self._reader.connections}
        self.channels = [
            Channel(
                each.id,
                each.topic,
                type_name(each.msgtype),
                getattr(each.ext, "serialization_format", ""),
                each.msgcount,
                tuple(getattr(each.ext, "offered_qos_profiles", None) or ()),
            )
            for each in self._reader.connections
        ]
        self.start = self._reader.start_time if self._reader.message_count else 0
        storage = getattr(self._reader, "storage", None)
        chunks = getattr(storage, "chunks", None)  # of an mcap
        self.has_index = chunks is None or (chunks != [] and all(c.channel_count for c in chunks))

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        """Yield the messages of some channels, ordered by time."""
        if self._rows is not None:
            yield from self._rows.messages(channels)
            return
        by_id = {channel.id: channel for channel in channels}
        if not by_id:
            return  # rosbags would then read all channels
        last = 0
        of_last: Counter[str] = Counter()  # number of messages by topic at the time `last`
        messages = self._reader.messages([self._connections[id_] for id_ in by_id])
        while True:
            try:
                connection, time, data = next(messages)
            except StopIteration:
                return
            except Exception:  # rosbags raises any type
                break
            if time != last:
                last = time
                of_last.clear()
            of_last[connection.topic] += 1
            yield by_id[connection.id], time, bytes(data)
        yield from self._rest(channels, last, of_last)

    def _rest(
        self, channels: Collection[Channel], last: int, of_last: Counter[str]
    ) -> Iterator[Recorded]:
        """Yield what is readable after damage, without the messages that came before it."""
        self._rows = _open_rows(self._path, self._source, self._kind, self._remarks, True)
        for channel, time, data in self._rows.messages(channels):
            if time < last:
                continue
            if time == last and of_last[channel.topic] > 0:
                of_last[channel.topic] -= 1
                continue
            yield channel, time, data

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        if self._rows is not None:
            self._rows.close()


def _named_for_rosbags(source: Path, kind: str, workspace: Path) -> Path:
    """Return a path by which rosbags recognises the format: the file itself, or a link."""
    suffix = _SUFFIXES[kind]
    if source.suffix == suffix and not _IN_URIS & set(str(source)):
        return source
    link = workspace / f"{len(list(workspace.iterdir()))}{suffix}"
    link.symlink_to(source.resolve())
    return link
