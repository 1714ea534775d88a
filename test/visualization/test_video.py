"""Videos contain the written pictures, encoded with the best codec that is installed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bev_semseg_ros.visualization import video
from bev_semseg_ros.visualization.video import H264Video, Mpeg4Video, Video, open_video

COUNT = 6
HEIGHT, WIDTH = 121, 203  # odd: the last row and column are left out


def picture(index: int) -> np.ndarray:
    """A gray picture with a red square that moves and a blue corner."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[40:80, 20 * index : 20 * index + 40] = (220, 30, 30)
    image[:20, -40:] = (30, 30, 220)
    return image


@pytest.fixture(params=[H264Video, Mpeg4Video])
def codec(request) -> type[Video]:
    if request.param is H264Video:
        pytest.importorskip("av")
    return request.param


def decoded(path: Path) -> list[np.ndarray]:
    reader = cv2.VideoCapture(str(path))
    frames = []
    while True:
        success, frame = reader.read()
        if not success:
            return frames
        frames.append(frame[..., ::-1])


def test_every_picture_comes_back_in_its_colors(codec, tmp_path):
    with codec(tmp_path / "drive.mp4", 5.0) as written:
        for index in range(COUNT):
            written.write(picture(index))
    frames = decoded(tmp_path / "drive.mp4")
    assert len(frames) == COUNT
    for index, frame in enumerate(frames):
        expected = picture(index)[:120, :202]
        assert frame.shape == expected.shape
        assert np.abs(frame.astype(int) - expected).mean() < 6


def test_a_video_plays_at_its_rate(codec, tmp_path):
    with codec(tmp_path / "drive.mp4", 5.0) as written:
        for index in range(COUNT):
            written.write(picture(index))
    assert cv2.VideoCapture(str(tmp_path / "drive.mp4")).get(cv2.CAP_PROP_FPS) == 5.0


def test_pictures_of_another_size_are_scaled_to_the_first(codec, tmp_path):
    with codec(tmp_path / "drive.mp4", 5.0) as written:
        written.write(picture(0))
        written.write(cv2.resize(picture(0), (2 * WIDTH, 2 * HEIGHT)))
    first, second = decoded(tmp_path / "drive.mp4")
    assert np.abs(first.astype(int) - second).mean() < 6


def test_without_pictures_there_is_no_file(codec, tmp_path):
    with codec(tmp_path / "drive.mp4", 5.0):
        pass
    assert not list(tmp_path.iterdir())


def test_browsers_can_play_the_video(tmp_path):
    """Browsers need H.264 with 4:2:0 subsampling, and the index before the pictures."""
    av = pytest.importorskip("av")
    with open_video(tmp_path / "drive.mp4", 5.0) as written:
        for index in range(COUNT):
            written.write(picture(index))
    with av.open(str(tmp_path / "drive.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "drive.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_without_pyav_opencv_writes_the_video(monkeypatch, tmp_path):
    monkeypatch.setattr(video, "av", None)
    assert not video.writes_h264()
    assert isinstance(open_video(tmp_path / "drive.mp4", 5.0), Mpeg4Video)


def test_a_folder_that_does_not_exist_is_an_error_that_names_the_file(codec, tmp_path):
    with (
        pytest.raises(OSError, match=r"nowhere/drive\.mp4"),
        codec(tmp_path / "nowhere" / "drive.mp4", 5.0) as written,
    ):
        written.write(picture(0))
