"""The vocabulary of the package: what a predictor takes, what it returns, and ground truth.

Numpy only. Conventions follow REP 103: x forward, y left, z up, metres, radians. The *ego frame* is
level with the vehicle and has its origin on the ground below the lidar's reference point. A *camera
frame* is optical: x right, y down, z forward. A 4x4 transform `a_from_b` takes points of b to a.
Pixel (0, 0) is the centre of the first pixel. Images are RGB. Time is in integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np

from bev_semseg_ros.labels import (
    BOX_IGNORED,
    BOX_NONE,
    DEFAULT_BOX_LABELS,
    DEFAULT_MASK_LABELS,
    LabelSet,
    load_label_set,
)

Mode = Literal["fused", "lidar_only", "camera_only"]
MODES: tuple[Mode, ...] = ("fused", "lidar_only", "camera_only")

MAX_SIDE = 32_768  # pixels of an image's width or height
MAX_ASPECT = 32  # of an image; a longer one is damaged and would be enlarged beyond all memory

# How the sensors of a rig with one lidar and one camera are named.
LIDAR, CAMERA = "lidar", "camera"

DISTORTION_MODELS = ("none", "plumb_bob", "rational_polynomial", "equidistant")

# What a point may carry beside x, y, z and intensity, as `LidarScan.attributes` names it.
POINT_ATTRIBUTES = {
    "ring": "number of the beam, from 0",
    "time": "seconds after the frame's time, negative before it",
    "unit": "number of the lidar, where several make one cloud",
}


@dataclass(frozen=True, eq=False)
class Boxes:
    """Upright boxes as a struct of arrays, in one frame of reference.

    Attributes:
        centers: (M, 3) middle of the volume, metres.
        sizes: (M, 3) length, width, height, metres.
        yaws: (M,) radians about z, zero along x, counter-clockwise.
        labels: (M,) numbers of a label set's classes, or `labels.BOX_IGNORED`.
        scores: (M,) in 0..1; ones for ground truth.
        ids: (M,) the same number for the same object throughout a drive; -1 where unknown.
        velocities: (M, 2) metres per second over ground along x and y; NaN where unknown.
    """

    centers: np.ndarray
    sizes: np.ndarray
    yaws: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0))
    velocities: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        count = len(self.centers)
        if not len(self.ids):
            object.__setattr__(self, "ids", np.full(count, -1))
        if not len(self.velocities):
            object.__setattr__(self, "velocities", np.full((count, 2), np.nan))
        for name, width, dtype in (
            ("centers", (3,), np.float64),
            ("sizes", (3,), np.float64),
            ("yaws", (), np.float64),
            ("labels", (), np.int64),
            ("scores", (), np.float64),
            ("ids", (), np.int64),
            ("velocities", (2,), np.float64),
        ):
            array = np.asarray(getattr(self, name), dtype).reshape((count, *width))
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: np.ndarray | slice) -> Boxes:
        """Return the boxes that a mask, an index array or a slice selects."""
        return Boxes(*(array[index] for array in self._arrays()))

    @classmethod
    def empty(cls) -> Boxes:
        """Return no boxes."""
        return cls(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(0))

    @classmethod
    def concatenate(cls, parts: Sequence[Boxes]) -> Boxes:
        """Return the boxes of all parts, in order."""
        if not parts:
            return cls.empty()
        columns = zip(*(part._arrays() for part in parts), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in columns))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (
            self.centers,
            self.sizes,
            self.yaws,
            self.labels,
            self.scores,
            self.ids,
            self.velocities,
        )


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics, distortion and pose of a camera.

    Attributes:
        matrix: (3, 3) K of the image as recorded.
        size: (width, height) of the image as recorded, pixels.
        camera_from_ego: (4, 4) takes points of the ego frame to the optical camera frame.
        distortion: coefficients of `distortion_model` in OpenCV's order; unused if it is "none".
        distortion_model: one of DISTORTION_MODELS.
        rectified_matrix: (3, 3) K of the rectified image of the same size; default: `matrix`.

    Raises:
        ValueError: an unknown model, numbers that are not finite, or a size that is zero or beyond
            MAX_SIDE or MAX_ASPECT.
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
            ("distortion", (-1,)),
            ("rectified_matrix", (3, 3)),
        ):
            values = np.asarray(getattr(self, name), np.float64).reshape(shape)
            object.__setattr__(self, name, values)
            if not np.isfinite(values).all():
                raise ValueError(f"camera: {name} has numbers that are not finite")
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


def scale_matrix(
    matrix: np.ndarray, size: tuple[float, float], new_size: tuple[int, int]
) -> np.ndarray:
    """Return K (3, 3) of an image of `size` after it was resized to `new_size`.

    Pixel centres lie at integers, so that u' = (u + 0.5) * scale - 0.5.
    """
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    scale = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return scale @ matrix


@dataclass(frozen=True, eq=False)
class LidarScan:
    """One sweep of one lidar, or of several that the data set gives as one cloud.

    Attributes:
        points: (N, 4) float32 x, y, z in the lidar's frame and intensity 0..1; None if it gave
            nothing.
        ego_from_lidar: (4, 4) takes points of the lidar to the ego frame.
        attributes: (N,) arrays by the names of POINT_ATTRIBUTES, as far as the data has them.
    """

    points: np.ndarray | None
    ego_from_lidar: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CameraImage:
    """One image of one camera.

    Attributes:
        image: (H, W, 3) uint8 RGB as recorded; None if the camera gave nothing.
        camera: how it looks at the ego frame.
    """

    image: np.ndarray | None
    camera: Camera


_Value = TypeVar("_Value")


def only(values: Mapping[str, _Value], kind: str) -> _Value | None:
    """Return the value of a rig's only sensor, None if there is no sensor of the kind.

    Args:
        values: by the sensors' names.
        kind: of the sensors, for the message: "lidars" or "cameras".

    Raises:
        ValueError: there are several.
    """
    if len(values) > 1:
        raise ValueError(f"there are several {kind} ({', '.join(values)}): choose one by its name")
    return next(iter(values.values()), None)


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment as the sensors saw it.

    The first lidar and the first camera are the reference sensors. `points`, `image` and their
    like are short for those of a rig with one lidar and one camera; `Frame.of` makes such a frame.

    Attributes:
        timestamp_ns: time of the moment, nanoseconds.
        lidars: scans by the lidars' names. A known lidar that gave nothing has no points.
        cameras: images by the cameras' names. A known camera that gave nothing has no image.
        name: of the frame within its data set.
        scene: drive that the frame belongs to.
        missing: what should have been there, such as "image".
    """

    timestamp_ns: int
    lidars: Mapping[str, LidarScan] = field(default_factory=dict)
    cameras: Mapping[str, CameraImage] = field(default_factory=dict)
    name: str = ""
    scene: str = ""
    missing: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        timestamp_ns: int,
        points: np.ndarray | None,
        ego_from_lidar: np.ndarray,
        image: np.ndarray | None = None,
        camera: Camera | None = None,
        *,
        point_attributes: Mapping[str, np.ndarray] | None = None,
        name: str = "",
        scene: str = "",
        missing: tuple[str, ...] = (),
    ) -> Frame:
        """Return a frame of one lidar and at most one camera.

        Args:
            timestamp_ns: time of the moment, nanoseconds.
            points: (N, 4) x, y, z in the lidar's frame and intensity 0..1; None without.
            ego_from_lidar: (4, 4) takes points of the lidar to the ego frame.
            image: (H, W, 3) uint8 RGB as recorded; None without.
            camera: how `image` looks at the ego frame; None without a camera.
            point_attributes: (N,) arrays by the names of POINT_ATTRIBUTES.
            name: of the frame within its data set.
            scene: drive that the frame belongs to.
            missing: what should have been there.

        Raises:
            ValueError: an image whose camera is not known.
        """
        if image is not None and camera is None:
            raise ValueError("an image needs its camera")
        return cls(
            timestamp_ns,
            {LIDAR: LidarScan(points, ego_from_lidar, point_attributes or {})},
            {} if camera is None else {CAMERA: CameraImage(image, camera)},
            name,
            scene,
            missing,
        )

    @property
    def has_points(self) -> bool:
        """True if a lidar gave points."""
        return any(scan.points is not None for scan in self.lidars.values())

    @property
    def has_image(self) -> bool:
        """True if a camera gave an image."""
        return any(seen.image is not None for seen in self.cameras.values())

    @property
    def lidar(self) -> LidarScan | None:
        """The scan of the only lidar."""
        return only(self.lidars, "lidars")

    @property
    def points(self) -> np.ndarray | None:
        """(N, 4) points of the only lidar, in its frame."""
        return None if self.lidar is None else self.lidar.points

    @property
    def ego_from_lidar(self) -> np.ndarray:
        """(4, 4) pose of the only lidar."""
        return np.eye(4) if self.lidar is None else self.lidar.ego_from_lidar

    @property
    def point_attributes(self) -> Mapping[str, np.ndarray]:
        """(N,) arrays of the only lidar's points."""
        return {} if self.lidar is None else self.lidar.attributes

    @property
    def image(self) -> np.ndarray | None:
        """(H, W, 3) image of the only camera."""
        seen = only(self.cameras, "cameras")
        return None if seen is None else seen.image

    @property
    def camera(self) -> Camera | None:
        """The only camera."""
        seen = only(self.cameras, "cameras")
        return None if seen is None else seen.camera

    def without_images(self) -> Frame:
        """Return the frame as if no camera had given an image."""
        blind = {name: replace(seen, image=None) for name, seen in self.cameras.items()}
        return replace(self, cameras=blind)

    def without_points(self) -> Frame:
        """Return the frame as if no lidar had given points."""
        blind = {
            name: replace(scan, points=None, attributes={}) for name, scan in self.lidars.items()
        }
        return replace(self, lidars=blind)


