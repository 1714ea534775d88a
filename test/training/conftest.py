"""Prepared frames that the tests of training share."""

from __future__ import annotations

import pytest
from support.memory_dataset import TINY, TinyDataset

from bev_semseg_ros.training.cache import Cache, build


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    folder = tmp_path_factory.mktemp("prepared") / "tiny"
    build(TinyDataset(), TINY, folder)
    return Cache(folder)
