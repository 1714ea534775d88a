"""A2D2 as published: the labelled subsets and the sequences (Geyer et al., arXiv 2004.06320)."""

from bev_semseg_ros.data.a2d2.dataset import (
    MASK_LABELS_FILE,
    A2D2Dataset,
    Palette,
    axis_angle_rotation,
    read_boxes,
    read_points,
)

__all__ = [
    "MASK_LABELS_FILE",
    "A2D2Dataset",
    "Palette",
    "axis_angle_rotation",
    "read_boxes",
    "read_points",
]
