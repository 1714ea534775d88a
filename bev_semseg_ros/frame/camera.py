"""A camera: how it maps points of the ego frame to pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.frame.arrays import finite_array

MAX_SIDE = 32_768  # pixels of an image's width or height
MAX_ASPECT = 32  # of an image; a longer one is damaged and would be enlarged beyond all memory
ASPECT_TOLERANCE = 0.02  # between an image and the one that its intrinsics describe

DISTORTION_MODELS = ("none", "plumb_bob", "rational_polynomial", "equidistant")


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics, distortion and pose of a camera.

    Attributes:
        matrix: (3, 3) K of the image as recorded.
        size: (width, height) of the image as recorded, pixels.
        camera_from_ego: (4, 4) takes points of the ego frame to the optical camera frame.
        distortion: coefficients of `distortion_model` in OpenCV's order.
        distortion_model: one of DISTORTION_MODELS.
        rectified_matrix: (3, 3) K of the rectified image of the same size; default: `matrix`.

    Raises:
        ValueError: an unknown model, coefficients without a model, a matrix of another shape,
            numbers that are not finite, or a size that is zero or beyond MAX_SIDE or MAX_ASPECT.
    """

    matrix: np.ndarray
    size: tuple[int, int]
    camera_from_ego: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))
    distortion_model: str = "none"
    rectified_matrix: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if self.distortion_model not in DISTORTION_MODELS:
            raise ValueError(
                f"unknown distortion model {self.distortion_model!r}, "
                f"expected one of {', '.join(DISTORTION_MODELS)}"
            )
        if not np.size(self.rectified_matrix):
            object.__setattr__(self, "rectified_matrix", self.matrix)
        for name, shape in (
            ("matrix", (3, 3)),
            ("camera_from_ego", (4, 4)),
            ("distortion", ()),
            ("rectified_matrix", (3, 3)),
        ):
            values = finite_array(getattr(self, name), shape, f"camera: {name}")
            object.__setattr__(self, name, values)
        if self.distortion_model == "none" and self.distortion.any():
            raise ValueError(
                "camera: distortion has coefficients, but distortion_model is 'none': name their "
                "model, such as plumb_bob, or leave them out"
            )
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        shorter, longer = sorted(self.size)
        if shorter < 1 or longer > min(MAX_SIDE, MAX_ASPECT * shorter):
            raise ValueError(
                f"camera: the image is {self.size[0]} x {self.size[1]} pixels, "
                f"expected 1 to {MAX_SIDE} pixels a side and an aspect ratio of at most "
                f"{MAX_ASPECT}:1"
            )

    @property
    def image_from_ego(self) -> np.ndarray:
        """(3, 4) projection of homogeneous ego points to pixels of the *rectified* image."""
        return self.rectified_matrix @ self.camera_from_ego[:3]

    @property
    def is_rectified(self) -> bool:
        """True if the image as recorded already is the rectified one."""
        # A fisheye bends the picture even where its coefficients are zero.
        is_pinhole = self.distortion_model == "none" or (
            self.distortion_model != "equidistant" and not np.any(self.distortion)
        )
        return bool(is_pinhole and np.allclose(self.matrix, self.rectified_matrix))

    def rectified(self, size: tuple[int, int] | None = None) -> Camera:
        """Return the pinhole camera of the rectified image.

        Args:
            size: (width, height) to scale it to; default: the size as recorded.
        """
        size = self.size if size is None else size
        matrix = scale_matrix(self.rectified_matrix, self.size, size)
        return Camera(matrix, size, self.camera_from_ego)


def same_view(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether images of two sizes (width, height) can show the same view.

    A smaller copy can, a crop cannot.
    """
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_TOLERANCE


def scale_matrix(
    matrix: np.ndarray, size: tuple[float, float], new_size: tuple[int, int]
) -> np.ndarray:
    """Return K (3, 3) of an image of `size` after it was resized to `new_size`.

    Pixel centres lie at integers, so that u' = (u + 0.5) * scale - 0.5.
    """
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    scale = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return scale @ matrix
