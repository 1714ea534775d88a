"""The legend: what the colours of masks and boxes mean."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.taxonomy import (
    DETECTION_CLASSES,
    DETECTION_COLORS,
    SEGMENTATION_CLASSES,
    SEGMENTATION_COLORS,
)
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    FOREGROUND,
    MUTED,
    TRUTH_COLOR,
    put_text,
    text_width,
)

ROW = 22
_SWATCH = 12
_GAP = 18


def legend(width: int, masks: bool = True, boxes: bool = True) -> np.ndarray:
    """(h, width, 3): swatches with names, in as many rows as the width needs."""
    rows: list[tuple[str, list[tuple[str, tuple]]]] = []
    if masks:
        rows.append(
            (
                "mask",
                list(
                    zip(SEGMENTATION_CLASSES, map(tuple, SEGMENTATION_COLORS.tolist()), strict=True)
                ),
            )
        )
    if boxes:
        names = [
            *zip(DETECTION_CLASSES, map(tuple, DETECTION_COLORS.tolist()), strict=True),
            ("truth", TRUTH_COLOR),
        ]
        rows.append(("boxes", names))
    indent = max((text_width(title) for title, _ in rows), default=0) + 2 * _GAP
    lines: list[tuple[str, list[tuple[float, str, tuple]]]] = []
    for title, entries in rows:
        lines.append((title, []))
        x = indent
        for name, color in entries:
            needed = _SWATCH + 6 + text_width(name)
            if x + needed > width - _GAP and lines[-1][1]:
                lines.append(("", []))
                x = indent
            lines[-1][1].append((x, name, color))
            x += needed + _GAP
    picture = np.full((ROW * len(lines) + 8, width, 3), BACKGROUND, np.uint8)
    for index, (title, entries) in enumerate(lines):
        y = 4 + index * ROW
        put_text(picture, title, (_GAP / 2, y + 15), MUTED)
        for x, name, color in entries:
            picture[y + 5 : y + 5 + _SWATCH, round(x) : round(x) + _SWATCH] = color
            put_text(picture, name.replace("_", " "), (x + _SWATCH + 6, y + 15), FOREGROUND)
    return picture
