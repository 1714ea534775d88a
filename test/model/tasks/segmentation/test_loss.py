import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bev_semseg_ros.config import Config, LossConfig
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.model.tasks.class_weights import class_weights_from_counts
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask
from bev_semseg_ros.preprocessing import Sample

NOTHING = Sample(None)
DRIVING, A2D2, GROUPS = (load_label_set(name) for name in ("driving_13", "a2d2_38", "groups_6"))
BOTH_NETWORKS = pytest.mark.parametrize("network", [DRIVING, A2D2], ids=lambda labels: labels.name)


def test_rare_classes_weigh_more_within_the_limits():
    weights = class_weights_from_counts(np.array([1_000_000, 10_000, 1]), LossConfig())
    assert weights[0] < weights[1] <= weights[2]
    assert weights.min() >= 0.3
    assert weights.max() <= 4.0


def test_a_class_weighs_the_inverse_root_of_its_frequency_and_the_average_pixel_one():
    counts = np.array([400, 100, 25])
    weights = class_weights_from_counts(counts, LossConfig()).numpy()
    assert weights / weights[0] == pytest.approx([1, 2, 4])
    assert np.average(weights, weights=counts) == pytest.approx(1)


# The loss of the task, with masks of one or several label sets.


def make_task(network):
    return SegmentationTask(Config(), network)


