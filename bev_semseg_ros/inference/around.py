"""Looks all around the vehicle with a network that looks ahead.

The grid of a network begins at the vehicle. With the grid "around", its BEV branch runs twice: on
the world as it is, and on the world rotated by 180 degrees. Both passes share the image features.
The position of a point is an input of the network. Because of the rotation, objects behind the
vehicle are nevertheless detected exactly as well as objects ahead, without further training. Each
pass also covers `OVERLAP` metres of the other half, so that it contains objects beside the vehicle
completely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bev_semseg_ros.config import GRIDS, Config
from bev_semseg_ros.model.tasks.task import Task

OVERLAP = 6.4  # metres: half the length of the longest object beside the vehicle


def looks_around(grid: str) -> bool:
    """Return True for "around" and False for "forward".

    Raises:
        ValueError: another value.
    """
    if grid not in GRIDS:
        raise ValueError(f"grid: expected {' or '.join(GRIDS)}, got {grid!r}")
    return grid == "around"


def whole_config(config: Config) -> Config:
    """Return a configuration whose grid reaches as far behind the vehicle as ahead."""
    return replace(config, grid=config.grid.extended(config.grid.x_max))


def pass_config(config: Config) -> Config:
    """Return the configuration of the network that runs in both passes.

    Its grid reaches equally far to the left and right, because they are swapped by the rotation.
    """
    grid = config.grid.extended(OVERLAP)
    side = max(-grid.y_min, grid.y_max)
    return replace(config, grid=replace(grid, y_min=-side, y_max=side))


def check_tasks(tasks: Sequence[Task]) -> None:
    """Refuse tasks whose results of two passes cannot be joined.

    Raises:
        ValueError: there is such a task; the message names the first one.
    """
    for task in tasks:
        if task.view == "bev" and type(task).join is Task.join:
            raise ValueError(
                f"grid: the task {task.name} cannot look around (it has no `join`); use forward"
            )
