"""Matches of more than two streams: one reference, bounded waits, every message accounted for."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from bev_semseg_ros.ros.synchronizer import MOST_WAITING, Match, Synchronizer

MS = 1_000_000
ROOF, REAR, LEFT, RIGHT = "roof/points", "rear/points", "left/image", "right/image"
RIG = (ROOF, LEFT, RIGHT)
Event = tuple[float, str, float]  # arrival in ms, stream, stamp in ms


def make(streams: tuple[str, ...] = RIG, **options) -> Synchronizer:
    return Synchronizer(**{"slop": 30 * MS, "max_wait": 200 * MS, "streams": streams, **options})


@dataclass
class Given:
    """A match and when it was given out, ms."""

    at: float
    match: Match


def play(sync: Synchronizer, events: list[Event], until: float | None = None) -> list[Given]:
    """Feed events in the order of their arrival, as the queue does; the item is the stamp."""
    given = []
    for now, stream, stamp in sorted(events):
        given += expire(sync, now)
        matches = sync.add(stream, round(stamp * MS), stamp, round(now * MS))
        given += [Given(now, match) for match in matches]
    if until is not None:
        given += expire(sync, until)
    return given


def expire(sync: Synchronizer, until: float) -> list[Given]:
    given = []
    while sync.deadline is not None and sync.deadline <= round(until * MS):
        now = sync.deadline
        given += [Given(now / MS, match) for match in sync.expire(now)]
    return given


def ticks(stream: str, period: float, begin: float, end: float, delay: float = 0) -> list[Event]:
    return [(stamp + delay, stream, stamp) for stamp in np.arange(begin, end, period)]


def loops(stream: str, begin: float, end: float, delay: float = 0) -> list[Event]:
    """Return the messages between two times of a bag of 3 s that is played in a loop."""
    return [(now, stream, stamp % 3000) for now, _, stamp in ticks(stream, 100, begin, end, delay)]


def whole(stamp: float, streams: tuple[str, ...] = RIG) -> Match:
    return Match(dict.fromkeys(streams, stamp))


def test_a_match_is_given_out_as_soon_as_every_stream_has_joined():
    events = [(1, LEFT, 0), (2, ROOF, 0), (50, RIGHT, 0)]
    assert play(make(), events) == [Given(50, whole(0))]


def test_a_missing_stream_is_left_out_after_max_wait_and_named():
    (given,) = play(make(), [(1, LEFT, 0), (2, ROOF, 5)], until=1000)
    assert given == Given(201, Match({ROOF: 5, LEFT: 0}, (RIGHT,)))


def test_a_message_after_its_match_is_dropped_as_late_and_joins_no_other_match():
    sync = make()
    events = [(0, LEFT, 0), (0, ROOF, 0), (210, RIGHT, 10), (220, ROOF, 100), (220, LEFT, 100)]
    given = play(sync, events, until=1000)
    assert [each.match.missing for each in given] == [(RIGHT,), (RIGHT,)]
    assert sync.dropped == {f"late_{RIGHT}": 1}


def test_messages_that_are_always_late_are_not_taken_for_a_jump_back_in_time():
    sync = make()
    events = ticks(ROOF, 100, 0, 3000) + ticks(LEFT, 100, 0, 3000)
    given = play(sync, events + ticks(RIGHT, 100, 0, 3000, delay=290))
    assert len(given) >= 29 and all(set(each.match.parts) == {ROOF, LEFT} for each in given)
    assert set(sync.dropped) == {f"late_{RIGHT}"}
    assert sync.unmatched(4000 * MS)[RIGHT] == 0  # within slop: it does come, but too late


def test_a_silent_stream_is_not_waited_for():
    events = ticks(ROOF, 100, 0, 4000) + ticks(LEFT, 100, 0, 4000, delay=5)
    given = play(make(), events + ticks(RIGHT, 100, 0, 1000))
    assert all(each.at == each.match.parts[ROOF] + 5 for each in given[-15:])
    assert [each.match.parts[ROOF] for each in given[-15:]] == list(range(2500, 4000, 100))


def test_a_pause_of_all_streams_is_not_taken_for_silence_of_one():
    sync = make()
    rig = [event for stream in RIG for event in ticks(stream, 33, 0, 500)]
    after = [(9000, ROOF, 9000), (9001, LEFT, 9000), (9020, RIGHT, 9000)]
    assert play(sync, rig + after)[-1] == Given(9020, whole(9000))
    assert sync.reference == ROOF


def test_a_lost_message_is_waited_for_until_its_stream_goes_on():
    lost = [event for event in ticks(RIGHT, 50, 0, 1000) if event[2] != 500]
    given = play(make(), ticks(ROOF, 50, 0, 1000) + ticks(LEFT, 50, 0, 1000) + lost)
    at = {each.match.parts[ROOF]: each.at for each in given}
    assert at[500] == 550 and len(at) == 20
    assert all(at[stamp] == stamp for stamp in range(0, 1000, 50) if stamp != 500)


@pytest.mark.parametrize("phase", [-20, 0, 20])
@pytest.mark.parametrize("delay", [-15, 0, 15, 40])
@pytest.mark.parametrize("slop", [30, 50, 80])
def test_a_sensor_at_half_the_rate_delays_no_other_frame(phase, delay, slop):
    """Stamps of the rear lidar are `phase` ms after the roof's; they arrive `delay` ms later."""
    streams = (ROOF, REAR, LEFT)
    sync = make(streams, slop=slop * MS)
    events = ticks(ROOF, 50, 100, 3000, delay=20) + ticks(LEFT, 50, 100, 3000, delay=20)
    events += ticks(REAR, 100, 100 + phase, 3000, delay=20 + delay)
    given = play(sync, events)[6:]  # at the first frames no rate is known yet
    late = max(0, phase + delay)  # after the roof's message
    for each in given:
        stamp = each.match.parts[ROOF]
        if stamp % 100 == 0:
            assert not each.match.missing and each.at == stamp + 20 + late
        else:
            assert each.match.missing == (REAR,) and each.at <= stamp + 20 + max(0, late - 50)
    assert len(given) >= 48


