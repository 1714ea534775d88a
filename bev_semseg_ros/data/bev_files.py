"""Files with labels of the bird's-eye view, which `bev-semseg synth` adds to the layouts it writes.

The file `bev_grid.json` is beside the folder of the pictures. It has the keys `label_set`, `x_min`
and `y_min` (rear right corner in the ego frame, metres) and `cell` (metres). An 8-bit picture holds
the class of each cell, 255 if unknown. Its top row is farthest ahead, its left column farthest to
the left. A second picture of the same size is 255 in cells where a lidar measured a point, and 0
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
    """The grid and the label set of the pictures.

    Attributes:
        path: File that the grid was read from.
        x_min: x of the rear edge of the bottom row, in the ego frame, metres.
        y_min: y of the right edge of the rightmost column, in the ego frame, metres.
        cell: Side length of a cell, metres.
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
            FileNotFoundError: The file is missing.
            ValueError: The file is damaged, or its label set is missing or unknown.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: missing; it holds the grid and the label set of the pictures in "
                f"{CLASSES}: restore it, or remove the pictures"
            )
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
            observed: The picture of the cells in which a lidar measured a point; None if there is
                none.

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
    """Return the content of a `bev_grid.json` for a map."""
    return {
        "label_set": bev.labels.name,
        "x_min": bev.x_min,
        "y_min": bev.y_min,
        "cell": bev.cell,
    }


def write_bev(bev: BevMap, classes: Path, observed: Path) -> None:
    """Write the pictures of a map.

    Args:
        bev: The map.
        classes: File of the classes.
        observed: File of the observed cells; not written if `bev.observed` is None.

    Raises:
        OSError: A file cannot be written.
    """
    pictures = {classes: bev.classes}
    if bev.observed is not None:
        pictures[observed] = bev.observed * np.uint8(_SEEN)
    for path, cells in pictures.items():
        write_png(path, _turned(cells))


def _turned(cells: np.ndarray) -> np.ndarray:
    """Convert cells (X, Y) to a picture with x up and y to the left, or such a picture to cells."""
    return np.ascontiguousarray(cells[::-1, ::-1])
