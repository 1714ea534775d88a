"""Files of the package's share folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bev_semseg_ros.resources import shipped_checkpoint


def test_another_checkpoint_beside_the_shipped_one_does_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ament_index_python")
    share = tmp_path / "share"
    for file in (
        "ament_index/resource_index/packages/bev_semseg_ros",
        "bev_semseg_ros/weights/a2d2.pt",
        "bev_semseg_ros/weights/bev_semseg.pt",
    ):
        (share / file).parent.mkdir(parents=True, exist_ok=True)
        (share / file).touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert shipped_checkpoint() == share / "bev_semseg_ros" / "weights" / "bev_semseg.pt"
