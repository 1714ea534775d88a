"""Reads an MCAP file that is cut off, damaged or without an index, record by record.

https://mcap.dev/spec describes the records. Complete files are read by rosbags instead.
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from lz4.frame import LZ4FrameDecompressor  # a dependency of rosbags
from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

from bev_semseg_ros.file_signatures import MCAP as MCAP_MAGIC
from bev_semseg_ros.ros.bag.reading.storage import Channel, Recorded, type_name
from bev_semseg_ros.ros.bag.reading.zstd import zstd

FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 2, 3, 4, 5, 6, 7
HIGHEST_OPCODE = 15
MESSAGE_HEADER = 22  # bytes: channel, sequence, time of the log and of the publication
BLOCK = 2**16  # bytes of a packed chunk to unpack at once; all blocks before a damaged one are read
OPEN_CHUNKS = 4  # chunks that are kept unpacked; messages of one moment may be in several chunks


class _Row(NamedTuple):
    """Position of a message. Rows are sorted by time, then by position."""

    time: int
    chunk: int  # -1: outside of any chunk
    start: int
    end: int
    channel: int


@dataclass(frozen=True)
class _Chunk:
    """Byte range of a chunk's records in the file. A chunk that is cut off ends with the file."""

    start: int
    end: int
    compression: str


