"""Every setting of the network, its training and its postprocessing.

One tree of dataclasses, of which a YAML file or `--set` overrides what differs from the defaults.
pydantic checks types and limits.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, DEFAULT_BOX_LABELS, DEFAULT_MASK_LABELS
from bev_semseg_ros.yaml_file import parse_yaml, read_yaml

# A damaged or malicious file must not ask for more memory than there is.
MAX_PILLARS = 4096  # along x or y
MAX_CANVAS = 2**28  # values of the pillar encoder's canvas: a gigabyte
MAX_CHANNELS = 1024
MAX_BLOCKS = 32
MAX_LEVELS = 8  # of the BEV backbone
MAX_NETWORK_PIXELS = 16_777_216  # of the image that the network sees
MAX_BOXES = 100_000
MAX_TASKS = 32
MAX_SEED = 2**32 - 1  # what torch and numpy both accept
MAX_VALUES = 10_000  # of a configuration

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

# Where boxes are looked for: in the grid alone, or behind the vehicle, too (inference/around.py).
GRIDS = ("forward", "around")
GRIDS_MEANING = (
    "forward: in the grid of the checkpoint (the shipped one looks ahead). around: also behind the "
    "vehicle; the part of the network that finds boxes then runs twice"
)


@dataclass(frozen=True, config=_CHECKS)
class GridConfig:
    """The BEV grid in the ego frame, metres. The heads answer at `cell * output_stride`.

    Raises:
        ValueError: a grid that the network cannot have.
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
                f"output_stride: the heads answer at 2 pillars, not at {self.output_stride}"
            )
        for count in self.shape:
            if not 0 < count <= MAX_PILLARS or count % self.output_stride:
                raise ValueError(
                    f"{self.shape[0]} x {self.shape[1]} pillars, "
                    f"expected even numbers of at most {MAX_PILLARS}"
                )

    def extended(self, back: float) -> GridConfig:
        """Return the grid from `back` metres behind the vehicle on, a whole number of cells."""
        step = self.cell * self.output_stride * 4  # whole cells of the backbone's coarser maps
        return dataclasses.replace(self, x_min=-math.ceil(back / step - 1e-6) * step)

    @property
    def shape(self) -> tuple[int, int]:
        """Pillars along x and y."""
        along_x = (self.x_max - self.x_min) / self.cell
        along_y = (self.y_max - self.y_min) / self.cell
        limit = 2 * MAX_PILLARS  # of a number too large to be rounded
        return round(min(along_x, limit)), round(min(along_y, limit))

    @property
    def output_shape(self) -> tuple[int, int]:
        """Cells of the heads along x and y."""
        return self.shape[0] // self.output_stride, self.shape[1] // self.output_stride

    @property
    def output_cell(self) -> float:
        """Side of a head's cell, metres."""
        return self.cell * self.output_stride


@dataclass(frozen=True, config=_CHECKS)
class ImageConfig:
    """The image that the network sees: rectified, about max_pixels, at most max_width wide."""

    max_pixels: Pixels = 256_000
    max_width: Pixels = 768


@dataclass(frozen=True, config=_CHECKS)
class ModelConfig:
    """The parts of the network, by the names of `model/build.py` or as "module:Class"."""

    camera_encoder: Name = "efficientnet_lite0"
    lidar_encoder: Name = "pillars"
    point_encoder: Name = "none"  # features of single points, which tasks on points need
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
    point_features_to_bev: bool = False  # the lidar encoder gets those features, too
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
                f"bev_blocks: {len(self.bev_blocks)} values for the "
                f"{len(self.bev_channels)} of bev_channels"
            )


@dataclass(frozen=True, config=_CHECKS)
class LossConfig:
    """How much each part of the loss counts."""

    segmentation_weight: NotNegative = 1.0  # lambda of the joint loss
    point_segmentation_weight: NotNegative = 1.0
    bev_segmentation_weight: NotNegative = 1.0
    regression_weight: NotNegative = 0.5
    class_weight_min: Positive = 0.3
    class_weight_max: Positive = 4.0

    def __post_init__(self) -> None:
        _check_order(self, "class_weight_min", "class_weight_max")


