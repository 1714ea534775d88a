"""Data sets: common interface, and functions to open, split and concatenate them."""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from bev_semseg_ros.data.a2d2 import A2D2Dataset
from bev_semseg_ros.data.files import FrameParts
from bev_semseg_ros.data.kitti import KittiDataset, KittiRawDataset, KittiTrackingDataset
from bev_semseg_ros.data.other_layouts import describe
from bev_semseg_ros.data.sensors import chosen_cameras
from bev_semseg_ros.frame import Annotation, Camera, Frame
from bev_semseg_ros.path_kind import is_known_mistake, wrong_path

# Readers that `open_dataset` tries, in this order.
READERS = (A2D2Dataset, KittiTrackingDataset, KittiDataset, KittiRawDataset)
Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")


class Dataset(Protocol):
    """Frames with their ground truth, in a fixed order.

    The classes in `READERS` are called with the path of the data set. They have two more members:

    - `layout`: Description of the folders that the class reads.
    - `matches(path)`: Static method that returns whether a folder is such a data set.

    Some of them have these members, too:

    - `folders(path)`: Static method that returns the folders of the frames, if other folders may be
      beside them. Changes in other folders do not change the data set.
    - `outside`: Name patterns of files above the path or these folders that are also read.
    - `camera_names(path)`: Static method that returns the names of the cameras, the reference
      camera first. The class then takes the names of the cameras to read as its second argument.

    Attributes:
        name: Short name of the data set.
    """

    name: str

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        """Read a frame. `Frame.missing` names missing files.

        Raises:
            IndexError: There is no such frame.
            ValueError: A file is damaged; the message names it.
        """
        ...

    def scene(self, index: int) -> str:
        """Return the name of the scene (drive) of a frame, without reading the frame."""
        ...

    def parts(self, index: int) -> FrameParts:
        """Return the files of a frame, without reading its images and clouds."""
        ...

    def cameras(self, index: int) -> Mapping[str, Camera]:
        """Return the cameras of the images of a frame; read at most the headers of the images.

        The keys are the names of the images in `parts`, such as "image".
        """
        ...


def open_dataset(
    path: str | Path, split: Split | None = None, cameras: Sequence[str] | str | None = None
) -> Dataset:
    """Open the data set in a folder: A2D2, or KITTI object, tracking or raw.

    `bev-semseg synth` writes these layouts, too.

    Args:
        path: The folder.
        split: "train" or "val"; None for all frames. A split consists of whole scenes, because
            neighbouring frames of a drive look alike. It depends only on the names of the scenes
            (see `validation_scenes`). Without frames.csv, each frame of KITTI object is a scene. A
            single scene belongs entirely to "train".
        cameras: Names of the cameras to read, such as "front_center" or "image_02". The first one
            is the reference camera: its frames are those of the data set, and images of the other
            cameras are matched with them. "all" reads all cameras; None reads only the reference
            camera of the data set. In the frames, a single camera has the name "camera", and
            several cameras have these names.

    Raises:
        ValueError: The folder has no known layout (the message lists the expected ones), the split
            is unknown, or a camera does not exist.
    """
    path = Path(path)
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected one of {', '.join(SPLITS)}")
    if not path.is_dir():
        raise wrong_path(path, "data set")
    kind = next((kind for kind in READERS if kind.matches(path)), None)
    if kind is None:
        raise ValueError(_unknown(path))
    dataset = kind(path) if cameras is None else _open_with_cameras(kind, path, cameras)
    if len(dataset) == 0:
        raise ValueError(f"{path}: no frames found; it looks like {kind.layout}")
    return dataset if split is None else SplitDataset(dataset, split)


def _unknown(path: Path) -> str:
    """Return the message for a folder that no reader can read."""
    if is_known_mistake(path, "data set"):
        return str(wrong_path(path, "data set"))
    inside = [entry for entry in sorted(path.iterdir()) if entry.is_dir()]
    known = [entry for entry in inside if any(kind.matches(entry) for kind in READERS)]
    if known:
        more = f" (others in it: {len(known) - 1})" if len(known) > 1 else ""
        return f"{path}: not a data set itself, but {known[0]} is one{more}: give that path"
    return f"{path}: no known data set; {describe(path)}; looked for " + "; ".join(
        kind.layout for kind in READERS
    )


def open_frames(
    path: str | Path, split: Split | None = None, cameras: Sequence[str] | str | None = None
) -> Dataset:
    """Open a data set like `open_dataset`, but require at least one frame.

    Raises:
        ValueError: As for `open_dataset`, or the split has no frames.
    """
    dataset = open_dataset(path, split, cameras)
    if len(dataset) == 0:
        raise ValueError(
            f"{path}: no frames in the split {split!r}, because a single scene is all 'train'; "
            "give more scenes, or no split"
        )
    return dataset


