"""Programs of the fork server behave as if they had an interpreter of their own."""

from __future__ import annotations

import signal

import pytest
from support.process import Process

WAIT = "import time; print('begun', flush=True); time.sleep(100)"


@pytest.mark.parametrize(
    ("code", "status", "lines"),
    [
        ("print('done')", 0, ["done"]),
        ("import sys; sys.exit(7)", 7, []),
        ("import sys; sys.exit('no room')", 1, ["no room"]),
        ("import atexit; atexit.register(print, 'at the end')", 0, ["at the end"]),
        ("import sys; print(sys.argv[1:], __name__)", 0, ["['first', '--second'] __main__"]),
    ],
)
def test_a_program_keeps_its_output_arguments_and_exit_code(code, status, lines):
    with Process("first", "--second", program=("-c", code)) as process:
        assert process.wait() == status
    assert process.lines == lines


def test_an_uncaught_exception_is_printed():
    with Process(program=("-c", "1 / 0")) as process:
        assert process.wait() == 1
    assert process.lines[-1] == "ZeroDivisionError: division by zero"


def test_a_program_has_the_environment_of_the_moment_it_starts(monkeypatch):
    monkeypatch.setenv("BEV_SEMSEG_TEST", "here")
    code = "import os, sys; print(os.environ['BEV_SEMSEG_TEST'], 'torch' in sys.modules)"
    with Process(program=("-c", code)) as process:
        assert process.wait() == 0
    assert process.lines == ["here True"]


def test_a_program_can_be_interrupted_and_killed():
    with Process(program=("-c", WAIT)) as interrupted, Process(program=("-c", WAIT)) as killed:
        for process in (interrupted, killed):
            process.wait_for("begun")
        interrupted.interrupt()
        killed.interrupt(signal.SIGKILL)
        assert (interrupted.wait(), killed.wait()) == (1, -signal.SIGKILL)
    assert interrupted.lines[-1] == "KeyboardInterrupt"


def test_a_fresh_program_has_an_interpreter_of_its_own():
    with Process(
        program=("-c", "import sys; print('torch' in sys.modules)"), fresh=True
    ) as process:
        assert process.wait() == 0
    assert process.lines == ["False"]
