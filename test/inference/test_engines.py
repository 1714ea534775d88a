"""Engines and precisions agree, and OpenVINO's converted models are cached."""

from __future__ import annotations

import copy
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.inference import (
    SHIPPED,
    SIZE,
    SMALL,
    THRESHOLD,
    config,
    frame,
    network,
    new_predictor,
    shared_predictor,
)
from torch import nn

from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.engine import (
    cache_folder,
    fold_batch_norm,
    lower_precision,
    openvino_compiler,
    torch_compiler,
)
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.necks.fpn import Fpn
from bev_semseg_ros.preprocessing import prepare

pytestmark = pytest.mark.slow


def test_folding_and_tracing_do_not_change_the_outputs():
    ready = shared_predictor("torch", "fp32", "projective", SHIPPED)
    with torch.inference_mode():
        batch = Batch.from_samples([prepare(frame(), ready.config)])
        expected = network("projective", SHIPPED)(batch)
        found = ready._network(batch)
    assert {task: set(expected[task]) for task in expected} == {
        "detection": {"heatmap", "regression"},
        "segmentation": {"logits"},
    }
    for task in expected:
        for name, values in expected[task].items():
            assert torch.allclose(found[task][name], values, atol=2e-4), (task, name)


class NormOfASum(nn.Module):
    """A user-defined block whose BatchNorm does not directly follow its convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(x + self.conv(x))


def test_folding_does_not_change_the_outputs_of_a_user_defined_block():
    torch.manual_seed(0)
    block = nn.Sequential(NormOfASum(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    x = torch.randn(8, 4, 6, 6)
    for _ in range(9):
        block.train()(x)  # moves the statistics away from their initial values
    expected = block.eval()(x)
    fold_batch_norm(block)
    assert torch.allclose(block(x), expected, atol=1e-5)
    assert isinstance(block[2], nn.Identity)


@pytest.mark.parametrize(("fusion", "model"), [("projective", SHIPPED), ("cross_attention", SMALL)])
@pytest.mark.parametrize("mode", ["fused", "lidar_only"])
def test_openvino_gives_the_same_results_as_torch_in_float32(fusion, model, mode):
    pytest.importorskip("openvino")
    first, second = (
        shared_predictor(engine, "fp32", fusion, model).predict(frame(), mode, THRESHOLD)
        for engine in ("torch", "openvino")
    )
    assert len(first.boxes) == len(second.boxes) > 5
    assert np.allclose(first.boxes.centers, second.boxes.centers, atol=1e-3)
    assert np.allclose(first.boxes.scores, second.boxes.scores, atol=1e-4)
    assert mode == "lidar_only" or (first.mask == second.mask).mean() > 0.999


@pytest.mark.parametrize("fusion", ["painted", "semantic_cross_attention"])
def test_engines_give_the_same_maps_to_a_fusion_that_uses_the_classes(fusion):
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    branch = build_network(config(fusion)).eval().camera
    image = torch.randint(0, 256, (1, *SIZE[::-1], 3), dtype=torch.uint8)
    rough = copy.deepcopy(branch)
    lower_precision(rough, torch.bfloat16)
    with torch.inference_mode():
        expected = branch(image)
        for compiler in (torch_compiler(1), openvino_compiler("fp32", 1, None)):
            for found, values in zip(compiler(branch, [image])(image), expected, strict=True):
                assert torch.allclose(found, values, atol=1e-4)
        for found, values in zip(rough(image), expected, strict=True):
            assert torch.allclose(found.float(), values, atol=0.1)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_threads_that_share_a_predictor_get_the_results_of_their_own_frames(engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    ready = shared_predictor(engine, "fp32", "projective", SHIPPED)
    samples = [prepare(frame(seed=seed), ready.config) for seed in range(4)] * 6
    alone = [ready.predict_sample(sample).mask for sample in samples[:4]] * 6
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(ready.predict_sample, samples))
    assert len({mask.tobytes() for mask in alone}) == 4
    for prediction, mask in zip(together, alone, strict=True):
        assert np.array_equal(prediction.mask, mask)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_keeps_the_mask_and_distinct_scores(engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    rough, exact = (
        shared_predictor(*choices, "projective", SHIPPED)
        for choices in ((engine, "bf16"), ("torch", "fp32"))
    )
    assert (rough.predict(frame()).mask == exact.predict(frame()).mask).mean() > 0.95
    with torch.inference_mode():
        batch = Batch.from_samples([prepare(frame(), rough.config)])
        heatmap = rough._network(batch)["detection"]["heatmap"]
    assert heatmap.dtype == torch.float32 and len(heatmap.unique()) > 0.5 * heatmap.numel()


class TokenMixer(nn.Module):
    """A user-defined block with weights and a buffer outside its layers, as transformers have."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("offset", torch.zeros(8))
        self.output = nn.Linear(8, 8)

    def forward(self, x):
        mixed, _ = self.attention(x, x, x, need_weights=False)
        return self.output(x + self.scale * mixed + self.offset)


