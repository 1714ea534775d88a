"""Reads the metadata.yaml of a bag, as far as it is readable. Needs `rosbags`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import yaml
from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

from bev_semseg_ros.ros.bag.reading.storage import type_name

NAME = "metadata.yaml"
NEWEST_VERSION = 9  # the newest tested; the fields that are read have not changed since version 1
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Name and type identify a topic; the rest may differ between metadata.yaml and the files.
TopicKey = tuple[str, str]


@dataclass
class Metadata:
    """The part of metadata.yaml that is used.

    Attributes:
        version: Version of the file format; 0 if it is not given.
        files: Names of the storage files.
        counts: (topic, type) -> number of messages.
        profiles: (topic, type) -> the QoS that the publishers offered.
    """

    version: int = 0
    files: list[str] = field(default_factory=list)
    counts: Counter[TopicKey] = field(default_factory=Counter)
    profiles: dict[TopicKey, list[Qos]] = field(default_factory=dict)


def read_metadata(path: Path) -> Metadata:
    """Read a metadata.yaml of any version.

    Raises:
        ValueError: If it is unreadable, empty or not metadata. The text says briefly what is wrong.
    """
    try:
        content = yaml.load(path.read_bytes(), _LOADER)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except Exception as error:  # PyYAML raises any type for damaged text
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 1})"
        raise ValueError(f"is not YAML{where}") from error
    if content is None:
        raise ValueError("is empty")
    values = content.get("rosbag2_bagfile_information") if isinstance(content, dict) else None
    if not isinstance(values, dict):
        raise ValueError("has no rosbag2_bagfile_information")
    version = values.get("version")
    metadata = Metadata(version if isinstance(version, int) else 0)
    for name in _list(values.get("relative_file_paths")):
        metadata.files.append(PurePath(str(name)).name)  # a bag is read from its own folder only
    for each in _list(values.get("topics_with_message_count")):
        topic = each.get("topic_metadata") if isinstance(each, dict) else None
        if isinstance(topic, dict):
            key = str(topic.get("name")), type_name(str(topic.get("type")))
            count = each.get("message_count")
            metadata.counts[key] += count if isinstance(count, int) else 0
            profiles = metadata.profiles.setdefault(key, [])
            profiles += _profiles(topic.get("offered_qos_profiles"))
    return metadata


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _profiles(value: Any) -> list[Qos]:
    """Return QoS profiles; none if they are incomplete: those in the file are then used."""
    try:
        return parse_qos(value or [])
    except Exception:  # if edited by hand, it may be anything
        return []
