"""One picture of a frame: image, ground truth, prediction, bird's-eye view and legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Annotation, BevMap, Frame, Prediction
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.preprocessing import RectifiedImage, Sample, prepare, rectify
from bev_semseg_ros.visualization.bev import draw_bev
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    FOREGROUND,
    GROUND_TRUTH_COLOR,
    MUTED,
    draw_boxes_on_image,
    overlay,
    put_text,
    text_width,
)
from bev_semseg_ros.visualization.legend import legend

GAP = 8
TITLE = 24
BEV_ALONE = 800  # height of the bird's-eye view in pixels if there is no image

# Tasks whose results this module draws. The pictures of all others are given.
_DRAWN_HERE = ("detection", "segmentation", "bev_segmentation")
_EMPTY = 10  # how much brighter an empty picture is than the background


def panel(
    frame: Frame,
    annotation: Annotation,
    prediction: Prediction,
    config: Config,
    label_sets: Mapping[str, LabelSet],
    pictures: Mapping[str, np.ndarray] | None = None,
    bev_map: BevMap | None = None,
) -> np.ndarray:
    """Draw a frame, its ground truth and its prediction, at the network's image size.

    The pictures of all cameras have the size of the first camera's. If there is no image, only the
    bird's-eye view and `pictures` are drawn.

    Args:
        frame: Sensor data.
        annotation: Ground truth; an empty `Annotation()` if there is none.
        prediction: Output of the network.
        config: The network's configuration.
        label_sets: Task -> label set of the prediction, as `Predictor.label_sets`: "detection"
            for boxes and "segmentation" for masks. A task without one is not drawn. The legend
            also has the classes of the tasks in `pictures`.
        pictures: Title -> (h, w, 3) RGB of further tasks in the geometry of the rectified image,
            for instance a depth map. They are shown below the others.
        bev_map: Predicted classes in the bird's-eye view, drawn under the boxes. If the ground
            truth has a map, too, it is shown beside the predicted one.

    Returns:
        (h, w, 3) RGB.
    """
    box_labels, mask_labels = label_sets.get("detection"), label_sets.get("segmentation")
    if mask_labels is not None and annotation.mask_labels.maps_to(mask_labels):
        annotation = annotation.with_labels(mask_labels=mask_labels)
    sample = prepare(frame, config)

    def bev(size: int) -> np.ndarray:
        return _bev_views(sample, annotation, prediction, config.grid, box_labels, bev_map, size)

    own_labels = None
    if sample.images:
        cells: list[np.ndarray] = []
        for name in sample.images:
            cells += _camera_cells(name, sample, frame, annotation, prediction, label_sets)
        of_camera = len(cells) // len(sample.images)
        height, width = cells[0].shape[:2]
        for title, picture in (pictures or {}).items():
            cells.append(_titled(_fitted(picture, (width, height - TITLE)), title))
        # The pictures of a single camera have two columns; of several cameras, each has a row.
        left = _in_columns(cells, 2 if len(sample.images) == 1 else of_camera)
        body = np.hstack([left, _vertical_gap(len(left)), bev(len(left) - TITLE)])
        if annotation.masks and annotation.mask_labels != mask_labels:
            own_labels = annotation.mask_labels
    else:
        mask_labels = None
        body = bev(BEV_ALONE)
        for title, picture in (pictures or {}).items():
            width = body.shape[1]
            height = round(picture.shape[0] * width / picture.shape[1])
            body = np.vstack([body, _titled(_fitted(picture, (width, height)), title)])
    bev_labels = None if bev_map is None else bev_map.labels
    shown = {"mask": mask_labels, "true mask": own_labels, "BEV": bev_labels}
    classes = {title: labels for title, labels in shown.items() if labels is not None}
    for task, labels in label_sets.items() if pictures else ():
        if task not in _DRAWN_HERE and labels not in classes.values():
            classes[task.replace("_", " ")] = labels
    footer = legend(body.shape[1], classes, box_labels)
    return np.vstack([_head(frame, prediction, body.shape[1]), body, footer])


def _bev_views(
    sample: Sample,
    annotation: Annotation,
    prediction: Prediction,
    grid: GridConfig,
    box_labels: LabelSet | None,
    bev_map: BevMap | None,
    size: int,
) -> np.ndarray:
    """Draw the bird's-eye view, `size` pixels high, and beside it the true map if there is one."""
    boxes = None if box_labels is None else prediction.boxes
    views = [(_bev_title(annotation, prediction), boxes, bev_map)]
    if bev_map is not None and annotation.bev is not None:
        views.append(("ground truth", None, annotation.bev))
    pictures = []
    for title, predicted, shown in views:
        picture = draw_bev(
            sample.points,
            predicted,
            annotation.boxes,
            size,
            grid,
            box_labels or annotation.box_labels,
            shown,
        )
        pictures += [_titled(picture, title), _vertical_gap(size + TITLE)]
    return np.hstack(pictures[:-1])


