"""The points of A2D2's lidar files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset, read_points
from bev_semseg_ros.frame import POINT_ATTRIBUTES
from bev_semseg_ros.labels import MASK_IGNORED


def test_intensity_is_reflectance_divided_by_255(root):
    path = tiny_data.a2d2_file(root, "lidar")
    frame, _ = A2D2Dataset(root)[0]
    np.testing.assert_allclose(frame.points[:, 3], np.load(path)["reflectance"] / 255, rtol=1e-6)


def test_points_carry_their_lidar_and_their_time(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    arrays["lidar_id"] = np.arange(12) % 5
    arrays["timestamp"] = 1_533_647_182_922_733 + 1000 * np.arange(-11, 1)
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert set(frame.point_attributes) == {"unit", "time"} <= set(POINT_ATTRIBUTES)
    assert frame.point_attributes["unit"].tolist() == arrays["lidar_id"].tolist()
    np.testing.assert_allclose(frame.point_attributes["time"], 0.001 * np.arange(-11, 1), atol=1e-7)


def test_units_of_a_cloud_have_poses_if_the_calibration_lists_their_lidars(root):
    frame, _ = A2D2Dataset(root)[0]
    assert dict(frame.lidar.lidar_from_unit) == {}
    path = root / "cams_lidars.json"
    calibration = json.loads(path.read_text())
    view = {"origin": [1.5, 0.6, 1.1], "x-axis": [0, -1, 0], "y-axis": [1, 0, 0]}
    rear = {**view, "origin": [-0.4, 0, 0.5]}
    calibration["lidars"] = {"rear": {"view": rear}, "front_left": {"view": view}}
    path.write_text(json.dumps(calibration))
    scan = A2D2Dataset(root)[0][0].lidar
    assert list(scan.lidar_from_unit) == [0, 1]
    ego_from_unit = scan.ego_from_lidar @ scan.lidar_from_unit[1]
    np.testing.assert_allclose(ego_from_unit[:3, 0], [0, -1, 0], atol=1e-9)
    np.testing.assert_allclose(ego_from_unit[2, 3], 1.1 + 0.85, atol=1e-9)
    calibration["lidars"]["front_left"] = {}
    path.write_text(json.dumps(calibration))
    with pytest.raises(ValueError, match=r"cams_lidars\.json: lidars\.front_left\.view"):
        A2D2Dataset(root)


def test_a_lidar_has_the_same_number_in_all_frames_whatever_their_sidecars_say(root):
    path = root / "cams_lidars.json"
    calibration = json.loads(path.read_text())
    view = calibration["cameras"]["front_center"]["view"]
    calibration["lidars"] = {"rear": {"view": view}, "front_left": {"view": view}}
    path.write_text(json.dumps(calibration))
    tiny_data.write_a2d2_frame(root, number=8)
    sidecars = [{"0": "front_left", "1": "rear", "2": "roof"}, {"0": "rear", "2": "front_left"}]
    for number, names in zip((7, 8), sidecars, strict=True):
        lidar = tiny_data.a2d2_file(root, "lidar", number=number)
        np.savez(lidar, **{**np.load(lidar), "lidar_id": np.arange(12) % 3})
        sidecar = tiny_data.a2d2_file(root, "sidecar", number=number)
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "lidar_ids": names}))
    first, second = (frame.point_attributes["unit"] for frame, _ in A2D2Dataset(root))
    # The calibration lists rear (0) and front_left (1), but not the others.
    assert first[:3].tolist() == [1, 0, 4] and second[:3].tolist() == [0, 3, 1]


def test_attributes_of_removed_points_are_removed_too(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    arrays["lidar_id"] = np.arange(12)
    arrays["valid"] = np.arange(12) % 2 == 0
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert frame.point_attributes["unit"].tolist() == [0, 2, 4, 6, 8, 10]
    assert len(frame.points) == len(frame.point_attributes["time"]) == 6


def test_a_file_without_times_and_lidars_gives_points_without_attributes(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    del arrays["lidar_id"], arrays["timestamp"]
    np.savez(path, **arrays)
    frame, _ = A2D2Dataset(root)[0]
    assert len(frame.points) == 12 and not frame.point_attributes


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"points": np.zeros((4, 2)), "reflectance": np.zeros(4)},
            r"points: expected numbers of shape \(4, 3\)",
        ),
        (
            {"points": np.zeros((4, 3)), "reflectance": np.zeros(3)},
            r"reflectance: expected numbers of shape \(4,\)",
        ),
        ({"points": np.zeros((4, 3))}, "expected an array 'reflectance'"),
        ({"points": np.array([[{}, 0, 0]]), "reflectance": np.zeros(1)}, "allow_pickle"),
    ],
)
def test_wrong_arrays_are_refused_with_what_was_expected(tmp_path, arrays, message):
    path = tmp_path / "cloud.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=f"cloud.npz: .*{message}"):
        read_points(path)


def test_a_single_array_instead_of_an_archive_is_refused(tmp_path):
    np.save(tmp_path / "cloud.npy", np.zeros((4, 3)))
    (tmp_path / "cloud.npy").rename(tmp_path / "cloud.npz")
    with pytest.raises(ValueError, match=r"cloud\.npz: .*npz archive"):
        read_points(tmp_path / "cloud.npz")


def test_an_archive_with_huge_content_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "cloud.npz"
    np.savez_compressed(path, points=np.zeros((100_000, 3)), reflectance=np.zeros(100_000))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("bev_semseg_ros.data.a2d2.cloud.MAX_NPZ_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"cloud\.npz: .*more than 1000000 bytes"):
        read_points(path)


def test_an_archive_with_an_unknown_compression_method_is_named(tmp_path):
    path = tmp_path / "cloud.npz"
    np.savez(path, points=np.zeros((4, 3)), reflectance=np.zeros(4))
    content = bytearray(path.read_bytes())
    for signature, offset in (
        (b"PK\x03\x04", 8),
        (b"PK\x01\x02", 10),
    ):  # the compression method, in both headers of the zip file
        content[content.index(signature) + offset] = 77
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cloud\.npz: .*compression method"):
        read_points(path)


def test_keys_of_the_a2d2_sequences_are_read_and_invalid_points_are_left_out(tmp_path):
    points = np.arange(9.0).reshape(3, 3)
    np.savez(
        tmp_path / "cloud.npz",
        **{
            "pcloud_points": points,
            "pcloud_attr.reflectance.npy": np.array([0, 255, 51]),
            "pcloud_attr.valid": np.array([True, False, True]),
            "pcloud_attr.rectime": np.array([3, 9, 5]),
            "pcloud_attr.timestamp": np.array([100, 100, 100]),
        },
    )
    cloud = read_points(tmp_path / "cloud.npz")
    np.testing.assert_allclose(cloud.points, [[0, 1, 2, 0], [6, 7, 8, 0.2]], rtol=1e-6)
    assert cloud.times_us.tolist() == [3, 5] and cloud.newest_us == 5


def test_points_without_a_valid_class_are_ignored(root):
    path = tiny_data.a2d2_file(root, "lidar")
    arrays = dict(np.load(path))
    arrays["semantic"] = np.array([-1, np.nan, 300, 2, *np.zeros(8)])
    np.savez(path, **arrays)
    (path.parents[3] / "mask_labels.json").write_text('{"label_set": "a2d2_38"}')
    (classes,) = A2D2Dataset(root)[0][1].point_classes.values()
    assert classes[:5].tolist() == [MASK_IGNORED, MASK_IGNORED, MASK_IGNORED, 2, 0]


def test_classes_of_points_without_the_name_of_their_label_set_are_refused(root):
    path = tiny_data.a2d2_file(root, "lidar")
    np.savez(path, **np.load(path), semantic=np.zeros(12))
    with pytest.raises(FileNotFoundError, match=r"mask_labels\.json: missing; .* restore it"):
        A2D2Dataset(root)[0]
