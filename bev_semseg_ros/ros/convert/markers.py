"""Boxes <-> visualization_msgs/MarkerArray."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from builtin_interfaces.msg import Duration
from visualization_msgs.msg import Marker, MarkerArray

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, quaternion_from_rotation
from bev_semseg_ros.labels import LabelSet

MARKERS_PER_BOX = 3  # body, heading and text; part p of box i of a class has the id 3 i + p

# Metres.
TEXT_GAP = 0.6  # from the top of a box to its text
TEXT_HEIGHT = 0.7
ARROW_OVERHANG = 0.8  # of the heading beyond the front of the box
ARROW_SHAFT = 0.12
ARROW_HEAD = 0.35


class _Part(NamedTuple):
    """One of the markers of a box, for all boxes.

    Attributes:
        type: The marker's type, such as Marker.CUBE.
        positions: x, y, z for each box, metres.
        scales: x, y, z for each box, metres.
        alpha: Opacity.
    """

    type: int
    positions: list[list[float]]
    scales: list[list[float]]
    alpha: float


class BoxMarkers:
    """Makes the MarkerArray of a frame, with a namespace for each class.

    Markers of the previous frame that are no longer needed are deleted. Not thread-safe: `update`
    reuses the Marker objects of its last call, because creating 90 of them takes about 4 ms.
    """

    def __init__(self, labels: LabelSet) -> None:
        """Start with nothing shown.

        Args:
            labels: The label set of the boxes, for names and colours.
        """
        self._classes = labels.classes
        self._colors = (labels.colors / 255).tolist()
        self._shown: set[tuple[str, int]] = set()
        self._pool: list[Marker] = []

    def update(
        self, boxes: Boxes, cloud_from_ego: np.ndarray, header: Any, lifetime: float
    ) -> MarkerArray:
        """Make the markers of a frame, in the frame of the cloud, whatever its orientation.

        Args:
            boxes: In the ego frame.
            cloud_from_ego: (4, 4) transform.
            header: The std_msgs/Header of the cloud.
            lifetime: Seconds until the markers vanish without an update; 0 for never.

        Returns:
            Three markers for each box. Their `text` holds class and score, as "car 0.873".
        """
        duration = Duration(sec=int(lifetime), nanosec=int(lifetime % 1 * 1e9))
        parts = _parts(boxes, cloud_from_ego)
        rotations = quaternions(cloud_from_ego, boxes.yaws).tolist()
        while len(self._pool) < MARKERS_PER_BOX * len(boxes):
            self._pool.append(Marker())
        markers = self._pool[: MARKERS_PER_BOX * len(boxes)]
        unused = iter(markers)
        counts = [0] * len(self._classes)
        for index, label in enumerate(boxes.labels.tolist()):
            name = self._classes[label]
            text = f"{name} {boxes.scores[index]:.3f}"
            red, green, blue = self._colors[label]
            for number, part in enumerate(parts):
                marker = next(unused)
                marker.header = header
                marker.lifetime = duration
                marker.text = text
                marker.ns = name
                marker.id = MARKERS_PER_BOX * counts[label] + number
                marker.type = part.type
                position, rotation = marker.pose.position, marker.pose.orientation
                scale, color = marker.scale, marker.color
                position.x, position.y, position.z = part.positions[index]
                rotation.x, rotation.y, rotation.z, rotation.w = rotations[index]
                scale.x, scale.y, scale.z = part.scales[index]
                color.r, color.g, color.b, color.a = red, green, blue, part.alpha
            counts[label] += 1
        shown = {(marker.ns, marker.id) for marker in markers}
        for name, number in sorted(self._shown - shown):
            markers.append(Marker(header=header, ns=name, id=number, action=Marker.DELETE))
        self._shown = shown
        return MarkerArray(markers=markers)

    def clear(self, header: Any) -> MarkerArray:
        """Return the message that deletes everything shown."""
        self._shown = set()
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _parts(boxes: Boxes, cloud_from_ego: np.ndarray) -> list[_Part]:
    """Return body, heading and text of the boxes, placed in the frame of the cloud."""
    count = len(boxes)
    up = cloud_from_ego[:3, 2]
    centers = apply(cloud_from_ego, boxes.centers)
    above = centers + up * (boxes.sizes[:, 2:] / 2 + TEXT_GAP)
    arrows = np.empty((count, 3))
    arrows[:, 0] = boxes.sizes[:, 0] / 2 + ARROW_OVERHANG
    arrows[:, 1:] = (ARROW_SHAFT, ARROW_HEAD)
    texts = [[0.0, 0.0, TEXT_HEIGHT]] * count
    return [
        _Part(Marker.CUBE, centers.tolist(), boxes.sizes.tolist(), 0.45),
        _Part(Marker.ARROW, centers.tolist(), arrows.tolist(), 0.9),
        _Part(Marker.TEXT_VIEW_FACING, above.tolist(), texts, 1.0),
    ]


def boxes_from_markers(
    message: MarkerArray, labels: LabelSet, ego_from_cloud: np.ndarray | None = None
) -> Boxes:
    """Read the boxes back from a MarkerArray of BoxMarkers.

    Args:
        message: The markers.
        labels: The label set of the boxes.
        ego_from_cloud: (4, 4) transform. None leaves the boxes in the frame of the markers.

    Returns:
        The boxes, the highest score first.

    Raises:
        ValueError: If the text of a box is not a class of the label set and a score.
    """
    matrix = np.eye(4) if ego_from_cloud is None else ego_from_cloud
    bodies = [m for m in message.markers if m.type == Marker.CUBE and m.action == Marker.ADD]
    if not bodies:
        return Boxes.empty()
    centers, sizes, rotations, numbers, scores = [], [], [], [], []
    for marker in bodies:
        name, _, score = marker.text.rpartition(" ")
        if name not in labels.classes:
            raise ValueError(
                f"marker {marker.ns}/{marker.id}: expected a text like "
                f"'{labels.classes[0]} 0.873', got {marker.text!r}; the classes of "
                f"{labels.name} are {', '.join(labels.classes)}"
            )
        position, rotation, scale = marker.pose.position, marker.pose.orientation, marker.scale
        centers.append((position.x, position.y, position.z))
        sizes.append((scale.x, scale.y, scale.z))
        rotations.append((rotation.x, rotation.y, rotation.z, rotation.w))
        numbers.append(labels.index(name))
        scores.append(float(score))
    x, y, z, w = np.array(rotations).T
    forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], -1)
    forward = forward @ matrix[:3, :3].T
    yaws = np.arctan2(forward[:, 1], forward[:, 0])
    boxes = Boxes(
        apply(matrix, np.array(centers)),
        np.array(sizes),
        yaws,
        np.array(numbers),
        np.array(scores),
    )
    return boxes[np.argsort(-boxes.scores, kind="stable")]


def quaternions(cloud_from_ego: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Return the orientations of boxes in the frame of the cloud.

    Args:
        cloud_from_ego: (4, 4) transform.
        yaws: (M,) of the boxes, in the ego frame, radians.

    Returns:
        (M, 4) x, y, z, w.
    """
    x, y, z, w = quaternion_from_rotation(cloud_from_ego[:3, :3])
    s, c = np.sin(yaws / 2), np.cos(yaws / 2)
    return np.stack([x * c + y * s, y * c - x * s, z * c + w * s, w * c - z * s], 1)
