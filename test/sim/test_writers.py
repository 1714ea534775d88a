import json

import cv2
import numpy as np
import pytest
from support.a2d2 import CORNER_SIGNS
from support.simple_scene import CAR, ROAD, street

from bev_semseg_ros.data import a2d2
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, points_in_boxes, project, wrap_angle
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.preprocessing import rectify
from bev_semseg_ros.sim.classes import IGNORED_PIXEL, MASK_LABEL
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.rig import RIGS, BoxConvention
from bev_semseg_ros.sim.writers import WRITERS
from bev_semseg_ros.sim.writers.a2d2 import a2d2_class_list
from bev_semseg_ros.sim.writers.labels import label_view

SIZE = (192, 121)


@pytest.fixture(params=list(RIGS))
def written(request, tmp_path):
    """(rig, view, scan, mask, what the reader gives) of one frame."""
    rig = RIGS[request.param].resized(SIZE)
    view = street()
    result = scan(view, rig)
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    mask = rng.choice([*MASK_LABEL.values(), IGNORED_PIXEL], (SIZE[1], SIZE[0])).astype(np.uint8)
    writer = WRITERS[rig.name](tmp_path, rig, 3, 1)
    writer.begin()
    writer.write(0, 0, view, result, image, mask)
    writer.finish([0])
    return rig, view, result, image, mask, open_dataset(tmp_path), tmp_path


def test_every_file_of_the_layout_is_there(written):
    *_, dataset, _ = written
    assert len(dataset) == 1 and dataset[0][0].missing == ()


def test_points_read_back_in_the_ego_frame(written):
    rig, _, result, _, _, dataset, _ = written
    frame, _ = dataset[0]
    assert np.allclose(
        apply(frame.ego_from_lidar, frame.points[:, :3].astype(float)),
        result.positions,
        atol=1e-4,
    )
    assert (
        np.abs(frame.points[:, 3] - result.intensities).max()
        <= 0.5 / (100 if rig.name == "kitti" else 255) + 1e-6
    )


def test_boxes_read_back_as_the_convention_draws_them(written):
    rig, view, _, _, _, dataset, _ = written
    expected = rig.convention.apply(view.boxes)
    boxes = dataset[0][1].boxes
    assert np.allclose(boxes.centers, expected.centers, atol=1e-3)
    assert np.allclose(boxes.sizes, expected.sizes, atol=1e-3)
    assert np.abs(wrap_angle(boxes.yaws - expected.yaws)).max() < 1e-3
    labels = dataset.box_labels.mapping_to(load_label_set("boxes_4"))[boxes.labels]
    assert np.array_equal(labels, expected.labels)


def test_boxes_contain_the_points_that_were_read(written):
    _, _, result, _, _, dataset, _ = written
    frame, annotation = dataset[0]
    points = apply(frame.ego_from_lidar, frame.points[:, :3].astype(float))
    inside = points_in_boxes(points, annotation.boxes, margin=0.2)
    hits = np.stack([result.objects == index for index in range(len(annotation.boxes))])
    assert (inside & hits).sum() > 0.9 * hits.sum()


def test_image_and_mask_read_back_as_recorded(written):
    *_, image, mask, dataset, _ = written
    frame, annotation = dataset[0]
    assert np.array_equal(frame.image, image)
    assert annotation.mask_labels == load_label_set("driving_13")  # no more than the simulator's
    assert np.array_equal(annotation.mask, mask)


def test_camera_reads_back_as_the_rigs(written):
    rig, *_, dataset, _ = written
    camera = dataset[0][0].camera
    assert camera.size == SIZE and np.allclose(camera.matrix, rig.camera.matrix)
    assert np.allclose(camera.image_from_ego, rig.camera.image_from_ego, atol=1e-6)