@pytest.mark.parametrize("ratio", [3, 4, 6])
def test_a_slower_sensor_delays_nothing(ratio):
    given = play(
        make((ROOF, LEFT, RIGHT)),
        ticks(ROOF, 33, 0, 3000) + ticks(LEFT, 33, 0, 3000) + ticks(RIGHT, 33 * ratio, 0, 3000),
    )
    late = [each for each in given if each.at > each.match.parts[ROOF]]
    assert all(each.match.parts[ROOF] < 2 * 33 * ratio for each in late)
    assert sum(not each.match.missing for each in given) >= 90 // ratio


def test_a_match_that_waits_goes_before_a_newer_one_that_is_complete():
    events = ticks(ROOF, 50, 0, 1000) + ticks(LEFT, 50, 0, 1000)
    given = play(make(), events + ticks(RIGHT, 100, 0, 1000, delay=70))
    stamps = [each.match.parts[ROOF] for each in given]
    assert stamps[4:] == list(range(200, 1000, 50))[: len(stamps) - 4]
    assert [each.at for each in given if each.match.parts[ROOF] in (800, 850)] == [870, 870]


def test_an_image_that_is_nearer_to_the_next_cloud_is_left_for_it():
    events = ticks(ROOF, 50, 0, 1000) + ticks(LEFT, 50, 0, 1000) + ticks(RIGHT, 100, 40, 1000)
    given = play(make(slop=50 * MS), events)
    assert all(each.at == each.match.parts[ROOF] for each in given[4:])
    (match,) = (each.match for each in given if each.match.parts[ROOF] == 850)
    assert match == Match({ROOF: 850, LEFT: 850, RIGHT: 840})


