"""Checks whether masks and points have labels, and whether the numbers of masks fit their set."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.frame import Annotation
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set

STEP = 8  # only each STEP-th row and column is checked
LEAST = 0.01  # fraction of the pixels
MOST = 0.5  # fraction of the masks
# In images of a vehicle's camera, classes of the group UPPER are above those of the group LOWER.
GROUPS, UPPER, LOWER = "groups_6", "sky", "road"


class MaskCheck:
    """Examines the masks and the classes of points of frames."""

    def __init__(self) -> None:
        self._num_masks = self._num_clouds = 0
        self._num_telling = 0  # masks with both road and sky
        self._empty, self._empty_clouds, self._mixed_up = Cases(), Cases(), Cases()

    def add(self, annotation: Annotation, where: str) -> None:
        """Add a frame; `where` names it or the file of its mask."""
        groups = load_label_set(GROUPS)
        table = None
        if annotation.mask_labels.maps_to(groups):
            table = annotation.mask_labels.mask_table(groups)
        for mask in annotation.masks.values():
            self._num_masks += 1
            some = mask[::STEP, ::STEP]
            if (some != MASK_IGNORED).mean() < LEAST:
                self._empty.add(where)
            elif table is not None:
                grouped = table[some]
                upper, lower = (grouped == groups.index(name) for name in (UPPER, LOWER))
                if min(upper.mean(), lower.mean()) >= LEAST:
                    self._num_telling += 1
                    if _mean_row(upper) > _mean_row(lower):
                        self._mixed_up.add(where)

    def add_points(self, annotation: Annotation, where: str) -> None:
        """Add the classes of a frame's points; `where` names the frame or their file."""
        for classes in annotation.point_classes.values():
            self._num_clouds += 1
            if not (classes != MASK_IGNORED).any():
                self._empty_clouds.add(where)

    def findings(self) -> list[DataFinding]:
        """Return the findings about the masks and the classes of points."""
        found = []
        if self._empty_clouds.count:
            clouds = portion(self._empty_clouds.count, self._num_clouds, "clouds")
            remedy = (
                f"training ignores them: {MASK_IGNORED} means that a point is unlabelled; write "
                "the class of each point"
            )
            text = f"the classes of all points of {clouds} are {MASK_IGNORED}"
            found.append(self._empty_clouds.finding("classes of points", "warning", text, remedy))
        if self._empty.count:
            text = f"{portion(self._empty.count, self._num_masks, 'masks')} have hardly any labels"
            remedy = (
                f"training ignores them: {MASK_IGNORED} means that a pixel is unlabelled; write "
                "masks with class numbers, not in black and white"
            )
            found.append(self._empty.finding("empty masks", "warning", text, remedy))
        if self._mixed_up.count > MOST * self._num_telling:
            text = (
                f"in {portion(self._mixed_up.count, self._num_telling, 'masks')} with both, the "
                f"{LOWER} lies above the {UPPER}"
            )
            remedy = (
                "the numbers or colours of the masks have other meanings than in the label set "
                "(KITTI's layout: semantic/labels.yaml), or the masks are upside down"
            )
            found.append(self._mixed_up.finding("classes of masks", "fault", text, remedy))
        return found


def _mean_row(chosen: np.ndarray) -> float:
    """Return the mean row of the pixels that are True in (h, w); there must be at least one."""
    return float(np.nonzero(chosen)[0].mean())
