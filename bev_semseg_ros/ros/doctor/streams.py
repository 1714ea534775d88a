"""The doctor's look at each stream, and at how clouds and images meet: topics, layout, stamps, rates, sync."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import COMPRESSED, KINDS, Observation, Stream
from bev_semseg_ros.ros.node.parameters import Parameters, nearest_allowed

DEFAULTS = Parameters()
JITTER = 0.3  # of a period, beyond which a rate is called uneven
GAPS = 3.0  # periods without a message that are called a gap
CLOCK_TOLERANCE = 0.15  # seconds; sensors differ by so much in how long they take to deliver
WITHOUT = {
    "points": "name it with --points, or run the node with mode:=camera_only",
    "image": "name it with --image, or run the node with mode:=lidar_only",
    "camera_info": "record or publish the camera's camera_info, or run the node with intrinsics:=calibration",
}
FEW, HALF = (
    0.9,
    0.5,
)  # shares of the clouds that find an image: less is too few, or none to speak of
LONGEST_DELAY = 1.0  # seconds; no driver takes longer to deliver: what is stamped further apart is of two clocks


def check_topics(observation: Observation, diagnosis: Diagnosis) -> None:
    for name, kind in KINDS.items():
        stream, item = observation.streams.get(name), f"topic {name}"
        others = {
            topic: count for topic, (of, count) in observation.available.items() if of == kind
        }
        if stream is None:
            text = observation.wrong.get(name, f"no topic of type {kind}")
            diagnosis.say(
                item,
                "fault",
                text + (f"; there is {', '.join(others)}" if others else ""),
                WITHOUT[name],
            )
            continue
        diagnosis.topics[name] = (
            stream.topic.removesuffix(SUFFIX) if stream.kind == COMPRESSED else stream.topic
        )
        if stream.kind == COMPRESSED:
            diagnosis.set("image_transport", "compressed")
        beside = ", ".join(
            f"{topic} ({count} messages)"
            for topic, count in others.items()
            if topic != stream.topic
        )
        text = f"{stream.topic}: {len(stream)} messages" + (
            f"; chosen among it and {beside}" if beside else ""
        )
        usable = len(stream) - sum(stream.problems.values())
        if not len(stream):
            diagnosis.say(
                item,
                "fault",
                f"{stream.topic}: no message came",
                "see the transport below" if observation.is_live else "record it anew",
            )
        else:
            diagnosis.say(
                item,
                "ok" if usable else "fault",
                text + ("" if usable else ", none of which can be used"),
            )


def check_layout(stream: Stream, diagnosis: Diagnosis) -> None:
    """What the messages are made of, and those that cannot be decoded."""
    broken = sum(stream.problems.values())
    if broken:
        worst, count = stream.problems.most_common(1)[0]
        level = "fault" if broken > 0.1 * len(stream) else "warning"
        diagnosis.say(
            f"layout {stream.name}",
            level,
            f"{broken} of {len(stream)} messages cannot be used, {count} of them: {worst}",
            "mend the driver or the recording",
        )
    elif len(stream.sizes) > 1:
        sizes = ", ".join(f"{width} x {height}" for width, height in stream.sizes)
        diagnosis.say(
            "layout image",
            "warning",
            f"the size changes: {sizes}",
            "let the camera keep one size: the node has to warm up for each",
        )
    elif stream.sizes:
        (width, height), message = next(iter(stream.sizes)), stream.samples[0]
        form = message.format if stream.kind == COMPRESSED else message.encoding
        diagnosis.say(
            "layout image", "ok", f"{width} x {height}, {form}, {stream.largest_bytes / 1e6:.1f} MB"
        )
    elif stream.name == "points" and stream.samples:
        message = stream.samples[0]
        names = ", ".join(field.name for field in message.fields) + (
            ", big-endian" if message.is_bigendian else ""
        )
        diagnosis.say(
            "layout points",
            "ok",
            f"{message.width} x {message.height}: {names}, {stream.largest_bytes / 1e6:.1f} MB",
        )


def check_frame(stream: Stream, diagnosis: Diagnosis) -> None:
    item = f"frame {stream.name}"
    if stream.frames.get(""):
        diagnosis.say(
            item,
            "fault",
            f"{stream.frames['']} of {len(stream)} headers have no frame_id",
            "set the driver's frame_id parameter: nothing can be placed without it",
        )
    elif len(stream.frames) > 1:
        diagnosis.say(
            item,
            "warning",
            f"the frame_id changes: {', '.join(map(repr, stream.frames))}",
            "let each sensor have a topic of its own",
        )
    elif stream.frames:
        diagnosis.say(item, "ok", repr(stream.frame))


def check_stamps(stream: Stream, diagnosis: Diagnosis) -> None:
    stamps = np.array(stream.stamps, np.int64)
    steps = np.diff(stamps)
    zeros, back, repeated = (
        int((stamps <= 0).sum()),
        int((steps < 0).sum()),
        int((steps == 0).sum()),
    )
    diagnosis.statistics[stream.name] |= {
        "zero_stamps": zeros,
        "stamps_back": back,
        "stamps_repeated": repeated,
    }
    item = f"stamps {stream.name}"
    if zeros:
        diagnosis.say(
            item,
            "fault",
            f"{zeros} of {len(stamps)} stamps are zero",
            "let the driver stamp its messages",
        )
    elif back:
        diagnosis.say(
            item,
            "fault",
            f"stamps jump back {back} times, by up to {-steps.min() / 1e9:.3f} s",
            "mend the driver's clock (PTP, NTP steps); a bag that loops or was cut together does this, too",
        )
    elif repeated:
        diagnosis.say(
            item,
            "warning",
            f"{repeated} stamps are repeated; the node takes the first message of each",
            "see whether two publishers share the topic",
        )
    else:
        diagnosis.say(item, "ok", "set, and they rise")


def check_rate(stream: Stream, diagnosis: Diagnosis) -> None:
    periods = np.diff(np.sort(np.array(stream.arrivals, np.int64))) / 1e9
    periods = periods[periods > 0]
    if len(periods) < 2:
        diagnosis.say(
            f"rate {stream.name}", "ok", f"unknown: {len(stream)} messages are too few to tell"
        )
        return
    period = float(np.median(periods))
    jitter = float(np.percentile(np.abs(periods - period), 95))
    gaps = int((periods > GAPS * period).sum())
    diagnosis.statistics[stream.name] |= {
        "rate": round(stream.rate, 3),
        "period_median": round(period, 4),
        "jitter_p95": round(jitter, 4),
        "longest_gap": round(float(periods.max()), 4),
    }
    text = (
        f"{stream.rate:.1f} a second, every {period * 1e3:.0f} ms with a jitter of {jitter * 1e3:.0f} ms (p95), "
        f"the longest gap {periods.max() * 1e3:.0f} ms"
    )
    item = f"rate {stream.name}"
    if stream.name == "points" and 1.25 * period > DEFAULTS.marker_lifetime:
        lifetime = diagnosis.set("marker_lifetime", round(3 * period, 1))
        diagnosis.say(
            item, "warning", text, f"boxes would blink: raise marker_lifetime to {lifetime:g} s"
        )
    elif gaps:
        diagnosis.say(
            item, "warning", f"{text}; {gaps} gaps", "see whether messages are lost on their way"
        )
    elif jitter > JITTER * period:
        diagnosis.say(
            item,
            "warning",
            f"{text}: uneven",
            "see whether the driver's machine or network is overloaded",
        )
    else:
        diagnosis.say(item, "ok", text)


def check_sync(points: Stream, image: Stream, diagnosis: Diagnosis) -> None:
    """How far the stamps of clouds and images are apart, and how long after each other those of one moment come.

    A sensor that delivers later than the other looks like one whose clock is slow. Stamps that fit are believed, up to
    what no driver takes to deliver.
    """
    clouds, images = (np.array(stream.stamps, np.int64) for stream in (points, image))
    if (clouds <= 0).any() or (images <= 0).any():
        return  # said already
    clouds_came, images_came = (np.array(stream.arrivals, np.int64) for stream in (points, image))
    nearest, offsets = _nearest(clouds, images)
    share = _share(offsets)
    clocks = round(
        float(np.median(images - images_came) - np.median(clouds - clouds_came)) / 1e9, 4
    )
    edges = np.array([-np.inf, -0.5, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.5, np.inf])
    counts = np.histogram(offsets, edges)[0]
    diagnosis.statistics["sync"] = {
        "offset_median": round(float(np.median(offsets)), 4),
        "share_within_slop": round(share, 3),
        "histogram": [
            [None if np.isinf(low) else low, None if np.isinf(high) else high, int(count)]
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ],
        "clock_offset": clocks,
    }
    shown = ", ".join(
        f"{_edge(low)}..{_edge(high)}: {count}"
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    text = f"{share:.0%} of the clouds have an image within slop ({DEFAULTS.slop:g} s); offsets in s: {shown}"
    share_by_arrival = _share(_nearest(clouds, images - round(clocks * 1e9))[1])
    fits_by_arrival_alone = (
        abs(clocks) > CLOCK_TOLERANCE and share < HALF and share_by_arrival >= FEW
    )
    if abs(clocks) > LONGEST_DELAY or fits_by_arrival_alone:
        _say_clocks(clocks, text, diagnosis)
        return
    slop = float(f"{1.2 * np.percentile(np.abs(offsets), 95):.2g}")
    if share < HALF and slop <= LONGEST_DELAY:
        diagnosis.set("slop", slop)
        diagnosis.say(
            "sync",
            "fault",
            text,
            f"synchronise the sensors (trigger, PTP), or raise slop to {slop:g} s",
        )
    elif share < FEW:
        diagnosis.say(
            "sync",
            "fault" if share < HALF else "warning",
            text,
            "the node sees the other clouds without an "
            "image (lidar_only): see whether images are lost",
        )
    else:
        diagnosis.say("sync", "ok", text)
    pairs = np.abs(offsets) <= diagnosis.parameters.get("slop", DEFAULTS.slop)
    _check_wait((images_came[nearest] - clouds_came)[pairs] / 1e9, clocks, diagnosis)


def _say_clocks(clocks: float, text: str, diagnosis: Diagnosis) -> None:
    """The stamps are of two clocks; clocks: how far the images' is ahead, seconds."""
    order = "after" if clocks > 0 else "before"
    text = (
        f"images are stamped {abs(clocks):.2f} s {order} clouds that come at the same time; {text}"
    )
    offset = round(-clocks, 2)
    if nearest_allowed("image_offset", offset) == offset:
        diagnosis.set("image_offset", offset)
        remedy = (
            "synchronise the sensors' clocks (PTP; TAI is 37 s ahead of UTC), or set image_offset to "
            f"{offset:.2f}, which is as exact as the arrivals"
        )
    else:
        remedy = (
            "let both drivers stamp by the same clock, the time of day: one seems to count from its start, which "
            "no offset mends for longer than until the next"
        )
    diagnosis.say("sync", "fault", text, remedy)


