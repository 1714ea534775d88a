"""Poses that are the same in every frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from std_msgs.msg import Header

from bev_semseg_ros.geometry import invert
from bev_semseg_ros.ros.input.extrinsics.poses import Poses


class FixedExtrinsics:
    """Poses that are the same in every frame, whatever the frame_ids of the messages are."""

    def __init__(
        self,
        ego_from_lidar: Mapping[str, np.ndarray],
        camera_from_ego: Mapping[str, np.ndarray],
        lidar_frame: str,
        frames: Mapping[str, np.ndarray],
        output_frame: str = "",
        ego_from_base: np.ndarray | None = None,
    ) -> None:
        """Keep the poses.

        Args:
            ego_from_lidar: (4, 4) poses of the lidars, by name, the reference lidar first.
            camera_from_ego: (4, 4) transforms to the optical frames of the cameras, by name.
            lidar_frame: See `Extrinsics`.
            frames: (4, 4) ego_from_frame of the allowed values of `output_frame`, by name.
            output_frame: The parameter; empty: the frame of the reference lidar's cloud.
            ego_from_base: (4, 4) pose of the frame of the vehicle; None: it is the ego frame.

        Raises:
            ValueError: If `output_frame` is not one of `frames`.
        """
        if output_frame and output_frame not in frames:
            raise ValueError(
                f"parameter output_frame: {output_frame!r} is not known here, only "
                f"{', '.join(frames)} (or empty: the cloud's frame); with extrinsics tf, any frame "
                "of TF is allowed"
            )
        self.lidar_frame = lidar_frame
        self._ego_from_lidar, self._camera_from_ego = ego_from_lidar, camera_from_ego
        self._reference = next(iter(ego_from_lidar))
        self._output_frame = output_frame
        self._ego_from_base = np.eye(4) if ego_from_base is None else ego_from_base
        self._output_from_ego = invert(frames.get(output_frame, ego_from_lidar[self._reference]))

    def at(self, clouds: Mapping[str, Header], images: Mapping[str, Header]) -> Poses:
        """Return the poses; see `Extrinsics`."""
        lidars, cameras = self._ego_from_lidar, self._camera_from_ego
        missing = [f"lidar {name!r}: no pose is set" for name in clouds if name not in lidars]
        missing += [f"camera {name!r}: no pose is set" for name in images if name not in cameras]
        return Poses(
            {name: lidars[name] for name in clouds if name in lidars},
            {name: cameras[name] for name in images if name in cameras},
            self._output_frame or clouds[self._reference].frame_id,
            self._output_from_ego,
            self._ego_from_base,
            tuple(missing),
        )

    def close(self) -> None:
        """Do nothing."""
