"""Classes of the places around the vehicle, seen from above."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, LabelSet, load_label_set


@dataclass(frozen=True, eq=False)
class BevMap:
    """A class for each cell of the ground, in the ego frame.

    A cell has the class of what stands on it, up to the height of a vehicle, or else of the ground.

    Attributes:
        classes: (X, Y) uint8 classes of `labels`, `labels.MASK_IGNORED` where it is unknown.
        x_min: metres of the near edge of the first row of cells.
        y_min: metres of the right edge of the first column of cells.
        cell: metres of a cell's side.
        labels: label set of `classes`.
        observed: (X, Y) bool: cells in which a lidar measured a point; None where nobody knows.

    Raises:
        ValueError: `classes` and `observed` differ in shape, or `cell` is not above 0.
    """

    classes: np.ndarray
    x_min: float
    y_min: float
    cell: float
    labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BEV_LABELS))
    observed: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.cell > 0:
            raise ValueError(f"BEV map: expected a cell above 0 metres, got {self.cell}")
        if self.observed is not None and self.observed.shape != self.classes.shape:
            raise ValueError(
                f"BEV map: classes have the shape {self.classes.shape}, "
                f"observed {self.observed.shape}; expected the same"
            )

    def centers(self) -> np.ndarray:
        """Return (X, Y, 2) x and y of the cells' centres, metres in the ego frame."""
        rows, columns = (np.arange(count) + 0.5 for count in self.classes.shape)
        x, y = np.meshgrid(
            self.x_min + rows * self.cell, self.y_min + columns * self.cell, indexing="ij"
        )
        return np.stack([x, y], -1)
