"""The folder layout of A2D2: subsets, scenes, and the files of a frame."""

from __future__ import annotations

import re
from pathlib import Path

from bev_semseg_ros.data import bev_files
from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS

BOXES_SUBSET, SEMANTIC_SUBSET, SEQUENCES = (
    "camera_lidar_semantic_bboxes",
    "camera_lidar_semantic",
    "camera_lidar",
)
# Parts of a frame: name in Frame.missing -> folder and endings of the file.
PARTS = {
    "image": ("camera", IMAGE_ENDINGS),
    "sidecar": ("camera", (".json",)),
    "lidar": ("lidar", (".npz",)),
    "mask": ("label", (".png",)),
    "boxes": ("label3D", (".json",)),
    bev_files.CLASSES: (bev_files.CLASSES, (".png",)),
    bev_files.OBSERVED: (bev_files.OBSERVED, (".png",)),
}

REFERENCE_CAMERA = "front_center"  # the only one with boxes
CAMERAS = (
    REFERENCE_CAMERA,
    "front_left",
    "front_right",
    "side_left",
    "side_right",
    "rear_center",
)

_SCENE = re.compile(r"\d{8}_\d{6}")


def scene_folders(path: Path) -> list[Path]:
    """Return the scenes in a root (boxes subset first) or a subset, or a scene folder itself."""
    scenes = [*_scenes_in(path / BOXES_SUBSET), *_scenes_in(path / SEMANTIC_SUBSET)]
    return scenes or _scenes_in(path) or ([path] if _is_scene(path) else [])


def _scenes_in(subset: Path) -> list[Path]:
    """Return the scenes of a subset.

    A subset may be inside another folder of the same name, because the archives contain its folder.
    """
    for folder in (subset, subset / subset.name):
        scenes = [each for each in sorted(folder.glob("*")) if _is_scene(each)]
        if scenes:
            return scenes
    return []


def unread_scenes(path: Path) -> tuple[str, ...]:
    """Return notes about folders that have files of a camera, but are none of the scenes.

    Args:
        path: A root, a subset or a scene, as for `scene_folders`.
    """
    subsets = (path / BOXES_SUBSET, path / SEMANTIC_SUBSET, path)
    entries = [
        entry
        for subset in subsets
        for folder in (subset, subset / subset.name)
        for entry in sorted(folder.glob("[!.]*"))
    ]
    scenes = set(scene_folders(path))
    return tuple(
        f"{entry} is not read, but looks like a scene; scenes are named YYYYMMDD_hhmmss and are "
        "beside each other"
        for entry in entries
        if entry not in scenes and camera_names([entry])
    )


def subset_folder(file: Path) -> Path:
    """Return the subset folder of a file in a scene."""
    return file.parents[3]


def camera_names(scenes: list[Path]) -> list[str]:
    """Return the cameras with images or points in any scene, the reference camera first."""
    there = {
        folder.name.removeprefix("cam_")
        for scene in scenes
        for kind in ("camera", "lidar")
        for folder in (scene / kind).glob("cam_*")
    }
    return [name for name in CAMERAS if name in there]


def expected_parts(scene: Path, camera: str) -> set[str]:
    """Return the names of the parts that each frame of a camera in a scene should have."""
    subset = scene.resolve().parent.name
    expected = {"image", "sidecar", "lidar"}
    if subset in (BOXES_SUBSET, SEMANTIC_SUBSET) or (scene / "label").is_dir():
        expected.add("mask")
    has_boxes = subset == BOXES_SUBSET or (scene / "label3D").is_dir()
    if has_boxes and camera == REFERENCE_CAMERA:
        expected.add("boxes")
    if camera == REFERENCE_CAMERA and (scene / bev_files.CLASSES).is_dir():
        expected.update((bev_files.CLASSES, bev_files.OBSERVED))
    return expected


def no_frames(scenes: list[Path], camera: str) -> str:
    """Return a message: why the scenes have no frame of a camera, and what to do."""
    others = [name for name in camera_names(scenes) if name != camera]
    if others:
        return f"no frames of the camera {camera}; try --cameras {' '.join(others)}"
    pattern = f"<date>_camera_{camera.replace('_', '')}_<number>.png"
    files = [file for scene in scenes for file in scene.rglob("*") if file.is_file()]
    there = f"there are {len(files)} files such as {files[0]}" if files else "there is no file"
    return f"no frames: expected files such as {scenes[0]}/camera/cam_{camera}/{pattern}; {there}"


def find_upwards(path: Path, name: str) -> Path:
    """Find a file of the root, which may be up to two folders above the path."""
    folders = [path.resolve(), *path.resolve().parents[:2]]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name} is missing, which holds the cameras; looked in {', '.join(map(str, folders))}"
    )


def _is_scene(path: Path) -> bool:
    return _SCENE.fullmatch(path.resolve().name) is not None and any(
        (path / folder).is_dir() for folder, _ in PARTS.values()
    )
