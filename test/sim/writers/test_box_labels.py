"""The boxes that label a simulated frame, and how they are drawn."""

from dataclasses import replace

import numpy as np
import pytest
from support.rigs import QUICK_RIGS
from support.simple_scene import POSES_AROUND, street

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import project
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.rig import BoxConvention
from bev_semseg_ros.sim.sensors.lidar import Scan, scan
from bev_semseg_ros.sim.writers.labels import label_view

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernels")]

SIZE = (192, 121)


def test_convention_keeps_the_near_faces():
    boxes = Boxes([[20.0, 0, 1], [20.0, 5, 1]], [[4, 2, 1.5]] * 2, [0.0, 0.0], [0, 0], [1, 1])
    drawn = BoxConvention({"car": (0.9, 0.9, 1.0)}, pull=0.0).apply(boxes)
    rear = [b.centers[:, 0] - b.sizes[:, 0] / 2 for b in (boxes, drawn)]
    right = [b.centers[1, 1] - b.sizes[1, 1] / 2 for b in (boxes, drawn)]
    assert np.allclose(*rear) and np.isclose(*right)


def test_convention_keeps_the_ground():
    boxes = Boxes([[20.0, 3, 1]], [[4, 2, 1.5]], [0.4], [0], [1])
    drawn = BoxConvention({"car": (1.0, 1.0, 1.2)}).apply(boxes)
    assert np.isclose(drawn.centers[0, 2] - drawn.sizes[0, 2] / 2, 0.25) and np.isclose(
        drawn.sizes[0, 2], 1.8
    )


def test_an_object_behind_a_wall_has_no_box():
    view = street((8.0, "wall"))
    for rig in QUICK_RIGS.values():
        assert len(label_view(view, scan(view, rig), rig, "Van").boxes) == 0


def test_a_half_hidden_object_is_marked_occluded():
    view = street()
    rig = RIGS["kitti"]
    full = scan(view, rig)
    hidden = full[~((full.objects == 1) & (np.arange(len(full)) % 4 > 0))]
    closer = hidden.positions.copy()
    pixels, _ = project(rig.reference_camera.image_from_ego, full.positions[full.objects == 1])
    # Put 300 points of something near in front of the object.
    ground = np.flatnonzero(hidden.objects < 0)[:300]
    ray = full.positions[full.objects == 1][np.arange(300) % np.sum(full.objects == 1)]
    centre = np.linalg.inv(rig.reference_camera.camera_from_ego)[:3, 3]
    closer[ground] = centre + 0.4 * (ray - centre)
    occluded = replace(hidden, positions=closer)
    assert len(pixels) and label_view(view, full, rig, "Van").occlusions[1] == 0
    assert label_view(view, occluded, rig, "Van").occlusions[1] == 2


def test_a_long_object_beside_the_vehicle_does_not_hide_itself():
    """All its corners are farther away than the centre of its side."""
    view = street()
    boxes = Boxes([[2.0, 3.0, 1.5]], [[12.0, 2.4, 3.0]], [0.0], [1], [1.0], [0], [[0.0, 0.0]])
    x, z = (grid.ravel() for grid in np.meshgrid(np.linspace(2.2, 7.8, 60), np.linspace(0.2, 3)))
    zeros = np.zeros(len(x), np.int64)
    side = Scan(np.stack([x, zeros + 1.8, z], 1), *[zeros] * 7)
    labels = label_view(replace(view, boxes=boxes), side, RIGS["kitti"], "Van")
    assert labels.names == ["Truck"] and labels.occlusions.tolist() == [0]


@pytest.mark.parametrize("name", ["a2d2_6", "kitti"])
def test_an_object_behind_the_reference_camera_has_finite_labels(name):
    rig = QUICK_RIGS[name].resized(SIZE)
    view = street(poses=POSES_AROUND)
    labels = label_view(view, scan(view, rig, full_turn=True), rig, "Van")
    assert len(labels.boxes) == 4 and labels.truncations[1] == 1
    assert np.isfinite(labels.bounds).all() and labels.occlusions[1] == 0