@dataclass(frozen=True, eq=False)
class Annotation:
    """The ground truth of a frame. None means unlabelled, empty means labelled without objects.

    Attributes:
        boxes: in the ego frame.
        ignored: (M,) bool: boxes that count neither as found nor as missed.
        masks: for each labelled camera (H, W) uint8 classes of `mask_labels`,
            `labels.MASK_IGNORED` to be left out, in the geometry of its image as recorded.
        dont_care: for each camera that has such areas (D, 4) left, top, right, bottom in pixels of
            the rectified image: there may be unlabelled objects.
        box_labels: label set of `boxes`, the data set's own.
        mask_labels: label set of `masks`, the data set's own.

    Raises:
        ValueError: a box with a size that is not above 0, or with numbers that are not finite.
    """

    boxes: Boxes | None = None
    ignored: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    dont_care: Mapping[str, np.ndarray] = field(default_factory=dict)
    box_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BOX_LABELS))
    mask_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_MASK_LABELS))

    def __post_init__(self) -> None:
        if self.boxes is None:
            return
        placed = np.column_stack([self.boxes.centers, self.boxes.sizes, self.boxes.yaws])
        wrong = ~np.isfinite(placed).all(1) | (self.boxes.sizes <= 0).any(1)
        if wrong.any():
            index = int(np.argmax(wrong))
            raise ValueError(
                f"annotation: box {index} has the centre {self.boxes.centers[index].tolist()}, the "
                f"size {self.boxes.sizes[index].tolist()} and the yaw {self.boxes.yaws[index]}; "
                "expected finite numbers and sizes above 0: correct the box or leave it out"
            )

    @property
    def mask(self) -> np.ndarray | None:
        """(H, W) mask of the only labelled camera."""
        return only(self.masks, "labelled cameras")

    def with_labels(
        self, box_labels: LabelSet | None = None, mask_labels: LabelSet | None = None
    ) -> Annotation:
        """Return the same ground truth in other label sets, None leaves a set as it is.

        Boxes that are no objects in the new set are left out; those that it ignores get the label
        BOX_IGNORED and are marked in `ignored`.

        Raises:
            ValueError: the present set does not map to the one asked for.
        """
        changed = self
        if box_labels is not None and self.boxes is not None and box_labels != self.box_labels:
            boxes, ignored = relabel_boxes(self.boxes, self.ignored, self.box_labels, box_labels)
            changed = replace(changed, boxes=boxes, ignored=ignored)
        if mask_labels is not None and self.masks and mask_labels != self.mask_labels:
            table = self.mask_labels.mask_table(mask_labels)
            masks = {camera: table[mask] for camera, mask in self.masks.items()}
            changed = replace(changed, masks=masks)
        return replace(
            changed,
            box_labels=box_labels or self.box_labels,
            mask_labels=mask_labels or self.mask_labels,
        )


