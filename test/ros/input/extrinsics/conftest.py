"""Fixtures shared by the tests of the extrinsics."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert


@pytest.fixture
def buffer(monkeypatch):
    """Return a Buffer that knows base_link -> mast -> lidar and base_link -> camera (optical)."""
    # Not at the top of the file: without rclpy, the tests are skipped.
    from support.vehicle_poses import (
        CAMERA_POSE,
        LIDAR_POSE,
        StandInBuffer,
        StandInError,
        transform_message,
    )

    from bev_semseg_ros.ros.input import transforms
    from bev_semseg_ros.ros.input.extrinsics import pose_matrix

    if transforms.tf2_ros is None:
        monkeypatch.setattr(
            transforms,
            "tf2_ros",
            SimpleNamespace(TransformException=StandInError, Buffer=StandInBuffer),
        )
    buffer, mast = transforms.tf2_ros.Buffer(), pose_matrix([0.5, 0, 1, 0, 0, 0.7])
    for parent, child, matrix in (
        ("base_link", "mast", mast),
        ("mast", "lidar", invert(mast) @ pose_matrix(LIDAR_POSE)),
        ("base_link", "camera", pose_matrix(CAMERA_POSE) @ invert(OPTICAL_FROM_VIEW)),
    ):
        buffer.set_transform_static(transform_message(parent, child, matrix), "test")
    return buffer


@pytest.fixture
def waits(buffer, monkeypatch) -> dict[str, int]:
    """Return the last timeout of each frame, nanoseconds; each look-up in `buffer` adds its own."""
    found: dict[str, int] = {}
    look_up = buffer.lookup_transform

    def listen(target, source, time, timeout):
        found[source] = timeout.nanoseconds
        return look_up(target, source, time, timeout)

    monkeypatch.setattr(buffer, "lookup_transform", listen)
    return found
