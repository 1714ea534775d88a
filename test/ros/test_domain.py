"""Runs side by side on one machine get ROS domains of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bev_semseg_ros.ros.domain import DOMAINS, DomainError, reserve_domain

HOLD = """
import sys
from bev_semseg_ros.ros.domain import reserve_domain
domain = reserve_domain(sys.argv[1], [int(number) for number in sys.argv[2:]])
print(domain.number, flush=True)
sys.stdin.read()
"""


def start_holder(folder: Path, *candidates: int) -> tuple[subprocess.Popen[str], int]:
    """Start a process that reserves a domain and holds it until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *map(str, candidates)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process without a chance to clean up, and wait for its end."""
    process.kill()
    process.communicate()


def test_processes_never_get_the_same_domain(tmp_path):
    candidates = (40, 41, 42)
    holders = [start_holder(tmp_path, *candidates) for _ in candidates]
    try:
        assert sorted(number for _, number in holders) == [*candidates]
    finally:
        for process, _ in holders:
            kill(process)


def test_a_domain_of_a_killed_process_is_free_again(tmp_path):
    process, number = start_holder(tmp_path, 40)
    kill(process)
    with reserve_domain(tmp_path, [40]) as domain:
        assert domain.number == number == 40


def test_two_reservations_of_one_process_differ_until_one_is_released(tmp_path):
    with reserve_domain(tmp_path, [40, 41]) as first:
        second = reserve_domain(tmp_path, [40, 41])
        assert {first.number, second.number} == {40, 41}
        second.release()
        second.release()
        with reserve_domain(tmp_path, [40, 41]) as third:
            assert third.number == second.number


def test_no_free_domain_is_an_error_that_names_the_lock_files(tmp_path):
    with (
        reserve_domain(tmp_path, [40]),
        pytest.raises(DomainError, match=f"reserved by other processes .*{tmp_path}"),
    ):
        reserve_domain(tmp_path, [40])


@pytest.mark.parametrize("domain", DOMAINS)
def test_all_candidates_avoid_the_ephemeral_ports_of_linux(domain):
    first_port = 7400 + 250 * domain  # of the DDS standard (RTPS 2.2, 9.6.1)
    last_port = first_port + 11 + 2 * 50  # with 50 participants
    if first_port < 32768:
        assert last_port < 32768
    else:
        assert first_port > 60999
        assert last_port < 65536
