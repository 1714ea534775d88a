"""Check the documents against the code.

`PYTHONPATH=test python test/test_docs.py` writes the generated ones.
"""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from support.parameter_table import markdown_table, with_code
from support.paths import ROOT

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "weights/MODEL_CARD.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]

GENERATED = "<!-- Generated: edit the sources that CONTRIBUTING.md names, not this page. -->"

HEAD = f"""# Parameters of the perception node

{GENERATED}

A change of a *live* parameter takes effect at once. The node reads all other parameters when it is
configured, and `lidars` and `cameras` only when it starts.

In the table, a *frame* is the data of all sensors at one moment, while a *coordinate frame*, a *TF
frame* and the *ego frame* have axes and an origin. The [glossary](../CONTRIBUTING.md#glossary)
explains words such as *ego frame* and *reference stream*. See also how the node [matches
messages](several_sensors.md#5-what-happens-when-a-sensor-fails) and [corrects for
motion](several_sensors.md#6-correct-for-the-motion-of-the-vehicle).

**Parameters of one sensor.** If `lidars` or `cameras` names sensors, each of these sensors has
parameters of its own, such as `NAME.points_offset`. The common `points_offset` then only sets their
initial value.

**Parameters of the classes.** `classes` and one `score_threshold_CLASS` for each class, such as
`score_threshold_car`, exist only while the node is configured with a checkpoint that has the task
`detection`.

- To set them before *configure*, use the command line or the parameter file. *Configure* fails if
  `classes` names an unknown class, or if a list of thresholds has the wrong length. It ignores a
  threshold for an unknown class, with a warning.
- A value that you set with `ros2 param set` survives *cleanup*. At the next *configure*, the node
  ignores what no longer fits, with a warning.

"""


