"""Training batches of prepared frames."""

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
from bev_semseg_ros.training.cache import Cache, build, open_cache
from bev_semseg_ros.training.description import describe
from bev_semseg_ros.training.loader import Loader


def test_an_epoch_shows_every_frame_once(tmp_path):
    loader = loader_of([cache_of(TinyDataset(6), tmp_path / "cache")])
    names = [name for batch in loader.batches(0) for name in batch.names]
    assert sorted(names) == [f"frame{i}" for i in range(6)]


def test_the_frames_that_fill_no_batch_differ_between_epochs(tmp_path):
    loader = loader_of([cache_of(TinyDataset(5), tmp_path / "cache")])
    seen = set()
    for epoch in range(20):
        batches = loader.order(epoch)
        frames = np.concatenate(batches).tolist()
        assert [len(batch) for batch in batches] == [2, 2] and len(set(frames)) == 4
        seen.add(tuple(sorted(frames)))
    assert len(seen) == 5


def test_too_few_frames_for_a_batch_make_a_smaller_one(tmp_path):
    loader = loader_of([cache_of(TinyDataset(3), tmp_path / "cache")], with_training(batch_size=4))
    assert [len(batch.names) for batch in loader.batches(0)] == [3]
    assert loader.steps_per_epoch == 1


def test_the_order_differs_between_epochs_and_between_seeds(tmp_path):
    cache = cache_of(TinyDataset(8), tmp_path / "cache")
    orders = set()
    for seed in (1, 2):
        loader = loader_of([cache], replace(TINY, seed=seed))
        orders |= {str(loader.order(epoch)) for epoch in range(3)}
    assert len(orders) == 6


def test_identical_frames_are_augmented_differently_within_an_epoch_and_between_seeds(tmp_path):
    class Alike(TinyDataset):
        def __getitem__(self, index):
            return super().__getitem__(0)

    cache = cache_of(Alike(3), tmp_path / "cache")
    varied = set()
    for seed in (1, 2):
        config = with_training(replace(TINY, seed=seed), batch_size=1)
        batches = loader_of([cache], config).batches(0)
        varied |= {batch.batch.image_from_ego.numpy().tobytes() for batch in batches}
    assert len(varied) == 6


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


def test_batches_of_whole_images_of_different_sizes_come_in_mixed_order(tmp_path):
    caches = [
        cache_of(TinyDataset(6), tmp_path / "wide"),
        cache_of(TinyDataset(6, size=(128, 128)), tmp_path / "high"),
    ]
    loader = loader_of(caches, with_training(crop=(0, 0)))
    # Frames 0 to 5 are wide. Batches of both sizes are among the first three of six.
    mixed = [len({int(batch[0]) < 6 for batch in loader.order(e)[:3]}) == 2 for e in range(10)]
    assert sum(mixed) > 5


@pytest.mark.parametrize(
    ("task", "fusion", "sensors"),
    [
        ("segmentation", "projective", {"camera"}),
        ("detection", "none", {"lidar"}),
        ("detection", "projective", {"camera", "lidar"}),
    ],
)
def test_a_batch_has_only_the_sensors_and_targets_of_the_trained_tasks(
    tmp_path, task, fusion, sensors
):
    config = with_training(replace(TINY, model=replace(TINY.model, fusion=fusion)), tasks=(task,))
    loader = loader_of([cache_of(TinyDataset(), tmp_path / "cache")], config)
    step = next(loader.batches(0))
    assert bool(step.batch.has_points.any()) == ("lidar" in sensors)
    assert bool(step.batch.images) == loader.uses_camera == ("camera" in sensors)
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


def test_a_frame_that_lost_its_lidar_has_no_box_targets(tmp_path):
    config = replace(TINY, augmentation=replace(TINY.augmentation, lidar_drop=1.0))
    step = first_batch([cache_of(TinyDataset(), tmp_path / "cache")], config)
    assert not step.batch.has_points.any() and set(step.targets) == {"segmentation"}


def test_without_points_boxes_outside_the_image_are_ignored(tmp_path):
    """In three frames, the car is in the image, beside it, and in the image but ignored."""

    class OneBeside(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            boxes = replace(annotation.boxes, centers=[[12.2, 12.2 * (index == 1), 0.8]])
            ignored = np.array([index == 2])
            return replace(frame, lidars={}), replace(annotation, boxes=boxes, ignored=ignored)

    config = with_training(
        replace(TINY, model=replace(TINY.model, fusion="cross_attention")), crop=(0, 0)
    )
    quiet = AugmentationConfig(flip=0.0, rotation=0.0, scale=0.0, height=0.0)
    config = replace(config, augmentation=quiet)
    cache = cache_of(OneBeside(3), tmp_path / "cache", config)
    step = loader_of([cache], config).make_batch(np.arange(3), (0,))
    ((_, targets),) = step.targets["detection"]["heatmaps"].items()
    assert targets["heatmap"].amax(dim=(1, 2, 3)).tolist() == [1, 0, 0]
    # Nor do predictions of the other two count as false.
    assert targets["negative_weight"].amin(dim=(1, 2)).tolist() == [1, 0, 0]


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


def test_describing_data_with_unrelated_labels_is_refused_with_both_names(tmp_path):
    labels = tmp_path / "own.yaml"
    labels.write_text("classes: {thing: {color: [1, 2, 3]}}")
    config = replace(TINY, labels=TINY.labels | {"segmentation": str(labels)})
    cache = cache_of(TinyDataset(), tmp_path / "cache")
    with pytest.raises(ValueError, match=r"driving_13 cannot train .*own.*coarser"):
        describe([cache], build_tasks(config))


def test_data_with_unrelated_labels_are_refused_before_the_training(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("classes:\n  thing: {color: [1, 2, 3]}\n")
    build(TinyDataset(), TINY, tmp_path / "cache")
    config = replace(TINY, labels={"detection": "boxes_4", "segmentation": str(own)})
    with pytest.raises(ValueError, match="driving_13 cannot train or score a network of own"):
        Loader([Cache(tmp_path / "cache")], build_network(config), config)


def test_a_batch_has_the_images_of_all_cameras_each_with_its_own_mask(tmp_path):
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


def test_image_sizes_do_not_matter_if_no_trained_task_uses_images(tmp_path):
    model = replace(TINY.model, fusion="none")
    config = with_training(replace(TINY, model=model), tasks=("detection",), crop=(0, 0))
    step = first_batch([cache_of(RigDataset(), tmp_path / "cache")], config)
    assert len(step.names) == 2 and set(step.targets) == {"detection"}


def test_augmentation_drops_some_of_several_cameras_with_their_masks(tmp_path):
    example = cache_of(RigDataset(), tmp_path / "cache")[0]
    config = replace(TINY.augmentation, camera_drop=0.4)
    seen = set()
    for seed in range(60):
        found = drop_sensor(example, config, np.random.default_rng(seed))
        assert found.masks.keys() == found.sample.images.keys()
        seen.add(tuple(found.sample.images))
    assert seen == {(), ("camera",), ("left",), ("camera", "left")}
