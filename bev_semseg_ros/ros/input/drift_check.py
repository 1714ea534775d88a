"""Compare the first frames of a drive with the data the network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bev_semseg_ros.frame import Frame
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.preprocessing import Sample

CLOUDS = 10  # clouds that are collected before the lidar is judged: a single one may be odd


class DriftCheck:
    """Reports once what differs from the training data of a checkpoint.

    The camera is judged at its first image, the lidar after `CLOUDS` clouds.
    """

    def __init__(self, info: Mapping[str, Any]) -> None:
        """Begin with no frame.

        Args:
            info: The checkpoint's `info`, with the statistics of its training data.
        """
        self._info = info
        self._clouds, self._num_clouds = InputStatistics(), 0
        self._camera_is_judged = False

    def check(
        self, frame: Frame, sample: Sample, extrinsics: str, intensity_scale: float
    ) -> list[Finding]:
        """Take the next frame.

        Args:
            frame: The frame.
            sample: What was prepared of it.
            extrinsics: The parameter extrinsics, for the remedy that is advised.
            intensity_scale: The factor by which the intensity was multiplied.

        Returns:
            The warnings and faults that are known by this frame.
        """
        findings: list[Finding] = []
        if sample.points is not None and self._num_clouds < CLOUDS:
            self._clouds.add_points(sample.points, frame.ego_from_lidar)
            self._num_clouds += 1
            if self._num_clouds == CLOUDS:
                findings += compare(self._clouds.summary(), self._info, extrinsics, intensity_scale)
        if sample.camera is not None and frame.image is not None and not self._camera_is_judged:
            self._camera_is_judged = True
            height, width = frame.image.shape[:2]
            cameras = InputStatistics()
            cameras.add_camera(sample.camera, (width, height))
            findings += compare(cameras.summary(), self._info)
        return [finding for finding in findings if finding.level != "ok"]
