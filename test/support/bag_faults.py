"""Ways to break a bag, and what the doctor must find for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from support.broken_bag import CALIBRATION, COUNT, STORE, Entry, on, without

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.ros.doctor.observation import COMPRESSED

TENTH = 100_000_000  # of a second, in ns

# A change of all messages of a bag.
Change = Callable[[list[Entry]], list[Entry]]


def cloud(entry: Entry, change: Callable[[np.ndarray], None]) -> Entry:
    """Return the cloud after `change` of its points (N, 4) in place."""
    points = entry.message.data.view(np.float32).reshape(-1, 4).copy()
    change(points)
    return entry.with_message(data=points.view(np.uint8).reshape(-1))


def scale_intensity(largest: float) -> Callable[[np.ndarray], None]:
    def change(points: np.ndarray) -> None:
        points[:, 3] *= np.float32(largest) / points[:, 3].max()

    return change


def all_nan(points: np.ndarray) -> None:
    points[:] = np.nan


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
    """Let images and camera_infos come later, with the right stamps."""
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
    return entry.with_message(k=np.zeros(9))


def k_of_a_smaller_image(entry: Entry) -> Entry:
    return entry.with_message(k=entry.message.k * np.array([0.4, 1, 0.4, 1, 0.4, 0.4, 1, 1, 1]))


def tf_in_two_trees(entry: Entry) -> Entry:
    first, *rest = entry.message.transforms
    orphans = [replace(item, header=replace(item.header, frame_id="camera_mount")) for item in rest]
    return entry.with_message(transforms=[first, *orphans])


def in_a_map(is_static: bool) -> Change:
    """map -> ego -> lidar and camera, as the CARLA bridge has it, with the car turned."""

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


def compressed(all_: list[Entry]) -> list[Entry]:
    def jpeg(entry: Entry) -> Entry:
        pixels = entry.message.data.reshape(entry.message.height, entry.message.width, 3)
        message = STORE.types[COMPRESSED](
            entry.message.header,
            "rgb8; jpeg compressed bgr8",
            cv2.imencode(".jpg", pixels)[1].reshape(-1),
        )
        return replace(entry, topic="/image/compressed", kind=COMPRESSED, message=message)

    return on("/image", jpeg)(all_)


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


HIGH = replace(CALIBRATION, ego_from_lidar=transform(translation=(0, 0, 2.73)))
BACKWARDS = replace(CALIBRATION, ego_from_lidar=transform(np.diag([-1.0, -1, 1]), (0, 0, 1.73)))
ROOF = replace(CALIBRATION, lidar_frame="roof")

# What is broken -> how, the calibration beside the bag, and of the finding the item, the level and
# a pattern of its text and remedy.
BROKEN: dict[str, tuple[Change, Calibration | None, str, str, str]] = {
    "no camera_info": (
        without("/camera_info"),
        CALIBRATION,
        "topic camera_info",
        "fault",
        "intrinsics:=calibration",
    ),
    "no cloud": (
        without("/points"),
        CALIBRATION,
        "topic points",
        "fault",
        "no topic of type .*PointCloud2",
    ),
    "no intensity": (
        on("/points", without_intensity),
        CALIBRATION,
        "intensity field",
        "warning",
        "none.* x, y, z",
    ),
    "intensity 0..3000": (
        on("/points", lambda e: cloud(e, scale_intensity(3000))),
        CALIBRATION,
        "intensity",
        "warning",
        "set intensity_scale to 0.000",
    ),
    "dim lidar": (
        on("/points", lambda e: cloud(e, scale_intensity(0.1))),
        CALIBRATION,
        "intensity",
        "warning",
        "set intensity_scale to [1-9]",
    ),
    "NaN clouds": (
        on("/points", lambda e: cloud(e, all_nan)),
        CALIBRATION,
        "coordinates",
        "fault",
        "100% of them",
    ),
    "images 0.3 s late": (
        late(3 * TENTH),
        CALIBRATION,
        "wait",
        "warning",
        "0.30 s after .*max_wait to 0.45 s.*PTP",
    ),
    "TAI against UTC": (
        on("/points", shifted(370 * TENTH)),
        CALIBRATION,
        "sync",
        "fault",
        "set image_offset to 37.00",
    ),
    "clocks apart at 1.4 Hz": (
        lambda all_: on("/image", shifted(3 * TENTH))(slowly(all_)),
        CALIBRATION,
        "sync",
        "fault",
        "0.30 s after .*set image_offset to -0.30",
    ),
    "triggered in turns": (
        lambda all_: late(3 * TENTH)(on("/image", shifted(3 * TENTH))(slowly(all_))),
        CALIBRATION,
        "sync",
        "fault",
        "raise slop to 0.36 s",
    ),
    "stamps since boot": (
        on("/image", shifted(1_700_000_000 * 10 * TENTH)),
        CALIBRATION,
        "sync",
        "fault",
        "the time of day: one seems to count from its start",
    ),
    "stamps of zero": (
        on("/image", lambda e: e.stamped(0)),
        CALIBRATION,
        "stamps image",
        "fault",
        "8 of 8 .*zero",
    ),
    "clock jumps back": (
        clock_jumps_back,
        CALIBRATION,
        "stamps image",
        "fault",
        "jump back 1 times",
    ),
    "repeated stamps": (
        on("/points", lambda e: e.stamped(TENTH)),
        CALIBRATION,
        "stamps points",
        "warning",
        "repeated",
    ),
    "image unlike K": (
        on("/image", taller),
        CALIBRATION,
        "intrinsics",
        "fault",
        "768 x 400 .*768 x 232",
    ),
    "K of another size": (
        on("/camera_info", k_of_a_smaller_image),
        CALIBRATION,
        "intrinsics",
        "fault",
        "centre lies far",
    ),
    "K not set": (on("/camera_info", no_k), CALIBRATION, "intrinsics", "fault", "K is not set"),
    "unknown distortion": (
        on("/camera_info", other_model),
        CALIBRATION,
        "intrinsics",
        "fault",
        "'double_sphere'",
    ),
    "truncated clouds": (
        on("/points", truncated),
        CALIBRATION,
        "layout points",
        "fault",
        "8 of 8 .*1000 bytes of",
    ),
    "TF in two trees": (
        on("/tf_static", tf_in_two_trees),
        None,
        "transforms",
        "fault",
        "'camera' hangs on 'camera_m",
    ),
    "no TF": (
        without("/tf_static"),
        None,
        "calibration",
        "fault",
        "none: .*there are no transforms",
    ),
    "no base_link": (
        in_a_map(is_static=False),
        None,
        "calibration",
        "fault",
        "--base-frame.* camera, ego, lidar, map",
    ),
    "a frame that TF lacks": (
        on("/points", frame("top")),
        None,
        "transforms",
        "fault",
        "does not know 'top'",
    ),
    "camera not optical": (
        on("/tf_static", camera_not_optical),
        None,
        "camera pose",
        "fault",
        "not optical",
    ),
    "no frame_id": (
        on("/points", frame("")),
        CALIBRATION,
        "frame points",
        "fault",
        "8 of 8 headers",
    ),
    "another frame_id": (
        as_it_is,
        ROOF,
        "calibration points",
        "warning",
        "'lidar'.*'roof'.*lidar.frame_id",
    ),
    "publishers differ": (
        half_best_effort,
        CALIBRATION,
        "qos points",
        "warning",
        "best_effort, recorded reliable",
    ),
    "large and best effort": (
        on("/image", lambda e: replace(e, reliable=False)),
        CALIBRATION,
        "transport image",
        "warning",
        "drops them silently.*fastdds_shm.xml",
    ),
    "static TF not kept": (
        on("/tf_static", lambda e: replace(e, kept=False)),
        CALIBRATION,
        "qos /tf_static",
        "warning",
        "volatile",
    ),
    "rate too low": (
        slowly,
        CALIBRATION,
        "rate points",
        "warning",
        "1.4 a second.*marker_lifetime to 2.1 s",
    ),
    "size changes": (size_changes, CALIBRATION, "layout image", "warning", "768 x 232, 384 x 116"),
    "images lost": (lost_images, CALIBRATION, "sync", "warning", "50% of the clouds"),
    "lidar 1 m too high": (
        as_it_is,
        HIGH,
        "ground height",
        "fault",
        r"lower the lidar .*about 1\.\d\d m",
    ),
    "lidar looks back": (as_it_is, BACKWARDS, "points", "fault", "0 inside the grid"),
    "empty clouds": (
        on("/points", empty),
        CALIBRATION,
        "coordinates",
        "fault",
        "all clouds are empty",
    ),
}
