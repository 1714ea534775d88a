"""sensor_msgs/CameraInfo <-> Camera.

Decoding works on anything with the attributes of the message. The message class is imported only
where one is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera, scale_matrix
from bev_semseg_ros.ros.convert.image import check_size

# Distortion model -> how many coefficients it may have.
CAMERA_MODELS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}


def shows_rectified(setting: str, topic: str) -> bool:
    """Return whether the images of a topic are rectified already.

    Args:
        setting: "always", "never", or "auto": by the names that image_proc gives to such images,
            image_rect, image_rect_color and the like.
        topic: The topic of the images.
    """
    if setting == "auto":
        return "_rect" in topic.rpartition("/")[2]
    return setting == "always"


def decode_camera(message: Any, camera_from_ego: np.ndarray, is_rectified: bool = False) -> Camera:
    """Convert a sensor_msgs/CameraInfo to the Camera of the image as it is published.

    K, P, size and region of interest describe the unbinned image; the Camera describes the image
    after cropping and binning. Its rectified matrix is P. It is K where P is not set, and where R
    turns the camera: the rectified frame of a stereo pair is not the frame of the extrinsics.

    Args:
        message: The sensor_msgs/CameraInfo.
        camera_from_ego: (4, 4) transform from the ego frame to the optical frame.
        is_rectified: True for an image that was rectified already. Its camera_info still has the
            K and D of the camera; its K is P, and its frame is taken as the one of the extrinsics.

    Returns:
        The Camera, without distortion if `is_rectified`.

    Raises:
        ValueError: If the distortion model is unknown, K or P is not set, the region lies outside
            of the image, a number is not finite, or `check_size` refuses the size.
    """
    matrix = np.array(message.k, float).reshape(3, 3)
    projection = np.array(message.p, float).reshape(3, 4)[:, :3]
    coefficients = np.array(message.d, float)
    if not all(np.isfinite(values).all() for values in (matrix, projection, coefficients)):
        raise ValueError("camera_info: K, P or D holds a number that is not finite")
    if is_rectified:
        if projection[0, 0] > 0:
            matrix = projection
        elif coefficients.any():
            raise ValueError(
                "camera_info: P is not set, which describes a rectified image; set rectified to "
                "never if the image is not rectified"
            )
        coefficients = np.zeros(0)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ValueError(
            "camera_info: K is not set; calibrate the camera or use intrinsics:=calibration"
        )
    model = message.distortion_model
    if not coefficients.any() and (is_rectified or model in ("", *CAMERA_MODELS)):
        model, coefficients = "none", np.zeros(5)
    else:
        _check_distortion(model, len(coefficients))
    rotation = np.array(message.r, float).reshape(3, 3)
    is_turned = rotation.any() and not np.allclose(rotation, np.eye(3), atol=1e-6)
    rectified = matrix if is_turned or projection[0, 0] <= 0 else projection
    corner, size = _region(message)
    shift = np.array([[0, 0, corner[0]], [0, 0, corner[1]], [0, 0, 0]], float)
    binned = (size[0] // max(int(message.binning_x), 1), size[1] // max(int(message.binning_y), 1))
    try:
        check_size(*binned)
    except ValueError as error:
        raise ValueError(f"camera_info: {error}") from None
    return Camera(
        scale_matrix(matrix - shift, size, binned),
        binned,
        camera_from_ego,
        coefficients,
        model,
        scale_matrix(rectified - shift, size, binned),
    )


def _check_distortion(model: str, count: int) -> None:
    """Raise ValueError unless the model is known and has that many coefficients."""
    if model not in CAMERA_MODELS:
        raise ValueError(
            f"camera_info: unknown distortion model {model!r}, expected one of "
            f"{', '.join(CAMERA_MODELS)}"
        )
    if count not in CAMERA_MODELS[model]:
        expected = " or ".join(map(str, CAMERA_MODELS[model]))
        raise ValueError(f"camera_info: {model} with {count} coefficients, expected {expected}")


def _region(message: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel and the size of the region that is published, before binning."""
    size = (int(message.width), int(message.height))
    region = message.roi
    width, height = int(region.width), int(region.height)
    if width == 0 or height == 0:
        return (0, 0), size
    left, top = int(region.x_offset), int(region.y_offset)
    if all(size) and (left + width > size[0] or top + height > size[1]):
        raise ValueError(
            f"camera_info: the roi of {width} x {height} at ({left}, {top}) lies outside of "
            f"{size[0]} x {size[1]} pixels"
        )
    return (left, top), (width, height)


def camera_info_fields(camera: Camera) -> dict[str, Any]:
    """Return what a sensor_msgs/CameraInfo says of a camera, for any class of that message.

    Args:
        camera: The camera; its extrinsics are not part of the message.

    Returns:
        Values by the message's fields, arrays as float64: K and D of the image as recorded, P of
        the rectified one. Header, binning and region of interest are left out.
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
    fields["d"] = fields["d"].tolist()  # rclpy takes no array for a sequence of any length
    return CameraInfo(header=header, **fields)
