"""What a bag lacks, and what was left out of it. Needs neither `rosbags` nor rclpy."""

from __future__ import annotations

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
