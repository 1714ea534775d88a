from dataclasses import replace

import numpy as np
import pytest
import torch
from bev_semseg_ros.model.decoding import decode, decode_mask, peaks
from bev_semseg_ros.model.targets import Targets, frame_targets
from torch.nn import functional as F

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import wrap_angle
from bev_semseg_ros.model.network import Outputs

CONFIG = replace(Config(), grid=GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8))


def truth():
    centers = np.array([[5.1, 0.3, 0.8], [12.0, -7.7, 1.5], [20.3, 3.3, 0.9], [3.0, 9.9, 0.85]])
    sizes = np.array([[4.0, 1.8, 1.5], [9.0, 2.5, 3.2], [0.6, 0.6, 1.7], [1.8, 0.6, 1.7]])
    return Boxes(centers, sizes, np.array([0.4, -2.6, 3.0, np.pi / 2]), np.arange(4), np.ones(4))


def outputs_of(*frames):
    """The outputs of a network that knows the truth."""
    targets = Targets.stack(
        [frame_targets(boxes, None, None, None, CONFIG.grid, CONFIG.loss) for boxes in frames]
    )
    regression = torch.zeros(len(frames) * 64 * 64, 10)
    regression[targets.cells] = targets.values
    heatmap = torch.logit(targets.heatmap.clamp(1e-4, 0.999))
    return Outputs(heatmap, regression.reshape(len(frames), 64, 64, 10).permute(0, 3, 1, 2), None)


def test_decoding_the_targets_gives_the_true_boxes():
    (boxes,) = decode(outputs_of(truth()), CONFIG, 0.9)
    boxes, expected = boxes[np.argsort(boxes.labels)], truth()
    assert np.allclose(boxes.centers, expected.centers, atol=1e-4)
    assert np.allclose(boxes.sizes, expected.sizes, atol=1e-4)
    assert np.abs(wrap_angle(boxes.yaws - expected.yaws)).max() < 1e-4


def test_each_frame_has_its_own_boxes():
    first, second = decode(outputs_of(truth()[:1], truth()[1:]), CONFIG, 0.9)
    assert first.labels.tolist() == [0] and sorted(second.labels) == [1, 2, 3]


def test_boxes_come_by_falling_score_and_above_the_threshold():
    outputs = outputs_of(truth())
    outputs.heatmap[0, 1] -= 8
    (boxes,) = decode(outputs, CONFIG, 0.5)
    assert (
        1 not in boxes.labels and (np.diff(boxes.scores) <= 0).all() and boxes.scores.min() >= 0.5
    )


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
    car, found = truth()[:1], []
    for distance in (1.2, 2.4):
        other = Boxes(
            car.centers + np.array([distance, 0, 0]), car.sizes, car.yaws, car.labels, car.scores
        )
        found.append(len(decode(outputs_of(Boxes.concatenate([car, other])), CONFIG, 0.9)[0]))
    assert found == [1, 2]


def test_another_class_at_the_same_place_is_kept():
    car = truth()[:1]
    rider = Boxes(car.centers, car.sizes, car.yaws, np.array([3]), car.scores)
    assert len(decode(outputs_of(Boxes.concatenate([car, rider])), CONFIG, 0.9)[0]) == 2


def test_there_are_at_most_max_boxes():
    config = replace(CONFIG, decoding=replace(CONFIG.decoding, max_boxes=2))
    assert len(decode(outputs_of(truth()), config, 0.9)[0]) == 2


def test_no_heatmap_means_no_boxes():
    assert decode(Outputs(None, None, None), CONFIG) == []


@pytest.mark.parametrize("smoothness", [1, 3, 50])
def test_the_mask_is_the_arg_max_of_the_upsampled_logits(smoothness):
    torch.manual_seed(1)
    coarse = torch.randn(1, 13, max(24 // smoothness, 2), max(40 // smoothness, 2))
    logits = F.interpolate(coarse, size=(24, 40), mode="bicubic")
    expected = F.interpolate(logits, scale_factor=4, mode="bilinear").argmax(1)[0].numpy()
    assert (decode_mask(logits[0]) == expected).mean() > 0.9999


def test_a_picture_of_one_class_is_that_class():
    logits = torch.zeros(13, 3, 5)
    logits[7] = 1
    assert (decode_mask(logits) == 7).all() and decode_mask(logits).shape == (12, 20)