def _camera_cells(
    name: str,
    sample: Sample,
    frame: Frame,
    annotation: Annotation,
    prediction: Prediction,
    label_sets: Mapping[str, LabelSet],
) -> list[np.ndarray]:
    """Draw the pictures of a camera, with titles, at the size of the first camera's."""
    seen = sample.images[name]
    true_mask = annotation.masks.get(name)
    if true_mask is not None:
        recorded = frame.cameras[name].camera
        true_mask = rectify(true_mask, recorded, seen.camera.size, cv2.INTER_NEAREST)
    pictures = [
        _image_cell(seen, annotation),
        _mask_cell("ground truth", true_mask, annotation.mask_labels, seen.camera.size),
        *_prediction_cells(seen, prediction, prediction.masks.get(name), label_sets),
    ]
    prefix = "" if len(sample.images) == 1 else f"{name}: "
    size = next(iter(sample.images.values())).camera.size
    return [_titled(cv2.resize(picture, size), prefix + title) for title, picture in pictures]


def _image_cell(seen: RectifiedImage, annotation: Annotation) -> tuple[str, np.ndarray]:
    """Return title and picture: the image with ground-truth boxes."""
    if annotation.boxes is None:
        return "image", seen.image
    picture = draw_boxes_on_image(
        seen.image,
        annotation.boxes,
        seen.camera.image_from_ego,
        annotation.box_labels,
        GROUND_TRUTH_COLOR,
        tags=False,
    )
    return "image, ground-truth boxes", picture


def _prediction_cells(
    seen: RectifiedImage,
    prediction: Prediction,
    mask: np.ndarray | None,
    label_sets: Mapping[str, LabelSet],
) -> list[tuple[str, np.ndarray]]:
    """Return titles and pictures: the predicted mask, and the image with the predictions on it.

    Without the task `segmentation`, the mask is left out. Without `detection`, too, so is the
    image.
    """
    camera = seen.camera
    box_labels, mask_labels = label_sets.get("detection"), label_sets.get("segmentation")
    if mask is not None and mask.shape != seen.image.shape[:2]:
        mask = cv2.resize(mask, camera.size, interpolation=cv2.INTER_NEAREST_EXACT)
    picture = seen.image
    title = "overlay"
    if mask is not None and mask_labels is not None:
        picture = overlay(picture, mask, mask_labels)
    if prediction.boxes is not None and box_labels is not None:
        picture = draw_boxes_on_image(picture, prediction.boxes, camera.image_from_ego, box_labels)
        title = "overlay, predicted boxes"
    cells = [(title, picture)] if label_sets.keys() & {"detection", "segmentation"} else []
    if mask_labels is not None:
        cells.insert(0, _mask_cell("prediction", mask, mask_labels, camera.size))
    return cells


def _mask_cell(
    title: str, mask: np.ndarray | None, labels: LabelSet | None, size: tuple[int, int]
) -> tuple[str, np.ndarray]:
    """Return title and picture: a mask in its colours, or an empty picture if there is none."""
    if mask is not None and labels is not None:
        return title, labels.colorize(mask)
    picture = _background(size[1], size[0]) + np.uint8(_EMPTY)
    put_text(picture, "none", (size[0] / 2 - 14, size[1] / 2), MUTED)
    return title, picture


def _in_columns(cells: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Arrange pictures of one size in `count` columns, row by row."""
    height, width = cells[0].shape[:2]
    picture = _background(0, count * (width + GAP) - GAP)
    for start in range(0, len(cells), count):
        if start:
            picture = np.vstack([picture, _background(GAP, picture.shape[1])])
        row = _background(height, picture.shape[1])
        for column, cell in enumerate(cells[start : start + count]):
            left = column * (width + GAP)
            row[:, left : left + width] = cell
        picture = np.vstack([picture, row])
    return picture


def _head(frame: Frame, prediction: Prediction, width: int) -> np.ndarray:
    """Write scene and name of the frame, and mode and time of the prediction."""
    head = _background(TITLE + 4, width)
    name = frame.name
    if frame.scene and frame.scene not in frame.name:
        name = f"{frame.scene}  {frame.name}"
    put_text(head, name, (GAP, 18), FOREGROUND)
    mode = f"{prediction.mode.replace('_', ' ')}, {prediction.network_ms:.0f} ms"
    put_text(head, mode, (width - GAP - text_width(mode), 18), MUTED)
    return head


def _bev_title(annotation: Annotation, prediction: Prediction) -> str:
    """Return the title of the bird's-eye view, which says which boxes are missing."""
    missing = []
    if annotation.boxes is None:
        missing.append("ground-truth")
    if prediction.boxes is None:
        missing.append("predicted")
    if not missing:
        return "bird's-eye view"
    return f"bird's-eye view, no {' or '.join(missing)} boxes"


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    """Return a picture with a title above it."""
    head = _background(TITLE, picture.shape[1])
    put_text(head, title, (2, 16), MUTED)
    return np.vstack([head, picture])


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture to fit into size (width, height), and centre it on the background."""
    scale = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    width, height = (max(1, round(side * scale)) for side in picture.shape[1::-1])
    fitted = _background(size[1], size[0])
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + height, left : left + width] = cv2.resize(
        picture, (width, height), interpolation=method
    )
    return fitted


def _vertical_gap(height: int) -> np.ndarray:
    """Return the space between two pictures."""
    return _background(height, GAP)


def _background(height: int, width: int) -> np.ndarray:
    """Return an empty picture."""
    return np.full((height, width, 3), BACKGROUND, np.uint8)
