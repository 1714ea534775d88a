from dataclasses import replace

import numpy as np
import pytest
from support.simple_scene import street

from bev_semseg_ros.sim.assets.mesh import MeshBuilder, concatenate
from bev_semseg_ros.sim.bev_labels import label_bev
from bev_semseg_ros.sim.classes import IGNORED_PIXEL, MASK_LABEL
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.sensors.lidar import scan

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernels")]


@pytest.fixture(scope="module")
def scene():
    """Return a street with a house, a balcony, a tree and a line on the road, and its scan."""
    view = street(poses=((12.0, 3.0, 0.0),))
    out, material = MeshBuilder(), view.materials.add("wall", [0.3] * 3)
    label = MASK_LABEL
    out.box((20, -12, -0.3), (8, 6, 9), 0, label["building"], material)
    out.box((20, -8.5, 3.1), (2.5, 1.0, 1.0), 0, label["building"], material)  # the balcony
    out.tube((20, 8, 0), (20, 8, 5), 0.2, 0.2, 8, label["vegetation"], material)
    out.box((20, 8, 4), (5, 5, 3), 0, label["vegetation"], material)  # its crown
    out.quad((5, 0, 0.004), (30, 0, 0.004), (30, 0.12, 0.004), (5, 0.12, 0.004), 1, material)
    assert label["lane_marking"] == 1
    view = replace(view, static=concatenate([view.static, out.build()]))
    return view, scan(view, RIGS["kitti"])


@pytest.fixture(scope="module")
def bev(scene):
    return label_bev(*scene)


def at(bev, x, y):
    """Return the name of the class at a point, metres."""
    row, column = int((x - bev.x_min) / bev.cell), int((y - bev.y_min) / bev.cell)
    number = bev.classes[row, column]
    return "unknown" if number == IGNORED_PIXEL else bev.labels.classes[number]


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        (12.1, 3.1, "vehicle"),
        (20.1, -12.1, "building"),
        (20.1, -8.4, "road"),  # below the balcony
        (20.1, 8.1, "vegetation"),  # the trunk
        (21.6, 9.6, "road"),  # below the crown
        (15.1, 0.1, "lane_marking"),
        (-50.1, 0.1, "unknown"),  # beyond the end of the world
    ],
)
def test_a_cell_has_the_class_of_what_stands_there_or_of_the_ground(bev, x, y, name):
    assert at(bev, x, y) == name


def test_cells_that_no_ray_reaches_are_not_observed(bev):
    assert 0 < bev.observed[bev.classes == bev.labels.index("road")].mean() < 0.2
    row, column = int((24.5 - bev.x_min) / bev.cell), int((-12.5 - bev.y_min) / bev.cell)
    assert not bev.observed[row : row + 4, column : column + 2].any()  # behind the house


def test_points_of_rain_or_fog_observe_nothing(scene):
    view, points = scene
    water = replace(points, classes=np.full(len(points), IGNORED_PIXEL, np.uint8))
    assert not label_bev(view, water).observed.any()
