"""Checks of how clouds and images meet: by their stamps, and by when they come."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Stream
from bev_semseg_ros.ros.node.parameters import Parameters, nearest_allowed

DEFAULTS = Parameters()
CLOCK_TOLERANCE = 0.15  # seconds; sensors differ by so much in how long they take to deliver
# Shares of the clouds that have an image within slop.
GOOD_SHARE = 0.9
POOR_SHARE = 0.5
# Seconds. No driver takes longer to deliver, so stamps further apart are of two clocks.
LONGEST_DELAY = 1.0
# Edges of the histogram of the offsets, seconds.
EDGES = np.array([-np.inf, -0.5, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.5, np.inf])


def check_sync(points: Stream, image: Stream, diagnosis: Diagnosis) -> None:
    """Check how far the stamps of clouds and images are apart, and how long pairs take to come.

    A sensor that delivers later than the other looks like one whose clock is slow. If the stamps
    match, they are believed, up to LONGEST_DELAY.
    """
    clouds, images = np.array(points.stamps, np.int64), np.array(image.stamps, np.int64)
    if (clouds <= 0).any() or (images <= 0).any():
        return  # check_stamps has reported it
    clouds_came = np.array(points.arrivals, np.int64)
    images_came = np.array(image.arrivals, np.int64)
    nearest, offsets = _nearest(clouds, images)
    share = _share_within_slop(offsets)
    delay_difference = np.median(images - images_came) - np.median(clouds - clouds_came)
    clock_offset = round(float(delay_difference) / 1e9, 4)
    counts = np.histogram(offsets, EDGES)[0].tolist()
    diagnosis.statistics["sync"] = {
        "offset_median": round(float(np.median(offsets)), 4),
        "share_within_slop": round(share, 3),
        "histogram": _histogram(counts),
        "clock_offset": clock_offset,
    }
    text = (
        f"{share:.0%} of the clouds have an image within slop ({DEFAULTS.slop:g} s); offsets in s: "
        f"{_histogram_text(counts)}"
    )
    share_by_arrival = _share_within_slop(_nearest(clouds, images - round(clock_offset * 1e9))[1])
    matches_by_arrival_alone = (
        abs(clock_offset) > CLOCK_TOLERANCE
        and share < POOR_SHARE
        and share_by_arrival >= GOOD_SHARE
    )
    if abs(clock_offset) > LONGEST_DELAY or matches_by_arrival_alone:
        _add_clocks(clock_offset, text, diagnosis)
        return
    _add_share(share, offsets, text, diagnosis)
    is_pair = np.abs(offsets) <= diagnosis.parameters.get("slop", DEFAULTS.slop)
    _check_wait((images_came[nearest] - clouds_came)[is_pair] / 1e9, clock_offset, diagnosis)


def _add_share(share: float, offsets: np.ndarray, text: str, diagnosis: Diagnosis) -> None:
    """Report how many clouds find an image."""
    slop = float(f"{1.2 * np.percentile(np.abs(offsets), 95):.2g}")
    if share < POOR_SHARE and slop <= LONGEST_DELAY:
        diagnosis.set_parameter("slop", slop)
        remedy = f"synchronise the sensors (trigger, PTP), or raise slop to {slop:g} s"
        diagnosis.add("sync", "fault", text, remedy)
    elif share < GOOD_SHARE:
        diagnosis.add(
            "sync",
            "fault" if share < POOR_SHARE else "warning",
            text,
            "the node sees the other clouds without an image (lidar_only): see whether images are "
            "lost",
        )
    else:
        diagnosis.add("sync", "ok", text)


def _add_clocks(clock_offset: float, text: str, diagnosis: Diagnosis) -> None:
    """Report that the stamps are of two clocks.

    Args:
        clock_offset: How far the images' clock is ahead, seconds.
        text: What the stamps show.
        diagnosis: Gets the finding.
    """
    order = "after" if clock_offset > 0 else "before"
    text = (
        f"images are stamped {abs(clock_offset):.2f} s {order} clouds that come at the same time; "
        f"{text}"
    )
    image_offset = round(-clock_offset, 2)
    if nearest_allowed("image_offset", image_offset) == image_offset:
        diagnosis.set_parameter("image_offset", image_offset)
        remedy = (
            "synchronise the sensors' clocks (PTP; TAI is 37 s ahead of UTC), or set image_offset "
            f"to {image_offset:.2f}, which is as exact as the arrivals"
        )
    else:
        remedy = (
            "let both drivers stamp by the same clock, the time of day: one seems to count from "
            "its start, which no offset corrects for longer than until its next start"
        )
    diagnosis.add("sync", "fault", text, remedy)


def _check_wait(later: np.ndarray, clock_offset: float, diagnosis: Diagnosis) -> None:
    """Check whether the node waits long enough for the partner of a message.

    Args:
        later: (N,) how long after its cloud each image comes, seconds, negative for before.
        clock_offset: How far the images' clock seems to be ahead, seconds.
        diagnosis: Gets the finding.
    """
    if not len(later):
        return
    wait, usual = float(np.percentile(np.abs(later), 95)), float(np.median(later))
    diagnosis.statistics["sync"]["wait_p95"] = round(wait, 4)
    order = "before" if usual < 0 else "after"
    text = (
        f"95 % of the pairs are complete within {wait:.2f} s; the image comes {abs(usual):.2f} s "
        f"{order} its cloud"
    )
    if wait <= DEFAULTS.max_wait:
        diagnosis.add("wait", "ok", text)
        return
    max_wait = diagnosis.set_parameter("max_wait", float(f"{1.5 * wait:.2g}"))
    remedy = f"raise max_wait to {max_wait:g} s"
    if abs(clock_offset) > CLOCK_TOLERANCE:
        remedy += (
            "; but if the sensors' clocks differ by as much, synchronise them (PTP) or set "
            f"image_offset to {-clock_offset:.2f} instead"
        )
    text += f"; the node waits {DEFAULTS.max_wait:g} s for a partner"
    diagnosis.add("wait", "warning", text, remedy)


def _nearest(clouds: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the image nearest to each cloud.

    Args:
        clouds: (N,) stamps, integer nanoseconds.
        images: (M,) stamps, integer nanoseconds.

    Returns:
        (N,) index of the image, and (N,) its offset in seconds, positive for a later image.
    """
    order = np.argsort(images)
    after = np.clip(np.searchsorted(images, clouds, sorter=order), 0, len(images) - 1)
    before = np.clip(after - 1, 0, None)
    is_after = np.abs(images[order[after]] - clouds) < np.abs(images[order[before]] - clouds)
    nearest = order[np.where(is_after, after, before)]
    return nearest, (images[nearest] - clouds) / 1e9


def _share_within_slop(offsets: np.ndarray) -> float:
    """Return the share of the clouds that have an image within slop."""
    return float((np.abs(offsets) <= DEFAULTS.slop).mean())


def _histogram(counts: list[int]) -> list[list[float | None]]:
    """Return (lower edge, upper edge, count) of each bin; None for an open edge."""
    edges = [None if np.isinf(edge) else float(edge) for edge in EDGES]
    return [list(each) for each in zip(edges[:-1], edges[1:], counts, strict=True)]


def _histogram_text(counts: list[int]) -> str:
    """Return the bins that are not empty, as "-0.02..0.02: 8"."""
    edges = ["" if np.isinf(edge) else f"{edge:g}" for edge in EDGES]
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    return ", ".join(f"{low}..{high}: {count}" for low, high, count in bins if count)
