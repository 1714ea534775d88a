import numpy as np
import pytest
import torch
from bev_semseg_ros.model.losses import (
    class_weights_from_counts,
    focal_loss,
    losses,
    segmentation_loss,
    unweight,
)
from bev_semseg_ros.model.targets import Targets, frame_targets
from torch.nn import functional as F

from bev_semseg_ros.config import Config, GridConfig, LossConfig, ModelConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.model.network import Network, Outputs

GRID = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)
BOX = Boxes(
    np.array([[5.1, 0.3, 0.8]]),
    np.array([[4.0, 1.8, 1.5]]),
    np.array([0.4]),
    np.array([0]),
    np.ones(1),
)


def batch(boxes=BOX, mask=None):
    return Targets.stack([frame_targets(boxes, None, None, mask, GRID, LossConfig())])


def outputs(heatmap=-4.0, seg=True):
    return Outputs(
        torch.full((1, 4, 32, 32), heatmap, requires_grad=True),
        torch.zeros(1, 10, 32, 32, requires_grad=True),
        torch.zeros(1, 13, 4, 6, requires_grad=True) if seg else None,
    )


def test_a_perfect_answer_costs_next_to_nothing():
    targets = batch()
    perfect = outputs()
    with torch.no_grad():
        perfect.heatmap.copy_((targets.heatmap == 1) * 40.0 - 20)
        flat = perfect.regression.permute(0, 2, 3, 1).contiguous()
        flat.view(-1, 10)[targets.cells] = targets.values
        perfect.regression.copy_(flat.permute(0, 3, 1, 2))
    assert sum(losses(perfect, targets, LossConfig()).values()) < 1e-3


def test_the_focal_loss_is_the_published_formula():
    logits, truth = torch.tensor([[[[0.3, -1.2]]]]), torch.tensor([[[[1.0, 0.5]]]])
    p, q = torch.sigmoid(logits).flatten()
    expected = -((1 - p) ** 2 * p.log() + 0.5**4 * q**2 * (1 - q).log())
    assert focal_loss(logits, truth, torch.ones(1, 1, 2)).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_what_is_neither_demanded_nor_forbidden_gets_no_gradient():
    targets = batch()
    targets.negative_weight[0, :16] = 0
    answer = outputs()
    losses(answer, targets, LossConfig())["heatmap"].backward()
    untouched = answer.heatmap.grad[0, :, :12]
    assert (
        not untouched[targets.heatmap[0, :, :12] != 1].any()
        and answer.heatmap.grad[0, :, 16:].any()
    )


def test_the_direction_weighs_less_than_the_axis():
    targets, config = batch(), LossConfig()
    with torch.no_grad():
        base = losses(outputs(), targets, config)["regression"]
    changed = []
    for channel in (7, 9):
        answer = outputs()
        with torch.no_grad():
            answer.regression[:, channel] = -1  # away from both cosines, which are positive
        changed.append((losses(answer, targets, config)["regression"] - base).item())
    assert changed[1] == pytest.approx(0.3 * changed[0], rel=1e-4)


def test_a_frame_trains_only_what_it_has_truth_for():
    mask = np.zeros((16, 24), np.uint8)
    found = losses(outputs(), batch(None, mask), LossConfig())
    assert found["heatmap"] == 0 and found["regression"] == 0 and found["segmentation"] > 0
    assert "segmentation" not in losses(outputs(), batch(), LossConfig())


def test_what_the_network_did_not_answer_is_not_trained():
    assert losses(Outputs(None, None, None), batch(), LossConfig()) == {}


def test_segmentation_is_the_weighted_mean_cross_entropy_without_ignored_pixels():
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 13, 4, 6), torch.randint(0, 13, (2, 8, 12))
    mask[:, :3] = 255
    weights = torch.rand(13) + 0.1
    up = F.interpolate(logits, scale_factor=2, mode="bilinear")
    expected = F.cross_entropy(up, mask, weights, ignore_index=255)
    assert segmentation_loss(logits, mask, weights).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_wholly_ignored_mask_costs_nothing():
    logits = torch.randn(1, 13, 4, 6, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 8, 12), 255))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_rare_classes_weigh_more_within_the_limits():
    weights = class_weights_from_counts(np.array([1_000_000, 10_000, 1]), LossConfig())
    assert weights[0] < weights[1] <= weights[2] and weights.min() >= 0.3 and weights.max() <= 4.0


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_unweighting_divides_the_odds_of_classes_by_that_power_of_their_weights(share):
    network = Network(Config(model=ModelConfig(camera_encoder="residual"))).eval()
    weights = class_weights_from_counts(np.arange(1, 14) ** 4, LossConfig())
    features = torch.randn(1, 64, 3, 4)
    before = network.camera.segmentation(features).detach()
    unweight(network, weights, share)
    odds = (network.camera.segmentation(features) - before).exp()
    np.testing.assert_allclose(
        odds.detach().numpy(),
        np.broadcast_to(weights[:, None, None] ** -share, odds.shape),
        rtol=1e-4,
    )


def test_an_impossible_share_is_refused():
    with pytest.raises(ValueError, match=r"0 to 1, got 1\.5"):
        unweight(Network(Config(model=ModelConfig(camera_encoder="residual"))), torch.ones(13), 1.5)
