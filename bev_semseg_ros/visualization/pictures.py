"""A data set seen through a predictor, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.evaluation.report import runs, spaced
from bev_semseg_ros.frame import Mode
from bev_semseg_ros.visualization.panel import panel

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor


def write_pictures(
    predictor: Predictor,
    dataset: Dataset,
    out: Path,
    mode: Mode = "fused",
    score_threshold: float | None = None,
    limit: int | None = None,
) -> int:
    """Write one panel for each of `limit` frames evenly spaced (or all) to `out`; the number of them.

    A frame that has nothing the mode could look at is left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for index in spaced(len(dataset), limit):
        frame, annotation = dataset[index]
        if not runs(frame, mode):
            continue
        picture = panel(
            frame, annotation, predictor.predict(frame, mode, score_threshold), predictor.config
        )
        path = out / f"{index:06d}_{frame.name.replace('/', '_')}.png"
        if not cv2.imwrite(str(path), picture[..., ::-1]):
            raise OSError(f"{path}: cannot be written")
        count += 1
    return count
