"""Pairs of stamps: nearest within slop, bounded waiting, drops by cause."""

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

from bev_semseg_ros.ros.synchronizer import MOST_WAITING, SILENCE_NS, Match, Synchronizer


def test_equal_stamps_are_a_pair_at_once():
    assert feed(make_synchronizer(), [("points", 0), ("image", 0)]) == [match_of(0, 0)]


def test_the_order_of_arrival_does_not_matter():
    assert feed(make_synchronizer(), [("image", 7), ("points", 0)]) == [match_of(0, 7)]


@pytest.mark.parametrize("slop", [0, 50])
def test_a_message_exactly_at_the_slop_is_a_partner(slop):
    found = feed(make_synchronizer(slop=slop * MS), [("points", 0), ("image", slop)])
    assert found == [match_of(0, slop)]


def test_a_message_beyond_the_slop_is_no_partner():
    assert feed(make_synchronizer(), [("points", 0), ("image", 51)]) == []


def test_the_nearest_image_of_a_faster_camera_is_taken():
    camera = [("image", stamp) for stamp in range(0, 400, 33)]
    lidar = [("points", stamp) for stamp in (100, 200, 300)]
    pairs = [
        m
        for m in feed(make_synchronizer(), sorted(camera + lidar, key=lambda m: m[1]))
        if m.is_pair
    ]
    assert [(m.points, m.image) for m in pairs] == [(100, 99), (200, 198), (300, 297)]


def test_a_pair_does_not_wait_when_no_nearer_message_is_due():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("image", 7), ("points", 100)])
    assert sync.add("image", 107 * MS, 107, 107 * MS) == [match_of(100, 107)]


def test_a_missing_nearer_message_is_waited_for_no_longer_than_max_wait():
    sync = make_synchronizer()
    assert feed(sync, [("image", 0), ("image", 33), ("points", 60)]) == []
    assert sync.expire(260 * MS) == [match_of(60, 33)]


def test_a_cloud_without_image_comes_alone_after_max_wait():
    sync = make_synchronizer()
    assert sync.add("points", 0, "cloud", 0) == []
    assert sync.expire(199 * MS) == []
    assert sync.expire(200 * MS) == [match_of("cloud", None)]


def test_deadline_tells_when_the_wait_ends():
    sync = make_synchronizer()
    sync.add("points", 0, "cloud", 5 * MS)
    assert sync.deadline == 205 * MS


def test_a_silent_partner_is_not_waited_for():
    sync = make_synchronizer()
    feed(sync, [("image", 0), ("points", 0), ("points", 100), ("points", 200)], delay=0)
    assert sync.add("points", 2 * SILENCE_NS, "cloud", 2 * SILENCE_NS)[-1:] == [
        match_of("cloud", None)
    ]


def test_a_pause_of_both_streams_is_not_taken_for_silence_of_one():
    sync = make_synchronizer()
    feed(sync, [("image", 0), ("points", 0)])
    assert feed(sync, [("points", 5000), ("image", 5000)]) == [match_of(5000, 5000)]


def test_surplus_images_are_dropped_while_pairs_form():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("image", 0), ("image", 60)])
    assert sync.expire(300 * MS) == []
    assert sync.dropped == {"unmatched_image": 1}


def test_images_come_alone_when_the_lidar_is_dead():
    sync = make_synchronizer()
    out = feed(sync, [("image", stamp) for stamp in range(0, 3000, 100)])
    assert len(out) >= 15 and all(m.points is None for m in out)


def test_unmatched_messages_are_dropped_without_process_unmatched():
    sync = make_synchronizer(process_unmatched=False)
    feed(sync, [("points", 0)])
    assert sync.expire(300 * MS) == []
    assert sync.dropped == {"unmatched_points": 1}


def test_a_pair_drops_older_messages():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("points", 100), ("image", 100)])
    assert sync.dropped == {"unmatched_points": 1}


def slow_lidar_and_camera(until: float) -> list[tuple[float, str, float]]:
    """Return a lidar at 0.9 Hz until `until` (ms) and a camera at 10 Hz."""
    clouds = [(now, "points", now) for now in np.arange(0, until, 1100)]
    return sorted(clouds + ticks("image", 10, seconds=20))


def test_a_lidar_slower_than_1_hz_is_not_taken_for_silent():
    sync = make_synchronizer()
    out = feed_at(sync, slow_lidar_and_camera(20_000))
    settled = [match for match in out if max(match.parts.values()) > 3300]
    assert len(settled) == 15 and all(match.is_pair for match in settled)
    assert sync.reference == "points" and sync.unmatched(20_000 * MS) == {}


