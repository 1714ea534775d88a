"""What the documents say is what the code does. `python test/test_docs.py` writes the generated parts anew."""

from __future__ import annotations

import re

import pytest
from support.paths import ROOT

from bev_semseg_ros.ros.node.parameters import markdown_table

HEAD = """# Parameters of the perception node

Generated from `bev_semseg_ros/ros/node/parameters.py`. *Live* parameters take effect at once
(`ros2 param set`); the others are read when the node is configured.

`score_threshold_CLASS` and `classes` follow the classes of the checkpoint's boxes: there is one
threshold for each class, such as `score_threshold_car`. They are declared when the node is
configured and undeclared when it is cleaned up, and do not exist for a checkpoint without
detection. Before that, `ros2 param set` refuses them and says so; give their values on the command
line or in the parameter file, or set them once the node is configured. A value that was set holds
when the node is configured again, also with another checkpoint that has a class of that name. A
threshold in a parameter file for a class that the checkpoint does not have is ignored with a
warning; in `classes` such a class makes configure fail.

"""


TOPICS_HEAD = """# What the perception node publishes

Generated from `bev_semseg_ros/ros/node/publishers.py` and
`bev_semseg_ros/ros/health/diagnostics.py`. Everything is published with the stamp and frame of the
sensor it comes of, reliable with depth 1, and except for what is latched and `/diagnostics` only
while somebody listens. What is of `vision_msgs` is published where that package is installed; the
line READY in the log names what is absent.

"""
TIMING_HEAD = """
## Keys of `~/timing`

One status a frame. STREAM is points or image, CAUSE one of the causes below.

"""
DIAGNOSTICS_HEAD = """
## Keys of `/diagnostics`

One status a second while the node is active, named `NODE: perception`, with the device as `hardware_id`, and one when
it is deactivated. ERROR: no frame was in time for `max_silence_ms`. WARN: a frame took longer than
`max_processing_time_ms`, or something is wrong with the input. The message says why. INPUT is points, image or
camera_info, OUTPUT an output topic without ~/, CAUSE one of the causes below.

"""
CAUSES_HEAD = """
## Causes

Why a message or frame was dropped, or published without one of its sensors (degraded). STREAM is points or image.

"""


def parameters_document() -> str:
    return HEAD + markdown_table()


def topics_document() -> str:
    from bev_semseg_ros.ros.health.diagnostics import CAUSES, KEYS, TIMING_KEYS
    from bev_semseg_ros.ros.node.publishers import LATCHED, TOPICS

    topics = [
        (
            f"`{name}`",
            topic.kind,
            f"{topic.content}; latched" if topic.qos is LATCHED else topic.content,
        )
        for name, topic in TOPICS.items()
    ]
    parts = [TOPICS_HEAD + table(("topic", "type", "content"), topics)]
    for head, meanings in (
        (TIMING_HEAD, TIMING_KEYS),
        (DIAGNOSTICS_HEAD, KEYS),
        (CAUSES_HEAD, CAUSES),
    ):
        parts.append(
            head + table(("key", "meaning"), [(f"`{key}`", text) for key, text in meanings.items()])
        )
    return "".join(parts)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ("---",) * len(head), *rows])


def test_the_parameters_document_is_the_code_s() -> None:
    assert (ROOT / "docs" / "parameters.md").read_text() == parameters_document(), (
        "run python test/test_docs.py"
    )


def test_the_topics_document_is_the_code_s() -> None:
    pytest.importorskip("rclpy")
    assert (ROOT / "docs" / "topics.md").read_text() == topics_document(), (
        "run python test/test_docs.py"
    )


def test_every_cause_in_the_code_is_documented() -> None:
    from bev_semseg_ros.ros.health.diagnostics import CAUSES

    code = "".join(
        path.read_text() for path in sorted((ROOT / "bev_semseg_ros" / "ros").rglob("*.py"))
    )
    found = re.findall(r"""(?:drop\(|degrade\(|UnusableInput\()\s*f?"([\w{}]+)""", code)
    found += re.findall(r"""dropped\["(\w+)" \+""", code)
    names = {
        re.sub(r"_(\{\w+\})?$", "_STREAM", name) for name in found
    }  # "late_" + stream, f"late_{stream}"
    assert names and names <= CAUSES.keys()


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [
        target
        for target in targets
        if "://" not in target and not (document.parent / target).exists()
    ] == []


def test_the_deployment_document_names_every_exit_code() -> None:
    pytest.importorskip("rclpy")
    from bev_semseg_ros.ros.node.main import EXIT_CODES

    text = (ROOT / "docs" / "deployment.md").read_text()
    assert [
        code for code, meaning in EXIT_CODES.items() if f"| {code} | {meaning} |" not in text
    ] == []


def test_the_reliability_document_has_a_place_for_every_result_and_names_its_command() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    for program in (ROOT / "benchmarks").glob("*.py"):
        for name in re.findall(r"\bwrite\(\"(\w+)\"", program.read_text()):
            assert (
                f"<!-- {name} -->\n" in text
                and f"<!-- /{name} -->" in text
                and f"benchmarks/{program.name}" in text
            )


def test_the_readme_names_every_command() -> None:
    from bev_semseg_ros.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert [
        name for name in COMMANDS if f"bev-semseg {name}" not in text and f"make {name}" not in text
    ] == []


def test_the_readme_names_every_output_topic() -> None:
    from bev_semseg_ros.ros.node.publishers import TOPICS

    text = (ROOT / "README.md").read_text()
    assert [
        topic for topic in TOPICS if f"`{topic}`" not in text and not topic.startswith("~/debug/")
    ] == []


def test_the_readme_names_the_largest_messages() -> None:
    from bev_semseg_ros.ros.convert.messages import MAX_PIXELS, MAX_POINTS

    text = (ROOT / "README.md").read_text()
    assert (
        f"{MAX_POINTS / 1e6:.0f} million points and {MAX_PIXELS / 1e6:.0f} million pixels" in text
    )


if __name__ == "__main__":
    (ROOT / "docs" / "parameters.md").write_text(parameters_document())
    (ROOT / "docs" / "topics.md").write_text(topics_document())
