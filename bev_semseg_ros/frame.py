"""The vocabulary of the package: what goes into a predictor, what comes out, and what is true. Numpy only.

Conventions (REP 103): x forward, y left, z up, metres, radians. The *ego frame* is level with the
vehicle and has its origin on the ground below the lidar's reference point. A *camera frame* is
optical: x right, y down, z forward. A 4x4 transform `a_from_b` takes points of b to a.
Pixel (0, 0) is the centre of the first pixel. Images are RGB. Time is integer nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Mode = Literal["fused", "lidar_only", "camera_only"]
MODES: tuple[Mode, ...] = ("fused", "lidar_only", "camera_only")

MAX_SIDE = 32_768  # pixels of an image's width or height
MAX_ASPECT = 32  # of an image; what is longer is damaged and would be enlarged beyond all memory

DISTORTION_MODELS = ("none", "plumb_bob", "rational_polynomial", "equidistant")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Upright boxes as a struct of arrays, in one frame of reference.

    centers (M, 3) middle of the volume; sizes (M, 3) length, width, height; yaws (M,) about z, zero along x,
    counter-clockwise; labels (M,) index into `taxonomy.DETECTION_CLASSES` or `taxonomy.IGNORED_VEHICLE`;
    scores (M,) in 0..1, ones for truth.
    """

    centers: np.ndarray
    sizes: np.ndarray
    yaws: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.centers)
        for name, shape, kind in (
            ("centers", (count, 3), np.float64),
            ("sizes", (count, 3), np.float64),
            ("yaws", (count,), np.float64),
            ("labels", (count,), np.int64),
            ("scores", (count,), np.float64),
        ):
            array = np.asarray(getattr(self, name), kind).reshape(
                (0, *shape[1:]) if count == 0 else shape
            )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: np.ndarray | slice) -> Boxes:
        """The boxes a mask, an index array or a slice selects."""
        return Boxes(
            self.centers[index],
            self.sizes[index],
            self.yaws[index],
            self.labels[index],
            self.scores[index],
        )

    @classmethod
    def empty(cls) -> Boxes:
        return cls(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(0))

    @classmethod
    def concatenate(cls, parts: list[Boxes]) -> Boxes:
        if not parts:
            return cls.empty()
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("centers", "sizes", "yaws", "labels", "scores")
            )
        )


@dataclass(frozen=True, eq=False)
class Camera:
    """How a camera looks at the ego frame.

    matrix (3, 3): K of the image as recorded; distortion: coefficients of `distortion_model` in OpenCV's order, which
    mean nothing where that is "none"; size: (width, height) of the image; camera_from_ego (4, 4); rectified_matrix
    (3, 3): K of the rectified image of the same size, `matrix` if it is not given. Raises ValueError for what no camera
    can be: an unknown model, numbers that are not finite, no size or one beyond MAX_SIDE or MAX_ASPECT.
    """

    matrix: np.ndarray
    size: tuple[int, int]
    camera_from_ego: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))
    distortion_model: str = "none"
    rectified_matrix: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.distortion_model not in DISTORTION_MODELS:
            raise ValueError(
                f"unknown distortion model {self.distortion_model!r}, "
                f"expected one of {', '.join(DISTORTION_MODELS)}"
            )
        object.__setattr__(self, "matrix", np.asarray(self.matrix, np.float64).reshape(3, 3))
        object.__setattr__(
            self, "camera_from_ego", np.asarray(self.camera_from_ego, np.float64).reshape(4, 4)
        )
        object.__setattr__(self, "distortion", np.asarray(self.distortion, np.float64).reshape(-1))
        rectified = self.matrix if self.rectified_matrix is None else self.rectified_matrix
        object.__setattr__(
            self, "rectified_matrix", np.asarray(rectified, np.float64).reshape(3, 3)
        )
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        for name in ("matrix", "camera_from_ego", "distortion", "rectified_matrix"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"camera: {name} has numbers that are not finite")
        shorter, longer = sorted(self.size)
        if shorter < 1 or longer > min(MAX_SIDE, MAX_ASPECT * shorter):
            raise ValueError(
                f"camera: the image is {self.size[0]} x {self.size[1]} pixels, expected 1 to {MAX_SIDE} "
                f"and at most {MAX_ASPECT} times as many one way as the other"
            )

    @property
    def image_from_ego(self) -> np.ndarray:
        """(3, 4) projection of homogeneous ego points to pixels of the *rectified* image."""
        return self.rectified_matrix @ self.camera_from_ego[:3]

    @property
    def is_rectified(self) -> bool:
        """True if the image as recorded already is the rectified one."""
        # A fisheye bends the picture even where its coefficients are zero.
        straight = self.distortion_model == "none" or (
            self.distortion_model != "equidistant" and not np.any(self.distortion)
        )
        return straight and np.allclose(self.matrix, self.rectified_matrix)

    def rectified(self, size: tuple[int, int] | None = None) -> Camera:
        """The pinhole camera of the rectified image, scaled to `size` (width, height) if given."""
        size = self.size if size is None else size
        return replace(
            self,
            matrix=scale_matrix(self.rectified_matrix, self.size, size),
            size=size,
            distortion=np.zeros(5),
            distortion_model="none",
            rectified_matrix=None,
        )


def scale_matrix(
    matrix: np.ndarray, size: tuple[float, float], new_size: tuple[int, int]
) -> np.ndarray:
    """K (3, 3) of an image of `size` after resizing to `new_size`; pixel centres at integers: u' = (u + .5) s - .5."""
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    scale = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return scale @ matrix


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment as the sensors saw it.

    points (N, 4) float32: x, y, z in the lidar's frame and intensity 0..1, or None; image (H, W, 3) uint8 RGB as
    recorded (see `camera`), or None; ego_from_lidar (4, 4); `missing` names what should have been there.
    """

    timestamp_ns: int
    points: np.ndarray | None
    ego_from_lidar: np.ndarray
    image: np.ndarray | None
    camera: Camera | None
    name: str = ""
    scene: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is true of a frame; None where nobody said (which is not the same as "nothing there").

    boxes: in the ego frame; ignored (M,) bool: truth that counts neither as found nor as missed;
    mask (H, W) uint8: `taxonomy.SEGMENTATION_CLASSES`, 255 to be ignored, in the geometry of `Frame.image` as
    recorded; group_mask: the same in `taxonomy.GROUPS`; dont_care (D, 4): left, top, right, bottom in pixels of the
    rectified image where objects may stand that nobody boxed.
    """

    boxes: Boxes | None = None
    ignored: np.ndarray | None = None
    mask: np.ndarray | None = None
    group_mask: np.ndarray | None = None
    dont_care: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network said of a frame.

    boxes: in the ego frame, by falling score; None where the network could not look for any: without points, if its
    fusion finds boxes in points alone. mask (h, w) uint8 of `taxonomy.SEGMENTATION_CLASSES` in the
    rectified image at the network's size, described by `camera`; None in lidar_only mode. `network_ms`: time in the
    network, from tensors to boxes and mask. `mode`: the mode in which it was really run.
    """

    boxes: Boxes | None
    mask: np.ndarray | None
    camera: Camera | None
    mode: Mode
    network_ms: float
