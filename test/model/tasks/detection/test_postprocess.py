from dataclasses import replace

import numpy as np
import torch
from support.samples import GRID, sample, small_config

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import wrap_angle
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.detection.postprocess import (
    decode_boxes,
    join_boxes,
    peaks,
    unsuppressed,
)
from bev_semseg_ros.model.tasks.detection.targets import collate_boxes, encode_boxes
from bev_semseg_ros.model.tasks.detection.task import DetectionTask

LABELS = load_label_set("boxes_4")


def ground_truth():
    centers = np.array([[5.1, 0.3, 0.8], [12.0, -7.7, 1.5], [20.3, 3.3, 0.9], [3.0, 9.9, 0.85]])
    sizes = np.array([[4.0, 1.8, 1.5], [9.0, 2.5, 3.2], [0.6, 0.6, 1.7], [1.8, 0.6, 1.7]])
    return Boxes(centers, sizes, np.array([0.4, -2.6, 3.0, np.pi / 2]), np.arange(4), np.ones(4))


def outputs_of(*frames):
    """Return the outputs of a network that predicts the ground truth."""
    targets = collate_boxes([encode_boxes(boxes, None, None, LABELS, GRID) for boxes in frames])
    regression = torch.zeros(len(frames) * 64 * 64, 10)
    regression[targets["cells"]] = targets["values"]
    return {
        "heatmap": torch.logit(targets["heatmaps"][LABELS]["heatmap"].clamp(1e-4, 0.999)),
        "regression": regression.reshape(len(frames), 64, 64, 10).permute(0, 3, 1, 2),
    }


def decode(outputs, score_threshold=0.9, max_boxes=120):
    heatmap, regression = outputs["heatmap"], outputs["regression"]
    return decode_boxes(heatmap, regression, GRID, LABELS, score_threshold, max_boxes)


def test_decoding_the_targets_gives_the_true_boxes():
    (boxes,) = decode(outputs_of(ground_truth()))
    boxes, expected = boxes[np.argsort(boxes.labels)], ground_truth()
    assert boxes.labels.tolist() == [0, 1, 2, 3]
    assert np.allclose(boxes.centers, expected.centers, atol=1e-4)
    assert np.allclose(boxes.sizes, expected.sizes, atol=1e-4)
    assert np.abs(wrap_angle(boxes.yaws - expected.yaws)).max() < 1e-4


def test_extreme_sizes_are_clipped():
    outputs = outputs_of(ground_truth()[:1])
    outputs["regression"][:, 3:6] = torch.tensor([900.0, -900.0, 1.0])[None, :, None, None]
    (boxes,) = decode(outputs)
    length, width, height = boxes.sizes[0]
    assert 20 < length < 100 and 0.01 < width < 0.05 and np.isclose(height, np.e)


def test_each_frame_has_its_own_boxes():
    first, second = decode(outputs_of(ground_truth()[:1], ground_truth()[1:]))
    assert first.labels.tolist() == [0]
    assert sorted(second.labels) == [1, 2, 3]


def test_boxes_are_sorted_by_score_and_above_the_threshold():
    outputs = outputs_of(ground_truth())
    outputs["heatmap"][0, 1] -= 8
    (boxes,) = decode(outputs, 0.5)
    assert 1 not in boxes.labels
    assert (np.diff(boxes.scores) <= 0).all()
    assert boxes.scores.min() >= 0.5


def test_equal_neighbours_make_one_peak():
    scores = torch.zeros(1, 1, 8, 8)
    scores[0, 0, 2:4, 2:5] = 0.5
    assert (peaks(scores) & (scores > 0))[0, 0].nonzero().tolist() == [[2, 2]]


def test_a_peak_on_the_border_counts():
    scores = torch.zeros(1, 1, 8, 8)
    scores[0, 0, 0, 7] = scores[0, 0, 7, 0] = 0.5
    found = peaks(scores)[0, 0]
    assert found[0, 7] and found[7, 0]


