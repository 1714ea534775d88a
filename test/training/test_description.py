"""The description of the training data that a checkpoint stores."""

from __future__ import annotations

from dataclasses import replace

from support.memory_dataset import SKY, TINY, RigDataset, TinyDataset
from support.prepared_frames import cache_of

from bev_semseg_ros.model.build import build_tasks
from bev_semseg_ros.training.description import describe


def test_the_description_has_frame_counts_image_sizes_and_statistics(tmp_path):
    info = describe([cache_of(TinyDataset(), tmp_path / "cache")], build_tasks(TINY))
    assert info["num_frames"] == 4 and info["image_sizes"] == [[128, 64]]
    assert info["class_pixels"][SKY] == 4 * 128 * 32
    assert (
        abs(info["ground_height_percentiles"][2]) < 0.01
        and info["points_per_frame_percentiles"][2] == 500
    )


def test_the_description_samples_all_data_sets_if_there_are_too_many_frames(tmp_path):
    seen = cache_of(TinyDataset(8), tmp_path / "seen")
    blind = cache_of(TinyDataset(8, size=(128, 128)), tmp_path / "high")
    info = describe([seen, blind], build_tasks(TINY), limit=4)
    sizes = [list(shape[::-1]) for cache in (seen, blind) for shape in cache.image_shapes(0)]
    assert info["num_frames"] == 16 and info["image_sizes"] == sorted(sizes)
    assert 4 * 128 * 32 <= info["class_pixels"][SKY] < 16 * 128 * 32


def test_classes_are_counted_in_labelled_frames_however_few_they_are(tmp_path):
    class RarelyLabelled(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            return frame, annotation if index % 4 == 3 else replace(annotation, masks={})

    cache = cache_of(RarelyLabelled(16), tmp_path / "cache")
    info = describe([cache], build_tasks(TINY), limit=4)  # every fourth frame, from the first
    assert info["class_pixels"][SKY] == 4 * 128 * 32


def test_the_description_counts_the_points_of_each_lidar_and_the_masks_of_all_cameras(tmp_path):
    info = describe([cache_of(RigDataset(), tmp_path / "cache")], build_tasks(TINY))
    assert info["points_per_frame_percentiles"] == [250.0] * 5  # 500 points of two lidars
    left = cache_of(RigDataset(1), tmp_path / "one")[0].masks["left"]
    assert info["class_pixels"][SKY] == 4 * (128 * 32 + left.size)
