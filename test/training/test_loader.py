"""Prepared frames and the batches made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import SKY, TINY, TinyDataset, with_training

from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.training.cache import Cache, build, describe, open_cache
from bev_semseg_ros.training.loader import Loader


def cache_of(dataset: TinyDataset, folder: Path) -> Cache:
    build(dataset, TINY, folder)
    return Cache(folder)


def test_cache_gives_back_what_preparation_makes(tmp_path):
    dataset = TinyDataset()
    cache = cache_of(dataset, tmp_path / "cache")
    assert len(cache) == len(dataset)
    for index in range(len(dataset)):
        frame, annotation = dataset[index]
        sample, example = prepare(frame, TINY), cache[index]
        np.testing.assert_array_equal(example.sample.points, sample.points)
        np.testing.assert_array_equal(example.sample.image, sample.image)
        np.testing.assert_array_equal(example.mask, annotation.mask)
        np.testing.assert_allclose(
            example.sample.camera.image_from_ego, sample.camera.image_from_ego
        )
        np.testing.assert_allclose(example.boxes.centers, annotation.boxes.centers)
        assert cache.name(index) == frame.name


@pytest.mark.parametrize("missing", ["points", "image", "boxes", "mask"])
def test_what_a_frame_lacks_stays_lacking(tmp_path, missing):
    example = cache_of(TinyDataset(missing=missing), tmp_path / "cache")[1]
    found = {
        "points": example.sample.points,
        "image": example.sample.image,
        "boxes": example.boxes,
        "mask": example.mask,
    }
    assert (
        found[missing] is None and found["boxes" if missing == "points" else "points"] is not None
    )


def test_a_broken_frame_leaves_no_cache(tmp_path):
    class Broken(TinyDataset):
        def __getitem__(self, index):
            if index == 2:
                raise ValueError("broken.npz: truncated")
            return super().__getitem__(index)

    with pytest.raises(ValueError, match=r"broken\.npz"):
        build(Broken(), TINY, tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_data_behind_a_link_is_prepared_anew_when_it_changes(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "far", 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "training").symlink_to(tmp_path / "far" / "training")
    first = open_cache(tmp_path / "data", TINY, tmp_path / "cache")
    tiny_data.write_kitti_drive(tmp_path / "far", 2)
    assert (len(first), len(open_cache(tmp_path / "data", TINY, tmp_path / "cache"))) == (1, 2)


def test_data_of_no_known_layout_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        open_cache(tmp_path, TINY, tmp_path / "cache")


def test_description_tells_what_the_input_looks_like(tmp_path):
    info = describe([cache_of(TinyDataset(), tmp_path / "cache")])
    assert info["num_frames"] == 4 and info["image_sizes"] == [[128, 64]]
    assert info["class_pixels"][SKY] == 4 * 128 * 32
    assert (
        abs(info["ground_height_percentiles"][2]) < 0.01
        and info["points_per_frame_percentiles"][2] == 500
    )


def test_an_epoch_shows_every_frame_once(tmp_path):
    loader = Loader([cache_of(TinyDataset(6), tmp_path / "cache")], TINY)
    names = [name for step in loader.steps(0) for name in step.names]
    assert sorted(names) == [f"frame{i}" for i in range(6)]


def test_steps_depend_on_seed_and_epoch_alone(tmp_path):
    cache = cache_of(TinyDataset(), tmp_path / "cache")
    first, again, next_epoch = (list(Loader([cache], TINY).steps(epoch)) for epoch in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        assert (
            a.names == b.names
            and a.batch.image.equal(b.batch.image)
            and a.batch.points.equal(b.batch.points)
        )
    assert not first[0].batch.image.equal(next_epoch[0].batch.image)


def test_batches_have_the_size_of_the_crop(tmp_path):
    step = next(Loader([cache_of(TinyDataset(), tmp_path / "cache")], TINY).steps(0))
    assert tuple(step.batch.image.shape) == (2, 32, 64, 3)


def test_whole_images_are_grouped_by_size(tmp_path):
    caches = [
        cache_of(TinyDataset(3), tmp_path / "wide"),
        cache_of(TinyDataset(3, size=(128, 128)), tmp_path / "high"),
    ]
    steps = list(Loader(caches, with_training(crop=(0, 0))).steps(0))
    shapes = {tuple(step.batch.image.shape[1:3]) for step in steps}
    assert shapes == {cache.image_shape(0) for cache in caches} and len(shapes) == 2


@pytest.mark.parametrize(
    ("task", "fusion"), [("segmentation", "projective"), ("detection", "none")]
)
def test_what_a_task_does_not_need_is_left_out(tmp_path, task, fusion):
    config = with_training(replace(TINY, model=replace(TINY.model, fusion=fusion)), tasks=(task,))
    step = next(Loader([cache_of(TinyDataset(), tmp_path / "cache")], config).steps(0))
    assert bool(step.batch.has_points.any()) == (task == "detection")
    assert bool(step.batch.has_image.any()) == (task == "segmentation")
    assert (step.targets.mask is not None) == (task == "segmentation")


def test_frames_without_truth_for_the_task_are_left_out(tmp_path):
    loader = Loader(
        [cache_of(TinyDataset(4, missing="mask"), tmp_path / "cache")],
        with_training(tasks=("segmentation",)),
    )
    assert len(loader.frames) == 2


def test_data_without_any_truth_is_refused(tmp_path):
    class Unlabelled(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            return frame, replace(annotation, boxes=None, ignored=None)

    with pytest.raises(ValueError, match="points and boxes"):
        Loader([cache_of(Unlabelled(), tmp_path / "cache")], with_training(tasks=("detection",)))


def test_a_frame_that_lost_its_lidar_demands_no_boxes(tmp_path):
    config = replace(TINY, augmentation=replace(TINY.augmentation, lidar_drop=1.0))
    step = next(Loader([cache_of(TinyDataset(), tmp_path / "cache")], config).steps(0))
    assert (
        not step.batch.has_points.any()
        and not step.targets.negative_weight.any()
        and not len(step.targets.cells)
    )
