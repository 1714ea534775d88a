"""The inputs that benchmarks/fusion.py gives to a network, and the figures that it prints."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from support.memory_dataset import TinyDataset
from support.paths import ROOT

from bev_semseg_ros.frame import CAMERA, Annotation, Boxes, CameraImage, Frame
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.tasks.detection.metric import DetectionScores

pytestmark = pytest.mark.slow


@pytest.fixture
def fusion(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("fusion")


class Sized(TinyDataset):
    """Frames whose images show the number of the frame, one size for each frame."""

    def __init__(self, sizes: Sequence[tuple[int, int]], cameras: Sequence[int] = ()) -> None:
        super().__init__(len(sizes))
        self.sizes, self.cameras = sizes, cameras or [1] * len(sizes)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        self.size = self.sizes[index]
        frame, annotation = super().__getitem__(index)
        image = np.full((*self.size[::-1], 3), 10 + index, np.uint8)
        seen = CameraImage(image, frame.cameras[CAMERA].camera)
        return replace(
            frame, cameras={str(n): seen for n in range(self.cameras[index])}
        ), annotation


@pytest.mark.parametrize(
    "sizes",
    [
        [(128, 64)] * 5,
        [(128, 64), (96, 64)] * 3,
        [(128, 64)] * 4 + [(96, 48)],
        [(64, 32), (96, 64)],
    ],
    ids=["one size", "two sizes", "one frame of another size", "each frame of its own size"],
)
def test_every_frame_gets_the_image_of_another_frame_in_its_own_size(sizes, fusion) -> None:
    dataset = Sized(sizes)
    shuffled = fusion.Shuffled(dataset)
    assert len(shuffled) == len(sizes)
    shown = []
    for index, size in enumerate(sizes):
        frame, annotation = shuffled[index]
        recorded, labels = dataset[index]
        image = frame.cameras["0"].image
        assert image.shape == (*size[::-1], 3) and len(np.unique(image)) == 1
        shown.append(int(image[0, 0, 0]) - 10)
        assert np.array_equal(frame.points, recorded.points)
        assert np.array_equal(annotation.boxes.centers, labels.boxes.centers)
    assert sorted(shown) == list(range(len(sizes)))
    assert all(index != other for index, other in enumerate(shown))


def test_images_go_to_frames_of_the_same_size_as_far_as_possible(fusion) -> None:
    sizes = [(128, 64), (96, 64), (64, 64)] * 4
    shuffled = fusion.Shuffled(Sized(sizes))
    others = [int(shuffled[index][0].cameras["0"].image[0, 0, 0]) - 10 for index in range(12)]
    assert sum(sizes[index] != sizes[other] for index, other in enumerate(others)) == 3


def test_frames_exchange_images_with_frames_of_the_same_number_of_cameras(fusion) -> None:
    shuffled = fusion.Shuffled(Sized([(128, 64)] * 5, cameras=[1, 2, 1, 2, 2]))
    for index, others in ((0, {2}), (2, {0}), (1, {3, 4}), (3, {1, 4}), (4, {1, 3})):
        cameras = shuffled[index][0].cameras.values()
        assert {int(seen.image[0, 0, 0]) - 10 for seen in cameras} <= others


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle in degrees between two poses."""
    trace = np.trace(first[:3, :3].T @ second[:3, :3])
    return float(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))))


@pytest.mark.parametrize("degrees", [0.5, 5])
def test_a_rotated_camera_keeps_its_position(degrees: float, fusion) -> None:
    frame, _ = TinyDataset()[0]
    turned = fusion.turned(3, frame, degrees)
    assert turned.lidars is frame.lidars
    before, after = (each.cameras[CAMERA].camera.camera_from_ego for each in (frame, turned))
    np.testing.assert_allclose(invert(after)[:3, 3], invert(before)[:3, 3], atol=1e-9)
    assert angle_between(before, after) == pytest.approx(degrees)
    again = fusion.turned(3, frame, degrees)
    np.testing.assert_array_equal(
        again.cameras[CAMERA].camera.camera_from_ego, turned.cameras[CAMERA].camera.camera_from_ego
    )


def test_each_variant_shows_the_frame_that_its_name_says(fusion) -> None:
    dataset = TinyDataset()
    frame, _ = dataset[0]
    shown = {
        each.name: (each.mode, each.shown(0, frame)) for each in fusion.variants(dataset, [1, 5])
    }
    assert list(shown) == ["fused", "lidar_only", "another image", "1 degree", "5 degrees"]
    assert [mode for mode, _ in shown.values()] == ["fused", "lidar_only", *["fused"] * 3]
    assert shown["fused"][1] is shown["lidar_only"][1] is frame
    recorded = frame.cameras[CAMERA].camera.camera_from_ego
    for name, degrees in (("another image", 0), ("1 degree", 1), ("5 degrees", 5)):
        pose = shown[name][1].cameras[CAMERA].camera.camera_from_ego
        assert angle_between(recorded, pose) == pytest.approx(degrees, abs=1e-5)


def test_only_classes_with_labels_are_printed(fusion) -> None:
    summary, scores = fusion.summary, DetectionScores(load_label_set("boxes_4"))
    cars = Boxes([[10, 0, 0.8]], [[4, 2, 1.6]], [0], [0], [0.5])
    assert summary(scores.result()) == "no labels that count"
    scores.add(cars, cars, np.ones(1, bool))
    assert summary(scores.result()) == "mAP 1.000  AP: car 1.000"
