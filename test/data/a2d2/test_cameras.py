"""Several cameras of A2D2, on hand-made files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data.files import read_image
from bev_semseg_ros.geometry import apply

pytestmark = pytest.mark.slow

TIME_US = 1_533_647_182_922_733
BOTH = ["front_center", "side_left"]


@pytest.fixture
def drive(tmp_path):
    """Return a data set of three moments, 100 ms apart, which two cameras number differently."""
    tiny_data.write_a2d2_rig(tmp_path)
    for moment in range(3):
        time_us = TIME_US + 100_000 * moment
        tiny_data.write_a2d2_frame(tmp_path, number=7 + moment, time_us=time_us)
        tiny_data.write_a2d2_frame(
            tmp_path, number=41 - moment, time_us=time_us + 3_000, camera="side_left"
        )
    return tmp_path


def side_file(root, part, number=41):
    return tiny_data.a2d2_file(root, part, number=number, camera="side_left")


def write_measurements(path, azimuths, times_us, lidar=0):
    """Replace the points of a file with measurements of one lidar."""
    count = len(azimuths)
    np.savez(
        path,
        points=np.arange(3.0 * count).reshape(count, 3) + 5,
        reflectance=np.full(count, 51),
        azimuth=np.asarray(azimuths, float),
        timestamp=np.asarray(times_us),
        lidar_id=np.full(count, float(lidar)),
    )


def name_lidars(path, names):
    """Write the names of lidars, by their numbers, into a sidecar."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"lidar_ids": names}))


def test_frames_are_matched_by_time_although_their_numbers_differ(drive):
    dataset = A2D2Dataset(drive, BOTH)
    assert len(dataset) == 3
    for moment in range(3):
        frame, annotation = dataset[moment]
        side = read_image(side_file(drive, "image", 41 - moment))
        assert frame.name == f"20180807145028_{7 + moment:09d}" and frame.missing == ()
        assert frame.timestamp_ns == (TIME_US + 100_000 * moment) * 1000
        assert list(frame.cameras) == list(frame.lidars) == list(annotation.masks) == BOTH
        np.testing.assert_array_equal(frame.cameras["side_left"].image, side)


def test_points_of_each_camera_lie_in_its_own_view(drive):
    frame, _ = A2D2Dataset(drive, BOTH)[0]
    side = frame.lidars["side_left"]
    ahead_of_camera = apply(side.ego_from_lidar, np.array([[5.0, 0, 0]]))
    np.testing.assert_allclose(ahead_of_camera, [[0.7 - 1.7, 0.6 + 5, 1.8]], atol=1e-12)
    np.testing.assert_allclose(side.attributes["time"], 0.003 - 5e-6, atol=1e-7)


def test_boxes_are_those_of_the_front_centre_camera(drive):
    side_file(drive, "boxes").unlink()
    alone, both = (A2D2Dataset(drive, names)[0][1] for names in (BOTH[:1], BOTH))
    np.testing.assert_array_equal(alone.boxes.centers, both.boxes.centers)
    frame, annotation = A2D2Dataset(drive, ["side_left"])[0]
    assert annotation.boxes is not None and frame.missing == ()


def test_a_camera_without_box_files_has_nothing_missing(drive):
    for number in (39, 40, 41):
        side_file(drive, "boxes", number).unlink()
    frame, annotation = A2D2Dataset(drive, ["side_left"])[0]
    assert annotation.boxes is None and frame.missing == ()


@pytest.mark.parametrize("part", ["image", "lidar", "mask"])
def test_a_missing_file_of_the_side_camera_is_named_and_the_rest_is_read(drive, part):
    side_file(drive, part).unlink()
    frame, annotation = A2D2Dataset(drive, BOTH)[0]
    assert frame.missing == (f"side_left {part}",)
    absent = {
        "image": frame.cameras["side_left"].image is None,
        "lidar": frame.lidars["side_left"].points is None,
        "mask": "side_left" not in annotation.masks,
    }
    assert [name for name, is_absent in absent.items() if is_absent] == [part]
    assert frame.cameras["front_center"].image is not None


@pytest.mark.parametrize("delay_us, is_found", [(49_000, True), (-49_000, True), (51_000, False)])
def test_frames_more_than_half_a_period_apart_are_not_matched(tmp_path, delay_us, is_found):
    tiny_data.write_a2d2_rig(tmp_path)
    for moment in range(2):
        time_us = TIME_US + 100_000 * moment
        tiny_data.write_a2d2_frame(tmp_path, number=7 + moment, time_us=time_us)
    tiny_data.write_a2d2_frame(
        tmp_path, number=5, time_us=TIME_US + 100_000 + delay_us, camera="side_left"
    )
    frame, annotation = A2D2Dataset(tmp_path, BOTH)[1]
    assert frame.missing == (() if is_found else ("side_left",))
    assert (frame.cameras["side_left"].image is not None) is is_found
    assert (frame.lidars["side_left"].points is not None) is is_found
    assert ("side_left" in annotation.masks) is is_found


