"""Writing of single files."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from bev_semseg_ros.data.files import read_image, write_png


def test_an_image_that_is_only_partly_written_is_an_error(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (60, 100, 3), np.uint8)
    path = tmp_path / "000001.png"
    write_png(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size - 1, before[1]))
    try:
        with pytest.raises(OSError, match=r"000001\.png: cannot be written \(File too large\)"):
            write_png(path, image)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
