"""Check that a data set that was generated again from its recipe is the same as the original.

Simulated frames are the same on every machine, except for rounding differences between
processors. A manifest, `fixed_sets/NAME.json`, describes each frame of a set: the numbers of boxes
must match exactly, other counts, colours and coordinates within a tolerance. Each folder of a set
has a file `data_set.json` with the name of the set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.data.files import read_json
from bev_semseg_ros.frame import Annotation, Frame

NAME_FILE = "data_set.json"
MANIFESTS = Path(__file__).parent / "fixed_sets"
# Keys of `synth.json` that say how the frames were made. Their values must match.
REQUEST = ("seed", "rig", "frames", "image_size", "full_turn", "complete_scenes")

# An image is described by the mean colours of this many blocks across and down.
_BLOCKS = (4, 2)
_PERCENTILES = (5, 50, 95)
# Tolerances for differences between processors; for a count n, _COUNT + _SHARE * n.
_COLOR, _METRES, _INTENSITY, _COUNT, _SHARE = 2.0, 0.15, 0.02, 12, 0.01


def describe(frame: Frame, annotation: Annotation) -> dict[str, Any]:
    """Return what identifies a frame.

    Returns:
        Plain values:

        - boxes: number of boxes by class, starting with those of no class.
        - points: for each lidar, the number of points, and mean and percentiles of x, y, z and
          intensity.
        - image: for each camera, the mean colours of the blocks.
        - mask, classes: for each camera the pixels, and for each lidar the points, by class.
        - bev: cells by class, if the frame has a true map.
    """
    points, images = {}, {}
    for name, scan in frame.lidars.items():
        if scan.points is not None and len(scan.points):
            numbers = scan.points.astype(np.float64)
            spread = np.percentile(numbers, _PERCENTILES, axis=0)
            rows = np.concatenate([numbers.mean(0)[None], spread])
            points[name] = [len(numbers), *rows.round(2).T.ravel().tolist()]
    for name, seen in frame.cameras.items():
        if seen.image is not None:
            images[name] = _blocks(seen.image)
    boxes = [] if annotation.boxes is None else np.bincount(annotation.boxes.labels + 1).tolist()
    found = {
        "boxes": boxes,
        "points": points,
        "image": images,
        "mask": {name: _counts(mask) for name, mask in annotation.masks.items()},
        "classes": {name: _counts(each) for name, each in annotation.point_classes.items()},
    }
    if annotation.bev is not None:
        found["bev"] = _counts(annotation.bev.classes)
    return found


def summarize(descriptions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the number of frames, their mean number of points, and pixels and points by class."""
    summary: dict[str, Any] = {"frames": len(descriptions)}
    numbers = [sum(each[0] for each in one["points"].values()) for one in descriptions]
    summary["points"] = round(float(np.mean(numbers)), 1)
    for kind in ("mask", "classes"):
        total: dict[str, int] = {}
        for one in descriptions:
            for counts in one[kind].values():
                for label, count in counts.items():
                    total[label] = total.get(label, 0) + count
        summary[kind] = dict(sorted(total.items(), key=lambda item: int(item[0])))
    return summary


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the differences between a frame and its entry in the manifest, in words."""
    faults = []
    if found.get("boxes") != expected.get("boxes"):
        faults.append(f"boxes by class {found.get('boxes')} instead of {expected.get('boxes')}")
    for kind in ("points", "image", "mask", "classes"):
        theirs, ours = expected.get(kind, {}), found.get(kind, {})
        if set(theirs) != set(ours):
            faults.append(
                f"{kind} of {', '.join(ours) or 'nothing'} instead of {', '.join(theirs)}"
            )
            continue
        for name, values in theirs.items():
            difference = _difference(kind, values, ours[name])
            if difference:
                faults.append(f"{kind} of {name}: {difference}")
    if ("bev" in expected) != ("bev" in found):
        faults.append("bev: there is one" if "bev" in found else "bev: missing")
    elif "bev" in expected:
        difference = _difference("bev", expected["bev"], found["bev"])
        faults += [f"bev: {difference}"] if difference else []
    return faults


def check(folder: Path, dataset: Dataset, manifest: Path | None = None) -> list[str]:
    """Compare the frames of a folder with the manifest of the set that it names.

    Args:
        folder: Folder of the data set.
        dataset: Its frames, with all cameras.
        manifest: Path of the manifest; default: the one that has the name of the set.

    Returns:
        One line for each difference; empty if there is none or the folder names no set.
    """
    if not (folder / NAME_FILE).is_file():
        return []
    own = read_json(folder / NAME_FILE)
    name, part = str(own.get("name")), str(own.get("part"))
    path = manifest or MANIFESTS / f"{name}.json"
    if not path.is_file():
        return [f"{folder / NAME_FILE}: no manifest of a set {name!r}; nothing was compared"]
    content = read_json(path)
    expected = content.get("parts", {}).get(part)
    if expected is None:
        return [f"{folder / NAME_FILE}: the manifest of {name} has no part {part!r}"]
    faults = []
    if own.get("commit") != content["commit"]:
        faults.append(f"made by the simulator {own.get('commit')} instead of {content['commit']}")
    request = request_of(folder)
    for key, value in expected["request"].items():
        if request.get(key) != value:
            faults.append(f"{key} {request.get(key)} instead of {value}")
    entries = expected.get("frames", {})
    missing = set(entries)
    for index in range(len(dataset) if entries else 0):
        frame, annotation = dataset[index]
        missing.discard(frame.name)
        entry = entries.get(frame.name)
        if entry is None:
            faults.append(f"frame {frame.name}: not in the manifest")
            continue
        for each in differences(entry, describe(frame, annotation)):
            faults.append(f"frame {frame.name}: {each}")
    faults += [f"frame {each}: missing" for each in sorted(missing)]
    return [f"{name}, {part}: {each}" for each in faults]


def check_folder(folder: Path) -> list[str]:
    """Return the differences that `check` finds in a folder; empty if the folder names no set."""
    if not (folder / NAME_FILE).is_file():
        return []
    return check(folder, open_dataset(folder, cameras="all"))


def request_of(folder: Path) -> dict[str, Any]:
    """Return the REQUEST of a folder's synth.json; the scenes are given by their number."""
    content = read_json(folder / "synth.json")
    found = {key: content.get(key) for key in REQUEST}
    found["full_turn"] = bool(found["full_turn"])
    found["complete_scenes"] = len(found["complete_scenes"] or [])
    return found


