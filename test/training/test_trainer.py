"""The trainer learns, and stops with a reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.memory_dataset import SKY, TINY, TinyDataset, with_training
from support.trainers import begun, training

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.loader import Loader, TrainingBatch
from bev_semseg_ros.training.schedule import one_cycle
from bev_semseg_ros.training.trainer import Trainer

pytestmark = pytest.mark.slow


def first_batch(run: Trainer) -> TrainingBatch:
    return run.loader.make_batch(np.arange(2), (0,))


def test_each_step_follows_the_gradient_of_its_own_batch_clipped_to_its_limit(cache, tmp_path):
    def norms(limit: float) -> list[float]:
        run = begun(with_training(gradient_clip=limit, max_steps=10**6), cache, tmp_path)
        found = []
        for _ in range(2):
            run.train_step(first_batch(run))
            gradients = [p.grad.norm() for p in run.network.parameters() if p.grad is not None]
            found.append(float(torch.stack(gradients).norm()))
        return found

    free, clipped = norms(1e9), norms(0.01)
    assert free[1] == pytest.approx(free[0], rel=0.2) and free[0] > 0.1
    assert clipped == pytest.approx([0.01, 0.01], rel=1e-3)


def test_the_learning_rates_follow_the_schedule(cache, tmp_path):
    run = begun(with_training(max_steps=5, warmup=0.4), cache, tmp_path)
    factors = []
    for _ in range(5):
        run.train_step(first_batch(run))
        (factor,) = {group["lr"] / group["peak"] for group in run.optimizer.param_groups}
        factors.append(factor)
    assert factors == pytest.approx([one_cycle(step / 5, 0.4) for step in range(5)])


@pytest.mark.parametrize(("limit", "expected"), [(0, [0, 1, 2, 3]), (2, [0, 2])])
def test_an_epoch_is_evaluated_on_at_most_validation_frames_and_0_means_all(
    cache, tmp_path, limit, expected
):
    class Recorded(TinyDataset):
        def __getitem__(self, index):
            evaluated.append(index)
            return super().__getitem__(index)

    evaluated = []
    run = begun(with_training(max_steps=1, validation_frames=limit), cache, tmp_path)
    run.validation = Recorded(4)
    run.run()
    assert evaluated == expected and run.metrics[-1]["validation"]["miou"] is not None


def test_class_weights_come_from_the_statistics_of_the_data_even_after_resuming(cache, tmp_path):
    losses = []
    for counts in (None, [10**6 if number == SKY else 10 for number in range(13)]):
        run = training(TINY, cache, tmp_path)
        run.info |= {} if counts is None else {"class_pixels": counts}
        run.begin([])
        run.save()
        resumed = training(TINY, cache, tmp_path)
        resumed.resume(checkpoint.load(run.path))
        for each in (run, resumed):
            with torch.no_grad():
                each.network.camera.heads.segmentation.logits.bias[SKY] += 5  # the road is missed
            losses.append(each.train_step(first_batch(each))["segmentation"])
    assert losses[0] == pytest.approx(losses[1]) and losses[2] == pytest.approx(losses[3])
    assert losses[2] > 1.5 * losses[0]


def test_a_batch_that_lost_every_label_to_augmentation_changes_no_weights(cache, tmp_path):
    run = begun(TINY, cache, tmp_path)
    before = {name: value.clone() for name, value in run.network.named_parameters()}
    assert run.train_step(replace(first_batch(run), targets={})) == {} and run.step == 1
    assert all(torch.equal(value, before[name]) for name, value in run.network.named_parameters())


def test_imagenet_weights_do_not_replace_a_camera_encoder_of_a_checkpoint(cache, tmp_path):
    config = replace(TINY, model=replace(TINY.model, camera_encoder="efficientnet_lite0"))
    given = build_network(config)  # random weights
    info = {"tasks": ["detection", "segmentation"], "uses_both_sensors": True}
    checkpoint.save(tmp_path / "given.pt", given, config, info)
    run = begun(config, cache, tmp_path, (tmp_path / "given.pt",))
    expected = given.camera.encoder.conv_stem.weight
    torch.testing.assert_close(run.network.camera.encoder.conv_stem.weight, expected)


def test_every_loss_falls(cache, tmp_path):
    quiet = replace(
        TINY.augmentation, flip=0, rotation=0, scale=0, height=0, point_drop=0, ring_drop=0
    )
    run = begun(
        with_training(replace(TINY, augmentation=quiet), epochs=12, learning_rate=1e-2),
        cache,
        tmp_path,
    )
    run.run()
    first, last = run.metrics[0]["loss"], run.metrics[-1]["loss"]
    assert set(first) == {"heatmap", "regression", "segmentation"}
    assert all(last[name] < 0.7 * first[name] for name in first)


def test_the_run_folder_has_metrics_and_a_checkpoint_that_loads(cache, tmp_path):
    run = begun(TINY, cache, tmp_path / "run")
    run.run()
    loaded = checkpoint.load(tmp_path / "run" / "checkpoint.pt")
    assert loaded.config == TINY
    assert set(loaded.weights) == set(build_network(TINY).state_dict())
    assert loaded.info["steps"] == 4 and loaded.info["image_sizes"] == [[128, 64]]
    assert loaded.info["tasks"] == ["detection", "segmentation"]
    epochs = json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"]
    assert [entry["epoch"] for entry in epochs] == [1, 2]


def test_a_gradient_that_is_not_finite_stops_training_before_it_changes_weights(cache, tmp_path):
    run = begun(TINY, cache, tmp_path)
    run.network.bev.heads.detection.heatmap.weight.register_hook(
        lambda gradient: gradient * float("nan")
    )
    with pytest.raises(FloatingPointError, match=r"step 0: the gradient.*frame\d"):
        run.run()
    assert all(torch.isfinite(value).all() for value in run.network.state_dict().values())


def test_the_mean_of_a_loss_is_over_the_steps_that_had_it(cache, tmp_path):
    class Partial(Loader):
        def batches(self, epoch, first=0):
            for number, batch in enumerate(super().batches(epoch, first)):
                targets = dict(batch.targets)
                if number:
                    del targets["segmentation"]
                yield replace(batch, targets=targets)

    run = begun(with_training(epochs=1), cache, tmp_path, loader=Partial)
    seen = []
    make = run.train_step
    run.train_step = lambda step: seen.append(make(step)) or seen[-1]
    run.run()
    assert (
        run.metrics[0]["loss"]["segmentation"] == seen[0]["segmentation"]
        and "segmentation" not in seen[1]
    )


def test_a_loss_that_is_not_finite_stops_training_and_names_step_and_frames(cache, tmp_path):
    run = begun(TINY, cache, tmp_path)
    with torch.no_grad():
        run.network.bev.heads.detection.heatmap.bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"step 0.*heatmap nan.*frame\d"):
        run.run()


def test_a_gpu_with_too_little_memory_is_reported_with_the_settings_to_lower(cache, tmp_path):
    def fail(*_):  # as torch does on a GPU
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    run = begun(with_training(batch_size=2), cache, tmp_path)
    run.network.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match=r"training\.batch_size: 2 frames.*GPU.*training\.crop"):
        run.run()


def test_training_ends_after_max_minutes(cache, tmp_path):
    run = begun(with_training(epochs=1, max_minutes=0.01), cache, tmp_path)
    run.run()
    assert run.progress == 1 and run.minutes >= 0.01 and run.metrics[-1]["epoch"] == run.epoch


@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])  # this one needs no points
def test_training_one_task_does_not_change_the_weights_of_the_other(cache, tmp_path, fusion):
    config = replace(TINY, model=replace(TINY.model, fusion=fusion))
    run = begun(with_training(config, tasks=("segmentation",), epochs=1), cache, tmp_path)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    run.run()
    changed = {
        key.split(".")[0]
        for key, value in run.network.state_dict().items()
        if not value.equal(before[key])
    }
    assert changed == {"camera"}


def test_a_detection_run_can_be_averaged_with_the_adjusted_weights_it_started_from(
    cache, tmp_path, capsys
):
    adjusted, mean = tmp_path / "adjusted.pt", tmp_path / "mean.pt"
    tasks = {"tasks": ["detection", "segmentation"], "class_pixels": [1] * 13}
    checkpoint.save(adjusted, build_network(TINY), TINY, tasks | {"unweighted": 0.5})
    run = begun(with_training(tasks=("detection",), max_steps=1), cache, tmp_path, (adjusted,))
    run.run()
    command = ["export", "--checkpoint", str(run.path), "--out", str(mean)]
    assert main([*command, "--average", str(adjusted)]) == 0
    key = "camera.heads.segmentation.logits.bias"
    before = checkpoint.load(adjusted).weights[key]
    torch.testing.assert_close(checkpoint.load(mean).weights[key], before, atol=1e-3, rtol=0)
    assert main([*command, "--logit-adjustment", "0.5"]) == 2
    assert "leave out the logit adjustment" in capsys.readouterr().err


def test_two_checkpoints_of_one_task_each_initialize_a_network_of_both(cache, tmp_path):
    runs = {}
    for task, fusion in (("segmentation", "projective"), ("detection", "none")):
        config = with_training(
            replace(TINY, model=replace(TINY.model, fusion=fusion)), tasks=(task,), epochs=1
        )
        runs[task] = begun(config, cache, tmp_path / task)
        runs[task].run()
    joined = begun(
        TINY, cache, tmp_path / "joined", (runs["segmentation"].path, runs["detection"].path)
    )
    camera, lidar = (runs[task].network.state_dict() for task in ("segmentation", "detection"))
    weights = joined.network.state_dict()
    assert weights["camera.encoder.stem.0.weight"].equal(camera["camera.encoder.stem.0.weight"])
    assert weights["bev.heads.detection.heatmap.weight"].equal(
        lidar["bev.heads.detection.heatmap.weight"]
    )
    points = lidar["lidar_encoder.linear.weight"].shape[1]
    assert weights["lidar_encoder.linear.weight"][:, :points].equal(
        lidar["lidar_encoder.linear.weight"]
    )
    assert not weights["lidar_encoder.linear.weight"][:, points:].any()


def test_a_pretrained_encoder_is_frozen_in_front_and_slower_behind_even_after_resuming(
    cache, tmp_path
):
    config = replace(TINY, model=replace(TINY.model, camera_encoder="efficientnet_lite0"))
    run = begun(config, cache, tmp_path)
    run.save()
    resumed = training(config, cache, tmp_path)
    resumed.resume(checkpoint.load(run.path))
    for each in (run, resumed):
        encoder = each.network.camera.encoder
        assert (
            not encoder.conv_stem.weight.requires_grad
            and not encoder.blocks[1].project_conv.weight.requires_grad
        )
        groups = each.optimizer.param_groups
        peaks = {id(p): group["peak"] for group in groups for p in group["params"]}
        assert id(encoder.conv_stem.weight) not in peaks
        assert peaks[id(encoder.blocks[5].project_conv.weight)] == pytest.approx(
            0.3 * config.training.learning_rate
        )
        heatmap = each.network.bev.heads.detection.heatmap.weight
        assert peaks[id(heatmap)] == config.training.learning_rate
