"""Processes that make batches."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support import tiny_data
from support.memory_dataset import TinyDataset, with_training
from support.prepared_frames import cache_of, loader_of
from support.waiting import wait_until

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.training import workers as module
from bev_semseg_ros.training.loader import TrainingBatch
from bev_semseg_ros.training.workers import Workers, num_workers

pytestmark = pytest.mark.slow

# A module of the user, in a folder that only this process has on its path.
CALLS = """
import os, signal

class Unusual(ValueError):
    def __init__(self, frame, reason):  # cannot be unpickled
        super().__init__(f"{frame} is {reason}")

def double(number):
    if number == 7:
        raise Unusual("frame 7", "damaged")
    if number == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number
"""
QUICK = """
image: {max_pixels: 20000, max_width: 256}
grid: {cell: 0.4}
model: {camera_encoder: residual, neck_channels: 16, head_channels: 16, tasks: [detection]}
training: {batch_size: 2, crop: [128, 64], max_minutes: 60, precision: fp32, num_workers: 2}
"""
PROGRAM = """
from bev_semseg_ros.config import load
from bev_semseg_ros.training.run import train
train(load("quick.yaml"), ["data"], "run")
"""
# A shell that runs the tests in the background has told all its programs to ignore Ctrl-C.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from bev_semseg_ros.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def double(tmp_path, monkeypatch):
    (tmp_path / "calls_of_user.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("calls_of_user").double


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a folder with data and settings, to train in."""
    tiny_data.write_kitti_drive(tmp_path / "data", 4)
    (tmp_path / "quick.yaml").write_text(QUICK)
    return tmp_path


def tensors_of(batch: TrainingBatch) -> dict[str, Any]:
    inputs = {name: value for name, value in vars(batch.batch).items() if name != "image_keys"}
    return inputs | {"targets": batch.targets}


def expects_interrupt(pid: str) -> bool:
    """Return True if Python has started in a process: it then handles SIGINT, or ignores it."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^Sig(?:Cgt|Ign):\t(\w+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks)


def is_running(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_processes_make_the_same_batches_as_threads(tmp_path):
    cache = cache_of(TinyDataset(6), tmp_path / "cache")
    threads, processes = (
        loader_of([cache], with_training(batch_size=2, num_workers=count)) for count in (0, 2)
    )
    for epoch, first in ((0, 0), (1, 1)):
        expected, found = (list(loader.batches(epoch, first)) for loader in (threads, processes))
        assert len(found) == 3 - first
        for a, b in zip(expected, found, strict=True):
            assert a.names == b.names and a.batch.image_keys == b.batch.image_keys
            torch.testing.assert_close(tensors_of(a), tensors_of(b), rtol=0, atol=0)
    processes.close()


def test_after_an_epoch_that_was_left_early_the_next_one_has_all_batches(tmp_path):
    cache = cache_of(TinyDataset(6), tmp_path / "cache")
    loader = loader_of([cache], with_training(batch_size=2, num_workers=1))
    batches = loader.batches(0)
    next(batches)
    batches.close()
    assert len(list(loader.batches(0))) == 3
    loader.close()


def test_an_error_keeps_its_text_and_the_process_goes_on(double):
    workers = Workers(double, 1)
    assert workers.call(1) == 2
    with pytest.raises(ValueError, match=r"^frame 7 is damaged$"):
        workers.call(7)
    assert workers.call(3) == 6
    workers.close()


def test_a_killed_process_is_named_with_the_remedy(double):
    workers = Workers(double, 1)
    for _ in range(2):  # the second time, it is not there
        with pytest.raises(ChildProcessError, match=r"training\.num_workers: .*Killed.* set fewer"):
            workers.call(9)
    workers.close()


def test_a_damaged_cache_is_reported_as_by_threads(tmp_path):
    cache = cache_of(TinyDataset(), tmp_path / "cache")
    loader = loader_of([cache], with_training(num_workers=1))
    (tmp_path / "cache" / "points.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"points\.bin"):
        next(loader.batches(0))


def test_what_cannot_be_pickled_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"training\.num_workers: .*lambda.* set 0"):
        Workers(lambda: None, 1)


def test_processes_are_the_default_only_on_a_gpu(monkeypatch):
    assert num_workers(TrainingConfig(num_workers=3)) == 3
    monkeypatch.setattr(module, "choose_device", lambda _: torch.device("cpu"))
    assert num_workers(TrainingConfig()) == 0
    monkeypatch.setattr(module, "choose_device", lambda _: torch.device("cuda"))
    counts = {}
    for cores in (1, 2, 5, 64):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        counts[cores] = num_workers(TrainingConfig())
    assert counts == {1: 1, 2: 1, 5: 4, 64: 8}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_training(data, number):
    options = ["--config", "quick.yaml", "--data", "data", "--out", "run"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "train", *options],
        cwd=data,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal has one, too
    )
    with process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 3, 120)  # two, and Python's tracker
        pids = children.read_text().split()
        wait_until(lambda: all(map(expects_interrupt, pids)), 120)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as Ctrl-C does
        else:
            process.kill()
        assert process.wait(120) == {signal.SIGINT: 130}.get(number, -number)
        wait_until(lambda: not any(map(is_running, pids)), 120)
        output = process.stderr.read()
    if number == signal.SIGINT:
        assert output.splitlines()[-1] == "bev-semseg: interrupted" and "Traceback" not in output


def test_a_script_that_trains_when_it_is_imported_is_told_what_to_change(data):
    (data / "script.py").write_text(PROGRAM)
    result = subprocess.run(
        [sys.executable, "script.py"], cwd=data, capture_output=True, text=True, check=False
    )
    assert "script.py: training.num_workers: " in result.stderr
    assert '`if __name__ == "__main__":`, or set 0' in result.stderr
    assert result.stderr.splitlines()[-1].startswith("ChildProcessError: training.num_workers")
