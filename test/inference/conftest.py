"""Fixtures shared by the tests of inference."""

from __future__ import annotations

import pytest
from support.inference import shared_predictor

from bev_semseg_ros.inference.predictor import Predictor


@pytest.fixture(scope="session")
def simple() -> Predictor:
    """Return a predictor of a small network that runs in torch with float32."""
    return shared_predictor("torch", "fp32")
