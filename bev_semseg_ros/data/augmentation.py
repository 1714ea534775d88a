"""Augmentation that keeps the sensors consistent: whatever moves the points moves the boxes and the camera, too.

A scene is moved by one transform of the ego frame; the camera follows with the inverse, so that a point still
projects to the pixel that shows it. An image is cropped, zoomed, turned and mirrored by one warp, and K follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from bev_semseg_ros.config import AugmentationConfig, GridConfig
from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.geometry import invert, rotation_z, transform, transform_boxes, wrap_angle
from bev_semseg_ros.preprocessing import Sample, points_in_grid
from bev_semseg_ros.taxonomy import IGNORE

RING_STEP = (
    0.0070  # rad between neighbouring rings of a 64-beam lidar (HDL-64E data sheet: 26.8 deg / 63)
)
LIDAR_HEIGHT = 1.73  # m above the ground, KITTI's rig: rings are cones seen from there


@dataclass(frozen=True, eq=False)
class Example:
    """What the network sees of a frame and what is true of it, both at the network's size.

    mask (h, w) uint8 in the geometry of `sample.image`; boxes in the ego frame with `ignored` (M,) bool; None where
    nobody said.
    """

    sample: Sample
    mask: np.ndarray | None = None
    boxes: Boxes | None = None
    ignored: np.ndarray | None = None


def augment(
    example: Example,
    config: AugmentationConfig,
    grid: GridConfig,
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> Example:
    """A random variant of an example; its points are again those inside the grid.

    crop: (width, height) the image is cut to; with (0, 0) it keeps its size and is mirrored and recoloured only.
    """
    if rng.random() < config.flip:
        example = flip(example)
    example = move(
        example,
        rng.normal(0, config.rotation),
        rng.uniform(1 - config.scale, 1 + config.scale),
        rng.normal(0, config.height),
    )
    sample = example.sample
    if sample.points is not None:
        points = sample.points[points_in_grid(sample.points, grid)]
        sample = replace(sample, points=thin_points(points, config, rng))
    example = replace(example, sample=sample)
    if sample.image is not None:
        if crop != (0, 0):
            size = (sample.image.shape[1], sample.image.shape[0])
            example = warp_image(example, random_view(size, crop, config, rng), crop)
        if rng.random() < config.photometric:
            image = recolor(example.sample.image, rng)
            example = replace(example, sample=replace(example.sample, image=image))
    return drop_sensor(example, config, rng)


def flip(example: Example) -> Example:
    """The scene mirrored left to right: y of points and boxes, columns of image and mask."""
    sample, boxes = example.sample, example.boxes
    if sample.points is not None:
        sample = replace(sample, points=sample.points * np.array([1, -1, 1, 1], np.float32))
    if sample.camera is not None:
        camera = sample.camera
        # A mirrored world seen in a mirrored image is again what a proper camera sees: only the middle moves.
        matrix = camera.matrix.copy()
        matrix[0] = [matrix[0, 0], -matrix[0, 1], camera.size[0] - 1 - matrix[0, 2]]
        pose = np.diag([-1.0, 1, 1, 1]) @ camera.camera_from_ego @ np.diag([1.0, -1, 1, 1])
        image = None if sample.image is None else np.ascontiguousarray(sample.image[:, ::-1])
        sample = replace(sample, image=image, camera=Camera(matrix, camera.size, pose))
    if boxes is not None:
        boxes = replace(boxes, centers=boxes.centers * [1, -1, 1], yaws=-boxes.yaws)
    mask = None if example.mask is None else np.ascontiguousarray(example.mask[:, ::-1])
    return replace(example, sample=sample, mask=mask, boxes=boxes)


def move(example: Example, yaw: float, scale: float, height: float) -> Example:
    """The scene turned by `yaw` (rad) about z, scaled about the origin and lifted by `height` (m); the image stays."""
    sample, boxes = example.sample, example.boxes
    motion = transform(rotation_z(yaw), (0, 0, height))
    if sample.points is not None:
        points = sample.points.copy()
        points[:, :3] = points[:, :3] @ (scale * motion[:3, :3].T).astype(np.float32) + motion[
            :3, 3
        ].astype(np.float32)
        sample = replace(sample, points=points)
    if sample.camera is not None:
        # Pixels of a scene do not change when camera and scene are scaled together: the pose stays rigid.
        pose = sample.camera.camera_from_ego.copy()
        pose[:3, 3] *= scale
        sample = replace(
            sample, camera=replace(sample.camera, camera_from_ego=pose @ invert(motion))
        )
    if boxes is not None:
        scaled = replace(boxes, centers=boxes.centers * scale, sizes=boxes.sizes * scale)
        boxes = transform_boxes(motion, scaled)
        boxes = replace(boxes, yaws=wrap_angle(boxes.yaws))
    return replace(example, sample=sample, boxes=boxes)


def thin_points(
    points: np.ndarray, config: AugmentationConfig, rng: np.random.Generator
) -> np.ndarray:
    """Points (N, 4) as a poorer or differently tuned lidar gives them: fewer points or rings, other intensity."""
    if rng.random() < config.ring_drop:
        points = points[every_second_ring(points, rng.random())]
    if rng.random() < config.point_drop:
        points = points[rng.random(len(points)) < rng.uniform(0.65, 1)]
    points = points.copy()
    if rng.random() < config.intensity_zero:
        points[:, 3] = 0
    else:
        points[:, 3] = np.minimum(points[:, 3] * np.exp(rng.normal(0, config.intensity_gain)), 1)
    return points


def every_second_ring(points: np.ndarray, phase: float) -> np.ndarray:
    """(N,) bool: points (N, >=3) of every second ring. Points carry no ring, so their elevation stands in for it."""
    elevation = np.arctan2(points[:, 2] - LIDAR_HEIGHT, np.hypot(points[:, 0], points[:, 1]))
    return np.floor(elevation / RING_STEP + 2 * phase).astype(np.int64) % 2 == 0


def random_view(
    size: tuple[int, int],
    crop: tuple[int, int],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> np.ndarray:
    """(3, 3) pixels of a random crop (width, height) from pixels of the image of `size`: zoom, aspect, turn, window."""
    zoom = np.exp(rng.uniform(np.log(config.image_zoom_min), np.log(config.image_zoom_max)))
    aspect = np.exp(0.5 * rng.normal(0, config.image_aspect))
    scale = np.array([zoom * aspect, zoom / aspect])
    # The window lies inside the zoomed image, or round it where the image is the smaller one.
    slack = np.asarray(size) * scale - crop
    corner = rng.uniform(np.minimum(slack, 0), np.maximum(slack, 0))
    view = np.array(
        [
            [scale[0], 0, 0.5 * scale[0] - 0.5 - corner[0]],
            [0, scale[1], 0.5 * scale[1] - 0.5 - corner[1]],
            [0, 0, 1],
        ]
    )
    middle = np.array([(crop[0] - 1) / 2, (crop[1] - 1) / 2])
    turn = np.eye(3)
    turn[:2, :2] = rotation_z(rng.normal(0, config.image_rotation))[:2, :2]
    turn[:2, 2] = middle - turn[:2, :2] @ middle
    return turn @ view


def warp_image(example: Example, view: np.ndarray, size: tuple[int, int]) -> Example:
    """Image and mask warped to `size` (width, height) by `view` (3, 3: new pixels from old, affine); K follows.

    Beyond the image its content is reflected, which keeps its statistics, and the mask says "ignore".
    """
    sample = example.sample
    image = cv2.warpAffine(
        sample.image, view[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    mask = example.mask
    if mask is not None:
        mask = cv2.warpAffine(
            mask,
            view[:2],
            size,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=IGNORE,
        )
    camera = Camera(view @ sample.camera.matrix, size, sample.camera.camera_from_ego)
    return replace(example, sample=replace(sample, image=image, camera=camera), mask=mask)


def recolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Image (h, w, 3) uint8 under mildly different light and camera: white balance, gamma, contrast, blur, noise."""
    table = np.linspace(0, 1, 256)[:, None] * np.exp(rng.normal(0, 0.08, 3))
    table = np.clip(table, 0, 1) ** np.exp(rng.normal(0, 0.15))
    table = (table - 0.5) * rng.uniform(0.8, 1.2) + 0.5 + rng.normal(0, 0.03)
    table = np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[None])
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 6), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def drop_sensor(example: Example, config: AugmentationConfig, rng: np.random.Generator) -> Example:
    """Now and then an example without its camera, or without its lidar, so that one network serves every mode.

    The other sensor always stays. What only the lost camera could tell (the mask) is no truth to learn from then.
    """
    sample, draw = example.sample, rng.random()
    if sample.points is None or sample.image is None:
        return example
    if draw < config.camera_drop:
        return replace(example, sample=replace(sample, image=None, camera=None), mask=None)
    if draw < config.camera_drop + config.lidar_drop:
        return replace(example, sample=replace(sample, points=None))
    return example
