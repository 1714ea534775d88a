"""How frames stand to each other, from /tf_static and /tf: enough of tf2 for looking at a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform


class TransformTree:
    """The latest transform of every frame to its parent; frames by name, without a leading slash."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, np.ndarray]] = {}  # child -> parent, parent_from_child

    def take(self, message: Any) -> None:
        """A tf2_msgs/TFMessage. Transforms that are not finite, or whose rotation is none, are left out."""
        for stamped in message.transforms:
            where, q = stamped.transform.translation, stamped.transform.rotation
            matrix = transform(rotation_from_quaternion((q.x, q.y, q.z, q.w)), (where.x, where.y, where.z))
            if np.isfinite(matrix).all():
                self._parents[_name(stamped.child_frame_id)] = _name(stamped.header.frame_id), matrix

    @property
    def frames(self) -> set[str]:
        return set(self._parents) | {parent for parent, _ in self._parents.values()}

    def root(self, frame: str) -> str:
        return self._path(frame)[-1][0]

    def lookup(self, target: str, source: str) -> np.ndarray | None:
        """target_from_source (4, 4); None where they are not connected."""
        to_target, to_source = dict(self._path(target)), dict(self._path(source))
        common = next((frame for frame in to_source if frame in to_target), None)
        return None if common is None else invert(to_target[common]) @ to_source[common]

    def _path(self, frame: str) -> list[tuple[str, np.ndarray]]:
        """(ancestor, ancestor_from_frame) from the frame itself up to its root."""
        frame, matrix = _name(frame), np.eye(4)
        path = [(frame, matrix)]
        while frame in self._parents and len(path) <= len(self._parents):  # a loop ends, too
            frame, parent_from_child = self._parents[frame]
            matrix = parent_from_child @ matrix
            path.append((frame, matrix))
        return path


def _name(frame: str) -> str:
    return frame.lstrip("/")
