import json

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.labels import UnknownLabelError, load_label_set

CLASSES = load_label_set("driving_13").classes
LABELS = "classes:\n" + "".join(f"  {name}: {{color: [0, 0, 0]}}\n" for name in CLASSES)


@pytest.fixture
def training(tmp_path):
    """Return the training folder of one frame, in which all points are road."""
    tiny_data.write_kitti_frame(tmp_path, "000001")
    training = tmp_path / "training"
    (training / "labels").mkdir()
    (training / "labels" / "labels.yaml").write_text(LABELS)
    write_labels(training, [0] * count(training))
    return training


def count(training):
    return (training / "velodyne" / "000001.bin").stat().st_size // 16


def write_labels(training, classes):
    # The upper 16 bits are SemanticKITTI's object id.
    numbers = np.array(classes, "<u4") % 256 + (7 << 16)
    (training / "labels" / "000001.label").write_bytes(numbers.tobytes())


def test_object_ids_are_removed_from_the_classes_of_points(training):
    expected = [i % 13 for i in range(count(training) - 1)] + [255]
    write_labels(training, expected)
    annotation = open_dataset(training)[0][1]
    (classes,) = annotation.point_classes.values()
    assert classes.tolist() == expected
    assert annotation.mask_labels == load_label_set("driving_13")


def test_a_label_file_with_a_wrong_number_of_points_is_named(training):
    write_labels(training, [0])
    with pytest.raises(ValueError, match=r"000001\.label: 4 bytes; expected 4 for each of the"):
        open_dataset(training)[0]


def test_a_class_outside_the_label_set_is_named(training):
    write_labels(training, [40] * count(training))
    with pytest.raises(UnknownLabelError, match=r"000001\.label: unknown class 40 of point 0"):
        open_dataset(training)[0]


def test_semantic_kittis_own_files_are_refused(training):
    (training / "labels" / "labels.yaml").unlink()
    with pytest.raises(ValueError, match="SemanticKITTI"):
        open_dataset(training)


def test_points_and_masks_with_different_classes_are_refused(training):
    (training / "semantic").mkdir()
    (training / "labels" / "labels.yaml").write_text("classes: {street: {color: [0, 0, 0]}}")
    with pytest.raises(ValueError, match="expected the classes of the masks, road, "):
        open_dataset(training)


def test_a_missing_label_file_is_reported(training):
    (training / "labels" / "000001.label").rename(training / "labels" / "000002.label")
    frame, annotation = open_dataset(training)[0]
    assert frame.missing == ("point_classes",) and annotation.point_classes == {}


def test_point_labels_with_another_ending_get_a_note(training):
    (training / "labels" / "000001.label").rename(training / "labels" / "000001.npy")
    dataset = open_dataset(training)
    assert dataset[0][1].point_classes == {}
    (note,) = dataset.notes
    assert note == "labels has 2 entries such as 000001.npy, none of them .label"


@pytest.fixture
def bev(training):
    """Return the same folder with a BEV map of 2 x 3 cells."""
    grid = {"label_set": "bev_8", "x_min": -1, "y_min": -2.0, "cell": 0.5}
    (training / "bev_grid.json").write_text(json.dumps(grid))
    tiny_data.write_png(
        training / "bev" / "000001.png", np.array([[0, 1, 2], [3, 4, 255]], np.uint8)
    )
    seen = np.array([[0, 0, 255], [0, 0, 0]], np.uint8)
    tiny_data.write_png(training / "bev_observed" / "000001.png", seen)
    return training


def test_the_top_left_of_a_bev_image_is_ahead_and_to_the_left(bev):
    found = open_dataset(bev)[0][1].bev
    assert found.classes.tolist() == [[255, 4, 3], [2, 1, 0]]
    assert np.argwhere(found.observed).tolist() == [[1, 0]]
    assert found.centers()[1, 2].tolist() == [-0.25, -0.75]


def test_bev_images_of_different_sizes_are_named(bev):
    tiny_data.write_png(bev / "bev_observed" / "000001.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"bev_observed/000001\.png: .*expected observed of"):
        open_dataset(bev)[0]


def test_a_bev_grid_without_a_cell_size_is_named(bev):
    (bev / "bev_grid.json").write_text('{"label_set": "bev_8", "x_min": 0, "y_min": 0}')
    with pytest.raises(ValueError, match=r"bev_grid\.json: expected .*cell"):
        open_dataset(bev)


def test_a_bev_folder_without_a_grid_is_ignored_with_a_note(bev):
    assert open_dataset(bev).notes == ()
    (bev / "bev_grid.json").unlink()
    dataset = open_dataset(bev)
    frame, annotation = dataset[0]
    assert frame.missing == () and annotation.bev is None
    (note,) = dataset.notes
    assert note.startswith("bev has 1 file") and "bev_grid.json is missing: restore it" in note
