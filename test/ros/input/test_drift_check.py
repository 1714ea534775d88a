"""The comparison of the first frames of a drive with the training data."""

from __future__ import annotations

import numpy as np
import pytest
from support.broken_bag import scan
from support.paths import ROOT

from bev_semseg_ros.frame import Frame, LidarScan
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.input.drift_check import CLOUDS, DriftCheck
from bev_semseg_ros.ros.parameters.sensors import Sensors

POSE = transform(translation=(0, 0, 1.73))


@pytest.mark.parametrize(
    ("of_roof", "of_nose", "items"), [(1, 255, []), (255, 1, ["intensity roof/points"])]
)
def test_only_the_reference_lidar_of_several_lidars_is_checked(
    of_roof: int, of_nose: int, items: list[str]
):
    known = checkpoint.load(ROOT / "weights" / "bev_semseg.pt")
    check = DriftCheck(known.info, Sensors.named(("roof", "nose"), ("front",)))
    roof = scan() * np.array([1, 1, 1, of_roof], np.float32)
    nose = scan() * np.array([1, 1, 1, of_nose], np.float32)
    frame = Frame(0, {"roof": LidarScan(roof, POSE), "nose": LidarScan(nose, POSE)})
    sample = prepare(frame, known.config)
    findings = []
    for _ in range(CLOUDS + 1):
        findings += check.check(frame, sample, "calibration", 1.0)
    assert [each.item for each in findings] == items
