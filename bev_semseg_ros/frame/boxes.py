"""Upright boxes: labelled objects, or those that a network found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.labels import BOX_IGNORED, BOX_NONE, LabelSet


@dataclass(frozen=True, eq=False)
class Boxes:
    """Upright boxes in one coordinate frame, as a struct of arrays.

    Attributes:
        centers: (M, 3) centre of the volume, metres.
        sizes: (M, 3) length, width, height, metres.
        yaws: (M,) yaw about z, counter-clockwise from x, radians.
        labels: (M,) class numbers of a label set, or `labels.BOX_IGNORED`.
        scores: (M,) scores, 0..1; ones for ground truth.
        ids: (M,) numbers that identify an object throughout a drive; -1 if unknown.
        velocities: (M, 2) velocity over ground along x and y, m/s; NaN if unknown.

    Raises:
        ValueError: An array has another shape.
    """

    centers: np.ndarray
    sizes: np.ndarray
    yaws: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0))
    velocities: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        count = len(self.centers)
        if not len(self.ids):
            object.__setattr__(self, "ids", np.full(count, -1))
        if not len(self.velocities):
            object.__setattr__(self, "velocities", np.full((count, 2), np.nan))
        for name, width, dtype in (
            ("centers", (3,), np.float64),
            ("sizes", (3,), np.float64),
            ("yaws", (), np.float64),
            ("labels", (), np.int64),
            ("scores", (), np.float64),
            ("ids", (), np.int64),
            ("velocities", (2,), np.float64),
        ):
            array = np.asarray(getattr(self, name), dtype)
            if array.size != count * math.prod(width):
                raise ValueError(
                    f"boxes: {name} has the shape {array.shape}, expected {(count, *width)} for "
                    f"{count} centers"
                )
            object.__setattr__(self, name, array.reshape((count, *width)))

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: int | np.integer | np.ndarray | slice) -> Boxes:
        """Return the boxes that an index, a mask, an index array or a slice selects."""
        if isinstance(index, int | np.integer):
            index = np.array([index])
        return Boxes(*(array[index] for array in self._arrays()))

    @classmethod
    def empty(cls) -> Boxes:
        """Return an empty set of boxes."""
        return cls(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(0))

    @classmethod
    def concatenate(cls, parts: Sequence[Boxes]) -> Boxes:
        """Return the boxes of all parts, in order."""
        if not parts:
            return cls.empty()
        columns = zip(*(part._arrays() for part in parts), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in columns))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (
            self.centers,
            self.sizes,
            self.yaws,
            self.labels,
            self.scores,
            self.ids,
            self.velocities,
        )


def relabel_boxes(
    boxes: Boxes, ignored: np.ndarray | None, present: LabelSet, wanted: LabelSet
) -> tuple[Boxes, np.ndarray]:
    """Convert the labels of boxes to another label set.

    Args:
        boxes: M boxes with labels of `present`.
        ignored: (M,) bool: boxes that count neither as found nor as missed; None if there are none.
        present: Label set of the boxes.
        wanted: New label set. Boxes that are not objects in this set are removed.

    Returns:
        M' boxes with labels of `wanted`, and (M',) bool: whether each of them is ignored.

    Raises:
        ValueError: The present set does not map to the wanted one.
    """
    numbers = np.append(present.mapping_to(wanted), BOX_IGNORED)  # label -1 takes the last one
    labels = numbers[boxes.labels]
    if ignored is None:
        ignored = np.zeros(len(boxes), bool)
    ignored = ignored | np.append(present.ignored_boxes(wanted), True)[boxes.labels]
    kept = labels != BOX_NONE
    changed = replace(boxes, labels=labels)[kept]
    return changed, (ignored[kept] | (changed.labels == BOX_IGNORED))
