"""Folders that hold a data set which no reader knows: what they are, and what helps."""

from __future__ import annotations

from pathlib import Path

# Patterns of which each must be found in the folder -> what it is and what to do.
_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("samples", "v1.0-*"),
        "nuScenes: convert it to KITTI's layout (nuscenes-devkit: scripts/export_kitti.py)",
    ),
    (
        ("sequences/*/velodyne", "sequences/*/labels"),
        "SemanticKITTI: its class numbers are not read; to train the task point_segmentation, "
        "convert scans and labels to KITTI's layout (docs/training.md, 'Classify points')",
    ),
    (
        ("sequences/*/velodyne",),
        "KITTI odometry: it has no labels; use KITTI object, tracking or raw",
    ),
    (
        ("sequences/*/image_2",),
        "KITTI odometry: it has no labels; use KITTI object, tracking or raw",
    ),
    (
        ("*.tfrecord",),
        "Waymo's records: convert them to KITTI's layout with the lidar 1.73 m above the ground",
    ),
    (
        ("data_object_*",),
        "the archives of KITTI object, unpacked one beside the other: move the contents of their "
        "training folders into one training folder",
    ),
)


def describe(path: Path) -> str:
    """Return what a folder holds that no reader knows, and what to do; empty if that is unknown."""
    for patterns, text in _KNOWN:
        if all(next(path.glob(pattern), None) is not None for pattern in patterns):
            return text
    entries = sorted(entry.name for entry in path.iterdir())
    if not entries:
        return "the folder is empty"
    return f"the folder has {len(entries)} entries, such as {', '.join(entries[:3])}"