def relabel_boxes(
    boxes: Boxes, ignored: np.ndarray | None, present: LabelSet, wanted: LabelSet
) -> tuple[Boxes, np.ndarray]:
    """Return boxes in the classes of another label set, and which of them are ignored.

    Raises:
        ValueError: the present set does not map to the one wanted.
    """
    numbers = np.append(present.mapping_to(wanted), BOX_IGNORED)  # label -1 takes the last one
    labels = numbers[boxes.labels]
    if ignored is None:
        ignored = np.zeros(len(boxes), bool)
    ignored = ignored | np.append(present.ignored_boxes(wanted), True)[boxes.labels]
    kept = labels != BOX_NONE
    changed = replace(boxes, labels=labels)[kept]
    return changed, (ignored[kept] | (changed.labels == BOX_IGNORED))


@dataclass(frozen=True, eq=False)
class Prediction:
    """The results of the network for a frame.

    Attributes:
        boxes: in the ego frame, by falling score. None where the network could not look for any:
            without points, if its fusion finds boxes in points alone, or without such a task.
        masks: for each camera that gave an image (h, w) uint8 classes in the rectified image at
            the network's size; empty without such a task.
        cameras: describe those images.
        mode: mode in which the network really ran.
        network_ms: time in the network, from tensors to results, milliseconds.
        results: results of further tasks, by the task's name; of a task on images one for each
            camera, by the camera's name.
    """

    boxes: Boxes | None
    masks: Mapping[str, np.ndarray]
    cameras: Mapping[str, Camera]
    mode: Mode
    network_ms: float
    results: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        boxes: Boxes | None,
        mask: np.ndarray | None,
        camera: Camera | None,
        mode: Mode,
        network_ms: float = 0.0,
    ) -> Prediction:
        """Return a prediction for a rig with at most one camera; see the attributes."""
        masks = {} if mask is None else {CAMERA: mask}
        cameras = {} if camera is None else {CAMERA: camera}
        return cls(boxes, masks, cameras, mode, network_ms)

    @property
    def mask(self) -> np.ndarray | None:
        """(h, w) mask of the only camera."""
        return only(self.masks, "cameras")

    @property
    def camera(self) -> Camera | None:
        """The only camera."""
        return only(self.cameras, "cameras")
