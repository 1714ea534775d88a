"""The common interface of recorded files of all formats: channels and messages."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from rosbags.interfaces import Qos

CDR = "cdr"
# Channel, time in the bag (ns), and the message as it was recorded; None if it cannot be read.
Recorded = tuple["Channel", int, bytes | None]


@dataclass(frozen=True)
class Channel:
    """A topic in one file. A file may have several channels with the same topic.

    Attributes:
        id: Its number in the file.
        topic: Its topic.
        message_type: The type of its messages.
        encoding: Encoding of its messages; a node can use only CDR.
        count: Number of messages.
        profiles: The QoS that the publishers offered.
    """

    id: int
    topic: str
    message_type: str
    encoding: str = CDR
    count: int = 0
    profiles: tuple[Qos, ...] = field(default=(), compare=False)


def type_name(recorded: str) -> str:
    """Return the name of a message type as ROS 2 writes it: sensor_msgs/msg/Image.

    Other programs record sensor_msgs/Image, as in ROS 1, or sensor_msgs::msg::dds_::Image_.
    """
    name = recorded
    if "::" in name:
        name = name.replace("::dds_::", "::").replace("::", "/").removesuffix("_")
    package, slash, rest = name.partition("/")
    return f"{package}/msg/{rest}" if slash and "/" not in rest else name


class StorageFile(Protocol):
    """A recorded file that is open.

    Attributes:
        channels: Its topics.
        start: Time of its first message, ns.
    """

    channels: list[Channel]
    start: int

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        """Yield the messages of some channels, ordered by time."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...
