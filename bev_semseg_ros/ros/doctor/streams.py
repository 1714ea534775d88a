"""Checks of each input by itself: topic, layout, frame_id, stamps and rate."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data.calibration import SENSOR_NAME
from bev_semseg_ros.input_check import Level
from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE
from bev_semseg_ros.ros.convert.undecoded import Undecoded, all_undecoded
from bev_semseg_ros.ros.doctor.candidates import not_chosen
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.doctor.topics import (
    INPUT_TYPES,
    LISTS,
    inputs_of,
    kind_of,
    topics_of,
)
from bev_semseg_ros.ros.input.image_topics import remapping
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor, item_of

DEFAULTS = Parameters()
MAX_JITTER = 0.3  # fraction of a period; a rate with more is reported as uneven
GAP = 3.0  # periods without a message
MAX_UNUSABLE = 0.1  # fraction of the messages; a higher one is a fault
# Kind of an input -> what to do without its topic.
REMEDIES = {
    "points": "name it with --points, or run the node with mode:=camera_only",
    "image": "name it with --image, or run the node with mode:=lidar_only",
    "camera_info": (
        "record or publish the camera's camera_info, or run the node with intrinsics:=calibration"
    ),
}


def check_topics(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check that each input has a topic with messages that can be used."""
    for sensor in observation.sensors.all:
        for name in inputs_of(sensor):
            stream = observation.streams.get(name)
            if stream is None:
                _add_absent(sensor, name, observation, diagnosis)
            else:
                _check_topic(sensor, stream, observation, diagnosis)
    for kind, sensors in (
        ("points", observation.sensors.lidars),
        ("image", observation.sensors.cameras),
    ):
        if not sensors[0].prefix and kind in observation.streams:
            _add_others(kind, observation, diagnosis)


def _add_absent(sensor: Sensor, name: str, observation: Observation, diagnosis: Diagnosis) -> None:
    """Report an input without a topic."""
    kind = kind_of(name)
    counts = _of_type(observation, INPUT_TYPES[kind])
    text = observation.wrong.get(name, f"no topic of type {INPUT_TYPES[kind]}")
    if counts:
        text += f"; there is {', '.join(counts)}"
    remedy = REMEDIES[kind]
    if sensor.prefix:
        option = f"--{kind.replace('_', '-')} {sensor.name}=TOPIC"
        remedy = f"name it with {option}, or leave {sensor.name} out of {LISTS[kind]}"
    almost = _almost(sensor, kind, text, bool(counts), observation)
    if almost:
        text += f"; but there is {', '.join(map(str, almost))}"
        remedy = almost[0].remedy
    diagnosis.add(f"topic {name}", "fault", text, remedy)


def _almost(
    sensor: Sensor, kind: str, text: str, has_others: bool, observation: Observation
) -> list[Undecoded]:
    """Return topics with an input's data in a form that the node does not decode.

    Args:
        sensor: The sensor; if it has a name, its topics begin with it.
        kind: The kind of the input.
        text: What is wrong with the input, which may name such a topic.
        has_others: Whether there are topics of the right type.
        observation: What was seen.
    """
    found = [each for each in all_undecoded(observation.types) if each.kind == kind]
    asked = [each for each in found if text.startswith(f"{each.topic} carries")]
    if asked or has_others:
        return asked
    return [each for each in found if each.topic.startswith(f"/{sensor.prefix}")]


def _check_topic(
    sensor: Sensor, stream: Stream, observation: Observation, diagnosis: Diagnosis
) -> None:
    """Check the topic of an input."""
    item = f"topic {stream.name}"
    diagnosis.topics[stream.name], transport = remapping(stream.topic, stream.message_type)
    if transport != DEFAULTS.image_transport:
        diagnosis.set_parameter("image_transport", transport, sensor)
    unusable = sum(stream.problems.values())
    if not len(stream):
        text, remedy = f"{stream.topic}: no message came", "record it again"
        count = _of_type(observation, stream.message_type).get(stream.topic, 0)
        if unusable:
            text = f"{stream.topic}: {unusable} messages, none of which can be read"
        elif observation.is_live:
            remedy = "see the transport below"
        elif count and stream.topic not in {topic for topic, _ in observation.left_out}:
            text += f" in the first minute, and only that is read; all {count} come later"
            remedy = "record when all sensors run, or cut off the beginning of the bag"
        diagnosis.add(item, "fault", text, remedy)
        return
    text = f"{stream.topic}: {len(stream)} messages"
    why = observation.not_chosen.get(stream.name, {})
    counts = {} if sensor.prefix else _of_type(observation, INPUT_TYPES[stream.kind])
    others = [
        f"{topic} ({count} messages)" for topic, count in counts.items() if topic != stream.topic
    ]
    if why:
        text += f"; preferred to {not_chosen(why)}"
    elif others:
        text += f"; there is also {', '.join(others)}"
    if len(stream) > unusable:
        diagnosis.add(item, "ok", text)
    else:
        diagnosis.add(item, "fault", f"{text}, none of which can be used")


