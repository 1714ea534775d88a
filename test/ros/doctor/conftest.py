"""Fixtures shared by the tests of the doctor."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.broken_bag import Entry, entries, good_bag


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag in which the doctor finds nothing wrong."""
    return good_bag(tmp_path_factory.mktemp("good") / "bag")


@pytest.fixture(scope="session")
def content(bag: Path) -> list[Entry]:
    """Return the messages of `bag`; tests change copies of them."""
    return entries(bag)
