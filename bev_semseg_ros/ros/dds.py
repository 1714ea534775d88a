"""Configure Fast DDS for images and clouds.

They do not fit into its default shared memory segment of 0.5 MiB, so it drops them without a
warning.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from bev_semseg_ros.resources import share_path

# Environment variable. Its value "none" means to set no profile; the launch argument
# dds_profile:=none sets it.
SWITCH = "BEV_SEMSEG_DDS_PROFILE"

# Environment variables of the user that take precedence, for all distributions.
USER_SETTINGS = (
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
)


def profile_variable() -> str:
    """Return the environment variable that names the profile of this distribution's Fast DDS.

    Fast DDS 2.x (up to Jazzy) recognises only the old name. ROS_DISTRO names the distribution. If
    it is not set, the version of the installed rclpy decides.
    """
    old, new = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    distribution = os.environ.get("ROS_DISTRO", "")
    if distribution:
        return old if distribution[:1] <= "j" else new  # the names are in alphabetical order
    from importlib.metadata import PackageNotFoundError, version

    for package in ("ros-rclpy", "rclpy"):
        try:
            return old if int(version(package).split(".")[0]) < 8 else new  # rclpy 7 is Jazzy's
        except PackageNotFoundError:
            continue
    return old


def use_shared_memory_profile(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Make Fast DDS use config/fastdds_shm.xml, unless the user has chosen otherwise.

    The user can choose another middleware, one of `USER_SETTINGS`, or "none" in `SWITCH`. Call this
    before rclpy.init.

    Args:
        environment: The environment to change: that of this process or of a child process.

    Returns:
        Whether the profile was set.
    """
    if "fastrtps" not in environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return False
    if environment.get(SWITCH) == "none" or any(environment.get(name) for name in USER_SETTINGS):
        return False
    environment[profile_variable()] = str(share_path("config/fastdds_shm.xml"))
    return True
