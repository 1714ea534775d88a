"""Description of the training data, which a checkpoint stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bev_semseg_ros.input_check import InputStatistics
from bev_semseg_ros.model.tasks.task import Task, merged, parts_of
from bev_semseg_ros.training.cache import Cache


def describe(caches: Sequence[Cache], tasks: Sequence[Task], limit: int = 400) -> dict[str, Any]:
    """Return statistics of the training input for a checkpoint's `info`.

    Args:
        caches: prepared frames.
        tasks: tasks that collect further statistics (`Task.observe`).
        limit: of all frames, and of those that train a task, fewer than twice this number are used.

    Returns:
        Plain values: `num_frames`, those of `InputStatistics.summary`, with which the node compares
        live input, and those of `Task.statistics`.
    """
    frames = [(cache, i) for cache in caches for i in range(len(cache))]
    statistics = InputStatistics()
    for cache, i in _spread(frames, limit):
        sample = cache[i].sample.within(tasks[0].config.grid)
        if sample.points is not None:
            for number, pose in enumerate(sample.ego_from_lidar):
                statistics.add_points(sample.points[sample.point_lidar == number], pose)
        for seen in sample.images.values():
            statistics.add_camera(seen.camera)
    info = {"num_frames": len(frames), **statistics.summary()}
    for task in tasks:
        labelled = [(cache, i) for cache, i in frames if cache.has_labels(i, [task])]
        for cache, i in _spread(labelled, limit):
            for part in parts_of(cache[i], task):
                task.observe(part)
        info = merged(info, task.statistics(), task)
    return info


def _spread(frames: list[tuple[Cache, int]], limit: int) -> list[tuple[Cache, int]]:
    """Return evenly spaced frames, fewer than twice `limit`."""
    return frames[:: max(1, len(frames) // limit)]
