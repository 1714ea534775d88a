"""Checks of a data set: of its files only, or of each frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bev_semseg_ros.data.dataset import Dataset, Subset, camera_names
from bev_semseg_ros.data.files import FrameParts
from bev_semseg_ros.data_check.calibration import CalibrationCheck
from bev_semseg_ros.data_check.clouds import CloudCheck
from bev_semseg_ros.data_check.inventory import Inventory
from bev_semseg_ros.data_check.masks import MaskCheck
from bev_semseg_ros.data_check.reading import ReadingCheck
from bev_semseg_ros.data_check.report import DataReport
from bev_semseg_ros.data_check.stamps import StampCheck

if TYPE_CHECKING:
    from bev_semseg_ros.inference.checkpoint import Checkpoint

HEADERS = 8  # number of frames whose image headers the short form reads
COMPARED = 400  # number of frames that are compared with the training data, at most

_Damage = (ValueError, OSError)  # what a reader raises for a damaged file


def check_files(dataset: Dataset, path: Path) -> DataReport:
    """Check the files of a data set; read only headers of a few images and parts of a few clouds.

    Args:
        dataset: The data set.
        path: Its path, for the report.
    """
    return _FileCheck(dataset, headers=HEADERS).report(path)


def check_data(
    dataset: Dataset,
    path: Path,
    checkpoint: Checkpoint,
    on_frame: Callable[[], None] = lambda: None,
) -> DataReport:
    """Check the files and each frame of a data set.

    Args:
        dataset: The data set.
        path: Its path, for the report.
        checkpoint: Checkpoint whose training data the frames are compared with.
        on_frame: Called after each frame.
    """
    # These modules load torch, which the short form does not need.
    from bev_semseg_ros.data_check.boxes import BoxCheck
    from bev_semseg_ros.data_check.training import TrainingComparison

    files = _FileCheck(dataset, headers=len(dataset))
    boxes, clouds, masks, stamps = BoxCheck(), CloudCheck(), MaskCheck(), StampCheck()
    training = TrainingComparison(checkpoint)
    step = -(-len(dataset) // COMPARED)
    for index in range(len(dataset)):
        try:
            frame, annotation = dataset[index]
        except _Damage as error:
            files.reading.add(index, error)
        else:
            boxes.add(frame, annotation, files.name_of(index, "boxes", frame.name))
            clouds.add(frame, files.name_of(index, "lidar", frame.name))
            masks.add(annotation, files.name_of(index, "mask", frame.name))
            masks.add_points(annotation, files.name_of(index, "point_classes", frame.name))
            stamps.add(frame.scene, frame.name, frame.timestamp_ns)
            if index % step == 0:
                training.add(frame)
        on_frame()
    report = files.report(path)
    for each in (clouds, masks, boxes, stamps):
        report.findings += each.findings()
    report.findings += training.findings()
    report.statistics = {
        "boxes": boxes.counts(),
        "unreadable": files.reading.as_dict(),
        "statistics": training.statistics.summary(),
        "checkpoint": str(checkpoint.path),
    }
    return report


class _FileCheck:
    """The checks that need no complete frame.

    Attributes:
        reading: Collects frames that cannot be read.
    """

    def __init__(self, dataset: Dataset, headers: int) -> None:
        """Check the files.

        Args:
            dataset: The data set.
            headers: Approximate number of frames whose image headers are read, evenly spread.
        """
        self._dataset = dataset
        self._inventory = Inventory()
        self._calibration = CalibrationCheck()
        self.reading = ReadingCheck()
        self._parts: dict[int, FrameParts] = {}
        step = -(-len(dataset) // max(headers, 1))
        for index in range(len(dataset)):
            try:
                parts = self._parts[index] = dataset.parts(index)
                self._inventory.add(dataset.scene(index), parts)
                if index % step == 0:
                    for part, camera in dataset.cameras(index).items():
                        self._calibration.add(camera, parts.paths[part])
            except _Damage as error:
                self.reading.add(index, error)

    def name_of(self, index: int, part: str, name: str) -> str:
        """Return the file of a part, with the name of the frame if the file has several frames.

        Without a file, return only the name.
        """
        parts = self._parts.get(index)
        path = None if parts is None else parts.paths.get(part)
        if path is None:
            return name
        is_own = name.rpartition("_")[2] in path.stem
        return f"{path}" if is_own else f"{name} of {path}"

    def report(self, path: Path) -> DataReport:
        """Return the findings so far."""
        # Cameras are selected by name; the user may have meant one of the others.
        findings = self._inventory.findings(camera_names(path)[1:])
        # If only a part of the frames is checked, files of the other frames are not unused.
        if not isinstance(self._dataset, Subset):
            findings += self._inventory.unused_files()
        findings += self._calibration.findings()
        notes = self._inventory.notes
        try:
            notes += tuple(getattr(self._dataset, "notes", ()))
        except _Damage as error:
            findings += self.reading.finding_of_all(error)
        findings += self.reading.findings(len(self._dataset))
        return DataReport(path, self._dataset.name, self._inventory, list(findings), notes)
