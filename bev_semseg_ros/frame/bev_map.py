"""BEV maps: classes of the cells around the vehicle, seen from above."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, MASK_IGNORED, LabelSet, load_label_set

# Height above the ground, in metres, up to which an object occupies its cell. A vehicle can pass
# under anything higher.
HEADROOM = 2.5


@dataclass(frozen=True, eq=False)
class BevMap:
    """A class for each cell of the ground, in the ego frame.

    A cell has the class of the object on it, up to the height HEADROOM, or otherwise that of the
    ground.

    Attributes:
        classes: (X, Y) uint8 classes of `labels`; unknown cells are `labels.MASK_IGNORED`.
        x_min: Lowest x of the map, at the rear edge of the first row of cells, metres.
        y_min: Lowest y of the map, at the right edge of the first column of cells, metres.
        cell: Side length of a cell, metres.
        labels: Label set of `classes`.
        observed: (X, Y) bool: cells in which a lidar measured a point; None if unknown.
        probabilities: (C, X, Y) float32 probability, 0..1, of each class; None if unknown.

    Raises:
        ValueError: The arrays differ in shape, or `cell` is not above 0.
    """

    classes: np.ndarray
    x_min: float
    y_min: float
    cell: float
    labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BEV_LABELS))
    observed: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.cell > 0:
            raise ValueError(f"BEV map: expected a cell above 0 metres, got {self.cell}")
        shapes = {
            "observed": self.classes.shape,
            "probabilities": (len(self.labels), *self.classes.shape),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(
                    f"BEV map: expected {name} of the shape {shape}, got {values.shape}"
                )

    @property
    def confidence(self) -> np.ndarray | None:
        """(X, Y) float32 highest probability of each cell, 0..1; None if unknown."""
        return None if self.probabilities is None else self.probabilities.max(0)

    def centers(self) -> np.ndarray:
        """Return the (X, Y, 2) x and y of the centres of the cells, metres in the ego frame."""
        rows, columns = (np.arange(count) + 0.5 for count in self.classes.shape)
        x, y = np.meshgrid(
            self.x_min + rows * self.cell, self.y_min + columns * self.cell, indexing="ij"
        )
        return np.stack([x, y], -1)

    def cells_of(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the cells that contain positions.

        Args:
            positions: (..., >= 2) x and y, metres in the ego frame.

        Returns:
            (..., 2) int64 row and column of each cell, (0, 0) for a position outside the map; and
            (...) bool: whether the position is inside the map.
        """
        cells = np.floor((positions[..., :2] - (self.x_min, self.y_min)) / self.cell)
        inside: np.ndarray = np.all((cells >= 0) & (cells < self.classes.shape), axis=-1)
        return np.where(inside[..., None], cells, 0).astype(np.int64), inside

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Return the (...) uint8 classes at positions (..., >= 2); MASK_IGNORED outside the map."""
        cells, inside = self.cells_of(positions)
        classes = self.classes[cells[..., 0], cells[..., 1]]
        return np.where(inside, classes, np.uint8(MASK_IGNORED))

    def above(self, confidence: float) -> BevMap:
        """Return the map with MASK_IGNORED for cells with a lower confidence.

        A map without confidences is returned unchanged.
        """
        found = self.confidence
        if found is None:
            return self
        classes = np.where(found < confidence, np.uint8(MASK_IGNORED), self.classes)
        return replace(self, classes=classes)
