"""The newest pair wins, and every lost message is counted."""

import threading
import time

from bev_semseg_ros.ros.health.health import Health, Pairing
from bev_semseg_ros.ros.input import latest_pair_queue
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.synchronizer import Match, Synchronizer

MS = 1_000_000


def make(health: Health | None = None, **options) -> LatestPairQueue:
    synchronizer = Synchronizer(**{"slop": 50 * MS, "max_wait": 20 * MS, **options})
    return LatestPairQueue(synchronizer, health or Health())


def offer_pair(queue: LatestPairQueue, stamp: int) -> None:
    queue.offer("points", stamp * MS, stamp)
    queue.offer("image", stamp * MS, stamp)


def test_the_newest_pair_is_taken_and_the_older_counted():
    health = Health()
    queue = make(health)
    for stamp in (100, 200, 300):
        offer_pair(queue, stamp)
    assert queue.take(1).match.points == 300
    assert health.counts().dropped == {"overwritten": 2}


def test_clouds_and_images_that_do_not_match_do_not_replace_each_other(monkeypatch):
    health, clock = Health(), Clock(monkeypatch)
    queue = make(health)
    for _ in range(20):  # the first second without a pair is over
        clock.now += 100 * MS
        queue.offer("points", clock.now, clock.now)
        queue.offer("image", clock.now - 10**12, clock.now)
    clock.now += 20 * MS  # max_wait
    newest = clock.now - 20 * MS
    taken = [queue.take(1).match for _ in range(2)]
    assert taken == [Match({"points": newest}, ("image",)), Match({"image": newest}, ("points",))]
    offer_pair(queue, clock.now)
    assert queue.take(1).match.is_pair
    counts = health.counts()
    assert counts.received.total() == 4 + counts.dropped.total()


def test_a_slow_network_takes_clouds_and_images_in_turn_if_they_do_not_match(monkeypatch):
    queue, clock, taken = make(), Clock(monkeypatch), []
    for number in range(80):
        clock.now += 100 * MS
        queue.offer("image", clock.now - 10**12, clock.now)
        clock.now += 15 * MS
        queue.offer("points", clock.now, clock.now)
        if number > 20 and number % 3 == 0:  # after the first second without a pair
            taken += [next(iter(queue.take(1).match.parts))]
    assert taken == ["image", "points"] * 10 or taken == ["points", "image"] * 10


def test_an_unmatched_cloud_is_given_out_when_its_wait_is_over():
    queue = make()
    queue.offer("points", 0, "cloud")
    assert queue.take(5).match.points == "cloud"


def test_take_returns_none_after_its_timeout():
    assert make().take(0.01) is None


def test_close_wakes_the_taker():
    queue, taken = make(), []
    taker = threading.Thread(target=lambda: taken.append(queue.take(60)))
    taker.start()
    queue.close()
    taker.join(10)
    assert taken == [None]


def test_pairs_and_messages_left_at_the_end_are_counted():
    health = Health()
    queue = make(health, max_wait=10**12)
    offer_pair(queue, 100)  # one frame
    queue.offer("points", 200 * MS, "cloud")
    for _ in range(2):  # the second call changes nothing
        queue.close()
    assert health.counts().dropped == {"deactivated": 2}


def test_with_threads_every_pair_is_either_taken_or_counted_as_dropped():
    health = Health()
    queue, taken = make(health, max_wait=60_000 * MS), []  # the machine may be busy

    def take() -> None:
        while not queue.closed:
            work = queue.take(0.05)
            if work is not None:
                taken.append(work)
                time.sleep(0.001)

    taker = threading.Thread(target=take)
    taker.start()
    for stamp in range(100, 30000, 100):
        offer_pair(queue, stamp)
    deadline = time.monotonic() + 20
    while len(taken) + health.counts().dropped.total() < 299 and time.monotonic() < deadline:
        time.sleep(0.01)
    queue.close()
    taker.join()
    counts = health.counts()
    assert len(taken) + counts.dropped["overwritten"] == 299 == counts.received["points"]


def test_tuning_takes_effect_at_once():
    queue = make()
    queue.tune(0.0, 10.0, True)
    queue.offer("points", 0, 0)
    queue.offer("image", 40 * MS, 40)
    assert queue.take(0.01) is None


def test_missing_pairs_are_recorded_with_the_nearest_miss():
    health = Health()
    queue = make(health)
    queue.observe()
    assert health.counts().pairing == Pairing("points", {"image": None})
    queue.offer("points", 0, "cloud")
    queue.offer("image", 60 * MS, "image")
    queue.observe()
    assert health.counts().pairing == Pairing("points", {"image": 0.06})
    offer_pair(queue, 100)
    queue.observe()
    assert not health.counts().pairing.misses


def test_streams_that_jump_between_clocks_are_recorded_once():
    health = Health()
    queue = make(health)
    for stamp in (5000, 5100, 0, 60_000):
        queue.offer("image", stamp * MS, stamp)
    queue.observe()
    assert health.counts().pairing.jumps == {"image": 60.0}
    queue.observe()
    assert not health.counts().pairing.jumps


class Clock:
    """Stands in for the module `time`; its time passes only when a test changes `now`."""

    def __init__(self, monkeypatch) -> None:
        self.now = 10**12
        monkeypatch.setattr(latest_pair_queue, "time", self)

    def monotonic_ns(self) -> int:
        return self.now


def drive(queue: LatestPairQueue, clock: Clock, streams: tuple[str, ...]) -> None:
    """Offer two seconds of messages at 10 Hz."""
    for _ in range(20):
        clock.now += 100 * MS
        for stream in streams:
            queue.offer(stream, clock.now, stream)


def test_a_new_reference_and_the_return_of_the_old_one_are_reported_once(monkeypatch):
    health, clock = Health(), Clock(monkeypatch)
    streams = ("roof/points", "rear/points", "front/image")
    queue = make(health, streams=streams)
    drive(queue, clock, streams)
    assert health.take_warnings() == []
    drive(queue, clock, streams[1:])
    assert health.take_warnings() == [
        "the reference is now rear/points: roof/points is silent",
    ]
    drive(queue, clock, streams[1:])
    assert health.take_warnings() == []
    drive(queue, clock, streams)
    assert health.take_warnings() == [
        "the reference is now roof/points: its messages come again",
    ]


def test_a_new_reference_is_not_reported_for_one_lidar_and_one_camera(monkeypatch):
    health, clock = Health(), Clock(monkeypatch)
    queue = make(health)
    drive(queue, clock, ("image",))
    assert queue._synchronizer.reference == "image" and health.take_warnings() == []


def test_the_stream_that_misses_the_reference_is_recorded(monkeypatch):
    health, clock = Health(), Clock(monkeypatch)
    streams = ("roof/points", "left/image", "right/image")
    queue = make(health, streams=streams)
    for _ in range(20):
        clock.now += 200 * MS
        for stream in streams:
            queue.offer(stream, clock.now - 60 * MS * (stream == "right/image"), stream)
    queue.observe()
    assert health.counts().pairing == Pairing("roof/points", {"right/image": 0.06})


def test_messages_that_come_too_late_are_counted_by_sensor(monkeypatch):
    health, clock = Health(), Clock(monkeypatch)
    queue = make(health, streams=("roof/points", "left/image", "right/image"))
    queue.offer("roof/points", 0, "cloud")
    queue.offer("left/image", 0, "left")
    clock.now += 25 * MS
    assert queue.take(1).match.missing == ("right/image",)
    queue.offer("right/image", 0, "right")
    assert health.counts().dropped == {"late_right/image": 1}
