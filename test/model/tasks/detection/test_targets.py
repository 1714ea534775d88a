from dataclasses import replace

import numpy as np
import pytest
from support.samples import box

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.model.tasks.detection.targets import collate_boxes, encode_boxes, unlabelled
from bev_semseg_ros.model.tasks.detection.task import DetectionTask
from bev_semseg_ros.preprocessing import Sample

GRID = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)  # 32 x 32 output cells of 0.4 m
LABELS = load_label_set("boxes_4")


def encode(boxes, ignored=None, points=None):
    return encode_boxes(boxes, ignored, points, LABELS, GRID)


def cell_of(x, y):
    return int(x / 0.4), int((y + 6.4) / 0.4)


def cloud(count, center=(5.1, 0.3, 0.8)):
    return np.concatenate([np.tile(center, (count, 1)), np.ones((count, 1))], 1).astype(np.float32)


def test_the_heatmap_is_one_at_the_centre_of_the_box_and_less_elsewhere():
    heatmap = encode(box(label=2)).heatmap
    assert np.argwhere(heatmap == 1).tolist() == [[2, *cell_of(5.1, 0.3)]]


@pytest.mark.parametrize("label", range(4))
def test_a_peak_is_a_gaussian_with_the_sigma_of_its_class(label):
    x, y = cell_of(5.1, 0.3)
    sigma = LABELS.heatmap_sigma[label]
    heatmap = encode(box(label=label)).heatmap[label]
    assert heatmap[x + 1, y] == pytest.approx(np.exp(-1 / (2 * sigma**2)))
    assert heatmap[x - 1, y + 1] == pytest.approx(np.exp(-2 / (2 * sigma**2)))


