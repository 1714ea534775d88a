"""A frame: the data of all lidars and cameras of a rig at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from bev_semseg_ros.frame.arrays import homogeneous_matrix
from bev_semseg_ros.frame.camera import Camera, same_view
from bev_semseg_ros.frame.motion import EgoMotion

# Names of the sensors of a rig with one lidar and one camera.
LIDAR, CAMERA = "lidar", "camera"

# Names of `LidarScan.attributes`: values that a point can have besides x, y, z and intensity.
POINT_ATTRIBUTES = {
    "ring": "number of the beam, from 0",
    "time": "seconds after the frame's time, negative before it",
    "unit": "number of the lidar, where several make one cloud",
}


def have_intensity(points: np.ndarray) -> np.ndarray:
    """Find the points whose intensity is a finite float32.

    Args:
        points: (N, 4) points of any numeric type, with the intensity in the last column.

    Returns:
        (N,) bool.
    """
    with np.errstate(invalid="ignore"):  # signalling NaN
        return np.abs(points[:, 3]) <= np.finfo(np.float32).max


@dataclass(frozen=True, eq=False)
class LidarScan:
    """One sweep of a lidar, or of several lidars (units) whose points form one cloud.

    Attributes:
        points: (N, 4) float32 x, y, z in the frame of the lidar, metres, and intensity 0..1; None
            if there is no data. An intensity that is NaN or infinite is replaced by 0.
        ego_from_lidar: (4, 4) transform from the frame of the lidar to the ego frame.
        attributes: (N,) arrays by the names of POINT_ATTRIBUTES; any may be missing.
        seconds: Time of the points whose "time" is missing or NaN, seconds after the time of the
            frame.
        lidar_from_unit: (4, 4) transform from the frame of each unit to that of the lidar, by the
            numbers in the attribute "unit". It is the same in all frames; units with an unknown
            pose are missing.

    Raises:
        ValueError: The points, the pose or an attribute have another shape, or the pose is
            transposed.
    """

    points: np.ndarray | None
    ego_from_lidar: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    lidar_from_unit: Mapping[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pose = homogeneous_matrix(self.ego_from_lidar, 4, "lidar: ego_from_lidar")
        object.__setattr__(self, "ego_from_lidar", pose)
        if self.points is None:
            return
        object.__setattr__(self, "points", np.asarray(self.points))
        attributes = {name: np.asarray(values) for name, values in self.attributes.items()}
        object.__setattr__(self, "attributes", attributes)
        shape = self.points.shape
        if len(shape) != 2 or shape[1] != 4:
            raise ValueError(
                f"lidar: points have the shape {shape}, expected (N, 4): x, y, z and intensity; "
                "without intensities append a column of zeros, and give further values as "
                "attributes"
            )
        for name, values in attributes.items():
            if values.shape != shape[:1]:
                raise ValueError(
                    f"lidar: the attribute {name!r} has the shape {values.shape}, expected one "
                    f"value for each of {shape[0]} points"
                )
        is_known = have_intensity(self.points)
        if not is_known.all():
            points = self.points.copy()  # the caller's array stays as it is
            points[~is_known, 3] = 0
            object.__setattr__(self, "points", points)

    @property
    def times(self) -> np.ndarray | float:
        """(N,) time of each point, or one number for all, seconds after the time of the frame."""
        own = self.attributes.get("time")
        return self.seconds if own is None else np.where(np.isnan(own), self.seconds, own)


@dataclass(frozen=True, eq=False)
class CameraImage:
    """One image of one camera.

    Attributes:
        image: (H, W, 3) uint8 RGB as recorded; None if there is no data.
        camera: Intrinsics and pose of the camera.
        seconds: Time of the image, seconds after the time of the frame.

    Raises:
        ValueError: The image has another shape or type, or its size does not fit the camera.
    """

    image: np.ndarray | None
    camera: Camera
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.image is None:
            return
        image = np.asarray(self.image)  # also of a PIL image
        object.__setattr__(self, "image", image)
        if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != np.uint8:
            raise ValueError(
                f"camera: the image has the shape {image.shape} and the type {image.dtype}, "
                "expected (H, W, 3) RGB of the type uint8, 0 to 255; convert it"
            )
        height, width = image.shape[:2]
        if not same_view((width, height), self.camera.size):
            raise ValueError(
                f"camera: the image is {width} x {height} pixels, its camera is of "
                f"{self.camera.size[0]} x {self.camera.size[1]}: not the same view; give the "
                "camera the width and the height of this image, in this order"
            )


_Value = TypeVar("_Value")


def only(values: Mapping[str, _Value], kind: str) -> _Value | None:
    """Return the value of the only sensor of a kind; None if there is no such sensor.

    Args:
        values: Values by the names of the sensors.
        kind: Kind of the sensors for the message, such as "lidars".

    Raises:
        ValueError: There are several.
    """
    if len(values) > 1:
        raise ValueError(f"there are several {kind} ({', '.join(values)}): choose one by its name")
    return next(iter(values.values()), None)


@dataclass(frozen=True, eq=False)
class Frame:
    """The data of all sensors at one moment.

    The first lidar and the first camera are the reference sensors. For a rig with one lidar and one
    camera, properties such as `points` and `image` are shortcuts, and `Frame.of` makes a frame.

    Attributes:
        timestamp_ns: Time of the frame, nanoseconds.
        lidars: Scans by the names of the lidars. The scan of a known lidar may have no points.
        cameras: Images by the names of the cameras. A known camera may have no image.
        name: Name of the frame within its data set.
        scene: Name of the drive that the frame belongs to.
        missing: Names of the parts that the frame should have but lacks, such as "image".
        motion: Motion of the vehicle; None if unknown. If known, preprocessing corrects data that
            was measured at other times than that of the frame.
    """

    timestamp_ns: int
    lidars: Mapping[str, LidarScan] = field(default_factory=dict)
    cameras: Mapping[str, CameraImage] = field(default_factory=dict)
    name: str = ""
    scene: str = ""
    missing: tuple[str, ...] = ()
    motion: EgoMotion | None = None

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
        motion: EgoMotion | None = None,
    ) -> Frame:
        """Return a frame of one lidar and at most one camera.

        Args:
            timestamp_ns: Time of the frame, nanoseconds.
            points: (N, 4) x, y, z in the frame of the lidar, metres, and intensity 0..1; None if
                there are none.
            ego_from_lidar: (4, 4) transform from the frame of the lidar to the ego frame.
            image: (H, W, 3) uint8 RGB as recorded; None if there is none.
            camera: Intrinsics and pose of the camera; None if there is none.
            point_attributes: (N,) arrays by the names of POINT_ATTRIBUTES.
            name: Name of the frame within its data set.
            scene: Name of the drive that the frame belongs to.
            missing: Names of the parts that the frame should have but lacks.
            motion: Motion of the vehicle; None if unknown.

        Raises:
            ValueError: There is an image but no camera, the points or the image have another shape
                or type, or most intensities are above 1.
        """
        if image is not None and camera is None:
            raise ValueError("an image needs its camera")
        scan = LidarScan(points, ego_from_lidar, point_attributes or {})
        if scan.points is not None and 2 * np.sum(scan.points[:, 3] > 1) > len(scan.points):
            raise ValueError(
                f"lidar: the intensities reach {np.nanmax(scan.points[:, 3]):.0f}, expected 0 to "
                "1: divide them by the largest value that the sensor gives, such as 255"
            )
        return cls(
            timestamp_ns,
            {LIDAR: scan},
            {} if camera is None else {CAMERA: CameraImage(image, camera)},
            name,
            scene,
            missing,
            motion,
        )

    @property
    def has_points(self) -> bool:
        """Whether any lidar has points."""
        return any(scan.points is not None for scan in self.lidars.values())

    @property
    def has_image(self) -> bool:
        """Whether any camera has an image."""
        return any(seen.image is not None for seen in self.cameras.values())

    @property
    def lidar(self) -> LidarScan | None:
        """Scan of the only lidar; None if there is no lidar."""
        return only(self.lidars, "lidars")

    @property
    def points(self) -> np.ndarray | None:
        """(N, 4) points of the only lidar, in its frame; None if it has none."""
        return None if self.lidar is None else self.lidar.points

    @property
    def ego_from_lidar(self) -> np.ndarray:
        """(4, 4) pose of the only lidar; the identity if there is no lidar."""
        return np.eye(4) if self.lidar is None else self.lidar.ego_from_lidar

    @property
    def point_attributes(self) -> Mapping[str, np.ndarray]:
        """(N,) attributes of the points of the only lidar."""
        return {} if self.lidar is None else self.lidar.attributes

    @property
    def image(self) -> np.ndarray | None:
        """(H, W, 3) image of the only camera; None if it has none."""
        seen = only(self.cameras, "cameras")
        return None if seen is None else seen.image

    @property
    def camera(self) -> Camera | None:
        """The only camera; None if there is none."""
        seen = only(self.cameras, "cameras")
        return None if seen is None else seen.camera

    def without_images(self) -> Frame:
        """Return the frame without images; its cameras stay."""
        blind = {name: replace(seen, image=None) for name, seen in self.cameras.items()}
        return replace(self, cameras=blind)

    def without_points(self) -> Frame:
        """Return the frame without points; its lidars stay."""
        blind = {
            name: replace(scan, points=None, attributes={}) for name, scan in self.lidars.items()
        }
        return replace(self, lidars=blind)
