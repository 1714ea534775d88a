"""Where the sensors sit and how the camera sees: read from A2D2, KITTI or our own YAML, written as that YAML.

The YAML (an example lies in config/calibration_example.yaml):

    lidar:
      frame_id: lidar
      ego_from_lidar: 4x4         # takes points of the lidar to the ego frame; holds the ground's height
    camera:                         # may be left out
      frame_id: camera
      width, height: int            # pixels
      matrix: 3x3                   # K of the image as recorded
      distortion_model: none | plumb_bob | rational_polynomial | equidistant
      distortion: [...]             # OpenCV's order
      rectified_matrix: 3x3         # K of the rectified image of the same size
      camera_from_ego: 4x4        # takes points of the ego frame to the optical camera frame
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bev_semseg_ros.data.files import numbers, png_size, read_json, read_text
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform

MAX_BYTES = 1_000_000  # a calibration is a few kilobytes; more is some other file
MAX_VALUES = 10_000  # YAML's aliases let a few bytes stand for any number of values
YAML_NAME = "calibration.yaml"

A2D2_GROUND_Z = -0.85  # of the vehicle frame, measured on A2D2's lidar points
A2D2_LENSES = {"Telecam": ("plumb_bob", 5), "Fisheye": ("equidistant", 4)}

KITTI_EGO_FROM_LIDAR = transform(
    translation=(0.0, 0.0, 1.73)
)  # height of the velodyne (Geiger et al., 2013)
# Object calibration files do not say how large image_2 is, but each of the five recording days had its focal length.
KITTI_IMAGE_SIZES = {
    721.5377: (1242, 375),
    707.0493: (1224, 370),
    718.3351: (1238, 374),
    707.0912: (1226, 370),
    718.8560: (1241, 376),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """ego_from_lidar (4, 4) takes lidar points to the ego frame; camera: None where only the lidar is known.

    lidar_frame, camera_frame: the frame_ids of the sensors in ROS.
    """

    ego_from_lidar: np.ndarray
    camera: Camera | None = None
    lidar_frame: str = "lidar"
    camera_frame: str = "camera"

    @property
    def known_camera(self) -> Camera:
        """The camera, where there must be one.

        Raises:
            ValueError: only the lidar is known.
        """
        if self.camera is None:
            raise ValueError("the calibration has no camera")
        return self.camera


def load_calibration(path: str | Path) -> Calibration:
    """The calibration in a file, or in a folder that holds one.

    Files: our YAML, A2D2's cams_lidars.json (front-centre camera), a KITTI object calib file, KITTI raw's
    calib_cam_to_cam.txt (with calib_velo_to_cam.txt beside it). A folder: one with such a file, a bag's folder, or
    KITTI's (the first frame's calibration is taken).
    Raises ValueError naming the file and what is wrong or was looked for, FileNotFoundError if there is none.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_in(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such calibration file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"{path}: {path.stat().st_size} bytes, expected a calibration of at most {MAX_BYTES}"
        )
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(path)
    if path.suffix == ".json":
        return a2d2_calibration(path)
    if path.name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt"):
        return kitti_raw_calibration(path.parent)
    if path.suffix == ".txt":
        return _from_kitti_object(path)
    raise ValueError(
        f"{path}: unknown calibration format, expected .yaml, A2D2's cams_lidars.json or KITTI's .txt"
    )


def _file_in(folder: Path) -> Path:
    for name in (YAML_NAME, "cams_lidars.json", "calib_cam_to_cam.txt"):
        if (folder / name).is_file():
            return folder / name
    for calib in (folder / "training" / "calib", folder / "calib", folder):
        for file in sorted(calib.glob("*.txt")):
            if file.stem.isdigit():
                return file
    raise FileNotFoundError(
        f"{folder}: no calibration found; looked for {YAML_NAME}, cams_lidars.json, "
        "calib_cam_to_cam.txt, training/calib/*.txt, calib/*.txt and <frame number>.txt"
    )


# --- our YAML --------------------------------------------------------------------------------------------------------

