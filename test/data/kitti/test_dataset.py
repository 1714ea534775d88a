"""The KITTI object reader, on hand-made files and on the real ones."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.kitti import KittiDataset
from bev_semseg_ros.frame import CAMERA
from bev_semseg_ros.geometry import apply, box_image_bounds, points_in_boxes, project
from bev_semseg_ros.labels import BOX_IGNORED, load_label_set


@pytest.fixture
def root(tmp_path):
    tiny_data.write_kitti_frame(tmp_path, "000003")
    return tmp_path


@pytest.fixture(scope="module")
def real(real_data):
    dataset = KittiDataset(real_data / "kitti")
    return [dataset[index] for index in range(len(dataset))]


def label_line(kind: str) -> str:
    return f"{kind} 0.00 0 -1.57 10 10 30 30 1.50 1.60 4.00 1.00 1.65 20.00 -1.5707963\n"


# --- hand-made files -----------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "training"])
def test_root_and_training_folder_open_alike(root, below):
    frame, annotation = KittiDataset(root / below)[0]
    assert (frame.name, frame.scene, frame.timestamp_ns, frame.missing) == (
        "000003",
        "000003",
        0,
        (),
    )
    assert (
        frame.points.shape == (50, 4)
        and frame.image.shape == (32, 64, 3)
        and len(annotation.boxes) == 1
    )


def test_the_ego_frame_lies_below_the_velodyne(root):
    frame, _ = KittiDataset(root)[0]
    np.testing.assert_allclose(apply(frame.ego_from_lidar, np.zeros((1, 3))), [[0, 0, 1.73]])


def test_fourth_column_of_p2_moves_the_camera(root):
    frame, _ = KittiDataset(root)[0]
    pixels, depth = project(frame.camera.image_from_ego, np.array([[20.0, 1.0, 0.5]]))
    # Velodyne (20, 1, 0.5 - 1.73) in camera 0 is (-1, 1.23 - 0.08, 20 - 0.27); P2 by hand:
    x, y, z = -1.0, 1.15, 19.73
    np.testing.assert_allclose(depth, z + 0.003)
    np.testing.assert_allclose(
        pixels, [[(700 * x + 31.5 * z + 42) / (z + 0.003), (700 * y + 15.5 * z) / (z + 0.003)]]
    )
    assert np.allclose(frame.camera.matrix, [[700, 0, 31.5], [0, 700, 15.5], [0, 0, 1]])


def test_box_stands_on_its_bottom_centre_and_heads_forward(root):
    _, annotation = KittiDataset(root)[0]
    boxes = annotation.boxes
    # (1, 1.65, 20) in camera 0 is the bottom. The camera is 0.27 m in front of the velodyne and
    # 0.08 m below it. The velodyne is at 1.73 m.
    np.testing.assert_allclose(boxes.centers, [[20.27, -1.0, 1.73 - 0.08 - 1.65 + 0.75]], atol=1e-9)
    np.testing.assert_allclose(boxes.sizes, [[4.0, 1.6, 1.5]])
    np.testing.assert_allclose(boxes.yaws, [0], atol=1e-6)


@pytest.mark.parametrize(
    "kind, label, ignored",
    [
        ("Van", 0, False),
        ("Truck", 1, False),
        ("Person_sitting", 2, True),
        ("Cyclist", 3, False),
        ("Tram", BOX_IGNORED, True),
        ("Misc", BOX_IGNORED, True),
    ],
)
def test_classes_map_to_those_of_boxes_4(tmp_path, kind, label, ignored):
    tiny_data.write_kitti_frame(tmp_path, "000000", label_line(kind))
    _, annotation = KittiDataset(tmp_path)[0]
    assert annotation.box_labels == load_label_set("kitti_boxes")
    assert annotation.box_labels.classes[annotation.boxes.labels[0]] == kind
    annotation = annotation.with_labels(box_labels=load_label_set("boxes_4"))
    assert (annotation.boxes.labels.tolist(), annotation.ignored.tolist()) == ([label], [ignored])


def test_a_sitting_person_is_not_ignored_in_kittis_own_classes(tmp_path):
    tiny_data.write_kitti_frame(tmp_path, "000000", label_line("Person_sitting"))
    _, annotation = KittiDataset(tmp_path)[0]
    annotation = annotation.with_labels(box_labels=load_label_set("kitti_boxes"))
    assert annotation.ignored is None or not annotation.ignored.any()


def test_dont_care_is_an_area_and_not_a_box(tmp_path):
    tiny_data.write_kitti_frame(
        tmp_path, "000000", "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"
    )
    _, annotation = KittiDataset(tmp_path)[0]
    assert len(annotation.boxes) == 0 and annotation.dont_care[CAMERA].tolist() == [[1, 2, 3, 4]]


def test_an_empty_label_file_means_no_objects(tmp_path):
    tiny_data.write_kitti_frame(tmp_path, "000000", "")
    frame, annotation = KittiDataset(tmp_path)[0]
    assert len(annotation.boxes) == 0 and frame.missing == ()


@pytest.mark.parametrize(
    "labels, message",
    [
        (
            label_line("Car") + label_line("Ufo"),
            "000000.txt, line 2: unknown class 'Ufo' of .*Person_sitting",
        ),
        (label_line("Car")[:40], "000000.txt, line 1: expected 15 fields"),
        (label_line("Car").replace("1.65", "x"), "000000.txt, line 1: expected numbers"),
        (
            label_line("Van") + label_line("Car").replace("1.60", "0.0"),
            r"000000.txt, line 2: expected length, width and height above 0, got 4 x 0 x 1.5 m; "
            "correct the box or delete it",
        ),
        (label_line("Car").replace("4.00", "-1"), "line 1: .*got -1 x 1.6 x 1.5 m"),
        (
            label_line("Car").replace("-1.5707963", "-90"),
            "000000.txt, line 1: expected a rotation from -2 pi to 2 pi radians, got 90; convert",
        ),
        (label_line("Car").replace("4.00", "inf"), "line 1: expected finite numbers"),
    ],
)
def test_wrong_label_line_is_named(tmp_path, labels, message):
    tiny_data.write_kitti_frame(tmp_path, "000000", labels)
    with pytest.raises(ValueError, match=message):
        KittiDataset(tmp_path)[0]


@pytest.mark.parametrize(
    "folder, part",
    [
        ("image_2", "image"),
        ("velodyne", "lidar"),
        ("calib", "calib"),
        ("label_2", "boxes"),
        ("semantic", "mask"),
    ],
)
def test_a_missing_file_is_named_and_the_rest_is_read(tmp_path, folder, part):
    tiny_data.write_kitti_drive(tmp_path, 1)
    next((tmp_path / "training" / folder).iterdir()).unlink()
    frame, annotation = KittiDataset(tmp_path)[0]
    assert frame.missing == (part,)
    assert (frame.points is None) == (part == "lidar")
    # Without its calibration, an image cannot be used.
    assert (frame.image is None) == (part in ("image", "calib"))
    assert (annotation.boxes is None) == (part in ("boxes", "calib"))
    assert (annotation.mask is None) == (part == "mask")


def test_labels_are_not_missing_without_a_label_folder(root):
    for file in (root / "training" / "label_2").iterdir():
        file.unlink()
    (root / "training" / "label_2").rmdir()
    frame, annotation = KittiDataset(root)[0]
    assert frame.missing == () and annotation.boxes is None


@pytest.mark.parametrize(
    "file, message",
    [
        ("image_2/000003.png", "truncated or damaged PNG"),
        ("velodyne/000003.bin", "multiple of 16"),
        ("calib/000003.txt", "expected .* numbers"),
    ],
)
def test_truncated_file_is_named(root, file, message):
    path = root / "training" / file
    path.write_bytes(path.read_bytes()[:-77])
    with pytest.raises(ValueError, match=rf"{path.name}.*{message}"):
        KittiDataset(root)[0]


def test_simulated_masks_and_table_are_read(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 3)
    frame, annotation = KittiDataset(tmp_path)[2]
    assert (frame.scene, frame.timestamp_ns) == ("drive_a", 5_200_000_000)
    assert (annotation.mask == 2).all()
    assert annotation.mask_labels == load_label_set("driving_13")
    groups = load_label_set("groups_6")
    group_mask = annotation.with_labels(mask_labels=groups).mask
    assert (group_mask == groups.index("other")).all()  # class 2 is sidewalk


OWN_LABELS = """
classes:
  drivable: {color: [128, 64, 128]}
  obstacle: {color: [200, 0, 0]}
