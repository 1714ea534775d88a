"""The latest transforms of /tf_static and /tf, for the doctor.

tf2 is not used, because the doctor also reads bags on machines without ROS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform
from bev_semseg_ros.ros.input.tf_topics import STATIC, TF_MESSAGE, tf_name, tf_namespace


class TransformTree:
    """The latest transform of each frame to its parent.

    Frames are identified by their names. A leading slash is ignored.
    """

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, np.ndarray]] = {}  # child -> parent, parent_from_child
        self._static: set[str] = set()  # children whose transform is of /tf_static

    def take(self, message: Any, is_static: bool = False) -> None:
        """Add the transforms of a tf2_msgs/TFMessage.

        Transforms with numbers that are not finite, or with a quaternion of zeros, are left out.

        Args:
            message: The tf2_msgs/TFMessage.
            is_static: Whether it came on /tf_static.
        """
        for stamped in message.transforms:
            position, q = stamped.transform.translation, stamped.transform.rotation
            rotation = rotation_from_quaternion((q.x, q.y, q.z, q.w))
            matrix = transform(rotation, (position.x, position.y, position.z))
            if not np.isfinite(matrix).all():
                continue
            child = frame_name(stamped.child_frame_id)
            self._parents[child] = frame_name(stamped.header.frame_id), matrix
            if is_static:
                self._static.add(child)
            else:
                self._static.discard(child)

    @property
    def frames(self) -> set[str]:
        """The names of all frames."""
        return set(self._parents) | {parent for parent, _ in self._parents.values()}

    def root(self, frame: str) -> str:
        """Return the highest ancestor of a frame; the frame itself if it has no parent."""
        return self._path(frame)[-1][0]

    def rigid_root(self, frame: str) -> str:
        """Return what a frame is mounted on: the highest ancestor by static transforms alone."""
        for name, _ in self._path(frame):
            if name not in self._static:
                return name
        return self.root(frame)

    def lookup(self, target: str, source: str) -> np.ndarray | None:
        """Return target_from_source (4, 4), or None if the frames are not connected."""
        to_target, to_source = dict(self._path(target)), dict(self._path(source))
        common = next((frame for frame in to_source if frame in to_target), None)
        return None if common is None else invert(to_target[common]) @ to_source[common]

    def _path(self, frame: str) -> list[tuple[str, np.ndarray]]:
        """Return (ancestor, ancestor_from_frame) from the frame itself up to its root."""
        frame, matrix = frame_name(frame), np.eye(4)
        path = [(frame, matrix)]
        while frame in self._parents and len(path) <= len(self._parents):  # stops in a loop, too
            frame, parent_from_child = self._parents[frame]
            matrix = parent_from_child @ matrix
            path.append((frame, matrix))
        return path


class TransformTrees:
    """The transforms by namespace: each robot may have its own topics of TF."""

    def __init__(self) -> None:
        self._trees: dict[str, TransformTree] = {}

    def take(self, message: Any, topic: str) -> None:
        """Add the transforms of a tf2_msgs/TFMessage that came on a topic of TF."""
        tree = self._trees.setdefault(tf_namespace(topic), TransformTree())
        tree.take(message, is_static=tf_name(topic, TF_MESSAGE) == STATIC)

    def choose(self, frames: Sequence[str], topics: Sequence[str]) -> tuple[str, TransformTree]:
        """Return the namespace that has most of the sensors' frames, and its transforms.

        If several have as many, the empty namespace is chosen, or else that of the sensors' topics.

        Args:
            frames: The frames of the sensors.
            topics: Their topics.
        """

        def suits(namespace: str) -> tuple[int, bool, int]:
            known = sum(frame_name(frame) in self._trees[namespace].frames for frame in frames)
            around = sum(topic.startswith(f"{namespace}/") for topic in topics)
            return known, not namespace, around

        namespace = max(sorted(self._trees), key=suits, default="")
        return namespace, self._trees.get(namespace, TransformTree())
