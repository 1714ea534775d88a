"""Every setting of the network, its training and its decoding: one tree of dataclasses that a YAML file overrides."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import reprlib
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# A damaged or malicious file must not ask for more memory than there is: the largest sizes of what a file can set.
MAX_PILLARS = 4096  # along x or y
MAX_CANVAS = 2**28  # values of the pillars' canvas, a gigabyte
MAX_CHANNELS = 1024
MAX_BLOCKS = 32
MAX_NETWORK_PIXELS = 16_777_216  # of the image the network sees
MAX_BOXES = 100_000

_SHORT = reprlib.Repr()  # of values in errors: YAML's aliases let a few bytes stand for billions
_SHORT.maxlevel = 2


@dataclass(frozen=True)
class GridConfig:
    """The BEV grid in the ego frame, metres. Pillars have `cell`; heads answer at `cell * output_stride`.

    Raises ValueError for a grid that the network cannot have.
    """

    x_min: float = 0.0
    x_max: float = 57.6
    y_min: float = -28.8
    y_max: float = 28.8
    z_min: float = -3.0
    z_max: float = 4.5
    cell: float = 0.2
    output_stride: int = 2

    def __post_init__(self) -> None:
        if not (
            self.x_min < self.x_max
            and self.y_min < self.y_max
            and self.z_min < self.z_max
            and self.cell > 0
        ):
            raise ValueError("grid: expected each minimum below its maximum, and a cell above 0")
        if self.output_stride != 2:
            raise ValueError(
                f"grid.output_stride: the heads answer at 2 pillars, not at {self.output_stride}"
            )
        if any(not 0 < count <= MAX_PILLARS or count % self.output_stride for count in self.shape):
            raise ValueError(
                f"grid: {self.shape[0]} x {self.shape[1]} pillars, expected even numbers of at most "
                f"{MAX_PILLARS}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Pillars along x and y."""
        return round((self.x_max - self.x_min) / self.cell), round(
            (self.y_max - self.y_min) / self.cell
        )

    @property
    def output_shape(self) -> tuple[int, int]:
        """Cells of the heads along x and y."""
        return self.shape[0] // self.output_stride, self.shape[1] // self.output_stride

    @property
    def output_cell(self) -> float:
        return self.cell * self.output_stride


@dataclass(frozen=True)
class ImageConfig:
    """The image the network sees: the rectified one, resized to about max_pixels, at most max_width wide."""

    max_pixels: int = 256_000
    max_width: int = 768

    def __post_init__(self) -> None:
        if not (
            0 < self.max_pixels <= MAX_NETWORK_PIXELS and 0 < self.max_width <= MAX_NETWORK_PIXELS
        ):
            raise ValueError(
                f"image: {self.max_pixels} pixels, {self.max_width} wide; expected 1 to "
                f"{MAX_NETWORK_PIXELS}"
            )


@dataclass(frozen=True)
class ModelConfig:
    camera_encoder: str = "efficientnet_lite0"  # or "residual"
    decoder: str = "fpn"
    fusion: str = "projective"  # or "cross_attention", "none"
    fpn_channels: int = 64
    fusion_channels: int = 16
    pillar_channels: int = 32
    bev_channels: tuple[int, ...] = (48, 96, 128)
    bev_blocks: tuple[int, ...] = (1, 2, 2)
    head_channels: int = 64

    @property
    def finds_boxes_in_images(self) -> bool:
        """True if boxes are looked for in a frame without points, too."""
        return self.fusion == "cross_attention"

    def __post_init__(self) -> None:
        channels = (
            self.fpn_channels,
            self.fusion_channels,
            self.pillar_channels,
            self.head_channels,
            *self.bev_channels,
        )
        if not all(0 < count <= MAX_CHANNELS for count in channels):
            raise ValueError(
                f"model: expected 1 to {MAX_CHANNELS} channels, got {max(channels)} and {min(channels)}"
            )
        if not all(0 <= count <= MAX_BLOCKS for count in self.bev_blocks):
            raise ValueError(
                f"model.bev_blocks: expected at most {MAX_BLOCKS}, got {_SHORT.repr(self.bev_blocks)}"
            )


@dataclass(frozen=True)
class LossConfig:
    segmentation_weight: float = 1.0  # lambda
    regression_weight: float = 0.5
    heatmap_sigma: tuple[float, float, float, float] = (
        1.6,
        2.0,
        0.9,
        1.1,
    )  # output cells, by detection class
    class_weight_min: float = 0.3
    class_weight_max: float = 4.0


