"""Boxes <-> visualization_msgs/MarkerArray."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from visualization_msgs.msg import Marker, MarkerArray

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, quaternion_from_rotation
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, DETECTION_COLORS

BOX, HEADING, LABEL = range(3)  # a box is three markers: their ids are 3 i + part


class BoxMarkers:
    """Makes the MarkerArray of a frame: a namespace per class; what only the frame before had is deleted.

    The next `update` uses the markers of the last one again: to make 90 of them anew costs a frame some 4 ms.
    """

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._pool: list[Marker] = []

    def update(
        self, boxes: Boxes, cloud_from_ego: np.ndarray, header: Any, lifetime: float
    ) -> MarkerArray:
        """Markers of `boxes` (ego frame) in the cloud's frame, whatever its orientation.

        Each has in `text` the class and the score, as "car 0.873"; `lifetime` in seconds, 0: for ever.
        """
        duration = Duration(sec=int(lifetime), nanosec=int(lifetime % 1 * 1e9))
        centers = apply(cloud_from_ego, boxes.centers)
        above = centers + cloud_from_ego[:3, 2] * (boxes.sizes[:, 2:] / 2 + 0.6)
        arrows = np.stack(
            [boxes.sizes[:, 0] / 2 + 0.8, np.full(len(boxes), 0.12), np.full(len(boxes), 0.35)], 1
        )
        texts = np.broadcast_to((0.0, 0.0, 0.7), arrows.shape)
        parts = [
            (BOX, Marker.CUBE, centers.tolist(), boxes.sizes.tolist(), 0.45),
            (HEADING, Marker.ARROW, centers.tolist(), arrows.tolist(), 0.9),
            (LABEL, Marker.TEXT_VIEW_FACING, above.tolist(), texts.tolist(), 1.0),
        ]
        rotations = quaternions(cloud_from_ego, boxes.yaws).tolist()
        while len(self._pool) < len(parts) * len(boxes):
            self._pool.append(Marker())
        markers, counts = self._pool[: len(parts) * len(boxes)], [0] * len(DETECTION_CLASSES)
        free = iter(markers)
        for index, (label, score) in enumerate(
            zip(boxes.labels.tolist(), boxes.scores.tolist(), strict=True)
        ):
            name = DETECTION_CLASSES[label]
            red, green, blue = (DETECTION_COLORS[label] / 255).tolist()
            for part, kind, positions, scales, alpha in parts:
                marker = next(free)
                marker.header, marker.lifetime, marker.text = (
                    header,
                    duration,
                    f"{name} {score:.3f}",
                )
                marker.ns, marker.id, marker.type = name, 3 * counts[label] + part, kind
                where, rotation = marker.pose.position, marker.pose.orientation
                scale, color = marker.scale, marker.color
                where.x, where.y, where.z = positions[index]
                rotation.x, rotation.y, rotation.z, rotation.w = rotations[index]
                scale.x, scale.y, scale.z = scales[index]
                color.r, color.g, color.b, color.a = red, green, blue, alpha
            counts[label] += 1
        shown = {(marker.ns, marker.id) for marker in markers}
        markers += [
            Marker(header=header, ns=name, id=number, action=Marker.DELETE)
            for name, number in sorted(self._shown - shown)
        ]
        self._shown = shown
        return MarkerArray(markers=markers)

    def clear(self, header: Any) -> MarkerArray:
        """Deletes everything shown."""
        self._shown = set()
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def boxes_from_markers(message: MarkerArray, ego_from_cloud: np.ndarray | None = None) -> Boxes:
    """The boxes of a MarkerArray of BoxMarkers, in the ego frame (or in the cloud's without a transform).

    Raises ValueError for a marker that is a box without class and score.
    """
    matrix = np.eye(4) if ego_from_cloud is None else ego_from_cloud
    found = [
        marker
        for marker in message.markers
        if marker.type == Marker.CUBE and marker.action == Marker.ADD
    ]
    if not found:
        return Boxes.empty()
    centers = np.array([[m.pose.position.x, m.pose.position.y, m.pose.position.z] for m in found])
    sizes = np.array([[m.scale.x, m.scale.y, m.scale.z] for m in found])
    x, y, z, w = np.array(
        [
            [m.pose.orientation.x, m.pose.orientation.y, m.pose.orientation.z, m.pose.orientation.w]
            for m in found
        ]
    ).T
    ahead = (
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], -1)
        @ matrix[:3, :3].T
    )
    labels, scores = [], []
    for marker in found:
        name, _, score = marker.text.rpartition(" ")
        if name not in DETECTION_CLASSES:
            raise ValueError(
                f"marker {marker.ns}/{marker.id}: expected a text like 'car 0.873', got {marker.text!r}"
            )
        labels.append(DETECTION_CLASSES.index(name))
        scores.append(float(score))
    order = np.argsort(-np.array(scores), kind="stable")
    return Boxes(
        apply(matrix, centers), sizes, np.arctan2(ahead[:, 1], ahead[:, 0]), labels, scores
    )[order]


def quaternions(cloud_from_ego: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """(M, 4) x, y, z, w of boxes with these yaws in the ego frame, in the cloud's frame."""
    x, y, z, w = quaternion_from_rotation(cloud_from_ego[:3, :3])
    s, c = np.sin(yaws / 2), np.cos(yaws / 2)
    return np.stack([x * c + y * s, y * c - x * s, z * c + w * s, w * c - z * s], 1)
