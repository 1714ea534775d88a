"""The A2D2 reader, on hand-made files and on the real ones."""

from __future__ import annotations

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from support import tiny_data
from support.a2d2 import CORNER_SIGNS

from bev_semseg_ros.data.a2d2 import A2D2Dataset, axis_angle_rotation, read_boxes, read_points
from bev_semseg_ros.data.files import read_image, read_json
from bev_semseg_ros.frame import POINT_ATTRIBUTES
from bev_semseg_ros.geometry import apply, box_image_bounds, project
from bev_semseg_ros.labels import BOX_IGNORED, MASK_IGNORED, load_label_set
from bev_semseg_ros.preprocessing import rectify

FOUR, THIRTEEN, GROUPS = map(load_label_set, ("boxes_4", "driving_13", "groups_6"))
OBJECTS = [THIRTEEN.index(name) for name in ("car", "truck", "pedestrian", "two_wheeler")]


@pytest.fixture
def root(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def real(real_data):
    dataset = A2D2Dataset(real_data / "a2d2")
    return [dataset[index] for index in range(len(dataset))]


def real_file(real_data, frame, folder, ending):
    (path,) = (real_data / "a2d2").glob(f"*/{frame.scene}/{folder}/cam_front_center/*.{ending}")
    return path


# --- hand-made files -----------------------------------------------------------------------------


def test_frame_has_everything(root):
    frame, annotation = A2D2Dataset(root)[0]
    assert frame.missing == ()
    assert (frame.name, frame.scene) == ("20180807145028_000000007", "20180807_145028")
    assert frame.timestamp_ns == 1_533_647_182_922_733_000
    assert frame.points.shape == (12, 4) and frame.points.dtype == np.float32
    assert frame.image.shape == (*annotation.mask.shape, 3) == (40, 64, 3)


def test_intensity_is_reflectance_of_255(root):
    path = tiny_data.a2d2_file(root, "lidar")
    frame, _ = A2D2Dataset(root)[0]
    np.testing.assert_allclose(frame.points[:, 3], np.load(path)["reflectance"] / 255, rtol=1e-6)


def test_the_ego_frame_has_its_origin_on_the_ground_under_the_camera(root):
    frame, _ = A2D2Dataset(root)[0]
    np.testing.assert_allclose(
        apply(frame.ego_from_lidar, np.zeros((1, 3))), [[0, 0, 0.95 + 0.85]], atol=1e-12
    )


def test_side_camera_shares_the_ego_frame_and_is_a_fisheye(root):
    tiny_data.write_a2d2_frame(root, camera="side_left")
    frame, _ = A2D2Dataset(root, camera="side_left")[0]
    assert frame.camera.distortion_model == "equidistant"
    ahead_of_camera = apply(frame.ego_from_lidar, np.array([[5.0, 0, 0]]))  # it looks to the left
    np.testing.assert_allclose(ahead_of_camera, [[0.7 - 1.7, 0.6 + 5, 1.8]], atol=1e-12)


def test_telecam_keeps_the_recorded_and_the_rectified_matrix(root):
    camera = A2D2Dataset(root)[0][0].camera
    assert camera.distortion_model == "plumb_bob" and camera.size == (64, 40)
    assert (camera.matrix[0, 0], camera.rectified_matrix[0, 0]) == (60, 56)


def test_heading_follows_the_axis_not_the_angle_alone(root):
    _, annotation = A2D2Dataset(root)[0]
    np.testing.assert_allclose(annotation.boxes.yaws[:2], [-0.5, 0.25], atol=1e-12)


def test_boxes_lie_in_the_ego_frame(root):
    _, annotation = A2D2Dataset(root)[0]
    np.testing.assert_allclose(annotation.boxes.centers[0], [10, 1, 0.8], atol=1e-12)


def test_labels_are_in_the_classes_of_a2d2(root):
    _, annotation = A2D2Dataset(root)[0]
    assert annotation.box_labels == load_label_set("a2d2_boxes")
    assert annotation.mask_labels == load_label_set("a2d2_38")
    names = [annotation.box_labels.classes[label] for label in annotation.boxes.labels]
    assert names == ["Car", "Trailer", "Bicycle"] and annotation.ignored is None
    names = [annotation.mask_labels.classes[annotation.mask[0, column]] for column in range(3)]
    assert names == ["Small vehicles", "Ego car", "Sky"]


def test_vehicles_of_no_class_are_ignored_and_bicycles_are_no_object(root):
    annotation = A2D2Dataset(root)[0][1].with_labels(box_labels=FOUR)
    assert annotation.boxes.labels.tolist() == [0, BOX_IGNORED]
    assert annotation.ignored.tolist() == [False, True]


def test_instances_share_a_class_and_groups_come_from_the_categories(root):
    _, annotation = A2D2Dataset(root)[0]
    mask = annotation.with_labels(mask_labels=THIRTEEN).mask
    group_mask = annotation.with_labels(mask_labels=GROUPS).mask
    assert THIRTEEN.classes[mask[20, 25]] == "car"
    assert THIRTEEN.classes[mask[0, 0]] == "two_wheeler"
    assert GROUPS.classes[group_mask[0, 0]] == "vehicle"
    assert mask[0, 1] == group_mask[0, 1] == MASK_IGNORED


def test_points_carry_their_lidar_and_their_time(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    arrays["lidar_id"] = np.arange(12) % 5
    arrays["timestamp"] = 1_533_647_182_922_733 + 1000 * np.arange(-11, 1)
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert set(frame.point_attributes) == {"unit", "time"} <= set(POINT_ATTRIBUTES)
    assert frame.point_attributes["unit"].tolist() == arrays["lidar_id"].tolist()
    np.testing.assert_allclose(frame.point_attributes["time"], 0.001 * np.arange(-11, 1), atol=1e-7)


def test_points_that_are_left_out_take_their_attributes_along(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    arrays["lidar_id"] = np.arange(12)
    arrays["valid"] = np.arange(12) % 2 == 0
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert frame.point_attributes["unit"].tolist() == [0, 2, 4, 6, 8, 10]
    assert len(frame.points) == len(frame.point_attributes["time"]) == 6


def test_a_file_without_times_and_lidars_gives_points_without_attributes(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    del arrays["lidar_id"], arrays["timestamp"]
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert len(frame.points) == 12 and not frame.point_attributes


def test_unknown_colour_is_named_with_file_and_pixel(root):
    path = tiny_data.a2d2_file(root, "mask")
    label = read_image(path)
    label[5, 9] = (1, 2, 3)
    tiny_data.write_png(path, label)
    with pytest.raises(ValueError, match=rf"{path.name}: unknown colour #010203 at pixel x 9, y 5"):
        A2D2Dataset(root)[0]


@pytest.mark.parametrize("part", ["image", "sidecar", "lidar", "mask", "boxes"])
def test_missing_file_is_named_and_the_rest_given(root, part):
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


def test_without_sidecar_the_points_tell_the_time(root):
    tiny_data.a2d2_file(root, "sidecar").unlink()
    assert A2D2Dataset(root)[0][0].timestamp_ns == (1_533_647_182_922_733 - 5) * 1000


@pytest.mark.parametrize("part", ["image", "sidecar", "lidar", "mask", "boxes"])
def test_truncated_file_is_named(root, part):
    path = tiny_data.a2d2_file(root, part)
    tiny_data.truncate(path)
    with pytest.raises(ValueError, match=path.name):
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


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"points": np.zeros((4, 2)), "reflectance": np.zeros(4)},
            r"points: expected numbers of shape \(4, 3\)",
        ),
        (
            {"points": np.zeros((4, 3)), "reflectance": np.zeros(3)},
            r"reflectance: expected numbers of shape \(4,\)",
        ),
        ({"points": np.zeros((4, 3))}, "expected an array 'reflectance'"),
        ({"points": np.array([[{}, 0, 0]]), "reflectance": np.zeros(1)}, "allow_pickle"),
    ],
)
def test_wrong_arrays_are_refused_with_what_was_expected(tmp_path, arrays, message):
    path = tmp_path / "cloud.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=f"cloud.npz: .*{message}"):
        read_points(path)


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "cloud.npy", np.zeros((4, 3)))
    (tmp_path / "cloud.npy").rename(tmp_path / "cloud.npz")
    with pytest.raises(ValueError, match=r"cloud\.npz: .*npz archive"):
        read_points(tmp_path / "cloud.npz")