def test_the_silence_of_a_slow_lidar_is_known_after_twice_its_interval():
    sync = make_synchronizer()
    out = feed_at(sync, slow_lidar_and_camera(10_000))  # the last cloud comes at 9.9 s
    alone = stamps_of([match for match in out if not match.is_pair], "image")
    assert sync.reference == "image" and len([stamp for stamp in alone if stamp > 9900]) >= 75


def test_late_messages_of_one_sensor_do_not_disturb_the_pairs_after_them():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("image", 0), ("points", 100), ("image", 100)])
    for stamp in (200, 300, 400):
        assert feed(sync, [("image", 50), ("points", stamp), ("image", stamp)]) == [
            match_of(stamp, stamp)
        ]
    assert +sync.dropped == {"late_image": 3}


def test_messages_out_of_order_find_their_partners():
    sync = make_synchronizer()
    out = feed(sync, [("points", 100), ("points", 0), ("image", 0), ("image", 100)])
    assert [(m.points, m.image) for m in out] == [(0, 0), (100, 100)]


def test_the_miss_is_the_distance_to_the_nearest_partner():
    sync = make_synchronizer()
    feed(sync, [("points", 0), ("image", 123)])
    sync.expire(300 * MS)
    assert sync.miss("image") == 123 * MS


def test_the_miss_of_a_partner_that_comes_after_the_wait_is_zero():
    sync = make_synchronizer()
    arrivals = [
        (stamp + delay, stream, stamp)
        for stamp in range(0, 3000, 100)
        for stream, delay in (("points", 0), ("image", 290))
    ]
    out = []
    for now, stream, stamp in sorted(arrivals)[
        :-6
    ]:  # the last images would match clouds whose wait no message has ended
        out += sync.add(stream, stamp * MS, stamp, now * MS)
    assert not any(m.is_pair for m in out) and sync.miss("image") == 0


def test_a_single_stream_passes_through():
    assert feed(make_synchronizer(streams=("points",)), [("points", 0), ("points", 100)]) == [
        Match({"points": 0}),
        Match({"points": 100}),
    ]


def test_more_messages_than_can_wait_are_dropped_with_a_cause_of_their_own():
    sync = make_synchronizer(max_wait=10**15)
    for index in range(1000):
        sync.add("points", 60 * MS * index, index, 0)
    assert sync.dropped == {"queue_full_points": 1000 - MOST_WAITING}


def camera_and_late_lidar(delay: float, seconds: float = 4.0) -> list[tuple[float, str, float]]:
    """Return events of a 30 Hz camera and a 10 Hz lidar whose clouds are `delay` ms late."""
    images = [(stamp, "image", stamp) for stamp in np.arange(0, seconds * 1e3, 1e3 / 30)]
    clouds = [
        (stamp + delay, "points", stamp) for stamp in np.arange(0, seconds * 1e3 - delay, 100)
    ]
    return sorted(images + clouds)


def test_images_of_a_fast_camera_are_kept_for_a_max_wait_of_a_second():
    pairs = [
        m
        for m in feed_at(make_synchronizer(max_wait=1000 * MS), camera_and_late_lidar(600))
        if m.is_pair
    ]
    assert len(pairs) == 34 and all(abs(m.points - m.image) < 1e-9 for m in pairs)


@pytest.mark.parametrize(("max_wait", "delay"), [(200, 600), (200, 3000), (5000, 3000)])
def test_the_miss_of_a_much_too_late_partner_of_a_fast_camera_is_zero(max_wait, delay):
    sync = make_synchronizer(max_wait=max_wait * MS)
    out = feed_at(sync, camera_and_late_lidar(delay, 10.0))
    assert not any(m.is_pair for m in out) and sync.miss("image") == 0
    assert bool(sync.dropped["queue_full_image"]) == (
        max_wait > delay
    )  # the wait would be long enough, but too few images may wait


def test_the_miss_of_a_late_partner_is_known_before_any_wait_has_ended():
    sync = make_synchronizer(max_wait=5000 * MS)
    feed_at(sync, camera_and_late_lidar(3000, 4.0))
    assert sync.miss("image") == 0


def test_an_image_is_paired_with_the_nearest_of_the_waiting_clouds():
    sync = make_synchronizer()
    out = feed_at(
        sync, [(0, "points", 0), (50, "points", 50), (100, "points", 100), (101, "image", 40)]
    )
    assert out == [match_of(50, 40)] and sync.dropped == {"unmatched_points": 1}


