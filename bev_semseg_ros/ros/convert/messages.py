"""sensor_msgs <-> numpy, without copies where the bytes allow.

Message classes are only imported where one is made, so decoding works on anything with the same attributes.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.files import MAX_PIXELS
from bev_semseg_ros.frame import MAX_ASPECT, Camera, scale_matrix

# sensor_msgs/PointField datatypes.
POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}

# encoding -> (channels, conversion to RGB or None). OpenCV names a Bayer pattern by its second row from the second
# pixel on, ROS by its first two rows: rggb is OpenCV's BG.
IMAGE_ENCODINGS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
}

CAMERA_MODELS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}

# What is refused before memory is taken for it: a few bytes can claim to be anything.
MAX_POINTS = 20_000_000


def message_class(name: str) -> type | None:
    """The class of "package/msg/Type", or None where its package is not installed.

    A bag may name any package, and importing one runs it: only those with messages are.
    """
    package, _, kind = name.replace("/msg/", "/").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not any(
        (Path(place) / "msg").is_dir() for place in spec.submodule_search_locations or ()
    ):
        return None
    try:
        return getattr(importlib.import_module(package + ".msg"), kind, None)
    except ImportError:
        return None


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time as integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def decode_cloud(
    message: Any, intensity_field: str = "intensity", intensity_scale: float = 1.0
) -> np.ndarray:
    """sensor_msgs/PointCloud2 -> (N, 4) float32: x, y, z, intensity. Points that are NaN stay.

    The fields may have any order, padding, byte order and number type; the intensity is multiplied by
    intensity_scale. A cloud without `intensity_field` gets zeros. The result is a view of the message if that is x, y,
    z, intensity in float32 and the scale is 1.
    Raises ValueError saying what is wrong with the message.
    """
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    if width * height == 0:
        return np.zeros((0, 4), np.float32)
    row_step = (
        width * step if height == 1 else int(message.row_step)
    )  # drivers leave a single row's step unset
    needed = (height - 1) * row_step + width * step
    if step == 0 or row_step < width * step:
        raise ValueError(
            f"point_step {step} and row_step {message.row_step} cannot hold rows of {width} points"
        )
    if len(message.data) < needed:
        raise ValueError(
            f"{len(message.data)} bytes of data, {needed} expected for {height} x {width} points"
        )
    if width * height > MAX_POINTS:
        raise ValueError(f"{height} x {width} points, at most {MAX_POINTS} are taken")
    wanted = ["x", "y", "z", *([intensity_field] if intensity_field else [])]
    fields = {field.name: field for field in message.fields if field.name in wanted}
    missing = [name for name in "xyz" if name not in fields]
    if missing:
        found = ", ".join(field.name for field in message.fields) or "none"
        raise ValueError(f"no field {', '.join(missing)}; the cloud has {found}")
    names = [name for name in wanted if name in fields]
    order = ">" if message.is_bigendian else "<"
    for name in names:
        kind = POINT_TYPES.get(int(fields[name].datatype))
        if kind is None:
            raise ValueError(f"field {name} has the unknown datatype {fields[name].datatype}")
        if int(fields[name].offset) + int(kind[1]) > step:
            raise ValueError(
                f"field {name} at offset {fields[name].offset} ends beyond point_step {step}"
            )
    formats = [order + POINT_TYPES[int(fields[name].datatype)] for name in names]
    offsets = [int(fields[name].offset) for name in names]
    if (
        offsets == [0, 4, 8, 12]
        and set(formats) == {"<f4"}
        and step % 4 == 0
        and row_step % 4 == 0
        and intensity_scale == 1.0
    ):
        rows = np.ndarray(
            (height, width, 4), np.float32, buffer=message.data, strides=(row_step, step, 4)
        )
        return rows.reshape(-1, 4)
    kind = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": step})
    cloud = np.ndarray((height, width), kind, buffer=message.data, strides=(row_step, step))
    points = np.zeros((height, width, 4), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # of doubles that are no coordinates
        for column, name in enumerate(names):
            points[..., column] = cloud[name]
        if len(names) == 4:
            points[..., 3] *= np.float32(intensity_scale)
    return points.reshape(-1, 4)


def decode_image(message: Any) -> np.ndarray:
    """sensor_msgs/Image -> (H, W, 3) uint8 RGB; a view of the message for rgb8.

    Raises ValueError for a size that `check_size` refuses, an encoding not in IMAGE_ENCODINGS, or too few bytes.
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
    """Raises ValueError for an image without pixels, of more than MAX_PIXELS, or of more than MAX_ASPECT to one."""
    if width * height == 0:
        raise ValueError(f"the image is {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(f"the image is {width} x {height} pixels, at most {MAX_PIXELS} are taken")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(
            f"the image is {width} x {height} pixels, its sides may be {MAX_ASPECT} to 1 at most"
        )


def shows_rectified(setting: str, topic: str) -> bool:
    """Whether the images of `topic` are rectified already: `setting` is "always", "never" or "auto".

    auto: by the names that image_proc gives to such images, image_rect, image_rect_color and the like.
    """
    return setting == "always" or (setting == "auto" and "_rect" in topic.rpartition("/")[2])


