"""A frame: one moment as the lidars and the cameras of a rig saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from bev_semseg_ros.frame.arrays import finite_array
from bev_semseg_ros.frame.camera import Camera, same_view
from bev_semseg_ros.frame.motion import EgoMotion

# How the sensors of a rig with one lidar and one camera are named.
LIDAR, CAMERA = "lidar", "camera"

# What a point may carry beside x, y, z and intensity, as `LidarScan.attributes` names it.
POINT_ATTRIBUTES = {
    "ring": "number of the beam, from 0",
    "time": "seconds after the frame's time, negative before it",
    "unit": "number of the lidar, where several make one cloud",
}


@dataclass(frozen=True, eq=False)
class LidarScan:
    """One sweep of one lidar, or of several that the data set gives as one cloud.

    Attributes:
        points: (N, 4) float32 x, y, z in the lidar's frame and intensity 0..1; None if it gave
            nothing.
        ego_from_lidar: (4, 4) takes points of the lidar to the ego frame.
        attributes: (N,) arrays by the names of POINT_ATTRIBUTES, as far as the data has them.
        seconds: from the frame's time to that of the points that have no "time" of their own.
        lidar_from_unit: for a cloud of several lidars their poses by the numbers of the attribute
            "unit": (4, 4) takes points of the unit to the lidar's frame. As far as known, and the
            same in all frames.

    Raises:
        ValueError: points, a pose or an attribute of another shape.
    """

    points: np.ndarray | None
    ego_from_lidar: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    lidar_from_unit: Mapping[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pose = finite_array(self.ego_from_lidar, (4, 4), "lidar: ego_from_lidar")
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

    @property
    def times(self) -> np.ndarray | float:
        """Seconds from the frame's time to that of each point (N,), or to that of all points."""
        own = self.attributes.get("time")
        return self.seconds if own is None else np.where(np.isnan(own), self.seconds, own)


@dataclass(frozen=True, eq=False)
class CameraImage:
    """One image of one camera.

    Attributes:
        image: (H, W, 3) uint8 RGB as recorded; None if the camera gave nothing.
        camera: how it looks at the ego frame.
        seconds: from the frame's time to that of the image.

    Raises:
        ValueError: an image of another shape or type, or of another view than the camera's.
    """

    image: np.ndarray | None
    camera: Camera
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.image is None:
            return
        image = np.asarray(self.image)
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
        motion: how the vehicle moves. Where it is known, preprocessing brings what was measured at
            other moments to the frame's time.
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
            timestamp_ns: time of the moment, nanoseconds.
            points: (N, 4) x, y, z in the lidar's frame and intensity 0..1; None without.
            ego_from_lidar: (4, 4) takes points of the lidar to the ego frame.
            image: (H, W, 3) uint8 RGB as recorded; None without.
            camera: how `image` looks at the ego frame; None without a camera.
            point_attributes: (N,) arrays by the names of POINT_ATTRIBUTES.
            name: of the frame within its data set.
            scene: drive that the frame belongs to.
            missing: what should have been there.
            motion: how the vehicle moves, if that is known.

        Raises:
            ValueError: an image whose camera is not known, or points or an image of another shape
                or type.
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
            motion,
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
