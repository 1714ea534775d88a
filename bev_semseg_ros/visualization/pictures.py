"""Pictures of the frames of a data set, as PNG files, and a page that shows them one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.data.files import write_png
from bev_semseg_ros.evaluation.report import has_input, spaced
from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.visualization.panel import panel
from bev_semseg_ros.visualization.picture_page import write_picture_page

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor


def write_pictures(
    predictor: Predictor,
    dataset: Dataset,
    out: Path,
    mode: Mode = "fused",
    score_threshold: float | None = None,
    limit: int | None = None,
    lifts_masks: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> int:
    """Write a panel for each frame that has data of the sensors that the mode uses, and the page.

    Args:
        predictor: Makes the predictions.
        dataset: Frames and ground truth.
        out: Folder for the pictures.
        mode: Sensors to use.
        score_threshold: Lowest score of boxes; default: the checkpoint's.
        limit: Number of frames to draw, evenly spaced; default: all.
        lifts_masks: Draw classes in the bird's-eye view even if the network does not learn them.
        on_frame: Called after every frame.

    Returns:
        The number of pictures.

    Raises:
        OSError: If a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    mode = predictor.effective_mode(mode)
    names: list[str] = []
    warm: set[tuple[tuple[int, int], ...]] = set()
    for index in spaced(len(dataset), limit):
        frame, annotation = dataset[index]
        if has_input(frame, mode):
            sizes = tuple(seen.camera.size for seen in frame.cameras.values())
            if sizes not in warm:
                predictor.warm_up(sizes)  # the time shown in the first picture must not include it
                warm.add(sizes)
            prediction = predictor.predict(frame, mode, score_threshold)
            picture = _picture(predictor, frame, annotation, prediction, lifts_masks)
            names.append(f"{index:06d}_{frame.name.replace('/', '_')}.png")
            write_png(out / names[-1], picture)
        on_frame()
    if names:
        write_picture_page(out, names)
    return len(names)


def _picture(
    predictor: Predictor,
    frame: Frame,
    annotation: Annotation,
    prediction: Prediction,
    lifts_masks: bool,
) -> np.ndarray:
    """Return the panel (H, W, 3) of a frame."""
    bev_map = None
    if lifts_masks or "bev_segmentation" in predictor.label_sets:
        bev_map = predictor.bev_map(frame, prediction)
    return panel(
        frame,
        annotation,
        prediction,
        predictor.config,
        predictor.label_sets,
        task_pictures(predictor, frame, prediction),
        bev_map,
    )


def task_pictures(
    predictor: Predictor, frame: Frame, prediction: Prediction
) -> dict[str, np.ndarray]:
    """Return title -> RGB picture for the tasks that draw their own results."""
    sample = prepare(frame, predictor.config, predictor.whole_clouds)
    drawn: dict[str, np.ndarray | None] = {}
    for task in predictor.tasks:
        result = prediction.results.get(task.name)
        if result is None:
            continue
        if task.view == "bev":
            drawn[task.name] = task.picture(result, sample)
        elif task.view == "points":
            for name in sample.images:
                drawn[f"{task.name}, {name}"] = task.picture(result, sample.of_camera(name))
            above = f"{task.name}, from above"
            drawn[above] = task.picture(result, sample.without_images())
        else:
            for name, of_camera in result.items():
                title = task.name if len(result) == 1 else f"{task.name}, {name}"
                drawn[title] = task.picture(of_camera, sample.of_camera(name))
    return {title: picture for title, picture in drawn.items() if picture is not None}
