"""Every neck of the table, by what the rest of the network needs of it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from support.samples import run, sample, small_config
from torch import Tensor, nn

from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.engine import (
    fold_batch_norm,
    lower_precision,
    openvino_compiler,
    torch_compiler,
    torch_threads,
)
from bev_semseg_ros.model.build import NECKS, build_network
from bev_semseg_ros.model.necks.neck import Neck, resize_to
from bev_semseg_ros.model.necks.segformer_mlp import SegformerMlp

IN_CHANNELS = (6, 8, 12, 16)
CHANNELS = 8


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors on shared cores: a second thread only waits."""
    with torch_threads(1):
        yield


@pytest.fixture(params=NECKS)
def neck(request) -> Neck:
    """Return a neck whose BatchNorm layers have seen a batch."""
    torch.manual_seed(0)
    made = NECKS[request.param](IN_CHANNELS, CHANNELS)
    with torch.no_grad():
        for _ in range(20):
            made(features())
    return made.eval()


class Listed(nn.Module):
    """Gives a neck its maps as arguments, as engines need it."""

    def __init__(self, neck: Neck) -> None:
        super().__init__()
        self.neck = neck

    def forward(self, *maps: Tensor) -> tuple[Tensor]:
        return (self.neck(list(maps)),)


def features(images: int = 2, height: int = 48, width: int = 80) -> list[Tensor]:
    """Return C2..C5 of images of chance; each level is half of the one before, rounded up."""
    sizes = [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]
    return [
        torch.randn(images, channels, *size)
        for channels, size in zip(IN_CHANNELS, sizes, strict=True)
    ]


@pytest.mark.parametrize("size", [(64, 96), (100, 160), (44, 36)])
def test_p2_has_the_size_of_c2_whatever_the_coarser_levels_round_to(neck, size):
    with torch.inference_mode():
        assert neck(features(2, *size)).shape == (2, CHANNELS, size[0] // 4, size[1] // 4)
    assert neck.channels == CHANNELS


def test_every_map_that_the_paper_reads_and_every_weight_count(neck):
    inputs = [level.requires_grad_() for level in features()]
    neck(inputs).square().sum().backward()
    unread = [number + 2 for number, level in enumerate(inputs) if level.grad is None]
    assert unread == ([3] if isinstance(neck, NECKS["deeplab"]) else [])
    idle = [name for name, weight in neck.named_parameters() if not weight.grad.abs().sum() > 0]
    assert idle == []


@pytest.mark.parametrize("name", ["fpn", "deeplab"])
def test_what_is_far_away_in_the_image_reaches_every_place(name):
    torch.manual_seed(0)
    neck, changed = NECKS[name](IN_CHANNELS, CHANNELS).eval(), features(1, 400, 640)
    with torch.inference_mode():
        before = neck(changed)[..., -1, -1]
        changed[3][..., 0, 0] += 100
        assert (neck(changed)[..., -1, -1] - before).abs().max() > 1e-3


def test_the_fused_levels_of_segformer_are_its_linear_layer_on_the_concatenation():
    torch.manual_seed(0)
    neck, maps = SegformerMlp(IN_CHANNELS, CHANNELS).eval(), features(2, 44, 36)
    with torch.inference_mode():
        linear = [layer(level) for layer, level in zip(neck.linears, maps, strict=True)]
        joined = torch.cat([resize_to(level, maps[0]) for level in linear], 1)
        weight = torch.cat([layer.weight for layer in neck.fuse], 1)
        expected = neck.norm(nn.functional.conv2d(joined, weight)).relu()
        assert torch.allclose(neck(maps), expected, atol=1e-5)


def test_one_image_can_be_trained_on(neck):
    neck.train()(features(1, 32, 64)).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in neck.parameters())


def test_folding_and_tracing_change_no_value(neck):
    maps, folded = features(1), Listed(copy.deepcopy(neck))
    fold_batch_norm(folded)
    with torch.inference_mode():
        (found,) = torch_compiler(1)(folded, maps)(*maps)
        assert torch.allclose(found, neck(maps), atol=1e-4)


def test_openvino_gives_the_values_of_torch(neck):
    pytest.importorskip("openvino")
    maps, folded = features(1), Listed(copy.deepcopy(neck))
    fold_batch_norm(folded)
    with torch.inference_mode():
        (found,) = openvino_compiler("fp32", 1, None)(folded, maps)(*maps)
        assert torch.allclose(found, neck(maps), atol=1e-4)


def test_bfloat16_stays_close(neck):
    maps, rough = features(1), Listed(copy.deepcopy(neck))
    fold_batch_norm(rough)
    lower_precision(rough, torch.bfloat16)
    with torch.inference_mode():
        expected = neck(maps)
        (found,) = rough(*[level.bfloat16() for level in maps])
        assert found.dtype == torch.bfloat16
        assert (found.float() - expected).abs().mean() < 0.02 * expected.abs().mean()


@pytest.mark.parametrize("name", NECKS)
def test_a_network_answers_the_same_after_its_export(name, tmp_path: Path):
    torch.manual_seed(0)
    config = small_config(neck=name, neck_channels=16)
    model = build_network(config).eval()
    checkpoint.save(tmp_path / "shipped.pt", model, config, {}, half=True)
    shipped = checkpoint.load(tmp_path / "shipped.pt").build().eval()
    with torch.inference_mode():
        expected, found = (run(each, sample(size=(112, 80))) for each in (model, shipped))
    logits = expected["segmentation"]["logits"]
    assert logits.shape[2:] == (20, 28)
    assert torch.allclose(found["segmentation"]["logits"], logits, atol=2e-2)
