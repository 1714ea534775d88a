"""What the node says about clouds and images that do not match."""

from collections import Counter

import pytest

from bev_semseg_ros.ros.health.explanations import (
    NO_ROOM,
    explain_losses,
    explain_outcomes,
    explain_stamps,
    explain_stream,
    why_unmatched,
)
from bev_semseg_ros.ros.health.health import InputState, Pairing
from bev_semseg_ros.ros.synchronizer import MOST_WAITING


@pytest.mark.parametrize(
    ("miss", "texts"),
    [
        (0.06, ["the nearest misses by 0.060 s", "points_offset or image_offset"]),
        (0.01, ["raise max_wait"]),
        (None, ["no image within slop (0.05 s) of a cloud: synchronise"]),
    ],
)
def test_the_cause_is_explained_if_no_pairs_form(miss, texts):
    assert all(
        text in why_unmatched("image", "points", miss, 0.05, 0.2, is_full=False) for text in texts
    )


def test_a_longer_wait_is_not_advised_where_there_is_no_room_to_wait():
    text = why_unmatched("image", "points", 0.01, 0.05, 5.0, is_full=True)
    assert f"more than {MOST_WAITING} messages" in text and "raise max_wait" not in text


def test_clocks_that_differ_are_named_though_there_is_no_room_to_wait():
    text = why_unmatched("image", "points", 3600.0, 0.05, 10.0, is_full=True)
    assert "synchronise the sensors' clocks" in text


def test_the_sensor_that_misses_the_reference_is_named():
    text = why_unmatched("left/image", "roof/points", 0.06, 0.05, 0.2, is_full=False)
    assert text.startswith("left/image and roof/points: no message within slop (0.05 s); ")
    assert "misses by 0.060 s" in text and "points_offset" not in text
    text = why_unmatched("left/image", "roof/points", 0.01, 0.05, 0.2, is_full=False)
    assert text.startswith("left/image and roof/points: messages of the same moment arrive more")


def test_missing_and_dropped_messages_are_reported_for_each_sensor():
    dropped = Counter({"unmatched_left/image": 3, "unmatched_right/image": 20})
    pairing = Pairing("roof/points", {"left/image": None})
    told = {
        stream: explain_stream(stream, dropped, Counter({"no_left/image": 10}), "process", pairing)
        for stream in ("left/image", "right/image")
    }
    assert told["left/image"] == {
        "frames without left/image": 10,
        "messages of left/image dropped (they do not match roof/points)": 3,
    }
    assert told["right/image"] == {}  # the surplus of a faster camera


@pytest.mark.parametrize(
    ("stream", "noun"),
    [("points", "clouds"), ("image", "images"), ("left/image", "messages of left/image")],
)
def test_messages_that_are_lost_although_their_stamps_are_usable_are_reported(stream, noun):
    lost = Counter({f"queue_full_{stream}": 3, f"late_{stream}": 10})
    assert explain_losses(stream, 10, lost) == {
        f"{noun} dropped ({NO_ROOM})": 3,
        f"{noun} dropped (newer ones, or their frames, were processed before they came)": 10,
    }


@pytest.mark.parametrize(("late", "is_told"), [(3, False), (20, True)])
def test_late_messages_are_reported_if_there_are_many(late, is_told):
    assert bool(explain_losses("points", 10, Counter({"late_points": late}))) == is_told


CAMERA = InputState("/front/image", 0, None, publishers=("/driver",))


@pytest.mark.parametrize(("repeated", "is_told"), [(2, False), (3, True)])
def test_stamps_that_repeat_are_reported_if_a_quarter_of_them_do(repeated, is_told):
    told = explain_stamps(CAMERA, received=10, repeated=repeated, jump=None)
    text = (
        "3 of 10 messages of /front/image dropped: their stamps repeat: let its driver stamp each "
        "message with the time of its measurement"
    )
    assert told == (text if is_told else None)


def test_a_stream_without_messages_has_no_wrong_stamps():
    assert explain_stamps(CAMERA, received=0, repeated=0, jump=None) is None


def test_stamps_that_jump_between_clocks_are_reported_with_the_size_of_the_jump():
    assert explain_stamps(CAMERA, received=10, repeated=0, jump=50.04) == (
        "the stamps of /front/image jump back and ahead by up to 50.0 s: let its driver take all "
        "stamps from one clock"
    )


@pytest.mark.parametrize(("repeated", "jump"), [(10, None), (0, 50.0)])
def test_several_publishers_are_named_if_the_stamps_are_wrong(repeated, jump):
    topic = InputState("/image", 20, 0.0, publishers=("/player", "/driver", "/player"))
    remedy = ": the topic has 3 publishers (/driver, /player); stop all but one"
    assert str(explain_stamps(topic, 20, repeated, jump)).endswith(remedy)


def outcomes(
    lost: dict | None = None,
    alone: dict | None = None,
    is_unmatched: bool = False,
    unmatched: str = "drop",
) -> dict:
    return explain_outcomes(Counter(lost or {}), Counter(alone or {}), unmatched, is_unmatched)


def test_messages_that_were_processed_alone_are_reported_with_the_mode():
    assert outcomes(alone={"no_image": 3, "no_points": 2, "bad_image": 1}) == {
        "clouds without image processed alone (lidar_only)": 3,
        "images without cloud processed alone (camera_only)": 2,
    }


def test_dropped_messages_are_reported_with_the_parameter():
    assert outcomes(lost={"unmatched_points": 4}) == {
        "clouds without image dropped (unmatched is drop)": 4
    }


def test_clouds_that_newer_ones_overtook_are_not_blamed_on_the_parameter():
    (outcome,) = outcomes(lost={"unmatched_points": 1}, unmatched="process")
    assert "dropped (newer clouds were processed first)" in outcome


@pytest.mark.parametrize("is_unmatched", [True, False])
def test_the_surplus_of_a_faster_camera_is_not_reported_while_pairs_form(is_unmatched):
    assert bool(outcomes(lost={"unmatched_image": 20}, is_unmatched=is_unmatched)) == is_unmatched


def test_nothing_is_reported_in_normal_operation():
    assert outcomes(lost={"overwritten": 5}) == {}
