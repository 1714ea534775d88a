"""Image tokens carry the class probabilities of their cells."""

from dataclasses import replace

import pytest
import torch
from support.memory_dataset import TINY
from support.samples import run, sample

from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.fusions.semantic_cross_attention import SemanticTokens


def with_fusion(fusion):
    return replace(TINY, model=replace(TINY.model, fusion=fusion))


def tokens_of(logits, size):
    """Return the part of the tokens that comes from the classes: C4 is zero."""
    module = SemanticTokens(4, 2, logits.shape[1])
    with torch.no_grad():
        module.narrow.bias.zero_()
        module.classes.weight[:] = torch.eye(2, logits.shape[1])[:, :, None, None]
    features = [torch.zeros(1, 4, 1, 1)] * 2 + [torch.zeros(1, 4, *size)]
    with torch.inference_mode():
        return module(features, torch.zeros(1, 1, *logits.shape[2:]), logits)


def test_a_token_carries_the_mean_probabilities_of_its_cells():
    logits = torch.zeros(1, 2, 4, 8)
    logits[0, 0, :, 6:] = 100  # the right half of the second token's cells is of the first class
    (found,) = tokens_of(logits, (1, 2))[:, 0]
    assert found[0].tolist() == pytest.approx([0.5, 0.5])
    assert found[1].tolist() == pytest.approx([0.75, 0.25])


def test_a_token_at_the_border_of_the_image_carries_the_mean_of_the_cells_that_it_has():
    found = tokens_of(torch.zeros(1, 2, 5, 6), (2, 2))
    assert found.shape == (1, 2, 2, 2) and torch.allclose(found, torch.full_like(found, 0.5))


def test_untrained_class_weights_give_the_outputs_of_cross_attention():
    plain, semantic = (
        build_network(with_fusion(fusion)).eval()
        for fusion in ("cross_attention", "semantic_cross_attention")
    )
    weights = semantic.state_dict() | plain.state_dict()
    semantic.load_state_dict(weights)
    seen = sample()
    expected, found = (run(each, seen)["detection"]["heatmap"] for each in (plain, semantic))
    assert torch.equal(expected, found)
    with torch.no_grad():
        torch.nn.init.normal_(semantic.camera.fusion.classes.weight)
    assert (run(semantic, seen)["detection"]["heatmap"] - expected).abs().max() > 1e-5


def test_the_loss_of_the_boxes_reaches_the_logits_of_the_classes():
    torch.manual_seed(0)
    model = build_network(with_fusion("semantic_cross_attention")).train()
    torch.nn.init.normal_(model.camera.fusion.classes.weight)
    model(Batch.from_samples([sample()]))["detection"]["heatmap"].square().mean().backward()
    for weight in (
        model.camera.heads.segmentation.logits.weight,
        model.camera.fusion.classes.weight,
    ):
        assert weight.grad.abs().max() > 0
