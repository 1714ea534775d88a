import dataclasses

import numpy as np
import pytest
from support.simple_scene import CAR_POSES, street

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.sim.rigs.kitti import KITTI_RIG
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.sweep import Path, Sweep

pytestmark = pytest.mark.usefixtures("kernels")

WALL = 20.0
SPEED = 15.0
TURN = Sweep(0.1, np.pi, 2 * np.pi, 1, 0.0, is_corrected=False)
QUIET = dataclasses.replace(KITTI_RIG, range_sigma=0.0, ring_sigma=0.0, beam_sigma=0.0)


def path(speed):
    """Return the path of a vehicle that drives straight ahead along x."""
    times = np.linspace(-0.2, 0.2, 5)
    return Path(times, np.array([transform(translation=(speed * t, 0, 0)) for t in times]))


def measure(view, sweep, speed=SPEED):
    return scan(view, dataclasses.replace(QUIET, sweep=sweep), path=path(speed))


def of_wall(points):
    return points.positions[(points.objects < 0) & (points.positions[:, 2] > 0.3)]


def test_beams_pass_the_front_at_the_time_of_the_frame():
    azimuths = np.radians([-90.0, 0.0, 90.0])
    assert np.allclose(TURN.times(azimuths), [-0.025, 0.0, 0.025])
    clockwise = dataclasses.replace(TURN, direction=-1, delay=0.01)
    assert np.allclose(clockwise.times(azimuths), [0.035, 0.01, -0.015])


def test_a_narrow_sweep_takes_its_whole_period_between_its_edges():
    raster = Sweep(0.1, -1.0, 2.0, 1, 0.0, False)
    azimuths = np.array([-1.1, -1.0, 0.0, 0.999, 1.1])
    assert np.allclose(raster.times(azimuths), [-0.05, -0.05, 0, 0.05, 0.05], atol=1e-3)


def test_uncorrected_points_of_a_wall_are_distorted_by_the_motion():
    points = of_wall(measure(street((WALL, "wall")), TURN))
    times = TURN.times(np.arctan2(points[:, 1], points[:, 0]))
    # A later beam is fired from a shorter distance.
    assert np.allclose(points[:, 0], WALL - SPEED * times, atol=0.02)
    assert np.ptp(points[:, 0]) > 0.1


def test_corrected_points_of_a_wall_are_straight():
    corrected = dataclasses.replace(TURN, is_corrected=True)
    points = of_wall(measure(street((WALL, "wall")), corrected))
    assert np.allclose(points[:, 0], WALL, atol=0.01)


def test_without_motion_a_sweep_gives_the_points_of_one_moment():
    view = street((WALL, "wall"))
    still, once = measure(view, TURN, speed=0.0), scan(view, QUIET)
    assert np.allclose(still.positions, once.positions, atol=1e-6)


@pytest.mark.parametrize("is_corrected", [False, True])
def test_points_of_a_car_at_constant_distance_move_only_if_corrected(is_corrected):
    view = street()
    boxes = view.boxes
    moving = np.tile([SPEED, 0.0], (len(boxes), 1))
    view = dataclasses.replace(
        view,
        boxes=Boxes(
            boxes.centers,
            boxes.sizes,
            boxes.yaws,
            boxes.labels,
            boxes.scores,
            np.arange(len(boxes)),
            moving,
        ),
    )
    # All beams are fired 50 ms after the time of the frame, when the cars have moved on.
    late = dataclasses.replace(TURN, period=1e-6, delay=0.05, is_corrected=is_corrected)
    points, once = measure(view, late), scan(view, QUIET)
    for number, (x, _, _) in enumerate(CAR_POSES):
        shift = (
            points.positions[points.objects == number, 0].mean()
            - once.positions[once.objects == number, 0].mean()
        )
        assert shift == pytest.approx(SPEED * 0.05 if is_corrected else 0.0, abs=0.15), x
