"""Transforms between named frames, from TF.

This module uses the interface of Jazzy's tf2_ros. There is no wheel of tf2_ros, so tests use a
substitute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from bev_semseg_ros.geometry import rotation_from_quaternion, transform
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input.tf_listener import TfListener
from bev_semseg_ros.ros.input.tf_topics import (
    MOVING,
    STATIC,
    TF_MESSAGE,
    explain_other_topics,
    tf_name,
)

try:
    import tf2_ros
except ImportError:  # there is no wheel of it
    tf2_ros = None

CACHE_NS = 10_000_000_000  # how long tf2 keeps transforms; it rejects older times


class MissingTransform(LookupError):
    """TF does not know the transform between two frames; the message names both."""


class Transforms:
    """Looks up transforms with tf2_ros, in any thread."""

    def __init__(
        self,
        buffer: Any,
        listen: Callable[[], TfListener] | None = None,
        hint: Callable[[], str] = lambda: "",
    ) -> None:
        """Use a buffer, and start listening.

        Args:
            buffer: A tf2_ros.Buffer.
            listen: Starts a listener that fills the buffer; None if none is needed.
            hint: Returns a text to append to errors.
        """
        self._buffer, self._listen, self._hint = buffer, listen, hint
        self._lock = threading.Lock()  # held while listening starts or stops
        self._listener = None if listen is None else listen()
        self._last_stamp = 0

    @classmethod
    def listening(cls, node: Node, parameter: str, may_lag: bool = False) -> Self:
        """Start listening to TF.

        Args:
            node: The node for which to listen.
            parameter: The parameter whose value is tf, for the error message.
            may_lag: See `TfListener`.

        Raises:
            ValueError: If tf2_ros is not installed.
        """
        if tf2_ros is None:
            raise ValueError(
                f"{parameter} is tf and tf2_ros is not installed: install "
                f"ros-$ROS_DISTRO-tf2-ros-py or set {parameter} to another value"
            )
        buffer = tf2_ros.Buffer(Duration(nanoseconds=CACHE_NS))
        return cls(
            buffer,
            lambda: TfListener(tf2_ros, buffer, node, f"{parameter}_tf", may_lag),
            partial(_transforms_elsewhere, node),
        )

    def look_up(
        self, target: str, source: str, stamp: int | None = None, timeout: float = 0.0
    ) -> np.ndarray:
        """Return target_from_source (4, 4).

        Args:
            target: Name of the target frame.
            source: Name of the source frame.
            stamp: Time of the transform, nanoseconds; None for the latest transform.
            timeout: Longest wait for a transform at that time, seconds.

        Raises:
            MissingTransform: If TF does not have the transform.
        """
        if stamp is not None and stamp <= 0:  # tf2 would return the latest, or reject the number
            raise MissingTransform(
                f"no transform from {source!r} to {target!r} at {stamp / 1e9:g} s, which is not "
                "after 0"
            )
        found = self._ask(target, source, stamp, timeout).transform
        position, rotation = found.translation, found.rotation
        matrix = transform(
            rotation_from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w)),
            (position.x, position.y, position.z),
        )
        if not np.isfinite(matrix).all():
            raise MissingTransform(f"the transform from {source!r} to {target!r} is not finite")
        return matrix

    def newest(self, target: str, source: str) -> int:
        """Return the time of the latest transform between two frames, nanoseconds.

        Raises:
            MissingTransform: If TF does not have any.
        """
        return stamp_ns(self._ask(target, source, None, 0.0).header.stamp)

    def forget_if_time_jumped_back(self, stamp: int) -> None:
        """Clear tf2's buffer if a bag starts again: tf2 would reject its older transforms.

        Args:
            stamp: Stamp of the current frame, nanoseconds.
        """
        if stamp < self._last_stamp - CACHE_NS:
            self._buffer.clear()
        self._last_stamp = stamp

    def close(self) -> None:
        """Stop listening for good."""
        with self._lock:
            self._listen = None
        self.pause()

    def pause(self) -> None:
        """Stop listening until an unknown transform is requested."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _ask(self, target: str, source: str, stamp: int | None, timeout: float) -> Any:
        time = Time() if stamp is None else Time(nanoseconds=stamp)  # zero: the latest
        try:
            return self._buffer.lookup_transform(target, source, time, Duration(seconds=timeout))
        except tf2_ros.TransformException as error:
            with self._lock:
                if self._listener is None and self._listen is not None:
                    self._listener = self._listen()
            # If a transform is missing only at a certain time, its topic is the right one.
            hint = self._hint() if stamp is None else ""
            raise MissingTransform(
                f"no transform from {source!r} to {target!r}: {' '.join(str(error).split())}{hint}"
            ) from error


def _transforms_elsewhere(node: Node) -> str:
    """Name topics with transforms to which a node does not listen; see `tf_topics`."""
    published = [
        topic
        for topic, kinds in node.get_topic_names_and_types()
        if TF_MESSAGE in kinds and tf_name(topic, TF_MESSAGE) and node.count_publishers(topic)
    ]
    heard = [node.resolve_topic_name(name) for name in (MOVING, STATIC)]
    return explain_other_topics(published, heard)
