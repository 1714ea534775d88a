"""Reads a SQLite file that is cut off or has a write-ahead log beside it, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw  # a dependency of rosbags

from bev_semseg_ros.ros.bag.reading.storage import CDR, Channel, Recorded, type_name

MAX_MISSES = 1000  # consecutive failures after which no more rows are expected
MAX_GAP = 10**7  # between the ids of two rows; a larger one is a sign of damage
_PAGE_SIZE_AT = 16  # in the header; 1 stands for 65536


class SqliteRows:
    """A SQLite file of rosbag2 of which all readable rows are read.

    Attributes:
        channels: Its topics.
        start: Time of its first message, ns.
    """

    def __init__(self, path: Path) -> None:
        """Find the rows.

        Args:
            path: The file. A write-ahead log beside it is read, too.

        Raises:
            apsw.Error: If nothing can be read.
        """
        # A file with a log is not "immutable": SQLite would then ignore the log.
        has_log = write_ahead_log(path) is not None
        self._pages = None if has_log else _WholePages(path)
        options = "mode=ro" if has_log else "mode=ro&immutable=1"
        self._database = apsw.Connection(
            f"file:{quote(str(path.resolve()))}?{options}",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
            vfs=None if self._pages is None else self._pages.name,
        )
        try:
            # Otherwise, SQLite refuses a file that is shorter than its header says.
            self._database.execute("PRAGMA writable_schema = ON")
            channels = self._read_channels()
            rows = sorted(self._find_rows())
        except BaseException:
            self.close()
            raise
        counts = Counter(channel for _, _, channel in rows)
        self._by_id = {each.id: replace(each, count=counts[each.id]) for each in channels}
        self._rows = [row for row in rows if row[2] in self._by_id]
        self.channels = list(self._by_id.values())
        self.start = self._rows[0][0] if self._rows else 0

    def _read_channels(self) -> list[Channel]:
        rows = self._database.execute("SELECT id, name, type, serialization_format FROM topics")
        channels = []
        for id_, name, kind, encoding in rows:
            if isinstance(name, str) and isinstance(kind, str):
                channels.append(Channel(id_, name, type_name(kind), encoding or CDR))
        return channels

    def _find_rows(self) -> Iterator[tuple[int, int, int]]:
        """Yield time, row id and channel id of each message, ordered by row id."""
        last, misses = 0, 0
        while misses < MAX_MISSES:
            try:
                # Without the index of the times, which may be damaged.
                rows: Any = self._database.execute(
                    "SELECT timestamp, id, topic_id FROM messages NOT INDEXED WHERE id > ? "
                    "ORDER BY id",
                    (last,),
                )
                for time, row, channel in rows:
                    # In damaged pages, rows may come repeatedly or have arbitrary ids.
                    if row <= last or (last and row > last + MAX_GAP):
                        misses += 1
                        if misses >= MAX_MISSES:
                            return
                        continue
                    last, misses = row, 0
                    if isinstance(time, int) and isinstance(channel, int):  # else it is damaged
                        yield time, row, channel
                return
            except apsw.Error:
                last, misses = last + 1, misses + 1

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        """Yield the messages of some channels, ordered by time."""
        wanted = {channel.id for channel in channels}
        for time, row, channel in self._rows:
            if channel not in wanted:
                continue
            try:
                found = self._database.execute("SELECT data FROM messages WHERE id = ?", (row,))
                (data,) = found.fetchone() or (None,)
            except apsw.Error:
                data = None
            yield self._by_id[channel], time, data if isinstance(data, bytes) else None

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._pages is not None:
            self._pages.unregister()


class _WholePages(apsw.VFS):
    """Hides the last page of a file if it is cut off.

    SQLite fills such a page with zeros, and would read them as parts of messages.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._page = str(path.resolve()), page_size(path)
        self.name = f"bev_semseg_{id(self)}"
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        """Open a file. Only the database itself is shortened, not its logs."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _WholePagesFile(name, flags, self._page if path == self._path else 1)


class _WholePagesFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], page: int) -> None:
        super().__init__("", name, flags)
        self._page = page

    def xFileSize(self) -> int:
        size = super().xFileSize()
        return size - size % self._page


def page_size(path: Path) -> int:
    """Return the size of a page of a SQLite file, bytes."""
    with path.open("rb") as file:
        file.seek(_PAGE_SIZE_AT)
        size = int.from_bytes(file.read(2), "big")
    return 65536 if size <= 1 else size


def is_cut(path: Path) -> bool:
    """Return whether a SQLite file ends within a page."""
    return path.stat().st_size % page_size(path) > 0


def write_ahead_log(path: Path) -> Path | None:
    """Return the log beside a SQLite file with changes that are not in the file yet, or None.

    `ros2 bag record` with the preset "resilient" leaves one if it is killed.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        return log if log.stat().st_size else None
    except OSError:
        return None