def test_a_weaker_box_of_the_same_class_within_the_radius_is_suppressed():
    car, found = ground_truth()[:1], []
    for distance in (1.2, 2.4):
        other = replace(car, centers=car.centers + np.array([distance, 0, 0]))
        found.append(len(decode(outputs_of(Boxes.concatenate([car, other])))[0]))
    assert found == [1, 2]


def test_a_suppressed_box_stays_so_whatever_boxes_elsewhere_are_kept():
    x = [5.0, 15.0, 5.5, 15.5]
    centers = np.stack([x, np.zeros(4), np.ones(4)], 1)
    cars = Boxes(centers, np.ones((4, 3)), np.zeros(4), np.zeros(4), np.linspace(0.9, 0.6, 4))
    assert unsuppressed(cars, np.array(LABELS.suppression_radius)).tolist() == [1, 1, 0, 0]


def test_another_class_at_the_same_place_is_kept():
    car = ground_truth()[:1]
    cyclist = replace(car, labels=np.array([3]))
    assert len(decode(outputs_of(Boxes.concatenate([car, cyclist])))[0]) == 2


def test_each_class_has_the_suppression_radius_of_its_label_set():
    near = replace(
        Boxes.concatenate([ground_truth()[:1]] * 2),
        centers=np.array([[10, 0, 1], [11, 0, 1]]),
        scores=np.array([0.9, 0.8]),
    )
    radius = np.array(LABELS.suppression_radius)
    kept = {
        name: unsuppressed(replace(near, labels=np.full(2, LABELS.index(name))), radius).tolist()
        for name in ("car", "pedestrian")
    }
    assert kept == {"car": [True, False], "pedestrian": [True, True]}


def test_only_the_max_boxes_best_boxes_are_kept():
    outputs = outputs_of(ground_truth())
    for label, lower in enumerate((2.0, 0.0, 3.0, 1.0)):
        outputs["heatmap"][0, label] -= lower
    assert decode(outputs, 0.5, max_boxes=2)[0].labels.tolist() == [1, 3]


def test_the_task_takes_threshold_and_number_of_boxes_from_the_configuration():
    config = small_config()
    config = replace(config, postprocess=replace(config.postprocess, max_boxes=3))
    task = DetectionTask(config, LABELS)
    outputs = outputs_of(ground_truth())
    outputs["heatmap"] -= 8
    assert len(task.postprocess(outputs, sample())) == 0
    assert len(task.postprocess(outputs, sample(), 0.1)) == 3


def cars(*places):
    count = len(places)
    scores = np.linspace(0.9, 0.5, count)
    centers = [(x, y, 0.8) for x, y in places]
    return Boxes(centers, np.full((count, 3), 2.0), np.zeros(count), np.zeros(count), scores)


def test_each_pass_keeps_only_the_boxes_of_its_own_half():
    ahead = cars((10, 2), (-3, 4))  # the second lies in the half of the other pass
    behind = cars((20, 5), (-1, 3))
    boxes = join_boxes(ahead, behind, LABELS)
    np.testing.assert_allclose(boxes.centers[:, :2], [[10, 2], [-20, -5]], atol=1e-9)
    np.testing.assert_allclose(np.abs(boxes.yaws), [0, np.pi], atol=1e-9)
    assert (np.diff(boxes.scores) <= 0).all()


def test_an_object_at_the_seam_is_found_once_and_the_ego_vehicle_never():
    boxes = join_boxes(cars((0.1, 4), (0.5, 0.2)), cars((0.2, -4), (0.3, 0)), LABELS)
    assert boxes.centers[:, :2].tolist() == [[0.1, 4]]


def test_a_car_at_the_seam_is_kept_if_each_pass_places_it_in_the_other_half():
    boxes = join_boxes(cars((-0.3, 4)), cars((-0.2, -4)), LABELS)
    assert len(boxes) == 1 and abs(boxes.centers[0, 0]) < 0.5
