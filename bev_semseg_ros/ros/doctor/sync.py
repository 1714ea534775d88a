"""Checks of how well a sensor matches the reference, by stamps and by arrival times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis, nearest_allowed
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor, item_of

DEFAULTS = Parameters()
NOUNS = {"points": "cloud", "image": "image"}  # a message of each kind
CLOCK_TOLERANCE = 0.15  # seconds; the delivery times of two sensors may differ by so much
# Fractions of the clouds that have an image within slop.
GOOD_SHARE = 0.9
POOR_SHARE = 0.5
# Seconds. No driver takes longer to deliver; a larger difference comes from two clocks.
LONGEST_DELAY = 1.0
LOOP_NS = 1_000_000_000  # stamps that jump back by more come from a bag that starts again
# Edges of the histogram of the offsets, seconds.
EDGES = np.array([-np.inf, -0.5, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.5, np.inf])


@dataclass(frozen=True)
class _Pair:
    """The reference and another sensor, in words.

    Attributes:
        sensor: The other sensor.
        references: The messages of the reference.
        its: A message of the reference, as it follows "before" or "after".
        others: The messages of the other sensor.
        other: One of them, without an article.
    """

    sensor: Sensor
    references: str
    its: str
    others: str
    other: str

    @classmethod
    def of(cls, reference: Sensor, sensor: Sensor) -> _Pair:
        """Return the words for two sensors; they name those that have names."""
        first, noun = NOUNS[reference.kind], NOUNS[sensor.kind]
        of_reference = f" of {reference.name}" if reference.prefix else ""
        of_sensor = f" of {sensor.name}" if sensor.prefix else ""
        return cls(
            sensor,
            f"{first}s{of_reference}",
            f"the {first}{of_reference}" if of_reference else f"its {first}",
            f"{noun}s{of_sensor}",
            f"{noun}{of_sensor}",
        )

    @property
    def an_other(self) -> str:
        """A message of the other sensor, with its article."""
        return f"{'an' if self.sensor.kind == 'image' else 'a'} {self.other}"

    @property
    def offset(self) -> str:
        """The parameter that corrects the stamps of the other sensor."""
        return self.sensor.parameter(f"{self.sensor.kind}_offset")

    def item(self, name: str) -> str:
        """Return what a finding about the pair is about."""
        return item_of(name, self.sensor)


def check_all_sync(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check each sensor with messages against the reference: the first one that has any."""
    found = []
    for sensor in observation.sensors.all:
        stream = observation.messages(sensor)
        if stream is not None and len(stream):
            found.append((sensor, stream))
    for sensor, stream in found[1:]:
        reference, messages = found[0]
        check_sync(messages, stream, _Pair.of(reference, sensor), diagnosis)


def check_sync(reference: Stream, other: Stream, pair: _Pair, diagnosis: Diagnosis) -> None:
    """Check how far apart the stamps of a pair are, and how long pairs take to be complete.

    A sensor that delivers later than the other looks like one whose clock is slow. Stamps that
    match are trusted, unless the arrivals contradict them by more than LONGEST_DELAY.
    """
    (clouds, clouds_came), (images, images_came) = _stamped(reference), _stamped(other)
    stands_still = any(
        np.count_nonzero(np.diff(each) == 0) > POOR_SHARE * len(each) for each in (clouds, images)
    )
    if not len(clouds) or not len(images) or stands_still:
        return  # check_stamps has reported it, and such stamps say nothing about the clocks
    clouds, images = _unrolled(clouds, clouds_came, images, images_came)
    nearest, offsets = _nearest(clouds, images)
    share = _share_within_slop(offsets)
    delay_difference = np.median(images - images_came) - np.median(clouds - clouds_came)
    clock_offset = round(float(delay_difference) / 1e9, 4)
    counts = np.histogram(offsets, EDGES)[0].tolist()
    diagnosis.statistics[pair.item("sync")] = {
        "offset_median": round(float(np.median(offsets)), 4),
        "share_within_slop": round(share, 3),
        "histogram": _histogram(counts),
        "clock_offset": clock_offset,
    }
    text = (
        f"{share:.0%} of the {pair.references} have {pair.an_other} within slop "
        f"({DEFAULTS.slop:g} s); offsets in s: {_histogram_text(counts)}"
    )
    share_by_arrival = _share_within_slop(_nearest(clouds, images - round(clock_offset * 1e9))[1])
    matches_by_arrival_alone = (
        abs(clock_offset) > CLOCK_TOLERANCE
        and share < POOR_SHARE
        and share_by_arrival >= GOOD_SHARE
    )
    if abs(clock_offset) > LONGEST_DELAY or matches_by_arrival_alone:
        _add_clocks(clock_offset, text, pair, diagnosis)
        return
    share_of_others = _share_within_slop(_nearest(images, clouds)[1])
    _add_share(share, share_of_others, offsets, text, pair, diagnosis)
    is_pair = np.abs(offsets) <= diagnosis.parameters.get("slop", DEFAULTS.slop)
    later = (images_came[nearest] - clouds_came)[is_pair] / 1e9
    _check_wait(later, clock_offset, pair, diagnosis)


