"""Compare the first frames of a drive with the data the network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bev_semseg_ros.frame import Frame
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.preprocessing import Sample
from bev_semseg_ros.ros.parameters.sensors import Sensors, item_of

CLOUDS = 10  # number of clouds by which the lidar is judged: a single one may be unusual


class DriftCheck:
    """Reports differences between the input and the training data of a checkpoint, once.

    Each camera is judged by its first image, the reference lidar by its first `CLOUDS` clouds.
    """

    def __init__(self, info: Mapping[str, Any], sensors: Sensors) -> None:
        """Start without frames.

        Args:
            info: `info` of the checkpoint, with the statistics of its training data.
            sensors: The lidars and cameras. A finding names its sensor if the sensor has a name.
        """
        self._info, self._sensors = info, sensors
        self._clouds, self._num_clouds = InputStatistics(), 0
        self._judged: set[str] = set()  # cameras

    def check(
        self, frame: Frame, sample: Sample, extrinsics: str, intensity_scale: float
    ) -> list[Finding]:
        """Take the next frame.

        Args:
            frame: The frame.
            sample: The frame after preprocessing.
            extrinsics: The parameter extrinsics, on which the remedies depend.
            intensity_scale: Factor by which the intensity of the reference lidar was multiplied.

        Returns:
            The warnings and faults that this frame completes; usually none.
        """
        findings: list[Finding] = []
        if sample.points is not None and self._num_clouds < CLOUDS:
            of_reference = sample.point_lidar == 0
            self._clouds.add_points(sample.points[of_reference], sample.ego_from_lidar[0])
            self._num_clouds += 1
            if self._num_clouds == CLOUDS:
                lidar = self._sensors.lidars[0]
                found = compare(
                    self._clouds.summary(),
                    self._info,
                    extrinsics,
                    intensity_scale,
                    lidar.name if lidar.prefix else "",
                )
                findings += [replace(each, item=item_of(each.item, lidar)) for each in found]
        for camera in self._sensors.cameras:
            if camera.name in self._judged or camera.name not in sample.images:
                continue
            recorded = frame.cameras[camera.name].image
            if recorded is None:
                continue
            self._judged.add(camera.name)
            height, width = recorded.shape[:2]
            cameras = InputStatistics()
            cameras.add_camera(sample.images[camera.name].camera, (width, height))
            found = compare(cameras.summary(), self._info)
            findings += [replace(each, item=item_of(each.item, camera)) for each in found]
        return [finding for finding in findings if finding.level != "ok"]
