"""Parts of the network are chosen by name."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import pytest
import torch
from support.samples import run, sample, small_config
from torch import nn

from bev_semseg_ros.config import Config, with_settings
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model import build
from bev_semseg_ros.model.build import build_network, build_tasks, choose, point_attributes
from bev_semseg_ros.model.encoders.pillars import PillarEncoder
from bev_semseg_ros.model.encoders.residual import ResidualEncoder
from bev_semseg_ros.model.fusions.fusion import Fusion
from bev_semseg_ros.model.necks.fpn import Fpn
from bev_semseg_ros.model.necks.neck import Neck
from bev_semseg_ros.model.network import run_heads
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask
from bev_semseg_ros.model.tasks.task import Head, Task


class OwnNeck(Fpn):
    """A user-defined neck."""


class OwnTask(SegmentationTask):
    """A second segmentation."""

    name = "surface"


class OwnFusion(Fusion):
    """A fusion that does not use the outputs of image heads."""

    uses_image = True

    def __init__(self, config, camera_channels):
        super().__init__(config, camera_channels)
        self._inputs, self.point_channels = config.model.neck_channels, 2

    def image_part(self):
        return OwnImagePart(self._inputs, self.point_channels)

    def point_features(self, image_maps, batch):
        mean = image_maps[0].mean((0, 1, 2)) if image_maps else torch.zeros(2)
        return mean.expand(len(batch.points), -1)


class OwnImagePart(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features, p2):
        return self.narrow(p2).permute(0, 2, 3, 1)


class FusionOfDepth(OwnFusion):
    """A fusion that uses an output that no head has."""

    image_outputs = (("segmentation", "depth"),)

    def __init__(self, config, camera_channels, tasks):
        super().__init__(config, camera_channels)
        assert list(tasks) == ["segmentation"]


@pytest.fixture
def own_module(monkeypatch):
    """Make an importable module with the classes above, a function and a number."""
    module = types.ModuleType("parts_of_a_test")
    module.OwnNeck, module.OwnTask = OwnNeck, OwnTask
    module.OwnFusion, module.FusionOfDepth = OwnFusion, FusionOfDepth
    module.function, module.number = len, 7
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


SETTINGS = [
    ("camera_encoder", build.CAMERA_ENCODERS),
    ("lidar_encoder", build.LIDAR_ENCODERS),
    ("neck", build.NECKS),
    ("fusion", build.FUSIONS),
]


@pytest.mark.parametrize("setting, table", SETTINGS, ids=[name for name, _ in SETTINGS])
def test_an_unknown_part_is_refused_with_its_setting_and_the_known_names(setting, table):
    with pytest.raises(ValueError, match=rf"model\.{setting}: unknown 'magic'") as error:
        build_network(small_config(**{setting: "magic"}))
    assert all(name in str(error.value) for name in table)


def test_an_unknown_task_is_refused_with_its_setting_and_the_known_names():
    with pytest.raises(ValueError, match=r"model\.tasks: unknown 'depth'.*detection, segmentation"):
        build_network(small_config(tasks=("segmentation", "depth")))


def test_an_unknown_label_set_is_refused_with_its_setting_and_the_known_names():
    with pytest.raises(ValueError, match=r"labels\.segmentation: .*'cityscapes'.*driving_13"):
        build_network(small_config({"segmentation": "cityscapes"}))


def test_a_task_that_is_listed_twice_is_refused():
    with pytest.raises(ValueError, match=r"model\.tasks: 'detection' is listed twice"):
        build_network(small_config(tasks=("detection", "detection")))


def test_labels_of_a_task_that_does_not_exist_are_refused():
    config = Config(labels=Config().labels | {"depth": "driving_13"})
    with pytest.raises(ValueError, match=r"labels\.depth: no such task, expected one of bev_seg"):
        build_tasks(config)


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_a_task_without_its_label_set_is_refused(task):
    labels = {name: value for name, value in Config().labels.items() if name != task}
    with pytest.raises(ValueError, match=rf"labels\.{task}: .*needs a label set"):
        build_tasks(replace(Config(), labels=labels))


def test_label_sets_of_tasks_that_the_network_lacks_do_no_harm():
    assert [task.name for task in build_tasks(small_config(tasks=("detection",)))] == ["detection"]


def test_a_user_defined_class_is_accepted(own_module):
    model = build_network(small_config(neck=f"{own_module}:OwnNeck"))
    assert type(model.camera.neck) is OwnNeck


def test_a_user_defined_task_is_added_to_the_others_with_its_own_label_set(own_module):
    tasks = ("detection", "segmentation", f"{own_module}:OwnTask")
    tasks = build_tasks(small_config({"surface": "groups_6"}, tasks=tasks))
    assert {task.name: task.labels.name for task in tasks} == {
        "detection": "boxes_4",
        "segmentation": "driving_13",
        "surface": "groups_6",
    }


def test_a_user_defined_fusion_that_uses_no_outputs_of_heads_is_accepted(own_module):
    model = build_network(small_config(fusion=f"{own_module}:OwnFusion")).eval()
    assert set(run(model, sample())) == {"detection", "segmentation"}


@pytest.mark.parametrize("fusion", ["painted", "semantic_cross_attention"])
def test_a_fusion_that_uses_a_task_which_the_network_lacks_is_refused(fusion):
    message = rf"model\.fusion: '{fusion}' uses what the task segmentation predicts, "
    message += r"and model\.tasks has detection; add segmentation or choose another fusion"
    with pytest.raises(ValueError, match=message):
        build_network(small_config(fusion=fusion, tasks=("detection",)))


def test_channels_that_the_attention_heads_cannot_divide_equally_are_refused():
    config = with_settings(Config(), ["model.fusion=cross_attention", "model.neck_channels=50"])
    with pytest.raises(ValueError, match=r"model\.neck_channels: .* multiple of 4, got 50"):
        build_network(config)


def test_a_fusion_that_uses_an_output_which_no_head_gives_is_refused(own_module):
    message = r"model\.fusion: FusionOfDepth uses the output 'depth' of the task segmentation"
    with pytest.raises(ValueError, match=rf"{message}, and the heads give segmentation\.logits"):
        build_network(small_config(fusion=f"{own_module}:FusionOfDepth"))


@pytest.mark.parametrize("name", ["OwnTask", "function", "number"])
def test_a_class_of_another_kind_is_refused(own_module, name):
    with pytest.raises(ValueError, match=r"model\.neck: .* is not a class derived from Neck"):
        build_network(small_config(neck=f"{own_module}:{name}"))


@pytest.mark.parametrize("name", ["ownNeck", ""])
def test_a_class_that_its_module_does_not_have_is_named(own_module, name):
    message = rf"model\.neck: the module '{own_module}' has no class '{name}'"
    with pytest.raises(ValueError, match=message):
        build_network(small_config(neck=f"{own_module}:{name}"))


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("view", "images", "view of '.*' is 'images', expected one of image, bev, points"),
        ("needs", frozenset({"point"}), "needs 'point', expected some of points, image, boxes"),
    ],
)
def test_a_task_with_a_misspelt_attribute_is_refused(
    own_module, monkeypatch, attribute, value, message
):
    monkeypatch.setattr(OwnTask, attribute, value)
    with pytest.raises(ValueError, match=rf"model\.tasks: .*{message}"):
        build_network(small_config(tasks=(f"{own_module}:OwnTask",)))


def test_a_task_without_a_name_is_refused(own_module, monkeypatch):
    monkeypatch.setattr(sys.modules[own_module], "Nameless", type("Nameless", (Task,), {}), False)
    with pytest.raises(ValueError, match=r"model\.tasks: '.*' has no class attribute 'name'"):
        build_network(small_config(tasks=(f"{own_module}:Nameless",)))


def test_a_lidar_encoder_that_asks_for_an_unknown_attribute_of_points_is_refused(
    own_module, monkeypatch
):
    encoder = type("Timed", (PillarEncoder,), {"attributes": ("times",)})
    monkeypatch.setattr(sys.modules[own_module], "Timed", encoder, False)
    message = r"model\.lidar_encoder: .* attribute 'times' of points, expected some of ring, time"
    with pytest.raises(ValueError, match=message):
        build_network(small_config(lidar_encoder=f"{own_module}:Timed"))


def test_a_fusion_with_an_image_part_but_without_uses_image_is_refused(own_module, monkeypatch):
    monkeypatch.setattr(OwnFusion, "uses_image", False)
    with pytest.raises(ValueError, match=r"model\.fusion: OwnFusion .* set .* uses_image to True"):
        build_network(small_config(fusion=f"{own_module}:OwnFusion"))


@pytest.mark.parametrize("channels", [(8, 8), (8,), ()])
def test_a_head_that_returns_other_outputs_than_it_names_is_refused(channels):
    class OtherHead(Head):
        outputs = ("a", "b", "c")

        def forward(self, x):
            return tuple(x[:, :count] for count in channels) or x

    expected = f"a tuple of {len(channels)}" if channels else "no tuple"
    message = f"task own: OtherHead.forward returns {expected}, expected .* 3 .*: a, b, c"
    with pytest.raises(ValueError, match=message):
        run_heads(nn.ModuleDict({"own": OtherHead()}), torch.zeros(3, 8, 4, 4))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_neck_that_returns_a_map_of_another_size_is_refused(own_module, monkeypatch, scale):
    class Scaled(Fpn):
        def forward(self, features):
            return nn.functional.interpolate(super().forward(features), scale_factor=scale)

    monkeypatch.setattr(sys.modules[own_module], "Scaled", Scaled, False)
    model = build_network(small_config(neck=f"{own_module}:Scaled")).eval()
    with pytest.raises(ValueError, match=r"model\.neck: the class returns maps of the shapes"):
        run(model, sample())


def test_a_camera_encoder_that_returns_too_few_maps_is_refused(own_module, monkeypatch):
    class Short(ResidualEncoder):
        def forward(self, image):
            return super().forward(image)[:3]

    monkeypatch.setattr(sys.modules[own_module], "Short", Short, False)
    model = build_network(small_config(camera_encoder=f"{own_module}:Short")).eval()
    with pytest.raises(ValueError, match=r"model\.camera_encoder: the class returns maps"):
        run(model, sample())


@pytest.mark.parametrize("name", ["os:system", "builtins:eval", "subprocess:Popen"])
def test_objects_of_other_modules_are_never_called(name):
    with pytest.raises(ValueError, match="is not a class derived from"):
        choose("model.neck", name, build.NECKS, Neck)


@pytest.mark.parametrize("name", ["no_such_module:Neck", ":Neck", ".neck:Neck", "a..b:Neck"])
def test_a_module_that_cannot_be_imported_is_named(name):
    with pytest.raises(ValueError, match=r"model\.neck: .* cannot be imported.*PYTHONPATH"):
        choose("model.neck", name, build.NECKS, Neck)


def test_a_known_name_gives_its_class():
    table = build.CAMERA_ENCODERS
    assert choose("model.camera_encoder", "residual", table, ResidualEncoder) is ResidualEncoder


def test_the_point_attributes_of_the_lidar_encoder_are_available_without_a_network():
    assert point_attributes(Config()) == ()
    with pytest.raises(ValueError, match=r"model\.lidar_encoder"):
        point_attributes(small_config(lidar_encoder="magic"))


def test_label_sets_of_a_checkpoint_make_their_file_unnecessary(tmp_path):
    config = small_config({"segmentation": str(tmp_path / "gone.yaml")})
    with pytest.raises(FileNotFoundError, match=r"gone\.yaml"):
        build_tasks(config)
    tasks = build_tasks(config, {"segmentation": load_label_set("camvid_11")})
    assert tasks[1].labels.name == "camvid_11"
