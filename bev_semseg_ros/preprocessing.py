"""Preprocessing: the one way from a `Frame` to the input of the network."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from bev_semseg_ros.config import Config, GridConfig, ImageConfig
from bev_semseg_ros.frame import CAMERA, Camera, EgoMotion, Frame, LidarScan, only, scale_matrix
from bev_semseg_ros.geometry import invert

# Ten times a 64-beam lidar's points in the grid. More cost time and memory and show no more.
MAX_GRID_POINTS = 200_000


@dataclass(frozen=True, eq=False)
class RectifiedImage:
    """An image as the network sees it.

    Attributes:
        image: (h, w, 3) uint8 RGB, rectified, at the network's size.
        camera: the pinhole camera of this image.
    """

    image: np.ndarray
    camera: Camera


@dataclass(frozen=True, eq=False)
class Sample:
    """What the network sees of a frame.

    Attributes:
        points: (N, 4) float32 x, y, z in the ego frame, inside the grid, and intensity, of all
            lidars; None if no lidar gave points.
        images: by the cameras' names, those that gave one.
        ego_from_lidar: (L, 4, 4) poses of the lidars.
        point_lidar: (N,) int64 the lidar of each point, an index of `ego_from_lidar`.
        point_attributes: (N,) arrays by the names of `frame.POINT_ATTRIBUTES`.
    """

    points: np.ndarray | None
    images: Mapping[str, RectifiedImage] = field(default_factory=dict)
    ego_from_lidar: np.ndarray = field(default_factory=lambda: np.eye(4)[None])
    point_lidar: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    point_attributes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.points is not None and len(self.point_lidar) != len(self.points):
            object.__setattr__(self, "point_lidar", np.zeros(len(self.points), np.int64))

    @classmethod
    def of(
        cls,
        points: np.ndarray | None,
        image: np.ndarray | None = None,
        camera: Camera | None = None,
        ego_from_lidar: np.ndarray | None = None,
        point_attributes: Mapping[str, np.ndarray] | None = None,
    ) -> Sample:
        """Return a sample of one lidar and at most one camera.

        Args:
            points: (N, 4) in the ego frame; None without.
            image: (h, w, 3) rectified; None without.
            camera: of `image`.
            ego_from_lidar: (4, 4) pose of the lidar; None for the identity.
            point_attributes: (N,) arrays by name.

        Raises:
            ValueError: an image whose camera is not known.
        """
        if image is not None and camera is None:
            raise ValueError("an image needs its camera")
        seen = {} if image is None or camera is None else {CAMERA: RectifiedImage(image, camera)}
        pose = np.eye(4) if ego_from_lidar is None else ego_from_lidar
        return cls(points, seen, pose[None], point_attributes=point_attributes or {})

    @property
    def image(self) -> np.ndarray | None:
        """(h, w, 3) image of the only camera."""
        seen = only(self.images, "cameras")
        return None if seen is None else seen.image

    @property
    def camera(self) -> Camera | None:
        """The only camera."""
        seen = only(self.images, "cameras")
        return None if seen is None else seen.camera

    def with_points(self, points: np.ndarray, kept: np.ndarray | slice) -> Sample:
        """Return the sample with some of its points.

        Args:
            points: (M, 4) the new points.
            kept: indices, mask or slice of the present points that they are.
        """
        attributes = {name: values[kept] for name, values in self.point_attributes.items()}
        lidar = self.point_lidar[kept]
        return replace(self, points=points, point_lidar=lidar, point_attributes=attributes)

    def without_points(self) -> Sample:
        """Return the sample as if no lidar had given points."""
        return replace(self, points=None, point_lidar=np.zeros(0, np.int64), point_attributes={})

    def without_images(self) -> Sample:
        """Return the sample as if no camera had given an image."""
        return replace(self, images={})

    def of_camera(self, name: str) -> Sample:
        """Return the sample as if there were one camera alone."""
        return replace(self, images={name: self.images[name]})


def network_size(size: tuple[int, int], config: ImageConfig) -> tuple[int, int]:
    """Choose the size at which the network sees an image.

    The width is a multiple of 32 and the height a multiple of 16, which are whole strides of the
    network. This changes the aspect by a few per cent; the camera matrix follows.

    Args:
        size: (width, height) of the recorded image.
        config: Limits on the pixels and the width.

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
        image: (H, W) or (H, W, C) image that shows what `camera` shows. Its size may differ from
            the camera's, as that of a label or of a smaller copy does.
        camera: The camera as recorded.
        size: (width, height) of the result.
        interpolation: An interpolation of OpenCV; masks need INTER_NEAREST.

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
        # Sampling one source pixel in four or fewer would alias, so average blocks first. The
        # blocks may reach over the edge by a few pixels.
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

    The result is that of INTER_AREA for whole blocks (one grey level apart for even factors), in
    half the time for 1920 x 1208 pixels and a factor of 3. Blocks that reach over the right or
    lower edge repeat the pixels of that edge.
    """
    right = -image.shape[1] % factor
    if right:
        image = cv2.copyMakeBorder(image, 0, 0, 0, right, cv2.BORDER_REPLICATE)
    means = cv2.blur(image, (factor, factor), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    rows = means[::factor]
    return cv2.resize(rows, (rows.shape[1] // factor, len(rows)), interpolation=cv2.INTER_NEAREST)


@functools.lru_cache(maxsize=8)
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
    """Compute where each pixel of the rectified image lies in the source.

    Arrays are passed as bytes, which makes them keys of the cache.

    Args:
        matrix: (3, 3) K of the recorded image.
        distortion: Coefficients of `distortion_model`.
        distortion_model: One of `frame.DISTORTION_MODELS`.
        rectified_matrix: (3, 3) K of the rectified image of `camera_size`.
        camera_size: (width, height) of the recorded image.
        covered: Pixels (width, height) of the recorded image, from its upper left corner, that
            the source shows.
        source_size: (width, height) of the source.
        size: (width, height) of the rectified image.
        is_nearest: Keep the maps in floating point, as INTER_NEAREST needs them.

    Returns:
        The two maps of `cv2.remap`.
    """
    source = scale_matrix(np.frombuffer(matrix).reshape(3, 3), covered, source_size)
    target = scale_matrix(np.frombuffer(rectified_matrix).reshape(3, 3), camera_size, size)
    coefficients = np.zeros(5) if distortion_model == "none" else np.frombuffer(distortion)
    if distortion_model == "equidistant":
        map_x, map_y = cv2.fisheye.initUndistortRectifyMap(
            source, coefficients[:4], np.eye(3), target, size, cv2.CV_32FC1
        )
    else:
        map_x, map_y = cv2.initUndistortRectifyMap(
            source, coefficients, None, target, size, cv2.CV_32FC1
        )
    if is_nearest:
        return map_x, map_y
    return cv2.convertMaps(map_x, map_y, cv2.CV_16SC2)


def points_in_grid(points: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Find the points inside the grid.

    Args:
        points: (N, >= 3) points in the ego frame.
        grid: The grid's limits.

    Returns:
        (N,) bool; False where x, y or z is NaN or infinite.
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    return (
        (x >= grid.x_min)
        & (x < grid.x_max)
        & (y >= grid.y_min)
        & (y < grid.y_max)
        & (z >= grid.z_min)
        & (z < grid.z_max)
    )


def prepare_points(points: np.ndarray, ego_from_lidar: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Return lidar points as the network sees them.

    Of many more than MAX_GRID_POINTS about so many are kept, the same ones of the same cloud.

    Args:
        points: (N, 4) x, y, z in the lidar's frame and intensity.
        ego_from_lidar: (4, 4).
        grid: the BEV grid.

    Returns:
        (M, 4) float32 in the ego frame, inside the grid, all finite.
    """
    moved, inside = _move_into_grid(LidarScan(points, ego_from_lidar), grid)
    return moved[_some(len(inside))]


