"""Ways to break a bag, and what the doctor must find for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.bag_changes import (
    TENTH,
    Change,
    all_nan,
    all_zero,
    as_it_is,
    camera_not_optical,
    clock_jumps_back,
    cloud,
    empty,
    frame,
    half_best_effort,
    in_a_map,
    k_of_a_smaller_image,
    late,
    lost_images,
    no_k,
    other_model,
    scale_intensity,
    shifted,
    size_changes,
    slowly,
    taller,
    tf_in_two_trees,
    truncated,
    without_intensity,
)
from support.broken_bag import CALIBRATION, on, without

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.geometry import transform

CAMERA = CALIBRATION.known_camera
HIGH = Calibration.of(transform(translation=(0, 0, 2.73)), CAMERA)
BACKWARDS = Calibration.of(transform(np.diag([-1.0, -1, 1]), (0, 0, 1.73)), CAMERA)
ROOF = Calibration.of(CALIBRATION.ego_from_lidar, CAMERA, "roof")

# Fault -> change that causes it, calibration beside the bag, and the expected finding: item, level
# and a pattern for text and remedy.
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
    "clouds of zeros": (
        on("/points", lambda e: cloud(e, all_zero)),
        CALIBRATION,
        "coordinates",
        "fault",
        "100% of them.*covered",
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
        "principal point .153, 46. is far from the centre of the 768 x 232 image",
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
        "'camera' is in the tree of 'camera_m",
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

# Faults that the parameters from the doctor repair: with them, the node has results.
FIXABLE = (
    "no camera_info",
    "unknown distortion",
    "no cloud",
    "TF in two trees",
    "image unlike K",
    "K not set",
    "truncated clouds",
    "no intensity",
    "intensity 0..3000",
    "dim lidar",
    "images 0.3 s late",
    "TAI against UTC",
    "clocks apart at 1.4 Hz",
    "triggered in turns",
    "rate too low",
)
