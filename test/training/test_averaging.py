"""The checkpoint of a run can hold the mean of its weights."""

from __future__ import annotations

import pytest
import torch
from support.memory_dataset import TINY, TinyDataset, with_training
from support.trainers import InterruptedLoader, begun, training

from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.training.trainer import Trainer

pytestmark = pytest.mark.slow
POWER = 2.0
CONFIG = with_training(average_power=POWER)


def run_and_record(run: Trainer) -> list[dict[str, torch.Tensor]]:
    """Run a training and return the weights after every step."""
    recorded = []
    step = run.optimizer.step

    def recording_step() -> None:
        step()
        recorded.append({key: value.clone() for key, value in run.network.state_dict().items()})

    run.optimizer.step = recording_step
    run.run()
    return recorded


def test_the_checkpoint_holds_the_mean_of_the_weights_in_which_later_steps_count_more(
    cache, tmp_path
):
    run = begun(CONFIG, cache, tmp_path)
    recorded = run_and_record(run)
    saved = checkpoint.load(run.path).weights
    # The shares of Shamir and Zhang, written out: each step takes its share from those before it.
    left, shares = 1.0, []
    for step in range(len(recorded), 0, -1):
        share = (POWER + 1) / (step + POWER)
        shares.insert(0, left * share)
        left *= 1 - share
    assert left == pytest.approx(0) and shares == sorted(shares)
    for key, value in saved.items():
        if value.is_floating_point():
            mean = sum(share * each[key] for share, each in zip(shares, recorded, strict=True))
            torch.testing.assert_close(value, mean, msg=key)
    assert any((saved[key] != recorded[-1][key]).any() for key in saved)


def test_averaging_does_not_change_the_training(cache, tmp_path):
    plain, averaged = begun(TINY, cache, tmp_path / "a"), begun(CONFIG, cache, tmp_path / "b")
    plain.run()
    averaged.run()
    for key, value in plain.network.state_dict().items():
        torch.testing.assert_close(averaged.network.state_dict()[key], value, msg=key)


def test_the_mean_is_evaluated_after_every_epoch(cache, tmp_path):
    config = with_training(CONFIG, learning_rate=1e-2, epochs=8)
    run = begun(config, cache, tmp_path)
    run.validation = TinyDataset()
    run.run()

    def miou(network: Network) -> float | None:
        predictor = Predictor.from_network(network, config, "cpu")
        return evaluate(predictor, TinyDataset(), "fused").headline()["miou"]

    validation = run.metrics[-1]["validation"]
    assert validation["miou"] == pytest.approx(miou(checkpoint.load(run.path).build()))
    assert validation["miou"] != pytest.approx(miou(run.network))


def test_a_resumed_run_ends_with_the_mean_of_an_uninterrupted_one(cache, tmp_path):
    unbroken = begun(CONFIG, cache, tmp_path / "unbroken")
    unbroken.run()
    with pytest.raises(KeyboardInterrupt):
        begun(CONFIG, cache, tmp_path / "broken", loader=InterruptedLoader).run()
    resumed = training(CONFIG, cache, tmp_path / "broken")
    resumed.resume(checkpoint.load(resumed.path))
    resumed.run()
    expected = checkpoint.load(unbroken.path).weights
    for key, value in checkpoint.load(resumed.path).weights.items():
        torch.testing.assert_close(value, expected[key], msg=key)