def _move_into_grid(
    scan: LidarScan, grid: GridConfig, motion: EgoMotion | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (M, 4) inside the grid, in the ego frame, and their indices (M,).

    With a motion, points are where they are at the frame's time.
    """
    points = scan.points
    if points is None or not len(points):
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    # In one pass and one thread: numpy's product would wake BLAS's threads, which spin where others
    # work. What is not finite makes the whole point so, and it is left out.
    with_intensity = np.zeros((4, 5))
    with_intensity[:3, [0, 1, 2, 4]] = scan.ego_from_lidar[:3]
    with_intensity[3, 3] = 1
    moved = cv2.transform(points[None].astype(np.float32, copy=False), with_intensity)[0]
    if motion is not None:
        moved[:, :3] = motion.to_frame_time(moved[:, :3], scan.times)
    inside = np.flatnonzero(points_in_grid(moved, grid) & np.isfinite(moved[:, 3]))
    return moved.take(inside, 0), inside


def _some(count: int) -> slice | np.ndarray:
    """Return which of `count` points are kept: all of them, or about MAX_GRID_POINTS."""
    if count <= MAX_GRID_POINTS:
        return slice(None)
    # At random, since every n-th would be the same beams again and again.
    drawn = np.random.default_rng(0).random(count)
    return drawn < MAX_GRID_POINTS / count


def prepare(frame: Frame, config: Config) -> Sample:
    """Return what the network sees of a frame. What the frame lacks is absent.

    If the motion of the vehicle is known, points and cameras are brought to the frame's time.
    """
    sample = _merge_lidars(list(frame.lidars.values()), config.grid, frame.motion)
    images = {}
    for name, seen in frame.cameras.items():
        if seen.image is not None:
            size = network_size(seen.camera.size, config.image)
            image = rectify(seen.image, seen.camera, size)
            camera = seen.camera.rectified(size)
            if frame.motion is not None:
                pose = camera.camera_from_ego @ invert(frame.motion.pose_after(seen.seconds))
                camera = replace(camera, camera_from_ego=pose)
            images[name] = RectifiedImage(image, camera)
    return replace(sample, images=images)


def _merge_lidars(scans: Sequence[LidarScan], grid: GridConfig, motion: EgoMotion | None) -> Sample:
    """Return the scans as one cloud inside the grid."""
    poses = np.stack([_pose(scan, motion) for scan in scans]) if scans else np.eye(4)[None]
    if len(scans) == 1 and scans[0].points is not None:  # nothing to merge, so nothing is copied
        inside, kept = _move_into_grid(scans[0], grid, motion)
        some = _some(len(kept))
        points, kept = inside[some], kept[some]
        own = {name: values[kept] for name, values in scans[0].attributes.items()}
        return Sample(points, {}, poses, point_attributes=own)
    moved, lidars, attributes = [], [], []
    for number, (scan, units) in enumerate(zip(scans, _units(scans), strict=True)):
        if scan.points is None:
            continue
        inside, kept = _move_into_grid(scan, grid, motion)
        moved.append(inside)
        lidars.append(np.full(len(kept), number))
        given = {**scan.attributes, **units}
        attributes.append({name: values[kept] for name, values in given.items()})
    if not moved:
        return Sample(None, ego_from_lidar=poses)
    points = moved[0] if len(moved) == 1 else np.concatenate(moved)
    sample = Sample(
        points,
        {},
        poses,
        np.concatenate(lidars),
        {
            name: np.concatenate(
                [
                    part.get(name, np.full(len(cloud), np.nan))
                    for part, cloud in zip(attributes, moved, strict=True)
                ]
            )
            for name in sorted(set().union(*attributes))
        },
    )
    kept_of_all = _some(len(points))
    return sample.with_points(points[kept_of_all], kept_of_all)


def _pose(scan: LidarScan, motion: EgoMotion | None) -> np.ndarray:
    """Return (4, 4) ego_from_lidar at the frame's time: from there the moved points were seen."""
    if motion is None:
        return scan.ego_from_lidar
    return motion.pose_after(scan.seconds) @ scan.ego_from_lidar


def _units(scans: Sequence[LidarScan]) -> list[dict[str, np.ndarray]]:
    """Return the attribute "unit" of each scan, so that no two lidars share a number.

    A single scan keeps what it has.
    """
    if len(scans) < 2:
        return [{} for _ in scans]
    units, first = [], 0
    for scan in scans:
        count = 0 if scan.points is None else len(scan.points)
        unit = first + np.asarray(scan.attributes.get("unit", np.zeros(count)))
        units.append({"unit": unit})
        first = int(unit.max(initial=first)) + 1
    return units