def masks(*label_sets, seed=0):
    """Return a (16, 24) mask of random 4 x 4 blocks for each label set, one block ignored."""
    rng = np.random.default_rng(seed)
    made = []
    for labels in label_sets:
        mask = rng.integers(0, len(labels), (4, 6)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
        mask[:4, :4] = MASK_IGNORED
        made.append((mask, labels))
    return made


def targets_of(task, made):
    examples = [Example(NOTHING, {"camera": mask}, mask_labels=labels) for mask, labels in made]
    return task.collate([task.encode(example) for example in examples])


def loss_of(task, logits, made):
    return task.losses({"logits": logits}, targets_of(task, made))["segmentation"]


def perfect_logits(network, made):
    """Return logits that predict the masks: for a coarse class, one of its members."""
    logits = torch.full((len(made), len(network), 4, 6), -30.0)
    for frame, (mask, labels) in enumerate(made):
        cells = mask[::4, ::4]
        # A finer class is mapped to a class of the network, a coarser one to one of its members.
        for row, column in np.ndindex(cells.shape):
            number = int(cells[row, column])
            if number == MASK_IGNORED:
                continue
            if labels.maps_to(network):
                chosen = int(labels.mapping_to(network)[number])
            else:
                chosen = int(np.flatnonzero(network.mapping_to(labels) == number)[-1])
            if chosen >= 0:
                logits[frame, chosen, row, column] = 30.0
    return logits


def interior(mask):
    """Return a mask of which all pixels are ignored but those of one 4 x 4 block."""
    kept = np.full_like(mask, MASK_IGNORED)
    kept[4:8, 8:12] = mask[4:8, 8:12]
    return kept


def test_the_loss_is_the_mean_cross_entropy_weighted_by_class_and_task():
    torch.manual_seed(0)
    config = Config(loss=LossConfig(segmentation_weight=0.4))
    task, made = SegmentationTask(config, DRIVING), masks(DRIVING, DRIVING)
    counts = np.arange(1, 14) ** 4
    task.begin_training({"class_pixels": counts.tolist()})
    logits = torch.randn(2, 13, 4, 6)
    mask = targets_of(task, made)[DRIVING]["mask"]
    weights = class_weights_from_counts(counts, LossConfig())
    up = F.interpolate(logits, scale_factor=2, mode="bilinear")
    expected = 0.4 * F.cross_entropy(up, mask, weights, ignore_index=MASK_IGNORED)
    assert loss_of(task, logits, made).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_loss_of_a_wholly_ignored_mask_is_zero():
    logits = torch.randn(1, 13, 4, 6, requires_grad=True)
    loss = loss_of(
        make_task(DRIVING), logits, [(np.full((16, 24), MASK_IGNORED, np.uint8), DRIVING)]
    )
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_a_frame_without_a_mask_gets_no_gradient():
    task, made = make_task(DRIVING), [*masks(DRIVING), (None, DRIVING)]
    logits = torch.randn(2, 13, 4, 6, requires_grad=True)
    loss_of(task, logits, made).backward()
    assert logits.grad[0].any() and not logits.grad[1].any()


def test_the_padding_right_of_and_below_an_image_gets_no_gradient():
    logits = torch.randn(1, 13, 6, 8, requires_grad=True)  # of 24 x 16 pixels, padded to 32 x 24
    loss_of(make_task(DRIVING), logits, masks(DRIVING)).backward()
    has_gradient = logits.grad[0].any(0)
    assert has_gradient[1:4, :6].all() and has_gradient[:4, 2:6].all()
    assert not has_gradient[5:].any() and not has_gradient[:, 7:].any()


@BOTH_NETWORKS
def test_masks_of_three_label_sets_train_one_network(network):
    torch.manual_seed(0)
    logits = torch.randn(4, len(network), 4, 6, requires_grad=True)
    loss = loss_of(make_task(network), logits, masks(DRIVING, A2D2, GROUPS, DRIVING))
    loss.backward()
    assert torch.isfinite(loss) and loss > 0
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.flatten(1).any(1).all()


@BOTH_NETWORKS
def test_the_loss_of_several_label_sets_is_the_mean_over_all_their_pixels(network):
    torch.manual_seed(0)
    task, made = make_task(network), masks(DRIVING, A2D2, GROUPS)
    logits = torch.randn(3, len(network), 4, 6)
    total, pixels = 0.0, 0
    for frame, one in enumerate(made):
        (part,) = targets_of(task, [one]).values()
        known = int((part["mask"] != MASK_IGNORED).sum())
        total += known * loss_of(task, logits[frame : frame + 1], [one]).item()
        pixels += known
    assert loss_of(task, logits, made).item() == pytest.approx(total / pixels, rel=1e-5)


@BOTH_NETWORKS
@pytest.mark.parametrize("labels", [DRIVING, A2D2, GROUPS], ids=lambda labels: labels.name)
def test_the_loss_of_perfect_logits_is_almost_zero(network, labels):
    made = masks(labels, seed=3)
    logits = perfect_logits(network, made)
    flat = logits[:, :, 1:2, 2:3].expand(-1, -1, 4, 6)  # one block, so nothing is mixed
    kept = [(interior(mask), labels) for mask, labels in made]
    assert loss_of(make_task(network), flat, kept).item() < 1e-4


@BOTH_NETWORKS
def test_a_coarse_label_raises_the_logits_of_all_its_members_and_of_no_others(network):
    mask = np.full((16, 24), GROUPS.index("vehicle"), np.uint8)
    logits = torch.zeros(1, len(network), 4, 6, requires_grad=True)
    loss_of(make_task(network), logits, [(mask, GROUPS)]).backward()
    wanted = network.mapping_to(GROUPS) == GROUPS.index("vehicle")
    pulled = (logits.grad[0] < 0).flatten(1).all(1).numpy()
    assert pulled.tolist() == wanted.tolist()


def test_any_member_of_a_coarse_class_satisfies_its_label():
    network = DRIVING
    mask = np.full((16, 24), GROUPS.index("vehicle"), np.uint8)
    costs = []
    for name in ("car", "truck"):
        logits = torch.full((1, 13, 4, 6), -20.0)
        logits[:, network.index(name)] = 20
        costs.append(loss_of(make_task(network), logits, [(mask, GROUPS)]).item())
    assert max(costs) < 1e-6


# Class weights: class counts before the training, and weights in other label sets.


def observed(network, made):
    task = make_task(network)
    for mask, labels in made:
        task.observe(Example(NOTHING, {"camera": mask}, mask_labels=labels))
    return task.statistics()["class_pixels"]


def test_the_pixels_of_each_class_are_counted():
    mask = np.full((4, 10), DRIVING.index("road"), np.uint8)
    mask[0] = DRIVING.index("sky")
    mask[1] = MASK_IGNORED
    counts = observed(DRIVING, [(mask, DRIVING), (None, DRIVING), (mask, DRIVING)])
    assert counts[DRIVING.index("road")] == 40
    assert counts[DRIVING.index("sky")] == 20
    assert sum(counts) == 60


def test_finer_masks_are_counted_in_the_classes_of_the_network():
    mask = np.full((4, 10), A2D2.index("Zebra crossing"), np.uint8)
    mask[0] = A2D2.index("Solid line")
    mask[1] = A2D2.index("Rain dirt")
    counts = observed(DRIVING, [(mask, A2D2)])
    assert counts[DRIVING.index("lane_marking")] == sum(counts) == 30


def test_the_pixels_of_a_coarse_class_are_counted_equally_for_its_members():
    mask = np.full((4, 10), GROUPS.index("vehicle"), np.uint8)
    counts = observed(DRIVING, [(mask, GROUPS)])
    assert counts[DRIVING.index("car")] == counts[DRIVING.index("truck")] == 20
    assert sum(counts) == 40


def test_the_counts_of_a_coarse_mask_add_up_in_each_of_its_classes():
    # The counts are those of the network's classes. Their sums by group are those of the mask.
    made = masks(GROUPS)
    counts = np.array(observed(A2D2, made), float)
    of_group = A2D2.mapping_to(GROUPS)
    for number in range(len(GROUPS)):
        members = of_group == number
        rounding = members.sum() / 2  # each count is a whole number
        assert abs(counts[members].sum() - (made[0][0] == number).sum()) <= rounding


@BOTH_NETWORKS
def test_the_weight_of_a_coarse_class_is_the_mean_over_the_pixels_of_its_members(network):
    torch.manual_seed(0)
    counts = np.random.default_rng(0).integers(1, 10**6, len(network))
    task, made = make_task(network), masks(GROUPS)
    task.begin_training({"class_pixels": counts.tolist()})
    weights = class_weights_from_counts(counts, LossConfig()).numpy()
    groups = network.mapping_to(GROUPS)
    united = [
        np.average(weights[groups == number], weights=counts[groups == number])
        for number in range(len(GROUPS))
    ]
    logits = torch.randn(1, len(network), 4, 6)
    up = F.interpolate(logits, scale_factor=2, mode="bilinear").softmax(1)
    merged = torch.stack([up[:, groups == number].sum(1) for number in range(len(GROUPS))], 1)
    mask = targets_of(task, made)[GROUPS]["mask"]
    expected = F.nll_loss(
        merged.log(), mask, torch.tensor(united, dtype=torch.float32), ignore_index=MASK_IGNORED
    )
    assert loss_of(task, logits, made).item() == pytest.approx(expected.item(), rel=1e-4)


@BOTH_NETWORKS
def test_classes_without_pixels_have_finite_weights_in_every_label_set(network):
    task = make_task(network)
    counts = np.zeros(len(network), int)
    counts[0] = 100
    task.begin_training({"class_pixels": counts.tolist()})
    logits = torch.randn(3, len(network), 4, 6, requires_grad=True)
    loss = loss_of(task, logits, masks(DRIVING, A2D2, GROUPS))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def test_the_loss_of_perfect_logits_is_almost_zero_with_class_weights():
    task = make_task(A2D2)
    task.begin_training({"class_pixels": list(range(38))})
    for labels in (DRIVING, A2D2, GROUPS):
        made = masks(labels, seed=5)
        flat = perfect_logits(A2D2, made)[:, :, 1:2, 2:3].expand(-1, -1, 4, 6)
        kept = [(interior(mask), labels) for mask, labels in made]
        assert loss_of(task, flat, kept).item() < 1e-4


# Logit adjustment.


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_logit_adjustment_divides_the_odds_of_classes_by_a_power_of_their_weights(share):
    torch.manual_seed(0)
    task = make_task(DRIVING)
    head, counts = task.build_head(64).eval(), np.arange(1, 14) ** 4
    weights = class_weights_from_counts(counts, LossConfig())
    features = torch.randn(1, 64, 3, 4)
    (before,) = head(features)
    assert task.adjust_logits(head, {"class_pixels": counts.tolist()}, share)
    (after,) = head(features)
    odds = (after - before).exp().detach().numpy()
    expected = np.broadcast_to(weights.numpy()[:, None, None] ** -share, odds.shape)
    np.testing.assert_allclose(odds, expected, rtol=1e-4)


def test_a_logit_adjustment_above_one_is_refused():
    task = make_task(DRIVING)
    with pytest.raises(ValueError, match=r"0 to 1, got 1\.5"):
        task.adjust_logits(task.build_head(64), {"class_pixels": [1] * 13}, 1.5)


def test_logit_adjustment_needs_the_class_counts_of_a_training():
    task = make_task(DRIVING)
    with pytest.raises(ValueError, match="leave out the logit adjustment"):
        task.adjust_logits(task.build_head(64), {}, 1.0)