def write_manifest(path: Path, commit: str, parts: Mapping[str, Any]) -> None:
    """Write a manifest with a line for each frame.

    Args:
        path: The file.
        commit: Commit of the simulator.
        parts: Part -> `request`, and `summary` or `frames` (frame -> description).
    """
    lines = [f'{{"commit": {json.dumps(commit)}, "parts": {{']
    for number, (name, part) in enumerate(parts.items()):
        rest = {key: value for key, value in part.items() if key != "frames"}
        frames = [
            f"{json.dumps(frame)}: {json.dumps(entry, separators=(',', ':'))}"
            for frame, entry in part.get("frames", {}).items()
        ]
        lines.append(f"{json.dumps(name)}: {json.dumps(rest)[:-1]}" + ', "frames": {')
        lines.append(",\n".join(frames))
        lines.append("}}" + ("," if number + 1 < len(parts) else ""))
    lines.append("}}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _blocks(image: np.ndarray) -> list[int]:
    """Return the rounded mean colours of the blocks of an image (H, W, 3)."""
    across, down = _BLOCKS
    means = [
        block.reshape(-1, 3).mean(0)
        for row in np.array_split(image, down, axis=0)
        for block in np.array_split(row, across, axis=1)
    ]
    return [int(value) for value in np.rint(np.concatenate(means))]


def _counts(classes: np.ndarray) -> dict[str, int]:
    """Return how often each class occurs."""
    counts = np.bincount(classes.ravel(), minlength=256)
    return {str(label): int(counts[label]) for label in np.flatnonzero(counts)}


def _difference(kind: str, expected: Any, found: Any) -> str:
    """Return the first difference of an entry in words, or an empty text."""
    if isinstance(expected, dict):
        labels = sorted({*expected, *found}, key=int)
        theirs, ours = ([each.get(label, 0) for label in labels] for each in (expected, found))
        tolerance = _COUNT + _SHARE * np.maximum(theirs, ours)
    else:
        labels = list(map(str, range(len(expected))))
        if len(expected) != len(found):
            return f"{len(found)} numbers instead of {len(expected)}"
        theirs, ours = expected, found
        tolerance = np.full(len(theirs), _COLOR)
        if kind == "points":
            tolerance = np.full(len(theirs), _METRES)
            tolerance[0] = _COUNT + _SHARE * theirs[0]
            tolerance[-4:] = _INTENSITY
    wrong = np.flatnonzero(np.abs(np.subtract(theirs, ours)) > tolerance)
    if not len(wrong):
        return ""
    first = wrong[0]
    return f"value {labels[first]} is {ours[first]} instead of {theirs[first]}"