def test_a_cloud_whose_wait_ends_lets_the_older_pair_go_first():
    sync = make_synchronizer()
    assert (
        feed_at(
            sync, [(0, "points", 80), (100, "image", 0), (130, "image", 30), (150, "points", 50)]
        )
        == []
    )
    assert sync.expire(200 * MS) == [
        match_of(50, 30),
        match_of(80, None),
    ]  # an image at 60 was expected


@pytest.mark.parametrize("phase", range(0, 100, 10))
@pytest.mark.parametrize("delay", [-40, 0, 20, 61, 110])
def test_a_20_hz_lidar_and_a_10_hz_camera_pair_at_the_smallest_offset(phase, delay):
    """Stamps of images are `phase` ms after those of clouds; images arrive `delay` ms later."""
    clouds = [(50 + stamp, "points", stamp) for stamp in range(0, 3000, 50)]
    images = [(50 + stamp + delay, "image", stamp) for stamp in range(phase, 3000, 100)]
    pairs = [m for m in feed_at(make_synchronizer(), sorted(clouds + images)) if m.is_pair]
    offsets = [abs(m.points - m.image) for m in pairs]
    assert len(pairs) >= 27
    # The rates are not yet known at the first pair.
    assert set(offsets[1:]) == {min(phase % 50, 50 - phase % 50)}


def waiting(sync: Synchronizer) -> int:
    return sum(map(len, sync._waiting.values()))


@pytest.mark.parametrize("seed", range(40))
def test_every_pair_is_mutually_nearest_among_the_arrived_messages_and_all_are_counted(seed):
    rng = np.random.default_rng(seed)
    arrivals = []
    for stream, rate in zip(("points", "image"), rng.choice([5, 10, 15, 20, 30], 2), strict=True):
        period, jitter, lag = 1e9 / rate, rng.choice([0, 5, 15]) * MS, rng.integers(0, 60) * MS
        stamps = (
            rng.uniform(0, period)
            + period * np.arange(5 * rate)
            + rng.uniform(-jitter, jitter, 5 * rate)
        )
        arrivals += [
            (int(stamp + lag + rng.uniform(0, 60 * MS)), stream, int(stamp)) for stamp in stamps
        ]
    sync = make_synchronizer(process_unmatched=bool(rng.integers(2)))
    come: dict[str, set[int]] = {
        "points": set(),
        "image": set(),
    }  # stamps that have arrived, and are newer than those given out
    results: list[Match] = []

    def check(matches: list[Match], received: int, now: int) -> None:
        for match in matches:
            if match.is_pair:
                assert abs(match.points - match.image) <= sync.slop
                assert match.image == min(
                    come["image"], key=lambda stamp: abs(stamp - match.points)
                )
                assert match.points == min(
                    come["points"], key=lambda stamp: abs(stamp - match.image)
                )
            for stream, given in (("points", match.points), ("image", match.image)):
                if given is not None:
                    come[stream] = {stamp for stamp in come[stream] if stamp > given}
        results.extend(matches)
        given = sum(2 if match.is_pair else 1 for match in results)
        assert received == given + sync.dropped.total() + waiting(sync)
        assert sync.deadline is None or sync.deadline > now

    for index, (now, stream, stamp) in enumerate(sorted(arrivals)):
        while sync.deadline is not None and sync.deadline <= now:  # as the pair queue does
            due = sync.deadline
            check(sync.expire(due), index, due)
        if all(
            match.points is None or stream == "image" or match.points < stamp for match in results
        ):
            come[stream].add(stamp)
        check(sync.add(stream, stamp, stamp, now), index + 1, now)
    check(sync.expire(now + SILENCE_NS), len(arrivals), now + SILENCE_NS)
    assert waiting(sync) == 0 and any(match.is_pair for match in results)


@pytest.mark.parametrize("seed", range(20))
def test_every_cloud_is_given_out_or_counted_as_dropped_exactly_once(seed):
    rng = np.random.default_rng(seed)
    sync, out, clouds, now = make_synchronizer(), [], 0, 0
    for _ in range(300):
        now += int(rng.integers(0, 80 * MS))
        stream = "points" if rng.random() < 0.5 else "image"
        clouds += stream == "points"
        stamp = max(0, now + int(rng.normal(0, 60 * MS))) % (5000 * MS)
        out += sync.add(stream, stamp, clouds, now)
    out += sync.expire(now + SILENCE_NS)
    given = sum(m.points is not None for m in out)
    assert (
        given + sum(count for cause, count in sync.dropped.items() if cause.endswith("points"))
        == clouds
    )
