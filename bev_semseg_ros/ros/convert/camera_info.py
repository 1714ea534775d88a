"""sensor_msgs/CameraInfo <-> Camera.

Decoding works on any object with the attributes of the message. The message class is imported only
for encoding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import read_distortion
from bev_semseg_ros.frame import Camera, same_view, scale_matrix
from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.image import check_size
from bev_semseg_ros.ros.convert.message import Note, ignore

# Fraction of the image's width or height. A principal point further from the image centre is wrong.
MAX_OFF_CENTER = 0.25

Size = tuple[int, int]  # (width, height), pixels


def shows_rectified(setting: str, topic: str) -> bool:
    """Return whether the images of a topic are rectified already.

    Args:
        setting: "always", "never" or "auto". "auto" decides by the topic: image_proc publishes
            rectified images as image_rect, image_rect_color and the like.
        topic: The topic of the images.
    """
    if setting == "auto":
        return "_rect" in topic.removesuffix(SUFFIX).rpartition("/")[2]
    return setting == "always"


def decode_camera(
    message: Any,
    camera_from_ego: np.ndarray,
    is_rectified: bool = False,
    image_size: Size | None = None,
    note: Note = ignore,
) -> Camera:
    """Convert a sensor_msgs/CameraInfo to the Camera of the image as it is published.

    K, P, size and region of interest describe the unbinned image; the Camera describes the image
    after cropping and binning. Its rectified matrix is P. It is K if P is not set, or if R rotates
    the camera: the rectified frame of a stereo pair is not the frame of the extrinsics.

    If the size is not set, or the region of interest contradicts the image, the size of the image
    decides.

    Args:
        message: The sensor_msgs/CameraInfo.
        camera_from_ego: (4, 4) transform from the ego frame to the optical frame.
        is_rectified: Whether the image is already rectified. Its camera_info still has K and D of
            the raw image, so P is used as K. Its frame is assumed to be that of the extrinsics.
        image_size: (width, height) of the image, pixels; None if unknown.
        note: Called for each assumption, see `Note`.

    Returns:
        The Camera, without distortion if `is_rectified`.

    Raises:
        ValueError: If the distortion model is unknown, the number of its coefficients is wrong, K
            and P are not set, the region of interest is not inside the image, a number is not
            finite, or `check_size` refuses the size.
    """
    matrix = np.array(message.k, float).reshape(3, 3)
    projection = np.array(message.p, float).reshape(3, 4)[:, :3]
    coefficients = np.array(message.d, float)
    if not all(np.isfinite(values).all() for values in (matrix, projection, coefficients)):
        raise ValueError("K, P or D holds a number that is not finite")
    matrix, rectified = _matrices(matrix, projection, coefficients, is_rectified, note)
    if is_rectified:
        model, coefficients = "none", np.zeros(5)
    else:
        model, coefficients = _distortion(message, coefficients, note)
    corner, region, binned = _views(message, image_size, matrix, note)
    check_size(*binned)
    rotation = np.array(message.r, float).reshape(3, 3)
    if rotation.any() and not np.allclose(rotation, np.eye(3), atol=1e-6):
        rectified = matrix
    shift = np.array([[0, 0, corner[0]], [0, 0, corner[1]], [0, 0, 0]], float)
    return Camera(
        scale_matrix(matrix - shift, region, binned),
        binned,
        camera_from_ego,
        coefficients,
        model,
        scale_matrix(rectified - shift, region, binned),
    )


def off_center(camera: Camera) -> str:
    """Say that the principal point is far from the image centre; "" if it is not."""
    (width, height), (x, y) = camera.size, camera.matrix[:2, 2]
    if max(abs(x / width - 0.5), abs(y / height - 0.5)) <= MAX_OFF_CENTER:
        return ""
    return (
        f"the principal point ({x:.0f}, {y:.0f}) is far from the centre of the {width} x {height} "
        "image: K seems to be for another image size"
    )


def _matrices(
    matrix: np.ndarray,
    projection: np.ndarray,
    coefficients: np.ndarray,
    is_rectified: bool,
    note: Note,
) -> tuple[np.ndarray, np.ndarray]:
    """Return K (3, 3) of the image and of the rectified image.

    Args:
        matrix: (3, 3) K of the message, zeros if it is not set.
        projection: (3, 3) first three columns of P, zeros if it is not set.
        coefficients: D.
        is_rectified: Whether the image is already rectified.
        note: Called for each assumption, see `Note`.
    """
    has_matrix, has_projection = _is_set(matrix), _is_set(projection)
    if is_rectified and has_projection:
        matrix = projection
    elif is_rectified and coefficients.any():
        raise ValueError(
            "P is not set, but a rectified image needs it; set rectified to never if the image is "
            "not rectified"
        )
    elif not has_matrix and has_projection:
        if coefficients.any():
            raise ValueError(
                "K is not set, and D cannot be used without it; calibrate the camera, or set "
                "rectified to always if the image is rectified"
            )
        note("K is not set: P is used instead", "let the driver publish K, too")
        matrix = projection
    elif not has_matrix:
        raise ValueError("K is not set; calibrate the camera or use intrinsics:=calibration")
    rectified = projection if has_projection else matrix
    for name, values in (("K", matrix), ("P", rectified)):
        if not (values.diagonal() > 0).all() or not np.allclose(values[2], (0, 0, 1)):
            raise ValueError(
                f"{name} is not a camera matrix (focal lengths above 0, last row 0 0 1): "
                f"{values.ravel().tolist()}; calibrate the camera or use intrinsics:=calibration"
            )
    return matrix, rectified


def _is_set(matrix: np.ndarray) -> bool:
    """Return whether K or P was set: drivers without a calibration leave zeros or the identity."""
    has_lengths = matrix[0, 0] != 0 or matrix[1, 1] != 0
    return bool(has_lengths and not np.array_equal(matrix, np.eye(3)))


def _distortion(message: Any, coefficients: np.ndarray, note: Note) -> tuple[str, np.ndarray]:
    """Return the model and the coefficients of the message. In ROS, zeros mean no distortion."""
    name = message.distortion_model
    model, coefficients = read_distortion(name, coefficients)
    if not coefficients.any():
        if model == "equidistant":
            note(
                f"D of the model {name!r} is zero: the image is used as one without distortion",
                "if it is that of a fisheye, use intrinsics:=calibration",
            )
        return "none", np.zeros(5)
    if not name:
        note(
            f"distortion_model is not set: the {len(coefficients)} coefficients of D are read as "
            f"those of {model}",
            "let the driver name the model",
        )
    return model, coefficients


def _views(
    message: Any, image_size: Size | None, matrix: np.ndarray, note: Note
) -> tuple[Size, Size, Size]:
    """Return the first pixel and the size of the published region, and its size after binning.

    Args:
        message: The sensor_msgs/CameraInfo.
        image_size: (width, height) of the image, pixels; None if unknown.
        matrix: (3, 3) K.
        note: Called for each assumption, see `Note`.
    """
    bins = (max(int(message.binning_x), 1), max(int(message.binning_y), 1))
    size = (int(message.width), int(message.height))
    roi = message.roi
    corner = (int(roi.x_offset), int(roi.y_offset))
    crop = (int(roi.width), int(roi.height))
    binned_crop = _divided(crop, bins)
    is_cropped = 0 not in crop and (corner, crop) != ((0, 0), size)
    if image_size is None:
        if is_cropped and 0 not in size and not _is_inside(corner, crop, size):
            raise ValueError(_outside(corner, crop, size))
        return (corner, crop, binned_crop) if is_cropped else ((0, 0), size, _divided(size, bins))
    if 0 in size and not (is_cropped and binned_crop == image_size):
        size = (image_size[0] * bins[0], image_size[1] * bins[1])
        if far := off_center(Camera(matrix, size, np.eye(4))):
            raise ValueError(f"width and height are not set, and for the size of the image {far}")
        note(
            f"width and height are not set: those of the image are used, {size[0]} x {size[1]}",
            "let the driver set them",
        )
    whole = _divided(size, bins)
    if not is_cropped:
        return (0, 0), size, whole
    is_inside = 0 in size or _is_inside(corner, crop, size)
    is_crop = is_inside or image_size == binned_crop
    if image_size == whole or not (is_crop or 0 in whole or not same_view(image_size, whole)):
        note(
            f"roi is {crop[0]} x {crop[1]} at {corner}, but the image of {image_size[0]} x "
            f"{image_size[1]} pixels shows the whole view: roi is ignored",
            "let the driver set roi to zeros where it does not crop",
        )
        return (0, 0), size, whole
    if not is_inside:
        raise ValueError(
            f"{_outside(corner, crop, size)}, and the image is {image_size[0]} x {image_size[1]}"
        )
    return corner, crop, binned_crop


def _divided(size: Size, bins: Size) -> Size:
    return size[0] // bins[0], size[1] // bins[1]


def _is_inside(corner: Size, crop: Size, size: Size) -> bool:
    return corner[0] + crop[0] <= size[0] and corner[1] + crop[1] <= size[1]


def _outside(corner: Size, crop: Size, size: Size) -> str:
    return (
        f"the roi of {crop[0]} x {crop[1]} at {corner} lies outside of {size[0]} x {size[1]} pixels"
    )


def camera_info_fields(camera: Camera) -> dict[str, Any]:
    """Return the fields of a sensor_msgs/CameraInfo, for any Python class of that message.

    Args:
        camera: The camera; its extrinsics are not part of the message.

    Returns:
        Values by field name, arrays as float64: K and D of the recorded image, P of the rectified
        one. Header, binning and region of interest are left out.
    """
    model, distortion = camera.distortion_model, camera.distortion
    if model == "none":  # ROS has no name for it
        model, distortion = "plumb_bob", np.zeros(5)
    projection = np.hstack([camera.rectified_matrix, np.zeros((3, 1))])
    return {
        "width": camera.size[0],
        "height": camera.size[1],
        "distortion_model": model,
        "d": np.asarray(distortion, np.float64),
        "k": camera.matrix.ravel(),
        "r": np.eye(3).ravel(),
        "p": projection.ravel(),
    }


def encode_camera(camera: Camera, header: Any) -> Any:
    """Convert a Camera to sensor_msgs/CameraInfo.

    Args:
        camera: The camera.
        header: The std_msgs/Header of the message.

    Returns:
        The sensor_msgs/CameraInfo, see `camera_info_fields`.
    """
    from sensor_msgs.msg import CameraInfo

    fields = camera_info_fields(camera)
    fields["d"] = fields["d"].tolist()  # rclpy accepts no numpy array for an unbounded sequence
    return CameraInfo(header=header, **fields)
