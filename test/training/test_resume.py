"""A run that was interrupted or has finished is resumed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from support.memory_dataset import TINY, TinyDataset, with_training
from support.trainers import InterruptedLoader, begun, training
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.config import PostprocessConfig
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.encoders.pillars import PillarEncoder
from bev_semseg_ros.training import trainer
from bev_semseg_ros.training.loader import Loader

pytestmark = pytest.mark.slow


class ForgetfulPillars(PillarEncoder):
    """A pillar encoder with dropout, as a user-defined network may have it."""

    def forward(self, batch: Batch, point_features: Tensor | None) -> Tensor:
        return F.dropout(super().forward(batch, point_features), 0.2, self.training)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(cache, tmp_path):
    encoder = f"{ForgetfulPillars.__module__}:{ForgetfulPillars.__name__}"
    config = replace(TINY, model=replace(TINY.model, lidar_encoder=encoder))
    unbroken = begun(config, cache, tmp_path / "unbroken")
    unbroken.run()
    with pytest.raises(KeyboardInterrupt):
        begun(config, cache, tmp_path / "broken", loader=InterruptedLoader).run()
    resumed = training(config, cache, tmp_path / "broken")
    torch.manual_seed(99)  # resuming must not depend on it
    resumed.resume(checkpoint.load(resumed.path))
    assert resumed.epoch == 1 and resumed.step == 2
    resumed.run()
    for key, value in unbroken.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[key], value, msg=key)


def test_a_run_resumed_in_the_middle_of_an_epoch_ends_where_an_uninterrupted_one_does(
    cache, tmp_path
):
    class Interrupted(Loader):
        def batches(self, epoch, first=0):
            yield next(super().batches(epoch, first))
            raise KeyboardInterrupt

    config = with_training(checkpoint_minutes=1e-6)  # after every step
    unbroken = begun(config, cache, tmp_path / "unbroken")
    unbroken.run()
    with pytest.raises(KeyboardInterrupt):
        begun(config, cache, tmp_path / "broken", loader=Interrupted).run()
    resumed = training(config, cache, tmp_path / "broken")
    resumed.resume(checkpoint.load(resumed.path))
    assert resumed.epoch == 0 and resumed.step == 1
    resumed.run()
    assert resumed.step == unbroken.step
    for entry, expected in zip(resumed.metrics, unbroken.metrics, strict=True):
        assert entry["loss"] == pytest.approx(expected["loss"])
    for key, value in unbroken.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[key], value, msg=key)


def test_a_run_resumed_after_an_interrupted_validation_has_the_scores_of_every_epoch(
    cache, tmp_path
):
    class Unreadable(TinyDataset):
        def __getitem__(self, index):
            raise KeyboardInterrupt

    config = with_training(epochs=1, validation_frames=1)
    broken = begun(config, cache, tmp_path)
    broken.validation = Unreadable()
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = training(config, cache, tmp_path)
    resumed.validation = TinyDataset()
    resumed.resume(checkpoint.load(resumed.path))
    resumed.run()
    (entry,) = json.loads((tmp_path / "metrics.json").read_text())["epochs"]
    assert entry["loss"] and entry["validation"]["miou"] is not None
    assert json.loads(checkpoint.load(resumed.path).training_state()["metrics"]) == [entry]


def test_the_curves_of_a_resumed_run_have_each_step_once(cache, tmp_path, monkeypatch):
    class Interrupted(Loader):
        def batches(self, epoch, first=0):
            yield next(super().batches(epoch, first))
            if epoch == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "LOG_STEPS", 1)
    with pytest.raises(KeyboardInterrupt):
        begun(TINY, cache, tmp_path, loader=Interrupted).run()
    # TensorBoard sorts files by name; of those from the same second, number 10 precedes 9.
    (events,) = (tmp_path / "tensorboard").iterdir()
    events.rename(events.with_name("events.out.tfevents.0.earlier"))
    resumed = training(TINY, cache, tmp_path)
    resumed.resume(checkpoint.load(resumed.path))
    assert resumed.step == 1  # the second step is lost
    resumed.run()
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in curves.Scalars("loss/heatmap")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tasks": ("segmentation",)}, r"training\.tasks was \[\] and is now \['segmentation'\]"),
        ({"learning_rate": 1.0}, r"training\.learning_rate was 0\.002 and is now 1\.0"),
    ],
)
def test_a_run_is_not_resumed_with_settings_of_another(cache, tmp_path, settings, reason):
    run = begun(TINY, cache, tmp_path)
    run.save()
    saved = checkpoint.load(run.path)
    with pytest.raises(ValueError, match=rf"checkpoint\.pt: {reason}.*--init"):
        training(with_training(**settings), cache, tmp_path).resume(saved)


def test_a_resumed_run_has_only_the_minutes_that_are_left(cache, tmp_path):
    config = with_training(max_minutes=10)
    run = begun(config, cache, tmp_path)
    run.minutes = 4.0
    run.save()
    resumed = training(config, cache, tmp_path)
    resumed.resume(checkpoint.load(resumed.path))
    assert resumed.progress == pytest.approx(0.4)


def test_a_resumed_run_may_have_another_end_and_other_validation(cache, tmp_path):
    begun(TINY, cache, tmp_path).save()
    changed = with_training(
        replace(TINY, name="other", postprocess=PostprocessConfig(score_threshold=0.1)),
        epochs=7,
        max_steps=90,
        max_minutes=5.0,
        precision="auto",
        validation_split="val",
        validation_frames=3,
        checkpoint_minutes=1.0,
        num_workers=3,
    )
    resumed = training(changed, cache, tmp_path)
    resumed.resume(checkpoint.load(resumed.path))
    assert resumed.config == changed and resumed.schedule.minutes == 5


def test_a_finished_run_may_be_extended(cache, tmp_path):
    begun(TINY, cache, tmp_path).run()
    longer = training(with_training(epochs=3), cache, tmp_path)
    longer.resume(checkpoint.load(longer.path))
    longer.run()
    assert [entry["epoch"] for entry in longer.metrics] == [1, 2, 3]
