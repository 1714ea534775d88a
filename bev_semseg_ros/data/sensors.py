"""Which cameras of a data set are read, and what the sensors are called in a frame."""

from __future__ import annotations

from collections.abc import Sequence

ALL = "all"  # stands for all cameras that a data set has


def sensor_names(names: Sequence[str], alone: str) -> list[str]:
    """Return what the sensors of one kind are called in a frame.

    Args:
        names: of the data set for them.
        alone: the name of a single one, `frame.LIDAR` or `frame.CAMERA`.
    """
    return [alone] if len(names) == 1 else list(names)


def other_camera(there: Sequence[str], read: Sequence[str]) -> str:
    """Return what to type where the cameras that are read have no frames, to end an error with.

    Args:
        there: the cameras that a data set has.
        read: those that are read.
    """
    others = [name for name in there if name not in read]
    return f"; for another camera give --cameras {others[0]}" if others else ""


def chosen_cameras(there: Sequence[str], wanted: Sequence[str] | str) -> list[str]:
    """Return the cameras to read, in the order that they were asked for.

    Args:
        there: the cameras that a data set has, its reference camera first.
        wanted: some of them, or ALL alone.

    Raises:
        ValueError: a camera that is not there or is named twice.
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
