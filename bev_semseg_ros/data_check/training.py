"""Compares a data set with the data that a checkpoint was trained on."""

from __future__ import annotations

from dataclasses import replace

from bev_semseg_ros.frame import Frame
from bev_semseg_ros.inference.checkpoint import Checkpoint
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.preprocessing import network_size, prepare

# Item of a finding -> remedy for data sets. The remedies of `compare` are for the node.
_REMEDIES = {
    "points": "the grid lies ahead of the vehicle: write the clouds with x forward, y left, z up",
    "intensity": "write intensities from 0 to 1 that use this range; for other lidars, train with "
    "such data",
    "ground height": "the layout defines the pose of the lidar (KITTI: 1.73 m above the ground, "
    "A2D2: see cams_lidars.json); transform the points accordingly, or correct the calibration",
}
_OTHER = "the network was not trained on such data: expect lower accuracy, or train with these data"


class TrainingComparison:
    """Compares frames with the training data of a checkpoint, as the node does."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self.statistics = InputStatistics()

    def add(self, frame: Frame) -> None:
        """Add a frame."""
        config = self._checkpoint.config
        sample = prepare(frame.without_images(), config)
        if sample.points is not None:
            for number, pose in enumerate(sample.ego_from_lidar):
                self.statistics.add_points(sample.points[sample.point_lidar == number], pose)
        for seen in frame.cameras.values():
            if seen.image is not None:
                size = network_size(seen.camera.size, config.image)
                self.statistics.add_camera(seen.camera.rectified(size), seen.camera.size)

    def findings(self) -> list[Finding]:
        """Return a finding for each rule of `input_check.compare`."""
        found = compare(self.statistics.summary(), self._checkpoint.info)
        name = self._checkpoint.path.name
        return [
            each
            if each.level == "ok"
            else replace(
                each,
                item=f"{each.item} ({name})",
                remedy=_REMEDIES.get(each.item, _OTHER),
            )
            for each in found
        ]