@pytest.mark.parametrize("offset", [-3_600_000, -2000, 3_600_000])
def test_a_sensor_with_another_clock_delays_nothing_and_is_named(offset):
    sync = make()
    clock = [(now, stream, now + offset) for now, stream, _ in ticks(RIGHT, 100, 0, 5000)]
    given = play(sync, ticks(ROOF, 100, 0, 5000) + ticks(LEFT, 100, 0, 5000) + clock)
    assert all(each.at == each.match.parts[ROOF] for each in given[-40:])
    ((stream, miss),) = sync.unmatched(5000 * MS).items()
    assert stream == RIGHT
    if abs(offset) > 5000:  # else its messages match old ones, as if they came too late
        assert abs(offset) - 5000 <= miss / MS <= abs(offset)


@pytest.mark.parametrize("offset", [-50_000, 50_000])
def test_a_camera_that_jumps_between_two_clocks_costs_only_its_own_messages(offset):
    sync = make()
    jumping = [
        (now, stream, stamp + offset * (index % 4 > 1))
        for index, (now, stream, stamp) in enumerate(ticks(RIGHT, 66, 0, 5000))
    ]
    given = play(sync, ticks(ROOF, 100, 0, 5000) + ticks(LEFT, 100, 0, 5000, delay=5) + jumping)
    assert [each.match.parts[ROOF] for each in given] == list(range(0, 5000, 100))
    assert all(LEFT in each.match.parts for each in given)
    assert {cause.partition("_" + RIGHT)[1] for cause in +sync.dropped} == {"_" + RIGHT}
    assert sync.take_jumps().keys() == {RIGHT}


def test_a_camera_whose_stamp_freezes_delays_nothing():
    sync = make()
    frozen = [(now, stream, min(stamp, 2000)) for now, stream, stamp in ticks(RIGHT, 33, 0, 5000)]
    given = play(sync, ticks(ROOF, 100, 0, 5000) + ticks(LEFT, 100, 0, 5000) + frozen)
    assert [each.match.parts[ROOF] for each in given] == list(range(0, 5000, 100))
    assert all(each.at == each.match.parts[ROOF] for each in given if each.at > 2400)


def test_no_sensor_is_missing_in_the_first_frame_of_a_loop():
    """When the reference has jumped back, the streams that have not yet are still awaited."""
    sync = make()
    events = loops(ROOF, 0, 9000) + loops(LEFT, 0, 9000, delay=10)
    given = play(sync, events + loops(RIGHT, 0, 9000, delay=40))
    assert [each.match for each in given] == [whole(stamp % 3000) for stamp in range(0, 9000, 100)]
    assert sync.dropped.total() == 0


def test_a_sensor_that_begins_late_is_in_the_first_frame_of_the_next_loop():
    """In the first loop, this frame was processed without it."""
    sync = make()
    events = loops(ROOF, 0, 6000, delay=20) + loops(LEFT, 0, 6000, delay=20)
    given = play(sync, events + loops(RIGHT, 1500, 6000))
    assert [each.match for each in given if each.at >= 3000] == [
        whole(stamp) for stamp in range(0, 3000, 100)
    ]
    assert sync.dropped.total() == 0


def test_a_sensor_that_returns_in_the_next_loop_is_in_its_frames():
    """In the loop before, frames with the same stamps were processed without it."""
    sync = make()
    events = loops(ROOF, 0, 6000, delay=20) + loops(LEFT, 0, 6000, delay=20)
    given = play(sync, events + loops(RIGHT, 0, 1000) + loops(RIGHT, 4500, 6000))
    assert [each.match for each in given if each.at >= 4500] == [
        whole(stamp) for stamp in range(1500, 3000, 100)
    ]
    assert sync.dropped.total() == 0


def test_the_next_stream_takes_over_from_a_dead_reference_until_it_returns():
    streams = (ROOF, REAR, LEFT, RIGHT)
    sync = make(streams)
    others = [event for stream in streams[1:] for event in ticks(stream, 100, 0, 6000)]
    dies = play(sync, [event for event in others if event[0] < 1000] + ticks(ROOF, 100, 0, 1000))
    assert sync.reference == ROOF and all(not each.match.missing for each in dies[1:])
    dead = play(sync, [event for event in others if 1000 <= event[0] < 4000])
    assert sync.reference == REAR
    assert dead[-1] == Given(3900, Match(dict.fromkeys(streams[1:], 3900), (ROOF,)))
    stamps = [each.match.parts[REAR] for each in dead if REAR in each.match.parts]
    assert stamps[-19:] == list(range(2100, 4000, 100))
    back = play(
        sync, [event for event in others if event[0] >= 4000] + ticks(ROOF, 100, 4000, 6000)
    )
    assert sync.reference == ROOF
    assert [each.match for each in back[-19:]] == [
        whole(stamp, streams) for stamp in range(4100, 6000, 100)
    ]


