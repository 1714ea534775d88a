"""What the rest of the network requires of every neck."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from support.paths import ROOT
from support.samples import camera_sample, run, small_config
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
from bev_semseg_ros.model.encoders.efficientnet import EfficientNetLite0
from bev_semseg_ros.model.necks.neck import Neck, resize_to

IN_CHANNELS = (6, 8, 12, 16)
CHANNELS = 8


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: with small tensors on shared cores, a second one would only wait."""
    with torch_threads(1):
        yield


@cache
def experienced(name: str) -> Neck:
    """Return a neck with random weights whose BatchNorm layers have seen a few batches."""
    torch.manual_seed(0)
    made = NECKS[name](IN_CHANNELS, CHANNELS)
    with torch.no_grad():
        for batch in range(8):
            made(features(4, seed=batch))
    return made.eval()


@pytest.fixture(params=NECKS)
def neck(request) -> Neck:
    return copy.deepcopy(experienced(request.param))


class AllNecks(nn.Module):
    """Runs all necks on the same maps, so that engines compile only one module."""

    def __init__(self) -> None:
        super().__init__()
        self.necks = nn.ModuleList(copy.deepcopy(experienced(name)) for name in NECKS)

    def forward(self, *maps: Tensor) -> list[Tensor]:
        return [neck(list(maps)) for neck in self.necks]


def features(images: int = 2, height: int = 48, width: int = 80, seed: int = 8) -> list[Tensor]:
    """Return random maps C2..C5; each has half the size of the one before, rounded up."""
    random = torch.Generator().manual_seed(seed)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]
    return [
        torch.randn(images, channels, *size, generator=random)
        for channels, size in zip(IN_CHANNELS, sizes, strict=True)
    ]


def test_the_documented_table_has_every_neck_and_its_number_of_parameters():
    page = (ROOT / "docs" / "training.md").read_text().split("### Choose the neck")[1]
    rows = re.findall(r"^\| `(\w+)`.* \| ([\d,]+) \|$", page.split("\n### ")[0], re.M)
    counts = {
        name: neck(EfficientNetLite0.channels, 64).parameters() for name, neck in NECKS.items()
    }
    assert rows == [
        (name, f"{sum(weight.numel() for weight in weights):,}") for name, weights in counts.items()
    ]


@pytest.mark.parametrize("size", [(64, 96), (100, 160), (44, 36)])
def test_p2_has_the_size_of_c2_whatever_the_coarser_levels_round_to(neck, size):
    with torch.inference_mode():
        assert neck(features(2, *size)).shape == (2, CHANNELS, size[0] // 4, size[1] // 4)
    assert neck.channels == CHANNELS


def test_every_weight_and_every_map_that_the_paper_uses_get_a_gradient(neck):
    inputs = [level.requires_grad_() for level in features()]
    neck(inputs).square().sum().backward()
    unread = [number + 2 for number, level in enumerate(inputs) if level.grad is None]
    assert unread == ([3] if isinstance(neck, NECKS["deeplab"]) else [])
    idle = [name for name, weight in neck.named_parameters() if not weight.grad.abs().sum() > 0]
    assert idle == []


@pytest.mark.parametrize("name", ["fpn", "deeplab"])
def test_features_from_one_corner_of_the_image_reach_the_opposite_one(name):
    neck, changed = experienced(name), features(1, 400, 640)
    with torch.inference_mode():
        before = neck(changed)[..., -8:, -8:]
        changed[3][..., 0, 0] += 100
        assert (neck(changed)[..., -8:, -8:] - before).abs().max() > 1e-3


def test_the_fused_levels_of_segformer_are_its_linear_layer_on_the_concatenation():
    neck, maps = experienced("segformer_mlp"), features(2, 44, 36)
    with torch.inference_mode():
        linear = [layer(level) for layer, level in zip(neck.linears, maps, strict=True)]
        joined = torch.cat([resize_to(level, maps[0]) for level in linear], 1)
        weight = torch.cat([layer.weight for layer in neck.fuse], 1)
        expected = neck.norm(nn.functional.conv2d(joined, weight)).relu()
        assert torch.allclose(neck(maps), expected, atol=1e-5)


def test_a_neck_can_be_trained_on_a_single_image(neck):
    neck.train()(features(1, 32, 64)).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in neck.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_engine_returns_the_outputs_of_the_necks(engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    compiler = torch_compiler(1) if engine == "torch" else openvino_compiler("fp32", 1, None)
    maps, folded = features(1), AllNecks().eval()
    fold_batch_norm(folded)
    with torch.inference_mode():
        found = compiler(folded, maps)(*maps)
        for name, values in zip(NECKS, found, strict=True):
            assert torch.allclose(values, experienced(name)(maps), atol=1e-4), name


def test_outputs_in_bfloat16_are_close_to_float32(neck):
    maps, rough = features(1), copy.deepcopy(neck)
    fold_batch_norm(rough)
    lower_precision(rough, torch.bfloat16)
    with torch.inference_mode():
        expected = neck(maps)
        found = rough([level.bfloat16() for level in maps])
        assert found.dtype == torch.bfloat16
        assert (found.float() - expected).abs().mean() < 0.02 * expected.abs().mean()


@pytest.mark.parametrize("name", NECKS)
def test_a_network_has_the_same_outputs_after_its_export(name, tmp_path: Path):
    torch.manual_seed(0)
    config = small_config(neck=name, neck_channels=16, tasks=("segmentation",))
    model = build_network(config).eval()
    checkpoint.save(tmp_path / "shipped.pt", model, config, {}, half=True)
    shipped = checkpoint.load(tmp_path / "shipped.pt").build().eval()
    expected, found = (
        run(each, camera_sample())["segmentation"]["logits"] for each in (model, shipped)
    )
    assert torch.allclose(found, expected, atol=2e-2)
