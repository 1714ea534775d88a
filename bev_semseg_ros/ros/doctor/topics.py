"""Which sensors the doctor examines, and on which topics. Needs neither `rosbags` nor rclpy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.message import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD
from bev_semseg_ros.ros.convert.undecoded import undecoded
from bev_semseg_ros.ros.doctor.candidates import (
    NEARLY_ALL,
    Candidate,
    best_cloud,
    best_image,
    best_info,
)
from bev_semseg_ros.ros.parameters.sensors import Sensor, Sensors

# Kind of an input -> its message type.
INPUT_TYPES = {
    "points": POINT_CLOUD,
    "image": IMAGE,
    "camera_info": CAMERA_INFO,
}
OWN_IMAGES = "/semseg/"  # in the topics of the node's own images, which a bag may hold, too
ONE_OF_EACH = Sensors()
# Kind of an input -> the option that names its sensors.
LISTS = {"points": "--lidars", "image": "--cameras", "camera_info": "--cameras"}

# Topics that could be an input -> (message type, number of messages).
Available = Mapping[str, tuple[str, int]]
# Topic -> what it holds.
Candidates = Mapping[str, Candidate]


@dataclass(frozen=True)
class SensorNames:
    """The names of the sensors, as far as the user or the calibration gives them.

    Attributes:
        lidars: As the parameter of the node.
        cameras: As the parameter of the node.
        calibration: Names the sensors if `lidars` and `cameras` are empty.
    """

    lidars: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    calibration: Calibration | None = None

    def choose(self, topics: Collection[str], asked: Mapping[str, str]) -> Sensors:
        """Return the sensors to examine.

        The names in the calibration are used if a topic begins with one of them, as in
        /roof/points, or the user asked for a topic of one of them. Otherwise, there is one lidar
        and one camera.

        Args:
            topics: All topics.
            asked: As for `choose_topics`.

        Raises:
            ValueError: If a name cannot be a part of a topic, or comes twice.
        """
        if self.lidars or self.cameras or self.calibration is None:
            return Sensors.named(self.lidars, self.cameras)

        def is_there(name: str, kind: str) -> bool:
            own = f"/{name}/{kind}"
            return own in topics or own + SUFFIX in topics or f"{name}/{kind}" in asked

        def names(mounts: Collection[str], default: str, kind: str) -> tuple[str, ...]:
            is_unnamed = tuple(mounts) == (default,) and not is_there(default, kind)
            return () if is_unnamed else tuple(mounts)

        lidars = names(self.calibration.lidars, LIDAR, "points")
        cameras = names(self.calibration.cameras, CAMERA, "image")
        has_named = set(lidars) - {LIDAR} or set(cameras) - {CAMERA}
        is_used = any(is_there(name, "points") for name in lidars)
        is_used = is_used or any(is_there(name, "image") for name in cameras)
        return Sensors.named(lidars, cameras) if has_named and is_used else ONE_OF_EACH


def calibration_beside(bag: Path) -> Path | None:
    """Return the calibration that `bev-semseg bag` writes into a bag's folder, if there is one.

    Args:
        bag: The folder, or a recorded file in it.
    """
    file = (bag if bag.is_dir() else bag.parent) / YAML_NAME
    return file if file.is_file() else None


def inputs_of(sensor: Sensor) -> tuple[str, ...]:
    """Return the inputs of a sensor, which are its topics before remapping."""
    return (sensor.stream,) if sensor.kind == "points" else (sensor.stream, sensor.camera_info)


def kind_of(name: str) -> str:
    """Return the kind of an input, as in INPUT_TYPES."""
    return name.rpartition("/")[2]


def all_inputs(sensors: Sensors) -> list[str]:
    """Return the inputs of all sensors."""
    return [name for sensor in sensors.all for name in inputs_of(sensor)]


@dataclass
class Choice:
    """The topics to examine.

    Attributes:
        chosen: Input -> its topic.
        wrong: Input without a suitable topic -> what is wrong.
        why: Input -> topic that was not chosen -> the reason.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    why: dict[str, dict[str, str]] = field(default_factory=dict)


def choose_topics(
    available: Available,
    asked: Mapping[str, str],
    types: Mapping[str, str],
    sensors: Sensors = ONE_OF_EACH,
    candidates: Candidates = MappingProxyType({}),
) -> Choice:
    """Choose the topics to examine.

    The topics of a sensor with a name begin with it, as in /roof/points. For a sensor without a
    name, the topic is chosen by the content of the candidates. If this is unknown, the topic with
    the most messages of the right type is chosen; a camera_info preferably beside the image; and
    compressed images only if there are no raw ones.

    Args:
        available: Topics that could be an input.
        asked: Input -> the topic that the user asked for, or "". If there are several inputs of a
            kind, each begins with the sensor's name.
        types: Topic -> its message type, for all topics.
        sensors: The sensors.
        candidates: Content of the topics that could be an input.

    Raises:
        ValueError: If the user asked for a topic of an unknown sensor.
    """
    choice = Choice()
    asked = _by_input(asked, sensors)
    for sensor in sensors.all:
        for name in inputs_of(sensor):
            kind = kind_of(name)
            topic = _as_published(asked.get(name, ""), kind, types)
            if not topic and kind == "camera_info" and sensor.stream in choice.chosen:
                image = choice.chosen[sensor.stream]
                compared = {} if sensor.prefix else candidates
                topic, choice.why[name] = _info_of(image, available, compared)
            if not topic and sensor.prefix:
                topic = f"/{name}"
                if kind == "image":
                    topic = _raw_or_compressed(topic, types, available)
            if not topic:
                topic, choice.why[name] = _best(kind, available, candidates)
                if not topic:
                    continue
            accepted = (
                (INPUT_TYPES[kind], COMPRESSED_IMAGE) if kind == "image" else (INPUT_TYPES[kind],)
            )
            if topic not in types:
                choice.wrong[name] = f"there is no topic {topic}"
            elif types[topic] not in accepted:
                expected = INPUT_TYPES[kind]
                choice.wrong[name] = f"{topic} carries {types[topic]}, expected {expected}"
            elif carried := undecoded(topic, types[topic]):
                choice.wrong[name] = f"{topic} carries {carried.what}"
            elif topic in choice.chosen.values():
                other = next(each for each in choice.chosen if choice.chosen[each] == topic)
                choice.wrong[name] = f"{topic} is already used for {other}"
            else:
                choice.chosen[name] = topic
    return choice