@dataclass(frozen=True, config=_CHECKS)
class AugmentationConfig:
    """Augmentation keeps the sensors consistent: boxes and projection move with the points."""

    flip: Share = 0.5
    rotation: Angle = 0.05  # standard deviation, radians
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.04
    height: NotNegative = 0.10  # standard deviation, metres
    point_drop: Share = 0.5
    ring_drop: Share = 0.12
    intensity_zero: Share = 0.5
    intensity_gain: LogSpread = 0.4
    image_zoom_min: Zoom = 0.93  # crops enlarge by a factor between these, log-uniform
    image_zoom_max: Zoom = 2.0
    image_aspect: LogSpread = 0.08
    image_rotation: Angle = 0.035  # standard deviation, radians
    photometric: Share = 0.0
    camera_drop: Share = 0.2
    lidar_drop: Share = 0.05
    # An error of each camera's pose, which boxes, points and images do not follow.
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
    """The course of a training run."""

    epochs: Annotated[int, Field(ge=0)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    trunk_learning_rate: NotNegative = 0.3  # times learning_rate, for pretrained weights
    frozen_trunk_blocks: Annotated[int, Field(ge=0)] = 2
    weight_decay: NotNegative = 0.02
    warmup: Share = 0.15
    gradient_clip: Positive = 10.0
    # auto: bf16 where the processor computes it, else fp32
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    # trained in this run; empty: all of model.tasks
    tasks: Annotated[tuple[Name, ...], Field(max_length=MAX_TASKS)] = ()
    crop: tuple[int, int] = (448, 288)  # width, height while training; (0, 0): the whole image
    # points get the classes of the pixels that show them even where the data know them better
    carry_masks: bool = False
    max_steps: Annotated[int, Field(ge=0)] = 0  # end after so many steps; 0: after `epochs`
    max_minutes: NotNegative = 0.0  # end after this time; 0: see max_steps
    checkpoint_minutes: Positive = 10.0  # between checkpoints; one also ends every epoch
    split: Literal["", "train", "val"] = ""  # of the data, see `open_dataset`; empty: everything
    validation_split: Literal["", "train", "val"] = ""  # evaluated after every epoch; empty: none
    validation_frames: Annotated[int, Field(ge=0)] = 50  # at most so many of them; 0: all

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
    """Which boxes are taken from the heatmaps, and which cells of the BEV are known."""

    score_threshold: Share = 0.3
    max_boxes: Annotated[int, Field(gt=0, le=MAX_BOXES)] = 120
    bev_confidence: Share = 0.5  # cells with a lower probability of their class are unknown


@dataclass(frozen=True, config=_CHECKS)
class Config:
    """The whole tree.

    Attributes:
        labels: task -> its label set, a shipped one's name or a YAML file.
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


_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a configuration, or a part of it, as plain dictionaries, lists and numbers."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values: Any) -> Config:
    """Return a configuration from plain values. What is not named keeps its default.

    Raises:
        ValueError: names each unknown setting, with those that are known there, and each value of
            the wrong type or beyond its limits.
    """
    if not isinstance(values, dict):
        raise ValueError(f"configuration: expected a mapping, got {type(values).__name__}")
    _check_count(values)
    values = dict(values)
    if isinstance(values.get("labels"), dict):
        values["labels"] = Config().labels | values["labels"]
    try:
        return _CONFIG.validate_json(json.dumps(values, default=repr))
    except ValidationError as error:
        raise ValueError("; ".join(_explain(dict(each)) for each in error.errors())) from None


def _check_count(values: Any) -> None:
    """Refuse a tree of more values than a configuration can have."""
    pending, count = [values], 0
    while pending:
        value = pending.pop()
        count += 1
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values, expected a configuration")
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value


def _explain(error: dict[str, Any]) -> str:
    """Say in one line what is wrong with a setting."""
    path = [str(part) for part in error["loc"]]
    where = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown setting {where}; known here: {', '.join(_known(path[:-1]))}"
    reason = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict) else f", got {error['input']!r:.60}"
    return f"{where or 'configuration'}: {reason[:1].lower()}{reason[1:]}{shown}"


def _known(path: list[str]) -> list[str]:
    part: Any = Config()
    for name in path:
        part = getattr(part, name)
    return [field.name for field in dataclasses.fields(part)]


def load(path: str | Path) -> Config:
    """Read a YAML file of overrides.

    Raises:
        ValueError: names the file and the setting that is wrong.
    """
    content = read_yaml(Path(path), "settings")
    try:
        return from_dict({} if content is None else content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """Return a configuration with single settings replaced.

    Args:
        config: the configuration to begin from.
        settings: each as `training.epochs=3`; the value is YAML.

    Raises:
        ValueError: names what is no setting or of the wrong type.
    """
    values = to_dict(config)
    for setting in settings:
        key, equals, text = setting.partition("=")
        *parents, name = key.split(".")
        place: Any = values
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict):
            raise ValueError(f"{setting}: expected a setting such as training.epochs=3")
        try:
            place[name] = parse_yaml(text)
        except ValueError as error:
            raise ValueError(f"{setting}: not a YAML value: {error}") from error
    return from_dict(values)


def save(config: Config, path: str | Path) -> None:
    """Write the whole tree as YAML."""
    Path(path).write_text(yaml.safe_dump(to_dict(config), sort_keys=False))