_LIDAR_KEYS = ("frame_id", "ego_from_lidar")
_CAMERA_KEYS = (
    "frame_id",
    "width",
    "height",
    "matrix",
    "distortion_model",
    "distortion",
    "rectified_matrix",
    "camera_from_ego",
)


# What version 0.1 called the keys, which calibrations and bags written with it still do.
_FORMER_KEYS = {"model_from_lidar": "ego_from_lidar", "camera_from_model": "camera_from_ego"}


def _from_yaml(path: Path) -> Calibration:
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: damaged YAML: {error}") from error
    if _num_values(content) > MAX_VALUES:
        raise ValueError(f"{path}: more than {MAX_VALUES} values, expected a calibration")
    tree = _mapping(content, ("lidar",), ("camera",), str(path))
    lidar = _mapping(_current(tree["lidar"]), _LIDAR_KEYS, (), f"{path}: lidar")
    ego_from_lidar = _rigid(lidar["ego_from_lidar"], f"{path}: lidar.ego_from_lidar")
    if tree.get("camera") is None:
        return Calibration(ego_from_lidar, lidar_frame=str(lidar["frame_id"]))
    values = _mapping(_current(tree["camera"]), _CAMERA_KEYS, (), f"{path}: camera")
    where = f"{path}: camera."
    for key in ("width", "height"):
        if not isinstance(values[key], int) or not 1 <= values[key] <= 32768:
            raise ValueError(f"{where}{key}: expected a number of pixels, got {values[key]!r}")
    distortion = values["distortion"]
    if not isinstance(distortion, list) or len(distortion) not in (0, 4, 5, 8, 12, 14):
        raise ValueError(
            f"{where}distortion: expected a list of 0, 4, 5, 8, 12 or 14 coefficients, got {distortion!r}"
        )
    try:
        camera = Camera(
            _intrinsic(values["matrix"], where + "matrix"),
            (values["width"], values["height"]),
            _rigid(values["camera_from_ego"], where + "camera_from_ego"),
            numbers(distortion, (len(distortion),), where + "distortion"),
            values["distortion_model"],
            _intrinsic(values["rectified_matrix"], where + "rectified_matrix"),
        )
    except ValueError as error:
        raise (
            error if str(error).startswith(str(path)) else ValueError(f"{path}: camera: {error}")
        ) from error
    return Calibration(ego_from_lidar, camera, str(lidar["frame_id"]), str(values["frame_id"]))