coarser:
  groups_6: {road: [drivable], other: [obstacle]}
"""


def test_masks_may_have_classes_of_their_own(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 2)
    (tmp_path / "training" / "semantic" / "labels.yaml").write_text(OWN_LABELS)
    dataset = KittiDataset(tmp_path)
    assert len(dataset) == 2 and dataset[0][0].missing == ()
    annotation = dataset[1][1]
    assert annotation.mask_labels.classes == ("drivable", "obstacle")
    assert (annotation.mask == 1).all()
    groups = load_label_set("groups_6")
    group_mask = annotation.with_labels(mask_labels=groups).mask
    assert (group_mask == groups.index("other")).all()


OWN_BOXES = """
classes:
  Bus: {color: [255, 140, 0]}
  Person: {color: [230, 30, 90]}
  Cone: {color: [0, 0, 0]}
coarser:
  boxes_4: {truck: [Bus], pedestrian: [Person], none: [Cone]}
"""


def test_boxes_may_have_classes_of_their_own(tmp_path):
    lines = "".join(map(label_line, ("Person", "Bus", "Cone")))
    tiny_data.write_kitti_frame(tmp_path, "000000", lines)
    (tmp_path / "training" / "label_2" / "labels.yaml").write_text(OWN_BOXES)
    dataset = KittiDataset(tmp_path)
    frame, annotation = dataset[0]
    assert len(dataset) == 1 and frame.missing == () and dataset.notes == ()
    assert dataset.box_labels == annotation.box_labels
    assert annotation.box_labels.classes == ("Bus", "Person", "Cone")
    assert annotation.boxes.labels.tolist() == [1, 0, 2]
    usual = load_label_set("boxes_4")
    annotation = annotation.with_labels(box_labels=usual)
    names = [usual.classes[label] for label in annotation.boxes.labels]
    assert names == ["pedestrian", "truck"]


def test_the_name_person_which_only_the_tracking_layout_has_is_not_taken_for_a_sitting_person(
    tmp_path,
):
    tiny_data.write_kitti_frame(tmp_path, "000000", label_line("Person"))
    with pytest.raises(ValueError, match=r"000000\.txt, line 1: unknown class 'Person'"):
        KittiDataset(tmp_path)[0]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("semantic", "the masks are taken for those of driving_13"),
        ("label_2", "the boxes are taken for those of kitti_boxes"),
    ],
)
def test_a_label_set_file_with_a_wrong_name_is_noted_with_the_remedy(tmp_path, folder, expected):
    tiny_data.write_kitti_drive(tmp_path, 1)
    tiny_data.write_kitti_frame(tmp_path, "000000", label_line("Car"))
    assert KittiDataset(tmp_path).notes == ()
    own = tmp_path / "training" / folder / "labels.yml"
    own.write_text(OWN_LABELS)
    (note,) = KittiDataset(tmp_path).notes
    assert str(own) in note and expected in note
    assert "rename it to labels.yaml" in note
    own.rename(own.with_suffix(".yaml"))
    assert KittiDataset(tmp_path).notes == ()


def test_a_mask_with_a_class_outside_its_label_set_is_refused(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 3)
    (tmp_path / "training" / "semantic" / "labels.yaml").write_text(OWN_LABELS)
    with pytest.raises(ValueError, match=r"000002\.png: unknown class 2 .*expected 0 to 1 or 255"):
        KittiDataset(tmp_path)[2]


def test_a_damaged_label_set_is_named_when_the_folder_is_opened(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 1)
    (tmp_path / "training" / "semantic" / "labels.yaml").write_text("classes: {car: {}}")
    with pytest.raises(ValueError, match=r"labels\.yaml: classes\.car\.color: expected"):
        KittiDataset(tmp_path)


def test_unknown_class_in_a_mask_is_named_with_its_pixel(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 1)
    mask = np.zeros(tiny_data.KITTI_SIZE[::-1], np.uint8)
    mask[3, 7] = 13
    tiny_data.write_png(tmp_path / "training" / "semantic" / "000000.png", mask)
    with pytest.raises(ValueError, match=r"000000.png: unknown class 13 at pixel x 7, y 3"):
        KittiDataset(tmp_path)[0]


def test_mask_of_another_size_is_refused(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 1)
    tiny_data.write_png(
        tmp_path / "training" / "semantic" / "000000.png", np.zeros((8, 8), np.uint8)
    )
    with pytest.raises(ValueError, match=r"000000.png: expected 64 x 32 pixels"):
        KittiDataset(tmp_path)[0]


@pytest.mark.parametrize(
    "text, message",
    [
        ("frame,scene\n000003,a\n", "expected the columns frame, scene, time_ns"),
        ("frame,scene,time_ns\n000003,a,soon\n", "line 2"),
        (f"frame,scene,time_ns\n000003,a,{2**64}\n", "line 2: expected at most"),
        ("frame,scene,time_ns\n000003,a,1\n3,b,1\n", "line 3: second row for frame 3;"),
        ("frame,scene,time_ns\n000009,a,1\n", "none for 000003"),
    ],
)
def test_wrong_table_is_refused(root, text, message):
    (root / "training" / "frames.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"frames.csv.*{message}"):
        KittiDataset(root)


# --- real files ----------------------------------------------------------------------------------


def test_the_error_for_an_interrupted_simulation_says_how_to_continue(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 2)
    table = tmp_path / "training" / "frames.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match=r"none for 000001; add it, or repeat the command if"):
        KittiDataset(tmp_path)


def test_real_frames_are_complete(real):
    assert [int(frame.name) for frame, _ in real] == [0, 2, 4, 6, 8, 10, 31, 60, 76, 134, 142]
    assert all(frame.missing == () for frame, _ in real)


def test_real_boxes_project_to_their_2d_labels(real, real_data):
    overlaps, vehicles = [], []
    for frame, annotation in real:
        lines = (
            (real_data / "kitti/training/label_2" / f"{frame.name}.txt").read_text().splitlines()
        )
        labels = np.array(
            [line.split()[4:8] for line in lines if not line.startswith("DontCare")], float
        )
        bounds = box_image_bounds(annotation.boxes, frame.camera.image_from_ego)
        width, height = frame.camera.size
        bounds = bounds.clip(0, [width - 1, height - 1] * 2)
        low, high = (
            np.maximum(bounds[:, :2], labels[:, :2]),
            np.minimum(bounds[:, 2:], labels[:, 2:]),
        )
        overlap = (high - low).clip(0).prod(1)
        union = (
            (bounds[:, 2:] - bounds[:, :2]).prod(1)
            + (labels[:, 2:] - labels[:, :2]).prod(1)
            - overlap
        )
        overlaps += list(overlap / union)
        four = annotation.with_labels(box_labels=load_label_set("boxes_4"))
        vehicles += list(four.boxes.labels < 2)
    overlaps = np.array(overlaps)
    assert np.median(overlaps) > 0.97
    assert overlaps[vehicles].min() > 0.85  # a pedestrian's 2D label follows its limbs, not its box


def test_real_boxes_contain_points(real):
    counts = np.concatenate(
        [
            points_in_boxes(apply(frame.ego_from_lidar, frame.points[:, :3]), annotation.boxes).sum(
                1
            )
            for frame, annotation in real
        ]
    )
    assert (counts > 0).mean() > 0.98


def test_real_cropped_points_fall_into_the_image(real):
    for frame, _ in real:
        if frame.name == "000008":  # a full turn
            continue
        pixels, depth = project(
            frame.camera.image_from_ego, apply(frame.ego_from_lidar, frame.points[:, :3])
        )
        inside = (depth > 0) & (pixels >= -1).all(1) & (pixels <= frame.camera.size).all(1)
        assert inside.mean() > 0.99
