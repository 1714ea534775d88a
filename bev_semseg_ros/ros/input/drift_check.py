"""Holds the first frames of a drive against what the network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bev_semseg_ros.frame import Frame
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.preprocessing import Sample

CLOUDS = 10  # looked at before they are judged: one alone may be odd


class InputWatch:
    """Names once what differs from a checkpoint's `info`: the camera at its first image, the lidar after CLOUDS."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info
        self._clouds, self._num_clouds = InputStatistics(), 0
        self._knows_camera = False

    def look(
        self, frame: Frame, sample: Sample, extrinsics: str, intensity_scale: float
    ) -> list[Finding]:
        """Take a frame and what was prepared of it; the warnings and faults that are now known.

        extrinsics, intensity_scale: where the poses are from and what the intensity was multiplied by, for `compare`.
        """
        findings: list[Finding] = []
        if sample.points is not None and self._num_clouds < CLOUDS:
            self._clouds.add_points(sample.points, frame.ego_from_lidar)
            self._num_clouds += 1
            if self._num_clouds == CLOUDS:
                findings += compare(self._clouds.summary(), self._info, extrinsics, intensity_scale)
        if sample.camera is not None and not self._knows_camera:
            self._knows_camera = True
            cameras = InputStatistics()
            cameras.add_camera(sample.camera, frame.image.shape[1::-1])
            findings += compare(cameras.summary(), self._info)
        return [finding for finding in findings if finding.level != "ok"]