@dataclass(frozen=True)
class AugmentationConfig:
    """Sensor-consistent: what moves the points moves boxes and the projection into the image, too."""

    flip: float = 0.5
    rotation: float = 0.05
    scale: float = 0.04
    height: float = 0.10
    point_drop: float = 0.5
    ring_drop: float = 0.12
    intensity_zero: float = 0.5
    intensity_gain: float = 0.4
    image_zoom_min: float = (
        0.93  # crops show the image enlarged by a factor between these, log-uniform
    )
    image_zoom_max: float = 2.0
    image_aspect: float = 0.08
    image_rotation: float = 0.035
    photometric: float = 0.0
    camera_drop: float = 0.2
    lidar_drop: float = 0.05


@dataclass(frozen=True)
class TrainingConfig:
    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 2e-3
    trunk_learning_rate: float = 0.3  # times learning_rate, for pretrained weights
    frozen_trunk_blocks: int = 2
    weight_decay: float = 0.02
    warmup: float = 0.15
    gradient_clip: float = 10.0
    precision: str = "auto"  # bf16 where the processor computes it, else fp32; or one of them
    tasks: tuple[str, ...] = ("detection", "segmentation")
    crop: tuple[int, int] = (
        448,
        288,
    )  # width, height of the image while training; (0, 0): the whole image
    max_steps: int = 0  # the schedule ends after so many steps; 0: after `epochs`
    max_minutes: float = 0.0  # the schedule ends after this time; 0: after `max_steps` or `epochs`
    split: str = ""  # of the data, as `open_dataset` means it; empty: everything
    validation_split: str = (
        ""  # of the same data, for a short evaluation after every epoch; empty: none
    )
    validation_frames: int = 50


@dataclass(frozen=True)
class DecodingConfig:
    score_threshold: float = 0.3
    max_boxes: int = 120
    suppression_radius: tuple[float, float, float, float] = (
        1.6,
        2.5,
        0.4,
        0.6,
    )  # metres, by detection class

    def __post_init__(self) -> None:
        if not 0 < self.max_boxes <= MAX_BOXES:
            raise ValueError(f"decoding.max_boxes: expected 1 to {MAX_BOXES}, got {self.max_boxes}")


@dataclass(frozen=True)
class Config:
    name: str = "default"
    seed: int = 1
    grid: GridConfig = field(default_factory=GridConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)

    def __post_init__(self) -> None:
        if (values := math.prod(self.grid.shape) * self.model.pillar_channels) > MAX_CANVAS:
            raise ValueError(
                f"grid and model.pillar_channels: {values} values, expected at most {MAX_CANVAS}"
            )


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration (or a part of it) as plain dictionaries, lists and numbers."""
    plain = dataclasses.asdict(config)

    def lists(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: lists(item) for key, item in value.items()}
        return [lists(item) for item in value] if isinstance(value, (tuple, list)) else value

    return lists(plain)


def from_dict(values: dict[str, Any], kind: type = Config, where: str = "") -> Any:
    """A configuration from plain values; what is not named keeps its default.

    Raises ValueError that names an unknown key or a value of the wrong type.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"{where.rstrip('.') or 'configuration'}: expected a mapping, got {type(values).__name__}"
        )
    hints = typing.get_type_hints(kind)
    unknown = [str(key) for key in values if key not in hints]
    if unknown:
        raise ValueError(
            f"unknown setting {', '.join(where + key for key in unknown)}; known here: {', '.join(hints)}"
        )
    return kind(**{key: _convert(value, hints[key], where + key) for key, value in values.items()})


def _convert(value: Any, kind: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_dict(value, kind, where + ".")
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where}: expected a list, got {_SHORT.repr(value)}")
        kinds = typing.get_args(kind)
        if kinds[-1] is not Ellipsis and len(kinds) != len(value):
            raise ValueError(f"{where}: expected {len(kinds)} values, got {_SHORT.repr(value)}")
        return tuple(_convert(item, kinds[0], where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML takes 4e-3, which has no point, for text
        with contextlib.suppress(ValueError):
            value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: expected {kind.__name__}, got {_SHORT.repr(value)}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {value}")
    return value


def load(path: str | Path) -> Config:
    """Read a YAML file of overrides. Raises ValueError naming the file and the setting that is wrong."""
    try:
        return from_dict(yaml.safe_load(Path(path).read_text()) or {})
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """A configuration with single settings replaced, each written as `training.epochs=3`; values are YAML.

    Raises ValueError naming what is no setting or of the wrong type.
    """
    values = to_dict(config)
    for setting in settings:
        key, equals, text = setting.partition("=")
        *parents, name = key.split(".")
        place = values
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict):
            raise ValueError(f"{setting}: expected a setting such as training.epochs=3")
        try:
            place[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{setting}: not a YAML value") from error
    return from_dict(values)


def save(config: Config, path: str | Path) -> None:
    """Write the whole tree as YAML."""
    Path(path).write_text(yaml.safe_dump(to_dict(config), sort_keys=False))
