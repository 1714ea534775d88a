import json
from functools import cache

import cv2
import numpy as np
import pytest
from support.a2d2 import CORNER_SIGNS
from support.rigs import QUICK_RIGS, tilted_vehicle
from support.simple_scene import CAR, POSES_AROUND, ROAD, street

from bev_semseg_ros.data import a2d2
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import apply, points_in_boxes, project, wrap_angle
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.preprocessing import rectify
from bev_semseg_ros.sim.bev_labels import label_bev
from bev_semseg_ros.sim.classes import IGNORED_PIXEL, MASK_LABEL
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import inside_image, scan
from bev_semseg_ros.sim.writers import WRITERS
from bev_semseg_ros.sim.writers.a2d2 import a2d2_class_list

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernels")]

SIZE = (192, 121)


def pictures(rig):
    """Return a random image and a random mask for each camera."""
    rng = np.random.default_rng(1)
    shape = SIZE[::-1]
    classes = [*MASK_LABEL.values(), IGNORED_PIXEL]
    images = {name: rng.integers(0, 255, (*shape, 3)).astype(np.uint8) for name in rig.cameras}
    masks = {name: rng.choice(classes, shape).astype(np.uint8) for name in rig.cameras}
    return images, masks


def write(root, rig, view, result, images, masks):
    """Write one frame as a data set."""
    writer = WRITERS[rig.layout](root, rig, 3, 1)
    writer.begin()
    writer.write(0, 0, view, result, images, masks)
    writer.finish([0])


@pytest.fixture(scope="module", params=[*QUICK_RIGS, "vehicle"])
def written(request, tmp_path_factory):
    """Return (rig, view, scan, images, masks, data set, folder) of one frame."""
    root = tmp_path_factory.mktemp(request.param)
    rig = tilted_vehicle() if request.param == "vehicle" else QUICK_RIGS[request.param]
    rig = rig.resized(SIZE)
    view = street()
    result = scan(view, rig)
    images, masks = pictures(rig)
    write(root, rig, view, result, images, masks)
    return rig, view, result, images, masks, open_dataset(root, cameras="all"), root


def sensor(names, alone, name):
    """Return the name of a sensor in a frame, which is `alone` if the rig has no other."""
    return alone if len(names) == 1 else name


def scans_of(rig, result):
    """Return the points that each scan of a frame should have, by the name of the scan."""
    if rig.layout == "kitti":
        names = [lidar.name for lidar in rig.lidars]
        parts = {name: result.lidars == number for number, name in enumerate(names)}
    else:
        parts, left = {}, np.ones(len(result), bool)
        for name, camera in rig.cameras.items():
            parts[name] = left & inside_image(result.positions, camera)
            left = left & ~parts[name]
    return {sensor(parts, LIDAR, name): result[mine] for name, mine in parts.items()}


def test_units_of_a_merged_cloud_have_the_poses_of_the_lidars(written):
    rig, _, result, *_, dataset, _ = written
    frame, _ = dataset[0]
    if rig.layout != "a2d2":  # each cloud is of one lidar
        assert not any(scan.lidar_from_unit for scan in frame.lidars.values())
        return
    for name, part in scans_of(rig, result).items():
        scan = frame.lidars[name]
        for number in np.unique(scan.attributes["unit"]):
            (lidar,) = np.unique(part.lidars[scan.attributes["unit"] == number])
            found = scan.ego_from_lidar @ scan.lidar_from_unit[number]
            np.testing.assert_allclose(found, rig.lidars[lidar].ego_from_lidar, atol=1e-6)


def ego_points(frame):
    """Return the points of all scans in the ego frame."""
    return np.concatenate(
        [
            apply(scan.ego_from_lidar, scan.points[:, :3].astype(float))
            for scan in frame.lidars.values()
        ]
    )


def test_every_file_of_the_layout_is_there(written):
    *_, dataset, _ = written
    assert len(dataset) == 1 and dataset[0][0].missing == ()