def test_an_archive_that_unpacks_to_something_huge_is_refused_before(tmp_path, monkeypatch):
    path = tmp_path / "cloud.npz"
    np.savez_compressed(path, points=np.zeros((100_000, 3)), reflectance=np.zeros(100_000))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("bev_semseg_ros.data.a2d2.cloud.MAX_NPZ_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"cloud\.npz: .*more than 1000000 bytes"):
        read_points(path)


def test_an_archive_packed_in_an_unknown_way_is_named(tmp_path):
    path = tmp_path / "cloud.npz"
    np.savez(path, points=np.zeros((4, 3)), reflectance=np.zeros(4))
    content = bytearray(path.read_bytes())
    for signature, offset in (
        (b"PK\x03\x04", 8),
        (b"PK\x01\x02", 10),
    ):  # the method, in both of a zip's headers
        content[content.index(signature) + offset] = 77
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cloud\.npz: .*compression method"):
        read_points(path)


def test_keys_of_the_sequences_are_understood_and_invalid_points_left_out(tmp_path):
    points = np.arange(9.0).reshape(3, 3)
    np.savez(
        tmp_path / "cloud.npz",
        **{
            "pcloud_points": points,
            "pcloud_attr.reflectance.npy": np.array([0, 255, 51]),
            "pcloud_attr.valid": np.array([True, False, True]),
            "pcloud_attr.rectime": np.array([3, 9, 5]),
            "pcloud_attr.timestamp": np.array([100, 100, 100]),
        },
    )
    cloud = read_points(tmp_path / "cloud.npz")
    np.testing.assert_allclose(cloud.points, [[0, 1, 2, 0], [6, 7, 8, 0.2]], rtol=1e-6)
    assert cloud.times_us.tolist() == [3, 5] and cloud.newest_us == 5


def test_unknown_box_class_is_named_with_its_box(root):
    path = tiny_data.a2d2_file(root, "boxes")
    content = json.loads(path.read_text())
    content["box_1"]["class"] = "Spaceship"
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=rf"{path.name}: box_1: unknown class 'Spaceship' of .*VanSUV"
    ):
        read_boxes(path, np.eye(4))


