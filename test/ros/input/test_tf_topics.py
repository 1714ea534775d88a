"""Transforms in the namespace of a robot."""

from __future__ import annotations

import pytest

from bev_semseg_ros.ros.input.tf_topics import (
    MOVING,
    STATIC,
    TF_MESSAGE,
    explain_other_topics,
    tf_name,
)

ROOT = (MOVING, STATIC)


@pytest.mark.parametrize(
    ("topic", "kind", "name"),
    [
        ("/tf", TF_MESSAGE, MOVING),
        ("/robot1/tf_static", TF_MESSAGE, STATIC),
        ("/fleet/robot1/tf", TF_MESSAGE, MOVING),
        ("/tf", "sensor_msgs/msg/Image", ""),
        ("/tf_old", TF_MESSAGE, ""),
    ],
)
def test_topics_of_tf_are_known_by_type_and_name(topic: str, kind: str, name: str) -> None:
    assert tf_name(topic, kind) == name


def test_a_node_without_transforms_explains_how_to_remap_the_topics() -> None:
    assert explain_other_topics(["/robot1/tf", "/robot1/tf_static"], ROOT) == (
        "; transforms are published on /robot1/tf, /robot1/tf_static, and none where the node "
        "listens: start it with -r /tf:=/robot1/tf -r /tf_static:=/robot1/tf_static"
    )


@pytest.mark.parametrize(
    ("published", "named"),
    [
        (["/a/tf_static", "/b/tf_static"], "/a/tf_static, /b/tf_static"),
        (["/tf", "/a/tf_static"], "/a/tf_static"),
    ],
)
def test_no_remapping_is_suggested_if_it_is_unclear_which_transforms_are_meant(
    published: list[str], named: str
) -> None:
    assert explain_other_topics(published, ROOT) == f"; transforms are published on {named}"


def test_nothing_is_said_about_transforms_that_the_node_receives() -> None:
    assert explain_other_topics(["/tf", "/tf_static"], ROOT) == ""
    remapped = ("/robot1/tf", "/robot1/tf_static")
    assert explain_other_topics(["/robot1/tf_static"], remapped) == ""