def test_points_read_back_once_and_in_the_ego_frame(written):
    rig, _, result, *_, dataset, _ = written
    frame, _ = dataset[0]
    expected = scans_of(rig, result)
    assert list(frame.lidars) == list(expected)
    assert len(ego_points(frame)) == len(result)
    for name, part in expected.items():
        read = frame.lidars[name]
        positions = apply(read.ego_from_lidar, read.points[:, :3].astype(float))
        assert np.allclose(positions, part.positions, atol=1e-4)
        step = 0.01 if rig.layout == "kitti" else 1 / 255
        assert np.abs(read.points[:, 3] - part.intensities).max() <= 0.5 * step + 1e-6


def test_by_default_only_the_reference_camera_is_read(written):
    rig, _, result, images, *_, root = written
    frame, annotation = open_dataset(root)[0]
    assert list(frame.cameras) == list(annotation.masks) == [CAMERA]
    assert np.array_equal(frame.image, next(iter(images.values())))
    if rig.layout == "a2d2":
        seen = inside_image(result.positions, rig.reference_camera)
        assert list(frame.lidars) == [LIDAR] and len(frame.points) == seen.sum()


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
    rig, _, result, *_, dataset, _ = written
    frame, annotation = dataset[0]
    inside = points_in_boxes(ego_points(frame), annotation.boxes, margin=0.2)
    objects = np.concatenate([part.objects for part in scans_of(rig, result).values()])
    hits = np.stack([objects == index for index in range(len(annotation.boxes))])
    assert (inside & hits).sum() > 0.9 * hits.sum()


def test_images_and_masks_read_back_as_recorded(written):
    rig, _, _, images, masks, dataset, _ = written
    frame, annotation = dataset[0]
    assert annotation.mask_labels == load_label_set("driving_13")  # only the simulator's
    assert len(frame.cameras) == len(annotation.masks) == len(rig.cameras)
    for name in rig.cameras:
        read = sensor(rig.cameras, CAMERA, name)
        assert np.array_equal(frame.cameras[read].image, images[name])
        assert np.array_equal(annotation.masks[read], masks[name])


def test_cameras_of_the_rig_read_back_unchanged(written):
    rig, *_, dataset, _ = written
    frame, _ = dataset[0]
    for name, expected in rig.cameras.items():
        camera = frame.cameras[sensor(rig.cameras, CAMERA, name)].camera
        assert camera.size == SIZE and np.allclose(camera.matrix, expected.matrix)
        assert camera.distortion_model == expected.distortion_model
        assert np.allclose(camera.image_from_ego, expected.image_from_ego, atol=1e-6)


@cache
def pictures_of_cars(name):
    """Return (image, mask) of each camera of a rig among cars; neither depends on the scan."""
    view = street(poses=POSES_AROUND)
    rig = RIGS[name].resized((320, 200))
    return {camera: render(view, known) for camera, known in rig.cameras.items()}


@pytest.mark.parametrize("full_turn", [False, True])
@pytest.mark.parametrize("name", list(RIGS))
def test_points_of_cars_lie_on_cars_in_the_mask_of_each_camera(name, full_turn, tmp_path):
    rig = RIGS[name].resized((320, 200))
    view = street(poses=POSES_AROUND)
    result = scan(view, rig, full_turn)
    rendered = pictures_of_cars(name)
    images = {camera: image for camera, (image, _) in rendered.items()}
    masks = {camera: mask for camera, (_, mask) in rendered.items()}
    write(tmp_path, rig, view, result, images, masks)
    frame, annotation = open_dataset(tmp_path, cameras="all")[0]
    seen = set(np.unique(result.objects[result.objects >= 0]))
    assert len(annotation.boxes) == len(seen) and (not full_turn or len(seen) == 4)
    points = ego_points(frame)
    assert len(points) == len(result)
    hit = points_in_boxes(points, annotation.boxes, margin=0.1).any(0) & (points[:, 2] > 0.2)
    for camera, picture in frame.cameras.items():
        known = picture.camera
        mask = rectify(annotation.masks[camera], known, known.size, cv2.INTER_NEAREST)
        inside = hit & inside_image(points, known)
        pixels = np.rint(project(known.image_from_ego, points[inside])[0]).astype(int)
        pixels = np.clip(pixels, 0, np.array(known.size) - 1)
        labels = mask[pixels[:, 1], pixels[:, 0]]
        assert len(labels) > 50, camera
        assert (labels == CAR).mean() > 0.93, camera


