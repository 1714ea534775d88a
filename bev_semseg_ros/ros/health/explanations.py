"""Explain in words why messages do not match, and what became of them."""

from __future__ import annotations

from collections import Counter

from bev_semseg_ros.ros.health.health import InputState, Pairing
from bev_semseg_ros.ros.synchronizer import MOST_WAITING, STREAMS

NO_ROOM = f"more than {MOST_WAITING} came within max_wait, and no more can wait"


def why_unmatched(
    stream: str, reference: str, miss: float | None, slop: float, max_wait: float, is_full: bool
) -> str:
    """Explain why a stream does not join the reference, and what to change.

    Args:
        stream: The stream.
        reference: The reference stream.
        miss: Difference between the nearest stamps, seconds; None if unknown.
        slop: The parameter slop, seconds.
        max_wait: The parameter max_wait, seconds.
        is_full: Whether messages were dropped because too many waited.
    """
    if {stream, reference} == set(STREAMS):  # one lidar and one camera need no names
        prefix, both, offset = "", "image and cloud", "set points_offset or image_offset"
        found = f"no image within slop ({slop:g} s) of a cloud"
    else:
        prefix, both, offset = f"{stream} and {reference}: ", "messages", "correct their offset"
        found = f"no message within slop ({slop:g} s)"
    if miss is not None and miss <= slop:
        if is_full:
            return (
                f"{prefix}more than {MOST_WAITING} messages of one sensor arrive before the other "
                "sensor's message of the same moment, and no more can wait, whatever max_wait is: "
                "reduce the delay of the later sensor or the rate of the other one"
            )
        return (
            f"{prefix}{both} of the same moment arrive more than max_wait ({max_wait:g} s of real "
            "time) apart: raise max_wait"
        )
    nearest = "" if miss is None else f"; the nearest misses by {miss:.3f} s"
    return f"{prefix}{found}{nearest}: synchronise the sensors' clocks, {offset}, or raise slop"


def explain_stamps(
    topic: InputState, received: int, repeated: int, jump: float | None
) -> str | None:
    """Explain what is wrong with the stamps of a stream, and what to change.

    All counts cover the period to describe, such as the last second.

    Args:
        topic: The topic of the stream.
        received: Messages received.
        repeated: Messages dropped because their stamps repeat.
        jump: Largest jump between two clocks (`Pairing.jumps`), seconds; None without a jump.

    Returns:
        The explanation; None if nothing is wrong, or if only few stamps repeat.
    """
    if jump is not None:
        text = f"the stamps of {topic.topic} jump back and ahead by up to {jump:.1f} s"
        remedy = "let its driver take all stamps from one clock"
    elif repeated and repeated >= received / 4:  # if all are sent twice, about half of them repeat
        text = f"{repeated} of {received} messages of {topic.topic} dropped: their stamps repeat"
        remedy = "let its driver stamp each message with the time of its measurement"
    else:
        return None
    if len(topic.publishers) > 1:
        names = ", ".join(sorted(set(topic.publishers)))
        remedy = f"the topic has {len(topic.publishers)} publishers ({names}); stop all but one"
    return f"{text}: {remedy}"


def explain_losses(stream: str, published: int, dropped: Counter[str]) -> dict[str, int]:
    """Describe what is lost of a stream although its stamps are usable.

    Args:
        stream: The stream.
        published: Frames with a result.
        dropped: Messages and frames without a result, by cause.

    Returns:
        The number of messages by outcome.
    """
    noun = _noun(stream)
    counts = {f"{noun} dropped ({NO_ROOM})": dropped[f"queue_full_{stream}"]}
    if dropped[f"late_{stream}"] > published / 2:  # a few late ones are not worth a warning
        why = "newer ones, or their frames, were processed before they came"
        counts[f"{noun} dropped ({why})"] = dropped[f"late_{stream}"]
    return {outcome: count for outcome, count in counts.items() if count}


def explain_outcomes(
    dropped: Counter[str], degraded: Counter[str], unmatched: str, is_unmatched: bool
) -> dict[str, int]:
    """Describe what became of messages without a partner.

    This is for a lidar and a camera without names. For named sensors, see `explain_stream`.

    All counts cover the period to describe, such as the last second.

    Args:
        dropped: Messages and frames without a result, by cause.
        degraded: Frames with a result, but without a sensor, by cause.
        unmatched: The parameter unmatched.
        is_unmatched: Whether no pairs form.

    Returns:
        The number of messages by outcome.
    """
    clouds, images = "clouds without image", "images without cloud"
    if unmatched == "drop":
        why = "unmatched is drop"
    else:
        why = "newer clouds were processed first"
    counts = {
        f"{clouds} processed alone (lidar_only)": degraded["no_image"],
        f"{images} processed alone (camera_only)": degraded["no_points"],
        f"{clouds} dropped ({why})": dropped["unmatched_points"],
    }
    if is_unmatched:  # while pairs form, these are the surplus of a faster camera
        counts[f"{images} dropped"] = dropped["unmatched_image"]
    return {outcome: count for outcome, count in counts.items() if count}


def explain_stream(
    stream: str,
    dropped: Counter[str],
    degraded: Counter[str],
    unmatched: str,
    pairing: Pairing,
) -> dict[str, int]:
    """Describe how often a named sensor is missing, and its messages without a partner.

    Args:
        stream: The stream.
        dropped: Messages and frames without a result, by cause.
        degraded: Frames with a result, but without a sensor, by cause.
        unmatched: The parameter unmatched.
        pairing: The streams that do not match the reference.

    Returns:
        The number of frames or messages by outcome.
    """
    messages = _noun(stream)
    counts = {f"frames without {stream}": degraded[f"no_{stream}"]}
    if stream == pairing.reference:
        why = "unmatched is drop" if unmatched == "drop" else "newer ones were processed first"
        counts[f"{messages} dropped ({why})"] = dropped[f"unmatched_{stream}"]
    elif stream in pairing.misses:  # otherwise, these are the surplus of a faster sensor
        why = f"they do not match {pairing.reference}"
        counts[f"{messages} dropped ({why})"] = dropped[f"unmatched_{stream}"]
    return {outcome: count for outcome, count in counts.items() if count}


def own_error(error: Exception) -> str:
    """Describe an error that no input should cause."""
    return f"internal error of the node, please report it: {type(error).__name__}: {error}"


def _noun(stream: str) -> str:
    return {"points": "clouds", "image": "images"}.get(stream, f"messages of {stream}")
