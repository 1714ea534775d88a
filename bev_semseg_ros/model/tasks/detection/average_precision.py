"""Average precision of boxes by the distance of their centres, like that of nuScenes.

In the order of descending scores, each prediction claims the nearest unclaimed ground truth that is
closer than a threshold. A prediction that claims ignored ground truth is dropped. The precision is
made monotone and sampled at the recalls 0.10, 0.11, ... 1.00. Its part above 0.1 is rescaled to
0..1.

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
        predicted: (P, 2) centres by descending score, metres.
        ground_truth: (T, 2) centres, metres.
        required: (T,) bool: False for ignored ground truth.
        threshold: distance between centres, metres.

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
        found: (P,) bool: true positives, by descending score.
        weights: (R, P) number of times that each prediction counts.
        num_truth: (R,) number of required boxes.
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
    """Return the 95 % bootstrap interval over frames, without resamples that have no required box.

    Args:
        frames: (P,) index of each prediction's frame, by descending score.
        found: (P,) bool: true positives.
        num_truth: (F,) number of required boxes in each frame.
    """
    times = resample(len(num_truth))
    times = times[times @ num_truth > 0]
    portion = max(1, 4_000_000 // max(len(found), 1))  # limits the memory for a large data set
    values = [
        average_precision(found, part[:, frames].astype(np.float64), part @ num_truth)
        for part in np.split(times, range(portion, len(times), portion))
    ]
    return interval(np.concatenate(values))
