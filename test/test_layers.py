"""The folders may import only downwards: what every reader of the architecture relies on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bev_semseg_ros"
ORDER = ["frame", "taxonomy", "geometry", "config", "input_check", "preprocessing", "filtering", "progress", "data",
         "synth", "model", "checkpoint", "engine", "predictor", "evaluation", "visualization", "training", "ros", "cli"]
WITHOUT_TORCH = {"frame", "taxonomy", "geometry", "config", "input_check", "preprocessing", "filtering", "progress",
                 "data", "synth"}
ROS_MODULES = {"rclpy", "sensor_msgs", "std_msgs", "visualization_msgs", "diagnostic_msgs", "geometry_msgs",
               "message_filters", "lifecycle_msgs", "rcl_interfaces"}


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Every module a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_layers_above_it(path: Path) -> None:
    allowed = ORDER[:ORDER.index(_layer(path)) + 1]
    ours = {name.split(".")[1] for name in _imports(path) if name.startswith("bev_semseg_ros.")}
    assert {name for name in ours if name in ORDER} <= set(allowed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_and_ros_stay_where_they_belong(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    if _layer(path) in WITHOUT_TORCH:
        assert "torch" not in roots
    if _layer(path) != "ros":
        assert not roots & ROS_MODULES


def test_the_model_reads_no_files() -> None:
    for path in (PACKAGE / "model").glob("*.py"):
        called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {function.id if isinstance(function, ast.Name) else function.attr for function in called
                 if isinstance(function, (ast.Name, ast.Attribute))}
        assert not names & {"open", "load", "save", "imread", "imwrite", "fromfile", "memmap"}, path
        assert "pathlib" not in {name.split(".")[0] for name in _imports(path)}, path