def check_undecoded(observation: Observation, diagnosis: Diagnosis) -> None:
    """List topics with sensor data that the node does not decode, unless already reported."""
    reported = {sensor.kind for sensor in observation.sensors.all if not sensor.prefix}
    reported -= set(observation.streams)
    for each in all_undecoded(observation.types):
        if each.kind not in reported:
            diagnosis.add(f"not decoded: {each.topic}", "ok", str(each), each.remedy)


def check_info_frames(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check that each image and its camera_info have the same frame_id."""
    for camera in observation.sensors.cameras:
        image, infos = observation.messages(camera), observation.camera_infos(camera)
        if image is None or infos is None or not image.frame or not infos.frame:
            continue
        if image.frame != infos.frame:
            option = f"--camera-info {f'{camera.name}=' if camera.prefix else ''}TOPIC"
            diagnosis.add(
                item_of("camera_info frame", camera),
                "warning",
                f"{image.topic} is in the frame {image.frame!r}, but its camera_info "
                f"{infos.topic} in {infos.frame!r}: they may be of two cameras",
                f"if so, name the right one with {option}; if not, let the driver use one frame_id",
            )


def _add_others(kind: str, observation: Observation, diagnosis: Diagnosis) -> None:
    """Report topics of other sensors of a kind, and how to examine these sensors."""
    examined = observation.streams[kind].topic
    base = examined.removesuffix(SUFFIX)  # raw and compressed images of one camera
    others = []
    for topic in topics_of(observation.available, kind):
        if topic.removesuffix(SUFFIX) != base:
            others.append(topic)
    if not others:
        return
    names = _suggested_names([examined, *others], kind)
    pairs = [
        f"{name}={topic}"
        for topic, name in names.items()
        if topic.removesuffix(SUFFIX) != f"/{name}/{kind}"
    ]
    remedy = f"to examine several, name them: {LISTS[kind]} {' '.join(names.values())}"
    if pairs:
        remedy += f" --{kind} {' '.join(pairs)}"
    diagnosis.add(
        f"other {kind}",
        "ok",
        f"{examined} alone is examined; there is also {', '.join(others)}",
        remedy,
    )


def _suggested_names(topics: list[str], kind: str) -> dict[str, str]:
    """Return topic -> suggested name of its sensor: a part of the topic, or kind and number."""
    names: dict[str, str] = {}
    for number, topic in enumerate(topics, 1):
        parts = topic.removesuffix(SUFFIX).strip("/").split("/")
        name = parts[-2] if len(parts) > 1 else parts[0]
        is_free = name not in names.values() and SENSOR_NAME.fullmatch(name)
        names[topic] = name if is_free else f"{kind}_{number}"
    return names


def _of_type(observation: Observation, message_type: str) -> dict[str, int]:
    """Return the topics of a type -> their number of messages."""
    available = observation.available.items()
    return {topic: count for topic, (found, count) in available if found == message_type}


def check_layout(stream: Stream, diagnosis: Diagnosis) -> None:
    """Check that the messages can be decoded, and that their layout does not change."""
    item = f"layout {stream.name}"
    _add_notes(stream, diagnosis)
    unusable = sum(stream.problems.values())
    size = f"{stream.largest_bytes / 1e6:.1f} MB"
    if unusable:
        problem, count = stream.problems.most_common(1)[0]
        level: Level = "fault" if unusable > MAX_UNUSABLE * len(stream) else "warning"
        diagnosis.add(
            item,
            level,
            f"{unusable} of {len(stream)} messages cannot be used, {count} of them: {problem}",
            "correct the driver or the recording",
        )
    elif len(stream.sizes) > 1:
        sizes = ", ".join(f"{width} x {height}" for width, height in stream.sizes)
        diagnosis.add(
            item,
            "warning",
            f"the size changes: {sizes}",
            "let the camera keep one size: the node has to warm up for each",
        )
    elif stream.sizes:
        (width, height), message = next(iter(stream.sizes)), stream.samples[0]
        is_compressed = stream.message_type == COMPRESSED_IMAGE
        encoding = message.format if is_compressed else message.encoding
        diagnosis.add(item, "ok", f"{width} x {height}, {encoding}, {size}")
    elif stream.kind == "points" and stream.samples:
        message = stream.samples[0]
        fields = ", ".join(field.name for field in message.fields)
        if message.is_bigendian:
            fields += ", big-endian"
        diagnosis.add(item, "ok", f"{message.width} x {message.height}: {fields}, {size}")


def _add_notes(stream: Stream, diagnosis: Diagnosis) -> None:
    """Report what the node assumes because the messages do not say it."""
    for (text, remedy), count in stream.notes.items():
        share = "" if count == len(stream) else f"{count} of {len(stream)} messages: "
        diagnosis.add(f"assumed {stream.name}", "warning", f"{share}{text}", remedy)


def check_frame(stream: Stream, diagnosis: Diagnosis) -> None:
    """Check that all headers have the same frame_id. A camera_info needs none."""
    item = f"frame {stream.name}"
    if stream.frames.get("") and stream.kind != "camera_info":
        diagnosis.add(
            item,
            "fault",
            f"{stream.frames['']} of {len(stream)} headers have no frame_id",
            "set the driver's frame_id parameter: nothing can be placed without it",
        )
    elif len(stream.frames) > 1:
        diagnosis.add(
            item,
            "warning",
            f"the frame_id changes: {', '.join(map(repr, stream.frames))}",
            "let each sensor have a topic of its own",
        )
    elif stream.frames:
        diagnosis.add(item, "ok", repr(stream.frame))


def check_stamps(stream: Stream, diagnosis: Diagnosis) -> None:
    """Check that the stamps are set and increase."""
    stamps = np.array(stream.stamps, np.int64)
    steps = np.diff(stamps)
    zeros = int((stamps <= 0).sum())
    back = int((steps < 0).sum())
    repeated = int((steps == 0).sum())
    diagnosis.statistics[stream.name] |= {
        "zero_stamps": zeros,
        "stamps_back": back,
        "stamps_repeated": repeated,
    }
    item = f"stamps {stream.name}"
    if zeros:
        is_fault = zeros > MAX_UNUSABLE * len(stamps)
        diagnosis.add(
            item,
            "fault" if is_fault else "warning",
            f"{zeros} of {len(stamps)} stamps are zero; the node drops these messages",
            "let the driver stamp all its messages; a clock that starts at 0 does this, too",
        )
    elif back:
        diagnosis.add(
            item,
            "fault",
            f"stamps jump back {back} times, by up to {-steps.min() / 1e9:.3f} s",
            "correct the driver's clock (PTP, NTP steps); a bag that loops or was cut together "
            "does this, too",
        )
    elif repeated:
        diagnosis.add(
            item,
            "warning",
            f"{repeated} stamps are repeated; the node takes the first message of each",
            "see whether two publishers share the topic",
        )
    else:
        diagnosis.add(item, "ok", "set and increasing")


def check_rate(stream: Stream, is_reference: bool, diagnosis: Diagnosis) -> None:
    """Check how often and how evenly the messages come.

    Args:
        stream: The messages.
        is_reference: Whether they come from the reference lidar, which sets the rate of the boxes.
        diagnosis: Gets the findings.
    """
    item = f"rate {stream.name}"
    periods: np.ndarray = np.diff(stream.known_arrivals) / 1e9
    periods = periods[periods > 0]
    if len(periods) < 2:
        diagnosis.add(item, "ok", f"unknown: {len(stream)} messages are too few to tell")
        return
    period = float(np.median(periods))
    jitter = float(np.percentile(np.abs(periods - period), 95))
    longest = float(periods.max())
    num_gaps = int((periods > GAP * period).sum())
    diagnosis.statistics[stream.name] |= {
        "rate": round(stream.rate, 3),
        "period_median": round(period, 4),
        "jitter_p95": round(jitter, 4),
        "longest_gap": round(longest, 4),
    }
    text = (
        f"{stream.rate:.1f} a second, every {period * 1e3:.0f} ms with a jitter of "
        f"{jitter * 1e3:.0f} ms (p95), the longest gap {longest * 1e3:.0f} ms"
    )
    if is_reference and 1.25 * period > DEFAULTS.marker_lifetime:
        lifetime = diagnosis.set_parameter("marker_lifetime", round(3 * period, 1))
        remedy = f"boxes would flicker: raise marker_lifetime to {lifetime:g} s"
        diagnosis.add(item, "warning", text, remedy)
    elif num_gaps:
        remedy = "see whether messages are lost in transit"
        diagnosis.add(item, "warning", f"{text}; {num_gaps} gaps", remedy)
    elif jitter > MAX_JITTER * period:
        remedy = "see whether the driver's machine or network is overloaded"
        diagnosis.add(item, "warning", f"{text}: uneven", remedy)
    else:
        diagnosis.add(item, "ok", text)
