"""A data set of a few made-up frames in memory, and a configuration that trains in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.config import (
    AugmentationConfig,
    Config,
    GridConfig,
    ImageConfig,
    ModelConfig,
    TrainingConfig,
)
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    Annotation,
    Boxes,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
)
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, rotation_z, transform
from bev_semseg_ros.labels import load_label_set

ROAD, SKY, CAR = (load_label_set("driving_13").index(name) for name in ("road", "sky", "car"))
SIZE = (128, 64)

TINY = Config(
    name="tiny",
    grid=GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8, cell=0.4),
    image=ImageConfig(max_pixels=SIZE[0] * SIZE[1]),
    model=ModelConfig(
        camera_encoder="residual",
        pillar_channels=16,
        bev_channels=(16, 16, 16),
        bev_blocks=(1, 1, 1),
        neck_channels=16,
        head_channels=16,
        fusion_channels=8,
    ),
    augmentation=AugmentationConfig(camera_drop=0.0, lidar_drop=0.0),
    training=TrainingConfig(batch_size=2, precision="fp32", crop=(64, 32), epochs=2, num_workers=0),
)


def with_training(config: Config = TINY, **settings) -> Config:
    """Return a configuration with other settings of `training`."""
    return replace(config, training=replace(config.training, **settings))


def with_car_at(
    frame: Frame, annotation: Annotation, center: np.ndarray
) -> tuple[Frame, Annotation]:
    """Return a frame of `TinyDataset` with its car, and all points, moved to another centre."""
    assert annotation.boxes is not None
    shift = center - annotation.boxes.centers[0]
    lidar = frame.lidars[LIDAR]
    assert lidar.points is not None
    points = lidar.points.copy()
    points[:, :3] += shift
    boxes = replace(annotation.boxes, centers=annotation.boxes.centers + shift)
    return replace(frame, lidars={LIDAR: replace(lidar, points=points)}), replace(
        annotation, boxes=boxes
    )


class TinyDataset:
    """One car per frame, in front of a road and a sky."""

    name = "tiny"

    def __init__(self, count: int = 4, missing: str = "", size: tuple[int, int] = SIZE) -> None:
        """Describe the frames.

        Args:
            count: Number of frames.
            missing: What every second frame lacks: "points", "image", "boxes" or "mask".
            size: (width, height) of the images.
        """
        self.count = count
        self.missing = missing
        self.size = size

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> str:
        """Return the scene of a frame; each scene has two frames."""
        return f"scene{index // 2}"

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        rng = np.random.default_rng(index)
        center = [12 + 2 * (index % 4), 3 - 2 * (index % 4), 0.8]
        boxes = Boxes([center], [[4.2, 1.8, 1.6]], [0.0], [0], [1])
        car = boxes.centers[0] + rng.uniform(-0.5, 0.5, (200, 3)) * boxes.sizes[0]
        ground = np.column_stack(
            [rng.uniform(2, 25, 300), rng.uniform(-12, 12, 300), np.zeros(300)]
        )
        points = np.column_stack([np.concatenate([car, ground]), rng.uniform(0, 1, 500)]).astype(
            np.float32
        )
        width, height = self.size
        camera = Camera(
            [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]],
            self.size,
            OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5))),
        )
        mask = np.full((height, width), ROAD, np.uint8)
        mask[: height // 2] = SKY
        image = np.where(mask[..., None] == SKY, [90, 140, 220], [80, 80, 80]).astype(np.uint8)
        lacks = self.missing if index % 2 else ""
        frame = Frame.of(
            index * 100_000_000,
            None if lacks == "points" else points,
            np.eye(4),
            None if lacks == "image" else image,
            camera,
            name=f"frame{index}",
            scene=self.scene(index),
        )
        annotation = Annotation(
            None if lacks == "boxes" else boxes,
            None if lacks == "boxes" else np.zeros(1, bool),
            {} if lacks in ("mask", "image") else {CAMERA: mask},
        )
        return frame, annotation


class RigDataset(TinyDataset):
    """The same frames with two lidars, which share the points, and two cameras.

    The camera "left" looks to the left and has a smaller image, which shows only sky.
    """

    LEFT_SIZE = (64, 64)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        assert frame.points is not None
        rear_pose = transform(rotation_z(np.pi), (-2.0, 0.0, 0.5))
        rear = frame.points[1::2].copy()
        rear[:, :3] = apply(invert(rear_pose), rear[:, :3])
        width, height = self.LEFT_SIZE
        camera = Camera(
            [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]],
            self.LEFT_SIZE,
            OPTICAL_FROM_VIEW @ invert(transform(rotation_z(np.pi / 2), (0, 0, 1.5))),
        )
        image = np.full((height, width, 3), (90, 140, 220), np.uint8)
        frame = replace(
            frame,
            lidars={
                "front": LidarScan(frame.points[::2], np.eye(4)),
                "rear": LidarScan(rear, rear_pose),
            },
            cameras={**frame.cameras, "left": CameraImage(image, camera)},
        )
        masks = {**annotation.masks, "left": np.full((height, width), SKY, np.uint8)}
        return frame, replace(annotation, masks=masks)
