"""The rules that compare input with the training data: differences are named, known rigs pass."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.broken_bag import scan
from support.paths import ROOT

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import rotation_rpy, transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.input_check import InputStatistics, compare, count_beams, suited_intensity_scale
from bev_semseg_ros.preprocessing import network_size, prepare, prepare_points

CHECKPOINT = checkpoint.load(ROOT / "weights" / "bev_semseg.pt")
CONFIG, INFO = CHECKPOINT.config, CHECKPOINT.info
POSE = transform(translation=(0.0, 0.0, 1.73))


def levels(
    points: np.ndarray | None = None,
    pose: np.ndarray = POSE,
    size: tuple[int, int] = (1242, 375),
    focal_length: float = 721.5,
    info: dict = INFO,
    **settings,
) -> dict[str, tuple[str, str]]:
    """Return item -> (level, text and remedy) for ordinary input with the given changes."""
    statistics = InputStatistics()
    statistics.add_points(
        prepare_points(scan() if points is None else points, pose, CONFIG.grid), pose
    )
    matrix = np.array([[focal_length, 0, size[0] / 2], [0, focal_length, size[1] / 2], [0, 0, 1]])
    camera = Camera(matrix, size, np.eye(4))
    statistics.add_camera(camera.rectified(network_size(size, CONFIG.image)), size)
    return {
        finding.item: (finding.level, str(finding))
        for finding in compare(statistics.summary(), info, **settings)
    }


def scaled(factor: float) -> np.ndarray:
    points = scan()
    points[:, 3] *= factor
    return points


DIFFERENT = {
    "intensity": ({"points": scaled(255)}, "fault", r"set intensity_scale to 0.00392"),
    "no intensity": ({"points": scaled(0)}, "warning", "intensity: 0 everywhere"),
    "dark": ({"points": scaled(0.05)}, "warning", r"set intensity_scale to [1-9]\d"),
    "scaled too far down": (
        {"points": scaled(1 / 255), "intensity_scale": 1 / 255},
        "warning",
        r"set intensity_scale to 1$",
    ),
    "scaled too little": (
        {"points": scaled(100), "intensity_scale": 0.1},
        "fault",
        "set intensity_scale to 0.001",
    ),
    "ground height": ({"pose": transform(translation=(0, 0, 2.73))}, "fault", "lower the lidar"),
    "ground height, parameters": (
        {"pose": transform(translation=(0, 0, 2.73)), "extrinsics": "parameters"},
        "fault",
        r"raise ground_height by about 1\.\d\d m, or .* in lidar_pose$",
    ),
    "ground height, tf": (
        {"pose": transform(translation=(0, 0, 0.73)), "extrinsics": "tf"},
        "fault",
        r"lower ground_height by about \d\.\d\d m, or .* in TF$",
    ),
    "turned away, tf": (
        {"pose": transform(rotation_rpy(0, 0, np.pi), (0, 0, 1.73)), "extrinsics": "tf"},
        "fault",
        "the lidar's pose in TF and its frame",
    ),
    "tilt": ({"pose": transform(rotation_rpy(0, 0.15, 0), (0, 0, 1.73))}, "fault", "ground height"),
    "beams": ({"points": scan(4)}, "warning", "about 4"),
    "points": ({"points": scan(16)[::32]}, "warning", "points"),
    "turned away": (
        {"pose": transform(rotation_rpy(0, 0, np.pi), (0, 0, 1.73))},
        "fault",
        "points: 0 inside the grid",
    ),
    "range": ({"points": scan()[np.hypot(*scan()[:, :2].T) < 15]}, "warning", "range: 95 %"),
    "lidar's view": (
        {"points": scan()[np.abs(scan()[:, 1]) < 0.2 * scan()[:, 0]]},
        "warning",
        "the lidar sees",
    ),
    "image size": (
        {"size": (600, 1000), "focal_length": 500.0},
        "warning",
        "crop it to such an aspect",
    ),
    "small image": ({"size": (310, 94), "focal_length": 180.0}, "warning", "use a larger image"),
    "focal length": ({"focal_length": 300.0}, "warning", "focal length: 18. pixels"),
    "field of view": ({"focal_length": 3000.0}, "warning", "use a wider lens"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_named_with_its_remedy(name: str) -> None:
    change, level, text = DIFFERENT[name]
    bad = [line for found, line in levels(**change).values() if found == level]
    assert any(re.search(text, line) for line in bad), levels(**change)


def test_input_like_the_training_data_passes() -> None:
    assert {level for level, _ in levels().values()} == {"ok"}


def test_the_shipped_checkpoint_has_all_statistics_that_the_rules_need() -> None:
    assert [line for _, line in levels().values() if "unknown" in line] == []


def test_a_checkpoint_without_statistics_gives_unknown() -> None:
    found = levels(info={})
    assert len(found) == 9 and all(
        level == "ok" and "unknown" in line for level, line in found.values()
    )


@pytest.mark.parametrize("beams", [16, 32, 64])
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_beams_are_counted_in_the_lidar_frame(beams: int, tilt: float) -> None:
    pose = transform(rotation_rpy(0.1, tilt, 0.5), (1.0, 0.5, 1.9))
    points = scan(beams)
    points[:, :3] = points[:, :3] @ pose[:3, :3].T.astype(np.float32) + pose[:3, 3].astype(
        np.float32
    )
    assert abs(count_beams(points, pose) - beams) <= 2


@pytest.mark.parametrize(
    ("largest", "scale"),
    [(1.0, 1.0), (0.1, 0.48 / 0.03), (255.0, 1 / 255), (3000.0, 0.48 / 900), (60000.0, 1 / 65535)],
)
def test_the_scale_suits_the_intensity(largest: float, scale: float) -> None:
    info = {"intensity_percentiles": [0.01, 0.04, 0.12, 0.24, 0.48]}
    assert suited_intensity_scale(largest, 0.3 * largest, info) == pytest.approx(scale)


@pytest.mark.parametrize(("share_bright", "info"), [(0.05, INFO), (0.0, INFO), (0.3, {})])
def test_the_suggested_scale_does_not_make_the_intensity_too_bright(
    share_bright: float, info: dict
) -> None:
    assert 3000 * suited_intensity_scale(3000, share_bright * 3000, info) < 2


def test_a_scale_that_is_set_already_is_not_suggested() -> None:
    """If only reflectors are bright, no scale makes the intensity like the training data."""
    points = scaled(0.01)
    points[::50, 3] = 1.6
    level, text = levels(points, intensity_scale=0.01)["intensity"]
    assert level == "warning" and "intensity_scale" not in text


def test_a_single_outlier_does_not_change_the_intensity() -> None:
    points = scan()
    points[len(points) // 2, 3] = 1e6
    assert levels(points)["intensity"][0] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kitti", "kitti_raw", "a2d2"])
def test_real_frames_of_the_rigs_pass(real_data: Path, name: str) -> None:
    statistics, dataset = InputStatistics(), open_dataset(real_data / name)
    for index in range(len(dataset)):
        frame, _ = dataset[index]
        sample = prepare(frame, CONFIG)
        if sample.points is not None:
            statistics.add_points(sample.points, frame.ego_from_lidar)
        if sample.camera is not None:
            statistics.add_camera(sample.camera, frame.camera.size)
    assert [
        str(finding) for finding in compare(statistics.summary(), INFO) if finding.level != "ok"
    ] == []
