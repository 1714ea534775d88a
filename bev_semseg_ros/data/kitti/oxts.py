"""The motion of KITTI's vehicle, from the GPS/IMU records in `oxts/` (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import kitti_raw_lidar_from_imu
from bev_semseg_ros.data.files import numbers, read_text
from bev_semseg_ros.geometry import apply, invert, rotation_rpy, transform

# Columns of a record that are used here (`oxts/dataformat.txt` lists all).
_ROLL_PITCH_YAW = slice(3, 6)  # radians; yaw is 0 towards the east, counter-clockwise
_NORTH, _EAST = 6, 7  # velocity, metres per second
_NUM_COLUMNS = 30


def read_lidar_poses(drive: Path, times: Mapping[int, int]) -> dict[int, np.ndarray]:
    """Read the poses of the lidar during a drive.

    Positions are integrated from the recorded velocities towards north and east. Rotations are the
    recorded ones. This is the most accurate choice: the speeds of five parked cars in drive 0005 of
    2011-09-26 then have an RMS of 0.28 m/s. With the recorded positions, it is 0.40 m/s, and with
    velocities and yaw rates in the axes of the vehicle 0.32 m/s.

    Args:
        drive: Folder of a drive, with `oxts` in it and `calib_imu_to_velo.txt` beside it.
        times: Frame number -> time in nanoseconds.

    Returns:
        Frame number -> (4, 4) world_from_lidar. x is east and y is north. The origin is
        arbitrary: compare poses of frames only if every frame between them has a pose. Empty if
        the drive has no records, or its day has no calibration of the IMU.

    Raises:
        ValueError: A file is damaged; the message names it.
    """
    calibration = drive.resolve().parent / "calib_imu_to_velo.txt"
    records = _read_records(drive / "oxts" / "data")
    if not calibration.is_file() or not records:
        return {}
    imu_from_lidar = invert(kitti_raw_lidar_from_imu(calibration))
    poses = {}
    position = np.zeros(3)
    previous = None
    for number in sorted(records.keys() & times.keys()):
        record = records[number]
        velocity = np.array([record[_EAST], record[_NORTH], 0.0])
        if previous is not None:
            previous_number, previous_velocity = previous
            seconds = (times[number] - times[previous_number]) / 1e9
            position = position + seconds * (velocity + previous_velocity) / 2
        world_from_imu = transform(rotation_rpy(*record[_ROLL_PITCH_YAW]), position)
        poses[number] = world_from_imu @ imu_from_lidar
        previous = (number, velocity)
    return poses


def _read_records(folder: Path) -> dict[int, np.ndarray]:
    """Return frame number -> (30,) record for each file in a folder."""
    records = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem.isdecimal():
            records[int(path.stem)] = numbers(
                read_text(path).split(), (_NUM_COLUMNS,), f"{path}: GPS/IMU record"
            )
    return records


def velocities_over_ground(
    positions: np.ndarray,
    first_frame: int,
    lidar_poses: Mapping[int, np.ndarray],
    times: Mapping[int, int],
) -> np.ndarray:
    """Compute the velocities of an object over ground.

    Each velocity is the central difference of the frames before and after, or a one-sided
    difference if only one of them is known.

    Args:
        positions: (F, 3) positions of the object in the lidar frame, metres.
        first_frame: Number of the frame of the first position; the others are consecutive.
        lidar_poses: Frame number -> (4, 4) world_from_lidar.
        times: Frame number -> time in nanoseconds.

    Returns:
        (F, 2) velocities along x and y of the lidar frame, m/s; NaN if poses of the lidar are
        missing.
    """
    velocities = np.full((len(positions), 2), np.nan)
    in_world = {
        number: apply(lidar_poses[number], position)
        for number, position in enumerate(positions, first_frame)
        if number in lidar_poses
    }
    for number in in_world:
        before = number - 1 if number - 1 in in_world else number
        after = number + 1 if number + 1 in in_world else number
        if before == after:
            continue
        seconds = (times[after] - times[before]) / 1e9
        velocity = (in_world[after] - in_world[before]) / seconds
        velocities[number - first_frame] = (velocity @ lidar_poses[number][:3, :3])[:2]
    return velocities
