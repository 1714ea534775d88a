"""Reads a rosbag2 that may be damaged. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import Reader


class BagReader:
    """The bag in a folder, open within a `with`.

    rosbags raises errors of any type for a damaged bag. Here they become ValueErrors that name
    the bag.
    """

    def __init__(self, path: str | Path) -> None:
        """Read what the bag's metadata say. Raise ValueError if that cannot be read."""
        self._path = Path(path)
        try:
            self._reader = Reader(self._path)
        except Exception as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> Self:
        try:
            self._reader.open()
        except Exception as error:
            raise self._unreadable(error) from error
        return self

    def __exit__(self, *_: Any) -> None:
        self._reader.close()

    def _unreadable(self, error: Exception) -> ValueError:
        return ValueError(f"{self._path}: not a readable rosbag2 folder: {error}")

    @property
    def connections(self) -> list[Connection]:
        """The topics with their types; a topic may have several."""
        return self._reader.connections

    def messages(
        self, connections: Sequence[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time in the bag (ns) and raw message, in the order of time.

        Raises:
            ValueError: If the bag is damaged.
        """
        messages = self._reader.messages(connections)
        while True:
            try:
                connection, time, data = next(messages)
            except StopIteration:
                return
            except Exception as error:
                raise ValueError(f"{self._path}: damaged: {error}") from error
            yield connection, time, bytes(data)


def offered_profiles(connection: Connection) -> list[Qos]:
    """Return the QoS profiles that the publishers of a recorded topic offered."""
    return list(getattr(connection.ext, "offered_qos_profiles", None) or [])