class McapRecords:
    """An MCAP file of which all intact records are read.

    Attributes:
        channels: Its topics.
        start: Time of its first message, ns.
        lost: Number of messages lost in damaged chunks, as far as the message indexes show.
        is_complete: Whether the file has a footer.
    """

    def __init__(self, path: Path) -> None:
        """Read through the whole file. Raise ValueError if it is not MCAP."""
        self.lost = 0
        self.is_complete = False
        self._schemas: dict[int, str] = {}
        self._found: dict[int, Channel] = {}
        self._chunks: list[_Chunk] = []
        self._unpacked: OrderedDict[int, bytes] = OrderedDict()
        self._rows: list[_Row] = []
        self._size = path.stat().st_size
        self._file = path.open("rb")
        try:
            if self._file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
                raise ValueError("no MCAP file")
            self._read_file()
        except BaseException:
            self._file.close()
            raise
        self._rows = sorted(row for row in self._rows if row.channel in self._found)
        counts = Counter(row.channel for row in self._rows)
        self._found = {id_: replace(each, count=counts[id_]) for id_, each in self._found.items()}
        self.channels = list(self._found.values())
        self.start = self._rows[0].time if self._rows else 0

    def _read_file(self) -> None:
        missing = [0]  # by chunk: messages of a damaged one, counted in the indexes that follow it
        is_damaged = False
        at = len(MCAP_MAGIC)
        while at < self._size:
            self._file.seek(at)
            head = self._file.read(9)
            if len(head) < 9:
                break
            opcode, length = struct.unpack("<BQ", head)
            at += 9
            end = at + length
            if opcode == FOOTER:
                self.is_complete = True
                break
            if not 0 < opcode <= HIGHEST_OPCODE or (end > self._size and opcode != CHUNK):
                break
            if opcode == CHUNK:
                before = len(self._rows)
                is_damaged = not self._read_chunk(at, min(end, self._size))
                missing.append(before - len(self._rows))
            elif opcode == MESSAGE_INDEX and is_damaged:
                missing[-1] += max(length - 6, 0) // 16
            elif opcode in (SCHEMA, CHANNEL):
                self._take_description(opcode, self._file.read(length))
            elif opcode == MESSAGE and length >= MESSAGE_HEADER:
                self._take_message(self._file.read(MESSAGE_HEADER), -1, at, end)
            at = end
        self.lost = sum(max(count, 0) for count in missing)

    def _read_chunk(self, start: int, end: int) -> bool:
        """Take the records of a chunk. Return False if it is damaged."""
        self._file.seek(start)
        head = self._file.read(min(end - start, 32))
        if len(head) < 32:
            return True  # cut off before its first record
        size, checksum, name_length = struct.unpack("<QII", head[16:32])
        if start + 40 + name_length > end:
            return True
        compression = self._file.read(name_length).decode("utf-8", "replace")
        (packed_size,) = struct.unpack("<Q", self._file.read(8))
        records = start + 40 + name_length
        chunk = _Chunk(records, min(records + packed_size, end), compression)
        data = self._unpack(chunk)
        is_whole = len(data) == size
        if is_whole and checksum and crc32(data) != checksum:
            return False  # any of its messages may be wrong
        self._chunks.append(chunk)
        at, number = 0, len(self._chunks) - 1
        while at + 9 <= len(data):
            opcode, length = struct.unpack_from("<BQ", data, at)
            at += 9
            if at + length > len(data):
                return False
            if opcode in (SCHEMA, CHANNEL):
                self._take_description(opcode, data[at : at + length])
            elif opcode == MESSAGE and length >= MESSAGE_HEADER:
                header = data[at : at + MESSAGE_HEADER]
                self._take_message(header, number, at, at + length)
            at += length
        return is_whole

    def _unpack(self, chunk: _Chunk) -> bytes:
        """Return the records of a chunk; of a damaged chunk, those before the damage."""
        self._file.seek(chunk.start)
        packed = self._file.read(chunk.end - chunk.start)
        if chunk.compression == "":
            return packed
        if chunk.compression == "zstd":
            decompressor = zstd.ZstdDecompressor()
        elif chunk.compression == "lz4":
            decompressor = LZ4FrameDecompressor()
        else:
            return b""
        parts = []
        with suppress(zstd.ZstdError, RuntimeError, EOFError):
            for at in range(0, len(packed), BLOCK):
                parts.append(decompressor.decompress(packed[at : at + BLOCK]))
        return b"".join(parts)

    def _take_description(self, opcode: int, data: bytes) -> None:
        try:
            if opcode == SCHEMA:
                (number,) = struct.unpack_from("<H", data)
                self._schemas[number] = _texts(data, 2, 1)[0]
                return
            number, schema = struct.unpack_from("<HH", data)
            topic, encoding = _texts(data, 4, 2)
            at = 12 + len(topic.encode()) + len(encoding.encode())
            profiles = _offered(data[at + 4 :])
        except (struct.error, IndexError, UnicodeDecodeError):
            return  # its messages are then left out, too
        kind = type_name(self._schemas.get(schema, ""))
        self._found.setdefault(
            number, Channel(number, topic, kind, encoding, profiles=tuple(profiles))
        )

    def _take_message(self, header: bytes, chunk: int, start: int, end: int) -> None:
        channel, _, time, _ = struct.unpack("<HIQQ", header)
        self._rows.append(_Row(time, chunk, start + MESSAGE_HEADER, end, channel))

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        """Yield the messages of some channels, ordered by time."""
        wanted = {channel.id for channel in channels}
        for row in self._rows:
            if row.channel not in wanted:
                continue
            if row.chunk < 0:
                self._file.seek(row.start)
                data = self._file.read(row.end - row.start)
            else:
                data = self._records(row.chunk)[row.start : row.end]
            yield self._found[row.channel], row.time, data

    def _records(self, number: int) -> bytes:
        """Return the records of a chunk. The chunks used last are kept unpacked."""
        if number not in self._unpacked:
            self._unpacked[number] = self._unpack(self._chunks[number])
            if len(self._unpacked) > OPEN_CHUNKS:
                self._unpacked.popitem(last=False)
        self._unpacked.move_to_end(number)
        return self._unpacked[number]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _texts(data: bytes, at: int, count: int) -> list[str]:
    """Return consecutive texts, each of which follows its length."""
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > len(data):
            raise IndexError("cut off")
        found.append(data[at : at + length].decode())
        at += length
    return found


def _offered(data: bytes) -> list[Qos]:
    """Return the QoS profiles in the key-value pairs of a channel; none if they are damaged."""
    try:
        pairs = []
        at = 0
        while at < len(data):
            key, value = _texts(data, at, 2)
            pairs.append((key, value))
            at += 8 + len(key.encode()) + len(value.encode())
        return parse_qos(dict(pairs).get("offered_qos_profiles", ""))
    except Exception:  # rosbags raises any type
        return []
