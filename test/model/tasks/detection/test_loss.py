import numpy as np
import pytest
import torch
from support.samples import box

from bev_semseg_ros.config import Config, GridConfig, LossConfig
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.detection.loss import focal_loss
from bev_semseg_ros.model.tasks.detection.task import DetectionTask
from bev_semseg_ros.preprocessing import Sample

GRID = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)
NOTHING = Sample(None)


def task(labels="boxes_4"):
    return DetectionTask(Config(grid=GRID), load_label_set(labels))


def targets(*frames, network="boxes_4"):
    """Return the targets of frames, each given as (boxes or None, name of their label set)."""
    one = task(network)
    examples = [Example(NOTHING, {}, boxes, None, load_label_set(data)) for boxes, data in frames]
    return one.collate([one.encode(example) for example in examples])


def outputs(frames=1, classes=4, heatmap=-4.0):
    return {
        "heatmap": torch.full((frames, classes, 32, 32), heatmap, requires_grad=True),
        "regression": torch.zeros(frames, 10, 32, 32, requires_grad=True),
    }


def told(answer, truth):
    """Write the regression of the targets into outputs."""
    with torch.no_grad():
        flat = answer["regression"].permute(0, 2, 3, 1).contiguous()
        flat.view(-1, 10)[truth["cells"]] = truth["values"]
        answer["regression"].copy_(flat.permute(0, 3, 1, 2))
    return answer


def total(losses):
    return sum(losses.values()).item()


def test_the_loss_of_perfect_outputs_is_almost_zero():
    truth = targets((box(), "boxes_4"))
    perfect = told(outputs(), truth)
    (heatmaps,) = truth["heatmaps"].values()
    with torch.no_grad():
        perfect["heatmap"].copy_((heatmaps["heatmap"] == 1) * 40.0 - 20)
    assert total(task().losses(perfect, truth)) < 1e-3


def test_the_focal_loss_is_the_published_formula():
    logits, truth = torch.tensor([[[[0.3, -1.2]]]]), torch.tensor([[[[1.0, 0.5]]]])
    p, q = torch.sigmoid(logits).flatten()
    expected = -((1 - p) ** 2 * p.log() + 0.5**4 * q**2 * (1 - q).log())
    found = focal_loss(logits, truth, torch.ones(1, 1, 2)).item()
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_the_heatmap_loss_is_the_focal_loss_per_object():
    two = Boxes.concatenate([box(), box(x=9.1, y=3.1, label=2)])
    truth = targets((two, "boxes_4"))
    (part,) = truth["heatmaps"].values()
    answer = outputs(heatmap=-1.5)
    expected = focal_loss(answer["heatmap"], part["heatmap"], part["negative_weight"]) / 2
    assert task().losses(answer, truth)["heatmap"].item() == pytest.approx(expected.item())


def test_the_loss_of_frames_without_objects_is_that_of_false_positives():
    answer = outputs(2, heatmap=-1.5)
    losses = task().losses(answer, targets((Boxes.empty(), "boxes_4"), (Boxes.empty(), "boxes_4")))
    torch.stack(list(losses.values())).sum().backward()
    absent = torch.zeros(2, 4, 32, 32)
    expected = focal_loss(answer["heatmap"], absent, torch.ones(2, 32, 32))
    assert losses["heatmap"].item() == pytest.approx(expected.item())
    assert losses["regression"].item() == 0 and torch.isfinite(answer["regression"].grad).all()


def test_cells_of_negative_weight_zero_get_no_gradient_except_peaks():
    truth = targets((box(), "boxes_4"))
    (part,) = truth["heatmaps"].values()
    part["negative_weight"][0, :16] = 0
    answer = outputs()
    task().losses(answer, truth)["heatmap"].backward()
    gradient = answer["heatmap"].grad[0]
    untouched = gradient[:, :12]
    assert not untouched[part["heatmap"][0, :, :12] != 1].any()
    assert gradient[:, 16:].any()


@pytest.mark.parametrize("count", [1, 2])
def test_the_regression_loss_is_the_mean_error_of_the_cells_times_its_weight(count):
    boxes = Boxes.concatenate([box(), box(x=9.1, y=3.1)][:count])
    truth = targets((boxes, "boxes_4"))
    answer = told(outputs(), truth)
    with torch.no_grad():
        answer["regression"][:, 2] += 0.6
    weighted = DetectionTask(
        Config(grid=GRID, loss=LossConfig(regression_weight=0.25)), load_label_set("boxes_4")
    )
    loss = weighted.losses(answer, truth)["regression"]
    assert loss.item() == pytest.approx(0.25 * 0.6, rel=1e-4)


