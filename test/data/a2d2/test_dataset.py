"""The A2D2 reader, on hand-made files."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.labels import load_label_set


def test_a_complete_frame_is_read(root):
    frame, annotation = A2D2Dataset(root)[0]
    assert frame.missing == ()
    assert (frame.name, frame.scene) == ("20180807145028_000000007", "20180807_145028")
    assert frame.timestamp_ns == 1_533_647_182_922_733_000
    assert frame.points.shape == (12, 4) and frame.points.dtype == np.float32
    assert frame.image.shape == (*annotation.mask.shape, 3) == (40, 64, 3)


def test_the_ego_frame_has_its_origin_on_the_ground_under_the_camera(root):
    frame, _ = A2D2Dataset(root)[0]
    np.testing.assert_allclose(
        apply(frame.ego_from_lidar, np.zeros((1, 3))), [[0, 0, 0.95 + 0.85]], atol=1e-12
    )


def test_side_camera_shares_the_ego_frame_and_is_a_fisheye(root):
    tiny_data.write_a2d2_frame(root, camera="side_left")
    frame, _ = A2D2Dataset(root, ["side_left"])[0]
    assert frame.camera.distortion_model == "equidistant"
    ahead_of_camera = apply(frame.ego_from_lidar, np.array([[5.0, 0, 0]]))  # it looks to the left
    np.testing.assert_allclose(ahead_of_camera, [[0.7 - 1.7, 0.6 + 5, 1.8]], atol=1e-12)


def test_telecam_keeps_the_recorded_and_the_rectified_matrix(root):
    camera = A2D2Dataset(root)[0][0].camera
    assert camera.distortion_model == "plumb_bob" and camera.size == (64, 40)
    assert (camera.matrix[0, 0], camera.rectified_matrix[0, 0]) == (60, 56)


def test_labels_are_in_the_classes_of_a2d2(root):
    _, annotation = A2D2Dataset(root)[0]
    assert annotation.box_labels == load_label_set("a2d2_boxes")
    assert annotation.mask_labels == load_label_set("a2d2_38")
    names = [annotation.box_labels.classes[label] for label in annotation.boxes.labels]
    assert names == ["Car", "Trailer", "Bicycle"] and annotation.ignored is None
    names = [annotation.mask_labels.classes[annotation.mask[0, column]] for column in range(3)]
    assert names == ["Small vehicles", "Ego car", "Sky"]


@pytest.mark.parametrize("part", ["image", "sidecar", "lidar", "mask", "boxes"])
def test_a_missing_file_is_named_and_the_rest_is_read(root, part):
    tiny_data.a2d2_file(root, part).unlink()
    frame, annotation = A2D2Dataset(root)[0]
    assert frame.missing == (part,)
    absent = {
        "image": frame.image is None,
        "lidar": frame.points is None,
        "mask": annotation.mask is None,
        "boxes": annotation.boxes is None,
    }
    assert [name for name, is_absent in absent.items() if is_absent] == [part] * (part != "sidecar")


def test_without_a_sidecar_the_points_give_the_timestamp(root):
    tiny_data.a2d2_file(root, "sidecar").unlink()
    assert A2D2Dataset(root)[0][0].timestamp_ns == (1_533_647_182_922_733 - 5) * 1000


@pytest.mark.parametrize(
    ("part", "factor"), [("sidecar", 1000), ("sidecar", 1_000_000), ("lidar", 1000)]
)
def test_a_time_that_is_not_in_microseconds_is_named(root, part, factor):
    sidecar, cloud = (tiny_data.a2d2_file(root, name) for name in ("sidecar", "lidar"))
    content = json.loads(sidecar.read_text())
    if part == "sidecar":
        sidecar.write_text(json.dumps(content | {"cam_tstamp": content["cam_tstamp"] * factor}))
        pattern = rf"{sidecar.name}: cam_tstamp: expected 0 to 2147483647999999 microseconds"
    else:
        sidecar.unlink()
        arrays = dict(np.load(cloud))
        np.savez(cloud, **arrays | {"timestamp": arrays["timestamp"] * factor})
        pattern = rf"{cloud.name}: timestamp: expected 0 to 2147483647999999 microseconds"
    with pytest.raises(ValueError, match=pattern):
        A2D2Dataset(root)[0]


@pytest.mark.parametrize("part", ["image", "sidecar", "lidar", "mask", "boxes"])
def test_truncated_file_is_named(root, part):
    path = tiny_data.a2d2_file(root, part)
    tiny_data.truncate(path)
    with pytest.raises(ValueError, match=path.name):
        A2D2Dataset(root)[0]


def test_a_missing_grid_of_bev_maps_is_named_with_the_remedy(root):
    mask = tiny_data.a2d2_file(root, "mask")
    picture = mask.parents[2] / "bev" / mask.parent.name / mask.name.replace("_label_", "_bev_")
    tiny_data.write_png(picture, np.zeros((2, 2), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"bev_grid\.json: missing; .*: restore it, or"):
        A2D2Dataset(root)[0]


@pytest.mark.parametrize("side", [0, 20_000, 2_000_000_000])
def test_an_image_that_claims_an_impossible_size_is_refused_before_it_is_unpacked(root, side):
    path = tiny_data.a2d2_file(root, "image")
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", side, side) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with pytest.raises(
        ValueError, match=rf"{path.name}: expected an image of at most .*got {side} x {side}"
    ):
        A2D2Dataset(root)[0]


def test_image_of_another_size_than_resolution_is_refused(root):
    path = tiny_data.a2d2_file(root, "image")
    tiny_data.write_png(path, np.zeros((20, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=rf"{path.name}: expected 64 x 40 pixels .*got 32 x 20"):
        A2D2Dataset(root)[0]
