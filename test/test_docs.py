"""Check the documents against the code.

`PYTHONPATH=test python test/test_docs.py` writes the generated ones.
"""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from support.parameter_table import markdown_table
from support.paths import ROOT

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "weights/MODEL_CARD.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]

HEAD = """# Parameters of the perception node

The program `test/test_docs.py` writes this page. It takes this introduction from its own text, and
the table from `bev_semseg_ros/ros/node/parameters.py` and
`bev_semseg_ros/ros/node/class_parameters.py`.

*Live* parameters take effect at once (`ros2 param set`). The node reads the others when it is
configured.

`classes` and `score_threshold_CLASS` depend on the classes of the checkpoint. There is one
threshold for each class, such as `score_threshold_car`. If the checkpoint has no detection, these
parameters do not exist.

- The node declares these parameters when it is configured, and removes them when it is cleaned up.
  While they do not exist, `ros2 param set` refuses them and says so. Give their values on the
  command line or in the parameter file, or set them after the node was configured.
- A value you set survives cleanup and a new configure. If you change the checkpoint, the value
  survives if the new checkpoint has the class. If you have since changed the number of
  `distance_bands`, the node ignores the thresholds of the old bands and warns.
- The node ignores a threshold in a parameter file for an unknown class, with a warning. An unknown
  class in `classes` makes configure fail.

"""


INPUTS_HEAD = """# Topics of the perception node

The program `test/test_docs.py` writes this page. It takes the introductions and the table of
subscriptions from its own text. It takes the other tables from
`bev_semseg_ros/ros/node/publishers.py`, `bev_semseg_ros/ros/health/diagnostics.py` and
`bev_semseg_ros/ros/health/stages.py`.

If the parameters `lidars` and `cameras` name the sensors ([Several sensors](several_sensors.md)),
the topics of one sensor begin with its NAME. The tables show both forms.

## Subscriptions

"""
INPUTS = (
    (
        "`points`, or `NAME/points`",
        "sensor_msgs/msg/PointCloud2",
        "any layout with fields x, y and z; at most {points} million points",
    ),
    (
        "`image`, or `NAME/image`",
        "sensor_msgs/msg/Image",
        "rgb8, bgr8, rgba8, bgra8, mono8 or bayer; at most {pixels} million pixels",
    ),
    (
        "`image/compressed`, or `NAME/image/compressed`",
        "sensor_msgs/msg/CompressedImage",
        "JPEG or PNG with 8 bits, in place of `image` if image_transport is compressed",
    ),
    (
        "`camera_info`, or `NAME/camera_info`",
        "sensor_msgs/msg/CameraInfo",
        "plumb_bob, rational_polynomial or equidistant; region of interest and binning are applied",
    ),
    (
        "`odometry`",
        "nav_msgs/msg/Odometry",
        "velocities of the vehicle along the axes of base_frame; only if ego_motion is odometry",
    ),
)
TOPICS_HEAD = """
## Publications

Stamps and frames of the messages:

- Boxes (`~/markers`, `~/detections`) have the stamp of the cloud and the frame `output_frame`. If
  that is empty, they have the frame of the cloud.
- Images and `~/semseg/camera_info` have the stamp and the frame of the camera image.
- `~/timing` has the stamp and the frame of the cloud. For a frame without a cloud, it has those of
  the image.
- `/diagnostics` and the label infos have the time of publication and no frame.
- `~/debug/*` have neither a stamp nor a frame.

All topics are reliable with depth 1. The node publishes on a topic only while the topic has a
subscriber, except on latched topics and `/diagnostics`. Topics of boxes or of the segmentation
exist only if the checkpoint has that task. Topics with a type of `vision_msgs` exist only if that
package is installed. Results of other tasks are not published. The line READY in the log names the
topics that do not exist because `vision_msgs` is missing, and the tasks whose results are not
published.

"""
TIMING_HEAD = """
## Keys of `~/timing`

The node publishes one status per frame. STREAM is points or image; with named sensors it is
`NAME/points` or `NAME/image`. CAUSE is one of the causes below.

"""
DIAGNOSTICS_HEAD = """
## Keys of `/diagnostics`

The node publishes one status per second while it is active, and one when it is deactivated. The
status is named `NODE: perception` and has the device as `hardware_id`. The message of the status
gives the reason for its level:

- ERROR: during the last `max_silence_ms` there was no frame, or every frame took longer than
  `max_processing_time_ms`.
- WARN: a frame took longer than `max_processing_time_ms`, or something is wrong with the input.

INPUT is points, image or camera_info; with named sensors it is `NAME/points`, `NAME/image` or
`NAME/camera_info`. OUTPUT is an output topic without `~/`. CAUSE is one of the causes below.

"""
CAUSES_HEAD = """
## Causes

A cause says why a message or a frame was dropped, or why a frame was published without one of its
sensors or without the ego motion (degraded). STREAM is points or image; with named sensors it is
`NAME/points` or `NAME/image`, such as `late_front_left/image`. Other causes that concern one sensor
then begin with its name, such as `front_left/bad_image`.

- `no_STREAM` and `no_ego_motion` are counted only as `degraded/`.
- `bad_points`, `empty_points`, `bad_image`, `bad_camera_info`, `new_image_size` and `no_transform`
  are counted as `degraded/` if the frame was published without the sensor, and as `dropped/` if the
  frame was not published.
- All other causes are counted only as `dropped/`.

With several sensors, the *reference stream* is the stream of the reference lidar as long as that
sends, see [Several sensors](several_sensors.md#5-what-happens-when-a-sensor-fails).

"""


