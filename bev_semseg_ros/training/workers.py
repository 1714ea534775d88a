"""Processes that make batches for a GPU, which two threads of Python cannot keep busy.

Each process has a connection of its own to this one. So, if a process is killed, even while it
sends a batch, its connection ends, and with it the run. A process ends when its connection does, so
none outlives this one. Batches do not need shared memory, of which a container has little: a copy
of one takes a tenth of the time that it takes to make it.

ProcessPoolExecutor and torch's DataLoader have one connection for all processes. If one is killed
while it sends, the executor waits forever; DataLoader notices it only in the main thread, and the
thread that trains copies each batch.
"""

from __future__ import annotations

import copyreg
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import cv2
import torch
from torch import Tensor

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.inference.choices import choose_device
from bev_semseg_ros.training.memory import keep_freed_memory

MOST_AUTOMATIC = 8  # each takes about 0.4 GB of memory
_NAME = "bev-semseg batches"  # of the processes
Result = TypeVar("Result")


def num_workers(training: TrainingConfig) -> int:
    """Return the number of processes that make batches on this machine; 0: threads make them."""
    if training.num_workers != "auto":
        return training.num_workers
    # A CPU trains on all cores itself. A daemonic process must not start others.
    if choose_device("auto").type == "cpu" or multiprocessing.current_process().daemon:
        return 0
    return min(MOST_AUTOMATIC, max(1, len(os.sched_getaffinity(0)) - 1))


def refuse_in_worker() -> None:
    """End this process if it is a worker that still imports the script which has started it.

    A spawned process does so. Without `if __name__ == "__main__":`, the script trains again.
    """
    if multiprocessing.current_process().name == _NAME:
        sys.exit(
            f"{sys.argv[0]}: training.num_workers: a process that makes batches imports this "
            'script, which must not train then: train below `if __name__ == "__main__":`, or set 0'
        )


class Workers(Generic[Result]):
    """Processes that call one function. They are spawned: a forked process may hang after torch.

    Attributes:
        count: number of processes.
    """

    def __init__(self, function: Callable[..., Result], count: int) -> None:
        """Start the processes.

        Args:
            function: function to call. It is pickled, and must return what can be pickled.
            count: number of processes.

        Raises:
            ValueError: the function cannot be pickled.
        """
        self.count = count
        try:
            pickled = pickle.dumps(function)
        except Exception as error:  # pickling a user's class can raise anything
            raise ValueError(
                f"training.num_workers: what makes batches cannot be sent to a process ({error}); "
                "set 0"
            ) from error
        with ThreadPoolExecutor(1) as pool:  # in a thread that Ctrl-C does not interrupt
            self._workers = list(pool.map(_Worker, [pickled] * count))
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def call(self, *arguments: object) -> Result:
        """Return the result of the function, called in a process that is free.

        Several threads may do this, if possible as many as there are processes.

        Raises:
            ChildProcessError: the process was killed.
            Exception: that of the function.
        """
        worker = self._idle.get()
        try:
            return worker.call(arguments)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes at once. Calls in progress raise ChildProcessError."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()


class _Worker:
    """One process and the connection to it."""

    def __init__(self, pickled: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._unsent = pickled  # a large message waits until the process has started
        # A daemon, so that the end of this process does not wait for it.
        self.process = context.Process(target=_serve, args=(other,), name=_NAME, daemon=True)
        # Ctrl-C reaches the process, too, which then must not show a traceback of its imports.
        resource_tracker.ensure_running()  # otherwise, `start` does this and unblocks the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other.close()

    def call(self, arguments: tuple[object, ...]) -> Any:
        """Return the result of the function, see `Workers.call`."""
        try:
            if self._unsent:
                self._connection.send_bytes(self._unsent)
                self._unsent = b""
            self._connection.send(arguments)
            answer = self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode or 0
            reason = signal.strsignal(-code) if code < 0 else f"exit code {code}"
            raise ChildProcessError(
                f"training.num_workers: a process that makes batches ended ({reason}); unless an "
                "error of it is shown above, memory probably ran out: set fewer, or 0"
            ) from None
        result = pickle.loads(answer)
        if isinstance(result, _Failure):
            raise result.error from ChildProcessError(result.traceback)
        return result


@dataclass
class _Failure:
    """An exception in a process and where it came from."""

    error: Exception
    traceback: str


def _serve(connection: Connection) -> None:
    """Receive a function, and call it until the connection ends."""
    cv2.setNumThreads(1)  # there is a process for each core
    torch.set_num_threads(1)
    keep_freed_memory()
    copyreg.pickle(Tensor, _reduce)
    try:
        pickled = connection.recv_bytes()
        function = None
        while True:
            arguments = connection.recv()
            try:
                function = function or pickle.loads(pickled)
                answer = pickle.dumps(function(*arguments), pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                answer = pickle.dumps(_Failure(_portable(error), traceback.format_exc()))
            connection.send_bytes(answer)
    except (EOFError, ConnectionError):
        return


def _reduce(tensor: Tensor) -> tuple[Any, ...]:
    """Pickle a tensor as an array, which takes much less time than torch's own way."""
    try:
        return torch.from_numpy, (tensor.numpy(),)
    except (TypeError, RuntimeError):  # such as bfloat16, which numpy does not have
        return tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _portable(error: Exception) -> Exception:
    """Return an exception that can be pickled, if need be another one with the same message."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # its class can do anything
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        return kind(str(error))