def test_a_point_lands_on_its_pixel_through_the_rectified_image(written):
    """A mask that shows a car where the lidar sees it still does so after rectification."""
    rig, _, result, *_ = written
    camera = rig.reference_camera
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


def test_scenes_of_a_long_drive_do_not_overlap_in_time(tmp_path):
    writer = WRITERS["kitti"](tmp_path, RIGS["kitti"], 3, 700)
    writer.begin()
    writer.finish([0, 1])
    rows = (tmp_path / "training/frames.csv").read_text().splitlines()[1:]
    times = [int(row.split(",")[2]) for row in rows]
    assert len(times) == 1400 and times == sorted(set(times))


def a2d2_files(root, kind, suffix):
    return next(
        (root / "camera_lidar_semantic_bboxes").glob(f"*/{kind}/cam_front_center/*{suffix}")
    )


@pytest.fixture
def a2d2_root(tmp_path):
    rig = RIGS["a2d2"].resized(SIZE)
    view = street()
    write(tmp_path, rig, view, scan(view, rig), *pictures(rig))
    return tmp_path


def test_a2d2_npz_has_the_published_keys_and_types(a2d2_root):
    with np.load(a2d2_files(a2d2_root, "lidar", ".npz")) as arrays:
        kinds = {name: arrays[name].dtype for name in arrays.files}
    assert kinds.pop("semantic") == np.uint8  # an addition
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
    rig = RIGS["kitti"].resized(SIZE)
    view = street()
    write(tmp_path, rig, view, scan(view, rig), *pictures(rig))
    rows = [
        line.split() for line in (tmp_path / "training/label_2/000000.txt").read_text().splitlines()
    ]
    bounds = np.array([row[4:8] for row in rows], float)
    assert [row[0] for row in rows] == ["Car"] * 3 and [row[2] for row in rows] == ["0"] * 3
    assert (bounds[:, 2:] > bounds[:, :2]).all() and (bounds >= 0).all()
    assert bounds[:, 2].max() <= rig.reference_camera.size[0] - 1


def test_frames_of_a2d2_cameras_differ_in_numbers_and_times(tmp_path):
    rig = QUICK_RIGS["a2d2_3"].resized(SIZE)
    view = street()
    write(tmp_path, rig, view, scan(view, rig), *pictures(rig))
    sidecars = sorted(tmp_path.glob("*/*/camera/cam_*/*.json"))
    assert len({path.stem.rpartition("_")[2] for path in sidecars}) == 3
    contents = [json.loads(path.read_text()) for path in sidecars]
    times = [content["cam_tstamp"] for content in contents]
    assert len(set(times)) == 3 and np.ptp(times) < 50_000
    assert len({json.dumps(content["lidar_ids"]) for content in contents}) > 1
    assert {path.parent.name for path in tmp_path.glob("*/*/label3D/*/*")} == {"cam_front_center"}


def test_classes_of_points_read_back_in_the_order_of_the_points(written):
    rig, _, result, *_, dataset, _ = written
    annotation = dataset[0][1]
    expected = scans_of(rig, result)
    assert list(annotation.point_classes) == list(expected)
    for name, part in expected.items():
        assert np.array_equal(annotation.point_classes[name], part.classes)
    assert set(np.unique(result.classes)) == {ROAD, CAR}
    assert np.array_equal(result.classes == CAR, result.objects >= 0)


def test_bev_maps_read_back_and_show_vehicles_inside_the_boxes(written):
    _, view, result, *_, dataset, _ = written
    bev = dataset[0][1].bev
    expected = label_bev(view, result)
    assert np.array_equal(bev.classes, expected.classes)
    assert np.array_equal(bev.observed, expected.observed) and bev.observed.any()
    assert (bev.x_min, bev.y_min, bev.cell) == (expected.x_min, expected.y_min, expected.cell)
    places = np.concatenate([bev.centers(), 0.5 + 0 * bev.classes[..., None]], -1).reshape(-1, 3)
    inside = points_in_boxes(places, view.boxes).any(0).reshape(bev.classes.shape)
    is_vehicle = bev.classes == bev.labels.index("vehicle")
    # A cell that a car covers only in part may have its class or not.
    assert (is_vehicle & inside).sum() > 0.97 * inside.sum()
    assert is_vehicle.sum() < 1.08 * inside.sum()
