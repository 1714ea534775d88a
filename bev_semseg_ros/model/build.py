"""The only place where the parts of a network are chosen by name and assembled.

Each table holds the named choices of one part. A name with a colon, "module:Class", stands for a
user-defined class in an importable module. docs/extending.md shows an example of each part.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import POINT_ATTRIBUTES
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.model.bev_backbone import BevBackbone
from bev_semseg_ros.model.encoders.camera import CameraEncoder
from bev_semseg_ros.model.encoders.efficientnet import EfficientNetLite0
from bev_semseg_ros.model.encoders.lidar import LidarEncoder
from bev_semseg_ros.model.encoders.pillars import PillarEncoder
from bev_semseg_ros.model.encoders.points import PointEncoder
from bev_semseg_ros.model.encoders.range_view import RangeView
from bev_semseg_ros.model.encoders.residual import ResidualEncoder
from bev_semseg_ros.model.fusions.cross_attention import CrossAttentionFusion
from bev_semseg_ros.model.fusions.fusion import Fusion
from bev_semseg_ros.model.fusions.painted import PaintedFusion
from bev_semseg_ros.model.fusions.projective import ProjectiveFusion
from bev_semseg_ros.model.fusions.semantic_cross_attention import SemanticCrossAttentionFusion
from bev_semseg_ros.model.necks.deeplab import DeepLab
from bev_semseg_ros.model.necks.fpn import Fpn
from bev_semseg_ros.model.necks.neck import Neck
from bev_semseg_ros.model.necks.segformer_mlp import SegformerMlp
from bev_semseg_ros.model.necks.unet import Unet
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.model.tasks.bev_segmentation.task import BevSegmentationTask
from bev_semseg_ros.model.tasks.detection.task import DetectionTask
from bev_semseg_ros.model.tasks.point_segmentation.task import PointSegmentationTask
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask
from bev_semseg_ros.model.tasks.task import BRANCHES, NEEDS, Task

CAMERA_ENCODERS: dict[str, type[CameraEncoder]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "residual": ResidualEncoder,
}
LIDAR_ENCODERS: dict[str, type[LidarEncoder]] = {"pillars": PillarEncoder}
POINT_ENCODERS: dict[str, type[PointEncoder]] = {"range_view": RangeView, "none": PointEncoder}
NECKS: dict[str, type[Neck]] = {
    "fpn": Fpn,
    "unet": Unet,
    "deeplab": DeepLab,
    "segformer_mlp": SegformerMlp,
}
FUSIONS: dict[str, type[Fusion]] = {
    "projective": ProjectiveFusion,
    "painted": PaintedFusion,
    "cross_attention": CrossAttentionFusion,
    "semantic_cross_attention": SemanticCrossAttentionFusion,
    "none": Fusion,
}
TASKS: dict[str, type[Task]] = {
    "detection": DetectionTask,
    "segmentation": SegmentationTask,
    "point_segmentation": PointSegmentationTask,
    "bev_segmentation": BevSegmentationTask,
}

_Part = TypeVar("_Part")


def choose(setting: str, name: str, table: Mapping[str, type[_Part]], kind: type) -> type[_Part]:
    """Return the class of a named choice.

    Args:
        setting: name of the setting for error messages, such as "model.neck".
        name: a key of the table, or "module:Class".
        table: the named choices.
        kind: base class that a user-defined class must derive from. The module of the class is
            imported before this can be checked.

    Raises:
        ValueError: an unknown name (the message lists the known ones), a module that cannot be
            imported or lacks the class, or a class that does not derive from `kind`.
    """
    if name in table:
        return table[name]
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise ValueError(
            f"{setting}: unknown {name!r}, expected one of {', '.join(table)}, "
            "or module:Class of your own"
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing a user's module can raise anything
        raise ValueError(
            f"{setting}: {module_name!r} cannot be imported ({error}); correct the module, or, if "
            "it is not found, put its folder on PYTHONPATH"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ValueError(f"{setting}: the module {module_name!r} has no class {class_name!r}")
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"{setting}: {name!r} is not a class derived from {kind.__name__}")
    return cast("type[_Part]", found)


def point_attributes(config: Config) -> tuple[str, ...]:
    """Return the names of `frame.POINT_ATTRIBUTES` that a configuration's lidar encoder needs."""
    name = config.model.lidar_encoder
    return choose("model.lidar_encoder", name, LIDAR_ENCODERS, LidarEncoder).attributes


def whole_clouds(config: Config) -> bool:
    """Return True if a configuration's network also uses points outside the grid."""
    name = config.model.point_encoder
    return choose("model.point_encoder", name, POINT_ENCODERS, PointEncoder).whole_clouds


def task_needs(config: Config) -> frozenset[str]:
    """Return what at least one task of a configuration needs, see `Task.needs`."""
    kinds = (choose("model.tasks", name, TASKS, Task) for name in config.model.tasks)
    return frozenset().union(*(kind.needs for kind in kinds))


