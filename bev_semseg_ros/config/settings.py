"""All settings of the network, its training and its postprocessing.

The settings form a tree of dataclasses. pydantic checks types and limits.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, DEFAULT_BOX_LABELS, DEFAULT_MASK_LABELS

# Limits: a damaged or malicious file must not request more memory than the machine has.
MAX_PILLARS = 4096  # along x or y
MAX_CANVAS = 2**28  # values in the canvas of the pillar encoder: 1 GiB in float32
MAX_CHANNELS = 1024
MAX_BLOCKS = 32
MAX_LEVELS = 8  # stages of the BEV backbone
MAX_NETWORK_PIXELS = 16_777_216  # of the input image of the network
MAX_BOXES = 100_000
MAX_TASKS = 32
MAX_SEED = 2**32 - 1  # the largest that both torch and numpy accept

_CHECKS = ConfigDict(extra="forbid", strict=True)

Channels = Annotated[int, Field(gt=0, le=MAX_CHANNELS)]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
Angle = Annotated[float, Field(ge=0, le=math.pi)]  # radians
Degrees = Annotated[float, Field(ge=0, le=180)]
LogSpread = Annotated[float, Field(ge=0, le=5)]  # standard deviation of a factor's logarithm
Zoom = Annotated[float, Field(ge=0.01, le=100)]
Pixels = Annotated[int, Field(gt=0, le=MAX_NETWORK_PIXELS)]
Name = Annotated[str, Field(min_length=1, max_length=200)]

# Where the network looks for boxes: only in its grid, or also behind the vehicle. See
# inference/around.py.
GRIDS = ("forward", "around")
GRIDS_MEANING = (
    "forward: in the grid of the checkpoint (the shipped one looks ahead). around: also behind the "
    "vehicle; the part of the network that finds boxes then runs twice"
)


@dataclass(frozen=True, config=_CHECKS)
class GridConfig:
    """The BEV grid in the ego frame, in metres.

    The pillars have the side `cell`, the output cells of the heads `cell * output_stride`.

    Raises:
        ValueError: a grid that the network does not support.
    """

    x_min: Finite = 0.0
    x_max: Finite = 57.6
    y_min: Finite = -28.8
    y_max: Finite = 28.8
    z_min: Finite = -3.0
    z_max: Finite = 4.5
    cell: Positive = 0.2
    output_stride: int = 2

    def __post_init__(self) -> None:
        if not (self.x_min < self.x_max and self.y_min < self.y_max and self.z_min < self.z_max):
            raise ValueError("expected each minimum below its maximum")
        if self.output_stride != 2:
            raise ValueError(
                f"output_stride: expected 2, the stride of the heads, got {self.output_stride}"
            )
        for count in self.shape:
            if not 0 < count <= MAX_PILLARS or count % self.output_stride:
                raise ValueError(
                    f"{self.shape[0]} x {self.shape[1]} pillars of {self.cell} m, expected even "
                    f"numbers of at most {MAX_PILLARS}; change the limits of x and y, or cell"
                )

    def extended(self, back: float) -> GridConfig:
        """Return the grid with x_min at least `back` metres behind the origin of the ego frame."""
        step = self.cell * self.output_stride * 4  # a whole cell of the backbone's coarser maps
        steps = math.ceil((self.x_min + back) / step - 1e-6)
        return dataclasses.replace(self, x_min=self.x_min - steps * step)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pillars along x and y."""
        along_x = (self.x_max - self.x_min) / self.cell
        along_y = (self.y_max - self.y_min) / self.cell
        limit = 2 * MAX_PILLARS  # of a quotient that is too large to be rounded
        return round(min(along_x, limit)), round(min(along_y, limit))

    @property
    def output_shape(self) -> tuple[int, int]:
        """Number of output cells of the heads along x and y."""
        return self.shape[0] // self.output_stride, self.shape[1] // self.output_stride

    @property
    def output_cell(self) -> float:
        """Side of an output cell of the heads, metres."""
        return self.cell * self.output_stride


@dataclass(frozen=True, config=_CHECKS)
class ImageConfig:
    """Size of the rectified input image: about max_pixels, at most max_width wide."""

    max_pixels: Pixels = 256_000
    max_width: Pixels = 768


