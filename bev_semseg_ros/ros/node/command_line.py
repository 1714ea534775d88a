"""Arguments of the node's command line that ROS 2 would ignore or not understand.

Needs no rclpy.
"""

from __future__ import annotations

from collections.abc import Sequence

_BEFORE_RULES = ("-r", "--remap", "-p", "--param", "--log-level")


def misplaced_arguments(arguments: Sequence[str]) -> str:
    """Say what to write in place of arguments that are not where ROS 2 expects them.

    ROS 1 took `topic:=other` and `_parameter:=value` as they are. Before --ros-args, ROS 2 takes
    remappings of topics alone and ignores the rest in silence, so the node refuses it.

    Args:
        arguments: The command line without the program.

    Returns:
        The arguments and the remedy; empty if all is well.
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
