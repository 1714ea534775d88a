"""Write pictures as an MP4 video: H.264 if PyAV is installed, else OpenCV's MPEG-4 Part 2.

Browsers play H.264, but OpenCV's wheels cannot write it.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np


def _import_pyav() -> Any | None:
    """Return PyAV, or None if it is not installed."""
    try:
        return importlib.import_module("av")
    except ImportError:
        return None


av = _import_pyav()

WITHOUT_H264 = (
    "The video is MPEG-4 Part 2, which browsers do not play. For H.264 install PyAV: pip install av"
)


class Video(ABC):
    """A video that is being written: a context manager.

    The first picture determines the size of the video. Later ones of another size are scaled to it.
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Prepare a video.

        Args:
            path: The file, which ends in .mp4. The first picture creates it.
            rate: Pictures per second.
        """
        self._path = path
        self._rate = rate
        self._size: tuple[int, int] | None = None

    def write(self, picture: np.ndarray) -> None:
        """Append a picture (H, W, 3) uint8 RGB."""
        if self._size is None:
            height, width = picture.shape[:2]
            size = (width // 2 * 2, height // 2 * 2)  # both codecs need an even width and height
            self._open(size)
            self._size = size
        width, height = self._size
        even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        if even.shape[:2] != (height, width):
            even = cv2.resize(even, self._size)
        self._append(np.ascontiguousarray(even))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._size is not None:
            self._close()

    @abstractmethod
    def _open(self, size: tuple[int, int]) -> None:
        """Create the file for pictures of size (width, height). Raise OSError if that fails."""

    @abstractmethod
    def _append(self, picture: np.ndarray) -> None:
        """Encode a picture that has the size of the video."""

    @abstractmethod
    def _close(self) -> None:
        """Write the rest of the file."""


class H264Video(Video):
    """An H.264 video, written by PyAV."""

    def _open(self, size: tuple[int, int]) -> None:
        # faststart puts the index first, so that browsers can play the video while they load it.
        if av is None:
            raise ModuleNotFoundError("PyAV is not installed: pip install av")
        self._path.touch()  # PyAV's errors do not name the file
        self._container = av.open(str(self._path), "w", options={"movflags": "+faststart"})
        self._frame_type = av.VideoFrame
        self._stream = self._container.add_stream("libx264", Fraction(self._rate))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"  # the only one that all browsers decode
        self._stream.options = {"crf": "23", "preset": "veryfast"}

    def _append(self, picture: np.ndarray) -> None:
        frame = self._frame_type.from_ndarray(picture, "rgb24")
        self._container.mux(self._stream.encode(frame))

    def _close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


class Mpeg4Video(Video):
    """An MPEG-4 Part 2 video, written by OpenCV."""

    def _open(self, size: tuple[int, int]) -> None:
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer: Any = cv2.VideoWriter(str(self._path), codec, self._rate, size)
        if not self._writer.isOpened():
            raise OSError(f"{self._path}: cannot be written")

    def _append(self, picture: np.ndarray) -> None:
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def _close(self) -> None:
        self._writer.release()


def writes_h264() -> bool:
    """Return whether `open_video` writes a video that browsers play."""
    return av is not None and "libx264" in av.codecs_available


def open_video(path: Path, rate: float) -> Video:
    """Prepare a video with the best codec that is installed.

    Args:
        path: The file, which ends in .mp4.
        rate: Pictures per second.

    Returns:
        The video, to be used in a `with` statement.
    """
    return H264Video(path, rate) if writes_h264() else Mpeg4Video(path, rate)
