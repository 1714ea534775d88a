"""Loads a calibration in any known format."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.data.calibration.a2d2_format import a2d2_calibration
from bev_semseg_ros.data.calibration.calibration import Calibration
from bev_semseg_ros.data.calibration.kitti_format import (
    kitti_object_calibration,
    kitti_raw_calibration,
)
from bev_semseg_ros.data.calibration.yaml_format import YAML_NAME, yaml_calibration
from bev_semseg_ros.path_kind import is_known_mistake, kind_of, require_file, wrong_path

BAG_METADATA = "metadata.yaml"
MAX_BYTES = 1_000_000  # a calibration is a few kilobytes; a larger file is something else


def load_calibration(path: str | Path) -> Calibration:
    """Load the calibration in a file or a folder.

    Args:
        path: Our YAML, A2D2's cams_lidars.json (front centre camera), a KITTI object calib file, or
            KITTI raw's calib_cam_to_cam.txt (with calib_velo_to_cam.txt beside it). Instead of a
            file, it may be a folder with such a file, the folder of a bag, or that of KITTI (with
            the calibration of its first frame).

    Returns:
        The calibration.

    Raises:
        ValueError: The file is damaged or of an unknown format; the message names it.
        FileNotFoundError: There is no calibration; the message lists the expected files.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_in(path)
    require_file(path, "calibration")
    if is_known_mistake(path, "calibration"):
        raise wrong_path(path, "calibration")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected a calibration of at most {MAX_BYTES}")
    if path.suffix in (".yaml", ".yml"):
        return yaml_calibration(path)
    if path.suffix == ".json":
        return a2d2_calibration(path)
    if path.name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt"):
        return kitti_raw_calibration(path.parent)
    if path.suffix == ".txt":
        return kitti_object_calibration(path)
    raise ValueError(
        f"{path}: unknown calibration format, "
        "expected .yaml, A2D2's cams_lidars.json or KITTI's .txt"
    )


def _file_in(folder: Path) -> Path:
    """Return the calibration file in a folder; raise FileNotFoundError if there is none."""
    for name in (YAML_NAME, "cams_lidars.json", "calib_cam_to_cam.txt"):
        if (folder / name).is_file():
            return folder / name
    for calib in (folder / "training" / "calib", folder / "calib", folder):
        for file in sorted(calib.glob("*.txt")):
            if file.stem.isdigit():
                return file
    if (folder / BAG_METADATA).is_file():
        raise FileNotFoundError(
            f"{folder}: the bag has no {YAML_NAME}: name a calibration file with the parameter "
            "calibration, or, if the bag or a driver publishes the sensors' poses on TF, set "
            "extrinsics to tf (ros2 launch: extrinsics:=tf)"
        )
    raise FileNotFoundError(
        f"{folder}: no calibration found in {kind_of(folder).text}; looked for {YAML_NAME}, "
        "cams_lidars.json, calib_cam_to_cam.txt, training/calib/*.txt, calib/*.txt and "
        "<frame number>.txt"
    )
