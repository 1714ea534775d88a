"""sensor_msgs/Image <-> numpy.

Decoding works on anything with the attributes of the message. The message class is imported only
where one is made. cv_bridge is not used: it must be built against the OpenCV and numpy of the
process, which a virtual environment has of its own, copies images that are RGB already, and trusts
the size that a message claims.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.files import MAX_PIXELS
from bev_semseg_ros.frame import MAX_ASPECT
from bev_semseg_ros.ros.convert.message import fill

# OpenCV names a Bayer pattern by its second row from the second pixel on, ROS by its first two
# rows: rggb is OpenCV's BG.
BAYER_TO_RGB = {
    "bayer_rggb8": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr8": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGB2RGB,
}

# encoding -> (channels, OpenCV's conversion to RGB or None).
IMAGE_ENCODINGS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    **{encoding: (1, conversion) for encoding, conversion in BAYER_TO_RGB.items()},
}


def decode_image(message: Any) -> np.ndarray:
    """Convert a sensor_msgs/Image to RGB.

    Args:
        message: The image, in one of IMAGE_ENCODINGS.

    Returns:
        (H, W, 3) uint8 RGB. For rgb8 it is a view of the message.

    Raises:
        ValueError: If the encoding is unknown, the bytes do not suffice, or `check_size` refuses
            the size. The text says what is wrong.
    """
    width, height, step = int(message.width), int(message.height), int(message.step)
    check_size(width, height)
    if message.encoding not in IMAGE_ENCODINGS:
        raise ValueError(
            f"unknown encoding {message.encoding!r}, expected one of {', '.join(IMAGE_ENCODINGS)}"
        )
    channels, conversion = IMAGE_ENCODINGS[message.encoding]
    if step < width * channels:
        raise ValueError(f"step {step} is less than {width} pixels of {channels} bytes")
    needed = (height - 1) * step + width * channels
    if len(message.data) < needed:
        raise ValueError(
            f"{len(message.data)} bytes of data, {needed} expected for {height} rows of {step}"
        )
    image = np.ndarray(
        (height, width, channels), np.uint8, buffer=message.data, strides=(step, channels, 1)
    )
    if conversion is None:
        return image
    return cv2.cvtColor(image[..., 0] if channels == 1 else image, conversion)


def check_size(width: int, height: int) -> None:
    """Check the size of an image before memory is taken for it.

    Args:
        width: Pixels.
        height: Pixels.

    Raises:
        ValueError: If the image has no pixels, more than MAX_PIXELS, or an aspect ratio of more
            than MAX_ASPECT to one.
    """
    if width * height == 0:
        raise ValueError(f"the image is {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(f"the image is {width} x {height} pixels, at most {MAX_PIXELS} are taken")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(
            f"the image is {width} x {height} pixels, its aspect ratio may be at most "
            f"{MAX_ASPECT}:1"
        )


def encode_image(image: np.ndarray, encoding: str, header: Any) -> Any:
    """Convert an image to sensor_msgs/Image.

    Args:
        image: (H, W) or (H, W, C) uint8.
        encoding: The name of its layout, such as "rgb8".
        header: The std_msgs/Header of the message.

    Returns:
        The sensor_msgs/Image.
    """
    from sensor_msgs.msg import Image

    message = Image(
        header=header,
        height=int(image.shape[0]),
        width=int(image.shape[1]),
        encoding=encoding,
        is_bigendian=0,
        step=int(image[0].size),
    )
    fill(message, image)
    return message
