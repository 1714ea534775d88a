"""Decode the images of one camera."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera, CameraImage, same_view
from bev_semseg_ros.ros.convert.camera_info import decode_camera, off_center
from bev_semseg_ros.ros.convert.compressed_image import decode_picture
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.assumptions import Assumptions
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.input.vehicle_frame import explain_frame
from bev_semseg_ros.ros.parameters.sensors import Sensor


class CameraInput:
    """Decodes the images of one camera. Errors and warnings name the camera if it has a name.

    Where a message lacks information, an assumption is made and reported once as a warning.
    """

    def __init__(
        self,
        sensor: Sensor,
        camera: Camera | None = None,
        is_rectified: bool = False,
        health: Health | None = None,
        expected_frame: str = "",
    ) -> None:
        """Keep the settings.

        Args:
            sensor: The camera.
            camera: Intrinsics for images without a camera_info.
            is_rectified: Whether images are already rectified, whatever their intrinsics say.
            health: Takes warnings; None: warnings are discarded.
            expected_frame: Expected frame_id of the images; empty if unknown.
        """
        self._sensor = sensor
        self._where = f" of {sensor.name}" if sensor.prefix else ""
        self._camera, self._is_rectified = camera, is_rectified
        self._expected_frame = expected_frame
        self._assumptions = Assumptions(sensor, health or Health())

    def decode(self, message: Any, info: Any, pose: np.ndarray) -> CameraImage:
        """Return an image, as recorded, with its camera.

        Args:
            message: A sensor_msgs/Image or CompressedImage.
            info: Its CameraInfo; None to use the intrinsics given to the constructor.
            pose: (4, 4) camera_from_ego.

        Raises:
            UnusableInput: If the image cannot be used.
        """
        try:
            image = decode_picture(message, self._assumptions.about("image"))
        except ValueError as error:
            raise UnusableInput("bad_image", f"bad image{self._where}: {error}") from error
        height, width = image.shape[:2]
        try:
            camera = self._camera_of(info, pose, (width, height))
        except ValueError as error:
            raise UnusableInput("bad_camera_info", f"camera_info{self._where}: {error}") from error
        if not same_view((width, height), camera.size):
            remedy = "use the calibration of these images"
            if info is not None:
                remedy = f"remap {self._sensor.camera_info} to that of these images"
            raise UnusableInput(
                "bad_camera_info",
                f"the image{self._where} is {width} x {height} pixels, its intrinsics are for "
                f"{camera.size[0]} x {camera.size[1]}: not the same view; {remedy} (a crop needs "
                "its roi)",
            )
        frame = message.header.frame_id
        if info is not None and frame and info.header.frame_id not in ("", frame):
            self._assumptions.about("images")(
                f"in frame {frame!r}, but their camera_info in {info.header.frame_id!r}: they may "
                "be of two cameras",
                f"if so, remap {self._sensor.camera_info} to the topic beside these images; "
                "otherwise, let the driver use one frame_id",
            )
        if frame and self._expected_frame not in ("", frame):
            self._assumptions.about("images")(
                *explain_frame(frame, self._expected_frame, self._sensor)
            )
        if far := off_center(camera):
            self._assumptions.about("intrinsics")(
                far, "scale K, or set binning or roi in the camera_info"
            )
        return CameraImage(image, camera)

    def _camera_of(self, info: Any, pose: np.ndarray, size: tuple[int, int]) -> Camera:
        if info is not None:
            note = self._assumptions.about("camera_info")
            return decode_camera(info, pose, self._is_rectified, size, note)
        if self._camera is None:
            raise ValueError(f"the intrinsics of the camera{self._where} are unknown")
        camera = replace(self._camera, camera_from_ego=pose)
        return camera.rectified() if self._is_rectified else camera
