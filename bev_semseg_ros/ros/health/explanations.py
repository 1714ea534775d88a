"""In words: why clouds and images do not meet, and what became of those that did not."""

from __future__ import annotations

from collections import Counter

from bev_semseg_ros.ros.input.synchronizer import MOST_WAITING

NO_ROOM = f"max_wait is longer than {MOST_WAITING} of them can wait"


def why_unmatched(miss: float | None, slop: float, max_wait: float, is_full: bool) -> str:
    """Why no pairs form. miss: the synchronizer's, in seconds like the others; is_full: it had no room for all."""
    if miss is not None and miss <= slop:
        if is_full:
            return (
                f"more than {MOST_WAITING} messages of one sensor come between image and cloud of a moment, and no "
                "more can wait, whatever max_wait is: let the later sensor's come sooner or the other's less often"
            )
        return (
            f"image and cloud of a moment come more than max_wait ({max_wait:g} s) after each other: raise "
            "max_wait"
        )
    nearest = "" if miss is None else f"; the nearest misses by {miss:.3f} s"
    return (
        f"no image within slop ({slop:g} s) of a cloud{nearest}: synchronise the sensors' clocks, set "
        "points_offset or image_offset, or raise slop"
    )


def explain_fates(
    results: int, lost: Counter[str], alone: Counter[str], unmatched: str, is_unmatched: bool
) -> dict[str, int]:
    """What became of messages without partners or with old stamps -> of how many; of a time with so many results.

    lost: the inbox's drops, alone: the pipeline's degraded results, both by cause; unmatched: the parameter;
    is_unmatched: whether no pairs form.
    """
    clouds, images = "clouds without image", "images without cloud"
    why = (
        "unmatched is drop"
        if unmatched == "drop"
        else "newer ones were processed before they had waited long enough"
    )
    old = "dropped: their stamps repeat or are older than what was processed"
    counts = {
        f"{clouds} processed alone (lidar_only)": alone["no_image"],
        f"{images} processed alone (camera_only)": alone["no_points"],
        f"{clouds} dropped ({why})": lost["unmatched_points"],
        f"clouds dropped ({NO_ROOM})": lost["queue_full_points"],
        f"images dropped ({NO_ROOM})": lost["queue_full_image"],
        # While pairs form these are the surplus of a faster camera, and a few late ones are nothing to speak of.
        f"{images} dropped": lost["unmatched_image"] * is_unmatched,
        f"clouds {old}": lost["late_points"] * (lost["late_points"] > results),
        f"images {old}": lost["late_image"] * (lost["late_image"] > results),
    }
    return {fate: count for fate, count in counts.items() if count}


def own_error(error: Exception) -> str:
    """Of an error that no input should be able to cause."""
    return f"an error of the node itself, please report it: {type(error).__name__}: {error}"
