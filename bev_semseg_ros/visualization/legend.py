"""The legend: what the colours of masks and boxes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    FOREGROUND,
    GROUND_TRUTH_COLOR,
    MUTED,
    Color,
    class_color,
    put_text,
    text_width,
)

ROW = 22
_SWATCH = 12
_SWATCH_GAP = 6
_GAP = 18
_PADDING = 4


@dataclass(frozen=True)
class _Section:
    """A title, and names with their colours."""

    title: str
    entries: list[tuple[str, Color]]


def legend(width: int, classes: Mapping[str, LabelSet], box_labels: LabelSet | None) -> np.ndarray:
    """Draw swatches with the names of classes, in columns.

    Args:
        width: Width of the legend in pixels.
        classes: Title -> label set of masks, of the bird's-eye view and so on.
        box_labels: Label set of predicted boxes; None if there are none.

    Returns:
        (h, width, 3) RGB; h depends on the number of classes.
    """
    sections = [_Section(title, _entries(labels)) for title, labels in classes.items()]
    if box_labels is not None:
        entries = [*_entries(box_labels), ("ground truth", GROUND_TRUTH_COLOR)]
        sections.append(_Section("boxes", entries))
    names = [name for section in sections for name, _ in section.entries]
    widest = max(map(text_width, names), default=0)
    column_width = _SWATCH + _SWATCH_GAP + widest + _GAP
    indent = max((text_width(section.title) for section in sections), default=0) + 2 * _GAP
    edge = np.full((_PADDING, width, 3), BACKGROUND, np.uint8)
    rows = [edge]
    for section in sections:
        rows += [_draw_section(section, width, indent, column_width), edge]
    return np.vstack(rows)


def _entries(labels: LabelSet) -> list[tuple[str, Color]]:
    """Return names and colours of a label set."""
    return [
        (name.replace("_", " "), class_color(labels, number))
        for number, name in enumerate(labels.classes)
    ]


def _draw_section(section: _Section, width: int, indent: int, column_width: int) -> np.ndarray:
    """Draw a section in as many columns as fit; the first one begins at x = `indent`."""
    num_columns = max(1, (width - indent) // column_width)
    num_rows = -(-len(section.entries) // num_columns)
    picture = np.full((ROW * num_rows, width, 3), BACKGROUND, np.uint8)
    put_text(picture, section.title, (_GAP / 2, 15), MUTED)
    for index, (name, color) in enumerate(section.entries):
        row, column = divmod(index, num_columns)
        x = indent + column * column_width
        y = row * ROW + 5
        # The border makes colours visible that are as dark as the background.
        cv2.rectangle(picture, (x - 1, y - 1), (x + _SWATCH, y + _SWATCH), MUTED)
        picture[y : y + _SWATCH, x : x + _SWATCH] = color
        put_text(picture, name, (x + _SWATCH + _SWATCH_GAP, y + 10), FOREGROUND)
    return picture
