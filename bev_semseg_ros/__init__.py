"""Detect objects and segment images from lidars and cameras, in training and on a vehicle."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from bev_semseg_ros.config import Config
    from bev_semseg_ros.data.dataset import open_dataset
    from bev_semseg_ros.frame import (
        Annotation,
        Boxes,
        Camera,
        CameraImage,
        EgoMotion,
        Frame,
        LidarScan,
        Prediction,
    )
    from bev_semseg_ros.inference.predictor import Predictor
    from bev_semseg_ros.labels import LabelSet, load_label_set

# The stable Python API. Each name is imported on first use, so that reading data does not load
# torch, and the node responds before torch is loaded.
_API = {
    "Annotation": "frame",
    "Boxes": "frame",
    "Camera": "frame",
    "CameraImage": "frame",
    "Config": "config",
    "EgoMotion": "frame",
    "Frame": "frame",
    "LabelSet": "labels",
    "LidarScan": "frame",
    "Prediction": "frame",
    "Predictor": "inference.predictor",
    "load_label_set": "labels",
    "open_dataset": "data.dataset",
}

__all__ = [
    "Annotation",
    "Boxes",
    "Camera",
    "CameraImage",
    "Config",
    "EgoMotion",
    "Frame",
    "LabelSet",
    "LidarScan",
    "Prediction",
    "Predictor",
    "load_label_set",
    "open_dataset",
]


def __getattr__(name: str) -> Any:
    """Import a name of the API when it is first used."""
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_API[name]}"), name)


def _version() -> str:
    """Read the version from package.xml of the source tree, or else from the installed package."""
    package_xml = Path(__file__).resolve().parents[1] / "package.xml"
    if package_xml.is_file():
        return ElementTree.parse(package_xml).getroot().findtext("version", "")
    return version("bev_semseg_ros")


__version__ = _version()
