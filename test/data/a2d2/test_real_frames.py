"""The A2D2 reader, on real frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.a2d2 import CORNER_SIGNS

from bev_semseg_ros.data.a2d2 import A2D2Dataset, axis_angle_rotation, read_points
from bev_semseg_ros.data.files import read_image, read_json
from bev_semseg_ros.geometry import apply, box_image_bounds, project
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.preprocessing import rectify

THIRTEEN, GROUPS = load_label_set("driving_13"), load_label_set("groups_6")
OBJECTS = [THIRTEEN.index(name) for name in ("car", "truck", "pedestrian", "two_wheeler")]


@pytest.fixture(scope="module")
def real(real_data):
    dataset = A2D2Dataset(real_data / "a2d2")
    return [dataset[index] for index in range(len(dataset))]


def real_file(real_data, frame, folder, ending):
    (path,) = (real_data / "a2d2").glob(f"*/{frame.scene}/{folder}/cam_front_center/*.{ending}")
    return path


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
    assert len(axes) == 3  # up, down, and (1, 0, 0) without a rotation


def test_real_boxes_project_to_their_2d_boxes(real, real_data):
    errors = []
    for frame, annotation, label3d in real_label3d(real, real_data):
        bounds = box_image_bounds(annotation.boxes, frame.camera.image_from_ego)
        errors += list(np.abs(bounds - [box["2d_bbox"] for box in label3d.values()]).max(1))
    assert np.median(errors) < 4  # tilt is dropped in the ego frame; some 2d_bbox are plainly wrong


def test_real_labels_undistorted_once_match_their_images(real, real_data):
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


def test_only_real_pixels_of_ignored_categories_are_ignored(real, real_data):
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


def test_real_points_are_measured_close_to_the_time_of_the_image(real):
    for frame, _ in real:
        attributes = frame.point_attributes
        assert set(attributes) == {"unit", "time"}
        assert len(attributes["time"]) == len(attributes["unit"]) == len(frame.points)
        assert np.abs(attributes["time"]).max() < 0.2 and len(np.unique(attributes["unit"])) > 1


def test_identifiers_of_real_measurements_are_unique(real_data):
    for path in sorted((real_data / "a2d2").glob("*/*/lidar/*/*.npz")):
        cloud = read_points(path)
        found = cloud.measurements({number: f"lidar {number}" for number in range(5)})
        assert len(np.unique(found)) == len(found) == len(cloud.points)


def test_real_ground_points_lie_near_zero_height(real):
    heights = np.concatenate(
        [apply(frame.ego_from_lidar, frame.points[:, :3])[:, 2] for frame, _ in real]
    )
    low = heights[heights < 0.5]
    counts, edges = np.histogram(low, np.arange(-1, 0.5, 0.1))
    assert abs(edges[counts.argmax()] + 0.05) <= 0.15