def _open_with_cameras(kind: Any, path: Path, cameras: Sequence[str] | str) -> Dataset:
    """Open a data set with the cameras of the given names."""
    if not hasattr(kind, "camera_names"):
        raise ValueError(f"{path}: data of the kind {kind.name} have no cameras to choose from")
    try:
        chosen = chosen_cameras(kind.camera_names(path), cameras)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    dataset: Dataset = kind(path, chosen)
    return dataset


def camera_names(path: Path) -> list[str]:
    """Return the cameras of the data set in a folder, the reference camera first."""
    kind: Any = next((kind for kind in READERS if kind.matches(path)), None)
    return list(kind.camera_names(path)) if hasattr(kind, "camera_names") else []


def data_files(path: Path) -> Iterator[str]:
    """Yield the files that the reader of a data set may read, in a deterministic order.

    Hidden files are left out: file managers create them. Links that lead back up are not followed.
    """
    path = path.resolve()
    kind: Any = next((kind for kind in READERS if kind.matches(path)), None)
    folders: list[Path] = kind.folders(path) if hasattr(kind, "folders") else [path]
    for folder in folders:
        for inner, subfolders, names in os.walk(folder, followlinks=True):
            subfolders[:] = sorted(
                name
                for name in subfolders
                if not name.startswith(".") and not _is_loop(Path(inner, name))
            )
            for name in sorted(names):
                if not name.startswith("."):
                    yield os.path.join(inner, name)
    above = {path, *path.parents[:2]}
    for folder in folders:
        above.update(folder.parents[:2])
    for each in sorted(above):
        for pattern in getattr(kind, "outside", ()):
            yield from sorted(map(str, each.glob(pattern)))


def _is_loop(folder: Path) -> bool:
    """Return whether a folder is a link to one of the folders that contain it."""
    if not folder.is_symlink():
        return False
    target = folder.resolve()
    return any(above.resolve().is_relative_to(target) for above in folder.parents)


def validation_scenes(scenes: Iterable[str]) -> set[str]:
    """Return the scenes that are held out for validation, about one in five.

    The hash of a scene is the first 8 bytes of the SHA-256 of its name, as a big-endian number. A
    scene is held out if its hash is divisible by 5. If no scene is, the one with the smallest hash
    is held out; if all are, the one with the largest hash is used for training. A single scene is
    always used for training.
    """
    hashes = {
        scene: int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
        for scene in scenes
    }
    if len(hashes) < 2:
        return set()
    ordered = sorted(hashes, key=lambda scene: (hashes[scene], scene))
    chosen = {scene for scene in ordered if hashes[scene] % 5 == 0} or {ordered[0]}
    return chosen - {ordered[-1]} if len(chosen) == len(ordered) else chosen


class Subset:
    """Some of the frames of another data set, by index."""

    def __init__(self, dataset: Dataset, indices: list[int]) -> None:
        self.name = dataset.name
        self._dataset, self._indices = dataset, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        return self._dataset[self._indices[index]]

    def scene(self, index: int) -> str:
        return self._dataset.scene(self._indices[index])

    def parts(self, index: int) -> FrameParts:
        return self._dataset.parts(self._indices[index])

    def cameras(self, index: int) -> Mapping[str, Camera]:
        return self._dataset.cameras(self._indices[index])

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the reader about its files."""
        return tuple(getattr(self._dataset, "notes", ()))


class SplitDataset(Subset):
    """The frames of another data set whose scenes belong to a split."""

    def __init__(self, dataset: Dataset, split: Split) -> None:
        scenes = [dataset.scene(index) for index in range(len(dataset))]
        kept = validation_scenes(scenes)
        super().__init__(
            dataset,
            [index for index, scene in enumerate(scenes) if (scene in kept) == (split == "val")],
        )


class ConcatDataset:
    """Several data sets, concatenated."""

    def __init__(self, datasets: list[Dataset]) -> None:
        self.name = "+".join(dict.fromkeys(dataset.name for dataset in datasets))
        self._datasets = datasets
        self._starts = [0]
        for dataset in datasets:
            self._starts.append(self._starts[-1] + len(dataset))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        dataset, position = self._locate(index)
        return dataset[position]

    def scene(self, index: int) -> str:
        dataset, position = self._locate(index)
        return dataset.scene(position)

    def parts(self, index: int) -> FrameParts:
        dataset, position = self._locate(index)
        return dataset.parts(position)

    def cameras(self, index: int) -> Mapping[str, Camera]:
        dataset, position = self._locate(index)
        return dataset.cameras(position)

    def _locate(self, index: int) -> tuple[Dataset, int]:
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        part = bisect.bisect_right(self._starts, index) - 1
        return self._datasets[part], index - self._starts[part]
