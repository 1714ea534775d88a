"""Reading a rosbag2 that may be damaged: every error names the bag. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader


class BagReader:
    """The bag in a folder, open within a `with`.

    A damaged one makes rosbags raise errors of any kind; here they are ValueErrors that name the bag.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._reader: Reader | None = None

    def __enter__(self) -> Self:
        try:
            reader = Reader(self._path)
            reader.open()
        except Exception as error:
            raise ValueError(f"{self._path}: not a readable rosbag2 folder: {error}") from error
        self._reader = reader
        return self

    def __exit__(self, *_: Any) -> None:
        self._reader.close()

    @property
    def connections(self) -> list[Connection]:
        return self._reader.connections

    def messages(
        self, connections: Sequence[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """(connection, its time in the bag in ns, raw message) in order of time."""
        messages = self._reader.messages(connections)
        while True:
            try:
                connection, time, data = next(messages)
            except StopIteration:
                return
            except Exception as error:
                raise ValueError(f"{self._path}: damaged: {error}") from error
            yield connection, time, bytes(data)
