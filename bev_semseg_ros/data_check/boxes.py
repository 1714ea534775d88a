"""Checks whether labelled boxes fit the points and the images, and have plausible sizes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.data_check.sizes import implausible, limits
from bev_semseg_ros.evaluation.statistics.cloud import Cloud
from bev_semseg_ros.frame import Annotation, Boxes, Camera, Frame
from bev_semseg_ros.geometry import box_image_bounds, points_in_boxes
from bev_semseg_ros.input_check import Level
from bev_semseg_ros.labels import LabelSet

# Fraction of boxes without points. Hidden and distant objects have none: 1 % in the shipped frames
# of KITTI. Some data sets also label objects that only the camera saw.
USUAL_WITHOUT_POINTS = 0.1
MOST = 0.5
MARGIN = 0.1  # metres by which a box is enlarged, because labels are inexact
GROUND = 0.3  # metres above the bottom of a box, below which points may belong to the ground
NEAR = 0.1  # metres in front of a camera


class BoxCheck:
    """Examines the boxes of frames."""

    def __init__(self) -> None:
        self._num_labelled = 0
        self._num_with_points = 0  # boxes of frames with a cloud
        self._num_with_camera = 0  # boxes of frames with a camera
        self._num_boxes: Counter[str] = Counter()
        self._frames_without, self._without_points = Cases(), Cases()
        self._outside, self._outside_without_points = Cases(), Cases()
        self._sizes: dict[str, Cases] = {}
        self._labels: dict[str, LabelSet] = {}

    def add(self, frame: Frame, annotation: Annotation, where: str) -> None:
        """Add a frame; `where` names it or the file of its boxes."""
        boxes = annotation.boxes
        if boxes is None:
            return
        self._num_labelled += 1
        if not len(boxes):
            if not any(len(areas) for areas in annotation.dont_care.values()):
                self._frames_without.add(where)
            return
        self._add_sizes(boxes, annotation.box_labels, where)
        is_empty = np.zeros(len(boxes), bool)
        if frame.has_points:
            is_empty[:] = ~_hold_points(boxes, Cloud.of(frame).positions)
            self._num_with_points += len(boxes)
            self._without_points.add(where, int(is_empty.sum()))
        cameras = [seen.camera for seen in frame.cameras.values()]
        if cameras:
            is_outside = ~np.any([_in_image(boxes, camera) for camera in cameras], axis=0)
            self._num_with_camera += len(boxes)
            self._outside.add(where, int(is_outside.sum()))
            self._outside_without_points.add(where, int((is_outside & is_empty).sum()))

    def counts(self) -> dict[str, int]:
        """Return the number of boxes of each class."""
        return dict(self._num_boxes.most_common())

    def findings(self) -> list[DataFinding]:
        """Return the findings about the boxes."""
        found = [self._empty_frames(), self._empty_boxes(), self._outside_boxes()]
        return [*(each for each in found if each is not None), *self._implausible()]

    def _add_sizes(self, boxes: Boxes, labels: LabelSet, where: str) -> None:
        for label in np.unique(boxes.labels[boxes.labels >= 0]):
            name = labels.classes[label]
            sizes = boxes.sizes[boxes.labels == label]
            self._labels[name] = labels
            self._num_boxes[name] += len(sizes)
            wrong = implausible(sizes, name, labels)
            if wrong.any():
                length, width, height = sizes[wrong][0]
                example = f"{length:.3g} m x {width:.3g} m x {height:.3g} m in {where}"
                self._sizes.setdefault(name, Cases()).add(example, int(wrong.sum()))

    def _empty_frames(self) -> DataFinding | None:
        """Return the finding about labelled frames without boxes."""
        cases = self._frames_without
        if not cases.count:
            return None
        item = "frames without boxes"
        text = f"{portion(cases.count, self._num_labelled, 'labelled frames')} have no box"
        if cases.count == self._num_labelled:
            remedy = (
                "a network learns from them that there are no objects: fill the label files, or "
                "remove them if nobody labelled boxes"
            )
            return cases.finding(item, "fault", text, remedy)
        remedy = "correct if there was no object; if nobody labelled them, remove their label files"
        return cases.finding(item, "warning", text, remedy)

    def _empty_boxes(self) -> DataFinding | None:
        """Return the finding about boxes without points."""
        cases, total = self._without_points, self._num_with_points
        if cases.count <= USUAL_WITHOUT_POINTS * total:
            return None
        usual = f"{100 * USUAL_WITHOUT_POINTS:.0f} %"
        text = f"{portion(cases.count, total, 'boxes')} contain no point; up to {usual} are usual"
        if cases.count > MOST * total:
            remedy = (
                "boxes and points do not overlap: check the calibration between them "
                "(KITTI: Tr_velo_to_cam and R0_rect), the frame of the clouds (x forward, y left, "
                "z up) and that labels and clouds have the same numbers"
            )
            return cases.finding("boxes without points", "fault", text, remedy)
        remedy = "training ignores them; were they labelled in images, or with another lidar?"
        return cases.finding("boxes without points", "warning", text, remedy)

    def _outside_boxes(self) -> DataFinding | None:
        """Return the finding about boxes outside all images.

        If objects are labelled all around, many such boxes are correct, and they contain points.
        """
        cases, total = self._outside, self._num_with_camera
        if not cases.count:
            return None
        text = f"{portion(cases.count, total, 'boxes')} are outside all images"
        is_most = cases.count > MOST * total
        if is_most and self._outside_without_points.count > MOST * cases.count:
            remedy = (
                "check the calibration of the camera and the axes of the labels (KITTI's camera "
                "frame: x right, y down, z forward)"
            )
            return cases.finding("boxes outside", "fault", text, remedy)
        remedy = (
            "correct for objects at the edge of the image, and for data labelled all around "
            "(score these with `evaluate --region grid`)"
        )
        return cases.finding("boxes outside", "warning", text, remedy)

    def _implausible(self) -> list[DataFinding]:
        """Return the findings about implausible sizes."""
        remedy = (
            "correct or delete these boxes; sizes are in metres, in A2D2's files length, width, "
            "height, in KITTI's height, width, length"
        )
        found = []
        for name, cases in self._sizes.items():
            low, high = limits(name, self._labels[name])
            sides = zip(("length", "width", "height"), low, high, strict=True)
            expected = ", ".join(f"{side} {least:g} to {most:g}" for side, least, most in sides)
            total = self._num_boxes[name]
            text = (
                f"{portion(cases.count, total, 'boxes')} have an implausible size (expected "
                f"{expected} m)"
            )
            level: Level = "fault" if cases.count > MOST * total else "warning"
            found.append(cases.finding(f"size of {name}", level, text, remedy))
        return found


def _hold_points(boxes: Boxes, points: np.ndarray) -> np.ndarray:
    """Return (M,) bool: boxes that contain any points (N, 3) which are not on the ground."""
    lifted = np.minimum(GROUND, boxes.sizes[:, 2] / 2)
    above_ground = replace(
        boxes,
        centers=boxes.centers + lifted[:, None] * (0, 0, 0.5),
        sizes=boxes.sizes - lifted[:, None] * (0, 0, 1),
    )
    return np.asarray(points_in_boxes(points, above_ground, MARGIN).any(1))


def _in_image(boxes: Boxes, camera: Camera) -> np.ndarray:
    """Return (M,) bool: boxes that are at least partly inside the image of a camera."""
    bounds = box_image_bounds(boxes, camera.image_from_ego, NEAR)
    width, height = camera.size
    with np.errstate(invalid="ignore"):  # NaN for boxes behind the camera
        return (
            (bounds[:, 0] < width)
            & (bounds[:, 1] < height)
            & (bounds[:, 2] > 0)
            & (bounds[:, 3] > 0)
        )
