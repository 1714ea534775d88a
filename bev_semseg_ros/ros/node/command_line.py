"""Find command-line arguments of the node that ROS 2 would ignore or misread.

Needs no rclpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
    is_ros = False
    for previous, argument in pairwise(["", *arguments]):
        if argument in ("--ros-args", "--"):
            is_ros = argument == "--ros-args"
            continue
        is_rule = ":=" in argument
        has_option = is_rule and previous in _BEFORE_RULES
        is_parameter = is_rule and argument.startswith("_") and not argument.startswith("__")
        if is_ros:
            is_wrong = is_rule and not has_option
        else:
            is_wrong = is_parameter or has_option or not is_rule
        if not is_wrong:
            continue
        wrong.append(argument)
        if has_option or not is_rule:
            better.append(argument)
        elif is_parameter:
            better += ["-p", argument.removeprefix("_")]
        else:
            better += ["-r", argument]
    if not wrong:
        return ""
    return f"{' '.join(wrong)}: write --ros-args {' '.join(better)}"