def build_tasks(config: Config, label_sets: Mapping[str, LabelSet] | None = None) -> list[Task]:
    """Return the tasks of a configuration.

    Args:
        config: names the tasks in `model.tasks` and their label sets in `labels`.
        label_sets: task -> label set of a checkpoint; they override those of the configuration.

    Raises:
        ValueError: an unknown task or label set, a task that is listed twice, labels for an unknown
            task, or an incomplete user-defined task.
    """
    tasks: list[Task] = []
    for name in config.model.tasks:
        kind = choose("model.tasks", name, TASKS, Task)
        _check_task(name, kind)
        if any(task.name == kind.name for task in tasks):
            raise ValueError(f"model.tasks: {kind.name!r} is listed twice")
        labels = (label_sets or {}).get(kind.name)
        if labels is None and kind.name in config.labels:
            try:
                labels = load_label_set(config.labels[kind.name])
            except ValueError as error:
                raise ValueError(f"labels.{kind.name}: {error}") from error
        tasks.append(kind(config, labels))
    known = {task.name for task in tasks} | set(TASKS)
    if unknown := sorted(set(config.labels) - known):
        raise ValueError(
            f"labels.{unknown[0]}: no such task, expected one of {', '.join(sorted(known))}"
        )
    return tasks


def _check_task(name: str, kind: type[Task]) -> None:
    """Refuse a user-defined task whose class attributes are missing or invalid.

    Raises:
        ValueError: names the attribute and the values that are expected.
    """
    if missing := [each for each in ("name", "view", "needs") if not hasattr(kind, each)]:
        raise ValueError(f"model.tasks: {name!r} has no class attribute {missing[0]!r}")
    if kind.view not in BRANCHES:
        raise ValueError(
            f"model.tasks: the view of {name!r} is {kind.view!r}, expected one of "
            f"{', '.join(BRANCHES)}"
        )
    if unknown := sorted(set(kind.needs) - set(NEEDS)):
        raise ValueError(
            f"model.tasks: {name!r} needs {unknown[0]!r}, expected some of {', '.join(NEEDS)}"
        )


def build_fusion(config: Config, camera_channels: Sequence[int], tasks: Sequence[Task]) -> Fusion:
    """Return the fusion of a configuration.

    Args:
        config: names the fusion in `model.fusion`.
        camera_channels: numbers of channels of C2..C5.
        tasks: tasks of the network.

    Raises:
        ValueError: an unknown fusion, or one that needs a task which the network does not have.
    """
    name = config.model.fusion
    fusion = choose("model.fusion", name, FUSIONS, Fusion)
    if not fusion.image_outputs:
        return fusion(config, camera_channels)
    given = {task.name: task for task in tasks if task.view == "image"}
    needed = dict.fromkeys(task for task, _ in fusion.image_outputs)
    for task in needed:
        if task not in given:
            raise ValueError(
                f"model.fusion: {name!r} uses what the task {task} predicts, and model.tasks has "
                f"{', '.join(each.name for each in tasks)}; add {task} or choose another fusion"
            )
    return fusion(config, camera_channels, {task: given[task] for task in needed})


def names_fusion(name: str, fusion: type[Fusion]) -> bool:
    """Return True if a name in `model.fusion` stands for this class. It imports nothing."""
    return FUSIONS.get(name) is fusion or name == f"{fusion.__module__}:{fusion.__name__}"


def build_network(config: Config, label_sets: Mapping[str, LabelSet] | None = None) -> Network:
    """Return the network of a configuration, with newly initialised weights.

    Args:
        config: names the parts.
        label_sets: task -> label set of a checkpoint; None: those of the configuration are loaded.

    Raises:
        ValueError: names the setting that is wrong and the values that are expected.
        FileNotFoundError: the file of a label set is missing.
    """
    model = config.model
    camera_encoder = choose(
        "model.camera_encoder", model.camera_encoder, CAMERA_ENCODERS, CameraEncoder
    )()
    neck_class = choose("model.neck", model.neck, NECKS, Neck)
    neck = neck_class(camera_encoder.channels, model.neck_channels)
    tasks = build_tasks(config, label_sets)
    fusion = build_fusion(config, camera_encoder.channels, tasks)
    lidar_class = choose("model.lidar_encoder", model.lidar_encoder, LIDAR_ENCODERS, LidarEncoder)
    point_encoder = choose(
        "model.point_encoder", model.point_encoder, POINT_ENCODERS, PointEncoder
    )(config)
    _check_point_features(config, tasks, point_encoder)
    point_channels = fusion.point_channels
    if model.point_features_to_bev:
        point_channels += point_encoder.channels
    if unknown := sorted(set(lidar_class.attributes) - set(POINT_ATTRIBUTES)):
        raise ValueError(
            f"model.lidar_encoder: {model.lidar_encoder!r} asks for the attribute {unknown[0]!r} "
            f"of points, expected some of {', '.join(POINT_ATTRIBUTES)}"
        )
    lidar_encoder = lidar_class(config.grid, point_channels, model.pillar_channels)
    backbone = BevBackbone(
        lidar_encoder.channels, model.bev_channels, model.bev_blocks, model.head_channels
    )
    return Network(
        camera_encoder,
        neck,
        fusion,
        lidar_encoder,
        backbone,
        tasks,
        point_encoder,
        model.point_features_to_bev,
    )


def _check_point_features(
    config: Config, tasks: Sequence[Task], point_encoder: PointEncoder
) -> None:
    """Refuse a network whose parts need features of points if no encoder gives them.

    Raises:
        ValueError: names the setting that needs them and what to set.
    """
    if point_encoder.channels:
        return
    remedy = f"model.point_encoder={next(iter(POINT_ENCODERS))}"
    for task in tasks:
        if task.view == "points":
            raise ValueError(f"model.tasks: {task.name} needs features of points: set {remedy}")
    if config.model.point_features_to_bev:
        raise ValueError(f"model.point_features_to_bev: points have no features: set {remedy}")
