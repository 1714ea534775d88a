"""From the images of one camera to what the network can use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera, CameraImage
from bev_semseg_ros.input_check import same_view
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.compressed_image import decode_compressed
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.node.sensors import Sensor


class CameraInput:
    """Decodes the images of one camera. Errors name it if there are several."""

    def __init__(
        self,
        sensor: Sensor,
        image_transport: str = "raw",
        camera: Camera | None = None,
        is_rectified: bool = False,
    ) -> None:
        """Keep the settings.

        Args:
            sensor: The camera.
            image_transport: The parameter of that name.
            camera: The intrinsics of images without a camera_info.
            is_rectified: Whether images are rectified already, whatever their intrinsics say.
        """
        self._where = f" of {sensor.name}" if sensor.prefix else ""
        self._decode = decode_compressed if image_transport == "compressed" else decode_image
        self._camera, self._is_rectified = camera, is_rectified

    def decode(self, message: Any, info: Any, pose: np.ndarray) -> CameraImage:
        """Return an image as recorded and its camera.

        Args:
            message: A sensor_msgs/Image or CompressedImage.
            info: Its CameraInfo; None to take the intrinsics that the node was given.
            pose: (4, 4) camera_from_ego.

        Raises:
            UnusableInput: It cannot be used.
        """
        try:
            image = self._decode(message)
        except ValueError as error:
            raise UnusableInput("bad_image", f"bad image{self._where}: {error}") from error
        try:
            camera = self._camera_of(info, pose)
        except ValueError as error:
            raise UnusableInput("bad_camera_info", str(error)) from error
        height, width = image.shape[:2]
        if not same_view((width, height), camera.size):
            raise UnusableInput(
                "bad_camera_info",
                f"the image{self._where} is {width} x {height} pixels, its intrinsics are of "
                f"{camera.size[0]} x {camera.size[1]}: not the same view",
            )
        return CameraImage(image, camera)

    def _camera_of(self, info: Any, pose: np.ndarray) -> Camera:
        if info is not None:
            return decode_camera(info, pose, self._is_rectified)
        if self._camera is None:
            raise ValueError(f"the intrinsics of the camera{self._where} are unknown")
        camera = replace(self._camera, camera_from_ego=pose)
        return camera.rectified() if self._is_rectified else camera
