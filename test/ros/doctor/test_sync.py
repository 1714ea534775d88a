"""How the doctor judges the stamps and arrival times of two streams."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.doctor.streams import check_stamps
from bev_semseg_ros.ros.doctor.sync import check_all_sync

MS = 1_000_000
BAG_STARTS = 1_533_000_000_000 * MS
NOW = 1_795_000_000_000 * MS


def observed(first_cloud: int, first_image: int, image_delay: int = 20) -> Diagnosis:
    """Listen to a bag of 10 s that is played in a loop with a pause of 1 s.

    Args:
        first_cloud: Number of the first cloud that is heard, counted over all loops.
        first_image: The same for the images.
        image_delay: Time from the arrival of a cloud to that of its image, ms.
    """
    streams = {
        "points": Stream("points", "/points", "sensor_msgs/msg/PointCloud2"),
        "image": Stream("image", "/image", "sensor_msgs/msg/Image"),
    }
    for name, first, delay in (("points", first_cloud, 0), ("image", first_image, image_delay)):
        for number in range(first, 250):
            loop, frame = divmod(number, 100)
            streams[name].stamps.append(BAG_STARTS + frame * 100 * MS)
            streams[name].arrivals.append(NOW + (loop * 11_000 + frame * 100 + delay) * MS)
    observation = Observation("live topics", 25.0, is_live=True, streams=streams)
    diagnosis = Diagnosis("live topics")
    check_all_sync(observation, diagnosis)
    return diagnosis


@pytest.mark.parametrize(
    ("first_cloud", "first_image"), [(0, 0), (40, 40), (98, 101), (101, 98), (0, 150)]
)
def test_a_cloud_of_a_looping_bag_is_paired_with_the_image_of_its_own_loop(
    first_cloud, first_image
):
    """Pairing across loops would result in max_wait: 10.0."""
    diagnosis = observed(first_cloud, first_image)
    assert diagnosis.parameters == {}
    assert diagnosis.statistics["sync"]["wait_p95"] == pytest.approx(0.02)


def test_images_that_really_come_late_are_also_found_in_a_looping_bag():
    assert observed(0, 0, image_delay=300).parameters == {"max_wait": 0.45}


@pytest.mark.parametrize(("zeros", "level"), [(1, "warning"), (24, "fault")])
def test_a_single_zero_stamp_is_a_warning_and_not_a_fault(zeros, level):
    stream = Stream("points", "/points", "sensor_msgs/msg/PointCloud2")
    stream.stamps = [100_000_000 * number for number in range(24)]
    stream.stamps[:zeros] = [0] * zeros
    diagnosis = Diagnosis("bag", statistics={"points": {}})
    check_stamps(stream, diagnosis)
    (finding,) = diagnosis.findings
    assert finding.level == level
    assert f"{zeros} of 24 stamps are zero; the node drops these messages" in finding.text


def heard(camera_period: int, camera_stamp: int) -> Diagnosis:
    """Listen to a lidar with 20 clouds per second and a camera, for four seconds.

    Args:
        camera_period: Time from image to image, ms.
        camera_stamp: Stamp of the first image relative to that of the first cloud, ms.
    """
    streams = {
        "points": Stream("points", "/points", "sensor_msgs/msg/PointCloud2"),
        "image": Stream("image", "/image", "sensor_msgs/msg/Image"),
    }
    for name, period, first in (("points", 50, 0), ("image", camera_period, camera_stamp)):
        for time in range(first, 4000, period):
            streams[name].stamps.append(NOW + time * MS)
            streams[name].arrivals.append(NOW + (time + 10) * MS)
    diagnosis = Diagnosis("live topics")
    check_all_sync(Observation("live topics", 4.0, is_live=True, streams=streams), diagnosis)
    return diagnosis


@pytest.mark.parametrize(("camera_period", "camera_stamp"), [(200, 3), (333, 20)])
def test_a_camera_that_is_slower_than_the_lidar_needs_no_greater_slop(camera_period, camera_stamp):
    """With a greater slop, the node would pair clouds with images of other moments."""
    diagnosis = heard(camera_period, camera_stamp)
    assert diagnosis.parameters == {}
    (finding,) = (each for each in diagnosis.findings if each.item == "sync")
    assert finding.level == "warning"
    assert finding.remedy.endswith("see whether images are lost or come too rarely")


def test_a_clock_that_starts_at_zero_does_not_hide_whether_the_stamps_match():
    """The first message of a simulation has the stamp 0, which the node drops."""
    streams = {
        "points": Stream("points", "/points", "sensor_msgs/msg/PointCloud2"),
        "image": Stream("image", "/image", "sensor_msgs/msg/Image"),
    }
    for stream in streams.values():
        stream.stamps = [number * 100 * MS for number in range(50)]
        stream.arrivals = [NOW + stamp for stamp in stream.stamps]
    diagnosis = Diagnosis("live topics")
    check_all_sync(Observation("live topics", 5.0, is_live=True, streams=streams), diagnosis)
    assert [(each.item, each.level) for each in diagnosis.findings] == [
        ("sync", "ok"),
        ("wait", "ok"),
    ]
