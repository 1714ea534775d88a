"""Fixtures and markers shared by all tests."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn

# Must be set before torch is loaded: spinning threads would take cores from other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# One thread is enough for small networks, and the workers of pytest-xdist run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Must be set before ROS messages are loaded: without it, values of wrong types raise no error.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"

import pytest
from support.paths import ROOT

NO_REAL_DATA = "no real data"
NO_ROS = "needs rclpy: source ROS 2 or install its wheels"
NO_GPU = "needs a GPU that torch can use (CUDA)"


@pytest.fixture(scope="session", autouse=True)
def ros_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run ROS in this process and its child processes in a domain of their own.

    This also sets the profile of Fast DDS, which it reads only once: when a process creates its
    first participant, in whichever test that happens.
    """
    if not has_rclpy():
        yield
        return
    from support.dds_profile import write_profile

    from bev_semseg_ros.ros.dds import profile_variable
    from bev_semseg_ros.ros.domain import reserve_domain

    folder = tmp_path_factory.mktemp("ros_log")
    with reserve_domain() as domain:
        os.environ.update(domain.environment(folder))
        os.environ[profile_variable()] = str(write_profile(folder))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real frames (a2d2, kitti, kitti_raw), or skip if it is absent."""
    path = Path(os.environ.get("BEV_SEMSEG_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(
            f"{NO_REAL_DATA} at {path}; set BEV_SEMSEG_DATA to the folder with a2d2, kitti and "
            "kitti_raw"
        )
    return path


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compile the simulator's kernels, once for all workers of pytest-xdist."""
    from support.kernels import compile_kernels

    folder = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    compile_kernels((folder.parent if is_worker else folder) / "kernels.lock")


def is_ros_file(path: Path) -> bool:
    """Return True if all tests of a file need ROS: it is a system test or imports rclpy."""
    if ROOT / "test" / "system" in path.parents:
        return True
    return re.search(r'^pytest\.importorskip\("rclpy"', path.read_text(), re.MULTILINE) is not None


class ModuleWithoutRos(pytest.Module):
    """A test file that cannot be imported because there is no rclpy."""

    def collect(self) -> NoReturn:
        """Skip the file."""
        pytest.skip(NO_ROS)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Hide what is loaded from the garbage collector: it lives to the end, and there is much."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> ModuleWithoutRos | None:
    """Skip a file of ROS tests if this Python has no rclpy."""
    if is_ros_file(module_path) and not has_rclpy():
        return ModuleWithoutRos.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ROS files, skip what this machine cannot run, begin with the slow files."""
    ros_files = {path for path in {item.path for item in items} if is_ros_file(path)}
    for item in items:
        if item.path in ros_files:
            item.add_marker("ros")
    skip_where_absent(items, "ros", has_rclpy, NO_ROS)
    skip_where_absent(items, "gpu", has_cuda, NO_GPU)
    # A worker of pytest-xdist takes one file at a time: a slow one at the end would leave the other
    # workers idle. The system tests come late, because their nodes live until the session ends.
    slow_files = {
        item.path
        for item in items
        if item.get_closest_marker("slow") and ROOT / "test" / "system" not in item.path.parents
    }
    items.sort(key=lambda item: item.path not in slow_files)


def skip_where_absent(
    items: list[pytest.Item], marker: str, is_present: Callable[[], bool], reason: str
) -> None:
    """Skip the tests with a marker if what they need is absent.

    Args:
        items: All collected tests.
        marker: Name of the marker.
        is_present: Called only if a test has the marker.
        reason: Shown for each skipped test.
    """
    marked = [item for item in items if item.get_closest_marker(marker)]
    if marked and not is_present():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


def has_rclpy() -> bool:
    """Return True if this Python has rclpy."""
    try:
        return importlib.util.find_spec("rclpy") is not None
    except ImportError:
        return False


def has_cuda() -> bool:
    """Return True if torch can use a GPU."""
    import torch

    return torch.cuda.is_available()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped because real frames are absent."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if NO_REAL_DATA in str(report.longrepr)
    ]
    terminalreporter.write_line(f"{len(skipped)} tests skipped for lack of real data")
