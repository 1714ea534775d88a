"""Rigid transforms, projection, boxes and the BEV grid. Numpy only; conventions as in `frame`."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.frame import Boxes

# Optical camera axes (x right, y down, z forward) of a camera *view* (x forward, y left, z up).
OPTICAL_FROM_VIEW = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])

# Signs of a box's corners along length, width, height: the lower four counter-clockwise from front-left, then the
# upper.
CORNER_SIGNS = np.array(
    [
        [1, 1, -1],
        [-1, 1, -1],
        [-1, -1, -1],
        [1, -1, -1],
        [1, 1, 1],
        [-1, 1, 1],
        [-1, -1, 1],
        [1, -1, 1],
    ],
    np.float64,
)
BOX_EDGES = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 0),
    (4, 5),
    (5, 6),
    (6, 7),
    (7, 4),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
)  # corners


def transform(
    rotation: np.ndarray | None = None, translation: np.ndarray | tuple = (0, 0, 0)
) -> np.ndarray:
    """(4, 4) from a (3, 3) rotation and a translation."""
    matrix = np.eye(4)
    if rotation is not None:
        matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def rotation_z(yaw: float) -> np.ndarray:
    """(3, 3) rotation about z, counter-clockwise."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def rotation_rpy(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """(3, 3) fixed-axis roll, pitch, yaw (REP 103): Rz(yaw) Ry(pitch) Rx(roll)."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    return rotation_z(yaw) @ ry @ rx


def quaternion_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w) of a (3, 3) rotation (Shepperd's method: the largest component first)."""
    m = np.asarray(rotation, np.float64)
    squares = np.array(
        [
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
            1 + m[0, 0] + m[1, 1] + m[2, 2],
        ]
    )
    largest = int(np.argmax(squares))
    s = 2 * np.sqrt(max(squares[largest], 1e-12))
    if largest == 3:
        q = [(m[2, 1] - m[1, 2]) / s, (m[0, 2] - m[2, 0]) / s, (m[1, 0] - m[0, 1]) / s, s / 4]
    elif largest == 0:
        q = [s / 4, (m[0, 1] + m[1, 0]) / s, (m[0, 2] + m[2, 0]) / s, (m[2, 1] - m[1, 2]) / s]
    elif largest == 1:
        q = [(m[0, 1] + m[1, 0]) / s, s / 4, (m[1, 2] + m[2, 1]) / s, (m[0, 2] - m[2, 0]) / s]
    else:
        q = [(m[0, 2] + m[2, 0]) / s, (m[1, 2] + m[2, 1]) / s, s / 4, (m[1, 0] - m[0, 1]) / s]
    return np.asarray(q) / np.linalg.norm(q)


def rotation_from_quaternion(quaternion: np.ndarray | tuple) -> np.ndarray:
    """(3, 3) of (x, y, z, w), of whatever length; one of length zero has no rotation and gives NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y, z, w = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def invert(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a rigid (4, 4) transform."""
    rotation = matrix[:3, :3].T
    return transform(rotation, -rotation @ matrix[:3, 3])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) taken through a (4, 4) transform; the points' dtype is kept."""
    rotation, translation = matrix[:3, :3].astype(points.dtype), matrix[:3, 3].astype(points.dtype)
    return points @ rotation.T + translation


