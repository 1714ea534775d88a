"""Checkpoints load as they were saved, and those that do not fit are refused with a remedy."""

from __future__ import annotations

import pickle
import resource
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from bev_semseg_ros.config import Config, with_settings
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask

BASE = Config(name="small")
CONFIG = replace(BASE, model=replace(BASE.model, camera_encoder="residual"))


class LaneTask(SegmentationTask):
    """A user-defined task with a label set of its own."""

    name = "lanes"
    counts_key = "lane_pixels"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(CONFIG)


def tampered(path, **changes):
    torch.save(torch.load(path, weights_only=True) | changes, path)


def test_a_saved_checkpoint_loads_unchanged(network, tmp_path):
    checkpoint.save(
        tmp_path / "new" / "a.pt", network, CONFIG, {"beams": 64, "median": np.float32(0.25)}
    )
    loaded = checkpoint.load(tmp_path / "new" / "a.pt")
    assert loaded.config == CONFIG and loaded.info == {"beams": 64, "median": 0.25}
    assert set(loaded.label_sets) == {"detection", "segmentation"}
    built = loaded.build().state_dict()
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.weights[key], value) and torch.equal(built[key], value)


def test_half_stores_weights_in_float16_and_statistics_in_float32(network, tmp_path):
    with torch.no_grad():
        network.bev.heads.detection.hidden[1].running_var.fill_(1e6)  # beyond float16
    checkpoint.save(tmp_path / "full.pt", network, CONFIG, {})
    checkpoint.save(tmp_path / "half.pt", network, CONFIG, {}, half=True)
    weights = checkpoint.load(tmp_path / "half.pt").weights
    assert (tmp_path / "half.pt").stat().st_size < 0.55 * (tmp_path / "full.pt").stat().st_size
    assert weights["bev.heads.detection.hidden.1.running_var"].unique().tolist() == [1e6]
    hidden = network.bev.heads.detection.hidden[0].weight
    assert torch.allclose(weights["bev.heads.detection.hidden.0.weight"], hidden, atol=1e-3)


UNUSED = {
    "points alone": (
        ["model.tasks=[point_segmentation]", "model.point_encoder=range_view", "model.fusion=none"],
        ("camera.", "lidar_encoder.", "bev."),
    ),
    "points alone, with a fusion for boxes": (
        ["model.tasks=[point_segmentation]", "model.point_encoder=range_view"],
        ("camera.", "lidar_encoder.", "bev."),
    ),
    "masks alone": (
        ["model.tasks=[segmentation]", "model.fusion=none"],
        ("lidar_encoder.", "bev."),
    ),
    "boxes without images": (["model.tasks=[detection]", "model.fusion=none"], ("camera.",)),
}


@pytest.mark.parametrize(("settings", "unused"), UNUSED.values(), ids=UNUSED)
def test_parts_that_never_run_are_not_saved(tmp_path, settings, unused):
    config = with_settings(CONFIG, settings)
    network = build_network(config)
    checkpoint.save(tmp_path / "a.pt", network, config, {})
    loaded = checkpoint.load(tmp_path / "a.pt")
    saved, everything = loaded.weights, network.state_dict()
    assert set(saved) == {key for key in everything if not key.startswith(unused)}
    built = loaded.build().state_dict()
    assert all(torch.equal(built[key], everything[key]) for key in saved)