def test_the_direction_weighs_less_than_the_axis():
    truth = targets((box(), "boxes_4"))
    with torch.no_grad():
        base = task().losses(outputs(), truth)["regression"]
    changed = []
    for channel in (7, 9):
        answer = outputs()
        with torch.no_grad():
            # Away from the true cosines, both of which are positive.
            answer["regression"][:, channel] = -1
        changed.append((task().losses(answer, truth)["regression"] - base).item())
    assert changed[1] == pytest.approx(0.3 * changed[0], rel=1e-4)


def test_an_unlabelled_frame_of_a_batch_gets_no_gradient():
    answer = outputs(frames=2)
    losses = task().losses(answer, targets((None, "boxes_4"), (box(), "boxes_4")))
    torch.stack(list(losses.values())).sum().backward()
    for output in answer.values():
        assert not output.grad[0].any() and output.grad[1].any()


def test_an_unlabelled_frame_does_not_change_the_loss_of_the_others():
    truth = (box(), "boxes_4")
    alone = task().losses(outputs(heatmap=-2.0), targets(truth))
    beside = task().losses(outputs(2, heatmap=-2.0), targets(truth, (None, "boxes_4")))
    assert total(beside) == pytest.approx(total(alone))


# Boxes of label sets other than the network's.

MIXED = [(box(), "boxes_4"), (box(), "a2d2_boxes"), (box(), "kitti_boxes")]


@pytest.mark.parametrize("network, classes", [("boxes_4", 4), ("a2d2_boxes", 14)])
def test_boxes_of_three_label_sets_train_one_network(network, classes):
    answer = outputs(3, classes)
    losses = task(network).losses(answer, targets(*MIXED, network=network))
    torch.stack(list(losses.values())).sum().backward()
    for output in answer.values():
        assert torch.isfinite(output.grad).all()
        assert output.grad.flatten(1).any(1).all()


def test_the_heatmap_loss_of_several_label_sets_is_that_per_object_of_all_of_them():
    two = Boxes.concatenate([box(), box(x=9.1, y=3.1)])
    frames = [(box(), "a2d2_boxes"), (two, "boxes_4")]

    def heatmap(*chosen):
        answer = outputs(len(chosen), 14, heatmap=-1.5)
        truth = targets(*chosen, network="a2d2_boxes")
        return task("a2d2_boxes").losses(answer, truth)["heatmap"].item()

    first, second = map(heatmap, frames)
    for order in (frames, frames[::-1]):
        assert heatmap(*order) == pytest.approx((1 * first + 2 * second) / 3)


def test_a_coarse_box_raises_only_the_logits_of_the_members_of_its_class():
    labels = load_label_set("a2d2_boxes")
    answer = outputs(1, len(labels))
    truth = targets((box(), "boxes_4"), network="a2d2_boxes")
    task("a2d2_boxes").losses(answer, truth)["heatmap"].backward()
    x, y = int(5.1 / 0.4), int((0.3 + 6.4) / 0.4)
    at_centre = answer["heatmap"].grad[0, :, x, y]
    pulled = {labels.classes[index] for index in torch.nonzero(at_centre < 0)[:, 0].tolist()}
    assert pulled == {"Car", "VanSUV"}
    # Classes that boxes_4 ignores or lacks count neither for nor against a prediction.
    unknown = [labels.index(name) for name in ("Trailer", "UtilityVehicle", "Bicycle", "Animal")]
    assert not answer["heatmap"].grad[:, unknown].any()


@pytest.mark.parametrize("member", ["Car", "VanSUV"])
def test_any_member_of_a_coarse_class_satisfies_its_label(member):
    labels = load_label_set("a2d2_boxes")
    truth = targets((box(), "boxes_4"), network="a2d2_boxes")
    perfect = told(outputs(1, len(labels), heatmap=-20.0), truth)
    x, y = int(5.1 / 0.4), int((0.3 + 6.4) / 0.4)
    with torch.no_grad():
        perfect["heatmap"][0, labels.index(member), x, y] = 20
    losses = task("a2d2_boxes").losses(perfect, truth)
    assert total(losses) < 1e-3
    torch.stack(list(losses.values())).sum().backward()
    assert torch.isfinite(perfect["heatmap"].grad).all()


@pytest.mark.parametrize("value", [-80.0, -30.0, 0.0, 30.0, 80.0])
def test_extreme_logits_of_a_coarse_frame_give_finite_losses_and_gradients(value):
    answer = outputs(1, 14, heatmap=value)
    truth = targets((box(), "boxes_4"), network="a2d2_boxes")
    losses = task("a2d2_boxes").losses(answer, truth)
    torch.stack(list(losses.values())).sum().backward()
    assert np.isfinite(total(losses))
    assert torch.isfinite(answer["heatmap"].grad).all()
