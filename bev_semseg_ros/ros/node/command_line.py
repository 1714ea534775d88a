"""Find command-line arguments of the node that ROS 2 would ignore or misread.

Needs no rclpy.
"""

from __future__ import annotations

from collections.abc import Sequence

_BEFORE_RULES = ("-r", "--remap", "-p", "--param", "--log-level")


def misplaced_arguments(arguments: Sequence[str]) -> str:
    """Return misplaced arguments and how to write them correctly.

    ROS 1 accepted `topic:=other` and `_parameter:=value`. Before --ros-args, ROS 2 accepts only
    remappings and silently ignores all other arguments, so the node rejects those.

    Args:
        arguments: The command line without the program name.

    Returns:
        The misplaced arguments and the remedy; empty if there are none.
    """
    wrong, better = [], []
    is_ros, before = False, ""
    for argument in arguments:
        previous, before = before, argument
        if argument in ("--ros-args", "--"):
            is_ros = argument == "--ros-args"
            continue
        is_rule = ":=" in argument
        is_parameter = is_rule and argument.startswith("_") and not argument.startswith("__")
        if is_ros:
            is_wrong = is_rule and previous not in _BEFORE_RULES
        else:
            is_wrong = is_parameter or not is_rule
        if not is_wrong:
            continue
        wrong.append(argument)
        if is_parameter:
            better += ["-p", argument.removeprefix("_")]
        else:
            better += ["-r", argument] if is_rule else [argument]
    if not wrong:
        return ""
    return f"{' '.join(wrong)}: write --ros-args {' '.join(better)}"