def project(image_from_ego: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) and depth (N,) of ego points (N, 3); pixels mean nothing where depth <= 0."""
    homogeneous = points @ image_from_ego[:, :3].T.astype(points.dtype) + image_from_ego[
        :, 3
    ].astype(points.dtype)
    depth = homogeneous[:, 2]
    return homogeneous[:, :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[:, None], depth


def box_corners(boxes: Boxes) -> np.ndarray:
    """(M, 8, 3) corners in the order of CORNER_SIGNS."""
    x, y, z = np.moveaxis(0.5 * CORNER_SIGNS[None] * boxes.sizes[:, None], -1, 0)
    c, s = np.cos(boxes.yaws)[:, None], np.sin(boxes.yaws)[:, None]
    return np.stack([c * x - s * y, s * x + c * y, z], -1) + boxes.centers[:, None]


def transform_boxes(matrix: np.ndarray, boxes: Boxes) -> Boxes:
    """Boxes in another frame, by a rigid transform that is nearly upright: the heading is turned, tilt is dropped."""
    heading = (
        np.stack([np.cos(boxes.yaws), np.sin(boxes.yaws), np.zeros(len(boxes))], -1)
        @ matrix[:3, :3].T
    )
    return Boxes(
        apply(matrix, boxes.centers),
        boxes.sizes,
        np.arctan2(heading[:, 1], heading[:, 0]),
        boxes.labels,
        boxes.scores,
    )


def bev_iou(first: Boxes, second: Boxes) -> np.ndarray:
    """(M,) intersection over union, seen from above, of each of M boxes with the one of M others at the same place.

    The intersection of two rectangles is convex. Its corners are among the corners of each that lie within the other
    and the crossings of their edges: put in order round their middle they give its area.
    """
    a, b = box_corners(first)[:, :4, :2], box_corners(second)[:, :4, :2]
    # Every edge of one with every edge of the other: (M, 4, 4, 2).
    start, along = a[:, :, None], (np.roll(a, -1, 1) - a)[:, :, None]
    delta, other_along = b[:, None] - start, (np.roll(b, -1, 1) - b)[:, None]
    denominator = _cross(along, other_along)
    is_parallel = np.abs(denominator) < 1e-12
    scale = np.where(is_parallel, 1.0, denominator)
    t, u = _cross(delta, other_along) / scale, _cross(delta, along) / scale
    crosses = ~is_parallel & (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)
    points = np.concatenate([a, b, (start + t[..., None] * along).reshape(-1, 16, 2)], 1)
    is_corner = np.concatenate(
        [_in_rectangle(a, second), _in_rectangle(b, first), crosses.reshape(-1, 16)], 1
    )
    count = is_corner.sum(1)[:, None]
    points = np.where(is_corner[..., None], points, 0.0)
    points -= points.sum(1, keepdims=True) / np.maximum(count, 1)[..., None]  # from the middle
    angle = np.where(is_corner, np.arctan2(points[..., 1], points[..., 0]), np.inf)
    points = np.take_along_axis(points, np.argsort(angle, 1)[..., None], 1)
    points = np.where(
        (np.arange(24) < count)[..., None], points, points[:, :1]
    )  # closes the outline
    shared = np.where(
        count[:, 0] > 0, 0.5 * np.abs(_cross(points, np.roll(points, -1, 1)).sum(1)), 0.0
    )
    union = first.sizes[:, :2].prod(1) + second.sizes[:, :2].prod(1) - shared
    return shared / np.maximum(union, 1e-12)


def _in_rectangle(points: np.ndarray, boxes: Boxes) -> np.ndarray:
    """(M, N) bool: which of the points (M, N, 2) lie within their box seen from above, its border included."""
    delta = points - boxes.centers[:, None, :2]
    c, s = np.cos(boxes.yaws)[:, None], np.sin(boxes.yaws)[:, None]
    half = boxes.sizes[:, None, :2] / 2 + 1e-9
    return (np.abs(c * delta[..., 0] + s * delta[..., 1]) <= half[..., 0]) & (
        np.abs(c * delta[..., 1] - s * delta[..., 0]) <= half[..., 1]
    )


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def points_in_boxes(points: np.ndarray, boxes: Boxes, margin: float = 0.0) -> np.ndarray:
    """(M, N) bool: which of the points (N, 3) lie in which box grown by `margin` metres on every side."""
    inside = np.zeros((len(boxes), len(points)), bool)
    for index in range(len(boxes)):
        delta = points - boxes.centers[index]
        c, s = np.cos(boxes.yaws[index]), np.sin(boxes.yaws[index])
        half = boxes.sizes[index] / 2 + margin
        inside[index] = (
            (np.abs(c * delta[:, 0] + s * delta[:, 1]) <= half[0])
            & (np.abs(c * delta[:, 1] - s * delta[:, 0]) <= half[1])
            & (np.abs(delta[:, 2]) <= half[2])
        )
    return inside


def wrap_angle(angle: np.ndarray) -> np.ndarray:
    """Angles brought to -pi..pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def box_image_bounds(boxes: Boxes, image_from_ego: np.ndarray, near: float = 0.1) -> np.ndarray:
    """(M, 4) left, top, right, bottom of the projected corners, not clipped; NaN for a box wholly behind the camera.

    Edges that cross the plane `near` metres before the camera are cut there.
    """
    bounds = np.full((len(boxes), 4), np.nan)
    for index, corners in enumerate(box_corners(boxes)):
        homogeneous = corners @ image_from_ego[:, :3].T + image_from_ego[:, 3]
        kept = [h for h in homogeneous if h[2] >= near]
        for a, b in BOX_EDGES:
            da, db = homogeneous[a][2], homogeneous[b][2]
            if (da < near) != (db < near):
                kept.append(
                    homogeneous[a] + (near - da) / (db - da) * (homogeneous[b] - homogeneous[a])
                )
        if kept:
            pixels = np.array(kept)
            pixels = pixels[:, :2] / pixels[:, 2:]
            bounds[index] = [*pixels.min(0), *pixels.max(0)]
    return bounds
