"""Makes Fast DDS carry images and clouds: its default shared memory segment (0.5 MiB) silently drops them."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from bev_semseg_ros.resources import share_path

SWITCH = (
    "BEV_SEMSEG_DDS_PROFILE"  # none: no profile is set, which launch's dds_profile:=none passes on
)

# What a user may have set already, under the names of all distributions.
USER_SETTINGS = (
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
)


def profile_variable() -> str:
    """The name under which this distribution's Fast DDS reads its profile: 2.x (up to Jazzy) knows only the old one.

    Told by ROS_DISTRO or, where it is not set, by the version of rclpy.
    """
    old, new = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    distribution = os.environ.get("ROS_DISTRO", "")
    if distribution:
        return old if distribution[:1] <= "j" else new  # distributions are named along the alphabet
    from importlib.metadata import PackageNotFoundError, version

    for package in ("ros-rclpy", "rclpy"):
        try:
            return old if int(version(package).split(".")[0]) < 8 else new  # rclpy 7 is Jazzy's
        except PackageNotFoundError:
            continue
    return old


def use_shared_memory_profile(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Name config/fastdds_shm.xml in `environment` unless the user chose a middleware, transports, a profile or none.

    To be called before rclpy.init, or on the environment of a child process. True if the profile was set.
    """
    if "fastrtps" not in environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return False
    if environment.get(SWITCH) == "none" or any(environment.get(name) for name in USER_SETTINGS):
        return False
    environment[profile_variable()] = str(share_path("config/fastdds_shm.xml"))
    return True
