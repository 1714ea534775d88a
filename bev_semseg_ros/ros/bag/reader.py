"""Reads a rosbag2, whole or damaged. Needs `rosbags`, not rclpy."""

from __future__ import annotations

import heapq
import resource
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from rosbags.interfaces import Qos

from bev_semseg_ros.ros.bag.reading.bag_files import find_files
from bev_semseg_ros.ros.bag.reading.metadata import TopicKey
from bev_semseg_ros.ros.bag.reading.payload import unpacked
from bev_semseg_ros.ros.bag.reading.recorded_file import open_file
from bev_semseg_ros.ros.bag.reading.remark import Remark
from bev_semseg_ros.ros.bag.reading.storage import CDR, Channel, StorageFile

OTHER_FILES = 512  # files that the process may open besides those of the bag


@dataclass(frozen=True)
class Topic:
    """A topic of a bag. Each message type on the same topic name is a topic of its own.

    Attributes:
        name: Its name.
        message_type: The type of its messages.
        count: Number of messages in the files.
        profiles: The QoS that its publishers offered.
    """

    name: str
    message_type: str
    count: int
    profiles: tuple[Qos, ...] = ()


class BagReader:
    """Reads a bag. It is a context manager: the bag is open within the `with` block.

    Topics and messages come from the recorded files. metadata.yaml gives the list of the files and
    the QoS, but a bag without it is also read. From damaged files, it reads whatever is readable.

    Attributes:
        topics: The topics.
        remarks: What is wrong with the bag. Some remarks are added only while messages are read.
        left_out: (topic, cause) -> number of messages that cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        """Find the recorded files.

        Args:
            path: The folder of the bag, or a recorded file.

        Raises:
            ValueError: If there is no bag. The text names the path and says what to do.
        """
        self.path = Path(path)
        self._files = find_files(self.path)
        self.remarks: list[Remark] = list(self._files.remarks)
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.topics: list[Topic] = []
        self._series: list[list[StorageFile]] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _open(self) -> None:
        _allow_open_files(sum(map(len, self._files.series)))
        workspace = Path(self._opened.enter_context(TemporaryDirectory(prefix="bev_semseg_bag_")))
        unreadable = []
        for paths in self._files.series:
            opened = []
            for path in paths:
                try:
                    file = open_file(path, workspace, self.remarks)
                except ValueError as error:
                    unreadable.append(str(error))
                    continue
                self._opened.callback(file.close)
                opened.append(file)
            self._series.append(opened)
        if not any(self._series):
            raise ValueError(unreadable[0])
        self.remarks += [Remark(text) for text in unreadable]
        self.topics = self._join_channels()
        self._compare_with_metadata()

    def _join_channels(self) -> list[Topic]:
        """Return the topics of all files: channels with the same name and type are one topic."""
        counts: Counter[TopicKey] = Counter()
        profiles: dict[TopicKey, list[Qos]] = {}
        encodings: dict[TopicKey, str] = {}
        for channel in self._channels():
            key = channel.topic, channel.message_type
            if channel.encoding != CDR:
                encodings[key] = channel.encoding
                continue
            counts[key] += channel.count
            found = profiles.setdefault(key, [])
            found += [profile for profile in channel.profiles if profile not in found]
        for (name, kind), encoding in encodings.items():
            text = f"{name} ({kind}) is left out: its messages are encoded as {encoding!r}, not CDR"
            remedy = ""
            if encoding == "ros1":
                remedy = "convert the original bag of ROS 1 with `rosbags-convert`"
            self.remarks.append(Remark(text, remedy))
        topics = []
        for key, recorded in profiles.items():
            # Users edit metadata.yaml to change the QoS of playback, so it takes precedence.
            offered = self._files.metadata.profiles.get(key) or recorded
            topics.append(Topic(*key, counts[key], tuple(offered)))
        return topics

    def _channels(self) -> Iterator[Channel]:
        for files in self._series:
            for file in files:
                yield from file.channels

    def _compare_with_metadata(self) -> None:
        """Report how many messages are lost, according to metadata.yaml."""
        recorded = self._files.metadata.counts.total()
        found = sum(topic.count for topic in self.topics)
        if recorded > found:
            name = self._files.folder / "metadata.yaml"
            self.remarks.append(
                Remark(f"{name} counts {recorded} messages: {recorded - found} of them are lost")
            )

    def messages(self, topics: Sequence[Topic]) -> Iterator[tuple[Topic, int, bytes]]:
        """Yield topic, time in the bag (ns) and serialized message, ordered by time.

        Messages that were compressed individually are unpacked. Messages that cannot be read are
        skipped and counted in `left_out`.
        """
        wanted = {(topic.name, topic.message_type): topic for topic in topics}
        series = [_of_series(files, wanted) for files in self._series]
        for time, channel, data in heapq.merge(*series, key=lambda item: item[0]):
            if channel is None:
                continue
            if data is None:
                self.left_out[channel.topic, "its data are in a damaged part of the file"] += 1
                continue
            try:
                message = unpacked(data)
            except ValueError as error:
                self.left_out[channel.topic, str(error)] += 1
                continue
            yield wanted[channel.topic, channel.message_type], time, message


def _allow_open_files(count: int) -> None:
    """Let this process open `count` files more, as far as the system allows it.

    A drive of many hours may be split into more files than the usual limit of 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(count + OTHER_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _of_series(
    files: Sequence[StorageFile], wanted: Collection[TopicKey]
) -> Iterator[tuple[int, Channel | None, bytes | None]]:
    """Yield time, channel and message of consecutive files.

    Before each file, its start time is yielded without a message, so that `heapq.merge` does not
    begin to read the file earlier than necessary.
    """
    for file in files:
        channels = []
        for channel in file.channels:
            key = channel.topic, channel.message_type
            if key in wanted and channel.encoding == CDR:
                channels.append(channel)
        if not channels:
            continue
        yield file.start, None, None
        for channel, time, data in file.messages(channels):
            yield time, channel, data
