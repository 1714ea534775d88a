"""Stamps of a lidar or a camera that jump back, come from two clocks, or repeat."""

import numpy as np
import pytest
from support.lidar_and_camera import (
    MS,
    feed,
    feed_at,
    make_synchronizer,
    match_of,
    stamps_of,
    ticks,
)


def test_matching_starts_anew_after_a_jump_back_in_time():
    sync = make_synchronizer()
    feed(sync, [("points", 5000), ("image", 5000), ("points", 5100)])
    out = sync.add("points", 0, 0, 5200 * MS) + sync.add("image", 0, 0, 5200 * MS)
    assert out == [match_of(0, 0)]
    assert +sync.dropped == {"time_jump_points": 1}


def test_a_loop_of_a_short_drive_loses_no_pair():
    sync, now, pairs = make_synchronizer(), 0, 0
    for _ in range(3):
        for stamp in range(0, 2000, 100):
            now += 100 * MS
            pairs += len(sync.add("image", stamp * MS, stamp, now)) + len(
                sync.add("points", stamp * MS, stamp, now)
            )
    assert pairs == 60 and sync.dropped.total() == 0


def test_the_first_frame_of_a_loop_is_not_lost_to_a_late_image_of_the_loop_before():
    """The late image must not count as a jump ahead, nor the next cloud as another jump back."""
    sync, frames, arrivals = make_synchronizer(), 10, []
    for loop in range(3):
        start = loop * 100 * frames
        for frame in range(frames):
            sent = start + 100 * frame - (90 if frame == 0 and loop else 0)
            arrivals += [(sent, "points", (loop, frame)), (sent + 30, "image", (loop, frame))]
    pairs = []
    for now, stream, item in sorted(arrivals):
        pairs += sync.add(stream, item[1] * 100 * MS, item, now * MS)
    assert [match.points for match in pairs if match.is_pair and match.points[1] == 0] == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]
    assert all(match.points == match.image for match in pairs if match.is_pair)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_loop_shorter_than_any_wait_keeps_giving_pairs(frames):
    sync, now, pairs = make_synchronizer(), 0, []
    for _ in range(12):
        for stamp in range(0, 100 * frames, 100):
            now += 100 * MS
            for stream in ("points", "image"):
                pairs += sync.add(stream, stamp * MS, stamp, now)
    assert all(m.points == m.image for m in pairs)
    assert len(pairs) == (
        4 if frames == 1 else 12 * frames
    )  # a loop of a single frame looks like repeated messages


def test_a_loop_of_a_single_sensor_keeps_giving_matches():
    out = feed_at(
        make_synchronizer(streams=("points",)), [(100 * index, "points", 0) for index in range(12)]
    )
    assert len(out) == 4


def test_in_a_loop_no_stream_jumps_between_clocks():
    sync = make_synchronizer()
    clouds, images = (ticks(stream, 10, lambda now: now % 3000) for stream in ("points", "image"))
    pairs = feed_at(sync, sorted(clouds + images, key=lambda event: event[0]))
    assert len(pairs) == 100 and sync.take_jumps() == {}


@pytest.mark.parametrize(("speed", "period"), [(2, 1000), (4, 500), (10, 1000)])
def test_in_a_loop_that_is_played_faster_no_stream_jumps_between_clocks(speed, period):
    sync = make_synchronizer()
    for number in range(60):
        stamp, now = number * period % 20_000 * MS, number * period // speed * MS
        for stream in ("points", "image"):
            sync.add(stream, stamp, stamp, now)
    assert sync.take_jumps() == {}


def test_a_sensor_whose_clock_alone_is_set_back_does_not_silence_the_other():
    sync = make_synchronizer()
    messages = [(now, "points", now if now < 1000 else now - 900) for now in range(0, 5000, 100)]
    messages += [(now, "image", now) for now in range(0, 5000, 100)]
    out = feed_at(sync, sorted(messages))
    assert sync.dropped["time_jump_image"] <= 3  # at most the images that wait during max_wait
    for stream in ("points", "image"):
        alone = [each.parts[stream] for each in out if list(each.parts) == [stream]]
        assert len([stamp for stamp in alone if stamp > 2500]) > 10


