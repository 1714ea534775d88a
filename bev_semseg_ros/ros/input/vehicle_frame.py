"""Frames that are those of the vehicle by their names, and clouds in them. Needs no rclpy."""

from __future__ import annotations

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


def explain_frame(frame: str, expected: str, section: str) -> tuple[str, str]:
    """Say that clouds are in another frame than the calibration is of, and what to do.

    Args:
        frame: That of the clouds.
        expected: That of the calibration.
        section: The lidar's section of the calibration.

    Returns:
        What is wrong, and the remedy.
    """
    text = f"in frame {frame!r}, the calibration is of {expected!r}"
    if is_vehicle_frame(frame) and not is_vehicle_frame(expected):
        return (
            f"{text}: the points were brought to the frame of the vehicle, and the calibration "
            "moves them a second time",
            "take the clouds of the lidar's driver, or make the calibration for an ego frame on "
            f"the ground below {frame}, with {section}.frame_id {frame}",
        )
    return (
        text,
        f"if it is the same sensor, set {section}.frame_id in the calibration to {frame!r}; else "
        "take the right calibration",
    )
