import numpy as np
import pytest
from bev_semseg_ros.model.targets import Targets, frame_targets

from bev_semseg_ros.config import GridConfig, LossConfig
from bev_semseg_ros.frame import Boxes

GRID = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)  # 32 x 32 output cells of 0.4 m
LOSS = LossConfig()


def box(x=5.1, y=0.3, yaw=0.4, label=0, size=(4.0, 1.8, 1.5)):
    return Boxes(
        np.array([[x, y, 0.8]]), np.array([size]), np.array([yaw]), np.array([label]), np.ones(1)
    )


def targets(boxes, ignored=None, points=None, mask=None):
    return frame_targets(boxes, ignored, points, mask, GRID, LOSS)


def cell_of(x, y):
    return int(x / 0.4), int((y + 6.4) / 0.4)


def cloud(count, center=(5.1, 0.3, 0.8)):
    return np.concatenate([np.tile(center, (count, 1)), np.ones((count, 1))], 1).astype(np.float32)


def test_the_heatmap_is_one_at_the_centre_of_the_box_and_less_elsewhere():
    heatmap = targets(box(label=2)).heatmap
    assert np.argwhere(heatmap == 1).tolist() == [[2, *cell_of(5.1, 0.3)]]


def test_larger_classes_have_wider_peaks():
    width = [(targets(box(label=label)).heatmap[label] > 0.3).sum() for label in (1, 0, 3, 2)]
    assert width == sorted(width, reverse=True) and width[0] > width[-1]


def test_the_regression_points_from_each_cell_to_the_same_centre():
    found = targets(box())
    cells = np.stack([found.cells // 32, found.cells % 32], 1)
    centers = (cells + 0.5 + found.values[:, :2]) * 0.4 + [0, -6.4]
    assert len(cells) == 9 and np.allclose(centers, [5.1, 0.3], atol=1e-5)


def test_the_centre_cell_weighs_most():
    found = targets(box())
    x, y = cell_of(5.1, 0.3)
    assert found.weights[
        found.cells == x * 32 + y
    ].item() == 1 and found.weights.sum() == pytest.approx(1 + 8 * 0.3)


def test_turning_a_box_round_changes_its_direction_but_not_its_axis():
    there, back = targets(box(yaw=0.4)).values, targets(box(yaw=0.4 + np.pi)).values
    assert np.allclose(there[:, :8], back[:, :8], atol=1e-6) and np.allclose(
        there[:, 8:], -back[:, 8:], atol=1e-6
    )


def test_a_cell_between_two_boxes_goes_to_the_nearer():
    found = targets(Boxes.concatenate([box(x=5.0, y=0.2), box(x=5.4, y=0.2)]))
    assert len(np.unique(found.cells)) == len(found.cells)
    assert np.abs(found.values[:, :2]).max() <= 1.5
    assert (found.weights == 1).sum() == 2


def test_a_box_with_few_points_is_neither_demanded_nor_forbidden():
    found = targets(box(), points=cloud(4))
    x, y = cell_of(5.1, 0.3)
    assert not found.heatmap.any() and len(found.cells) == 0
    assert (found.negative_weight == 0).sum() == 49 and found.negative_weight[x, y] == 0


def test_a_box_with_enough_points_is_demanded():
    assert targets(box(), points=cloud(5)).heatmap.max() == 1


@pytest.mark.parametrize(
    "boxes, ignored", [(box(), np.array([True])), (box(label=-1), np.array([False]))]
)
def test_ignored_truth_is_neither_demanded_nor_forbidden(boxes, ignored):
    found = targets(boxes, ignored)
    assert not found.heatmap.any() and (found.negative_weight == 0).sum() == 49


def test_a_frame_without_a_box_file_demands_nothing_and_one_without_objects_demands_absence():
    assert not targets(None).negative_weight.any()
    assert targets(Boxes.empty()).negative_weight.all()


def test_boxes_outside_of_the_grid_leave_no_trace():
    found = targets(Boxes.concatenate([box(x=13.5), box(x=-40), box(y=6.41)]))
    assert not found.heatmap.any() and len(found.cells) == 0 and found.negative_weight.all()


def test_a_box_in_the_corner_of_the_grid_is_cut_at_the_border():
    found = targets(box(x=0.1, y=-6.3))
    assert found.heatmap[0, 0, 0] == 1 and sorted(found.cells.tolist()) == [0, 1, 32, 33]


def test_the_mask_is_halved_without_moving_edges():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 21:] = 5  # an edge within a pair of pixels
    assert (targets(None, mask=mask).mask == 5).mean() == pytest.approx(19 / 40, abs=1e-6)


def test_stacked_frames_keep_their_places():
    mask = np.full((16, 24), 3, np.uint8)
    batch = Targets.stack([targets(box()), targets(box(x=2.1), mask=mask)])
    x, y = cell_of(2.1, 0.3)
    assert batch.heatmap.shape == (2, 4, 32, 32) and batch.heatmap[1, 0, x, y] == 1
    assert 32 * 32 + x * 32 + y in batch.cells.tolist()
    assert (batch.mask[0] == 255).all() and (batch.mask[1] == 3).all()


def test_masks_of_different_size_are_refused():
    frames = [targets(None, mask=np.zeros(size, np.uint8)) for size in ((16, 24), (8, 8))]
    with pytest.raises(ValueError, match="one size"):
        Targets.stack(frames)