def candidates_of(available: Available, kind: str) -> dict[str, int]:
    """Return the topics that could be an input of a kind -> their number of messages."""
    counts = _counts(available, INPUT_TYPES[kind])
    if kind == "image":
        counts |= _counts(available, COMPRESSED_IMAGE)
    return counts


def has_choice(available: Available, sensors: Sensors) -> bool:
    """Return whether a sensor without a name has several candidates for an input."""
    is_open = not all(sensor.prefix for sensor in sensors.all)
    return is_open and any(len(candidates_of(available, kind)) > 1 for kind in INPUT_TYPES)


def topics_of(available: Available, kind: str) -> dict[str, int]:
    """Return the topics of a kind of input -> their number of messages, without the node's own.

    A compressed image is listed if there is no raw one beside it.
    """
    counts = _counts(available, INPUT_TYPES[kind])
    if kind == "image":
        for topic, count in _counts(available, COMPRESSED_IMAGE).items():
            if topic.removesuffix(SUFFIX) not in counts:
                counts[topic] = count
    return counts


def _by_input(asked: Mapping[str, str], sensors: Sensors) -> dict[str, str]:
    """Return input of a sensor -> the topic that the user asked for."""
    inputs = all_inputs(sensors)
    found = {}
    for name, topic in asked.items():
        if not topic:
            continue
        sensor, kind = name.rpartition("/")[0], kind_of(name)
        of_kind = [each for each in inputs if kind_of(each) == kind]
        names = [each.rpartition("/")[0] for each in of_kind]
        option = f"--{kind.replace('_', '-')}"
        if sensor in names:
            found[name] = topic
        elif sensor:
            known = f"only {', '.join(names)}" if names[0] else "name it with " + LISTS[kind]
            raise ValueError(f"{option} {sensor}={topic}: there is no {sensor!r}; {known}")
        elif len(of_kind) > 1:
            raise ValueError(
                f"{option} {topic}: there are several ({', '.join(names)}); say whose topic it is, "
                f"as in {option} {names[0]}={topic}"
            )
        else:
            found[of_kind[0]] = topic
    return found


def _as_published(topic: str, kind: str, types: Mapping[str, str]) -> str:
    """Return the topic that the user means: if it has only compressed images, their topic."""
    if topic and kind == "image" and topic not in types and topic + SUFFIX in types:
        return topic + SUFFIX
    return topic


def _info_of(
    image: str, available: Available, candidates: Candidates
) -> tuple[str, dict[str, str]]:
    """Return the camera_info of an image, and why the others were not chosen."""
    beside = image.removesuffix(SUFFIX).rpartition("/")[0] + "/camera_info"
    infos = candidates_of(available, "camera_info")
    known = [candidates[topic] for topic in infos if topic in candidates]
    if image in candidates and known:
        return best_info(known, candidates[image], beside)
    return (beside if beside in infos else ""), {}


def _best(kind: str, available: Available, candidates: Candidates) -> tuple[str, dict[str, str]]:
    """Return the most suitable topic of a kind, and why the others were not chosen."""
    known = [candidates[topic] for topic in candidates_of(available, kind) if topic in candidates]
    if known and kind == "points":
        return best_cloud(known)
    if known and kind == "image":
        infos = candidates_of(available, "camera_info")
        return best_image(known, [candidates[topic] for topic in infos if topic in candidates])
    return _most_messages(available, kind), {}


def _raw_or_compressed(topic: str, types: Mapping[str, str], available: Available) -> str:
    """Return the topic of a camera's images: the raw one, unless the compressed one has more."""
    compressed = topic + SUFFIX
    if compressed not in types:
        return topic
    if topic not in types:
        return compressed
    counts = [available[each][1] if each in available else 0 for each in (topic, compressed)]
    return topic if counts[0] >= NEARLY_ALL * counts[1] else compressed


def _most_messages(available: Available, kind: str) -> str:
    """Return the topic of a kind with most messages; "" if there is none."""
    counts = _counts(available, INPUT_TYPES[kind])
    if kind == "image" and not counts:
        counts = _counts(available, COMPRESSED_IMAGE)
    return max(counts, key=lambda topic: counts[topic], default="")


def _counts(available: Available, message_type: str) -> dict[str, int]:
    """Return the topics of a type that the node decodes, without its own -> numbers of messages."""
    counts = {}
    for topic, (found_type, count) in available.items():
        is_usable = OWN_IMAGES not in topic and undecoded(topic, found_type) is None
        if found_type == message_type and is_usable:
            counts[topic] = count
    return counts
