"""Adds classes to points: those of the data set, or those of the masks at their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bev_semseg_ros.frame import Annotation, Frame
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.lifting import carry_classes
from bev_semseg_ros.preprocessing import Sample

# Name of the point attribute with the true class. As an attribute, the class stays with its point
# when points are removed.
POINT_CLASS = "class"
SKY = "sky"  # the class that no lidar measures, in small letters or not


def with_point_classes(frame: Frame, annotation: Annotation) -> Frame:
    """Return the frame with the attribute POINT_CLASS for labelled points."""
    lidars = {
        name: replace(
            scan, attributes={**scan.attributes, POINT_CLASS: annotation.point_classes[name]}
        )
        if name in annotation.point_classes and scan.points is not None
        else scan
        for name, scan in frame.lidars.items()
    }
    return replace(frame, lidars=lidars)


def with_carried_classes(
    sample: Sample, masks: Mapping[str, np.ndarray], labels: LabelSet
) -> Sample:
    """Return the sample with the attribute POINT_CLASS, taken from the masks at the points' pixels.

    Points at pixels of the sky get no class: they belong to something beside it.

    Args:
        sample: Sample with the cameras of the masks.
        masks: (h, w) uint8 classes of the rectified images, by the names of the cameras.
        labels: Label set of the masks.
    """
    if sample.points is None or not masks:
        return sample
    seen_by = {name: sample.images[name].camera for name in masks}
    carried = carry_classes(sample.points, masks, seen_by)
    sky = [number for number, name in enumerate(labels.classes) if name.lower() == SKY]
    carried[np.isin(carried, sky)] = MASK_IGNORED
    return replace(sample, point_attributes={**sample.point_attributes, POINT_CLASS: carried})
