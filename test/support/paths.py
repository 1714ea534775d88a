"""Folders of the project."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bev_semseg_ros"
WEIGHTS = ROOT / "weights" / "bev_semseg.pt"
