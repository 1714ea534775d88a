"""Camera model: maps points of the ego frame to pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.frame.arrays import finite_array, homogeneous_matrix

MAX_SIDE = 32_768  # width or height of an image, pixels
MAX_ASPECT = 32  # of an image; a longer one is damaged, and resizing it would exhaust the memory
ASPECT_TOLERANCE = 0.02  # relative difference of the aspect ratios of an image and its intrinsics

DISTORTION_MODELS = ("none", "plumb_bob", "rational_polynomial", "equidistant")
# Numbers of coefficients that OpenCV accepts. Its rational polynomial begins with the coefficients
# of plumb_bob.
DISTORTION_LENGTHS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics, distortion and pose of a camera.

    Attributes:
        matrix: (3, 3) K of the image as recorded.
        size: (width, height) of the image as recorded, pixels.
        camera_from_ego: (4, 4) transform from the ego frame to the optical frame of the camera.
        distortion: Coefficients of `distortion_model` in OpenCV's order.
        distortion_model: One of DISTORTION_MODELS.
        rectified_matrix: (3, 3) K of the rectified image of the same size; default: `matrix`.

    Raises:
        ValueError: The model is unknown, there are coefficients without a model or too many or too
            few of them, a matrix has another shape or is transposed, a number is NaN or infinite,
            or the size is zero or exceeds MAX_SIDE or MAX_ASPECT.
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
        for name, size in (("matrix", 3), ("camera_from_ego", 4), ("rectified_matrix", 3)):
            values = homogeneous_matrix(getattr(self, name), size, f"camera: {name}")
            object.__setattr__(self, name, values)
        self._check_distortion()
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        shorter, longer = sorted(self.size)
        if shorter < 1 or longer > min(MAX_SIDE, MAX_ASPECT * shorter):
            raise ValueError(
                f"camera: the image is {self.size[0]} x {self.size[1]} pixels, "
                f"expected 1 to {MAX_SIDE} pixels a side and an aspect ratio of at most "
                f"{MAX_ASPECT}:1"
            )

    def _check_distortion(self) -> None:
        """Convert the coefficients to an array of a length that OpenCV accepts."""
        distortion = finite_array(self.distortion, (), "camera: distortion")
        if self.distortion_model == "none" and distortion.any():
            raise ValueError(
                "camera: distortion has coefficients, but distortion_model is 'none': name their "
                "model, such as plumb_bob, or leave them out"
            )
        if self.distortion_model == "equidistant":
            lengths = DISTORTION_LENGTHS["equidistant"]
        else:
            lengths = DISTORTION_LENGTHS["plumb_bob"] + DISTORTION_LENGTHS["rational_polynomial"]
        if len(distortion) not in lengths:
            if distortion.any():
                raise ValueError(
                    f"camera: distortion has {len(distortion)} coefficients, expected "
                    f"{' or '.join(map(str, lengths))} for {self.distortion_model}, in OpenCV's "
                    "order, with zeros for unknown ones"
                )
            distortion = np.zeros(lengths[0])
        object.__setattr__(self, "distortion", distortion)

    @property
    def image_from_ego(self) -> np.ndarray:
        """(3, 4) projection from homogeneous points in the ego frame to *rectified* pixels."""
        return self.rectified_matrix @ self.camera_from_ego[:3]

    @property
    def is_rectified(self) -> bool:
        """Whether the image as recorded is already rectified."""
        # A fisheye model distorts the image even if its coefficients are zero.
        is_pinhole = self.distortion_model == "none" or (
            self.distortion_model != "equidistant" and not np.any(self.distortion)
        )
        return bool(is_pinhole and np.allclose(self.matrix, self.rectified_matrix))

    def rectified(self, size: tuple[int, int] | None = None) -> Camera:
        """Return the pinhole camera of the rectified image.

        Args:
            size: (width, height) of the image after resizing; default: the size as recorded.
        """
        size = self.size if size is None else size
        matrix = scale_matrix(self.rectified_matrix, self.size, size)
        return Camera(matrix, size, self.camera_from_ego)


def same_view(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two images with these sizes (width, height) can show the same view.

    This holds for a resized copy of an image, but usually not for a crop.
    """
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_TOLERANCE


def scale_matrix(
    matrix: np.ndarray, size: tuple[float, float], new_size: tuple[int, int]
) -> np.ndarray:
    """Return the K of an image after it is resized.

    The centres of pixels are at integer coordinates, so u' = (u + 0.5) * scale - 0.5.

    Args:
        matrix: (3, 3) K before.
        size: (width, height) before.
        new_size: (width, height) after.

    Returns:
        (3, 3) K after.
    """
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    scale = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return scale @ matrix
