"""Processes that make batches while a GPU trains, which two threads of Python cannot keep busy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.inference.choices import choose_device

MOST_AUTOMATIC = 8  # more need much memory and shared memory
Made = TypeVar("Made")


def num_workers(training: TrainingConfig) -> int:
    """Return the number of processes that a training asks for, on this machine."""
    if training.num_workers >= 0:
        return training.num_workers
    if choose_device("auto").type == "cpu":
        return 0
    return min(MOST_AUTOMATIC, max(1, len(os.sched_getaffinity(0)) - 1))


class Workers(Generic[Made]):
    """Processes that call a function; they start with the first `run` and stay for the next ones.

    They are spawned, because a forked process may hang if torch has already started threads.
    """

    def __init__(self, make: Callable[..., Made], count: int) -> None:
        """Start nothing yet.

        Args:
            make: function to call; it is pickled.
            count: number of processes, at least 1.
        """
        self._wanted: list[Sequence[object]] = []
        self._loader = DataLoader(
            _Calls(make),
            batch_size=None,  # each call gives a whole batch
            sampler=self._wanted,  # type: ignore[arg-type] # any keys, not only integers
            num_workers=count,
            collate_fn=_unchanged,
            worker_init_fn=_begin,
            multiprocessing_context="spawn",
            persistent_workers=True,
        )

    def run(self, wanted: Sequence[Sequence[object]]) -> Iterator[Made]:
        """Yield the results of calls, in order.

        Args:
            wanted: arguments of each call.

        Raises:
            ChildProcessError: a process was killed.
            Exception: that of a call.
        """
        self._wanted[:] = wanted
        results = iter(self._loader)
        while True:
            try:
                result = next(results, None)
            except RuntimeError as error:  # DataLoader says so of a killed process
                raise ChildProcessError(
                    f"training.num_workers: a process that makes batches ended ({error}); "
                    "probably memory or shared memory ran out (docker run --shm-size gives more): "
                    "set fewer, or 0"
                ) from error
            if result is None:
                return
            if isinstance(result, Exception):
                raise result
            yield result


class _Calls(Dataset[object]):
    """Calls a function with the keys that the sampler gives.

    An error is a result: DataLoader would put a traceback into its message.
    """

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __getitem__(self, arguments: Sequence[object]) -> object:
        try:
            return self._make(*arguments)
        except Exception as error:
            return error


def _begin(number: int) -> None:
    cv2.setNumThreads(1)  # there is a process for each core


def _unchanged(result: Made) -> Made:
    return result
