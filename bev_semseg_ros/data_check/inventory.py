"""Counts the files of frames by scene and sensor, and reports missing ones."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bev_semseg_ros.data.files import FrameParts
from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion

# Last word of a part's name -> consequence for frames that lack the part, and what to do.
_REMEDIES = {
    "image": "they are used without it; add the images, under the name of the cloud",
    "lidar": "they are used without it; add the clouds, under the name of the image",
    "calib": "their images and boxes are not used; add the calibration, under the frame's name",
    "mask": "they cannot train or score segmentation; add the masks, under the image's name",
    "boxes": "they cannot train or score boxes; add their label files, under the frame's name "
    "(a file without boxes means that there are no objects)",
    "point_classes": "their points have no classes; add the files, under the name of the cloud",
    "bev": "they have no labels of the bird's-eye view; add the pictures, under the frame's name",
    "bev_observed": "it is unknown which cells a lidar measured; add the pictures, under the "
    "frame's name",
    "sidecar": "their time is that of the newest point; add the .json files beside the images",
    "timestamps": "their time is taken as 0.1 s times their number; restore timestamps.txt",
}
_CAMERA_REMEDY = "no frame of this camera is near enough in time; leave it out of --cameras"
_POINT_LABELS = "point_classes"
_LABELS = ("boxes", "mask", _POINT_LABELS)
_CALIBRATION = "calib"
_CALIBRATED = ("image", "boxes", "mask")  # cannot be used without a calibration


class Inventory:
    """Counts the files of frames without opening them."""

    def __init__(self) -> None:
        self.num_frames = 0
        self.scenes: dict[str, Counter[str]] = {}
        self._num_scene_frames: Counter[str] = Counter()
        self._missing: dict[str, Cases] = {}
        self._used: dict[Path, set[str]] = {}  # folder -> names of files

    def add(self, scene: str, parts: FrameParts) -> None:
        """Add a frame.

        Args:
            scene: Scene of the frame.
            parts: Files of the frame.
        """
        self.num_frames += 1
        self._num_scene_frames[scene] += 1
        self.scenes.setdefault(scene, Counter()).update(list(parts.paths))
        some_file = next(iter(parts.paths.values()), None)
        for part in parts.missing:
            self._missing.setdefault(part, Cases()).add(f"the frame of {some_file}")
        for path in parts.paths.values():
            self._used.setdefault(path.parent, set()).add(path.name)

    @property
    def parts(self) -> list[str]:
        """Names of the parts that any frame has or lacks, such as "image"."""
        there = dict.fromkeys(part for counts in self.scenes.values() for part in counts)
        return [*there, *(part for part in self._missing if part not in there)]

    @property
    def sensors(self) -> list[str]:
        """Names of the parts that are data of a sensor."""
        return [part for part in self.parts if _kind(part) in ("image", "lidar")]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the frames can be used for, if only their points have labels."""
        if self._kinds & set(_LABELS) != {_POINT_LABELS}:
            return ()
        return (
            "only points have labels: they can train and score the tasks point_segmentation and "
            "bev_segmentation",
        )

    def count(self, part: str) -> int:
        """Return the number of frames that have a part."""
        return sum(counts[part] for counts in self.scenes.values())

    @property
    def _kinds(self) -> set[str]:
        """Kinds of the parts that any frame has."""
        return {_kind(part) for part in self.parts if self.count(part)}

    def rows(self) -> list[tuple[str, int, list[int]]]:
        """Return for each scene its name and the numbers of all frames and those with each part."""
        return [
            (scene, self._num_scene_frames[scene], [counts[part] for part in self.parts])
            for scene, counts in self.scenes.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain values, in total and for each scene."""
        return {
            "frames": self.num_frames,
            "parts": {part: self.count(part) for part in self.parts},
            "scenes": {
                scene: {"frames": frames, **dict(zip(self.parts, counts, strict=True))}
                for scene, frames, counts in self.rows()
            },
        }

    def findings(self, other_cameras: Sequence[str] = ()) -> list[DataFinding]:
        """Return the findings about parts that frames lack.

        Args:
            other_cameras: Cameras of the data set that are not read.
        """
        missing = dict(self._missing)
        if self._kinds.isdisjoint(_CALIBRATED):
            missing.pop(_CALIBRATION, None)
        found = [self._finding(part, cases, other_cameras) for part, cases in missing.items()]
        if self._kinds.isdisjoint(_LABELS):
            found = [each for each in found if _kind(each.item) not in _LABELS]
            found.append(
                DataFinding(
                    "labels",
                    "warning",
                    f"none of the {self.num_frames} frames has boxes, a mask or classes of points",
                    "they cannot be used for training or evaluation; `bag` needs no labels",
                    self.num_frames,
                )
            )
        return found

    def unused_files(self) -> list[DataFinding]:
        """Return the findings about files beside those of the frames that belong to no frame.

        All frames of the data set must have been added before.
        """
        unused: dict[str, Cases] = {}
        for folder, used in self._used.items():
            endings = {_ending(name) for name in used}
            for name in sorted(_file_names(folder) - used):
                if _ending(name) in endings:
                    unused.setdefault(folder.name, Cases()).add(str(folder / name))
        remedy = (
            "a frame needs an image or a cloud, and its other files need the same number; add the "
            "missing file, rename the files, or remove them"
        )
        return [
            cases.finding(
                f"files in {name}", "warning", f"{cases.count} files belong to no frame", remedy
            )
            for name, cases in unused.items()
        ]

    def _finding(self, part: str, cases: Cases, other_cameras: Sequence[str]) -> DataFinding:
        """Return the finding that some frames lack a part."""
        text = f"missing in {portion(cases.count, self.num_frames, 'frames')}"
        if part == _CALIBRATION and cases.count == self.num_frames:
            text = f"{text}, so only points remain"
            remedy = (
                "add the folder calib, with a file for every frame under the frame's name (KITTI's "
                "data_object_calib.zip has those of KITTI)"
            )
            return cases.finding(part, "fault", text, remedy)
        remedy = _REMEDIES.get(_kind(part), _CAMERA_REMEDY)
        if part == "image" and other_cameras and cases.count == self.num_frames:
            remedy = (
                "they are used with the lidar alone; for another camera give "
                f"--cameras {other_cameras[0]}"
            )
        return cases.finding(part, "warning", text, remedy)


def _kind(part: str) -> str:
    """Return the kind of a part: "image" for "image_03 image"."""
    return part.rpartition(" ")[2]


def _file_names(folder: Path) -> set[str]:
    """Return the names of the files in a folder, without hidden ones."""
    with os.scandir(folder) as entries:
        return {each.name for each in entries if each.is_file() and not each.name.startswith(".")}


def _ending(name: str) -> str:
    """Return the part of a file's name after the last dot."""
    return name.rpartition(".")[2]