@dataclass(frozen=True, config=_CHECKS)
class ModelConfig:
    """The parts of the network: names from `model/build.py`, or "module:Class"."""

    camera_encoder: Name = "efficientnet_lite0"
    lidar_encoder: Name = "pillars"
    point_encoder: Name = "none"  # gives features to single points, for tasks on points
    neck: Name = "fpn"
    fusion: Name = "projective"
    tasks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_TASKS)] = (
        "detection",
        "segmentation",
    )
    neck_channels: Channels = 64
    fusion_channels: Channels = 16
    pillar_channels: Channels = 32
    point_channels: Channels = 32  # of the point encoder
    point_features_to_bev: bool = False  # these features are also inputs of the lidar encoder
    bev_channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=MAX_LEVELS)] = (
        48,
        96,
        128,
    )
    bev_blocks: Annotated[
        tuple[Annotated[int, Field(ge=0, le=MAX_BLOCKS)], ...],
        Field(min_length=1, max_length=MAX_LEVELS),
    ] = (1, 2, 2)
    head_channels: Channels = 64

    def __post_init__(self) -> None:
        if len(self.bev_channels) != len(self.bev_blocks):
            raise ValueError(
                f"bev_blocks: expected {len(self.bev_channels)} values, as bev_channels has, "
                f"got {len(self.bev_blocks)}"
            )


@dataclass(frozen=True, config=_CHECKS)
class LossConfig:
    """Weights of the losses, and limits of the class weights."""

    segmentation_weight: NotNegative = 1.0  # lambda of the joint loss
    point_segmentation_weight: NotNegative = 1.0
    bev_segmentation_weight: NotNegative = 1.0
    # of the Lovász loss of classes, relative to their cross entropy
    lovasz_weight: NotNegative = 0.0
    regression_weight: NotNegative = 0.5
    class_weight_min: Positive = 0.3
    class_weight_max: Positive = 4.0

    def __post_init__(self) -> None:
        _check_order(self, "class_weight_min", "class_weight_max")


@dataclass(frozen=True, config=_CHECKS)
class AugmentationConfig:
    """Random changes of training frames. Boxes and cameras move with the points."""

    flip: Share = 0.5  # probability of mirroring the scene
    rotation: Angle = 0.05  # standard deviation of the yaw, radians
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.04  # largest relative change of size
    height: NotNegative = 0.10  # standard deviation, metres
    point_drop: Share = 0.5  # probability of dropping some of the points
    ring_drop: Share = 0.12  # probability of dropping every second ring
    intensity_zero: Share = 0.5  # probability of setting all intensities to 0
    intensity_gain: LogSpread = 0.4
    image_zoom_min: Zoom = 0.93  # limits of the zoom of crops, log-uniform
    image_zoom_max: Zoom = 2.0
    image_aspect: LogSpread = 0.08
    image_rotation: Angle = 0.035  # standard deviation, radians
    photometric: Share = 0.0  # probability of changing the colours of an image
    camera_drop: Share = 0.2  # probability of dropping the images
    lidar_drop: Share = 0.05  # probability of dropping the points
    # Random error of each camera's pose. Boxes, points and images do not follow it.
    calibration_noise: Degrees = 0.0  # standard deviation about each axis of the camera, degrees
    calibration_shift: NotNegative = 0.0  # standard deviation along each axis, metres

    def __post_init__(self) -> None:
        _check_order(self, "image_zoom_min", "image_zoom_max")
        if self.camera_drop + self.lidar_drop > 1:
            raise ValueError(
                "camera_drop and lidar_drop: expected a sum of at most 1, because only one of them "
                f"is dropped at a time, got {self.camera_drop} and {self.lidar_drop}"
            )


