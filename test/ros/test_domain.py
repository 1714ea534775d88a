"""Each of several simultaneous runs on one machine gets a ROS domain of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bev_semseg_ros.resources import share_path
from bev_semseg_ros.ros.dds import SWITCH, profile_variable
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
    """Kill a process, which has no chance to clean up, and wait for its end."""
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


def num_participants() -> int:
    """Return how many participants on this machine a participant with our profile looks for."""
    profile = ElementTree.parse(share_path("config/fastdds_shm.xml"))
    (element,) = profile.iter("maxInitialPeersRange")
    return int(element.text)


def test_all_candidates_avoid_the_ephemeral_ports_of_linux():
    for domain in DOMAINS:
        first_port = 7400 + 250 * domain  # according to the DDS standard (RTPS 2.2, 9.6.1)
        last_port = first_port + 11 + 2 * (num_participants() - 1)
        if first_port < 32768:
            assert last_port < 32768, domain
        else:
            assert first_port > 60999, domain
            assert last_port < 65536, domain


NODE = """
import rclpy
rclpy.init()
rclpy.create_node("last")
print("alive", flush=True)
"""


@pytest.mark.ros
def test_a_node_runs_in_the_last_domain(tmp_path: Path):
    """Fast DDS ends the process with exit(1) if a port of the domain exceeds 65535."""
    pytest.importorskip("rclpy")
    environment = reserve_domain(tmp_path, [max(DOMAINS)]).environment(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", NODE], env=environment, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, "alive\n"), process.stdout + process.stderr


def test_the_environment_of_a_domain_is_local_and_has_the_settings_of_package_and_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    monkeypatch.setenv("OF_THE_USER", "kept")
    monkeypatch.delenv(profile_variable(), raising=False)
    with reserve_domain(tmp_path, [40]) as domain:
        variables = domain.environment(tmp_path / "log")
        monkeypatch.setenv(SWITCH, "none")
        without_profile = domain.environment(tmp_path / "log")
    expected = {
        "ROS_DOMAIN_ID": "40",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path / "log"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "OF_THE_USER": "kept",
    }
    assert expected.items() <= variables.items()
    assert profile_variable() in variables and profile_variable() not in without_profile
    assert os.environ["ROS_DOMAIN_ID"] == "7"
