"""Newest wins, and nothing is lost without being counted."""

import threading
import time

from bev_semseg_ros.ros.input.latest_pair_queue import Inbox
from bev_semseg_ros.ros.input.synchronizer import Synchronizer

MS = 1_000_000


def make(**options) -> Inbox:
    return Inbox(Synchronizer(**{"slop": 50 * MS, "max_wait": 20 * MS, **options}))


def offer_pair(inbox: Inbox, stamp: int) -> None:
    inbox.offer("points", stamp * MS, stamp)
    inbox.offer("image", stamp * MS, stamp)


def test_the_newest_pair_is_taken_and_the_older_counted():
    inbox = make()
    for stamp in (100, 200, 300):
        offer_pair(inbox, stamp)
    assert inbox.take(1).match.points == 300 and inbox.dropped() == {"overwritten": 2}


def test_an_unmatched_cloud_comes_when_its_wait_is_over():
    inbox = make()
    inbox.offer("points", 0, "cloud")
    assert inbox.take(5).match.points == "cloud"


def test_take_comes_back_without_work():
    assert make().take(0.01) is None


def test_close_wakes_the_taker():
    inbox, taken = make(), []
    taker = threading.Thread(target=lambda: taken.append(inbox.take(60)))
    taker.start()
    inbox.close()
    taker.join(10)
    assert taken == [None]


def test_in_is_out_and_dropped_whatever_the_threads_do():
    inbox, taken = make(), []

    def take() -> None:
        while not inbox.closed:
            work = inbox.take(0.05)
            if work is not None:
                taken.append(work)
                time.sleep(0.001)

    taker = threading.Thread(target=take)
    taker.start()
    for stamp in range(100, 30000, 100):
        offer_pair(inbox, stamp)
    deadline = time.monotonic() + 20
    while len(taken) + inbox.dropped().total() < 299 and time.monotonic() < deadline:
        time.sleep(0.01)
    inbox.close()
    taker.join()
    assert len(taken) + inbox.dropped()["overwritten"] == 299 == inbox.received["points"]


def test_tuning_takes_effect_at_once():
    inbox = make()
    inbox.tune(0.0, 10.0, True)
    inbox.offer("points", 0, 0)
    inbox.offer("image", 40 * MS, 40)
    assert inbox.take(0.01) is None