def test_a_lidar_takes_over_before_a_camera_and_a_camera_where_no_lidar_is_left():
    sync = make((ROOF, REAR, LEFT, RIGHT))
    play(sync, ticks(LEFT, 100, 0, 3000) + ticks(REAR, 100, 0, 3000))
    assert sync.reference == REAR
    given = play(sync, ticks(LEFT, 100, 3000, 6000) + ticks(RIGHT, 100, 3000, 6000))
    assert sync.reference == LEFT
    assert given[-1] == Given(5900, Match({LEFT: 5900, RIGHT: 5900}, (ROOF, REAR)))


def test_cameras_are_matched_together_while_none_of_them_matches_the_lidar():
    events = [(now, ROOF, now + 9000) for now in range(0, 4000, 100)]
    given = play(make(), events + ticks(LEFT, 100, 0, 4000) + ticks(RIGHT, 100, 0, 4000))
    kinds = Counter(tuple(each.match.parts) for each in given)
    assert set(kinds) == {(ROOF,), (LEFT, RIGHT)} and min(kinds.values()) >= 36


def test_a_message_that_matches_no_reference_message_is_dropped_as_unmatched():
    sync = make()
    rig = [event for stream in RIG for event in ticks(stream, 100, 0, 1000)]
    play(sync, [*rig, (450, LEFT, 450)], until=2000)
    assert sync.dropped == {f"unmatched_{LEFT}": 1}


def test_the_distance_by_which_each_stream_misses_the_reference_is_known():
    sync = make()
    events = ticks(ROOF, 100, 0, 3000) + ticks(LEFT, 100, 0, 3000) + ticks(RIGHT, 100, 45, 3000)
    play(sync, events)
    assert sync.unmatched(3000 * MS) == {RIGHT: 45 * MS} and sync.miss(LEFT) is None


def test_more_messages_than_can_wait_are_dropped_with_a_cause_of_their_own():
    sync = make(max_wait=10**15)
    for index in range(1000):
        sync.add(LEFT, 60 * MS * index, index, 0)
    assert sync.dropped == {f"queue_full_{LEFT}": 1000 - MOST_WAITING}