def _num_values(content: Any) -> int:
    """How many values there are, each as often as it is aliased; counted up to a little above MAX_VALUES."""
    found, left = 1, [content]
    while left and found <= MAX_VALUES:
        item = left.pop()
        children = (
            list(item.values())
            if isinstance(item, dict)
            else item
            if isinstance(item, list)
            else []
        )
        found += len(children)
        left.extend(children)
    return found


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write the YAML described above."""
    tree: dict[str, Any] = {
        "lidar": {
            "frame_id": calibration.lidar_frame,
            "ego_from_lidar": calibration.ego_from_lidar.tolist(),
        }
    }
    if (camera := calibration.camera) is not None:
        tree["camera"] = {
            "frame_id": calibration.camera_frame,
            "width": camera.size[0],
            "height": camera.size[1],
            "matrix": camera.matrix.tolist(),
            "distortion_model": camera.distortion_model,
            "distortion": camera.distortion.tolist(),
            "rectified_matrix": camera.rectified_matrix.tolist(),
            "camera_from_ego": camera.camera_from_ego.tolist(),
        }
    Path(path).write_text(
        "# Calibration of bev_semseg_ros: metres, pixels; a_from_b takes points of b to a. The model "
        "frame is\n# x forward, y left, z up with its origin on the ground below the lidar.\n"
        + yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110)
    )


def _current(section: Any) -> Any:
    """Return a section with its keys as they are called today."""
    if not isinstance(section, dict):
        return section
    return {_FORMER_KEYS.get(key, key): value for key, value in section.items()}


def _mapping(
    value: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: expected a mapping with {', '.join(required)}, got {type(value).__name__}"
        )
    if missing := [key for key in required if key not in value]:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    if unknown := [str(key) for key in value if key not in required + optional]:
        raise ValueError(
            f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(required + optional)}"
        )
    return value


def _rigid(values: Any, where: str) -> np.ndarray:
    matrix = numbers(values, (4, 4), where)
    rotation = matrix[:3, :3]
    if (
        not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
        or np.linalg.det(rotation) < 0
        or not np.allclose(matrix[3], (0, 0, 0, 1))
    ):
        raise ValueError(
            f"{where}: expected a rigid transform (rotation, translation, last row 0 0 0 1)"
        )
    return matrix


def _intrinsic(values: Any, where: str) -> np.ndarray:
    matrix = numbers(values, (3, 3), where)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.allclose(matrix[2], (0, 0, 1)):
        raise ValueError(
            f"{where}: expected a camera matrix (focal lengths above 0, last row 0 0 1)"
        )
    return matrix


# --- A2D2 ------------------------------------------------------------------------------------------------------------


def a2d2_calibration(path: Path, camera: str = "front_center") -> Calibration:
    """A camera of A2D2's cams_lidars.json. The "lidar" frame is the camera's *view*: A2D2 gives its points there.

    The ego frame has the vehicle's axes and its origin on the ground under the front-centre camera.
    Raises ValueError naming the file and the entry.
    """
    cameras = read_json(path).get("cameras")
    if not isinstance(cameras, dict):
        raise ValueError(f'{path}: expected an object "cameras" in cams_lidars.json')
    for name in ("front_center", camera):
        if not isinstance(cameras.get(name), dict):
            raise ValueError(f"{path}: no camera {name!r}, it has {', '.join(cameras)}")
    where = f"{path}: cameras.{camera}"
    entry = cameras[camera]
    front = _view(cameras["front_center"], f"{path}: cameras.front_center")
    vehicle_from_ego = transform(translation=(front[0, 3], front[1, 3], A2D2_GROUND_Z))
    ego_from_view = invert(vehicle_from_ego) @ _view(entry, where)
    lens = str(entry.get("Lens"))
    if lens not in A2D2_LENSES:
        raise ValueError(f"{where}.Lens: expected {' or '.join(A2D2_LENSES)}, got {lens!r}")
    model, count = A2D2_LENSES[lens]
    width, height = numbers(entry.get("Resolution"), (2,), where + ".Resolution")
    distortion = numbers(entry.get("Distortion"), (1, count), where + ".Distortion")
    return Calibration(
        ego_from_view,
        Camera(
            _intrinsic(entry.get("CamMatrixOriginal"), where + ".CamMatrixOriginal"),
            (int(width), int(height)),
            OPTICAL_FROM_VIEW @ invert(ego_from_view),
            distortion,
            model,
            _intrinsic(entry.get("CamMatrix"), where + ".CamMatrix"),
        ),
    )


def _view(entry: dict[str, Any], where: str) -> np.ndarray:
    """(4, 4) sensor to vehicle of a view's origin, x-axis and y-axis (as A2D2's tutorial builds it)."""
    view = entry.get("view")
    if not isinstance(view, dict):
        raise ValueError(f"{where}.view: expected an object with origin, x-axis and y-axis")
    origin, x, y = (
        numbers(view.get(key), (3,), f"{where}.view.{key}")
        for key in ("origin", "x-axis", "y-axis")
    )
    x = x / np.linalg.norm(x)
    y = y - x * (x @ y)
    if not np.isfinite(x).all() or np.linalg.norm(y) < 1e-6:
        raise ValueError(f"{where}.view: x-axis and y-axis span no plane")
    y = y / np.linalg.norm(y)
    return transform(np.stack([x, y, np.cross(x, y)], 1), origin)


# --- KITTI -----------------------------------------------------------------------------------------------------------


def read_kitti_matrices(path: Path) -> dict[str, np.ndarray]:
    """The rows "name: numbers" of a KITTI calibration file, flat. Raises ValueError naming file and line."""
    rows = {}
    for index, line in enumerate(read_text(path).splitlines(), 1):
        name, _, values = line.partition(":")
        if not line.strip() or name == "calib_time":
            continue
        try:
            rows[name.strip()] = np.array([float(value) for value in values.split()])
        except ValueError:
            raise ValueError(
                f'{path}, line {index}: expected "name: numbers", got {line[:80]!r}'
            ) from None
    return rows


def kitti_rectified_from_lidar(rows: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """(4, 4) velodyne to the rectified frame of camera 0, in which KITTI's boxes lie, from an object calib file."""
    rectifying = _row(rows, "R0_rect", (3, 3), path)
    return transform(rectifying) @ np.vstack(
        [_row(rows, "Tr_velo_to_cam", (3, 4), path), (0, 0, 0, 1)]
    )


