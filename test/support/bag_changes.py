"""Changes to the messages of a bag. Most of them damage it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from support.broken_bag import COUNT, STORE, Entry, on, without

from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE

TENTH = 100_000_000  # of a second, in ns

# A change to all messages of a bag.
Change = Callable[[list[Entry]], list[Entry]]


def cloud(entry: Entry, change: Callable[[np.ndarray], None]) -> Entry:
    """Return the cloud after `change` has modified its points (N, 4) in place."""
    points = entry.message.data.view(np.float32).reshape(-1, 4).copy()
    change(points)
    return entry.with_message(data=points.view(np.uint8).reshape(-1))


def scale_intensity(largest: float) -> Callable[[np.ndarray], None]:
    def change(points: np.ndarray) -> None:
        points[:, 3] *= np.float32(largest) / points[:, 3].max()

    return change


def all_nan(points: np.ndarray) -> None:
    points[:] = np.nan


def all_zero(points: np.ndarray) -> None:
    points[:] = 0


def without_intensity(entry: Entry) -> Entry:
    return entry.with_message(fields=entry.message.fields[:3])


def empty(entry: Entry) -> Entry:
    return entry.with_message(width=0, row_step=0, data=entry.message.data[:0])


def truncated(entry: Entry) -> Entry:
    return entry.with_message(data=entry.message.data[:1000])


def frame(name: str) -> Callable[[Entry], Entry]:
    return lambda entry: entry.with_message(header=replace(entry.message.header, frame_id=name))


def shifted(nanoseconds: int) -> Callable[[Entry], Entry]:
    return lambda entry: entry.stamped(entry.time + nanoseconds)


def late(nanoseconds: int) -> Change:
    """Delay the arrival of images and camera_infos, but keep their stamps."""
    return lambda all_: [
        replace(entry, time=entry.time + nanoseconds)
        if entry.topic in ("/image", "/camera_info")
        else entry
        for entry in all_
    ]


def clock_jumps_back(all_: list[Entry]) -> list[Entry]:
    images = [entry for entry in all_ if entry.topic == "/image"]
    return [
        entry.stamped(entry.time - 10 * TENTH) if entry in images[COUNT // 2 :] else entry
        for entry in all_
    ]


def taller(entry: Entry) -> Entry:
    data = np.zeros(768 * 400 * 3, np.uint8)
    return entry.with_message(height=400, data=data)


def other_model(entry: Entry) -> Entry:
    return entry.with_message(distortion_model="double_sphere", d=np.full(6, 0.1))


def no_k(entry: Entry) -> Entry:
    return entry.with_message(k=np.zeros(9), p=np.zeros(12))


def k_of_a_smaller_image(entry: Entry) -> Entry:
    return entry.with_message(k=entry.message.k * np.array([0.4, 1, 0.4, 1, 0.4, 0.4, 1, 1, 1]))


def tf_in_two_trees(entry: Entry) -> Entry:
    first, *rest = entry.message.transforms
    orphans = [replace(item, header=replace(item.header, frame_id="camera_mount")) for item in rest]
    return entry.with_message(transforms=[first, *orphans])


def in_a_map(is_static: bool) -> Change:
    """Use the tree map -> ego -> lidar and camera, as the CARLA bridge does; ego is rotated."""

    def change(all_: list[Entry]) -> list[Entry]:
        (entry,) = (entry for entry in all_ if entry.topic == "/tf_static")
        rig = [
            replace(item, header=replace(item.header, frame_id="ego"))
            for item in entry.message.transforms
        ]
        turn = replace(
            rig[0].transform,
            rotation=replace(rig[0].transform.rotation, x=0.0, y=0.0, z=0.6, w=0.8),
        )
        drive = replace(
            rig[0],
            child_frame_id="ego",
            header=replace(rig[0].header, frame_id="map"),
            transform=turn,
        )
        moving = entry.with_message(transforms=[drive] if is_static else [drive, *rig])
        fixed = [entry.with_message(transforms=rig)] if is_static else []
        return [*fixed, replace(moving, topic="/tf", kept=False), *without("/tf_static")(all_)]

    return change


def camera_not_optical(entry: Entry) -> Entry:
    first, second = entry.message.transforms
    upright = replace(second.transform.rotation, x=0.0, y=0.0, z=0.0, w=1.0)
    pose = replace(second.transform, rotation=upright)
    return entry.with_message(transforms=[first, replace(second, transform=pose)])


def slowly(all_: list[Entry]) -> list[Entry]:
    """Make the drive seven times as long."""

    def later(entry: Entry) -> Entry:
        time = all_[0].time + 7 * (entry.time - all_[0].time)
        return replace(entry, time=time).stamped(time)

    return [entry if entry.topic == "/tf_static" else later(entry) for entry in all_]


def half_best_effort(all_: list[Entry]) -> list[Entry]:
    return [
        replace(entry, reliable=bool(index % 2)) if entry.topic == "/points" else entry
        for index, entry in enumerate(all_)
    ]


def compressed_on(topic: str) -> Change:
    """Return a change that compresses the images of a topic."""

    def jpeg(entry: Entry) -> Entry:
        pixels = entry.message.data.reshape(entry.message.height, entry.message.width, 3)
        message = STORE.types[COMPRESSED_IMAGE](
            entry.message.header,
            "rgb8; jpeg compressed bgr8",
            cv2.imencode(".jpg", pixels)[1].reshape(-1),
        )
        return replace(entry, topic=f"{topic}/compressed", kind=COMPRESSED_IMAGE, message=message)

    return on(topic, jpeg)


compressed = compressed_on("/image")


def lost_images(all_: list[Entry]) -> list[Entry]:
    images = [entry for entry in all_ if entry.topic == "/image"]
    return [entry for entry in all_ if entry not in images[2:6]]


def size_changes(all_: list[Entry]) -> list[Entry]:
    last = next(entry for entry in reversed(all_) if entry.topic == "/image")
    smaller = last.with_message(
        width=384, height=116, step=3 * 384, data=last.message.data[: 3 * 384 * 116]
    )
    return [smaller if entry is last else entry for entry in all_]


def as_it_is(all_: list[Entry]) -> list[Entry]:
    return all_
