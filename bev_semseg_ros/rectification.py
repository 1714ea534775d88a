"""Rectification: turns recorded images into the input images of the network."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from bev_semseg_ros.config import ImageConfig
from bev_semseg_ros.frame import Camera, scale_matrix


def network_size(size: tuple[int, int], config: ImageConfig) -> tuple[int, int]:
    """Choose the size of the image that the network gets.

    The network needs a width that is a multiple of 32 and a height that is a multiple of 16. This
    changes the aspect ratio by a few per cent; the camera matrix is scaled accordingly.

    Args:
        size: (width, height) of the recorded image.
        config: Limits on the number of pixels and on the width.

    Returns:
        (width, height) for the network.
    """
    aspect = size[0] / size[1]
    width = min((config.max_pixels * aspect) ** 0.5, config.max_width)
    network_width = max(64, round(width / 32) * 32)
    network_height = max(64, round(network_width * size[1] / size[0] / 16) * 16)
    return network_width, network_height


def rectify(
    image: np.ndarray, camera: Camera, size: tuple[int, int], interpolation: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Rectify and resize a recorded image in one remap.

    Args:
        image: (H, W) or (H, W, C) image with the view of `camera`. Its size may differ from the
            camera's, for instance if it is a mask or a smaller copy.
        camera: Camera that recorded the image.
        size: (width, height) of the result.
        interpolation: OpenCV's interpolation flag; masks need INTER_NEAREST.

    Returns:
        (h, w) or (h, w, C) rectified image. Pixels without a source are 0, or 255 (ignored) with
        INTER_NEAREST.
    """
    height, width = image.shape[:2]
    if camera.is_rectified and (width, height) == tuple(size):
        return image
    is_nearest = interpolation == cv2.INTER_NEAREST
    source_size = (width, height)
    padded_size = (width, height)
    shrink = min(width / size[0], height / size[1])
    if shrink >= 2 and not is_nearest:
        # Sampling at most one source pixel in four would alias, so average blocks first. The
        # blocks may extend beyond the edge by a few pixels.
        factor = int(shrink)
        image = _reduce(image, factor)
        source_size = (image.shape[1], image.shape[0])
        padded_size = (source_size[0] * factor, source_size[1] * factor)
    covered = (
        camera.size[0] * padded_size[0] / width,
        camera.size[1] * padded_size[1] / height,
    )
    map_x, map_y = _rectification_maps(
        camera.matrix.tobytes(),
        camera.distortion.tobytes(),
        camera.distortion_model,
        camera.rectified_matrix.tobytes(),
        camera.size,
        covered,
        source_size,
        (size[0], size[1]),
        is_nearest,
    )
    return cv2.remap(
        image,
        map_x,
        map_y,
        interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255 if is_nearest else 0,
    )


def _reduce(image: np.ndarray, factor: int) -> np.ndarray:
    """Average whole blocks of factor x factor pixels.

    For whole blocks, the result equals that of INTER_AREA (up to one grey level for even factors).
    With 1920 x 1208 pixels and a factor of 3, it takes half the time. Blocks that extend beyond
    the right or lower edge repeat the pixels of that edge.
    """
    right = -image.shape[1] % factor
    if right:
        image = cv2.copyMakeBorder(image, 0, 0, 0, right, cv2.BORDER_REPLICATE)
    means = cv2.blur(image, (factor, factor), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    rows = means[::factor]
    return cv2.resize(rows, (rows.shape[1] // factor, len(rows)), interpolation=cv2.INTER_NEAREST)


@functools.lru_cache(maxsize=32)  # one entry per camera and kind (image, mask); 1 to 2 MB each
def _rectification_maps(
    matrix: bytes,
    distortion: bytes,
    distortion_model: str,
    rectified_matrix: bytes,
    camera_size: tuple[int, int],
    covered: tuple[float, float],
    source_size: tuple[int, int],
    size: tuple[int, int],
    is_nearest: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the position in the source of each pixel of the rectified image.

    Arrays are passed as bytes, because the keys of the cache must be hashable.

    Args:
        matrix: (3, 3) K of the recorded image.
        distortion: Coefficients of `distortion_model`.
        distortion_model: One of `frame.DISTORTION_MODELS`.
        rectified_matrix: (3, 3) K of the rectified image of `camera_size`.
        camera_size: (width, height) of the recorded image.
        covered: (width, height) in pixels of the part of the recorded image that the source
            covers, from the upper left corner.
        source_size: (width, height) of the source.
        size: (width, height) of the rectified image.
        is_nearest: Keep the maps in floating point, as INTER_NEAREST needs them.

    Returns:
        The two maps of `cv2.remap`.
    """
    source = scale_matrix(np.frombuffer(matrix).reshape(3, 3), covered, source_size)
    target = scale_matrix(np.frombuffer(rectified_matrix).reshape(3, 3), camera_size, size)
    coefficients = np.frombuffer(distortion)
    if distortion_model == "equidistant":
        map_x, map_y = cv2.fisheye.initUndistortRectifyMap(
            source, coefficients, np.eye(3), target, size, cv2.CV_32FC1
        )
    else:
        map_x, map_y = cv2.initUndistortRectifyMap(
            source, coefficients, None, target, size, cv2.CV_32FC1
        )
    if is_nearest:
        return map_x, map_y
    return cv2.convertMaps(map_x, map_y, cv2.CV_16SC2)
