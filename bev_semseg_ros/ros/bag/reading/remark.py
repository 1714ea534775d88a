"""What a bag lacks, and what was left out of it. Needs neither `rosbags` nor rclpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """Something about a bag that its user should know.

    Attributes:
        text: What is wrong, where, and what was done about it.
        remedy: What to do; "" if there is nothing to do.
    """

    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


def left_out_in_words(left_out: Mapping[tuple[str, str], int]) -> list[str]:
    """Describe which messages were left out, one text for each topic and cause.

    Args:
        left_out: (topic, cause) -> number of messages.
    """
    return [
        f"{topic}: {count} messages are left out: {cause}"
        for (topic, cause), count in left_out.items()
    ]