def test_a_side_frame_between_two_distant_frames_is_not_matched(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    for moment in range(2):
        time_us = TIME_US + 2_000_000 * moment
        tiny_data.write_a2d2_frame(tmp_path, number=7 + moment, time_us=time_us)
    tiny_data.write_a2d2_frame(tmp_path, number=5, time_us=TIME_US + 400_000, camera="side_left")
    assert A2D2Dataset(tmp_path, BOTH)[0][0].missing == ("side_left",)


def test_frames_of_another_scene_are_not_matched(drive):
    tiny_data.write_a2d2_frame(drive, scene="20180808_100000", time_us=TIME_US)
    frame, _ = A2D2Dataset(drive, BOTH)[3]
    assert frame.scene == "20180808_100000" and frame.missing == ("side_left",)


def test_a_side_frame_without_a_sidecar_is_matched_by_its_points(drive):
    side_file(drive, "sidecar").unlink()
    frame, _ = A2D2Dataset(drive, BOTH)[0]
    assert frame.missing == ("side_left sidecar",)
    assert frame.cameras["side_left"].image is not None


def test_points_seen_by_two_cameras_appear_only_with_the_reference_camera(drive):
    write_measurements(tiny_data.a2d2_file(drive, "lidar"), [0.1, 0.2, 0.3], [10, 11, 12], lidar=3)
    write_measurements(side_file(drive, "lidar"), [0.2, 0.3, 0.3, 0.4], [11, 12, 13, 12], lidar=1)
    # The number of a lidar differs between the sidecars.
    name_lidars(tiny_data.a2d2_file(drive, "sidecar"), {"1": "rear_left", "3": "front_right"})
    name_lidars(side_file(drive, "sidecar"), {"1": "front_right", "3": "rear_left"})
    frame, _ = A2D2Dataset(drive, BOTH)[0]
    assert len(frame.lidars["front_center"].points) == 3
    side = frame.lidars["side_left"]
    np.testing.assert_array_equal(side.points[:, 0], [5 + 6, 5 + 9])  # the last two
    assert {len(values) for values in side.attributes.values()} == {2}
    frame, _ = A2D2Dataset(drive, BOTH[::-1])[2]  # the side camera numbers its frames in reverse
    assert [len(scan.points) for scan in frame.lidars.values()] == [4, 1]


def test_points_of_two_lidars_at_the_same_time_are_all_kept(drive):
    write_measurements(tiny_data.a2d2_file(drive, "lidar"), [0.1, 0.2], [10, 11])
    write_measurements(side_file(drive, "lidar"), [0.1, 0.2], [10, 11])
    name_lidars(tiny_data.a2d2_file(drive, "sidecar"), {"0": "front_left"})
    name_lidars(side_file(drive, "sidecar"), {"0": "front_right"})
    frame, _ = A2D2Dataset(drive, BOTH)[0]
    assert [len(scan.points) for scan in frame.lidars.values()] == [2, 2]


def test_points_of_unknown_lidars_are_kept(drive):
    for path in (tiny_data.a2d2_file(drive, "lidar"), side_file(drive, "lidar")):
        write_measurements(path, [0.1, 0.2], [TIME_US, TIME_US])
    side_file(drive, "sidecar").unlink()
    frame, _ = A2D2Dataset(drive, BOTH)[0]
    assert len(frame.lidars["side_left"].points) == 2


def test_a_damaged_list_of_lidars_is_named(drive):
    path = side_file(drive, "sidecar")
    name_lidars(path, {"first": "front_left"})
    with pytest.raises(ValueError, match=rf"{path.name}: lidar_ids"):
        A2D2Dataset(drive, BOTH)[0]


def test_masks_of_different_label_sets_are_refused(drive):
    # The side camera's mask comes from a subset with other classes.
    side_file(drive, "mask").unlink()
    semantic = "camera_lidar_semantic"
    tiny_data.write_a2d2_frame(
        drive, number=41, time_us=TIME_US + 3_000, subset=semantic, camera="side_left"
    )
    (drive / semantic / "mask_labels.json").write_text('{"label_set": "driving_13"}')
    with pytest.raises(ValueError, match=r"driving_13.*a2d2_38.*open one subset"):
        A2D2Dataset(drive, BOTH)[0]


def test_all_selects_the_cameras_that_have_files(drive):
    assert list(open_dataset(drive, cameras="all")[0][0].cameras) == BOTH
    assert list(open_dataset(drive, cameras=["all"])[0][0].cameras) == BOTH


def test_a_single_camera_is_called_camera(drive):
    default, _ = open_dataset(drive)[0]
    alone, _ = open_dataset(drive, cameras=["side_left"])[0]
    for frame in (default, alone):
        assert (list(frame.cameras), list(frame.lidars)) == (["camera"], ["lidar"])
    assert default.camera.distortion_model == "plumb_bob"
    assert alone.camera.distortion_model == "equidistant"


def test_an_unknown_camera_is_named_with_the_available_ones(drive):
    with pytest.raises(ValueError, match="'roof', expected all or some of front_center, side_left"):
        open_dataset(drive, cameras=["front_center", "roof"])


def test_a_camera_named_twice_is_refused(drive):
    with pytest.raises(ValueError, match="each camera once"):
        open_dataset(drive, cameras=["side_left", "side_left"])
