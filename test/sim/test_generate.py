import argparse
import hashlib
import json
import os
import shutil
from functools import cache

import numpy as np
import pytest
import yaml

from bev_semseg_ros.cli import synth
from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.geometry import points_in_boxes
from bev_semseg_ros.sim import generate as module
from bev_semseg_ros.sim.generate import generate
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.source import FixedRig

pytestmark = pytest.mark.slow

SIZE = (160, 100)


def digests(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def shared_libraries(kernels):
    """Build the library of a seed once, not at every call in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Library", cache(module.Library))
        yield


@pytest.fixture(scope="module")
def kitti(tmp_path_factory):
    """Return a data set of two scenes with one frame each, made by two workers."""
    out = tmp_path_factory.mktemp("kitti") / "set"
    generate(out, "kitti", 2, 1, 4, SIZE, workers=2, progress=False)
    return out


@pytest.fixture(scope="module")
def a2d2(tmp_path_factory):
    """Return a data set of one scene with two frames."""
    out = tmp_path_factory.mktemp("a2d2") / "set"
    generate(out, "a2d2", 1, 2, 4, SIZE, workers=1, progress=False)
    return out


class KillsItsWorker(FixedRig):
    def __reduce__(self):  # unpickling it ends the worker, as if killed
        return os._exit, (9,)


def test_a_killed_worker_is_an_error_that_says_how_to_continue(tmp_path):
    source = KillsItsWorker(RIGS["kitti"].resized(SIZE))
    with pytest.raises(ChildProcessError, match=r"was killed.* repeat .* fewer --workers"):
        generate(tmp_path / "set", source, 2, 1, 4, SIZE, workers=2, progress=False)


def test_a_process_that_may_use_one_core_of_the_machine_starts_no_workers(tmp_path):
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # as taskset or a job of Slurm does
    try:
        source = KillsItsWorker(RIGS["kitti"].resized(SIZE))
        generate(tmp_path / "set", source, 2, 1, 4, SIZE, progress=False)
    finally:
        os.sched_setaffinity(0, cores)


def test_result_does_not_depend_on_the_number_of_workers(kitti, tmp_path):
    generate(tmp_path / "set", "kitti", 2, 1, 4, SIZE, workers=1, progress=False)
    assert digests(tmp_path / "set") == digests(kitti)


@pytest.fixture(scope="module")
def random_rigs(tmp_path_factory):
    """Return a data set of three scenes with one frame each, each scene with its own rig."""
    out = tmp_path_factory.mktemp("random") / "set"
    generate(out, "random", 3, 1, 4, workers=1, progress=False)
    return out


def test_ranges_of_scenes_give_the_same_files_as_one_run(random_rigs, tmp_path):
    out = tmp_path / "set"
    for first, count in ((1, 2), (0, 1)):
        generate(out, "random", count, 1, 4, workers=1, progress=False, first_scene=first)
    assert digests(out) == digests(random_rigs)


def test_every_scene_has_its_own_recorded_rig(random_rigs):
    dataset = open_dataset(random_rigs)
    sizes = set()
    for index in range(3):
        frame, annotation = dataset[index]
        rig = random_rigs / "training" / "rigs" / f"{frame.scene}.yaml"
        record = yaml.safe_load(rig.read_text())
        assert list(frame.camera.size) == record["cameras"]["image_02"]["size"]
        assert frame.missing == () and annotation.mask.shape == frame.image.shape[:2]
        assert len(frame.points) > 300
        sizes.add(frame.camera.size)
    assert len(sizes) == 3


def test_the_first_scene_of_a_range_has_its_own_number(kitti, tmp_path):
    out = tmp_path / "set"
    generate(out, "kitti", 1, 1, 4, SIZE, workers=1, progress=False, first_scene=1)
    assert json.loads((out / "synth.json").read_text())["complete_scenes"] == [1]
    name = "training/image_2/000001.png"
    assert (out / name).read_bytes() == (kitti / name).read_bytes()
    assert open_dataset(out).scene(0) == open_dataset(kitti).scene(1)


@pytest.mark.parametrize("kind", ["a2d2", "kitti"])
def test_written_data_sets_are_read_without_missing_files(kind, request):
    dataset = open_dataset(request.getfixturevalue(kind))
    frames = [dataset[index] for index in range(len(dataset))]
    assert dataset.name == kind and len(frames) == 2
    for frame, annotation in frames:
        assert (
            frame.missing == ()
            and len(frame.points) > 1000
            and frame.image.shape == (SIZE[1], SIZE[0], 3)
        )
        assert annotation.boxes is not None and annotation.mask.shape == (SIZE[1], SIZE[0])


def test_frames_of_a_scene_are_a_tenth_of_a_second_apart(a2d2):
    dataset = open_dataset(a2d2)
    assert dataset[1][0].timestamp_ns - dataset[0][0].timestamp_ns == 100_000_000
    assert dataset.scene(0) == dataset.scene(1)


def test_scenes_differ(kitti):
    dataset = open_dataset(kitti)
    assert dataset.scene(0) != dataset.scene(1)
    assert not np.array_equal(dataset[0][0].image, dataset[1][0].image)


def test_complete_scenes_are_kept_and_more_are_added(a2d2, tmp_path):
    out = tmp_path / "set"
    shutil.copytree(a2d2, out)
    kept = next(out.rglob("*_000000001.png"))
    kept.write_bytes(b"untouched")
    generate(out, "a2d2", 2, 2, 4, SIZE, workers=1, progress=False)
    assert kept.read_bytes() == b"untouched"
    assert json.loads((out / "synth.json").read_text())["complete_scenes"] == [0, 1]
    assert len(list(out.rglob("*.npz"))) == 4


def test_a_full_turn_is_recorded_and_gives_points_behind_the_vehicle(kitti, tmp_path):
    out = tmp_path / "set"
    generate(out, "kitti", 1, 1, 4, SIZE, workers=1, progress=False, full_turn=True)
    assert json.loads((out / "synth.json").read_text())["full_turn"] is True
    whole, cropped = (open_dataset(folder)[0] for folder in (out, kitti))
    assert whole[0].points[:, 0].min() < -5 and cropped[0].points[:, 0].min() > 0
    # Points are dropped at random, so an object with few of them may be missing from either.
    counts = points_in_boxes(cropped[0].points[:, :3], cropped[1].boxes).sum(1)
    for center in cropped[1].boxes.centers[counts >= 20]:
        assert np.linalg.norm(whole[1].boxes.centers - center, axis=1).min() < 0.01
    with pytest.raises(ValueError, match="full_turn True instead of False"):
        generate(out, "kitti", 2, 1, 4, SIZE, workers=1, progress=False)


def test_whole_turns_are_refused_in_a_folder_without_them(kitti):
    before = digests(kitti)
    generate(kitti, "kitti", 2, 1, 4, SIZE, workers=1, progress=False)
    assert digests(kitti) == before
    with pytest.raises(ValueError, match="full_turn False instead of True"):
        generate(kitti, "kitti", 2, 1, 4, SIZE, workers=1, progress=False, full_turn=True)


def test_a_rig_of_several_cameras_is_written_and_read(tmp_path):
    out = tmp_path / "set"
    generate(out, "a2d2_3", 1, 2, 4, SIZE, workers=1, progress=False)
    dataset = open_dataset(out, cameras="all")
    assert len(dataset) == 2
    for index in range(2):
        frame, annotation = dataset[index]
        assert frame.missing == () and list(frame.cameras) == list(annotation.masks)
        assert len(frame.cameras) == len(RIGS["a2d2_3"].cameras)
        images = [seen.image for seen in frame.cameras.values()]
        assert not np.array_equal(images[0], images[1])


@pytest.mark.parametrize(
    "change", [{"seed": 5}, {"rig": "kitti"}, {"frames": 3}, {"image_size": (200, 100)}]
)
def test_a_folder_with_another_data_set_is_refused(a2d2, change):
    request = {"rig": "a2d2", "scenes": 1, "frames": 2, "seed": 4, "image_size": SIZE, **change}
    with pytest.raises(ValueError, match=f"another data set .*{next(iter(change))}"):
        generate(a2d2, progress=False, **request)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="was not written by"):
        generate(tmp_path, "kitti", 1, 1, 0, SIZE, progress=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rig": "waymo"},
        {"scenes": 0},
        {"frames": 0},
        {"seed": -1},
        {"workers": 0},
        {"first_scene": -1},
        {"image_size": (8, 8)},
    ],
)
def test_wrong_arguments_are_named(tmp_path, wrong):
    request = {"rig": "kitti", "scenes": 1, "frames": 1, "seed": 0, "image_size": SIZE, **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("_", " ")):
        generate(tmp_path / "set", progress=False, **request)


def test_command_line_writes_and_reports_errors(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    synth.add_arguments(parser)
    arguments = [
        str(tmp_path / "set"),
        "--scenes",
        "1",
        "--frames",
        "1",
        "--rig",
        "kitti",
        "--seed",
        "4",
        "--image-size",
        "128x64",
        "--workers",
        "1",
    ]
    assert synth.run(parser.parse_args(arguments)) == 0 and len(open_dataset(tmp_path / "set")) == 1
    arguments[arguments.index("--seed") + 1] = "5"
    assert main(["synth", *arguments]) == 2
    assert "seed 4 instead of 5" in capsys.readouterr().err


def test_command_line_refuses_a_malformed_size():
    parser = argparse.ArgumentParser()
    synth.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(
            [
                "out",
                "--scenes",
                "1",
                "--frames",
                "1",
                "--rig",
                "kitti",
                "--seed",
                "1",
                "--image-size",
                "big",
            ]
        )