def test_the_largest_jump_between_two_clocks_is_known_until_it_is_taken():
    sync = make_synchronizer()
    images = [(0, "image", 50_000), (100, "image", 100), (200, "image", 50_200)]
    feed_at(sync, [*images, (300, "image", 300), (400, "image", 20_000)])
    assert sync.take_jumps() == {"image": 50_100 * MS}
    assert sync.take_jumps() == {}


@pytest.mark.parametrize("offset", [-1e6, -50_000, -400, 400, 50_000])
@pytest.mark.parametrize("delay", [30, 60])
def test_a_second_publisher_of_images_with_another_clock_costs_no_clouds(offset, delay):
    sync = make_synchronizer()
    second = ticks("image", 10, lambda now: now + offset, delay=50)
    out = feed_at(sync, sorted(ticks("image", 10) + second + ticks("points", 10, delay=delay)))
    assert len(stamps_of(out, "points")) >= 97
    assert sync.dropped["time_jump_points"] == sync.dropped["late_points"] == 0
    assert sync.take_jumps().keys() == {"image"}


@pytest.mark.parametrize("delay", [30, 60])
def test_a_second_publisher_of_clouds_with_another_clock_leaves_the_images(delay):
    """If the wrong clouds come while the others wait for their images, no pairs can form."""
    sync = make_synchronizer()
    second = ticks("points", 10, lambda now: now - 50_000, delay=50)
    out = feed_at(sync, sorted(ticks("points", 10) + second + ticks("image", 10, delay=delay)))
    images = stamps_of(out, "image")
    assert len([stamp for stamp in images if stamp > 1000]) >= 85
    assert sync.take_jumps().keys() == {"points"}


@pytest.mark.parametrize("max_wait", [200, 2000, 5000])
@pytest.mark.parametrize("offset", [-10_000, 10_000])
@pytest.mark.parametrize("stream", ["points", "image"])
def test_one_wrong_stamp_costs_one_pair_whatever_max_wait_is(stream, offset, max_wait):
    sync = make_synchronizer(max_wait=max_wait * MS)
    other = "image" if stream == "points" else "points"
    wrong = ticks(stream, 10, lambda now: now + offset * (now == 5000))
    out = feed_at(sync, sorted(wrong + ticks(other, 10), key=lambda event: event[0]))
    pairs = [match.points for match in out if match.is_pair]
    assert pairs == [stamp for stamp in range(0, 10_000, 100) if stamp != 5000]


def test_images_that_are_often_stamped_ahead_cost_only_their_own_pairs():
    images = ticks("image", 10, lambda now: now + 10_000 * (now % 500 == 0))
    out = feed_at(
        make_synchronizer(), sorted(ticks("points", 10) + images, key=lambda event: event[0])
    )
    pairs = [match.points for match in out if match.is_pair]
    assert pairs == [stamp for stamp in range(0, 10_000, 100) if stamp % 500]


def test_a_repeated_stamp_is_dropped_with_a_cause_of_its_own():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("image", 0), ("points", 0)])
    assert sync.dropped == {"repeated_points": 1}


@pytest.mark.parametrize("rate", [5, 10])
@pytest.mark.parametrize("camera_rate", [15, 30])
def test_a_camera_whose_stamp_freezes_leaves_the_clouds_to_be_processed_alone(rate, camera_rate):
    sync = make_synchronizer()
    images = ticks("image", camera_rate, lambda now: min(now, 3000))
    clouds = stamps_of(feed_at(sync, sorted(ticks("points", rate) + images)), "points")
    assert clouds == list(np.arange(0, 10_000, 1000 / rate))[: len(clouds)]
    assert len(clouds) >= 10 * rate - 3  # the last ones still wait
    assert set(sync.dropped) <= {"unmatched_image", "repeated_image"}


def test_a_camera_with_stamps_of_whole_seconds_costs_no_clouds():
    sync = make_synchronizer()
    images = ticks("image", 30, lambda now: now // 1000 * 1000)
    out = feed_at(sync, sorted(ticks("points", 10) + images))
    assert len(stamps_of(out, "image")) == 10
    # One older cloud is dropped where a newer one has found its image.
    assert len(stamps_of(out, "points")) >= 98 - sync.dropped["unmatched_points"] >= 85
