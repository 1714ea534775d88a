"""Chooses the topic that suits an input best, by the content of the first messages.

Needs neither `rosbags` nor rclpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.frame import same_view
from bev_semseg_ros.geometry import have_return
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.compressed_image import decode_picture
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.input.vehicle_frame import WORLD_FRAMES, plain_name

SAMPLES = 3  # clouds or images of a candidate that are decoded
INFOS = 50  # camera_infos of a candidate whose stamps are compared
# Frames in which clouds are accumulated over time: such a cloud is a map, not a sweep.
_FIXED_FRAMES = (*WORLD_FRAMES, "camera_init", "global", "local_map")
# Whole words, so that "organized" does not match zed, nor "infrastructure" infra.
_DEPTH_CAMERA = re.compile(r"depth|stereo|realsense|disparity|(?<![a-z])zed(?![a-z])")
_NO_CAMERA_IMAGE = re.compile(
    r"depth|disparity|infrared|(?<![a-z])(infra|ir)\d?(?![a-z])|thermal|mask|label|segment|"
    r"semantic|overlay|debug|annotat|detection|costmap|heatmap|confidence|"
    r"(range|signal|reflec|nearir)_image"
)
# Names of the intensity field, by driver; the first one that a cloud has is used.
INTENSITY_FIELDS = ("intensity", "reflectivity", "reflectance", "intensities", "i", "signal")
_FRONT = re.compile(r"front|forward|cent(er|re)")
NEARLY_ALL = 0.9  # of the largest value: values above this count as equal, because they vary
_MANY_POINTS = 0.1  # of the largest cloud; radar and filtered clouds have fewer
_GREY = 2.0  # largest difference between the channels of a grey image, caused by JPEG


@dataclass
class Candidate:
    """A topic that may be chosen, and what it holds.

    Attributes:
        topic: Its topic.
        count: Number of messages.
        problem: Why its messages cannot be decoded; "" if they can.
        frame: The frame_id.
        stamps: Stamps of the examined messages, integer nanoseconds.
        points: Median number of measured points in a cloud.
        fields: Names of a cloud's fields, in lower case.
        size: (width, height) of an image or of a camera_info's image.
        is_grey: Whether an image has no colours.
        is_compressed: Whether it is an image in JPEG or PNG.
    """

    topic: str
    count: int
    problem: str = ""
    frame: str = ""
    stamps: list[int] = field(default_factory=list)
    points: int = 0
    fields: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    is_grey: bool = False
    is_compressed: bool = False


# A rule of the choice: the value of a candidate, and the reason why one with a lower value is not
# chosen.
Rule = tuple[Callable[[Candidate], Any], Callable[[Candidate], str]]


def look_at(topic: str, kind: str, count: int, messages: Sequence[Any]) -> Candidate:
    """Decode the first messages of a topic as the node does.

    Args:
        topic: The topic.
        kind: points, image or camera_info.
        count: Number of its messages.
        messages: The first of them.
    """
    candidate = Candidate(topic, count)
    candidate.stamps = [stamp_ns(message.header.stamp) for message in messages]
    if messages:
        candidate.frame = frame_name(messages[0].header.frame_id)
    decode = {"points": _look_at_cloud, "image": _look_at_image, "camera_info": _look_at_info}[kind]
    num_points = []
    for message in messages[:SAMPLES]:
        try:
            decode(candidate, message)
        except ValueError as error:
            candidate.problem = candidate.problem or str(error)
            continue
        num_points.append(candidate.points)
    if num_points:
        candidate.problem = ""
        candidate.points = int(np.median(num_points))
    elif not messages:
        candidate.problem = "no message came"
    return candidate


def _look_at_cloud(candidate: Candidate, message: Any) -> None:
    candidate.points = int(have_return(decode_cloud(message)).sum())
    candidate.fields = tuple(each.name.lower() for each in message.fields)


def _look_at_image(candidate: Candidate, message: Any) -> None:
    candidate.is_compressed = hasattr(message, "format")
    image = decode_picture(message)
    candidate.size = image.shape[1], image.shape[0]
    some = image[::8, ::8].astype(np.int16)
    candidate.is_grey = bool(np.percentile(np.ptp(some, axis=-1), 99) <= _GREY)


def _look_at_info(candidate: Candidate, message: Any) -> None:
    candidate.size = int(message.width), int(message.height)
    if 0 not in candidate.size:  # otherwise, the image gives the size
        candidate.size = decode_camera(message, np.eye(4)).size


def best_cloud(candidates: Sequence[Candidate]) -> tuple[str, dict[str, str]]:
    """Choose a lidar's cloud: the largest that is neither a map nor from a depth camera.

    Returns:
        The chosen topic, and other topic -> why it was not chosen.
    """
    lidars = [each for each in candidates if _is_usable(each) and not _is_fixed(each)]
    lidars = [each for each in lidars if not _is_of_depth_camera(each)] or lidars
    most = max((each.points for each in lidars), default=0)
    points_in_words = _words("{points} points")
    rules: list[Rule] = [
        _usable(lambda each: each.points > 0, "no points"),
        (lambda each: not _is_fixed(each), _words("collected in the frame {frame!r}")),
        (lambda each: not _is_of_depth_camera(each), _words("of a depth camera")),
        (lambda each: each.points >= _MANY_POINTS * most, points_in_words),
        (_has_intensity, _words("no intensity")),
        (lambda each: _share(each.points, most), points_in_words),
        (lambda each: each.count, _words("{count} messages")),
    ]
    return _best(candidates, rules)


def best_image(
    candidates: Sequence[Candidate], infos: Sequence[Candidate]
) -> tuple[str, dict[str, str]]:
    """Choose a camera's image: in colour, with a camera_info, and at its full rate.

    Args:
        candidates: The images.
        infos: All camera_infos.

    Returns:
        The chosen topic, and other topic -> why it was not chosen.
    """
    colour = [each for each in candidates if _is_usable(each) and not _is_no_camera_image(each)]
    most = max((each.count for each in colour), default=0)
    largest = max((_pixels(each) for each in colour), default=0)
    rules: list[Rule] = [
        _usable(lambda each: True, ""),
        (lambda each: not _is_no_camera_image(each), _words("not a camera image by its name")),
        (lambda each: not each.is_grey, _words("no colours")),
        (lambda each: _fits_any(each, infos), _words("no camera_info fits it")),
        (lambda each: _share(each.count, most), _words("{count} messages")),
        (lambda each: _pixels(each) >= largest / 2, _words("{size[0]} x {size[1]} pixels")),
        (lambda each: not each.is_compressed, _words("compressed")),
        (
            lambda each: bool(_FRONT.search(each.topic.lower())),
            _words("not the front camera by its name"),
        ),
    ]
    return _best(candidates, rules)


def best_info(
    candidates: Sequence[Candidate], image: Candidate, beside: str
) -> tuple[str, dict[str, str]]:
    """Choose the camera_info of an image, by its size, frame_id and stamps.

    Args:
        candidates: The camera_infos.
        image: The image.
        beside: Name of the camera_info topic beside the image, whether or not it exists.

    Returns:
        The chosen topic, and other topic -> why it was not chosen.
    """
    rules: list[Rule] = [
        _usable(lambda each: True, ""),
        (lambda each: _has_size_of(each, image), _words("of {size[0]} x {size[1]} pixels")),
        (lambda each: each.frame == image.frame, _words("in the frame {frame!r}")),
        (lambda each: _has_stamps_of(each, image), _words("other stamps than the image")),
        (lambda each: each.topic == beside, _words("not beside the image")),
        (lambda each: each.count, _words("{count} messages")),
    ]
    return _best(candidates, rules)


def _best(candidates: Sequence[Candidate], rules: Sequence[Rule]) -> tuple[str, dict[str, str]]:
    """Return the best topic, and why each other one is not. Earlier rules take precedence."""
    ordered = sorted(candidates, key=lambda each: each.topic)
    best = max(ordered, key=lambda each: [value(each) for value, _ in rules])
    why = {}
    for each in ordered:
        if each is best:
            continue
        said = "later in the alphabet"
        for value, words in rules:
            if value(each) != value(best):
                said = words(each)
                break
        why[each.topic] = said
    return best.topic, why


def _words(text: str) -> Callable[[Candidate], str]:
    return lambda candidate: text.format_map(vars(candidate))


def _usable(holds: Callable[[Candidate], bool], otherwise: str) -> Rule:
    """Return a rule: the messages can be decoded, and a further condition holds."""
    return (
        lambda each: _is_usable(each) and holds(each),
        lambda each: each.problem or otherwise,
    )


def _is_usable(candidate: Candidate) -> bool:
    return not candidate.problem


def _is_fixed(cloud: Candidate) -> bool:
    return plain_name(cloud.frame) in _FIXED_FRAMES


def _is_of_depth_camera(cloud: Candidate) -> bool:
    """Return whether a cloud has the colours or the frame of a camera."""
    if _has_intensity(cloud):
        return False
    has_colors = "rgb" in cloud.fields or "rgba" in cloud.fields
    is_named_so = bool(_DEPTH_CAMERA.search(f"{cloud.topic} {cloud.frame}".lower()))
    return has_colors or is_named_so or "optical" in cloud.frame


def _has_intensity(cloud: Candidate) -> bool:
    return any(name in cloud.fields for name in INTENSITY_FIELDS)


def _is_no_camera_image(image: Candidate) -> bool:
    return bool(_NO_CAMERA_IMAGE.search(image.topic.lower()))


def _share(value: int, most: int) -> float:
    """Return a value as a fraction of the largest; 1 if it is nearly the largest."""
    return 1.0 if value >= NEARLY_ALL * most else value / most


def _pixels(image: Candidate) -> int:
    return image.size[0] * image.size[1]


def _fits_any(image: Candidate, infos: Sequence[Candidate]) -> bool:
    return any(
        _is_usable(info) and info.frame == image.frame and _has_size_of(info, image)
        for info in infos
    )


def _has_size_of(info: Candidate, image: Candidate) -> bool:
    if 0 in info.size or 0 in image.size:
        return True  # it is not known
    return same_view(image.size, info.size)


def _has_stamps_of(info: Candidate, image: Candidate) -> bool:
    common = set(info.stamps) & set(image.stamps)
    return len(common) >= min(len(info.stamps), len(image.stamps)) / 2


def not_chosen(why: Mapping[str, str]) -> str:
    """Return the topics that were not chosen, each with the reason."""
    return ", ".join(f"{topic} ({reason})" for topic, reason in why.items())
