"""Labels of the bird's-eye view on disk, which `bev-semseg synth` adds to the layouts it writes.

Beside the folder of the pictures lies `bev_grid.json` with `label_set`, `x_min` and `y_min` (metres
in the ego frame of the corner behind and to the right) and `cell` (metres). A picture of 8 bits
holds the classes, 255 where the place is unknown. Its top row is farthest ahead, its left column
farthest to the left. A second picture of the same size is 255 where a lidar measured a point, and 0
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import check_classes, read_gray, read_json, write_png
from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.labels import LabelSet, load_label_set

GRID_FILE = "bev_grid.json"
# Names of the parts of a frame, and of the folders of the pictures.
PARTS = CLASSES, OBSERVED = "bev", "bev_observed"

_SEEN = 255  # value of the second picture


@dataclass(frozen=True)
class BevGrid:
    """Where the cells of the pictures lie, and what their numbers mean.

    Attributes:
        path: File that it was read from.
        x_min: Metres of the near edge of the bottom row.
        y_min: Metres of the right edge of the right column.
        cell: Metres of a cell's side.
        labels: Label set of the classes.
    """

    path: Path
    x_min: float
    y_min: float
    cell: float
    labels: LabelSet

    @classmethod
    def read(cls, path: Path) -> BevGrid:
        """Read a `bev_grid.json`.

        Raises:
            ValueError: The file is damaged, or names no label set.
        """
        content = read_json(path)
        try:
            x_min, y_min, cell = (float(content[name]) for name in ("x_min", "y_min", "cell"))
            labels = load_label_set(str(content["label_set"]))
        except (KeyError, TypeError, ValueError, OverflowError, FileNotFoundError) as error:
            raise ValueError(
                f"{path}: expected label_set, and x_min, y_min and cell in metres: {error}"
            ) from error
        if not (np.isfinite([x_min, y_min, cell]).all() and cell > 0):
            raise ValueError(f"{path}: expected finite metres and a cell above 0")
        return cls(path, x_min, y_min, cell, labels)

    def load(self, classes: Path, observed: Path | None) -> BevMap:
        """Read the map of a frame.

        Args:
            classes: The picture of the classes.
            observed: The picture of where a lidar measured; None without one.

        Raises:
            ValueError: A picture is damaged, or the two differ in size.
            UnknownLabelError: A class is not in the label set.
        """
        picture = read_gray(classes)
        remedy = f"correct the pictures, or the label set in {self.path}"
        check_classes(picture, self.labels, classes, remedy)
        seen = None if observed is None else _turned(read_gray(observed)) > 0
        try:
            return BevMap(_turned(picture), self.x_min, self.y_min, self.cell, self.labels, seen)
        except ValueError as error:
            raise ValueError(f"{observed}: {error}") from error


def grid_content(bev: BevMap) -> dict[str, float | str]:
    """Return what a `bev_grid.json` says of a map."""
    return {
        "label_set": bev.labels.name,
        "x_min": bev.x_min,
        "y_min": bev.y_min,
        "cell": bev.cell,
    }


def write_bev(bev: BevMap, classes: Path, observed: Path) -> None:
    """Write the two pictures of a map, in whose cells it is known where a lidar measured.

    Raises:
        OSError: A file cannot be written.
    """
    pictures = {classes: bev.classes}
    if bev.observed is not None:
        pictures[observed] = bev.observed * np.uint8(_SEEN)
    for path, cells in pictures.items():
        write_png(path, _turned(cells))


def _turned(cells: np.ndarray) -> np.ndarray:
    """Return cells (X, Y) as a picture with x up and y to the left, or such a picture as cells."""
    return np.ascontiguousarray(cells[::-1, ::-1])