def _check_wait(later: np.ndarray, clocks: float, diagnosis: Diagnosis) -> None:
    """Whether max_wait suffices; later: how long images come after their clouds, seconds, below 0 for before."""
    if not len(later):
        return
    wait, usual = float(np.percentile(np.abs(later), 95)), float(np.median(later))
    diagnosis.statistics["sync"]["wait_p95"] = round(wait, 4)
    text = (
        f"95 % of the pairs are complete within {wait:.2f} s; the image comes {abs(usual):.2f} s "
        f"{'before' if usual < 0 else 'after'} its cloud"
    )
    if wait <= DEFAULTS.max_wait:
        diagnosis.say("wait", "ok", text)
        return
    remedy = f"raise max_wait to {diagnosis.set('max_wait', float(f'{1.5 * wait:.2g}')):g} s"
    if abs(clocks) > CLOCK_TOLERANCE:
        remedy += (
            "; but if the sensors' clocks differ by as much, synchronise them (PTP) or set image_offset to "
            f"{-clocks:.2f} instead"
        )
    diagnosis.say(
        "wait", "warning", f"{text}; the node waits {DEFAULTS.max_wait:g} s for a partner", remedy
    )


def _nearest(clouds: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For stamps in ns (N,), (M,): the index of the image nearest to each cloud (N,), and its offset in s (N,).

    An offset above 0 is of an image that is later.
    """
    order = np.argsort(images)
    after = np.clip(np.searchsorted(images, clouds, sorter=order), 0, len(images) - 1)
    before = np.clip(after - 1, 0, None)
    is_after = np.abs(images[order[after]] - clouds) < np.abs(images[order[before]] - clouds)
    nearest = order[np.where(is_after, after, before)]
    return nearest, (images[nearest] - clouds) / 1e9


def _share(offsets: np.ndarray) -> float:
    """Of the clouds: those that have an image within slop."""
    return float((np.abs(offsets) <= DEFAULTS.slop).mean())


def _edge(value: float) -> str:
    return "" if np.isinf(value) else f"{value:g}"
