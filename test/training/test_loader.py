"""The batches that are made of prepared frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import ROAD, SKY, TINY, RigDataset, TinyDataset, with_training
from support.prepared_frames import cache_of, first_batch, loader_of

from bev_semseg_ros.config import AugmentationConfig
from bev_semseg_ros.data.augmentation import drop_sensor
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.model.build import build_network, build_tasks
from bev_semseg_ros.training.cache import Cache, build, describe, open_cache
from bev_semseg_ros.training.loader import Loader


def test_an_epoch_shows_every_frame_once(tmp_path):
    loader = loader_of([cache_of(TinyDataset(6), tmp_path / "cache")])
    names = [name for batch in loader.batches(0) for name in batch.names]
    assert sorted(names) == [f"frame{i}" for i in range(6)]


def test_batches_depend_on_seed_and_epoch_alone(tmp_path):
    cache = cache_of(TinyDataset(), tmp_path / "cache")
    first, again, next_epoch = (list(loader_of([cache]).batches(epoch)) for epoch in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        assert (
            a.names == b.names
            and a.batch.images[0].equal(b.batch.images[0])
            and a.batch.points.equal(b.batch.points)
        )
    assert not first[0].batch.images[0].equal(next_epoch[0].batch.images[0])


def test_batches_have_the_size_of_the_crop(tmp_path):
    step = first_batch([cache_of(TinyDataset(), tmp_path / "cache")])
    assert tuple(step.batch.images[0].shape) == (2, 32, 64, 3)


def test_whole_images_are_grouped_by_size(tmp_path):
    caches = [
        cache_of(TinyDataset(3), tmp_path / "wide"),
        cache_of(TinyDataset(3, size=(128, 128)), tmp_path / "high"),
    ]
    steps = list(loader_of(caches, with_training(crop=(0, 0))).batches(0))
    shapes = {tuple(step.batch.images[0].shape[1:3]) for step in steps}
    assert (
        shapes == {shape for cache in caches for shape in cache.image_shapes(0)}
        and len(shapes) == 2
    )


@pytest.mark.parametrize(
    ("task", "fusion"), [("segmentation", "projective"), ("detection", "none")]
)
def test_what_a_task_does_not_need_is_left_out(tmp_path, task, fusion):
    config = with_training(replace(TINY, model=replace(TINY.model, fusion=fusion)), tasks=(task,))
    step = first_batch([cache_of(TinyDataset(), tmp_path / "cache")], config)
    assert bool(step.batch.has_points.any()) == (task == "detection")
    assert bool(step.batch.images) == (task == "segmentation")
    assert set(step.targets) == {task}


def test_frames_without_labels_for_the_task_are_left_out(tmp_path):
    loader = loader_of(
        [cache_of(TinyDataset(4, missing="mask"), tmp_path / "cache")],
        with_training(tasks=("segmentation",)),
    )
    assert len(loader.frames) == 2


def test_data_without_any_label_is_refused(tmp_path):
    class Unlabelled(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            return frame, replace(annotation, boxes=None, ignored=None)

    with pytest.raises(ValueError, match=r"none of 4 frames .*detection needs a cloud and boxes"):
        loader_of([cache_of(Unlabelled(), tmp_path / "cache")], with_training(tasks=("detection",)))


def test_a_frame_that_lost_its_lidar_demands_no_boxes(tmp_path):
    config = replace(TINY, augmentation=replace(TINY.augmentation, lidar_drop=1.0))
    step = first_batch([cache_of(TinyDataset(), tmp_path / "cache")], config)
    assert not step.batch.has_points.any() and set(step.targets) == {"segmentation"}


def test_without_points_only_boxes_in_the_image_are_demanded(tmp_path):
    """The car of the first frame is in the image, that of the second one is beside it."""

    class OneBeside(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            boxes = replace(annotation.boxes, centers=[[12.2, 12.2 * index, 0.8]])
            return replace(frame, lidars={}), replace(annotation, boxes=boxes)

    config = with_training(
        replace(TINY, model=replace(TINY.model, fusion="cross_attention")), crop=(0, 0)
    )
    quiet = AugmentationConfig(flip=0.0, rotation=0.0, scale=0.0, height=0.0)
    config = replace(config, augmentation=quiet)
    cache = cache_of(OneBeside(2), tmp_path / "cache", config)
    step = loader_of([cache], config).make_batch(np.arange(2), (0,))
    ((_, targets),) = step.targets["detection"]["heatmaps"].items()
    in_image, beside = targets["heatmap"].amax(dim=(1, 2, 3)).tolist()
    assert (in_image, beside) == (1, 0)
    assert targets["negative_weight"][1].min() == 0  # nor is it forbidden


def test_a_task_that_the_network_lacks_is_named(tmp_path):
    config = with_training(tasks=("driving",))
    with pytest.raises(ValueError, match=r"training\.tasks: 'driving'.*detection, segmentation"):
        loader_of([cache_of(TinyDataset(), tmp_path / "cache")], config)


def test_data_in_different_label_sets_make_one_batch(tmp_path):
    caches = [
        open_cache(path, TINY, tmp_path / "cache")
        for path in tiny_data.write_mixed(tmp_path / "data")
    ]
    config = with_training(
        replace(TINY, labels=TINY.labels | {"segmentation": "a2d2_38"}), batch_size=4
    )
    batch = first_batch(caches, config)
    masks = batch.targets["segmentation"]
    assert {labels.name for labels in masks} == {"a2d2_38", "driving_13"}
    assert sorted(len(part["frames"]) for part in masks.values()) == [2, 2]
    config = with_training(batch_size=4)
    masks = first_batch(caches, config).targets["segmentation"]
    assert [labels.name for labels in masks] == ["driving_13"]


def test_labels_that_cannot_meet_the_network_s_are_refused_with_both_names(tmp_path):
    labels = tmp_path / "own.yaml"
    labels.write_text("classes: {thing: {color: [1, 2, 3]}}")
    config = replace(TINY, labels=TINY.labels | {"segmentation": str(labels)})
    cache = cache_of(TinyDataset(), tmp_path / "cache")
    with pytest.raises(ValueError, match=r"driving_13 cannot train .*own.*coarser"):
        describe([cache], build_tasks(config))


def test_labels_that_do_not_meet_the_networks_are_refused_before_the_training(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("classes:\n  thing: {color: [1, 2, 3]}\n")
    build(TinyDataset(), TINY, tmp_path / "cache")
    config = replace(TINY, labels={"detection": "boxes_4", "segmentation": str(own)})
    with pytest.raises(ValueError, match="driving_13 cannot train or score a network of own"):
        Loader([Cache(tmp_path / "cache")], build_network(config), config)


def test_a_batch_has_the_images_of_all_cameras_and_each_its_own_mask(tmp_path):
    config = with_training(crop=(32, 32))
    cache = cache_of(RigDataset(), tmp_path / "cache", config)
    step = first_batch([cache], config)
    assert tuple(step.batch.images[0].shape) == (4, 32, 32, 3)
    assert [camera for _, camera in step.batch.image_keys] == ["camera", "left"] * 2
    ((_, targets),) = step.targets["segmentation"].items()
    assert targets["frames"].tolist() == [0, 1, 2, 3]
    assert set(targets["mask"][1].unique().tolist()) <= {SKY, MASK_IGNORED}
    assert ROAD in targets["mask"][0]


def test_whole_images_of_one_frame_that_differ_in_size_are_refused_with_the_remedy(tmp_path):
    caches = [cache_of(RigDataset(), tmp_path / "cache")]
    with pytest.raises(ValueError, match=r"frame0: its images differ in size; set training\.crop"):
        list(loader_of(caches, with_training(crop=(0, 0))).batches(0))


def test_now_and_then_one_of_several_cameras_is_lost_with_its_mask(tmp_path):
    example = cache_of(RigDataset(), tmp_path / "cache")[0]
    config = replace(TINY.augmentation, camera_drop=0.4)
    seen = set()
    for seed in range(60):
        found = drop_sensor(example, config, np.random.default_rng(seed))
        assert found.masks.keys() == found.sample.images.keys()
        seen.add(tuple(found.sample.images))
    assert seen == {(), ("camera",), ("left",), ("camera", "left")}
