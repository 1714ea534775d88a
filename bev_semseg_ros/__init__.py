"""Detect objects and segment images from one lidar and one camera, for training and on a vehicle."""

from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree


def _version() -> str:
    """Read the version from package.xml of the source tree, or else from the installed package."""
    package_xml = Path(__file__).resolve().parents[1] / "package.xml"
    if package_xml.is_file():
        return ElementTree.parse(package_xml).getroot().findtext("version", "")
    return version("bev_semseg_ros")


__version__ = _version()
