"""Variants of KITTI's clouds: other numbers of columns, float64, intensities up to 255."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data.kitti.clouds import CloudFolder, find_format

COUNT = 3000


def scan(shuffled: bool = False) -> np.ndarray:
    """Return (COUNT, 4) points of a street: ground and walls, with low intensities."""
    rng = np.random.default_rng(3)
    azimuth = np.linspace(-np.pi, np.pi, COUNT)
    distance = rng.uniform(4, 50, COUNT)
    height = np.where(rng.random(COUNT) < 0.6, -1.73, rng.uniform(-1.7, 2, COUNT))
    points = np.stack(
        [
            distance * np.cos(azimuth),
            distance * np.sin(azimuth),
            height,
            rng.beta(1.5, 5, COUNT),
        ],
        1,
    )
    return rng.permutation(points) if shuffled else points


def more(points: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    return np.column_stack([points, *columns])


RING = np.arange(COUNT) % 32
TIME = np.linspace(0, 0.1, COUNT)
VARIANTS = {
    "kitti": (lambda points: points, "f4", "4 float32", ()),
    "no intensity": (lambda points: points[:, :3], "f4", "3 float32", ("taken as 0",)),
    "nuScenes with ring": (lambda points: more(points, RING), "f4", "5 float32", ("is the ring",)),
    "with time": (lambda points: more(points, TIME), "f4", "5 float32", ("number 5 is not used",)),
    "ring and time": (
        lambda points: more(points, RING, TIME),
        "f4",
        "6 float32",
        ("is the ring, number 6 is not used",),
    ),
    "eight": (
        lambda points: more(points, RING, TIME, TIME, TIME),
        "f4",
        "8 float32",
        ("numbers 6 to 8 are not used",),
    ),
    "numpy's own type": (lambda points: points, "f8", "4 float64", ()),
    "float64 without intensity": (lambda points: points[:, :3], "f8", "3 float64", ()),
    "bytes": (
        lambda points: points * (1, 1, 1, 255),
        "f4",
        "4 float32",
        ("intensities are divided by 255",),
    ),
    "words": (
        lambda points: points * (1, 1, 1, 65535),
        "f4",
        "4 float32",
        ("intensities are divided by 65535",),
    ),
}


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_formats_of_converters_are_recognised_and_reported(tmp_path, variant, shuffled):
    change, dtype, name, notes = VARIANTS[variant]
    points = scan(shuffled)
    file = tmp_path / "000000.bin"
    file.write_bytes(change(points).astype(f"<{dtype}").tobytes())
    folder = CloudFolder([file])
    assert str(folder.format) == f"{name} a point"
    for note in notes:
        assert any(note in said for said in folder.notes), folder.notes
    assert bool(folder.notes) == (variant != "kitti")
    read, attributes = folder.read(file)
    expected = points.copy()
    if name.startswith("3"):
        expected[:, 3] = 0
    np.testing.assert_allclose(read, expected, atol=1e-5)
    assert ("ring" in attributes) == ("ring" in variant or variant == "eight")
    if "ring" in attributes:
        np.testing.assert_array_equal(attributes["ring"], RING)


def test_clouds_of_another_byte_order_are_refused(tmp_path):
    file = tmp_path / "000000.bin"
    file.write_bytes(scan().astype(">f4").tobytes())
    with pytest.raises(ValueError, match=r"000000.bin: not a cloud of .*little-endian float32"):
        find_format([file])


def test_a_file_with_another_intensity_scale_is_refused(tmp_path):
    files = [tmp_path / f"{number:06d}.bin" for number in range(3)]
    for file in files:
        file.write_bytes(scan().astype("<f4").tobytes())
    folder = CloudFolder(files)
    assert folder.format.full_scale == 1.0
    files[1].write_bytes((scan() * (1, 1, 1, 255)).astype("<f4").tobytes())
    with pytest.raises(ValueError, match=r"000001.bin: intensities up to .* count from 0 to 1"):
        folder.read(files[1])


def test_one_truncated_file_does_not_change_the_format_of_the_folder(tmp_path):
    files = [tmp_path / f"{number:06d}.bin" for number in range(3)]
    for file in files:
        file.write_bytes(scan().astype("<f4").tobytes())
    files[0].write_bytes(files[0].read_bytes()[:-5])
    folder = CloudFolder(files)
    assert len(folder.read(files[2])[0]) == COUNT
    with pytest.raises(ValueError, match=r"000000.bin: truncated: .* multiple of 16 .4 float32"):
        folder.read(files[0])


def test_points_without_a_return_do_not_change_the_format(tmp_path):
    points = scan()
    points[::20] = np.nan
    file = tmp_path / "000000.bin"
    file.write_bytes(points.astype("<f4").tobytes())
    assert find_format([file]).columns == 4


def test_a_file_with_intensities_up_to_1_among_files_up_to_255_is_refused(tmp_path):
    files = [tmp_path / f"{number:06d}.bin" for number in range(3)]
    for file in files:
        file.write_bytes((scan() * (1, 1, 1, 255)).astype("<f4").tobytes())
    folder = CloudFolder(files)
    assert folder.format.full_scale == 255.0
    files[1].write_bytes(scan().astype("<f4").tobytes())
    with pytest.raises(ValueError, match=r"000001.bin: intensities up to 0.* count from 0 to 255"):
        folder.read(files[1])


def test_a_cloud_up_to_exactly_1_is_not_dimmed_by_files_up_to_255(tmp_path):
    files = [tmp_path / f"{number:06d}.bin" for number in range(3)]
    points = scan()
    points[::10, 3] = 1
    for file, scale in zip(files, (1, 1, 255), strict=True):
        file.write_bytes((points * (1, 1, 1, scale)).astype("<f4").tobytes())
    folder = CloudFolder(files)
    assert folder.format.full_scale == 255.0
    with pytest.raises(ValueError, match=r"000000.bin: intensities up to 1, but .* from 0 to 255"):
        folder.read(files[0])


def test_a_truncated_file_alone_has_a_note_that_its_format_is_assumed(tmp_path):
    file = tmp_path / "000000.bin"
    file.write_bytes(scan().astype("<f4").tobytes()[:-5])
    assert "no known format explains the files; 4 float32" in CloudFolder([file]).notes[0]


def test_a_cloud_without_heights_is_in_kittis_own_format(tmp_path):
    file = tmp_path / "000000.bin"
    file.write_bytes((scan() * (1, 1, 0, 1)).astype("<f4").tobytes())
    assert CloudFolder([file]).notes == ()


VLP_16 = [-15, 1, -13, 3, -11, 5, -9, 7, -7, 9, -5, 11, -3, 13, -1, 15]  # in the order of firing
HDL_64 = np.linspace(2, -24.8, 64)


def sweep(beams) -> np.ndarray:
    """Return (N, 6) x, y, z, intensity, ring and time of a sweep between two walls.

    The points are in the order of firing. Those without a return are NaN.

    Args:
        beams: Elevations in degrees.
    """
    azimuth, elevation = np.meshgrid(np.linspace(0, 2 * np.pi, 500), np.radians(beams))
    ring = np.broadcast_to(np.arange(len(beams))[:, None], azimuth.shape)
    azimuth, elevation, ring = (each.T.ravel() for each in (azimuth, elevation, ring))
    ray = np.stack([np.cos(azimuth), np.sin(azimuth), np.tan(elevation)], 1)
    with np.errstate(divide="ignore"):
        to_ground = np.where(ray[:, 2] < 0, -1.73 / ray[:, 2], np.inf)
        distance = np.minimum(to_ground, 20 / np.abs(ray[:, 1]))
    points = ray * np.where(distance < 100, distance, np.nan)[:, None]
    points[points[:, 2] > 8] = np.nan  # above the walls
    intensity = np.random.default_rng(3).beta(1.5, 5, len(points))
    return np.column_stack([points, intensity, ring, azimuth / 60])


@pytest.mark.parametrize("beams", [VLP_16, HDL_64], ids=["VLP-16", "HDL-64"])
@pytest.mark.parametrize("brightest", [1, 255])
def test_points_with_ring_and_time_are_not_cut_into_points_of_fewer_numbers(
    tmp_path, beams, brightest
):
    points = sweep(beams) * (1, 1, 1, brightest, 1, 1)
    points = points[np.isfinite(points).all(1)]
    points = points[: len(points) // 12 * 12]  # whole points of 3, 4 and 8 numbers, too
    file = tmp_path / "000000.bin"
    file.write_bytes(points.astype("<f4").tobytes())
    read, attributes = CloudFolder([file]).read(file)
    np.testing.assert_allclose(read[:, :3], points[:, :3], atol=1e-4)
    np.testing.assert_allclose(read[:, 3] * brightest, points[:, 3], rtol=1e-4)
    np.testing.assert_array_equal(attributes["ring"], points[:, 4])


@pytest.mark.parametrize("missing", [np.nan, 0], ids=["NaN", "zeros"])
@pytest.mark.parametrize("columns", [3, 4, 5])
def test_all_points_of_a_lidar_that_measures_alternately_low_and_high_are_read(
    tmp_path, columns, missing
):
    points = sweep(VLP_16)[:, :columns]
    points[np.isnan(points[:, 0]), :4] = missing
    file = tmp_path / "000000.bin"
    file.write_bytes(points.astype("<f4").tobytes())
    read, _ = CloudFolder([file]).read(file)
    np.testing.assert_allclose(read[:, :3], points[:, :3], atol=1e-4)


def test_most_points_may_lack_a_return(tmp_path):
    points = sweep(HDL_64)[:, :5]
    points[np.arange(len(points)) % 64 > 20, :4] = 0
    file = tmp_path / "000000.bin"
    file.write_bytes(points.astype("<f4").tobytes())
    assert find_format([file]).columns == 5


def test_intensities_up_to_255_are_read_as_0_to_1(tmp_path):
    """Otherwise, mAP drops from 0.62 to 0.03 without a warning."""
    tiny_data.write_kitti_frame(tmp_path, "000000")
    file = tmp_path / "training" / "velodyne" / "000000.bin"
    file.write_bytes((scan() * (1, 1, 1, 255)).astype("<f4").tobytes())
    dataset = open_dataset(tmp_path)
    np.testing.assert_allclose(dataset[0][0].points[:, 3], scan()[:, 3], atol=1e-5)
    assert dataset.notes == ("velodyne: intensities are divided by 255",)


@pytest.mark.parametrize(
    "folder",
    ["kitti/training/velodyne", "sustech/training/velodyne", "kitti_raw/*/*/velodyne_points/data"],
)
def test_real_clouds_are_in_kittis_own_format(real_data, folder):
    files = sorted(real_data.glob(f"{folder}/*.bin"))
    assert files
    for file in files:
        assert CloudFolder([file]).notes == ()
