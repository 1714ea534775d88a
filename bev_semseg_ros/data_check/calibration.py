"""Checks whether the calibration fits the images: their size and the principal point."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import image_size
from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.frame import Camera

# Highest distance of the principal point from the centre of the image, as a fraction of width or
# height. Real cameras, also rectified ones, stay well below OFF_BOTH. If an image was cropped on
# purpose, with its calibration, the distance may reach OFF_ONE along one axis.
OFF_BOTH = 0.07
OFF_ONE = 0.25
SAME_SCALE = 0.1  # highest relative difference of the scales of width and height after resizing


class CalibrationCheck:
    """Compares cameras with the sizes of their images, which it reads from the headers."""

    def __init__(self) -> None:
        self._num_images = 0
        self._wrong_size = Cases()
        self._off_center = Cases()

    def add(self, camera: Camera, image: Path) -> None:
        """Add an image.

        Args:
            camera: Camera of the image.
            image: File of the image.

        Raises:
            ValueError: The file is not an image.
        """
        self._num_images += 1
        width, height = image_size(image)
        if (width, height) != camera.size:
            expected = f"{camera.size[0]} x {camera.size[1]}"
            self._wrong_size.add(f"{image} ({width} x {height}, calibrated for {expected})")
            return
        x, y = camera.matrix[0, 2] / width, camera.matrix[1, 2] / height
        guess = _explanation(x, y)
        if guess:
            center = f"({camera.matrix[0, 2]:.0f}, {camera.matrix[1, 2]:.0f})"
            self._off_center.add(
                f"{image}: the principal point {center} of {width} x {height} pixels; {guess}"
            )

    def findings(self) -> list[DataFinding]:
        """Return the findings about images that do not fit their calibration."""
        remedy = (
            "use the images as they were calibrated, or adapt the calibration to the new size: "
            "multiply fx and cx (in KITTI the first row of P) by the scale of the width, fy and cy "
            "(the second row) by that of the height, and subtract from cx and cy what was cut off "
            "at the left and at the top"
        )
        found = []
        for cases, text in (
            (self._wrong_size, "have another size than calibrated"),
            (self._off_center, "have a principal point that is too far from the centre"),
        ):
            if cases.count:
                text = f"{portion(cases.count, self._num_images, 'images')} {text}"
                found.append(cases.finding("calibration", "fault", text, remedy))
        return found


def _explanation(x: float, y: float) -> str:
    """Explain an unusual position of the principal point; empty if it is usual.

    Args:
        x: Distance from the left edge, as a fraction of the width.
        y: Distance from the upper edge, as a fraction of the height.
    """
    off = np.array([x - 0.5, y - 0.5])
    scales = 0.5 / np.maximum([x, y], 1e-3)
    is_resized = (np.abs(off) > OFF_BOTH).all() and np.ptp(scales) <= SAME_SCALE * scales.min()
    if is_resized:
        return (
            f"the image was probably resized by about {scales.mean():.2g}, without its calibration"
        )
    if (np.abs(off) > OFF_ONE).any():
        return "the image was cropped, resized or turned, and the calibration was not"
    return ""