@dataclass(frozen=True, config=_CHECKS)
class TrainingConfig:
    """Settings of a training run."""

    epochs: Annotated[int, Field(ge=0)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    trunk_learning_rate: NotNegative = 0.3  # times learning_rate, for a pretrained camera encoder
    # frozen blocks of a pretrained camera encoder, besides the stem; 0: nothing is frozen
    frozen_trunk_blocks: Annotated[int, Field(ge=0)] = 2
    weight_decay: NotNegative = 0.02
    warmup: Share = 0.15  # fraction of the training
    gradient_clip: Positive = 10.0
    # The checkpoint holds the mean of the weights over the steps, in which step t counts
    # about in proportion to t^average_power; 0: the weights after the last step.
    average_power: NotNegative = 0.0
    # auto: bf16 if the processor supports it natively, otherwise fp32
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    # tasks that are trained in this run; empty: all of model.tasks
    tasks: Annotated[tuple[Name, ...], Field(max_length=MAX_TASKS)] = ()
    crop: tuple[int, int] = (448, 288)  # width, height of training images; (0, 0): uncropped
    # points get the classes of the pixels that show them, even if the data set labels points
    carry_masks: bool = False
    # cells of the BEV without points learn the class of the nearest labelled cell, if it is at most
    # this far away; near vehicles and other small things, that of the nearest road, building etc.
    bev_fill: NotNegative = 0.0  # metres
    max_steps: Annotated[int, Field(ge=0)] = 0  # end after this number of steps; 0: after `epochs`
    max_minutes: NotNegative = 0.0  # end after this time; 0: see max_steps
    checkpoint_minutes: Positive = 10.0  # between checkpoints; every epoch also writes one
    # processes that make batches; 0: two threads make them, which is enough if a CPU trains.
    # auto: with a GPU one for each core but one, at most 8, otherwise 0
    num_workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    split: Literal["", "train", "val"] = ""  # of the data, see `open_dataset`; empty: all
    validation_split: Literal["", "train", "val"] = ""  # evaluated after every epoch; empty: none
    validation_frames: Annotated[int, Field(ge=0)] = 50  # limit on the frames evaluated; 0: all

    def __post_init__(self) -> None:
        if self.crop != (0, 0) and any(side <= 0 or side % 32 for side in self.crop):
            raise ValueError(
                f"crop: expected multiples of 32, or 0, 0 for whole images, got {list(self.crop)}"
            )
        if math.prod(self.crop) > MAX_NETWORK_PIXELS:
            raise ValueError(
                f"crop: expected at most {MAX_NETWORK_PIXELS} pixels, got {list(self.crop)}"
            )


@dataclass(frozen=True, config=_CHECKS)
class PostprocessConfig:
    """Which boxes are taken from the heatmaps, and which cells of the BEV count as known."""

    score_threshold: Share = 0.3
    max_boxes: Annotated[int, Field(gt=0, le=MAX_BOXES)] = 120  # of a frame, before suppression
    bev_confidence: Share = 0.5  # cells with a lower probability of their class are unknown


@dataclass(frozen=True, config=_CHECKS)
class Config:
    """The whole configuration.

    Attributes:
        labels: task -> its label set: the name of a shipped one, or a YAML file.
    """

    name: Name = "default"
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    labels: dict[str, Name] = dataclasses.field(
        default_factory=lambda: {
            "detection": DEFAULT_BOX_LABELS,
            "segmentation": DEFAULT_MASK_LABELS,
            "point_segmentation": DEFAULT_MASK_LABELS,
            "bev_segmentation": DEFAULT_BEV_LABELS,
        }
    )
    grid: GridConfig = dataclasses.field(default_factory=GridConfig)
    image: ImageConfig = dataclasses.field(default_factory=ImageConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    augmentation: AugmentationConfig = dataclasses.field(default_factory=AugmentationConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    postprocess: PostprocessConfig = dataclasses.field(default_factory=PostprocessConfig)

    def __post_init__(self) -> None:
        values = math.prod(self.grid.shape) * self.model.pillar_channels
        if values > MAX_CANVAS:
            raise ValueError(
                f"grid and model.pillar_channels: {values} values, expected at most {MAX_CANVAS}"
            )


def _check_order(section: Any, lower: str, upper: str) -> None:
    """Refuse a section in which the setting `lower` is above the setting `upper`."""
    least, most = getattr(section, lower), getattr(section, upper)
    if least > most:
        raise ValueError(f"{lower}: expected at most {upper}, which is {most}, got {least}")
