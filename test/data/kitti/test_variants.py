"""Variants of KITTI's layout: other names and numbers, JPEG, calibrations without colons."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data_check import check_files
from bev_semseg_ros.frame import CAMERA


@pytest.fixture
def root(tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 3)
    return tmp_path


def as_jpeg(file) -> None:
    image = cv2.imread(str(file))
    cv2.imwrite(str(file.with_suffix(".jpg")), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    file.unlink()


def test_jpeg_images_are_read(root):
    images = root / "training" / "image_2"
    tiny_data.write_png(images / "000001.png", np.full((32, 64, 3), (200, 40, 10), np.uint8))
    for file in list(images.iterdir()):
        as_jpeg(file)
    frame, _ = open_dataset(root)[1]
    assert frame.missing == () and frame.camera.size == (64, 32)
    np.testing.assert_allclose(frame.image.mean((0, 1)), (200, 40, 10), atol=3)


def test_jpeg_images_of_kitti_raw_are_read(tmp_path):
    drive = tiny_data.write_kitti_raw(tmp_path)
    for file in list((drive / "image_02" / "data").glob("*.png")):
        as_jpeg(file)
    assert open_dataset(tmp_path)[0][0].image.shape == (32, 64, 3)


def test_a_damaged_jpeg_is_named(root):
    file = root / "training" / "image_2" / "000001.png"
    as_jpeg(file)
    jpeg = file.with_suffix(".jpg")
    jpeg.write_bytes(jpeg.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"000001.jpg: truncated or damaged JPEG"):
        open_dataset(root)[1]


def test_a_jpeg_without_its_end_is_named(root):
    """OpenCV 4.6, which Ubuntu 24.04 has, reads such a file, with a grey area."""
    file = root / "training" / "image_2" / "000001.png"
    as_jpeg(file)
    jpeg = file.with_suffix(".jpg")
    jpeg.write_bytes(jpeg.read_bytes()[:-2])
    with pytest.raises(ValueError, match=r"000001.jpg: truncated or damaged JPEG"):
        open_dataset(root)[1]


def test_a_mask_stored_as_jpeg_is_refused(root):
    as_jpeg(root / "training" / "semantic" / "000001.png")
    with pytest.raises(ValueError, match=r"000001.jpg: expected a PNG; JPEG compression changes"):
        open_dataset(root)[1]


def test_a_mask_with_a_palette_is_refused_with_the_remedy(root):
    pillow = pytest.importorskip("PIL.Image")
    file = root / "training" / "semantic" / "000001.png"
    image = pillow.new("P", (64, 32), 1)
    image.putpalette([0, 0, 0, 200, 40, 10])
    image.save(file)
    with pytest.raises(ValueError, match=r"000001.png: .* with a palette; write the numbers with"):
        open_dataset(root)[1]
    pillow.fromarray(np.array(pillow.open(file))).save(file)  # as the message says
    assert (open_dataset(root)[1][1].mask == 1).all()


def test_a_mask_of_one_bit_is_refused_instead_of_ignoring_its_second_class(root):
    pillow = pytest.importorskip("PIL.Image")
    file = root / "training" / "semantic" / "000001.png"
    numbers = np.arange(32 * 64).reshape(32, 64) % 2 == 1
    pillow.fromarray(numbers).save(file)
    with pytest.raises(ValueError, match=r"000001.png: .* got 1 bit per pixel.* with 8 bit"):
        open_dataset(root)[1]
    pillow.fromarray(numbers.astype(np.uint8)).save(file)  # as the message says
    np.testing.assert_array_equal(open_dataset(root)[1][1].mask, numbers)


def test_hidden_files_of_macos_are_not_read_as_frames(root):
    for file in [file for file in (root / "training").rglob("*.*") if file.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    dataset = open_dataset(root)
    assert len(dataset) == 3 and dataset[2][0].missing == ()
    assert not check_files(dataset, root).wrong


def test_text_files_with_a_byte_order_mark_and_crlf_are_read(root):
    texts = [file for file in (root / "training").rglob("*") if file.suffix in (".txt", ".csv")]
    for file in texts:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    frame, annotation = open_dataset(root)[1]
    assert frame.missing == () and frame.scene == "drive_a" and len(annotation.boxes) == 1


def test_folders_named_as_in_kitti_raw_are_read(root):
    training = root / "training"
    (training / "image_2").rename(training / "image_02")
    (training / "velodyne").rename(training / "velodyne_points")
    dataset = open_dataset(root)
    assert dataset.name == "kitti" and len(dataset) == 3
    assert dataset[2][0].missing == ()


def test_files_with_different_leading_zeros_are_matched(root):
    training = root / "training"
    for number in range(3):
        (training / "velodyne" / f"{number:06d}.bin").rename(
            training / "velodyne" / f"{number}.bin"
        )
        (training / "label_2" / f"{number:06d}.txt").rename(
            training / "label_2" / f"{number:010d}.txt"
        )
    dataset = open_dataset(root)
    assert len(dataset) == 3
    assert [dataset[index][0].name for index in range(3)] == ["000000", "000001", "000002"]
    assert all(dataset[index][0].missing == () for index in range(3))
    assert len(dataset[1][1].boxes) == 1


def test_two_files_of_one_frame_are_named(root):
    folder = root / "training" / "velodyne"
    (folder / "1.bin").write_bytes((folder / "000001.bin").read_bytes())
    with pytest.raises(ValueError, match=r"1.bin: belongs to the same frame as 000001.bin"):
        open_dataset(root)


def test_frames_are_sorted_by_number(root):
    training = root / "training"
    (training / "frames.csv").unlink()
    for folder, ending in (("image_2", "png"), ("velodyne", "bin"), ("calib", "txt")):
        (training / folder / f"000002.{ending}").rename(training / folder / f"10.{ending}")
        (training / folder / f"000001.{ending}").rename(training / folder / f"9.{ending}")
    dataset = open_dataset(root)
    assert [dataset[index][0].name for index in range(3)] == ["000000", "9", "10"]


def test_a_file_whose_name_is_a_digit_but_no_number_is_a_frame(root):
    training = root / "training"
    (training / "frames.csv").unlink()
    (training / "image_2" / "000000.png").rename(training / "image_2" / "².png")
    dataset = open_dataset(root)
    assert dataset[len(dataset) - 1][0].name == "²"


def test_a_calibration_without_colons_is_read(root):
    before = open_dataset(root)[0][0].camera.image_from_ego
    for file in (root / "training" / "calib").iterdir():
        file.write_text(file.read_text().replace(":", ""))
    after = open_dataset(root)[0][0].camera.image_from_ego
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "size_and_place", ["-1 -1 -1 -1000 -1000 -1000", "1.5 1.6 4.0 -1000 -1000 -1000"]
)
def test_an_object_labelled_only_in_the_image_becomes_a_dont_care_area(tmp_path, size_and_place):
    tiny_data.write_kitti_frame(
        tmp_path, "000000", f"Car 0.00 0 -10 10 12 30 31 {size_and_place} -10\n"
    )
    _, annotation = open_dataset(tmp_path)[0]
    assert len(annotation.boxes) == 0
    assert annotation.dont_care[CAMERA].tolist() == [[10, 12, 30, 31]]


def test_waymo_converted_to_kitti_is_named_instead_of_misread(root):
    (root / "training" / "label_all").mkdir()
    with pytest.raises(ValueError, match=r"Waymo's frames in KITTI's folders"):
        open_dataset(root)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda file: file.rename(file.with_suffix(".tiff")), "image_2 has 1 entries such as 000"),
        (lambda file: file.unlink(), "image_2 is empty"),
    ],
)
def test_the_error_for_a_folder_without_frames_gives_the_reason(tmp_path, change, message):
    tiny_data.write_kitti_frame(tmp_path, "000000")
    (tmp_path / "training" / "velodyne" / "000000.bin").unlink()
    change(tmp_path / "training" / "image_2" / "000000.png")
    with pytest.raises(ValueError, match=rf"no frames found: {message}.*; velodyne is empty"):
        open_dataset(tmp_path)


def test_the_error_for_images_of_only_the_right_camera_names_it(tmp_path):
    tiny_data.write_kitti_frame(tmp_path, "000000")
    training = tmp_path / "training"
    (training / "image_2").rename(training / "image_3")
    (training / "velodyne" / "000000.bin").unlink()
    (training / "image_2").mkdir()
    with pytest.raises(ValueError, match=r"for another camera give --cameras image_03"):
        open_dataset(tmp_path)


def test_a_sequence_of_kitti_odometry_is_named(tmp_path):
    (tmp_path / "velodyne").mkdir()
    (tmp_path / "calib.txt").write_text("P0: 1\n")
    with pytest.raises(ValueError, match=r"a sequence of KITTI odometry: it has no boxes"):
        open_dataset(tmp_path)


def test_labels_in_label_02_and_a_fourth_camera_in_image_04_are_read(root):
    training = root / "training"
    (training / "label_2").rename(training / "label_02")
    (training / "image_04").mkdir()
    for file in (training / "image_2").iterdir():
        (training / "image_04" / file.name).write_bytes(file.read_bytes())
    for file in (training / "calib").iterdir():
        file.write_text(file.read_text() + "P4: 700 0 31.5 0 0 700 15.5 0 0 0 1 0\n")
    frame, annotation = open_dataset(root, cameras="all")[1]
    assert len(annotation.boxes) == 1
    assert frame.missing == () and frame.cameras["image_04"].image is not None
