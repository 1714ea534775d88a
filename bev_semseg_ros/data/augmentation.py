"""Augmentation that keeps the sensors consistent.

Each transform of the points is also applied to the boxes and the cameras. A scene is moved by one
transform of the ego frame. The poses of the cameras are multiplied by its inverse, so a point still
projects to the pixel that shows it. An image is cropped, zoomed and rotated by one warp, and K is
adapted. Only `miscalibrate` deliberately breaks this consistency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from bev_semseg_ros.config import AugmentationConfig, GridConfig
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.data.miscalibration import miscalibrate
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import invert, rotation_z, transform, transform_boxes
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.preprocessing import RectifiedImage, Sample, points_in_grid

# Assumed angle between neighbouring rings of a 64-beam lidar, radians. The data sheet of the
# HDL-64E gives a mean of 26.8 deg / 63 = 0.0074.
RING_STEP = 0.0070
LIDAR_HEIGHT = 1.73  # of KITTI's rig, metres above the ground: the apex of the cones of the rings


def augment(
    example: Example,
    config: AugmentationConfig,
    grid: GridConfig,
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> Example:
    """Return a random variant of an example.

    Points that leave the grid are removed, unless the sample holds whole clouds.

    Args:
        example: The example.
        config: Probabilities and amounts of the augmentations.
        grid: The BEV grid.
        crop: (width, height) of the crops of the images. With (0, 0), images keep their size and
            are only mirrored and recoloured.
        rng: Random number generator.
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
        if sample.rays is None:
            inside = points_in_grid(sample.points, grid)
            sample = sample.with_points(sample.points[inside], inside)
        example = thin_points(replace(example, sample=sample), config, rng)
    for name in sample.images:
        example = _vary_image(example, name, config, crop, rng)
    return drop_sensor(example, config, rng)


