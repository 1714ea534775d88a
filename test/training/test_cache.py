"""The cache: prepared frames of a data set, on disk."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import SKY, TINY, RigDataset, TinyDataset, with_training
from support.prepared_frames import cache_of, first_batch

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import LIDAR, Annotation, Boxes, Frame
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.encoders.pillars import PillarEncoder
from bev_semseg_ros.model.tasks.task import Task
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.training.cache import PORTION, build, open_cache


def test_the_cache_returns_frames_as_they_were_prepared(tmp_path):
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
def test_parts_that_a_frame_lacks_stay_missing(tmp_path, missing):
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


@pytest.mark.parametrize(
    ("missing", "part"),
    [
        ("points", "points"),
        ("image", "image"),
        ("boxes", "boxes"),
        ("mask", "mask"),
        ("mask", "point_classes"),
        ("points", "point_classes"),
    ],
)
def test_a_frame_trains_a_task_only_if_it_has_what_the_task_needs(tmp_path, missing, part):
    class Needing(Task):
        needs = frozenset({part})

    cache = cache_of(TinyDataset(missing=missing), tmp_path / "cache")
    task = Needing(TINY, None)
    assert [cache.has_labels(i, [task]) for i in range(4)] == [True, False, True, False]


def test_a_broken_frame_leaves_no_cache(tmp_path):
    class Broken(TinyDataset):
        def __getitem__(self, index):
            if index == 2:
                raise ValueError("broken.npz: truncated")
            return super().__getitem__(index)

    with pytest.raises(ValueError, match=r"broken\.npz"):
        build(Broken(), TINY, tmp_path / "cache")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("linked", ["training", "training/label_2"])
def test_data_behind_a_link_is_prepared_again_when_it_changes(tmp_path, linked):
    tiny_data.write_kitti_drive(tmp_path / "data", 1)
    (tmp_path / "data" / linked).rename(tmp_path / "far")
    (tmp_path / "data" / linked).symlink_to(tmp_path / "far")

    def boxes() -> int:
        return len(open_cache(tmp_path / "data", TINY, tmp_path / "cache")[0].boxes)

    before = boxes()
    (tmp_path / "data" / "training" / "label_2" / "000000.txt").write_text("")
    assert (before, boxes()) == (1, 0)


def test_data_is_prepared_again_when_the_colours_of_its_classes_change(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path / "a2d2")
    tiny_data.write_a2d2_frame(tmp_path / "a2d2")

    def mask() -> np.ndarray:
        example = open_cache(tmp_path / "a2d2", TINY, tmp_path / "cache")[0]
        assert example.mask is not None
        return example.mask

    before = mask()
    (colors,) = (tmp_path / "a2d2").glob("*/class_list.json")
    colors.write_text(colors.read_text().replace("RD normal street", "Sidewalk"))
    assert not np.array_equal(before, mask())


def test_data_is_prepared_again_when_a_calibration_in_a_parent_folder_changes(tmp_path):
    root = tmp_path / "a2d2"
    tiny_data.write_a2d2_rig(root)
    tiny_data.write_a2d2_frame(root)
    path = tiny_data.a2d2_file(root, "lidar").parents[2]

    def poses() -> np.ndarray:
        return open_cache(path, TINY, tmp_path / "cache").index["camera_from_ego"]

    before = poses()
    rig = root / "cams_lidars.json"
    values = json.loads(rig.read_text())
    values["cameras"]["front_center"]["view"]["origin"][2] += 1.0
    rig.write_text(json.dumps(values))
    assert not np.allclose(before, poses())


def test_each_choice_of_cameras_has_a_cache_of_its_own(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path)
    for camera in ("front_center", "side_left"):
        tiny_data.write_a2d2_frame(tmp_path, camera=camera)
    found = {}
    for cameras in (None, ["side_left"], ["front_center", "side_left"]):
        cache = open_cache(tmp_path, TINY, tmp_path.parent / "cache", cameras=cameras)
        found[cache.folder] = list(cache[0].sample.images)
        assert list(cache[0].masks) == found[cache.folder]
    assert list(found.values()) == [["camera"], ["camera"], ["front_center", "side_left"]]


def test_each_split_has_the_frames_of_its_scenes_whatever_was_prepared_before(tmp_path):
    for index in range(6):  # without a table of scenes, each frame is a scene
        tiny_data.write_kitti_frame(tmp_path / "data", f"{index:06d}")
    names = {}
    for split in ("", "train", "val"):
        cache = open_cache(tmp_path / "data", TINY, tmp_path / "cache", split)
        names[split] = {cache.name(i) for i in range(len(cache))}
    assert names["train"] and names["val"] and not names["train"] & names["val"]
    assert names["train"] | names["val"] == names[""] and len(names[""]) == 6


@pytest.mark.parametrize(
    "changed",
    [
        replace(TINY, grid=replace(TINY.grid, z_max=3.0)),
        replace(TINY, image=replace(TINY.image, max_pixels=4096)),
        replace(TINY, model=replace(TINY.model, point_encoder="range_view")),
        replace(TINY, model=replace(TINY.model, tasks=("detection", "bev_segmentation"))),
        with_training(carry_masks=True),
    ],
    ids=["grid", "image", "whole clouds", "classes of points", "carry_masks"],
)
def test_frames_are_prepared_again_if_settings_that_affect_them_change(tmp_path, changed):
    tiny_data.write_kitti_drive(tmp_path / "data", 1)
    root = tmp_path / "cache"
    first = open_cache(tmp_path / "data", TINY, root).folder
    assert open_cache(tmp_path / "data", changed, root).folder != first
    others = with_training(replace(TINY, name="other", seed=7), epochs=9, crop=(32, 32))
    assert open_cache(tmp_path / "data", others, root).folder == first


def cache_names(paths: Sequence[Path | str], root: Path) -> set[str]:
    """Open the caches of the same data by several paths and return their names."""
    return {open_cache(path, TINY, root).folder.name for path in paths}


def test_the_same_data_by_a_relative_path_are_not_prepared_again(tmp_path, monkeypatch):
    tiny_data.write_kitti_drive(tmp_path / "own", 1)
    monkeypatch.chdir(tmp_path)
    assert len(cache_names(["own", tmp_path / "own", "own/../own"], tmp_path / "cache")) == 1


@pytest.mark.parametrize("layout", ["kitti", "a2d2"])
def test_run_folders_inside_the_data_do_not_count_as_changes(tmp_path, layout, monkeypatch):
    if layout == "kitti":
        tiny_data.write_kitti_drive(tmp_path, 1)
    else:
        tiny_data.write_a2d2_rig(tmp_path)
        tiny_data.write_a2d2_frame(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = cache_names(["."], Path("runs/cache"))
    (tmp_path / "runs" / "checkpoint.pt").write_text("a run")
    assert cache_names(["."], Path("runs/cache")) == names


def test_broken_links_and_odd_file_names_in_the_data_do_no_harm(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "own", 1)
    training = tmp_path / "own" / "training"
    (training / "former").symlink_to(tmp_path / "gone")
    Path(os.fsdecode(os.fsencode(training / "notes_") + b"f\xfcr.txt")).write_text("")
    names = cache_names([tmp_path / "own"], tmp_path / "cache")
    (training / ".DS_Store").write_text("a file manager was here")
    assert cache_names([tmp_path / "own"], tmp_path / "cache") == names


def test_frames_that_another_run_prepared_meanwhile_are_kept(tmp_path):
    class PreparedTwice(TinyDataset):
        def __getitem__(self, index):
            if index == 2 and not (tmp_path / "cache").exists():
                build(TinyDataset(), TINY, tmp_path / "cache")
                self.first = (tmp_path / "cache" / "index.npz").stat().st_ino
            return super().__getitem__(index)

    dataset = PreparedTwice()
    build(dataset, TINY, tmp_path / "cache")
    assert (tmp_path / "cache" / "index.npz").stat().st_ino == dataset.first
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


def test_a_disk_that_is_too_small_for_all_frames_is_reported_at_the_beginning(tmp_path):
    class Endless(TinyDataset):
        def __len__(self):
            return 10**12

        def __getitem__(self, index):
            assert index < PORTION
            return super().__getitem__(index % 4)

    with pytest.raises(OSError, match=r"need at least another .* GB, but only .* free"):
        build(Endless(), TINY, tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_before_all_frames_are_written_is_named_with_the_remedy(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match=rf"{tmp_path}: the prepared frames .*another disk"):
            build(TinyDataset(), TINY, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_data_of_no_known_layout_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        open_cache(tmp_path, TINY, tmp_path / "cache")


def test_boxes_keep_all_their_fields_in_the_cache(tmp_path):
    class Moving(TinyDataset):
        def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
            frame, annotation = super().__getitem__(index)
            boxes = Boxes(
                [[12, 3, 0.8], [20 + index, -4, 1.1]],
                [[4.2, 1.8, 1.6], [8.5, 2.5, 3.2]],
                [0.3, -2.9],
                [0, 1],
                [1, 1],
                [40 + index, -1],
                [[index, 7], [np.nan, np.nan]],
            )
            return frame, replace(annotation, boxes=boxes, ignored=np.array([False, True]))

    dataset = Moving()
    cache = cache_of(dataset, tmp_path / "cache")
    for index in range(len(cache)):
        expected, found = dataset[index][1].boxes, cache[index].boxes
        for field in fields(Boxes):
            np.testing.assert_array_equal(
                getattr(found, field.name), getattr(expected, field.name), err_msg=field.name
            )
        assert cache[index].ignored.tolist() == [False, True]


class TimedPillars(PillarEncoder):
    """A pillar encoder that requests the time and the ring of each point."""

    attributes = ("time", "ring")


class TimedDataset(TinyDataset):
    """Each point has a time and its index as unit; only every second frame has rings."""

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        assert frame.points is not None
        number = np.arange(len(frame.points), dtype=np.float32)
        attributes = {"time": frame.points[:, 0].copy(), "unit": number}
        if index % 2:
            attributes["ring"] = number
        return replace(
            frame, lidars={LIDAR: replace(frame.lidar, attributes=attributes)}
        ), annotation


def timed_config() -> Config:
    encoder = f"{TimedPillars.__module__}:{TimedPillars.__name__}"
    return replace(TINY, model=replace(TINY.model, lidar_encoder=encoder))


def test_the_cache_keeps_only_the_attributes_that_the_encoder_uses(tmp_path):
    cache = cache_of(TimedDataset(), tmp_path / "cache", timed_config())
    for index in range(len(cache)):
        sample = cache[index].sample
        expected = prepare(TimedDataset()[index][0], TINY).point_attributes
        assert set(sample.point_attributes) == {"time", "ring"}
        np.testing.assert_array_equal(sample.point_attributes["time"], expected["time"])
        if index % 2:
            np.testing.assert_array_equal(sample.point_attributes["ring"], expected["ring"])
        else:
            assert np.isnan(sample.point_attributes["ring"]).all()


def test_the_cache_keeps_no_attributes_if_the_encoder_uses_none(tmp_path):
    cache = cache_of(TimedDataset(), tmp_path / "cache")
    assert cache[0].sample.point_attributes == {}
    assert (tmp_path / "cache" / "attributes.bin").stat().st_size == 0


def test_the_attributes_reach_the_network_with_their_points(tmp_path):
    quiet = replace(TINY.augmentation, flip=0, rotation=0, scale=0, height=0)
    config = replace(timed_config(), augmentation=quiet)
    batch = first_batch([cache_of(TimedDataset(), tmp_path / "cache", config)], config).batch
    assert set(batch.point_attributes) == {"time", "ring"}
    np.testing.assert_allclose(
        batch.point_attributes["time"].numpy(), batch.points[:, 0].numpy(), atol=1e-5
    )


def test_another_encoder_with_other_attributes_has_a_cache_of_its_own(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 1)
    for config in (TINY, timed_config(), TINY):
        open_cache(tmp_path / "data", config, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_cache_keeps_the_label_sets_of_its_data(tmp_path):
    a2d2, kitti = (
        open_cache(path, TINY, tmp_path / "cache")
        for path in tiny_data.write_mixed(tmp_path / "data")
    )
    assert (a2d2.box_labels.name, a2d2.mask_labels.name) == ("a2d2_boxes", "a2d2_38")
    assert (kitti.box_labels.name, kitti.mask_labels.name) == ("kitti_boxes", "driving_13")
    names = [a2d2.box_labels.classes[label] for label in a2d2[0].boxes.labels]
    assert names == ["Car", "Trailer", "Bicycle"]


def test_one_data_set_with_two_label_sets_is_refused_with_the_frame(tmp_path):
    class Odd(TinyDataset):
        def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
            frame, annotation = super().__getitem__(index)
            if index == 2:
                annotation = replace(annotation, mask_labels=load_label_set("camvid_11"))
            return frame, annotation

    with pytest.raises(ValueError, match=r"tiny, frame frame2: its labels are of another set"):
        cache_of(Odd(), tmp_path / "cache")


# Several lidars and cameras.


def test_the_cache_returns_every_lidar_and_camera(tmp_path):
    dataset = RigDataset()
    cache = cache_of(dataset, tmp_path / "cache")
    for index in range(len(dataset)):
        sample, example = prepare(dataset[index][0], TINY), cache[index]
        np.testing.assert_array_equal(example.sample.points, sample.points)
        np.testing.assert_array_equal(example.sample.point_lidar, sample.point_lidar)
        np.testing.assert_array_equal(example.sample.ego_from_lidar, sample.ego_from_lidar)
        assert list(example.sample.images) == list(sample.images) == ["camera", "left"]
        for name, seen in sample.images.items():
            found = example.sample.images[name]
            np.testing.assert_array_equal(found.image, seen.image)
            np.testing.assert_allclose(found.camera.image_from_ego, seen.camera.image_from_ego)
            assert example.masks[name].shape == seen.image.shape[:2]
        assert (example.masks["left"] == SKY).all() and (example.masks["camera"] != SKY).any()


def test_the_rays_of_several_lidars_stay_apart(tmp_path):
    model = replace(TINY.model, point_encoder="range_view")
    config = replace(TINY, model=model)
    cache = cache_of(RigDataset(2), tmp_path / "cache", config)
    for index in range(2):
        expected = prepare(RigDataset()[index][0], config, whole_clouds=True).rays
        found = cache[index].sample.rays
        np.testing.assert_array_equal(found.points, expected.points)
        np.testing.assert_array_equal(found.units, expected.units)
        assert set(found.units) == {0, 1}