def decode_camera(message: Any, camera_from_ego: np.ndarray, is_rectified: bool = False) -> Camera:
    """sensor_msgs/CameraInfo -> Camera of the image as it is published: of its region of interest, binned.

    K, P, size and region are those of the unbinned image. The rectified image is that of P, or of K where P is not set
    or where R turns the camera (a stereo pair: its rectified frame is not the frame of our extrinsics).
    is_rectified: of an image that was rectified already, whose camera_info still has the camera's K and D; its K is P,
    and its frame is taken as the one that the extrinsics place.
    Raises ValueError for an unknown distortion model, a K (or P) that is not set, a region outside of the image, a
    number that is not finite, or a size that `check_size` refuses.
    """
    matrix, projection = (
        np.array(message.k, float).reshape(3, 3),
        np.array(message.p, float).reshape(3, 4)[:, :3],
    )
    coefficients = np.array(message.d, float)
    size = (int(message.width), int(message.height))
    if not all(np.isfinite(values).all() for values in (matrix, projection, coefficients)):
        raise ValueError("camera_info: K, P or D holds a number that is not finite")
    if is_rectified:
        if projection[0, 0] > 0:
            matrix = projection
        elif coefficients.any():
            raise ValueError(
                "camera_info: P is not set, which describes a rectified image; set rectified to never if "
                "the image is not rectified"
            )
        coefficients = np.zeros(0)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ValueError(
            "camera_info: K is not set; calibrate the camera or use intrinsics:=calibration"
        )
    model = message.distortion_model
    if not coefficients.any() and (is_rectified or model in ("", *CAMERA_MODELS)):
        model, coefficients = "none", np.zeros(5)
    elif model not in CAMERA_MODELS:
        raise ValueError(
            f"camera_info: unknown distortion model {model!r}, expected one of {', '.join(CAMERA_MODELS)}"
        )
    elif len(coefficients) not in CAMERA_MODELS[model]:
        raise ValueError(
            f"camera_info: {model} with {len(coefficients)} coefficients, "
            f"expected {' or '.join(map(str, CAMERA_MODELS[model]))}"
        )
    rotation = np.array(message.r, float).reshape(3, 3)
    turned = rotation.any() and not np.allclose(rotation, np.eye(3), atol=1e-6)
    rectified = matrix if turned or projection[0, 0] <= 0 else projection
    region = message.roi
    if region.width and region.height:
        left, top, width, height = (
            int(region.x_offset),
            int(region.y_offset),
            int(region.width),
            int(region.height),
        )
        if all(size) and (left + width > size[0] or top + height > size[1]):
            raise ValueError(
                f"camera_info: the roi of {width} x {height} at ({left}, {top}) lies outside of "
                f"{size[0]} x {size[1]} pixels"
            )
        shift = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], float)
        matrix, rectified, size = matrix - shift, rectified - shift, (width, height)
    binned = (size[0] // max(int(message.binning_x), 1), size[1] // max(int(message.binning_y), 1))
    try:
        check_size(*binned)
    except ValueError as error:
        raise ValueError(f"camera_info: {error}") from None
    return Camera(
        scale_matrix(matrix, size, binned),
        binned,
        camera_from_ego,
        coefficients,
        model,
        scale_matrix(rectified, size, binned),
    )


def fill(message: Any, array: np.ndarray) -> None:
    """Set `data` of a freshly made message: one copy, where the setter would take seconds for a list or an array."""
    message.data.frombytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def encode_image(image: np.ndarray, encoding: str, header: Any) -> Any:
    """(H, W) or (H, W, C) uint8 -> sensor_msgs/Image with that header."""
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


def encode_cloud(points: np.ndarray, header: Any) -> Any:
    """(N, 4) x, y, z, intensity -> sensor_msgs/PointCloud2 of float32 with that header."""
    from sensor_msgs.msg import PointCloud2, PointField

    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(("x", "y", "z", "intensity"))
    ]
    count = len(points)
    message = PointCloud2(
        header=header,
        height=1,
        width=count,
        fields=fields,
        is_bigendian=False,
        point_step=16,
        row_step=16 * count,
        is_dense=bool(np.isfinite(points).all()),
    )
    fill(message, points.astype(np.float32, copy=False))
    return message


def encode_camera(camera: Camera, header: Any) -> Any:
    """Camera -> sensor_msgs/CameraInfo: K and D of the image as recorded, P of the rectified one."""
    from sensor_msgs.msg import CameraInfo

    projection = np.hstack([camera.rectified_matrix, np.zeros((3, 1))])
    plain = camera.distortion_model == "none"
    return CameraInfo(
        header=header,
        width=camera.size[0],
        height=camera.size[1],
        distortion_model="plumb_bob" if plain else camera.distortion_model,
        d=[0.0] * 5 if plain else camera.distortion.tolist(),
        k=camera.matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )
