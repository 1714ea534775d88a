"""The folders may import only downwards: what every reader of the architecture relies on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.paths import PACKAGE
from support.sources import FILES, imports

ORDER = [
    "labels",
    "frame",
    "geometry",
    "config",
    "resources",
    "progress",
    "input_check",
    "preprocessing",
    "filtering",
    "data",
    "sim",
    "model",
    "inference",
    "evaluation",
    "visualization",
    "training",
    "ros",
    "cli",
]
WITHOUT_TORCH = {
    "frame",
    "geometry",
    "config",
    "input_check",
    "preprocessing",
    "filtering",
    "progress",
    "data",
    "sim",
}
ROS_MODULES = {
    "rclpy",
    "sensor_msgs",
    "std_msgs",
    "visualization_msgs",
    "diagnostic_msgs",
    "geometry_msgs",
    "message_filters",
    "lifecycle_msgs",
    "rcl_interfaces",
}


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_layers_above_it(path: Path) -> None:
    allowed = ORDER[: ORDER.index(_layer(path)) + 1]
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("bev_semseg_ros.")}
    assert {name for name in ours if name in ORDER} <= set(allowed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_and_ros_stay_where_they_belong(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    if _layer(path) in WITHOUT_TORCH:
        assert "torch" not in roots
    if _layer(path) != "ros":
        assert not roots & ROS_MODULES


def test_the_model_reads_no_files() -> None:
    for path in (PACKAGE / "model").rglob("*.py"):
        called = [
            node.func
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        ]
        names = {
            function.id if isinstance(function, ast.Name) else function.attr
            for function in called
            if isinstance(function, (ast.Name, ast.Attribute))
        }
        assert not names & {"open", "load", "save", "imread", "imwrite", "fromfile", "memmap"}, path
        assert "pathlib" not in {name.split(".")[0] for name in imports(path)}, path