def test_weights_outside_the_layers_of_a_user_defined_block_get_the_precision_of_its_inputs():
    torch.manual_seed(0)
    block, x = TokenMixer().eval().requires_grad_(False), torch.randn(1, 5, 8)
    expected = block(x)
    lower_precision(block, torch.bfloat16)
    found = block(x.bfloat16())
    assert found.dtype == torch.bfloat16 and torch.allclose(found.float(), expected, atol=0.05)


def test_openvino_converts_once_and_then_reads_its_cache(tmp_path):
    pytest.importorskip("openvino")
    choices = {"engine": "openvino", "precision": "fp32", "cache": tmp_path / "cache"}
    first = new_predictor(**choices).predict(frame(), "fused", THRESHOLD)
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    second = new_predictor(**choices).predict(frame(), "fused", THRESHOLD)
    assert len(made) == 4 and made == {
        file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()
    }
    assert np.array_equal(first.boxes.scores, second.boxes.scores)


class Sum(torch.nn.Module):
    """Adds any number of maps."""

    def forward(self, *maps):
        return torch.stack(maps).sum(0)


def test_the_cache_takes_parts_with_the_maps_of_many_cameras(tmp_path):
    pytest.importorskip("openvino")
    maps = [torch.full((1, 64, 12, 20), float(number)) for number in range(24)]
    for _ in range(2):  # converts, then reads the cache
        (total,) = openvino_compiler("fp32", 1, tmp_path / "sum")(Sum(), maps)(*maps)
        assert torch.equal(total, torch.full_like(total, 276.0))
    assert len(list(tmp_path.glob("*.xml"))) == 1


def test_a_damaged_cache_is_rebuilt(tmp_path):
    pytest.importorskip("openvino")
    choices = {"engine": "openvino", "precision": "fp32", "cache": tmp_path}
    new_predictor(**choices).predict(frame(image=False))
    (file,) = tmp_path.glob("*.xml")
    file.write_text("<net")
    assert new_predictor(**choices).predict(frame(image=False)).mode == "lidar_only"
    assert len(file.read_text()) > 1000


def test_a_user_without_a_home_directory_has_no_cache_and_no_error(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    (tmp_path / "a.pt").touch()
    assert cache_folder(tmp_path / "a.pt", network("projective")) is None


def test_a_change_of_a_function_that_a_user_defined_neck_calls_changes_the_results(
    tmp_path, monkeypatch
):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = types.ModuleType("own_neck")

    class OwnNeck(Fpn):
        """A neck that calls a function of another file."""

        def forward(self, features):
            return own.activation(super().forward(features))

    own.OwnNeck, own.activation = OwnNeck, torch.tanh
    monkeypatch.setitem(sys.modules, own.__name__, own)
    wanted = config("none", replace(SMALL, neck="own_neck:OwnNeck", tasks=("segmentation",)))
    torch.manual_seed(0)
    made = build_network(wanted)
    torch.nn.init.normal_(made.camera.heads.segmentation.logits.weight)  # many classes
    checkpoint.save(tmp_path / "a.pt", made, wanted, {})

    def results(engine):
        ready = Predictor.load(tmp_path / "a.pt", "cpu", "fp32", engine, num_threads=1)
        return ready.predict(frame()).mask

    before = results("openvino")
    own.activation = lambda x: -x
    after = results("openvino")
    assert (before != after).any() and (after == results("torch")).mean() > 0.999
