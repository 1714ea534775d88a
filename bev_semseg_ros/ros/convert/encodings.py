"""The encodings of sensor_msgs/Image: layout of the pixels, and conversion to RGB.

The names are those of sensor_msgs/image_encodings.hpp, and further ones that drivers use. Case is
ignored. YUV is converted as in cv_bridge: BT.601, with luma from 16 to 235.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from bev_semseg_ros.ros.convert.message import Note

# OpenCV names a Bayer pattern by its second row from the second pixel on, ROS by its first two
# rows: rggb is OpenCV's BG.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
# name -> (channels, OpenCV's conversion to RGB or None).
_COLORS = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    **{f"bayer_{pattern}": (1, conversion) for pattern, conversion in _BAYER.items()},
}
# Two bytes per pixel; each pair of pixels shares its chroma.
_PAIRED = {"uyvy": cv2.COLOR_YUV2RGB_UYVY, "yuyv": cv2.COLOR_YUV2RGB_YUY2}
# A plane of luma, then the chroma of blocks of 2 x 2 pixels.
_PLANAR = {
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
    "i420": cv2.COLOR_YUV2RGB_I420,
    "yv12": cv2.COLOR_YUV2RGB_YV12,
}
_OTHER_NAMES = {
    "yuv422": "uyvy",
    "yuv422_yuy2": "yuyv",
    "yuy2": "yuyv",
    "yuv420": "i420",
    "rgb": "rgb8",
    "bgr": "bgr8",
    "mono": "mono8",
    "y8": "mono8",
    "y16": "mono16",
}
# OpenCV's types do not say what the channels are. cv_bridge writes them if no encoding was given,
# and OpenCV's channel order is BGR.
_UNNAMED = {
    "8uc1": "mono8",
    "8uc3": "bgr8",
    "8uc4": "bgra8",
    "16uc3": "bgr16",
    "16uc4": "bgra16",
}
# Images of depth cameras (REP 118), or of another measurement per pixel.
_DEPTH = ("16uc1", "16sc1", "32sc1", "32fc1", "64fc1", "z16")

TO_8_BITS = 255 / 65535


@dataclass(frozen=True)
class Encoding:
    """Layout of the pixels of an image, and their conversion to RGB.

    Attributes:
        name: Its name in ENCODINGS.
        channels: Values per pixel in a row of the data.
        bits: Bits per value, 8 or 16.
        conversion: OpenCV's conversion to RGB; None if the data are RGB.
        rows: Rows of the data per row of the image; more than 1 if there are several planes.
        block: (width, height) of the blocks of pixels that share their chroma. Width and height of
            the image are multiples of it.
    """

    name: str
    channels: int
    bits: int = 8
    conversion: int | None = None
    rows: Fraction = Fraction(1)
    block: tuple[int, int] = (1, 1)

    @property
    def is_mosaic(self) -> bool:
        """Whether each pixel has only one of the colours, in a Bayer pattern."""
        return self.name.startswith("bayer_")

    @property
    def has_three_planes(self) -> bool:
        """Whether U and V have a plane each, with rows of half the width."""
        return self.name in ("i420", "yv12")

    def to_rgb(self, values: np.ndarray) -> np.ndarray:
        """Return the pixels as RGB.

        Args:
            values: (rows * H, W, channels) uint8 or uint16.

        Returns:
            (H, W, 3) uint8; `values` itself if there is nothing to convert.
        """
        if self.conversion is not None:
            if self.channels == 1:
                values = values[..., 0]
            if self.name == "nv24":
                values = _with_fewer_colors(values)
            values = cv2.cvtColor(values, self.conversion)
        if self.bits == 16:
            values = cv2.convertScaleAbs(values, alpha=TO_8_BITS)
        return values


def _with_fewer_colors(values: np.ndarray) -> np.ndarray:
    """Convert nv24 (3 H, W) to nv12 (3/2 H, W), because OpenCV does not support nv24."""
    height, width = len(values) // 3, values.shape[1]
    colors = values[height:].reshape(height, width, 2)
    means = cv2.resize(colors, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.concatenate([values[:height], means.reshape(height // 2, width)])


def _encodings() -> dict[str, Encoding]:
    known = {}
    for bits in (8, 16):
        for color, (channels, conversion) in _COLORS.items():
            name = f"{color}{bits}"
            known[name] = Encoding(name, channels, bits, conversion)
    for name, conversion in _PAIRED.items():
        known[name] = Encoding(name, 2, 8, conversion, block=(2, 1))
    for name, conversion in _PLANAR.items():
        known[name] = Encoding(name, 1, 8, conversion, Fraction(3, 2), (2, 2))
    known["nv24"] = Encoding("nv24", 1, 8, cv2.COLOR_YUV2RGB_NV12, Fraction(3), (2, 2))
    return known


ENCODINGS = _encodings()


def canonical_name(name: str) -> str:
    """Return the name in ENCODINGS of an encoding that may have another name."""
    key = name.strip().lower()
    return _OTHER_NAMES.get(key, key)


def find_encoding(name: str, note: Note) -> Encoding:
    """Return the encoding with a name, in any case, or with a synonym of it.

    Args:
        name: Name of the encoding in the message.
        note: Called for each assumption, see `Note`.

    Raises:
        ValueError: If the name is unknown, or is that of depth images.
    """
    key = name.strip().lower()
    refuse_depth(name)
    if key in _UNNAMED:
        meant = _UNNAMED[key]
        note(
            f"the encoding {name} does not say what the channels are: it is read as {meant}",
            "let the driver name the encoding, such as rgb8, bgr8 or mono8",
        )
        return ENCODINGS[meant]
    encoding = ENCODINGS.get(canonical_name(name))
    if encoding is None:
        raise ValueError(
            f"unknown encoding {name!r}, expected one of {', '.join(ENCODINGS)}: set the encoding "
            "(pixel format) of the camera's driver to one of them"
        )
    return encoding


def refuse_depth(name: str) -> None:
    """Raise ValueError if an encoding is that of depth images."""
    if name.strip().lower() in _DEPTH:
        raise ValueError(
            f"the encoding {name} is that of depth images, expected a picture: take the topic of "
            "the camera's colour or grey images (a grey image of 16 bits is mono16)"
        )
