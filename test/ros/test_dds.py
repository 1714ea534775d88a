"""The transport profile that a process gets, and its content."""

import xml.etree.ElementTree as ElementTree

import pytest

from bev_semseg_ros.resources import share_path
from bev_semseg_ros.ros.dds import profile_variable, use_shared_memory_profile


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        ("humble", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("lyrical", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("rolling", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_the_name_of_the_variable_depends_on_the_distribution(distribution, name, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    assert profile_variable() == name


def test_the_profile_is_set_in_an_empty_environment():
    environment: dict[str, str] = {}
    assert use_shared_memory_profile(environment)
    assert environment == {profile_variable(): str(share_path("config/fastdds_shm.xml"))}


@pytest.mark.parametrize(
    "setting",
    [
        {"FASTDDS_DEFAULT_PROFILES_FILE": "/mine.xml"},
        {"FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml"},
        {"BEV_SEMSEG_DDS_PROFILE": "none"},
        {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"},
        {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"},
    ],
)
def test_settings_of_the_user_are_kept(setting):
    environment = dict(setting)
    assert not use_shared_memory_profile(environment) and environment == setting


def test_the_segment_holds_two_full_hd_images():
    size = int(ElementTree.parse(share_path("config/fastdds_shm.xml")).findtext(".//segment_size"))
    assert size >= 2 * 1920 * 1208 * 3


def test_a_receiver_that_stalls_for_two_seconds_is_not_considered_dead():
    """After its default of 1000 ms, Fast DDS may cut off the receiver for good."""
    profile = ElementTree.parse(share_path("config/fastdds_shm.xml"))
    assert int(profile.findtext(".//healthy_check_timeout_ms")) > 2000


def test_a_missing_file_is_reported_with_the_places_searched():
    with pytest.raises(FileNotFoundError, match=r"nothing\.here is in none of"):
        share_path("nothing.here")
