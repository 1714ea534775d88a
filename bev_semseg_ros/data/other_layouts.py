"""Recognises folders of data sets that have no reader, and says what to do."""

from __future__ import annotations

from pathlib import Path

# Patterns that must all match in the folder, and a text: what the folder is and what to do.
_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("samples", "v1.0-*"),
        "nuScenes: convert it to KITTI's layout (nuscenes-devkit: scripts/export_kitti.py), then "
        "describe its classes in a file label_2/labels.yaml (docs/training.md, 'Classes of your "
        "own')",
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
        ("data_3d_raw",),
        "KITTI-360: its boxes cover whole drives, in the frame of the world; convert it to KITTI's "
        "layout, or write a reader (docs/extending.md, 'A data set')",
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
    """Describe the content of a folder that no reader can read, and say what to do if known."""
    for patterns, text in _KNOWN:
        if all(next(path.glob(pattern), None) is not None for pattern in patterns):
            return text
    entries = sorted(entry.name for entry in path.iterdir())
    if not entries:
        return "the folder is empty"
    return f"the folder has {len(entries)} entries, such as {', '.join(entries[:3])}"