INPUTS_HEAD = f"""# Topics of the perception node

{GENERATED}

The tables use these words in capitals:

| word | stands for |
| --- | --- |
| NAME | the name of a sensor, if the parameters `lidars` or `cameras` name sensors ([Several sensors](several_sensors.md)) |
| STREAM | `points` or `image`; if sensors have names, `NAME/points` or `NAME/image` |
| INPUT | a STREAM, `camera_info` (if sensors have names, `NAME/camera_info`) or `odometry` |
| OUTPUT | a published topic, written without `~/` |
| CAUSE | one of the [causes](#causes) |

A *frame* is the data of all sensors at one moment. The *stamp of a frame* is that of the cloud of
the first lidar. Without a usable cloud of this lidar, the next usable cloud in the order of
`lidars` gives the stamp. If there is none, the first usable image does.

## Subscriptions

"""  # noqa: E501
INPUTS = (
    (
        "`points`, or `NAME/points`",
        "sensor_msgs/msg/PointCloud2",
        "any layout with fields x, y and z, in lower or upper case; at most {points} million "
        "points",
    ),
    (
        "`image`, or `NAME/image`",
        "sensor_msgs/msg/Image",
        "encodings: rgb, bgr, rgba, bgra, mono or bayer with 8 or 16 bits; uyvy, yuyv, nv12, nv21, "
        "nv24, i420 or yv12; 8UC1, 8UC3 and 8UC4, which are read as mono8, bgr8 and bgra8. No "
        "depth images. At most {pixels} million pixels",
    ),
    (
        "`image/compressed`, or `NAME/image/compressed`",
        "sensor_msgs/msg/CompressedImage",
        "JPEG, or PNG with 8 or 16 bits; used instead of `image` if image_transport is compressed. "
        "If you remap `image` to the full name of a topic of compressed images, the node reads "
        "that topic",
    ),
    (
        "`camera_info`, or `NAME/camera_info`",
        "sensor_msgs/msg/CameraInfo",
        "distortion models: plumb_bob, rational_polynomial, equidistant (fisheye) or none. The "
        "node applies the region of interest and the binning",
    ),
    (
        "`odometry`",
        "nav_msgs/msg/Odometry",
        "velocities of the vehicle, if ego_motion is odometry. Their "
        "[axes](several_sensors.md#6-correct-for-the-motion-of-the-vehicle) depend on extrinsics",
    ),
)
TOPICS_HEAD = """
A message larger than 16 MiB needs a larger `segment_size` in the DDS profile of its sender ([large
messages](integration.md#large-messages)).

## Publications

"""
STAMPS = """
| messages | stamp | coordinate frame |
| --- | --- | --- |
| boxes (`~/markers`, `~/detections`), `~/bev/drivable_area`, `~/bev/points` | stamp of the frame | `output_frame`; if this is empty, that of the clouds of the first lidar |
| images, `~/semseg/camera_info` | stamp of the camera image | that of the camera image |
| `~/point_segmentation` | stamp of the cloud | that of the cloud |
| `~/timing` | stamp of the frame | that of the cloud or image that gives this stamp |
| `/diagnostics`, label infos | time of publication | none |
| `~/debug/*` | none | none |

The stamps of frames, clouds and images are those of the drivers, without `points_offset` and
`image_offset`.

All published topics are reliable with depth 1. The node always publishes `/diagnostics` and the
latched topics, and clears `~/markers` when it is deactivated. Otherwise, it publishes on a topic
only while the topic has a subscriber.

Some topics exist only under a condition:

| topics | exist if |
| --- | --- |
| boxes: `~/markers`, `~/detections`, `~/label_info` | the checkpoint has the task `detection` |
| all with `semseg` in their name | the checkpoint has the task `segmentation` |
| all with `point_segmentation` in their name | the checkpoint has the task `point_segmentation` |
| all with `bev` in their name | the checkpoint has the task `bev_segmentation`, or the classes of its masks map to the label set `bev_8` |
| all with a type of `vision_msgs` | in addition, the package `vision_msgs` is installed |

The `bev` topics have one of two sources. The boxes on `~/markers`
[refine](architecture.md#classes-in-the-birds-eye-view) the map of either source: a detected vehicle
covers all of its cells.

- **With the task `bev_segmentation`,** they show what this task found. A cell is unknown if its
  confidence is below `postprocess.bev_confidence`, a setting of the checkpoint (default 0.5).
- **Otherwise,** as with the shipped checkpoint, the node [lifts the
  masks](architecture.md#classes-in-the-birds-eye-view). This needs a cloud and an image. For frames
  that lack one of them, the node publishes nothing on these topics.

If all cells are unknown, `~/bev/points` is an empty cloud, and `~/bev/drivable_area` is -1
everywhere.

The shipped network needs a cloud to find boxes. For a frame without a cloud, `~/markers` has no
boxes, and the node publishes nothing on `~/detections`. [Other
networks](training.md#choose-the-fusion) find boxes in images alone.

Tasks that you [add](extending.md) have no topics. The line `READY` in the log names these tasks,
and the topics that are missing because `vision_msgs` is not installed.
"""  # noqa: E501
TIMING_HEAD = """
## Keys of `~/timing`

The node publishes one status per frame. The counters begin at activation.

"""
DIAGNOSTICS_HEAD = """
## Keys of `/diagnostics`

The node publishes one status per second while it is active, and one when it is deactivated. The
`name` of the status is `perception: perception`. If the node is in the namespace `/robot1`, it is
`robot1/perception: perception`. The `hardware_id` is the device of the network. The `message` gives
the reason for the level:

| level | condition |
| --- | --- |
| ERROR | During `max_silence_ms` there was no frame, or every frame took longer than `max_processing_time_ms`. |
| WARN | A frame took longer than `max_processing_time_ms`, or something is wrong with the input. |
| OK | otherwise |

The counters begin at activation. The rates are those of the last second. A value without a frame to
measure is `none`.

"""  # noqa: E501
CAUSES_HEAD = """
## Causes

A cause says what happened to a message or a frame:

- `dropped/CAUSE` counts messages and frames that have no result.
- `degraded/CAUSE` counts frames that were published without one of the sensors, or without the
  motion of the vehicle.

If the sensors have names, some causes name the sensor:

- In causes with STREAM, the name is part of STREAM: `late_front_left/image`, `no_roof/points`.
- In other causes of one sensor, the name comes first: `front_left/bad_image`.

In the table, *either* means: degraded if the frame was published without the message, otherwise
dropped. See also how the node [matches
messages](several_sensors.md#5-what-happens-when-a-sensor-fails).

"""
DEGRADED = {"no_STREAM", "no_ego_motion"}
EITHER = {
    "bad_points",
    "empty_points",
    "bad_image",
    "bad_camera_info",
    "new_image_size",
    "no_transform",
}


def parameters_document() -> str:
    return HEAD + markdown_table()


