"""Frames, truths and predictions -> the report of a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.evaluation.detection import DetectionScores
from bev_semseg_ros.evaluation.segmentation import SegmentationScores
from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.taxonomy import DETECTION_CLASSES

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor

SCORE_THRESHOLD = 0.05  # low, since average precision ranks every prediction


class Report:
    """Gathers the scores of frames, wherever their predictions come from."""

    def __init__(self, grid: GridConfig, mode: Mode = "fused"):
        self.mode = mode
        self.num_frames = self.num_skipped = 0
        self.detection = DetectionScores(grid)
        self.segmentation = SegmentationScores()

    def add(self, frame: Frame, annotation: Annotation, prediction: Prediction | None) -> None:
        """Score what there is truth for; boxes only where all sensors of the mode were there and boxes looked for.

        prediction: None for a frame that has nothing the mode could look at.
        """
        self.num_frames += 1
        boxes = (
            prediction.boxes if prediction is not None and prediction.mode == self.mode else None
        )
        if annotation.boxes is not None and boxes is not None:
            self.detection.add(frame, annotation, boxes)
        self.num_skipped += annotation.boxes is not None and boxes is None
        mask = None if prediction is None else prediction.mask
        if annotation.mask is not None and frame.image is not None and mask is not None:
            self.segmentation.add(frame, annotation, mask)

    def result(self) -> dict[str, Any]:
        """{mode, num_frames, segmentation, detection}, plain values; None where there is no truth.

        detection.num_skipped: frames with true boxes that lack a sensor of the mode, or the one that finds boxes.
        """
        return {
            "mode": self.mode,
            "num_frames": self.num_frames,
            "segmentation": self.segmentation.result(),
            "detection": self.detection.result() | {"num_skipped": self.num_skipped},
        }


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    mode: Mode = "fused",
    score_threshold: float = SCORE_THRESHOLD,
    limit: int | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run a predictor over a data set and score it, on `limit` frames evenly spaced or on all.

    on_frame is called after every frame. A frame that lacks a sensor the mode needs is predicted from what it has:
    its mask counts, its boxes do not.
    """
    report = Report(predictor.config.grid, mode)
    for index in spaced(len(dataset), limit):
        frame, annotation = dataset[index]
        prediction = predictor.predict(frame, mode, score_threshold) if runs(frame, mode) else None
        report.add(frame, annotation, prediction)
        on_frame()
    return report.result()


def spaced(count: int, limit: int | None) -> list[int]:
    """At most `limit` of `count` indices, evenly spaced from the first on."""
    if not limit or limit >= count:
        return list(range(count))
    return [i * count // limit for i in range(limit)]


def runs(frame: Frame, mode: Mode) -> bool:
    """True if a frame has something the mode can look at."""
    has_points, has_image = (
        frame.points is not None,
        frame.image is not None and frame.camera is not None,
    )
    return {"fused": has_points or has_image, "lidar_only": has_points, "camera_only": has_image}[
        mode
    ]


def table(result: dict[str, Any]) -> str:
    """A report for reading."""

    def cell(value: float | None) -> str:
        return "    -" if value is None else f"{value:5.3f}"

    def interval(values: list[float] | None) -> str:
        return "" if values is None else f"{values[0]:.3f}-{values[1]:.3f}"

    detection, segmentation = result["detection"], result["segmentation"]
    lines = [
        f"{result['num_frames']} frames, mode {result['mode']}",
        "",
        f"boxes: {detection['num_frames']} frames, mAP {cell(detection['map']).strip()}",
        f"  {'':12} {'truth':>5}  {'AP':>5}  {'0.5m':>5}  {'1m':>5}  {'2m':>5}  {'4m':>5}  95 % of 2m",
    ]
    for name in DETECTION_CLASSES:
        row = detection[name]
        values = [cell(row[key]) for key in ("ap", "ap_0.5m", "ap_1m", "ap_2m", "ap_4m")]
        lines.append(
            f"  {name:12} {row['num_truth']:5}  {'  '.join(values)}  {interval(row['interval_2m'])}".rstrip()
        )
    if detection["num_skipped"]:
        lines.append(
            f"  {detection['num_skipped']} more frames with boxes lack a sensor of this mode, or the one in "
            "which the network finds boxes"
        )
    lines += [
        "",
        f"masks: {segmentation['num_frames']} frames, mIoU {cell(segmentation['miou']).strip()}, "
        f"six groups {cell(segmentation['group_miou']).strip()} {interval(segmentation['group_interval'])}",
    ]
    for part in ("iou", "group_iou"):
        items = [f"{name} {cell(value).strip()}" for name, value in segmentation[part].items()]
        lines += ["  " + ", ".join(items[start : start + 7]) for start in range(0, len(items), 7)]
    return "\n".join(line.rstrip() for line in lines)
