"""Reserve a ROS domain, so that parallel runs on one machine do not disturb each other."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from bev_semseg_ros.ros.dds import use_shared_memory_profile

# The UDP ports of domains 101 to 214 can collide with Linux's ephemeral ports, and people commonly
# choose small numbers by hand.
DOMAINS = (*range(30, 101), *range(215, 233))


class DomainError(OSError):
    """Every domain is reserved by another process."""


class ReservedDomain:
    """A ROS domain that no other caller of `reserve_domain` gets while this process holds it.

    The domain is free again after `release`, at the end of a `with` block, or when the process
    ends, even if it crashes.

    Attributes:
        number: The domain, for ROS_DOMAIN_ID or `rclpy.init`.
    """

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self._lock: int | None = lock

    def environment(self, log_folder: str | Path) -> dict[str, str]:
        """Return the environment of a process that runs in this domain, on this machine alone.

        Args:
            log_folder: Folder for the logs of ROS.

        Returns:
            The variables of this process, plus the domain, the folder and the settings of the
            package: its shared memory profile, and threads that do not spin while they wait.
        """
        variables = os.environ | {
            "ROS_DOMAIN_ID": str(self.number),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(log_folder),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        use_shared_memory_profile(variables)
        return variables

    def release(self) -> None:
        """Free the domain. A second call does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> ReservedDomain:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def reserve_domain(
    folder: str | Path | None = None, candidates: Sequence[int] = DOMAINS
) -> ReservedDomain:
    """Reserve a random free domain with an exclusive lock on a file.

    Args:
        folder: Folder of the lock files; by default, the system's temporary folder. Only processes
            that use the same folder avoid each other's domains.
        candidates: Domains to choose from.

    Returns:
        The domain, reserved until it is released or this process ends.

    Raises:
        DomainError: If all candidates are reserved.
    """
    folder = Path(folder or tempfile.gettempdir())
    # Random, because a domain that was freed a moment ago may hold nodes that are shutting down.
    for number in random.SystemRandom().sample(candidates, len(candidates)):
        lock = _lock(folder / f"bev_semseg_ros_domain_{number}.lock")
        if lock is not None:
            return ReservedDomain(number, lock)
    raise DomainError(
        f"all {len(candidates)} ROS domains for separate runs are reserved by other processes "
        f"(lock files {folder}/bev_semseg_ros_domain_*.lock); wait until one of them ends"
    )


def _lock(path: Path) -> int | None:
    """Return the descriptor of the locked file, or None if another process holds or owns it."""
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            # Not above: Linux rejects O_CREAT for another user's file in a shared temporary folder.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
    except PermissionError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
