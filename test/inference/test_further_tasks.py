"""The predictor returns the results and pictures of user-defined tasks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from support.inference import SIZE, config, frame, rig_frame

from bev_semseg_ros.config import Config
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks.task import Head, Task
from bev_semseg_ros.preprocessing import Sample
from bev_semseg_ros.visualization.pictures import task_pictures

pytestmark = pytest.mark.slow


class MeanHead(Head):
    """One number for each pixel of P2."""

    outputs = ("brightness",)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(channels, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer(x),)


class BrightnessTask(Task):
    """A further image task, without classes, as a user would write it."""

    name = "brightness"
    view = "image"
    needs = frozenset({"image"})

    def build_head(self, channels: int) -> MeanHead:
        return MeanHead(channels)

    def postprocess(self, outputs, sample, score_threshold=None) -> np.ndarray:
        return outputs["brightness"][0, 0].float().cpu().numpy()

    def picture(self, result: np.ndarray, sample: Sample) -> np.ndarray:
        return np.full((*sample.image.shape[:2], 3), 7, np.uint8)


def config_with_a_further_task() -> Config:
    base = config("projective")
    tasks = (*base.model.tasks, f"{BrightnessTask.__module__}:{BrightnessTask.__name__}")
    return replace(base, model=replace(base.model, tasks=tasks))


@cache
def predictor_with_a_further_task(engine: str) -> Predictor:
    if engine == "openvino":
        pytest.importorskip("openvino")
    wanted = config_with_a_further_task()
    return Predictor(
        build_network(wanted), wanted, device="cpu", precision="fp32", engine=engine, num_threads=1
    )


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_further_task_has_its_result_under_its_name_and_its_picture(engine):
    ready = predictor_with_a_further_task(engine)
    assert [task.name for task in ready.tasks] == ["detection", "segmentation", "brightness"]
    assert set(ready.label_sets) == {"detection", "segmentation"}  # it has no classes
    prediction = ready.predict(frame())
    assert prediction.boxes is not None and prediction.mask is not None
    assert set(prediction.results) == {"brightness"}
    assert list(prediction.results["brightness"]) == ["camera"]
    assert prediction.results["brightness"]["camera"].shape == (SIZE[1] // 4, SIZE[0] // 4)
    pictures = task_pictures(ready, frame(), prediction)
    assert set(pictures) == {"brightness"} and pictures["brightness"].shape == (96, 160, 3)
    rig = rig_frame()
    pictures = task_pictures(ready, rig, ready.predict(rig))
    assert list(pictures) == ["brightness, front", "brightness, small", "brightness, left"]
    blind = ready.predict(frame(image=False))
    assert blind.results == {} and task_pictures(ready, frame(image=False), blind) == {}


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_result_does_not_change_when_the_next_frame_is_predicted(engine):
    ready = predictor_with_a_further_task(engine)
    result = ready.predict(frame(seed=0)).results["brightness"]["camera"]
    before = result.copy()
    ready.predict(frame(seed=1))
    assert np.array_equal(result, before)


def test_a_network_of_one_further_task_alone_predicts_nothing_else(tmp_path):
    wanted = config_with_a_further_task()
    wanted = replace(wanted, model=replace(wanted.model, tasks=wanted.model.tasks[-1:]))
    checkpoint.save(tmp_path / "a.pt", build_network(wanted), wanted, {})
    ready = Predictor.load(tmp_path / "a.pt", "cpu", engine="torch", num_threads=1)
    prediction = ready.predict(frame())
    assert ready.label_sets == {} and prediction.boxes is prediction.mask is None
    assert set(prediction.results) == {"brightness"}
