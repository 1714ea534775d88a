"""MCAP files in the forms that other programs write."""

from __future__ import annotations

import struct


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
