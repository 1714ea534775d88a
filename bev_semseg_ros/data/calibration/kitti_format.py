"""Reads calibration files of KITTI object, tracking and raw (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration.calibration import Calibration, intrinsic, rigid
from bev_semseg_ros.data.files import image_size, read_text
from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS, FilesByFrame, frame_key
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import invert, transform

KITTI_EGO_FROM_LIDAR = transform(translation=(0.0, 0.0, 1.73))  # height of the Velodyne

# Focal length in pixels -> (width, height) of the images. Calibration files of the object set lack
# the size, but each of the five recording days had its own focal length.
KITTI_IMAGE_SIZES = {
    721.5377: (1242, 375),
    707.0493: (1224, 370),
    718.3351: (1238, 374),
    707.0912: (1226, 370),
    718.8560: (1241, 376),
}


# Row with the pose of the first lidar in the frame of its points, which are level and have the
# ground at z = -1.73. `bev-semseg extract` writes it if the lidar is mounted differently.
KITTI_SENSOR_ROW = "Tr_sensor_to_velo"

# Names of rows in the tracking set -> those in the object set.
_ALIASES = {"R_rect": "R0_rect", "Tr_velo_cam": "Tr_velo_to_cam", "Tr_imu_velo": "Tr_imu_to_velo"}


def read_kitti_matrices(path: Path) -> dict[str, np.ndarray]:
    """Read the rows "name: numbers" of a calibration file; the colon is optional.

    Args:
        path: A calibration file of KITTI.

    Returns:
        Name -> flat array of numbers. Names of the tracking set are replaced by those of the object
        set.

    Raises:
        ValueError: A row is damaged; the message names file and line.
    """
    rows = {}
    for line_number, line in enumerate(read_text(path).splitlines(), 1):
        name, _, values = line.strip().partition(":" if ":" in line else " ")
        if not line.strip() or name == "calib_time":
            continue
        name = name.strip()
        try:
            rows[_ALIASES.get(name, name)] = np.array([float(value) for value in values.split()])
        except ValueError:
            raise ValueError(
                f'{path}, line {line_number}: expected "name: numbers", got {line[:80]!r}'
            ) from None
    return rows


def kitti_rectified_from_lidar(rows: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """Compute the pose of the lidar in the frame in which KITTI gives its boxes.

    Args:
        rows: Rows of an object calib file.
        path: That file, for errors.

    Returns:
        (4, 4) transform from the frame of the Velodyne to the rectified frame of camera 0.

    Raises:
        ValueError: A row is missing or damaged.
    """
    rectification = rigid(transform(_row(rows, "R0_rect", (3, 3), path)), f"{path}: R0_rect")
    return rectification @ _pose(rows, "Tr_velo_to_cam", path)


def kitti_lidar_from_lidar(rows: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """Read the pose of a further lidar of a simulated rig relative to the Velodyne.

    Args:
        rows: Rows of an object calib file.
        name: Name of the lidar.
        path: That file, for errors.

    Returns:
        (4, 4) transform from the frame of the lidar to that of the Velodyne.

    Raises:
        ValueError: The row is missing or damaged.
    """
    return _pose(rows, kitti_lidar_row(name), path)


def kitti_velodyne_from_sensor(rows: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """Read where the Velodyne's points were measured, if its frame is not that of the sensor.

    Args:
        rows: Rows of an object calib file.
        path: That file, for errors.

    Returns:
        (4, 4) transform from the frame of the sensor to that of the Velodyne.

    Raises:
        ValueError: The row KITTI_SENSOR_ROW is missing or damaged.
    """
    return _pose(rows, KITTI_SENSOR_ROW, path)


def kitti_lidar_row(name: str) -> str:
    """Return the name of the row with the pose of a further lidar."""
    return f"Tr_{name}_to_velo"


def kitti_camera_row(name: str) -> str:
    """Return the name of the row with the pose of a camera that looks in another direction."""
    return f"Tr_velo_to_{name}"


def kitti_object_camera(
    rows: dict[str, np.ndarray],
    path: Path,
    size: tuple[int, int] | None = None,
    name: str = "image_02",
) -> Camera | None:
    """Build a colour camera of the object set.

    Args:
        rows: Rows of an object calib file.
        path: That file, for errors.
        size: (width, height) of the image; default: that of the recording day with this focal
            length.
        name: "image_02" for the left camera, "image_03" for the right one. A simulated rig may
            have more; those that look in other directions have a row Tr_velo_to_NAME.

    Returns:
        The camera; None if `size` is not given and no recording day had this focal length.

    Raises:
        ValueError: A row is missing or damaged.
    """
    projection = _projection(rows, f"P{int(name.removeprefix('image_'))}", path)
    if size is None:
        size = _size_of_recording_day(projection[0, 0])
    if size is None:
        return None
    pose_row = kitti_camera_row(name)
    if pose_row in rows:
        camera_from_lidar = _pose(rows, pose_row, path)
        return Camera(projection[:, :3], size, camera_from_lidar @ invert(KITTI_EGO_FROM_LIDAR))
    return _camera(projection, kitti_rectified_from_lidar(rows, path), size)


def _size_of_recording_day(focal_length: float) -> tuple[int, int] | None:
    """Return the (width, height) of images with a focal length in pixels; None if unknown."""
    for known, size in KITTI_IMAGE_SIZES.items():
        if abs(known - focal_length) < 1e-3:
            return size
    return None


def kitti_object_calibration(path: Path) -> Calibration:
    """Read an object calib file; the size of the image is that of the file in `image_2`, if any.

    Args:
        path: `calib/<frame number>.txt`.

    Returns:
        The calibration.

    Raises:
        ValueError: The file is damaged, or the size of the image is unknown.
    """
    folders = [path.parent.parent / name for name in ("image_2", "image_02")]
    images = [FilesByFrame(each, IMAGE_ENDINGS).get(frame_key(path.stem)) for each in folders]
    image = next(filter(None, images), folders[0] / f"{path.stem}.png")
    size = image_size(image) if image.is_file() else None
    camera = kitti_object_camera(read_kitti_matrices(path), path, size)
    if camera is None:
        raise ValueError(
            f"{path}: the image size is unknown: {image} is missing and P2 is of no KITTI "
            "recording day; write the calibration as YAML (config/calibration_example.yaml)"
        )
    return Calibration.of(KITTI_EGO_FROM_LIDAR, camera)


def kitti_raw_calibration(folder: Path, camera: str = "image_02") -> Calibration:
    """Read the calibration of one camera of the "sync" drives of a day of KITTI raw.

    Args:
        folder: Folder of the day.
        camera: Folder of the images: "image_02" (left colour camera) or "image_03" (right one).

    Returns:
        The calibration.

    Raises:
        ValueError: A file is damaged; the message names it and the row.
        FileNotFoundError: One of the two files is missing.
    """
    cameras = folder / "calib_cam_to_cam.txt"
    lidar = folder / "calib_velo_to_cam.txt"
    for path in (cameras, lidar):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: missing; KITTI raw's calibration lies beside the drives"
            )
    rows = read_kitti_matrices(cameras)
    rectification = transform(_row(rows, "R_rect_00", (3, 3), cameras))
    rectification = rigid(rectification, f"{cameras}: R_rect_00")
    number = camera.removeprefix("image_")
    width, height = _row(rows, f"S_rect_{number}", (2,), cameras)
    rectified = _camera(
        _projection(rows, f"P_rect_{number}", cameras),
        rectification @ _read_transform(lidar),
        (int(width), int(height)),
    )
    return Calibration.of(KITTI_EGO_FROM_LIDAR, rectified)


def kitti_raw_lidar_from_imu(path: Path) -> np.ndarray:
    """Read the pose of the GPS/IMU of KITTI raw relative to the lidar.

    Args:
        path: A day's calib_imu_to_velo.txt.

    Returns:
        (4, 4) transform from the frame of the IMU to that of the lidar.

    Raises:
        ValueError: The file is damaged; the message names it and the row.
    """
    return _read_transform(path)


def _read_transform(path: Path) -> np.ndarray:
    """Return the (4, 4) transform in a file with the rows R and T."""
    rows = read_kitti_matrices(path)
    pose = transform(_row(rows, "R", (3, 3), path), _row(rows, "T", (3,), path))
    return rigid(pose, f"{path}: R and T")


def _camera(
    projection: np.ndarray, rectified_from_lidar: np.ndarray, size: tuple[int, int]
) -> Camera:
    """Build the camera of a rectified projection.

    KITTI puts the offset of the camera from camera 0 into the projection. In a `Camera`, it is part
    of the pose.

    Args:
        projection: (3, 4) K [I | t].
        rectified_from_lidar: (4, 4) transform to the rectified frame of camera 0.
        size: (width, height) of the image.

    Returns:
        The camera.
    """
    matrix = projection[:, :3]
    camera_from_rectified = transform(translation=np.linalg.solve(matrix, projection[:, 3]))
    camera_from_lidar = camera_from_rectified @ rectified_from_lidar
    return Camera(matrix, size, camera_from_lidar @ invert(KITTI_EGO_FROM_LIDAR))


def _projection(rows: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """Return a row K [I | t] as a (3, 4) matrix."""
    projection = _row(rows, name, (3, 4), path)
    intrinsic(projection[:, :3], f"{path}: {name}")
    return projection


def _pose(rows: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """Return a row of 12 numbers as a (4, 4) rigid transform."""
    return rigid(np.vstack([_row(rows, name, (3, 4), path), (0, 0, 0, 1)]), f"{path}: {name}")


def _row(rows: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Return a row in the given shape; raise ValueError if it is missing or damaged."""
    count = int(np.prod(shape))
    if name not in rows:
        raise ValueError(f"{path}: expected {name} with {count} numbers, but it is missing")
    row = rows[name]
    if row.size != count:
        raise ValueError(f"{path}: expected {name} with {count} numbers, but it has {row.size}")
    if not np.isfinite(row).all():
        raise ValueError(f"{path}: expected finite numbers in {name}")
    return row.reshape(shape)