def test_the_regression_points_from_each_cell_to_the_same_centre():
    found = encode(box())
    cells = np.stack([found.cells // 32, found.cells % 32], 1)
    centers = (cells + 0.5 + found.values[:, :2]) * 0.4 + [0, -6.4]
    assert len(cells) == 9 and np.allclose(centers, [5.1, 0.3], atol=1e-5)


def test_the_centre_cell_weighs_most():
    found = encode(box())
    x, y = cell_of(5.1, 0.3)
    assert found.weights[found.cells == x * 32 + y].item() == 1
    assert found.weights.sum() == pytest.approx(1 + 8 * 0.3)


def test_turning_a_box_by_180_degrees_changes_its_direction_but_not_its_axis():
    there, back = encode(box(yaw=0.4)).values, encode(box(yaw=0.4 + np.pi)).values
    assert np.allclose(there[:, :8], back[:, :8], atol=1e-6)
    assert np.allclose(there[:, 8:], -back[:, 8:], atol=1e-6)


def test_a_cell_between_two_boxes_goes_to_the_nearer():
    found = encode(Boxes.concatenate([box(x=5.0, y=0.2), box(x=5.4, y=0.2)]))
    assert len(np.unique(found.cells)) == len(found.cells)
    assert np.abs(found.values[:, :2]).max() <= 1.5
    assert (found.weights == 1).sum() == 2


def test_a_box_with_few_points_is_ignored():
    found = encode(box(), points=cloud(4))
    x, y = cell_of(5.1, 0.3)
    assert not found.heatmap.any() and len(found.cells) == 0
    assert (found.negative_weight == 0).sum() == 49 and found.negative_weight[x, y] == 0


def test_a_box_with_enough_points_has_a_peak():
    assert encode(box(), points=cloud(5)).heatmap.max() == 1


@pytest.mark.parametrize(
    "boxes, ignored", [(box(), np.array([True])), (box(label=-1), np.array([False]))]
)
def test_ignored_ground_truth_has_neither_a_peak_nor_negative_weights(boxes, ignored):
    found = encode(boxes, ignored)
    assert not found.heatmap.any() and (found.negative_weight == 0).sum() == 49


@pytest.mark.parametrize("x", [-40.0, -3.0, -1.1, 6.0, 13.9, 14.1, 60.0])
@pytest.mark.parametrize("y", [-30.0, -7.5, 0.0, 7.5, 30.0])
def test_false_positives_within_three_cells_of_an_ignored_box_do_not_count(x, y):
    found = encode(box(x=x, y=y), np.array([True]))
    center = np.floor([x / 0.4, (y + 6.4) / 0.4])
    cells = np.stack(np.mgrid[:32, :32], -1)
    near = (np.abs(cells - center) <= 3).all(-1)
    assert np.array_equal(found.negative_weight == 0, near)


def test_two_boxes_side_by_side_both_keep_their_peaks():
    heatmap = encode(Boxes.concatenate([box(x=5.0, y=0.2), box(x=5.8, y=0.2)])).heatmap[0]
    assert heatmap[cell_of(5.0, 0.2)] == heatmap[cell_of(5.8, 0.2)] == 1


def test_false_positives_count_in_frames_without_objects_but_not_in_unlabelled_ones():
    assert not unlabelled(GRID).negative_weight.any()
    assert encode(Boxes.empty()).negative_weight.all()


def test_boxes_outside_the_grid_leave_no_trace():
    found = encode(Boxes.concatenate([box(x=13.5), box(x=-40), box(y=6.41)]))
    assert not found.heatmap.any() and len(found.cells) == 0 and found.negative_weight.all()


def test_a_box_in_the_corner_of_the_grid_is_cut_at_the_border():
    found = encode(box(x=0.1, y=-6.3))
    assert found.heatmap[0, 0, 0] == 1 and sorted(found.cells.tolist()) == [0, 1, 32, 33]


def test_targets_have_the_index_of_their_frame():
    batch = collate_boxes([encode(box()), unlabelled(GRID), encode(box(x=2.1))])
    x, y = cell_of(2.1, 0.3)
    (labels, heatmaps), *others = batch["heatmaps"].items()
    assert labels == LABELS and not others
    assert heatmaps["frames"].tolist() == [0, 2]
    assert heatmaps["heatmap"].shape == (2, 4, 32, 32) and heatmaps["heatmap"][1, 0, x, y] == 1
    assert heatmaps["negative_weight"].shape == (2, 32, 32)
    assert 2 * 32 * 32 + x * 32 + y in batch["cells"].tolist()
    assert len(batch["cells"]) == len(batch["values"]) == len(batch["weights"]) == 18


def test_a_batch_without_a_labelled_frame_has_no_targets():
    assert collate_boxes([unlabelled(GRID), unlabelled(GRID)]) is None


# Boxes of label sets other than the network's.


def encode_for(network, boxes, names, data_labels, ignored=None):
    """Return the targets of a frame whose boxes have these classes of a data set."""
    labels = load_label_set(data_labels)
    numbers = np.array([labels.index(name) for name in names])
    placed = Boxes(boxes.centers, boxes.sizes, boxes.yaws, numbers, boxes.scores)
    task = DetectionTask(Config(grid=GRID), load_label_set(network))
    return task.encode(Example(Sample(None), {}, placed, ignored, labels))


TWO = Boxes.concatenate([box(x=2.1, y=-3.1), box(x=9.1, y=3.1)])


@pytest.mark.parametrize(
    "network, data, shared",
    [
        ("boxes_4", "boxes_4", "boxes_4"),
        ("boxes_4", "a2d2_boxes", "boxes_4"),
        ("boxes_4", "kitti_boxes", "boxes_4"),
        ("a2d2_boxes", "a2d2_boxes", "a2d2_boxes"),
        ("a2d2_boxes", "boxes_4", "boxes_4"),
        ("a2d2_boxes", "kitti_boxes", "boxes_4"),
        ("kitti_boxes", "a2d2_boxes", "boxes_4"),
    ],
)
def test_the_heatmap_has_the_classes_of_the_set_that_boxes_and_network_share(network, data, shared):
    names = {"boxes_4": ["car", "truck"]}.get(data, ["Car", "Truck"])
    found = encode_for(network, TWO, names, data)
    expected = load_label_set(shared)
    assert found.labels == expected and len(found.heatmap) == len(expected)
    labels = np.argwhere(found.heatmap == 1)[:, 0]
    assert [expected.classes[label].lower() for label in labels] == ["car", "truck"]
    assert len(found.cells) == 18


def test_boxes_of_classes_that_the_shared_set_ignores_are_ignored():
    found = encode_for("boxes_4", TWO, ["Trailer", "VanSUV"], "a2d2_boxes")
    assert np.argwhere(found.heatmap == 1).tolist() == [[0, *cell_of(9.1, 3.1)]]
    assert found.negative_weight[cell_of(2.1, -3.1)] == 0
    assert (found.negative_weight == 0).sum() == 49
    assert len(found.cells) == 9


def test_boxes_that_are_no_objects_in_the_shared_set_leave_no_trace():
    found = encode_for("boxes_4", TWO, ["Bicycle", "Animal"], "a2d2_boxes")
    assert not found.heatmap.any() and found.negative_weight.all() and len(found.cells) == 0


def test_boxes_of_classes_that_the_network_lacks_leave_no_trace():
    cars = LabelSet("cars", ("sedan", "wagon"), np.zeros((2, 3)), {"boxes_4": ("car", "car")})
    task = DetectionTask(Config(grid=GRID), cars)
    ignored = np.array([False, False, True])
    boxes = Boxes.concatenate([TWO, box(x=5.1, y=0.3)])
    boxes = replace(boxes, labels=np.array([0, 2, -1]))  # a car, a pedestrian, something ignored
    found = task.encode(Example(Sample(None), {}, boxes, ignored, LABELS))
    assert np.argwhere(found.heatmap == 1).tolist() == [[0, *cell_of(2.1, -3.1)]]
    assert len(found.cells) == 9 and (found.negative_weight == 0).sum() == 49


def test_a_finer_network_still_learns_the_classes_that_coarser_sets_ignore():
    found = encode_for("a2d2_boxes", TWO, ["Trailer", "Bicycle"], "a2d2_boxes")
    labels = load_label_set("a2d2_boxes")
    assert np.argwhere(found.heatmap == 1)[:, 0].tolist() == [
        labels.index("Bicycle"),
        labels.index("Trailer"),
    ]
    assert found.negative_weight.all()


def test_ignored_boxes_stay_ignored_in_the_shared_set():
    ignored = np.array([False, True])
    found = encode_for("a2d2_boxes", TWO, ["Pedestrian", "Person_sitting"], "kitti_boxes", ignored)
    assert np.argwhere(found.heatmap == 1).tolist() == [[2, *cell_of(2.1, -3.1)]]
    assert found.negative_weight[cell_of(9.1, 3.1)] == 0


def test_a_batch_keeps_the_heatmaps_of_each_label_set_apart():
    frames = [
        encode_for("a2d2_boxes", TWO, ["Car", "Bus"], "a2d2_boxes"),
        encode_for("a2d2_boxes", TWO, ["car", "truck"], "boxes_4"),
        encode_for("a2d2_boxes", TWO, ["Van", "Tram"], "kitti_boxes"),
    ]
    batch = collate_boxes(frames)
    heatmaps = {labels.name: part for labels, part in batch["heatmaps"].items()}
    assert heatmaps["a2d2_boxes"]["frames"].tolist() == [0]
    assert heatmaps["boxes_4"]["frames"].tolist() == [1, 2]
    assert heatmaps["boxes_4"]["heatmap"].shape == (2, 4, 32, 32)
    assert len(batch["cells"]) == 9 * 5  # the tram is ignored
