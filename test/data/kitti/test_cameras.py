"""Several cameras and lidars of KITTI, object and raw."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data.files import read_image
from bev_semseg_ros.data.kitti import KittiDataset, KittiRawDataset
from bev_semseg_ros.geometry import apply, project

pytestmark = pytest.mark.slow

BOTH = ["image_02", "image_03"]
# The right camera stands 0.54 m to the right of the left one, which is 0.06 m left of camera 0.
P3 = "700 0 31.5 -336 0 700 15.5 0 0 0 1 0.003"
DONT_CARE = "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"


@pytest.fixture
def root(tmp_path):
    """Return the root of an object data set of one frame, with both images and both masks."""
    tiny_data.write_kitti_frame(tmp_path, "000003", DONT_CARE)
    training = tmp_path / "training"
    with (training / "calib" / "000003.txt").open("a") as file:
        file.write(f"P3: {P3}\n")
    for index, (images, masks) in enumerate((("image_2", "semantic"), ("image_3", "semantic_3"))):
        shape = tiny_data.KITTI_SIZE[::-1]
        tiny_data.write_png(training / images / "000003.png", np.full((*shape, 3), index, np.uint8))
        tiny_data.write_png(training / masks / "000003.png", np.full(shape, index, np.uint8))
    return tmp_path


def add_lidar(root, name="bumper", row="1 0 0 2.9 0 1 0 0 0 0 1 -1.0"):
    """Add a lidar with one point, and its line in the calibration."""
    folder = root / "training" / f"velodyne_{name}"
    folder.mkdir()
    point = np.array([[4, 1, 0, 0.5]], np.float32)
    (folder / "000003.bin").write_bytes(point.tobytes())
    with (root / "training" / "calib" / "000003.txt").open("a") as file:
        file.write(f"Tr_{name}_to_velo: {row}\n")


def test_each_camera_has_its_image_and_its_mask(root):
    frame, annotation = KittiDataset(root, BOTH)[0]
    assert list(frame.cameras) == list(annotation.masks) == BOTH and frame.missing == ()
    for index, name in enumerate(BOTH):
        assert (frame.cameras[name].image == index).all()
        assert (annotation.masks[name] == index).all()
    assert list(frame.lidars) == ["lidar"]


def test_p3_gives_the_position_of_the_right_camera(root):
    frame, _ = KittiDataset(root, BOTH)[0]
    point = np.array([[20.0, 1.0, 0.5]])
    left, right = (project(frame.cameras[name].camera.image_from_ego, point)[0] for name in BOTH)
    # Parallax: 0.54 m of baseline at the depth 20 - 0.27 + 0.003.
    np.testing.assert_allclose(left - right, [[700 * 0.54 / 19.733, 0]])


def test_dont_care_areas_belong_to_the_left_image(root):
    for names in (BOTH, BOTH[::-1]):
        _, annotation = KittiDataset(root, names)[0]
        assert list(annotation.dont_care) == ["image_02"]
    _, annotation = KittiDataset(root, ["image_03"])[0]
    assert not annotation.dont_care and annotation.boxes is not None


def test_a_single_camera_is_called_camera(root):
    default, _ = open_dataset(root)[0]
    right, annotation = open_dataset(root, cameras=["image_03"])[0]
    assert list(default.cameras) == list(right.cameras) == list(annotation.masks) == ["camera"]
    assert (default.image == 0).all() and (right.image == 1).all()
    assert right.missing == ()


@pytest.mark.parametrize(
    "folder, part", [("image_3", "image_03 image"), ("semantic_3", "image_03 mask")]
)
def test_a_missing_file_of_the_right_camera_is_named(root, folder, part):
    (root / "training" / folder / "000003.png").unlink()
    frame, _ = KittiDataset(root, BOTH)[0]
    assert frame.missing == (part,) and frame.cameras["image_02"].image is not None


def test_all_selects_the_cameras_that_have_a_folder(root):
    assert list(open_dataset(root, cameras="all")[0][0].cameras) == BOTH
    for folder in ("image_3", "semantic_3"):
        (root / "training" / folder / "000003.png").unlink()
        (root / "training" / folder).rmdir()
    assert list(open_dataset(root, cameras="all")[0][0].cameras) == ["camera"]
    with pytest.raises(ValueError, match="no camera 'image_03', expected all or some of image_02"):
        open_dataset(root, cameras=BOTH)


def test_a_further_lidar_has_the_pose_of_the_calibration(root):
    add_lidar(root)
    frame, _ = KittiDataset(root)[0]
    assert list(frame.lidars) == ["velodyne", "bumper"] and frame.missing == ()
    scan = frame.lidars["bumper"]
    in_ego = apply(scan.ego_from_lidar, scan.points[:, :3].astype(float))
    np.testing.assert_allclose(in_ego, [[4 + 2.9, 1, -1.0 + 1.73]])
    assert list(frame.cameras) == ["camera"]


def test_a_missing_cloud_of_a_further_lidar_is_named(root):
    add_lidar(root)
    (root / "training" / "velodyne_bumper" / "000003.bin").unlink()
    frame, _ = KittiDataset(root)[0]
    assert frame.missing == ("bumper lidar",) and frame.lidars["bumper"].points is None
    assert len(frame.lidars["velodyne"].points) == 50


def test_a_folder_of_cropped_clouds_is_not_read_as_a_lidar(root):
    (root / "training" / "velodyne_reduced").mkdir()
    frame, _ = KittiDataset(root)[0]
    assert list(frame.lidars) == ["lidar"] and frame.missing == ()


def test_a_pose_that_is_not_rigid_is_named(root):
    add_lidar(root, row="2 0 0 2.9 0 1 0 0 0 0 1 -1.0")
    with pytest.raises(ValueError, match=r"000003\.txt: Tr_bumper_to_velo: expected a rigid"):
        KittiDataset(root)[0]


@pytest.mark.parametrize("row", ["R0_rect", "Tr_velo_to_cam"])
def test_a_row_of_zeros_is_named_instead_of_putting_all_boxes_at_one_place(root, row):
    for file in (root / "training" / "calib").iterdir():
        lines = file.read_text().splitlines()
        count = {each.split(":")[0]: len(each.split()) - 1 for each in lines}[row]
        zeros = " ".join(["0"] * count)
        changed = [f"{row}: {zeros}" if each.startswith(row) else each for each in lines]
        file.write_text("\n".join(changed))
    with pytest.raises(ValueError, match=rf"000003\.txt: {row}: expected a rigid"):
        KittiDataset(root)[0]


# --- raw ------------------------------------------------------------------------------------------


@pytest.fixture
def drive(tmp_path):
    """Return a raw drive with images of the right camera for both frames."""
    folder = tiny_data.write_kitti_raw(tmp_path)
    with (folder.parent / "calib_cam_to_cam.txt").open("a") as file:
        file.write(f"S_rect_03: 64 32\nP_rect_03: {P3}\n")
    for number in (2, 3):
        image = np.full((*tiny_data.KITTI_SIZE[::-1], 3), number, np.uint8)
        tiny_data.write_png(folder / "image_03" / "data" / f"{number:010d}.png", image)
    return folder


def test_raw_drives_give_both_cameras(drive):
    frame, _ = KittiRawDataset(drive, BOTH)[0]
    assert list(frame.cameras) == BOTH and list(frame.lidars) == ["lidar"] and frame.missing == ()
    assert (frame.cameras["image_03"].image == 2).all()
    left, right = (frame.cameras[name].camera.camera_from_ego[:3, 3] for name in BOTH)
    np.testing.assert_allclose(right - left, [-0.54, 0, 0], atol=1e-9)


def test_a_missing_image_of_the_right_camera_of_a_drive_is_named(drive):
    (drive / "image_03" / "data" / "0000000002.png").unlink()
    dataset = KittiRawDataset(drive, BOTH)
    assert [frame.missing for frame, _ in dataset] == [("image_03 image",), ()]


def test_a_right_image_of_another_size_is_named(drive):
    path = drive / "image_03" / "data" / "0000000002.png"
    tiny_data.write_png(path, np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(ValueError, match=r"image_03/.*S_rect_03.*\(20, 10\)"):
        KittiRawDataset(drive, BOTH)[0]


def test_by_default_only_the_left_camera_of_a_drive_is_read(drive):
    frame, _ = open_dataset(drive)[0]
    left = read_image(drive / "image_02" / "data" / "0000000002.png")
    assert list(frame.cameras) == ["camera"] and np.array_equal(frame.image, left)
    assert list(open_dataset(drive.parent, cameras="all")[0][0].cameras) == BOTH