@pytest.mark.parametrize("name", ["boxes without images", "points alone, with a fusion for boxes"])
def test_a_checkpoint_may_hold_parts_that_never_run(tmp_path, name):
    config = with_settings(CONFIG, UNUSED[name][0])
    network = build_network(config)
    labels = {task.name: task.labels for task in network.tasks}
    weights = {key: value.contiguous() for key, value in network.state_dict().items()}
    checkpoint.write(tmp_path / "former.pt", config, labels, weights, {})
    former = checkpoint.load(tmp_path / "former.pt")
    built = former.build().state_dict()
    assert all(torch.equal(built[key], value) for key, value in weights.items())
    assert set(checkpoint.mean_weights(network, former, 0.5)) == set(network.used_weights())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        checkpoint.load(tmp_path / "none.pt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_named(network, tmp_path, share):
    path = tmp_path / "cut.pt"
    checkpoint.save(path, network, CONFIG, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.pt"):
        checkpoint.load(path)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "text.pt").write_text("no checkpoint at all")
    with pytest.raises(ValueError, match=r"text\.pt"):
        checkpoint.load(tmp_path / "text.pt")


def repacked(path, compression=zipfile.ZIP_STORED, **members):
    """Repack the archive of a checkpoint with some of its members replaced."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(
                name, members.get(name.rpartition("/")[2].removesuffix(".pkl"), content)
            )


@pytest.mark.parametrize(
    "content", [b"0", b"\x80\x02].", b"\x85R.", b"\x80\x02(t\x86R.", b"\x80\x02h\x00."]
)
def test_a_file_that_unpickles_to_nonsense_is_named(tmp_path, content):
    torch.save({}, tmp_path / "odd.pt")
    repacked(tmp_path / "odd.pt", data=content)
    with pytest.raises(ValueError, match=r"odd\.pt"):
        checkpoint.load(tmp_path / "odd.pt")


def test_a_small_file_cannot_claim_to_be_a_huge_checkpoint(network, tmp_path):
    checkpoint.save(tmp_path / "packed.pt", network, CONFIG, {})
    repacked(tmp_path / "packed.pt", zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"packed\.pt: .*compressed"):
        checkpoint.load(tmp_path / "packed.pt")
    checkpoint.save(tmp_path / "spread.pt", network, CONFIG, {})
    tampered(tmp_path / "spread.pt", weights={"bev": torch.zeros(1).expand(100_000, 100_000)})
    with pytest.raises(ValueError, match=r"spread\.pt: damaged: bev"):
        checkpoint.load(tmp_path / "spread.pt")


class Planted:
    def __reduce__(self):
        return open, ("planted.txt", "w")


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))]
)
def test_pickled_objects_are_never_loaded(tmp_path, monkeypatch, save):
    monkeypatch.chdir(tmp_path)
    save({"format": checkpoint.FORMAT, "weights": Planted()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt"):
        checkpoint.load(tmp_path / "evil.pt")
    assert not (tmp_path / "planted.txt").exists()


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"format": "something/7"}, "something/7"),
        ({"format": "bev_semseg_ros/3"}, "bev_semseg_ros/3; it comes from another version.*use"),
        ({"format": None}, "expected a checkpoint of format bev_semseg_ros/2, found None"),
        ({"label_sets": {"segmentation": {"name": "a"}}}, "damaged label set"),
        ({"label_sets": {"segmentation": 3}}, "damaged label set"),
        ({"label_sets": None}, "damaged: label_sets"),
        ({"image_mean": 0.1}, "normalisation"),
        ({"config": {"grid": {"cells": 3}}}, r"grid\.cells"),
        ({"weights": None}, "damaged: weights"),
        ({"weights": {"bev": 3}}, "damaged: bev"),
        ({"info": None}, "info"),
        ({"image_std": None}, "image_std"),
    ],
)
def test_an_incompatible_checkpoint_is_refused_with_the_reason(network, tmp_path, changes, reason):
    path = tmp_path / "other.pt"
    checkpoint.save(path, network, CONFIG, {})
    tampered(path, **changes)
    with pytest.raises(ValueError, match=rf"other\.pt.*{reason}"):
        checkpoint.load(path)


def changed_weight(weights):
    weights["bev.heads.detection.heatmap.bias"] = torch.zeros(7)


def missing_weight(weights):
    del weights["bev.heads.detection.heatmap.bias"]


def unknown_weight(weights):
    weights["bev.heads.detection.heatmap.bias_of_old"] = torch.zeros(7)


@pytest.mark.parametrize("change", [changed_weight, missing_weight, unknown_weight])
def test_weights_that_do_not_fit_are_named(network, tmp_path, change):
    path = tmp_path / "a.pt"
    checkpoint.save(path, network, CONFIG, {})
    weights = dict(checkpoint.load(path).weights)
    change(weights)
    tampered(path, weights=weights)
    with pytest.raises(ValueError, match=r"a\.pt.*bev\.heads\.detection\.heatmap\.bias"):
        checkpoint.load(path).build()


def test_an_unknown_part_of_the_network_is_named_with_the_file(network, tmp_path):
    path = tmp_path / "a.pt"
    checkpoint.save(path, network, CONFIG, {})
    values = torch.load(path, weights_only=True)["config"]
    tampered(path, config=values | {"model": values["model"] | {"neck": "ladder"}})
    with pytest.raises(ValueError, match=r"a\.pt: model\.neck: unknown 'ladder'"):
        checkpoint.load(path).build()


def test_the_label_sets_are_stored_with_the_weights(tmp_path):
    config = replace(CONFIG, labels={"detection": "a2d2_boxes", "segmentation": "a2d2_38"})
    checkpoint.save(tmp_path / "a.pt", build_network(config), config, {})
    loaded = checkpoint.load(tmp_path / "a.pt")
    for task, name in config.labels.items():
        assert loaded.label_sets[task].to_dict() == load_label_set(name).to_dict()
    network = loaded.build()
    assert loaded.weights["camera.heads.segmentation.logits.bias"].shape == (38,)
    assert [task.labels.name for task in network.tasks] == ["a2d2_boxes", "a2d2_38"]


def test_a_stored_label_set_gets_the_mappings_that_were_added_since(network, tmp_path):
    path = tmp_path / "old.pt"
    checkpoint.save(path, network, CONFIG, {})
    shipped = load_label_set("driving_13")
    assert shipped.coarser
    old = {"segmentation": shipped.to_dict() | {"coarser": {}}}
    tampered(path, label_sets=old | {"detection": load_label_set("boxes_4").to_dict()})
    assert checkpoint.load(path).label_sets["segmentation"] == shipped


def test_a_checkpoint_does_not_need_the_file_of_its_label_set(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "classes:\n  free: {color: [1, 2, 3]}\n  wall: {color: [4, 5, 6]}\n"
        "coarser: {groups_6: {road: [free], building: [wall]}}\n"
    )
    config = replace(CONFIG, labels=CONFIG.labels | {"segmentation": str(file)})
    checkpoint.save(tmp_path / "a.pt", build_network(config), config, {})
    former = load_label_set(file)
    file.unlink()
    loaded = checkpoint.load(tmp_path / "a.pt")
    labels = loaded.label_sets["segmentation"]
    assert isinstance(labels, LabelSet) and labels == former
    assert labels.to_dict() == former.to_dict()
    assert labels.mapping_to(load_label_set("groups_6")).tolist() == [0, 4]
    assert loaded.build().tasks[1].labels == former


def test_tasks_of_the_user_are_kept_and_removed_by_their_names(tmp_path):
    file = tmp_path / "lane_set.yaml"
    file.write_text("classes:\n  lane: {color: [1, 2, 3]}\n  other: {color: [4, 5, 6]}\n")
    setting = f"{LaneTask.__module__}:{LaneTask.__name__}"
    config = replace(
        CONFIG,
        labels=CONFIG.labels | {"lanes": str(file)},
        model=replace(CONFIG.model, tasks=("detection", "segmentation", setting)),
        training=replace(CONFIG.training, tasks=("detection", "lanes")),
    )
    info = {"tasks": ["detection", "lanes"]}
    checkpoint.save(tmp_path / "whole.pt", build_network(config), config, info)
    whole = checkpoint.load(tmp_path / "whole.pt")
    file.unlink()
    for names, trained in ((["detection", "segmentation"], ["detection"]), (["lanes"], ["lanes"])):
        part = whole.with_tasks(names)
        checkpoint.save(tmp_path / "part.pt", part.build(), part.config, part.info)
        loaded = checkpoint.load(tmp_path / "part.pt")
        assert [task.name for task in loaded.build().tasks] == names
        assert loaded.label_sets == {name: whole.label_sets[name] for name in names}
        assert loaded.info["tasks"] == list(loaded.config.training.tasks) == trained


def test_the_point_encoder_is_kept_only_if_something_uses_it(tmp_path):
    settings = ["model.point_encoder=range_view", "model.tasks=[detection,point_segmentation]"]
    for feeds_bev in (False, True):
        config = with_settings(CONFIG, [*settings, f"model.point_features_to_bev={feeds_bev}"])
        checkpoint.save(tmp_path / "a.pt", build_network(config), config, {})
        boxes = checkpoint.load(tmp_path / "a.pt").with_tasks(["detection"])
        assert any(key.startswith("point_encoder.") for key in boxes.weights) == feeds_bev
        assert boxes.build().point_encoder.whole_clouds == feeds_bev


@pytest.mark.parametrize("fusion", ["projective", "painted", "semantic_cross_attention"])
def test_classes_of_points_without_the_other_tasks_need_no_camera_branch(tmp_path, fusion):
    settings = [
        "model.tasks=[detection,segmentation,point_segmentation]",
        "model.point_encoder=range_view",
        f"model.fusion={fusion}",
    ]
    config = with_settings(CONFIG, settings)
    checkpoint.save(tmp_path / "a.pt", build_network(config), config, {})
    whole = checkpoint.load(tmp_path / "a.pt")
    points = whole.with_tasks(["point_segmentation"])
    assert {key.partition(".")[0] for key in points.weights} == {"point_encoder", "points"}
    assert all(torch.equal(value, whole.weights[key]) for key, value in points.weights.items())
    assert not points.build().uses_images
    for task, branches in (("detection", {"camera", "bev"}), ("segmentation", {"camera"})):
        if fusion == "projective" or task == "segmentation":
            kept = whole.with_tasks([task])
            assert branches <= {key.partition(".")[0] for key in kept.weights}
            assert kept.build().uses_images


def test_training_resumes_from_a_training_state_and_not_from_weights_alone(network, tmp_path):
    checkpoint.save(tmp_path / "run.pt", network, CONFIG, {}, training={"step": 7})
    checkpoint.save(tmp_path / "weights.pt", network, CONFIG, {})
    assert checkpoint.load(tmp_path / "run.pt").training_state() == {"step": 7}
    with pytest.raises(ValueError, match=r"weights\.pt.*--init"):
        checkpoint.load(tmp_path / "weights.pt").training_state()


def test_a_failed_save_leaves_the_old_checkpoint(network, tmp_path):
    path = tmp_path / "a.pt"
    checkpoint.save(path, network, CONFIG, {"epoch": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoint.save(path, network, CONFIG, {"epoch": 2}, training={"bad": lambda: None})
    assert checkpoint.load(path).info == {"epoch": 1} and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_named_and_leaves_the_old_checkpoint(network, tmp_path):
    path = tmp_path / "a.pt"
    checkpoint.save(path, network, CONFIG, {"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match=r"a\.pt: cannot be written \(.*space"):
            checkpoint.save(path, network, CONFIG, {"epoch": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoint.load(path).info == {"epoch": 1} and len(list(tmp_path.iterdir())) == 1
