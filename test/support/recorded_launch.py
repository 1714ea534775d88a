"""Run the launch file with a substitute for ROS's launch that records its arguments."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest
from support.paths import ROOT

FILE = ROOT / "launch" / "perception.launch.py"


class Recorded:
    """Records the arguments of its constructor."""

    def __init__(self, *args, **kwargs) -> None:
        self.args, self.kwargs = args, kwargs


class Argument(Recorded):
    @property
    def name(self) -> str:
        return self.args[0]


class Configuration(Recorded):
    def perform(self, context: dict) -> str:
        name = self.args[0]
        return context.get(name, self.kwargs["default"]) if self.kwargs else context[name]


class Share(Recorded):
    def perform(self, context: dict) -> str:
        return str(ROOT)


class Joined(Recorded):
    def perform(self, context: dict) -> str:
        return "/".join(
            part if isinstance(part, str) else part.perform(context) for part in self.args[0]
        )


class Node(Recorded):
    pass


class Process(Recorded):
    pass


class Value(Recorded):
    pass


def load_launch_file(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Return the launch file as a module that uses the substitutes."""
    fakes = {
        "launch": {"LaunchDescription": Recorded},
        "launch.actions": {
            "DeclareLaunchArgument": Argument,
            "ExecuteProcess": Process,
            "OpaqueFunction": Recorded,
        },
        "launch.conditions": {"IfCondition": Recorded},
        "launch.substitutions": {
            "LaunchConfiguration": Configuration,
            "PathJoinSubstitution": Joined,
        },
        "launch_ros": {},
        "launch_ros.actions": {"Node": Node},
        "launch_ros.parameter_descriptions": {"ParameterValue": Value},
        "launch_ros.substitutions": {"FindPackageShare": Share, "FindPackagePrefix": Share},
    }
    for name, members in fakes.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("perception_launch", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def actions_of(launch_file: types.ModuleType, **given: str) -> list[Recorded]:
    """Return the actions of the launch file for arguments given as strings."""
    *arguments, function = launch_file.generate_launch_description().args[0]
    context = {a.name: a.kwargs["default_value"] for a in arguments}
    context = {
        name: value if isinstance(value, str) else value.perform({})
        for name, value in context.items()
    }
    assert set(given) <= {*context, "ros_namespace"}
    return function.kwargs["function"]({**context, **given})


def perception(actions: list[Recorded]) -> dict:
    """Return the arguments of the action that starts the perception node."""
    return next(a.kwargs for a in actions if a.kwargs.get("executable") == "perception_node")


def overrides(actions: list[Recorded]) -> dict:
    """Return the parameters that override the parameter file."""
    found = perception(actions)["parameters"]
    return {
        name: value.args[0] if isinstance(value, Value) else value
        for part in found
        if isinstance(part, dict)
        for name, value in part.items()
    }
