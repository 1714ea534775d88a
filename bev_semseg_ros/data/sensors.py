"""Selects the cameras of a data set to read, and names the sensors of a frame."""

from __future__ import annotations

from collections.abc import Sequence

ALL = "all"  # stands for all cameras that a data set has


def sensor_names(names: Sequence[str], alone: str) -> list[str]:
    """Return the names of the sensors of one kind in a frame.

    Args:
        names: Names of the sensors in the data set.
        alone: Name of a single sensor: `frame.LIDAR` or `frame.CAMERA`.
    """
    return [alone] if len(names) == 1 else list(names)


def other_camera(there: Sequence[str], read: Sequence[str]) -> str:
    """Return the end of a message: what to type if the selected cameras have no frames.

    Args:
        there: Cameras of the data set.
        read: The selected cameras.
    """
    others = [name for name in there if name not in read]
    return f"; for another camera give --cameras {others[0]}" if others else ""


def chosen_cameras(there: Sequence[str], wanted: Sequence[str] | str) -> list[str]:
    """Return the cameras to read, in the requested order.

    Args:
        there: Cameras of the data set, the reference camera first.
        wanted: Some of these cameras, or only ALL.

    Raises:
        ValueError: A camera does not exist or is named twice, or none is given.
    """
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if wanted == [ALL]:
        return list(there)
    for name in wanted:
        if name not in there:
            raise ValueError(f"no camera {name!r}, expected {ALL} or some of {', '.join(there)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"expected each camera once, got {', '.join(wanted) or 'none'}")
    return wanted
