"""The checks of a data set: of its files alone, or of every frame."""

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

HEADERS = 8  # frames of which the short form reads the headers of the images
COMPARED = 400  # frames that are compared with the training data

_Damage = (ValueError, OSError)  # what a reader raises for a damaged file


def check_files(dataset: Dataset, path: Path) -> DataReport:
    """Check which files a data set has. It opens the headers of a few images and a few clouds.

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
    """Check the files of a data set, and read every frame.

    Args:
        dataset: The data set.
        path: Its path, for the report.
        checkpoint: Of a network, with whose training data the frames are compared.
        on_frame: Called after every frame.
    """
    # They load torch, which the short form does without.
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
    """The checks that read no frame.

    Attributes:
        reading: Gets the frames whose files cannot be read.
    """

    def __init__(self, dataset: Dataset, headers: int) -> None:
        """Look at the files.

        Args:
            dataset: The data set.
            headers: Frames of which the headers of the images are read, spread over all.
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
        """Return the file of a part of a frame, and the frame's name where the file has more."""
        parts = self._parts.get(index)
        path = None if parts is None else parts.paths.get(part)
        if path is None:
            return name
        is_own = name.rpartition("_")[2] in path.stem
        return f"{path}" if is_own else f"{name} of {path}"

    def report(self, path: Path) -> DataReport:
        """Return what was found so far."""
        # Cameras are asked for by name; what is not read may be what was meant.
        findings = self._inventory.findings(camera_names(path)[1:])
        # Beside the frames of a part of the data lie those of the rest.
        if not isinstance(self._dataset, Subset):
            findings += self._inventory.unused_files()
        findings += self._calibration.findings()
        notes: tuple[str, ...] = ()
        try:
            notes = tuple(getattr(self._dataset, "notes", ()))
        except _Damage as error:
            findings += self.reading.finding_of_all(error)
        findings += self.reading.findings(len(self._dataset))
        return DataReport(path, self._dataset.name, self._inventory, list(findings), notes)
