"""Processes that make batches."""

from __future__ import annotations

import pytest
from support.calls import double
from support.memory_dataset import TinyDataset, with_training
from support.prepared_frames import cache_of, loader_of

from bev_semseg_ros.training.workers import Workers

pytestmark = pytest.mark.slow


def test_processes_make_the_same_batches_as_threads(tmp_path):
    cache = cache_of(TinyDataset(6), tmp_path / "cache")
    threads, processes = (
        loader_of([cache], with_training(batch_size=2, num_workers=count)) for count in (0, 2)
    )
    for epoch, first in ((0, 0), (1, 1)):
        expected, found = (list(loader.batches(epoch, first)) for loader in (threads, processes))
        assert len(found) == 3 - first
        for a, b in zip(expected, found, strict=True):
            assert a.names == b.names and a.targets.keys() == b.targets.keys()
            assert a.batch.points.equal(b.batch.points)
            assert a.batch.images[0].equal(b.batch.images[0])


def test_an_error_keeps_its_text_and_the_next_run_begins_anew():
    workers = Workers(double, 1)
    results = workers.run([(1,), (7,), (2,)])
    assert next(results) == 2
    with pytest.raises(ValueError, match=r"^frame 7 is damaged$"):
        next(results)
    assert list(workers.run([(3,), (4,)])) == [6, 8]


def test_a_killed_process_is_named_with_the_remedy():
    with pytest.raises(ChildProcessError, match=r"training\.num_workers: a process .* set fewer"):
        list(Workers(double, 1).run([(9,)]))