def topics_document() -> str:
    from bev_semseg_ros.data.files import MAX_PIXELS
    from bev_semseg_ros.ros.convert.point_cloud import MAX_POINTS
    from bev_semseg_ros.ros.health.diagnostics import CAUSES, KEYS, TIMING_KEYS
    from bev_semseg_ros.ros.health.stages import STAGES
    from bev_semseg_ros.ros.node.publishers import LATCHED, TOPICS, topic_of

    limits = {"points": round(MAX_POINTS / 1e6), "pixels": round(MAX_PIXELS / 1e6)}
    inputs = [(name, kind, with_code(content.format_map(limits))) for name, kind, content in INPUTS]
    topics = [
        (
            f"`{name}`, or `{topic_of(name, 'NAME/')}`"
            if topic.of_camera or topic.of_lidar
            else f"`{name}`",
            topic.kind,
            f"{topic.content}; latched" if topic.qos is LATCHED else topic.content,
        )
        for name, topic in TOPICS.items()
        if not name.startswith("~/debug/")
    ]
    stages = ", ".join(f"`{stage}`" for stage in STAGES)
    topics.append(
        (
            "`~/debug/KEY`",
            "std_msgs/msg/Float64",
            f"one value of `~/timing` as a number; KEY is one of {stages}",
        )
    )
    columns = ("topic", "type", "content")
    parts = [INPUTS_HEAD + table(columns, inputs), TOPICS_HEAD + table(columns, topics) + STAMPS]
    for head, meanings in ((TIMING_HEAD, TIMING_KEYS), (DIAGNOSTICS_HEAD, KEYS)):
        parts.append(
            head
            + table(
                ("key", "meaning"),
                [(f"`{key}`", with_code(text)) for key, text in meanings.items()],
            )
        )
    causes = [(f"`{key}`", counted_as(key), with_code(text)) for key, text in CAUSES.items()]
    parts.append(CAUSES_HEAD + table(("cause", "counted as", "meaning"), causes))
    return "".join(parts)


def counted_as(cause: str) -> str:
    """Return the kinds of counters that a cause can have."""
    if cause in DEGRADED:
        return "degraded"
    return "either" if cause in EITHER else "dropped"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ("---",) * len(head), *rows])


def test_the_parameters_document_matches_the_code() -> None:
    assert (ROOT / "docs" / "parameters.md").read_text() == parameters_document(), (
        "run python test/test_docs.py"
    )


@pytest.mark.ros
def test_the_topics_document_matches_the_code() -> None:
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
def test_links_have_targets(name: str) -> None:
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
    """Collect the command lines of `bev-semseg` in code blocks of the documents."""
    commands = []
    for name in DOCUMENTS:
        text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
        commands += re.findall(r"^ {4,}(bev-semseg .+)$", text, re.MULTILINE)
    return sorted(set(commands))


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_are_valid(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bev_semseg_ros.cli.main import main

    for command in line.split(" && "):
        _, name, *arguments = shlex.split(command, comments=True)
        module = importlib.import_module(f"bev_semseg_ros.cli.{name.replace('-', '_')}")
        monkeypatch.setattr(module, "run", lambda arguments: 0)
        assert main([name, *arguments]) == 0


@pytest.mark.ros
def test_the_deployment_document_names_every_exit_code() -> None:
    from bev_semseg_ros.ros.node.shutdown import EXIT_CODES

    text = (ROOT / "docs" / "deployment.md").read_text()
    assert [
        code for code, meaning in EXIT_CODES.items() if f"| {code} | {meaning} |" not in text
    ] == []


def test_the_reliability_document_has_a_section_for_every_result_and_names_its_program() -> None:
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
def test_the_rule_for_names_of_sensors_matches_the_code(name: str) -> None:
    from bev_semseg_ros.data.calibration import SENSOR_NAME_RULE

    assert SENSOR_NAME_RULE in re.sub(r"\s+#?\s*", " ", (ROOT / name).read_text())


def test_the_readme_names_every_command() -> None:
    from bev_semseg_ros.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"bev-semseg {name}" not in text] == []


def test_the_readme_links_to_every_document() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in DOCUMENTS if name != "README.md" and f"]({name}" not in text] == []


if __name__ == "__main__":
    (ROOT / "docs" / "parameters.md").write_text(parameters_document())
    (ROOT / "docs" / "topics.md").write_text(topics_document())
