"""Frames that are those of the vehicle by their names, and messages in them. Needs no rclpy."""

from __future__ import annotations

from bev_semseg_ros.ros.node.sensors import Sensor

# Frames with the axes of the vehicle (REP 105). The first lies on the ground.
VEHICLE_FRAMES = ("base_footprint", "base_link")
# Frames in which the vehicle moves (REP 105, and what is customary).
WORLD_FRAMES = ("odom", "map", "earth", "world")


def plain_name(frame: str) -> str:
    """Return a frame's name without the namespace of a robot, as base_link of robot1/base_link."""
    return frame.rpartition("/")[2]


def is_vehicle_frame(frame: str) -> bool:
    """Return whether a frame is that of the vehicle."""
    return plain_name(frame) in VEHICLE_FRAMES


def explain_frame(frame: str, expected: str, sensor: Sensor) -> tuple[str, str]:
    """Say that clouds or images are in another frame than the calibration is of, and what to do.

    Args:
        frame: That of the messages.
        expected: That of the calibration.
        sensor: The lidar or camera.

    Returns:
        What is wrong, and the remedy.
    """
    section = "lidar" if sensor.kind == "points" else "camera"
    if sensor.prefix:
        section = f"{section}s.{sensor.name}"
    text = f"in frame {frame!r}, the calibration is of {expected!r}"
    is_brought = is_vehicle_frame(frame) and not is_vehicle_frame(expected)
    if is_brought and sensor.kind == "points":
        return (
            f"{text}: the points were brought to the frame of the vehicle, and the calibration "
            "moves them a second time",
            "take the clouds of the lidar's driver, or make the calibration for an ego frame on "
            f"the ground below {frame}, with {section}.frame_id {frame}",
        )
    return (
        text,
        f"if it is the same sensor, set {section}.frame_id in the calibration to {frame!r}; else "
        "take the right calibration or topic",
    )
