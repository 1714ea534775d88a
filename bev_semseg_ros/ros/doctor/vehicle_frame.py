"""Finds the frame of the vehicle in TF, for the doctor."""

from __future__ import annotations

from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree
from bev_semseg_ros.ros.input.vehicle_frame import (
    VEHICLE_FRAMES,
    WORLD_FRAMES,
    is_vehicle_frame,
    plain_name,
)


def is_on_ground(frame: str) -> bool:
    """Return whether a frame of the vehicle lies on the ground, according to its name."""
    return plain_name(frame) == VEHICLE_FRAMES[0]


def find_vehicle_frame(tree: TransformTree, lidar_frame: str) -> str:
    """Return the frame of the vehicle: one of VEHICLE_FRAMES, or what the lidar is mounted on.

    The namespace of a robot may precede a name, as in robot1/base_link; the namespace of the
    lidar's frame is preferred. What the lidar is mounted on is found by static transforms only: a
    frame above a transform of /tf does not move with the vehicle.

    Raises:
        LookupError: If there is no such frame.
    """
    lidar_frame = frame_name(lidar_frame)
    robot = lidar_frame.rpartition("/")[0]
    known = tree.frames | ({lidar_frame} if is_vehicle_frame(lidar_frame) else set())
    for name in VEHICLE_FRAMES:
        found = [frame for frame in sorted(known) if plain_name(frame) == name]
        found.sort(key=lambda frame: frame.rpartition("/")[0] != robot)
        for frame in found:
            if frame == lidar_frame or tree.lookup(frame, lidar_frame) is not None:
                return frame
    # A vehicle frame without a connection to the lidar is returned, too: the caller reports it.
    connected = [frame for frame in sorted(known) if is_vehicle_frame(frame)]
    base = connected[0] if connected else tree.rigid_root(lidar_frame)
    if base == lidar_frame or plain_name(base) in WORLD_FRAMES:
        raise LookupError(
            "TF does not show which frame is the vehicle's (name it with --base-frame); it has "
            + ", ".join(sorted(tree.frames))
        )
    return base
