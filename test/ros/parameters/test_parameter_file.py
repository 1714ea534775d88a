"""Which sections of a parameter file apply to a node, and which files have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy

from bev_semseg_ros.ros.parameters.declaration import given_values
from bev_semseg_ros.ros.parameters.parameter_file import settings, unused_files

NODE = "/car/perception"
WITHOUT = ("perception", "/perception", "/*", "/car", "/car/*/perception", "/perception/**")
WITH = (
    "/**",
    "**",
    "/*/*",
    "/*/perception",
    "/**/perception",
    "/car/perception",
    "car/perception",
    "/car/*",
    "/car/**",
    "car/perception/**",
)


def section(*names: str, values: str = "{slop: 0.1}") -> str:
    """Return the text of a parameter file with one section, whose names are nested."""
    text = f"{{ros__parameters: {values}}}"
    for name in reversed(names):
        text = f"{{{name!r}: {text}}}"
    return text


@contextmanager
def ros_node(*arguments: str) -> Iterator[Any]:
    """Yield a node /car/perception with these arguments."""
    context = rclpy.Context()
    rclpy.init(context=context, args=["test", "--ros-args", "-r", "__ns:=/car", *arguments])
    node = rclpy.create_node("perception", context=context, start_parameter_services=False)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def files(folder: Path, texts: Sequence[str]) -> list[str]:
    """Write parameter files and return the arguments that give them to a node."""
    arguments = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.yaml"
        path.write_text(text)
        arguments += ["--params-file", str(path)]
    return arguments


@pytest.mark.parametrize("name", [*WITH, *WITHOUT])
def test_a_section_applies_where_it_does_for_ros(name, tmp_path):
    arguments = files(tmp_path, [section(name)])
    found = settings(arguments[1], NODE)
    assert found == ({"slop": 0.1} if name in WITH else None)
    with ros_node(*arguments) as node:
        assert node.get_fully_qualified_name() == NODE
        assert given_values(node) == (found or {})


def test_sections_may_be_nested_and_the_last_one_counts(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "/**: {ros__parameters: {slop: 0.1, mode: fused}}\n"
        "car: {perception: {ros__parameters: {slop: 0.2}}, other: {ros__parameters: {slop: 0.3}}}"
    )
    assert settings(tmp_path / "p.yaml", NODE) == {"slop": 0.2, "mode": "fused"}


def test_each_parameter_file_without_a_section_for_the_node_is_named(tmp_path):
    """A parameter on the command line, as the launch file gives it, once hid this."""
    texts = [section("perception"), section("/**"), section("/car", "viewer")]
    arguments = ["--ros-args", *files(tmp_path, texts), "-p", "mode:=lidar_only"]
    assert unused_files(NODE, arguments) == [
        f"nothing in the parameter file {tmp_path / name} is for {NODE}: write the parameters "
        f"below {NODE}, or below /**"
        for name in ("0.yaml", "2.yaml")
    ]


@pytest.mark.parametrize("name", WITH)
def test_a_file_with_a_section_for_the_node_is_no_problem(name, tmp_path):
    texts = [section(name), section(name, values="{}")]
    assert unused_files(NODE, ["--ros-args", *files(tmp_path, texts)]) == []


def test_a_file_that_can_be_read_only_once_is_no_problem(tmp_path):
    assert unused_files(NODE, ["--ros-args", "--params-file", "/dev/fd/63"]) == []
    assert unused_files(NODE, ["--ros-args", "-p", "mode:=lidar_only"]) == []
