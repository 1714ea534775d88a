"""Recognise coordinate frames of the vehicle, and explain unexpected frames. Needs no rclpy."""

from __future__ import annotations

from bev_semseg_ros.ros.parameters.sensors import Sensor

# Frames with the axes of the vehicle (REP 105). The origin of the first is on the ground.
VEHICLE_FRAMES = ("base_footprint", "base_link")
# Frames in which the vehicle moves (REP 105 and common practice).
WORLD_FRAMES = ("odom", "map", "earth", "world")


def plain_name(frame: str) -> str:
    """Return a frame's name without the namespace of a robot: base_link for robot1/base_link."""
    return frame.rpartition("/")[2]


def is_vehicle_frame(frame: str) -> bool:
    """Return whether a frame has the axes of the vehicle, by its name."""
    return plain_name(frame) in VEHICLE_FRAMES


def explain_frame(frame: str, expected: str, sensor: Sensor) -> tuple[str, str]:
    """Explain that clouds or images are not in the frame of the calibration, and what to do.

    Args:
        frame: Frame of the messages.
        expected: Frame of the sensor in the calibration.
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
            f"{text}: the points were transformed to the frame of the vehicle, and the "
            "calibration moves them a second time",
            "use the clouds of the lidar's driver, or make the calibration for an ego frame on "
            f"the ground below {frame}, with {section}.frame_id {frame}",
        )
    return (
        text,
        f"if it is the same sensor, set {section}.frame_id in the calibration to {frame!r}; "
        "otherwise, use the right calibration or topic",
    )