class Watched(Synchronizer):
    """Counts how often the stamps of each stream jumped back."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.restarts: Counter[str] = Counter()

    def _restart(self, stream: str) -> None:
        super()._restart(stream)
        self.restarts[stream] += 1


def random_events(
    rng: np.random.Generator, streams: tuple[str, ...], jumps: bool
) -> list[tuple[int, str, int]]:
    """Return (arrival, stream, stamp), ns, of sensors with random faults."""
    events, seconds = [], 6
    jump_at, jump = rng.uniform(2e9, 4e9), rng.choice([0.02, 0.3, 2, 100]) * 1e9
    is_triggered = rng.random() < 0.5
    shared_rate = int(rng.choice([10, 20, 30]))
    for stream in streams:
        rate = shared_rate // int(rng.choice([1, 1, 2]))
        phase = 0.0
        if not is_triggered:
            rate = int(rng.choice([2, 5, 10, 20, 30]))
            phase = rng.uniform(0, 1e9 / rate)
        jitter, lag = rng.choice([0, 2, 15]) * MS, rng.choice([0, 20, 100, 250]) * MS
        reordering, loss = rng.choice([0, 5, 60]) * MS, rng.choice([0, 0, 0.1, 0.5])
        offset = rng.choice([0, 0, 0, 0, 0, 40, 5000]) * MS
        dead = np.sort(rng.uniform(0, 2 * seconds * 1e9, 2))
        for time in phase + 1e9 / rate * np.arange(seconds * rate):
            if rng.random() < loss or dead[0] < time < dead[1]:
                continue
            stamp = time + rng.uniform(-jitter, jitter) + offset
            if jumps and time > jump_at:
                stamp -= jump
            repeats = 2 if rng.random() < 0.02 else 1
            for _ in range(repeats):
                arrival = 10**10 + time + lag + rng.uniform(0, reordering)
                events.append((int(arrival), stream, int(stamp)))
    return sorted(events)


@pytest.mark.parametrize("jumps", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_every_message_is_given_out_or_dropped_once_in_order_within_slop_and_in_time(seed, jumps):
    rng = np.random.default_rng(seed)
    streams = (ROOF, REAR, LEFT, RIGHT, "rear/image")[: rng.integers(3, 6)]
    sync = Watched(
        int(rng.choice([0, 10, 50, 100])) * MS,
        int(rng.choice([0, 50, 200, 1000])) * MS,
        bool(rng.integers(2)),
        streams,
    )
    received: Counter[str] = Counter()
    given: Counter[str] = Counter()
    ended: set[int] = set()
    last: dict[tuple[str, int], int] = {}  # stamp, by stream and number of jumps back

    def check(matches: list[Match], now: int) -> None:
        for match in matches:
            assert match.parts and {*match.parts, *match.missing} == {*streams}
            stamps = {}
            for stream, (number, stamp, arrival) in match.parts.items():
                assert number not in ended
                ended.add(number)
                assert now - arrival <= sync.max_wait
                key = stream, sync.restarts[stream]
                assert stamp > last.get(key, stamp - 1)
                stamps[stream] = last[key] = stamp
            given.update(match.parts.keys())
            center = stamps.get(sync.reference, min(stamps.values()))
            reach = sync.slop if sync.reference in stamps else 2 * sync.slop
            assert all(abs(stamp - center) <= reach for stamp in stamps.values())
        for stream in streams:
            causes = ("unmatched", "queue_full", "repeated", "late", "time_jump")
            dropped = sum(sync.dropped[f"{cause}_{stream}"] for cause in causes)
            assert received[stream] == given[stream] + dropped + len(sync._waiting[stream])
        assert sync.deadline is None or sync.deadline > now

    for number, (now, stream, stamp) in enumerate(random_events(rng, streams, jumps)):
        while sync.deadline is not None and sync.deadline <= now:
            due = sync.deadline
            check(sync.expire(due), due)
        received[stream] += 1
        check(sync.add(stream, stamp, (number, stamp, now), now), now)
    while (deadline := sync.deadline) is not None:
        check(sync.expire(deadline), deadline)
    assert sum(received.values()) == len(ended) + sync.dropped.total()


@pytest.mark.parametrize("seed", range(10))
def test_synchronised_sensors_give_complete_matches_whatever_their_delays(seed):
    rng = np.random.default_rng(seed)
    streams = (ROOF, REAR, LEFT, RIGHT, "rear/image", "front/image")
    events: list[Event] = []
    for stream in streams:
        delay = rng.uniform(0, 150)
        events += [
            (stamp + delay + rng.uniform(0, 20), stream, stamp + rng.uniform(-5, 5))
            for stamp in range(100, 5000, 100)
        ]
    sync = make(streams)
    given = play(sync, events, until=9999)
    assert len(given) == 49 and not any(each.match.missing for each in given)
    assert sync.dropped.total() == 0


@pytest.mark.parametrize("phase", range(0, 100, 12))
def test_faster_cameras_give_the_image_nearest_to_each_cloud(phase):
    events = ticks(ROOF, 100, 100 + phase, 4000)
    left = ticks(LEFT, 33, 100, 4000)
    right = ticks(RIGHT, 33, 111, 4000)
    given = play(make(), events + left + right)[2:]
    for each in given:
        cloud = each.match.parts[ROOF]
        for stream, images in ((LEFT, left), (RIGHT, right)):
            nearest = min(abs(stamp - cloud) for _, _, stamp in images)
            assert abs(each.match.parts[stream] - cloud) == nearest
        assert each.at <= cloud + 17
    assert len(given) >= 35
