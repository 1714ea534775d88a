"""The data sets of `benchmarks/sim_v1.py`, and the scenes that every row is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bev_semseg_ros.data.dataset import ConcatDataset, Dataset, Subset, open_dataset
from bev_semseg_ros.evaluation.report import spaced


def data_sets(folder: Path, split: str) -> list[Path]:
    """Return the data sets of a split, sorted.

    Raises:
        ValueError: If there is none.
    """
    # The folder also contains the simulator's worktree, which is hidden.
    found = sorted(each for each in folder.glob(f"[!.]*/{split}") if each.is_dir())
    if not found:
        raise ValueError(
            f"{folder}: has no folder RIG/{split}; benchmarks/sim_v1.py makes such data sets"
        )
    return found


def scenes_of(
    paths: Sequence[Path], count: int, cameras: Sequence[str] | str | None = None
) -> Dataset:
    """Return the frames of `count` scenes, evenly spaced over all data sets.

    Args:
        paths: Folders RIG/SPLIT of the data sets.
        count: Number of scenes.
        cameras: As in `open_dataset`.
    """
    chosen: list[Dataset] = []
    datasets = [open_dataset(path, None, cameras) for path in paths]
    scenes = [
        (number, scene)
        for number, each in enumerate(datasets)
        for scene in dict.fromkeys(each.scene(index) for index in range(len(each)))
    ]
    kept = {scenes[index] for index in spaced(len(scenes), count)}
    for number, each in enumerate(datasets):
        indices = [i for i in range(len(each)) if (number, each.scene(i)) in kept]
        chosen.append(TestSet(each, indices, paths[number].parent.name))
    return ConcatDataset([each for each in chosen if len(each)])


class TestSet(Subset):
    """Some frames of a data set; a prefix makes the names of their scenes unique."""

    def __init__(self, dataset: Dataset, indices: list[int], prefix: str) -> None:
        super().__init__(dataset, indices)
        self._prefix = prefix

    def scene(self, index: int) -> str:
        return f"{self._prefix}/{super().scene(index)}"