def test_a_point_lands_on_its_pixel_through_the_rectified_image(written):
    """A picture that is white where the lidar sees a car is white there after rectification."""
    rig, _, result, *_ = written
    camera = rig.camera
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]].reshape(2, -1)
    recorded = np.stack([columns, rows], 1).astype(np.float64).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(
        recorded, camera.matrix, camera.distortion, None, None, camera.rectified_matrix
    ).reshape(-1, 2)
    pixels, _ = project(camera.image_from_ego, result.positions[result.objects == 0])
    low, high = pixels.min(0), pixels.max(0)
    mask[rows, columns] = np.where(((straight > low) & (straight < high)).all(1), CAR, ROAD)
    flat = rectify(mask, camera, SIZE, cv2.INTER_NEAREST)
    inner = pixels[((pixels > low + 1) & (pixels < high - 1)).all(1)].round().astype(int)
    assert len(inner) and (flat[inner[:, 1], inner[:, 0]] == CAR).mean() > 0.98


def test_convention_keeps_the_near_faces():
    boxes = Boxes([[20.0, 0, 1], [20.0, 5, 1]], [[4, 2, 1.5]] * 2, [0.0, 0.0], [0, 0], [1, 1])
    drawn = BoxConvention({"car": (0.9, 0.9, 1.0)}, pull=0.0).apply(boxes)
    rear = [b.centers[:, 0] - b.sizes[:, 0] / 2 for b in (boxes, drawn)]
    right = [b.centers[1, 1] - b.sizes[1, 1] / 2 for b in (boxes, drawn)]
    assert np.allclose(*rear) and np.isclose(*right)


def test_convention_keeps_the_ground():
    boxes = Boxes([[20.0, 3, 1]], [[4, 2, 1.5]], [0.4], [0], [1])
    drawn = BoxConvention({"car": (1.0, 1.0, 1.2)}).apply(boxes)
    assert np.isclose(drawn.centers[0, 2] - drawn.sizes[0, 2] / 2, 0.25) and np.isclose(
        drawn.sizes[0, 2], 1.8
    )


def test_an_object_behind_a_wall_has_no_box():
    view = street((8.0, "wall"))
    for rig in RIGS.values():
        assert len(label_view(view, scan(view, rig), rig, "Van").boxes) == 0


def test_a_half_hidden_object_is_marked_occluded():
    view = street()
    rig = RIGS["kitti"]
    full = scan(view, rig)
    hidden = full[~((full.objects == 1) & (np.arange(len(full)) % 4 > 0))]
    closer = hidden.positions.copy()
    pixels, _ = project(rig.camera.image_from_ego, full.positions[full.objects == 1])
    # Put 300 points of something near in front of the object.
    ground = np.flatnonzero(hidden.objects < 0)[:300]
    ray = full.positions[full.objects == 1][np.arange(300) % np.sum(full.objects == 1)]
    centre = np.linalg.inv(rig.camera.camera_from_ego)[:3, 3]
    closer[ground] = centre + 0.4 * (ray - centre)
    occluded = hidden.__class__(
        closer,
        *(
            getattr(hidden, name)
            for name in ("intensities", "lidars", "rings", "azimuths", "distances", "objects")
        ),
    )
    assert len(pixels) and label_view(view, full, rig, "Van").occlusions[1] == 0
    assert label_view(view, occluded, rig, "Van").occlusions[1] == 2


def a2d2_files(root, kind, suffix):
    return next(
        (root / "camera_lidar_semantic_bboxes").glob(f"*/{kind}/cam_front_center/*{suffix}")
    )


@pytest.fixture
def a2d2_root(tmp_path):
    rig = RIGS["a2d2"].resized(SIZE)
    view = street()
    writer = WRITERS["a2d2"](tmp_path, rig, 3, 1)
    writer.begin()
    blank = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    writer.write(0, 0, view, scan(view, rig), blank, blank[..., 0])
    return tmp_path


def test_a2d2_npz_has_the_published_keys_and_types(a2d2_root):
    with np.load(a2d2_files(a2d2_root, "lidar", ".npz")) as arrays:
        kinds = {name: arrays[name].dtype for name in arrays.files}
    integers = {"reflectance", "timestamp"}
    assert kinds == {
        name: np.dtype("i8" if name in integers else "f8")
        for name in (
            "points",
            "depth",
            "distance",
            "row",
            "col",
            "reflectance",
            "azimuth",
            "lidar_id",
            "timestamp",
        )
    }


