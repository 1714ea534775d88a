"""How frames stand to each other, from /tf_static and /tf: enough of tf2 for looking at a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.geometry import invert, rotation_from_quaternion, transform


class TransformTree:
    """The latest transform of every frame to its parent; frames by name, without a leading slash."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, np.ndarray]] = {}  # child -> parent, parent_from_child
        self._static: set[str] = set()  # children whose transform is of /tf_static

    def take(self, message: Any, is_static: bool = False) -> None:
        """A tf2_msgs/TFMessage; is_static: of /tf_static.

        Transforms that are not finite, or whose rotation is none, are left out.
        """
        for stamped in message.transforms:
            where, q = stamped.transform.translation, stamped.transform.rotation
            matrix = transform(
                rotation_from_quaternion((q.x, q.y, q.z, q.w)), (where.x, where.y, where.z)
            )
            if np.isfinite(matrix).all():
                child = _name(stamped.child_frame_id)
                self._parents[child] = _name(stamped.header.frame_id), matrix
                (self._static.add if is_static else self._static.discard)(child)

    @property
    def frames(self) -> set[str]:
        return set(self._parents) | {parent for parent, _ in self._parents.values()}

    def root(self, frame: str) -> str:
        return self._path(frame)[-1][0]

    def rigid_root(self, frame: str) -> str:
        """The highest ancestor to which static transforms alone lead: what the frame is mounted on."""
        return next(
            (name for name, _ in self._path(frame) if name not in self._static), self.root(frame)
        )

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
