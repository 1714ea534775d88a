"""The colours of the label images of A2D2."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros.data.files import read_json
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, UnknownLabelError, load_label_set

MASK_LABELS = "a2d2_38"  # the data set's own categories
# Optional file beside class_list.json. It names the coarser label set of masks that do not
# distinguish all categories.
MASK_LABELS_FILE = "mask_labels.json"


class Palette:
    """Converts the colours in a class_list.json to classes of a label set.

    Attributes:
        labels: Label set "a2d2_38", or the coarser set that mask_labels.json beside the file names.

    Raises:
        ValueError: The file is damaged, or a colour, category or label set is invalid. The message
            names the file and the value.
    """

    _UNKNOWN, _IGNORED = 255, 254

    def __init__(self, path: Path) -> None:
        self._path = path
        entries = read_json(path)
        if not 0 < len(entries) < self._UNKNOWN:
            raise ValueError(
                f"{path}: expected 1 to {self._UNKNOWN - 1} colours, got {len(entries)}"
            )
        categories = load_label_set(MASK_LABELS)
        self.labels = subset_labels(path.parent)
        numbers = categories.mask_table(self.labels)
        # A table with one byte for each 24-bit colour: the few colours touch few cache lines.
        self._class_of_color = np.full(1 << 24, self._UNKNOWN, np.uint8)
        for color, name in entries.items():
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
                raise ValueError(f"{path}: expected colours as #rrggbb, got {color!r}")
            category = re.sub(r" [1-9]$", "", str(name))  # remove the instance number
            if category not in categories.classes:
                raise ValueError(f"{path}: unknown A2D2 category {name!r}")
            number = numbers[categories.index(category)]
            self._class_of_color[int(color[1:], 16)] = (
                self._IGNORED if number == MASK_IGNORED else number
            )

    def decode(self, label: np.ndarray, path: Path) -> np.ndarray:
        """Convert a label image to classes of `labels`.

        Args:
            label: (H, W, 3) uint8 RGB label image.
            path: File of the image, for errors.

        Returns:
            (H, W) uint8 classes.

        Raises:
            UnknownLabelError: A colour is not in the list; the message names the file, the colour
                and its pixel.
        """
        packed = cv2.cvtColor(label, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0] & 0xFFFFFF
        classes = self._class_of_color[packed]
        unknown = classes == self._UNKNOWN
        if unknown.any():
            row, column = np.argwhere(unknown)[0]
            color = f"#{packed[row, column]:06x}"
            raise UnknownLabelError(
                f"{path}: unknown colour {color} at pixel x {column}, y {row} "
                f"({np.count_nonzero(unknown)} unknown pixels); colours come from {self._path}",
                color,
                f"add the colour to {self._path} with a category of A2D2, or correct the masks",
            )
        classes[classes == self._IGNORED] = MASK_IGNORED
        return classes


def subset_labels(folder: Path) -> LabelSet:
    """Return the label set of the masks and points of a subset.

    This is the set that mask_labels.json in the folder names, or else that of A2D2's categories.

    Raises:
        ValueError: The file is damaged, or A2D2's categories do not map to its label set.
    """
    categories = load_label_set(MASK_LABELS)
    path = folder / MASK_LABELS_FILE
    if not path.is_file():
        return categories
    try:
        labels = load_label_set(str(read_json(path).get("label_set")))
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{path}: label_set: {error}") from error
    if not categories.maps_to(labels):
        raise ValueError(f"{path}: A2D2's categories do not map to the label set {labels.name}")
    return labels
