"""Effects of a camera and its driver on an image: vignetting, JPEG compression, a time offset."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class CameraEffects:
    """Vignetting, compression and time offset of a rig's cameras.

    Attributes:
        delay: Seconds from the time of the frame to that of the image.
        vignette: Fraction of the light that is missing in the corners, 0 to 1.
        vignette_power: Exponent of its growth with the distance from the centre of the image.
        jpeg_quality: JPEG quality, 1 to 100; None for no compression.
    """

    delay: float = 0.0
    vignette: float = 0.0
    vignette_power: float = 2.0
    jpeg_quality: int | None = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, 3) uint8 RGB as the driver publishes it."""
        if self.vignette > 0:
            image = self._darken_corners(image)
        if self.jpeg_quality is not None:
            image = _compress(image, self.jpeg_quality)
        return image

    def _darken_corners(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, 3) uint8 that is darker away from its centre."""
        height, width = image.shape[:2]
        x = np.linspace(-1, 1, width, dtype=np.float32)
        y = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(height / width)
        corner = np.hypot(1.0, height / width)
        distance = np.hypot(x[None], y[:, None]) / np.float32(corner)
        light = 1 - np.float32(self.vignette) * distance ** np.float32(self.vignette_power)
        # Pixel values are not linear in the light. They fall roughly with its square root.
        factor = np.sqrt(np.maximum(light, 0))
        darkened: np.ndarray = cv2.multiply(image, cv2.merge([factor] * 3), dtype=cv2.CV_8U)
        return darkened


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image (H, W, 3) uint8 RGB after JPEG compression with a quality of 1 to 100."""
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    is_encoded, data = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise RuntimeError("OpenCV could not encode an image as JPEG")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
