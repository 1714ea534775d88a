"""Each file imports only from its own layer and from the layers above it in `ORDER`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package
from support.paths import PACKAGE, ROOT
from support.sources import FILES, imports, parsed

from bev_semseg_ros.model import build

ORDER = [
    "file_signatures",
    "path_kind",
    "output_path",
    "yaml_file",
    "labels",
    "frame",
    "geometry",
    "lifting",
    "config",
    "bev_lifting",
    "resources",
    "progress",
    "input_check",
    "rectification",
    "preprocessing",
    "filtering",
    "data",
    "sim",
    "model",
    "inference",
    "evaluation",
    "visualization",
    "training",
    "data_check",
    "ros",
    "cli",
]
ORDER_IN_ROS = [
    "dds",
    "domain",
    "convert",
    "synchronizer",
    "parameters",
    "health",
    "input",
    "node",
    "bag",
    "doctor",
    "extraction",
    "demo",
]
CHOSEN_IN = PACKAGE / "model" / "build.py"
CHOICES = {
    name
    for table in (
        build.CAMERA_ENCODERS,
        build.LIDAR_ENCODERS,
        build.POINT_ENCODERS,
        build.NECKS,
        build.FUSIONS,
    )
    for name in table
} - {"none"}  # an everyday word, also the name of a distortion model and of a wall pattern
SETTINGS = {"camera_encoder", "lidar_encoder", "point_encoder", "neck", "fusion"}
WITHOUT_TORCH = {
    "file_signatures",
    "path_kind",
    "output_path",
    "yaml_file",
    "labels",
    "frame",
    "geometry",
    "lifting",
    "config",
    "bev_lifting",
    "input_check",
    "rectification",
    "preprocessing",
    "filtering",
    "progress",
    "data",
    "sim",
}
ROS_MODULES = {
    dependency.name for dependency in parse_package(str(ROOT / "package.xml")).exec_depends
} - {"ament_index_python"}  # `resources` asks it, if it is there, where the package is installed


def _layer(path: Path, folder: Path = PACKAGE) -> str:
    return path.relative_to(folder).parts[0].removesuffix(".py")


def test_a_file_imports_only_from_layers_above_it() -> None:
    for path in FILES:
        below = ORDER[ORDER.index(_layer(path)) + 1 :]
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("bev_semseg_ros.")}
        assert not ours & set(below), path


def test_a_file_of_ros_imports_only_from_layers_above_it() -> None:
    for path in FILES:
        if _layer(path) != "ros":
            continue
        allowed = ORDER_IN_ROS[: ORDER_IN_ROS.index(_layer(path, PACKAGE / "ros")) + 1]
        ours = {name for name in imports(path) if name.startswith("bev_semseg_ros.ros.")}
        assert {name.split(".")[2] for name in ours} <= set(allowed), path


def test_torch_and_ros_are_imported_only_where_they_are_allowed() -> None:
    for path in FILES:
        roots = {name.split(".")[0] for name in imports(path)}
        if _layer(path) in WITHOUT_TORCH:
            assert "torch" not in roots, path
        if _layer(path) != "ros":
            assert not roots & ROS_MODULES, path


def test_the_model_reads_no_files() -> None:
    for path in (PACKAGE / "model").rglob("*.py"):
        called = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        names = {
            function.id if isinstance(function, ast.Name) else function.attr
            for function in called
            if isinstance(function, (ast.Name, ast.Attribute))
        }
        assert not names & {"open", "load", "save", "imread", "imwrite", "fromfile", "memmap"}, path
        assert "pathlib" not in {name.split(".")[0] for name in imports(path)}, path


def _names_a_choice(node: ast.expr) -> bool:
    """Return True for a string that names a part, and for `config.model.<setting>`."""
    if isinstance(node, ast.Constant):
        return node.value in CHOICES
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_names_a_choice(element) for element in node.elts)
    is_setting = isinstance(node, ast.Attribute) and node.attr in SETTINGS
    return is_setting and isinstance(node.value, ast.Attribute) and node.value.attr == "model"


def _comparisons(tree: ast.Module) -> list[ast.expr]:
    """Return what a file compares: operands, dictionary keys and the patterns of `match`."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found += [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            found += [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchValue):
            found.append(node.value)
    return found


def test_only_one_file_compares_the_names_of_parts() -> None:
    for path in FILES:
        lines = [node.lineno for node in _comparisons(parsed(path)) if _names_a_choice(node)]
        assert not lines or path == CHOSEN_IN, f"{path}, lines {lines}"


@pytest.mark.parametrize(
    "source",
    [
        'if fusion == "projective": pass',
        'if name in ("fpn", "unet"): pass',
        'parts = {"pillars": 1}',
        "if config.model.neck != wanted: pass",
        'match name:\n    case "residual": pass',
    ],
)
def test_the_search_for_comparisons_finds_them(source: str) -> None:
    assert any(_names_a_choice(node) for node in _comparisons(ast.parse(source)))


def test_every_layer_is_in_the_order() -> None:
    assert {_layer(path) for path in FILES} == {*ORDER}