def _stamped(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Return stamps and arrivals (N,) of messages that have a stamp, integer nanoseconds."""
    stamps, arrivals = np.array(stream.stamps, np.int64), np.array(stream.arrivals, np.int64)
    return stamps[stamps > 0], arrivals[stamps > 0]


def _add_share(
    share: float,
    share_of_others: float,
    offsets: np.ndarray,
    text: str,
    pair: _Pair,
    diagnosis: Diagnosis,
) -> None:
    """Report how many messages of the reference have a partner from the other sensor.

    Args:
        share: Fraction of the messages of the reference that have a partner within slop.
        share_of_others: Fraction of the messages of the other sensor that have one. If nearly all
            have one, the stamps match, and the other sensor only has fewer messages.
        offsets: (N,) offset of the partner of each message of the reference, seconds.
        text: What the stamps show.
        pair: The two sensors.
        diagnosis: Gets the finding.
    """
    item = pair.item("sync")
    slop = float(f"{1.2 * np.percentile(np.abs(offsets), 95):.2g}")
    is_rarer = share_of_others >= GOOD_SHARE
    if share < POOR_SHARE and slop <= LONGEST_DELAY and not is_rarer:
        slop = diagnosis.raise_parameter("slop", slop)
        remedy = f"synchronise the sensors (trigger, PTP), or raise slop to {slop:g} s"
        diagnosis.add(item, "fault", text, remedy)
    elif share < GOOD_SHARE:
        without = f"without {pair.an_other}" + ("" if pair.sensor.prefix else " (lidar_only)")
        remedy = (
            f"the node sees the other {pair.references} {without}: see whether {pair.others} are "
            "lost" + (" or come too rarely" if is_rarer else "")
        )
        is_fault = share < POOR_SHARE and not is_rarer
        diagnosis.add(item, "fault" if is_fault else "warning", text, remedy)
    else:
        diagnosis.add(item, "ok", text)


def _add_clocks(clock_offset: float, text: str, pair: _Pair, diagnosis: Diagnosis) -> None:
    """Report that the stamps come from two clocks.

    Args:
        clock_offset: How far the other sensor's clock is ahead, seconds.
        text: What the stamps show.
        pair: The two sensors.
        diagnosis: Gets the finding.
    """
    order = "after" if clock_offset > 0 else "before"
    text = (
        f"{pair.others} are stamped {abs(clock_offset):.2f} s {order} {pair.references} that come "
        f"at the same time; {text}"
    )
    kind = f"{pair.sensor.kind}_offset"
    offset = round(-clock_offset, 2)
    if nearest_allowed(kind, offset) == offset:
        diagnosis.set_parameter(kind, offset, pair.sensor)
        remedy = (
            "synchronise the sensors' clocks (PTP; TAI is 37 s ahead of UTC), or set "
            f"{pair.offset} to {offset:.2f}, which is as exact as the arrivals"
        )
    else:
        remedy = (
            "let both drivers stamp by the same clock, the time of day: one seems to count from "
            "its start, which no offset corrects for longer than until its next start"
        )
    diagnosis.add(pair.item("sync"), "fault", text, remedy)


def _check_wait(later: np.ndarray, clock_offset: float, pair: _Pair, diagnosis: Diagnosis) -> None:
    """Check whether the node waits long enough for the partner of a message.

    Args:
        later: (N,) delay of the other message after that of the reference, seconds; negative if it
            comes before.
        clock_offset: How far the other sensor's clock seems to be ahead, seconds.
        pair: The two sensors.
        diagnosis: Gets the finding.
    """
    if not len(later):
        return
    item = pair.item("wait")
    wait, usual = float(np.percentile(np.abs(later), 95)), float(np.median(later))
    diagnosis.statistics[pair.item("sync")]["wait_p95"] = round(wait, 4)
    order = "before" if usual < 0 else "after"
    text = (
        f"95 % of the pairs are complete within {wait:.2f} s; the {pair.other} comes "
        f"{abs(usual):.2f} s {order} {pair.its}"
    )
    if wait <= DEFAULTS.max_wait:
        diagnosis.add(item, "ok", text)
        return
    max_wait = diagnosis.raise_parameter("max_wait", float(f"{1.5 * wait:.2g}"))
    remedy = f"raise max_wait to {max_wait:g} s"
    if abs(clock_offset) > CLOCK_TOLERANCE:
        remedy += (
            "; but if the sensors' clocks differ by as much, synchronise them (PTP) or set "
            f"{pair.offset} to {-clock_offset:.2f} instead"
        )
    text += f"; the node waits {DEFAULTS.max_wait:g} s for a partner"
    diagnosis.add(item, "warning", text, remedy)


def _unrolled(
    clouds: np.ndarray, clouds_came: np.ndarray, images: np.ndarray, images_came: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the stamps of two streams, shifted so that each loop of a bag follows the last one.

    Otherwise, a cloud would match the image with the same stamp in another loop.

    Args:
        clouds: (N,) stamps in the order of arrival, integer nanoseconds.
        clouds_came: (N,) their arrivals, integer nanoseconds.
        images: (M,) stamps, likewise.
        images_came: (M,) their arrivals.

    Returns:
        (N,) and (M,) stamps.
    """
    loops, image_loops = (
        np.cumsum(np.diff(stamps, prepend=stamps[:1]) < -LOOP_NS) for stamps in (clouds, images)
    )
    if not loops[-1] or not image_loops[-1]:
        return clouds, images
    # The streams need not have begun in the same loop.
    starts, image_starts = (
        came[np.flatnonzero(np.diff(number))[0] + 1]
        for came, number in ((clouds_came, loops), (images_came, image_loops))
    )
    length = max(np.ptp(clouds), np.ptp(images)) + LOOP_NS
    shift = int(np.rint((image_starts - starts) / length))
    return clouds + loops * length, images + (image_loops + shift) * length


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
    """Return the fraction of the clouds that have an image within slop."""
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