def parameters_document() -> str:
    return HEAD + markdown_table()


def topics_document() -> str:
    from bev_semseg_ros.data.files import MAX_PIXELS
    from bev_semseg_ros.ros.convert.point_cloud import MAX_POINTS
    from bev_semseg_ros.ros.health.diagnostics import CAUSES, KEYS, TIMING_KEYS
    from bev_semseg_ros.ros.node.publishers import LATCHED, TOPICS, topic_of

    limits = {"points": round(MAX_POINTS / 1e6), "pixels": round(MAX_PIXELS / 1e6)}
    inputs = [(name, kind, content.format_map(limits)) for name, kind, content in INPUTS]
    topics = [
        (
            f"`{name}`, or `{topic_of(name, 'NAME/')}`" if topic.of_camera else f"`{name}`",
            topic.kind,
            f"{topic.content}; latched" if topic.qos is LATCHED else topic.content,
        )
        for name, topic in TOPICS.items()
    ]
    columns = ("topic", "type", "content")
    parts = [INPUTS_HEAD + table(columns, inputs), TOPICS_HEAD + table(columns, topics)]
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


@pytest.mark.ros
def test_the_topics_document_is_the_code_s() -> None:
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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if "://" in link or (target.exists() and (not anchor or anchor in anchors(target))):
            continue
        broken.append(link)
    assert broken == []


def anchors(document: Path) -> set[str]:
    """Collect the anchors that GitHub gives to the headings of a Markdown document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_files_exist(name: str) -> None:
    folders = "benchmarks|bev_semseg_ros|config|docker|docs|launch|rviz|test"
    paths = re.findall(rf"`((?:{folders})/[\w./-]+)`", (ROOT / name).read_text())
    assert [path for path in paths if not (ROOT / path).exists()] == []


def documented_commands() -> list[str]:
    """Collect the command lines of `bev-semseg` that stand in code blocks of the documents."""
    commands = []
    for name in DOCUMENTS:
        text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
        commands += re.findall(r"^ {4,}(bev-semseg .+)$", text, re.MULTILINE)
    return sorted(set(commands))


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_are_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bev_semseg_ros.cli.main import main

    for command in line.split(" && "):
        _, name, *arguments = shlex.split(command, comments=True)
        module = importlib.import_module(f"bev_semseg_ros.cli.{name}")
        monkeypatch.setattr(module, "run", lambda arguments: 0)
        assert main([name, *arguments]) == 0


@pytest.mark.ros
def test_the_deployment_document_names_every_exit_code() -> None:
    from bev_semseg_ros.ros.node.shutdown import EXIT_CODES

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


@pytest.mark.parametrize(
    "name",
    ["docs/integration.md", "docs/several_sensors.md", "config/calibration_rig_example.yaml"],
)
def test_the_rule_for_names_of_sensors_is_the_code_s(name: str) -> None:
    from bev_semseg_ros.data.calibration import SENSOR_NAME_RULE

    assert SENSOR_NAME_RULE in re.sub(r"\s+#?\s*", " ", (ROOT / name).read_text())


def test_the_readme_names_every_command() -> None:
    from bev_semseg_ros.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"bev-semseg {name}" not in text] == []


def test_the_readme_leads_to_every_document() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in DOCUMENTS if name != "README.md" and f"]({name}" not in text] == []


if __name__ == "__main__":
    (ROOT / "docs" / "parameters.md").write_text(parameters_document())
    (ROOT / "docs" / "topics.md").write_text(topics_document())
