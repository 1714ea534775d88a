"""Label sets: classes, their colours, and mappings between the sets of different sources."""

from bev_semseg_ros.labels.label_set import (
    BOX_IGNORED,
    BOX_NONE,
    DEFAULT_BEV_LABELS,
    DEFAULT_BOX_LABELS,
    DEFAULT_MASK_LABELS,
    MASK_IGNORED,
    LabelSet,
    UnknownLabelError,
    load_label_set,
    shared_label_set,
    shipped_label_sets,
)

__all__ = [
    "BOX_IGNORED",
    "BOX_NONE",
    "DEFAULT_BEV_LABELS",
    "DEFAULT_BOX_LABELS",
    "DEFAULT_MASK_LABELS",
    "MASK_IGNORED",
    "LabelSet",
    "UnknownLabelError",
    "load_label_set",
    "shared_label_set",
    "shipped_label_sets",
]