@pytest.mark.parametrize(
    "key, value",
    [("center", None), ("size", [1.0, 2.0]), ("axis", [0.0, 0.0, 0.0]), ("rot_angle", "left")],
)
def test_wrong_value_of_a_box_is_named(root, key, value):
    path = tiny_data.a2d2_file(root, "boxes")
    content = json.loads(path.read_text())
    content["box_0"][key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"{path.name}: box_0.{key}: expected"):
        read_boxes(path, np.eye(4))


def test_frame_of_two_subsets_is_given_once_with_the_files_of_both(root):
    tiny_data.write_a2d2_frame(root, subset="camera_lidar_semantic")
    tiny_data.a2d2_file(root, "image").unlink()  # the semantic subset still has it
    dataset = A2D2Dataset(root)
    assert len(dataset) == 1
    assert dataset[0][0].missing == () and len(dataset[0][1].boxes) == 3


def test_semantic_subset_has_no_boxes_and_misses_none(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    tiny_data.write_a2d2_frame(tmp_path, subset="camera_lidar_semantic")
    frame, annotation = A2D2Dataset(tmp_path)[0]
    assert annotation.boxes is None and frame.missing == ()


@pytest.mark.parametrize(
    "below", ["", "camera_lidar_semantic_bboxes", "camera_lidar_semantic_bboxes/20180807_145028"]
)
def test_root_subset_and_scene_open_alike(root, below):
    frame, annotation = A2D2Dataset(root / below)[0]
    assert frame.name == "20180807145028_000000007" and len(annotation.boxes) == 3


@pytest.mark.parametrize(
    "below", ["", "camera_lidar_semantic_bboxes", "camera_lidar_semantic_bboxes/20180807_145028"]
)
def test_the_working_folder_opens_as_a_dot(root, below, monkeypatch):
    monkeypatch.chdir(root / below)
    frame, annotation = A2D2Dataset(".")[0]
    assert frame.scene == "20180807_145028" and len(annotation.boxes) == 3


@pytest.mark.parametrize(
    "name", ["cams_lidars.json", "camera_lidar_semantic_bboxes/class_list.json"]
)
def test_missing_description_of_the_set_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(FileNotFoundError, match=name.rpartition("/")[2]):
        A2D2Dataset(root)


# --- real files ----------------------------------------------------------------------------------


def test_real_frames_are_counted_once(real):
    assert len(real) == 8
    assert sum(annotation.boxes is not None for _, annotation in real) == 5
    assert (
        sum(frame.image is not None and annotation.mask is not None for frame, annotation in real)
        == 6
    )


def test_real_frames_name_what_is_missing(real):
    missing = {frame.scene: frame.missing for frame, _ in real if frame.missing}
    assert missing == {
        "20181016_125231": ("image",),
        "20180810_142822": ("image", "sidecar", "mask"),
    }


def test_real_points_project_to_row_and_col(real, real_data):
    for frame, _ in real:
        arrays = np.load(real_file(real_data, frame, "lidar", "npz"))
        points = apply(frame.ego_from_lidar, frame.points[:, :3].astype(np.float64))
        pixels, depth = project(frame.camera.image_from_ego, points)
        assert (depth > 0).all()
        assert np.abs(pixels - np.stack([arrays["col"], arrays["row"]], 1)).max() < 0.01


def real_label3d(real, real_data):
    return [
        (frame, annotation, read_json(real_file(real_data, frame, "label3D", "json")))
        for frame, annotation in real
        if annotation.boxes is not None
    ]


def test_real_box_corners_reproduce_3d_points(real, real_data):
    for _, _, label3d in real_label3d(real, real_data):
        for box in label3d.values():
            rotation = axis_angle_rotation(np.array(box["axis"]), box["rot_angle"])
            corners = (CORNER_SIGNS * box["size"] / 2) @ rotation.T + box["center"]
            assert np.abs(corners - box["3d_points"]).max() < 1e-6


def test_real_headings_point_from_rear_to_front(real, real_data):
    axes = set()
    for frame, annotation, label3d in real_label3d(real, real_data):
        for box, yaw in zip(label3d.values(), annotation.boxes.yaws, strict=True):
            rear, front = apply(frame.ego_from_lidar, np.array(box["3d_points"]))[:2]
            axes.add(tuple(np.round(box["axis"])))
            assert abs(np.angle(np.exp(1j * (yaw - np.arctan2(*(front - rear)[1::-1]))))) < 1e-3
    assert len(axes) == 3  # up, down, and (1, 0, 0) without a turn


def test_real_boxes_project_to_their_2d_boxes(real, real_data):
    errors = []
    for frame, annotation, label3d in real_label3d(real, real_data):
        bounds = box_image_bounds(annotation.boxes, frame.camera.image_from_ego)
        errors += list(np.abs(bounds - [box["2d_bbox"] for box in label3d.values()]).max(1))
    assert np.median(errors) < 4  # tilt is dropped in the ego frame; some 2d_bbox are plainly wrong


def test_real_label_undistorted_once_lies_on_its_image(real, real_data):
    hits = []  # per frame: hits with the label undistorted zero, one and two times
    counts = []
    for frame, annotation in real:
        if annotation.boxes is None or annotation.mask is None:
            continue
        arrays = np.load(real_file(real_data, frame, "lidar", "npz"))
        column = np.floor(arrays["col"] + 0.5).astype(int).clip(0, frame.camera.size[0] - 1)
        row = np.floor(arrays["row"] + 0.5).astype(int).clip(0, frame.camera.size[1] - 1)
        chosen = np.zeros(len(row), bool)
        for box in read_json(real_file(real_data, frame, "label3D", "json")).values():
            rotation = axis_angle_rotation(np.array(box["axis"]), box["rot_angle"])
            local = (arrays["points"] - box["center"]) @ rotation
            inside = (np.abs(local) <= np.array(box["size"]) / 2).all(1)
            chosen |= inside & (local[:, 2] + box["size"][2] / 2 >= 0.3)
        labels = [annotation.with_labels(mask_labels=THIRTEEN).mask]
        for _ in range(2):
            labels.append(rectify(labels[-1], frame.camera, frame.camera.size, cv2.INTER_NEAREST))
        hits.append([np.isin(label[row, column], OBJECTS)[chosen].sum() for label in labels])
        counts.append(chosen.sum())
    zero, once, twice = np.array(hits).T
    assert once.sum() >= 0.97 * np.sum(counts)
    assert (once > zero).all() and (once > twice).all() and len(counts) == 4


def test_real_pixels_of_known_colours_are_not_lost(real, real_data):
    for frame, annotation in real:
        if annotation.mask is None:
            continue
        path = real_file(real_data, frame, "label", "png")
        packed = read_image(path).astype(np.int64) @ (65536, 256, 1)
        entries = read_json(path.parents[3] / "class_list.json")
        ignored = [
            int(color[1:], 16)
            for color, name in entries.items()
            if name in ("Ego car", "Blurred area", "Rain dirt")
        ]
        assert (annotation.mask < len(annotation.mask_labels)).all()
        for labels in (THIRTEEN, GROUPS):
            mask = annotation.with_labels(mask_labels=labels).mask
            assert ((mask == MASK_IGNORED) == np.isin(packed, ignored)).all()


def test_real_points_were_measured_about_when_the_image_was_taken(real):
    for frame, _ in real:
        attributes = frame.point_attributes
        assert set(attributes) == {"unit", "time"}
        assert len(attributes["time"]) == len(attributes["unit"]) == len(frame.points)
        assert np.abs(attributes["time"]).max() < 0.2 and len(np.unique(attributes["unit"])) > 1


def test_real_ground_points_lie_near_zero_height(real):
    heights = np.concatenate(
        [apply(frame.ego_from_lidar, frame.points[:, :3])[:, 2] for frame, _ in real]
    )
    low = heights[heights < 0.5]
    counts, edges = np.histogram(low, np.arange(-1, 0.5, 0.1))
    assert abs(edges[counts.argmax()] + 0.05) <= 0.15


def test_masks_that_tell_fewer_classes_apart_say_which(root):
    path = tiny_data.a2d2_file(root, "mask").parents[3] / "mask_labels.json"
    path.write_text('{"label_set": "driving_13"}')
    _, annotation = A2D2Dataset(root)[0]
    assert annotation.mask_labels.name == "driving_13"
    path.unlink()
    _, whole = A2D2Dataset(root)[0]
    expected = whole.with_labels(mask_labels=annotation.mask_labels)
    np.testing.assert_array_equal(annotation.mask, expected.mask)


@pytest.mark.parametrize("name", ["driving_12", "boxes_4"])
def test_a_mask_label_set_that_does_not_fit_is_named(root, name):
    path = tiny_data.a2d2_file(root, "mask").parents[3] / "mask_labels.json"
    path.write_text(json.dumps({"label_set": name}))
    with pytest.raises(ValueError, match=rf"mask_labels\.json.*{name}"):
        A2D2Dataset(root)[0]
