"""Augmentation that keeps the sensors consistent.

Whatever moves the points moves the boxes and the camera, too. A scene is moved by one transform of
the ego frame. The cameras follow with the inverse, so that a point still projects to the pixel that
shows it. An image is cropped, zoomed, turned and mirrored by one warp, and K follows. Only
`miscalibrate` breaks this rule, on purpose.
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

# Radians between neighbouring rings of a 64-beam lidar (HDL-64E data sheet: 26.8 deg / 63).
RING_STEP = 0.0070
LIDAR_HEIGHT = 1.73  # metres above the ground, KITTI's rig: rings are cones seen from there


def augment(
    example: Example,
    config: AugmentationConfig,
    grid: GridConfig,
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> Example:
    """Return a random variant of an example. Its points are again those inside the grid.

    The sample of a network that looks at whole clouds keeps the points outside.

    Args:
        example: the example.
        config: how strongly it is varied.
        grid: the BEV grid.
        crop: (width, height) to which images are cut; with (0, 0) they keep their size and are
            mirrored and recoloured only.
        rng: source of chance.
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
        example = replace(example, sample=thin_points(sample, config, rng))
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
    """Return the example with the image of one camera varied; arguments as in `augment`."""
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
    """Return the scene mirrored left to right: y of points and boxes, columns of the images."""
    sample, boxes = example.sample, example.boxes
    mirror = np.diag([1.0, -1, 1, 1])
    # A mirrored pose maps mirrored points of the lidar to mirrored points of the ego frame.
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
    # A mirrored world seen in a mirrored image is again what a proper camera sees: only the
    # principal point moves.
    matrix = camera.matrix.copy()
    matrix[0] = [matrix[0, 0], -matrix[0, 1], camera.size[0] - 1 - matrix[0, 2]]
    pose = np.diag([-1.0, 1, 1, 1]) @ camera.camera_from_ego @ mirror
    return RectifiedImage(
        np.ascontiguousarray(seen.image[:, ::-1]), Camera(matrix, camera.size, pose)
    )


def _with_images(sample: Sample, change: Callable[[RectifiedImage], RectifiedImage]) -> Sample:
    return replace(sample, images={name: change(seen) for name, seen in sample.images.items()})


def move(example: Example, yaw: float, scale: float, height: float) -> Example:
    """Return the scene turned, scaled and lifted. The images stay.

    Args:
        example: the example.
        yaw: radians to turn it by about z.
        scale: factor about the origin.
        height: metres to lift it by.
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
        # Pixels do not change when camera and scene are scaled together: the pose stays rigid.
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


def thin_points(sample: Sample, config: AugmentationConfig, rng: np.random.Generator) -> Sample:
    """Return a sample as a poorer lidar gives it: fewer points or rings, another intensity."""
    points = sample.points
    if points is None:
        return sample
    kept = np.ones(len(points), bool)
    if rng.random() < config.ring_drop:
        kept = every_second_ring(points, rng.random())
    if rng.random() < config.point_drop:
        share = rng.uniform(0.65, 1)
        kept &= rng.random(len(points)) < share
    points = points[kept]
    if rng.random() < config.intensity_zero:
        points[:, 3] = 0
    else:
        gain = np.exp(rng.normal(0, config.intensity_gain))
        points[:, 3] = np.minimum(points[:, 3] * gain, 1)
    return sample.with_points(points, kept)


def every_second_ring(points: np.ndarray, phase: float) -> np.ndarray:
    """Return (N,) bool: points (N, >=3) of every second ring, told by their elevation.

    Not every data set knows the rings of its points.
    """
    elevation = np.arctan2(points[:, 2] - LIDAR_HEIGHT, np.hypot(points[:, 0], points[:, 1]))
    return np.floor(elevation / RING_STEP + 2 * phase).astype(np.int64) % 2 == 0


def random_view(
    size: tuple[int, int],
    crop: tuple[int, int],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (3, 3) pixels of a random crop from pixels of the whole image.

    Args:
        size: (width, height) of the image.
        crop: (width, height) of the crop.
        config: limits of zoom, aspect and turn.
        rng: source of chance.
    """
    zoom = np.exp(rng.uniform(np.log(config.image_zoom_min), np.log(config.image_zoom_max)))
    aspect = np.exp(0.5 * rng.normal(0, config.image_aspect))
    scale = np.array([zoom * aspect, zoom / aspect])
    # The window lies inside the zoomed image, or around it if the image is the smaller one.
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
    """Return the example with one image and its mask warped; K follows.

    Beyond the image its content is reflected, which keeps its statistics, and the mask is ignored.

    Args:
        example: the example.
        view: (3, 3) new pixels from old ones, affine.
        size: (width, height) of the new image.
        name: of the camera.
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
    """Return an image (h, w, 3) uint8 under mildly different light and camera.

    White balance, gamma, contrast, blur and noise vary.
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
    """Return, now and then, the example without its cameras, one of them, or without its points.

    So one network learns to serve every mode. The other sensor always stays. With a camera its mask
    goes, too, since nothing else could tell it.
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
