"""All settings of the network, its training and its postprocessing.

A YAML file or `--set` overrides single defaults.
"""

from bev_semseg_ros.config.serialization import from_dict, load, save, to_dict, with_settings
from bev_semseg_ros.config.settings import (
    GRIDS,
    GRIDS_MEANING,
    AugmentationConfig,
    Config,
    GridConfig,
    ImageConfig,
    LossConfig,
    ModelConfig,
    PostprocessConfig,
    TrainingConfig,
)

__all__ = [
    "GRIDS",
    "GRIDS_MEANING",
    "AugmentationConfig",
    "Config",
    "GridConfig",
    "ImageConfig",
    "LossConfig",
    "ModelConfig",
    "PostprocessConfig",
    "TrainingConfig",
    "from_dict",
    "load",
    "save",
    "to_dict",
    "with_settings",
]