def _vary_image(
    example: Example,
    name: str,
    config: AugmentationConfig,
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> Example:
    """Return the example with the image of one camera augmented; arguments as in `augment`."""
    if crop != (0, 0):
        height, width = example.sample.images[name].image.shape[:2]
        view = random_view((width, height), crop, config, rng)
        example = warp_image(example, view, crop, name)
    if rng.random() < config.photometric:
        seen = example.sample.images[name]
        example = _with_image(example, name, replace(seen, image=recolor(seen.image, rng)))
    if config.calibration_noise or config.calibration_shift:
        wrong = miscalibrate(example.sample.images[name], config, rng)
        example = _with_image(example, name, wrong)
    return example


def flip(example: Example) -> Example:
    """Return the scene mirrored left to right: points, boxes, images and masks."""
    sample, boxes = example.sample, example.boxes
    mirror = np.diag([1.0, -1, 1, 1])
    # A mirrored pose transforms mirrored points of the lidar to mirrored points in the ego frame.
    sample = replace(sample, ego_from_lidar=mirror @ sample.ego_from_lidar @ mirror)
    if sample.points is not None:
        sample = replace(sample, points=sample.points * np.array([1, -1, 1, 1], np.float32))
    if sample.rays is not None:
        sample = replace(sample, rays=sample.rays.mirrored())
    sample = _with_images(sample, lambda seen: _mirrored(seen, mirror))
    if boxes is not None:
        boxes = replace(
            boxes,
            centers=boxes.centers * [1, -1, 1],
            yaws=-boxes.yaws,
            velocities=boxes.velocities * [1, -1],
        )
    masks = {name: np.ascontiguousarray(mask[:, ::-1]) for name, mask in example.masks.items()}
    return replace(example, sample=sample, masks=masks, boxes=boxes)


def _mirrored(seen: RectifiedImage, mirror: np.ndarray) -> RectifiedImage:
    camera = seen.camera
    # A mirrored image of a mirrored world is what a proper camera would record. Only its principal
    # point differs.
    matrix = camera.matrix.copy()
    matrix[0] = [matrix[0, 0], -matrix[0, 1], camera.size[0] - 1 - matrix[0, 2]]
    pose = np.diag([-1.0, 1, 1, 1]) @ camera.camera_from_ego @ mirror
    return RectifiedImage(
        np.ascontiguousarray(seen.image[:, ::-1]), Camera(matrix, camera.size, pose)
    )


def _with_images(sample: Sample, change: Callable[[RectifiedImage], RectifiedImage]) -> Sample:
    return replace(sample, images={name: change(seen) for name, seen in sample.images.items()})


def move(example: Example, yaw: float, scale: float, height: float) -> Example:
    """Return the scene rotated, scaled and raised. The images do not change.

    Args:
        example: The example.
        yaw: Rotation about z, radians.
        scale: Scale factor about the origin.
        height: Shift along z, metres.
    """
    sample, boxes = example.sample, example.boxes
    motion = transform(rotation_z(yaw), (0, 0, height))
    poses = sample.ego_from_lidar.copy()
    poses[:, :3, 3] *= scale
    sample = replace(sample, ego_from_lidar=motion @ poses)
    if sample.points is not None:
        points = sample.points.copy()
        turned = points[:, :3] @ (scale * motion[:3, :3].T).astype(np.float32)
        points[:, :3] = turned + motion[:3, 3].astype(np.float32)
        sample = replace(sample, points=points)
    if sample.rays is not None:
        sample = replace(sample, rays=sample.rays.scaled(scale))

    def moved(seen: RectifiedImage) -> RectifiedImage:
        # If camera positions and scene are scaled together, pixels do not change. So the pose stays
        # rigid.
        pose = seen.camera.camera_from_ego.copy()
        pose[:3, 3] *= scale
        return replace(seen, camera=replace(seen.camera, camera_from_ego=pose @ invert(motion)))

    sample = _with_images(sample, moved)
    if boxes is not None:
        scaled = replace(
            boxes,
            centers=boxes.centers * scale,
            sizes=boxes.sizes * scale,
            velocities=boxes.velocities * scale,
        )
        boxes = transform_boxes(motion, scaled)
    return replace(example, sample=sample, boxes=boxes)


def thin_points(example: Example, config: AugmentationConfig, rng: np.random.Generator) -> Example:
    """Return an example as from a poorer lidar: with fewer points or rings, and other intensities.

    Labelled points that are removed become `removed_points` of the example.
    """
    points, classes = example.sample.points, example.point_classes
    if points is None:
        return example
    kept = np.ones(len(points), bool)
    if rng.random() < config.ring_drop:
        kept = every_second_ring(points, rng.random())
    if rng.random() < config.point_drop:
        share = rng.uniform(0.65, 1)
        kept &= rng.random(len(points)) < share
    if classes is not None and not kept.all():
        removed = np.column_stack([points[~kept, :3], classes[~kept]])
        example = replace(example, removed_points=removed)
    points = points[kept]
    if rng.random() < config.intensity_zero:
        points[:, 3] = 0
    else:
        gain = np.exp(rng.normal(0, config.intensity_gain))
        points[:, 3] = np.minimum(points[:, 3] * gain, 1)
    return replace(example, sample=example.sample.with_points(points, kept))


def every_second_ring(points: np.ndarray, phase: float) -> np.ndarray:
    """Return (N,) bool: points in every second ring, estimated from their elevation.

    Not every data set has the rings of its points.

    Args:
        points: (N, >= 3) points in the ego frame, metres.
        phase: Offset of the selection; 0..1 is one period of two rings.
    """
    elevation = np.arctan2(points[:, 2] - LIDAR_HEIGHT, np.hypot(points[:, 0], points[:, 1]))
    return np.floor(elevation / RING_STEP + 2 * phase).astype(np.int64) % 2 == 0


def random_view(
    size: tuple[int, int],
    crop: tuple[int, int],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the (3, 3) affine transform from pixels of the image to those of a random crop.

    Args:
        size: (width, height) of the image.
        crop: (width, height) of the crop.
        config: Amounts of zoom, change of aspect ratio, and rotation.
        rng: Random number generator.
    """
    zoom = np.exp(rng.uniform(np.log(config.image_zoom_min), np.log(config.image_zoom_max)))
    aspect = np.exp(0.5 * rng.normal(0, config.image_aspect))
    scale = np.array([zoom * aspect, zoom / aspect])
    # The crop is inside the zoomed image, or around it if the image is smaller than the crop.
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


def warp_image(example: Example, view: np.ndarray, size: tuple[int, int], name: str) -> Example:
    """Return the example with one image, its mask and its K warped.

    Outside the old image, its content is reflected, which keeps its statistics, and the mask is
    MASK_IGNORED.

    Args:
        example: The example.
        view: (3, 3) affine transform from old pixels to new ones.
        size: (width, height) of the new image.
        name: Name of the camera.
    """
    seen = example.sample.images[name]
    image = cv2.warpAffine(
        seen.image, view[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    masks = dict(example.masks)
    if name in masks:
        masks[name] = cv2.warpAffine(
            masks[name],
            view[:2],
            size,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=MASK_IGNORED,
        )
    camera = Camera(view @ seen.camera.matrix, size, seen.camera.camera_from_ego)
    return replace(_with_image(example, name, RectifiedImage(image, camera)), masks=masks)


def _with_image(example: Example, name: str, seen: RectifiedImage) -> Example:
    images = {**example.sample.images, name: seen}
    return replace(example, sample=replace(example.sample, images=images))


def recolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image (h, w, 3) uint8 as if camera and light were slightly different.

    White balance, gamma, contrast, brightness, blur and noise vary.
    """
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
    """Randomly remove all cameras, one of several cameras, or the points from an example.

    With such examples, one network learns all modes. Cameras and points are never removed together.
    A camera is removed with its mask, because the network could not predict the mask without the
    image.
    """
    sample, draw = example.sample, rng.random()
    if sample.points is None or not sample.images:
        return example
    if draw < config.camera_drop:
        return replace(example, sample=sample.without_images(), masks={})
    if draw < config.camera_drop + config.lidar_drop:
        return replace(example, sample=sample.without_points())
    if len(sample.images) > 1 and rng.random() < config.camera_drop:
        lost = str(rng.choice(sorted(sample.images)))
        images = {name: seen for name, seen in sample.images.items() if name != lost}
        masks = {name: mask for name, mask in example.masks.items() if name != lost}
        return replace(example, sample=replace(sample, images=images), masks=masks)
    return example
