"""Average precision of boxes by the distance of their centres, like that of nuScenes.

By falling score each prediction claims the nearest unclaimed ground truth closer than a threshold.
One that claims ignored ground truth is dropped. Precision is made monotone and sampled at recalls
0.10, 0.11, ... 1.00; its part above 0.1 is rescaled to 0..1.

The nuScenes devkit (Caesar et al. 2020) differs in two points: it does not make the precision
monotone but interpolates it linearly between the recalls that occur, and it leaves out the recall
0.10.
"""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.model.tasks.bootstrap import interval, resample

RECALLS = np.arange(10, 101) / 100
MIN_PRECISION = 0.1
FOUND, FALSE, DROPPED = 1, 0, -1


def match(
    predicted: np.ndarray, ground_truth: np.ndarray, required: np.ndarray, threshold: float
) -> np.ndarray:
    """Match predictions with the ground truth.

    Args:
        predicted: (P, 2) centres by falling score.
        ground_truth: (T, 2) centres.
        required: (T,) bool: False where the truth is ignored.
        threshold: metres.

    Returns:
        (P,) FOUND, FALSE or DROPPED.
    """
    outcome = np.full(len(predicted), FALSE)
    distance = np.linalg.norm(predicted[:, None] - ground_truth[None], axis=2)
    for index in range(len(predicted) if len(ground_truth) else 0):
        nearest = int(np.argmin(distance[index]))
        if distance[index, nearest] < threshold:
            outcome[index] = FOUND if required[nearest] else DROPPED
            distance[:, nearest] = np.inf
    return outcome


def average_precision(found: np.ndarray, weights: np.ndarray, num_truth: np.ndarray) -> np.ndarray:
    """Return (R,) average precision of R weightings of the same predictions.

    Args:
        found: (P,) bool by falling score.
        weights: (R, P): how often each prediction counts.
        num_truth: (R,): how much there was to find.
    """
    hits = np.cumsum(weights * found, 1)
    precision = hits / np.maximum(np.cumsum(weights, 1), 1e-9)
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    result = np.zeros(len(weights))
    for row in range(len(weights)):
        first = np.searchsorted(hits[row] / num_truth[row], RECALLS)
        sampled = np.append(precision[row], 0.0)[first]
        result[row] = (np.clip(sampled - MIN_PRECISION, 0, None) / (1 - MIN_PRECISION)).mean()
    return result


def bootstrap_interval(frames: np.ndarray, found: np.ndarray, num_truth: np.ndarray) -> list[float]:
    """Return the 95 % bootstrap interval over frames; resamples without truth are left out.

    Args:
        frames: (P,) frame of each prediction, by falling score.
        found: (P,) bool.
        num_truth: (F,) how much there was to find in each frame.
    """
    times = resample(len(num_truth))
    times = times[times @ num_truth > 0]
    portion = max(1, 4_000_000 // max(len(found), 1))  # bounds the memory of a large set
    values = [
        average_precision(found, part[:, frames].astype(np.float64), part @ num_truth)
        for part in np.split(times, range(portion, len(times), portion))
    ]
    return interval(np.concatenate(values))