def test_a2d2_row_and_col_are_projections_of_the_view(a2d2_root):
    camera = json.loads((a2d2_root / "cams_lidars.json").read_text())["cameras"]["front_center"]
    matrix = np.array(camera["CamMatrix"])
    with np.load(a2d2_files(a2d2_root, "lidar", ".npz")) as arrays:
        x, y, z = arrays["points"].T
        assert np.allclose(arrays["col"], matrix[0, 0] * -y / x + matrix[0, 2], atol=1e-9)
        assert np.allclose(arrays["row"], matrix[1, 1] * -z / x + matrix[1, 2], atol=1e-9)
        assert arrays["row"].max() <= SIZE[1] - 0.5 and arrays["col"].max() <= SIZE[0] - 0.5
        assert np.array_equal(arrays["depth"], x) and np.allclose(
            arrays["distance"], np.linalg.norm([x, y, z], axis=0)
        )


def test_a2d2_azimuth_belongs_to_the_lidar_the_sidecar_names(a2d2_root):
    calibration = json.loads((a2d2_root / "cams_lidars.json").read_text())
    names = json.loads(a2d2_files(a2d2_root, "camera", ".json").read_text())["lidar_ids"]

    def pose(view):
        x, y = np.array(view["x-axis"]), np.array(view["y-axis"])
        return np.stack([x, y, np.cross(x, y)], 1), np.array(view["origin"])

    rotation, origin = pose(calibration["cameras"]["front_center"]["view"])
    with np.load(a2d2_files(a2d2_root, "lidar", ".npz")) as arrays:
        vehicle = arrays["points"] @ rotation.T + origin
        for number, name in names.items():
            axes, place = pose(calibration["lidars"][name]["view"])
            mine = arrays["lidar_id"] == float(number)
            local = (vehicle[mine] - place) @ axes
            expected = np.pi / 2 - np.arctan2(local[:, 1], local[:, 0])
            assert (
                mine.any() and np.abs(wrap_angle(expected - arrays["azimuth"][mine])).max() < 1e-6
            )


def test_a2d2_corners_are_those_of_the_box_for_both_signs_of_the_axis(a2d2_root):
    boxes = json.loads(a2d2_files(a2d2_root, "label3D", ".json").read_text())
    for box in boxes.values():
        rotation = a2d2.axis_angle_rotation(np.array(box["axis"]), box["rot_angle"])
        corners = np.array(box["center"]) + (CORNER_SIGNS * np.array(box["size"]) / 2) @ rotation.T
        assert np.allclose(corners, box["3d_points"], atol=1e-9)
    assert {box["axis"][2] for box in boxes.values()} == {-1.0, 1.0}
    assert all(0 <= box["rot_angle"] <= np.pi for box in boxes.values())


def test_a2d2_class_list_is_the_published_one(real_data):
    published = next((real_data / "a2d2").glob("*/class_list.json"))
    assert a2d2_class_list() == json.loads(published.read_text())


def test_kitti_2d_boxes_are_clipped_projections(tmp_path):
    rig = RIGS["kitti"]
    view = street()
    writer = WRITERS["kitti"](tmp_path, rig, 3, 1)
    writer.begin()
    blank = np.zeros((rig.camera.size[1], rig.camera.size[0], 3), np.uint8)
    writer.write(0, 0, view, scan(view, rig), blank, blank[..., 0])
    rows = [
        line.split() for line in (tmp_path / "training/label_2/000000.txt").read_text().splitlines()
    ]
    bounds = np.array([row[4:8] for row in rows], float)
    assert [row[0] for row in rows] == ["Car"] * 3 and [row[2] for row in rows] == ["0"] * 3
    assert (bounds[:, 2:] > bounds[:, :2]).all() and (bounds >= 0).all()
    assert bounds[:, 2].max() <= rig.camera.size[0] - 1