def kitti_camera(
    projection: np.ndarray, rectified_from_lidar: np.ndarray, size: tuple[int, int]
) -> Camera:
    """The camera of a rectified projection (3, 4) = K [I | t].

    The fourth column is K t: the camera stands 6 cm beside camera 0, which belongs to the extrinsic.
    """
    matrix = projection[:, :3]
    camera_from_rectified = transform(translation=np.linalg.solve(matrix, projection[:, 3]))
    return Camera(
        matrix, size, camera_from_rectified @ rectified_from_lidar @ invert(KITTI_EGO_FROM_LIDAR)
    )


def kitti_object_camera(
    rows: dict[str, np.ndarray], path: Path, size: tuple[int, int] | None = None
) -> Camera | None:
    """The left colour camera of an object calib file; None if `size` is not given and no recording day had its K."""
    projection = _projection(rows, "P2", path)
    if size is None:
        days = [day for day in KITTI_IMAGE_SIZES if abs(day - projection[0, 0]) < 1e-3]
        size = KITTI_IMAGE_SIZES[days[0]] if days else None
    return (
        None
        if size is None
        else kitti_camera(projection, kitti_rectified_from_lidar(rows, path), size)
    )


def _from_kitti_object(path: Path) -> Calibration:
    image = path.parent.parent / "image_2" / f"{path.stem}.png"
    camera = kitti_object_camera(
        read_kitti_matrices(path), path, png_size(image) if image.is_file() else None
    )
    if camera is None:
        raise ValueError(
            f"{path}: the image size is unknown: {image} is missing and P2 is of no KITTI recording day; "
            "write the calibration as YAML (config/calibration_example.yaml)"
        )
    return Calibration(KITTI_EGO_FROM_LIDAR, camera)


def kitti_raw_calibration(folder: Path) -> Calibration:
    """The left colour camera (rectified, "sync" drives) of a KITTI raw day's folder.

    Raises ValueError naming the file and the row, FileNotFoundError if one of the two files is missing.
    """
    cameras, lidar = folder / "calib_cam_to_cam.txt", folder / "calib_velo_to_cam.txt"
    for path in (cameras, lidar):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: missing; KITTI raw's calibration lies beside the drives"
            )
    rows, velo = read_kitti_matrices(cameras), read_kitti_matrices(lidar)
    camera_from_lidar = transform(_row(velo, "R", (3, 3), lidar), _row(velo, "T", (3,), lidar))
    width, height = _row(rows, "S_rect_02", (2,), cameras)
    return Calibration(
        KITTI_EGO_FROM_LIDAR,
        kitti_camera(
            _projection(rows, "P_rect_02", cameras),
            transform(_row(rows, "R_rect_00", (3, 3), cameras)) @ camera_from_lidar,
            (int(width), int(height)),
        ),
    )


def _projection(rows: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """A row K [I | t] as (3, 4)."""
    projection = _row(rows, name, (3, 4), path)
    _intrinsic(projection[:, :3], f"{path}: {name}")
    return projection


def _row(rows: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    count = int(np.prod(shape))
    if name not in rows or rows[name].size != count:
        found = "it is missing" if name not in rows else f"it has {rows[name].size}"
        raise ValueError(f"{path}: expected {name} with {count} numbers, {found}")
    if not np.isfinite(rows[name]).all():
        raise ValueError(f"{path}: expected finite numbers in {name}")
    return rows[name].reshape(shape)
