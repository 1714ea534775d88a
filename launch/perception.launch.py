"""Launch the perception node and, if requested, RViz and the playback of a bag.

The description of each argument says what an empty value means.
"""

import os
from pathlib import Path

import yaml
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackagePrefix, FindPackageShare

from bev_semseg_ros.ros.dds import SWITCH, use_shared_memory_profile
from bev_semseg_ros.ros.parameters.parameter_file import settings
from launch import LaunchDescription

PACKAGE = "bev_semseg_ros"
INPUTS = ("points", "image", "camera_info")
OUTPUTS = ("markers", "timing", "bev/drivable_area", "bev/points")
OUTPUTS_OF_A_CAMERA = ("semseg/color", "semseg/overlay", "semseg/labels", "semseg/camera_info")
TF_TOPICS = ("/tf", "/tf_static")
PARAMETERS = ("checkpoint", "calibration", "extrinsics", "device", "image_transport")


def share(*parts):
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *parts])


ARGUMENTS = {
    "params_file": (
        share("config", "perception.yaml"),
        "YAML file with the parameters of the node",
    ),
    "checkpoint": ("", "checkpoint file; empty: that of params_file, or the shipped one"),
    "calibration": ("", "calibration file; empty: that of params_file, or else of the bag"),
    "extrinsics": ("", "calibration, parameters or tf; empty: that of params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: that of params_file"),
    "image_transport": ("", "raw or compressed; empty: that of params_file"),
    "lidars": ("", "names of several lidars, such as front,rear; empty: those of params_file"),
    "cameras": (
        "",
        "names of several cameras, such as front,left,right; empty: those of params_file",
    ),
    "points": (
        "",
        "topic of the clouds of one lidar; empty: points in the namespace, or /points with a bag",
    ),
    "image": (
        "",
        "topic of the images of one camera; empty: image in the namespace, or /image with a bag",
    ),
    "camera_info": (
        "",
        "topic of its intrinsics; empty: camera_info in the namespace, or /camera_info with a bag",
    ),
    "remap": (
        "",
        "remappings of input topics, such as "
        "roof/points:=/velodyne/points,front/image:=/cam0/image, "
        "and of TF in a namespace, such as /tf:=/robot1/tf,/tf_static:=/robot1/tf_static; "
        "empty: only those of the three arguments above",
    ),
    "namespace": ("", "namespace of the node"),
    "use_sim_time": ("", "true: take the time from /clock; empty: that of params_file"),
    "bag": ("", "folder of a bag, or a recorded file, to play to the node; empty: none"),
    "rviz": ("false", "true: start RViz"),
    "rviz_config": (share("rviz", "perception.rviz"), "configuration file of RViz"),
    "respawn": ("false", "true: start the node again when it ends"),
    "dds_profile": (
        "auto",
        "auto: use config/fastdds_shm.xml unless another profile is set; none: no profile",
    ),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def start(context):
    """Return the actions for the values of the arguments."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    for name in ("params_file", "rviz_config"):
        value[name] = value[name] or ARGUMENTS[name][0].perform(context)
    environment = dict(os.environ)
    if value["dds_profile"] == "auto":
        use_shared_memory_profile(environment)
    elif value["dds_profile"] == "none":
        environment[SWITCH] = "none"  # otherwise, node and player would set the profile
    else:
        raise ValueError(f"dds_profile: expected auto or none, got {value['dds_profile']!r}")
    added = {name: text for name, text in environment.items() if os.environ.get(name) != text}
    # A launch file that includes this one may have pushed a namespace.
    pushed = LaunchConfiguration("ros_namespace", default="").perform(context)
    namespace = os.path.join(pushed, value["namespace"]).strip("/")
    prefix = f"/{namespace}" if namespace else ""
    node = f"{prefix}/perception"
    texts = {name: value[name] for name in PARAMETERS if value[name]}
    chosen = {**(settings(value["params_file"], node) or {}), **texts}
    if (
        value["bag"]
        and not chosen.get("calibration")
        and chosen.get("extrinsics", "calibration") == "calibration"
    ):
        bag = Path(value["bag"])  # `bev-semseg bag` writes the file there
        texts["calibration"] = str(bag.parent if bag.is_file() else bag)
    names = {kind: names_of(value[kind], chosen.get(kind)) for kind in ("lidars", "cameras")}
    arrays = {kind: names[kind] for kind in names if value[kind]}
    # Strings, because launch_ros would otherwise parse a path as YAML, with " #" as a comment.
    overrides = {name: ParameterValue(text, value_type=str) for name, text in texts.items()}
    time = {"use_sim_time": yaml.safe_load(value["use_sim_time"])} if value["use_sim_time"] else {}
    common = {"additional_env": added, "output": "screen"}
    # The topics of a bag, and those in the configuration of RViz, are in no namespace.
    topics = {
        topic: value.get(topic) or (f"/{topic}" if value["bag"] else "")
        for topic in input_topics(names)
    }
    for topic in INPUTS:
        if value[topic] and topic not in topics:
            named = ", ".join(each for each in topics if each.endswith(f"/{topic}"))
            raise ValueError(
                f"{topic}: the sensors have names, and their topics are {named}; use remap, such "
                f"as remap:={named.split(', ')[0]}:={value[topic]}"
            )
    topics |= remapped(value["remap"], topics)
    actions = [
        Node(
            package=PACKAGE,
            executable="perception_node",
            name="perception",
            namespace=value["namespace"],
            parameters=[
                value["params_file"],
                *[given for given in (overrides, arrays, time) if given],
            ],
            remappings=[(old, new) for old, new in topics.items() if new],
            arguments=["--ros-args", "--log-level", value["log_level"]],
            respawn=yaml.safe_load(value["respawn"]),
            respawn_delay=2.0,
            **common,
        )
    ]
    if value["bag"]:
        program = PathJoinSubstitution([FindPackagePrefix(PACKAGE), "lib", PACKAGE, "bev-semseg"])
        # --for: RViz subscribes before the network is loaded, and the bag must wait for the node.
        actions.append(
            ExecuteProcess(
                cmd=[
                    program,
                    "play",
                    value["bag"],
                    "--clock",
                    "--for",
                    node,
                    "--wait",
                    "120",
                ],
                **common,
            )
        )
    # RViz is not in the namespace, but the relative topic names of the node are.
    shown = [
        ("/" + topic.lstrip("/"), os.path.join(f"{prefix}/", new or topic))
        for topic, new in topics.items()
    ]
    outputs = [*OUTPUTS, *of_sensors(names["cameras"], OUTPUTS_OF_A_CAMERA)]
    shown += [(f"/perception/{topic}", f"{prefix}/perception/{topic}") for topic in outputs]
    actions.append(
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            arguments=["-d", value["rviz_config"]],
            remappings=[(old, new) for old, new in shown if old != new],
            parameters=[time] if time else [],
            condition=IfCondition(LaunchConfiguration("rviz")),
            **common,
        )
    )
    return actions


def names_of(argument, setting):
    """Return the sensor names in an argument, or else in a parameter file; may be empty."""
    given = [name.strip() for name in argument.split(",") if name.strip()]
    return given or list(setting or [])


def of_sensors(names, topics):
    """Return the topics of each sensor, with its name; unchanged if the sensors have no names."""
    return [f"{name}/{topic}" for name in names for topic in topics] or list(topics)


def input_topics(names):
    """Return the node's input topics."""
    return [
        *of_sensors(names["lidars"], INPUTS[:1]),
        *of_sensors(names["cameras"], INPUTS[1:]),
        "odometry",
    ]


def remapped(argument, topics):
    """Parse the argument remap into: input topic of the node -> topic to subscribe to.

    Raises:
        ValueError: If the argument has another form, or names a topic that is not an input.
    """
    found = {}
    for rule in filter(None, (rule.strip() for rule in argument.split(","))):
        old, _, new = (part.strip() for part in rule.partition(":="))
        if old not in (*topics, *TF_TOPICS) or not new:
            raise ValueError(
                "remap: expected TOPIC:=NEW, where TOPIC is one of "
                f"{', '.join((*topics, *TF_TOPICS))}; got {rule!r}"
            )
        found[old] = new
    return found


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
