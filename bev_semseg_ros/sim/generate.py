"""Data sets of simulated drives.

Many scenes are simulated in worker processes. An interrupted run can be resumed. The same seed
gives the same files, whatever the number of workers.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros import __version__
from bev_semseg_ros.progress import Progress
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.rig import Rig
from bev_semseg_ros.sim.sensors.rigs import RIGS
from bev_semseg_ros.sim.writers import WRITERS

MANIFEST = "synth.json"
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 4096


@dataclass(frozen=True)
class _Request:
    """What decides the content of all frames; it is the same for all runs into one folder.

    Attributes:
        seed: Seed of the data set.
        rig: Name of the sensor rig, a key of RIGS.
        frames: Frames per scene.
        image_size: (width, height) of the images in pixels.
        full_turn: Whether points that no camera sees are kept.
    """

    seed: int
    rig: str
    frames: int
    image_size: tuple[int, int]
    full_turn: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the request as it stands in the manifest.

        The full turn is left out if it is off: manifests of earlier versions do not have it.
        """
        content = asdict(self)
        if not self.full_turn:
            del content["full_turn"]
        return content


def generate(
    out: str | Path,
    rig: str,
    scenes: int,
    frames: int,
    seed: int,
    image_size: tuple[int, int] | None = None,
    workers: int | None = None,
    progress: bool = True,
    command: str = "",
    full_turn: bool = False,
) -> None:
    """Write a data set of simulated drives in the layout of the rig's real data set.

    Scenes that the folder already holds are kept, so an interrupted run is resumed and a larger
    number of scenes extends the data set.

    Args:
        out: Folder of the data set, created if it does not exist.
        rig: Name of the sensor rig, a key of RIGS.
        scenes: Number of drives, each of which is a scene.
        frames: Frames per drive, 0.1 s apart.
        seed: The same seed gives the same files.
        image_size: (width, height) of the images in pixels; None for the rig's own.
        workers: Number of processes; None for one per core. It does not change the result.
        progress: Whether to show a progress bar.
        command: Command line to record in synth.json.
        full_turn: Whether to keep the lidar points that no camera sees. Real A2D2 frames do not
            have them. Those of KITTI do, but have no labels there.

    Raises:
        ValueError: If an argument is out of range, or if the folder holds anything but the result
            of an earlier run with the same seed, rig, frames, image size and full turn.
    """
    if rig not in RIGS:
        raise ValueError(f"unknown rig {rig!r}, expected one of {', '.join(RIGS)}")
    _check_at_least("scenes", scenes, 1)
    _check_at_least("frames", frames, 1)
    _check_at_least("seed", seed, 0)
    if workers is not None:
        _check_at_least("workers", workers, 1)
    width, height = RIGS[rig].reference_camera.size if image_size is None else image_size
    if min(width, height) < MIN_IMAGE_SIZE or max(width, height) > MAX_IMAGE_SIZE:
        raise ValueError(
            f"image size: expected a width and a height of {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} "
            f"pixels, got {width}x{height}"
        )
    out = Path(out)
    request = _Request(seed, rig, frames, (int(width), int(height)), full_turn)
    done = _complete_scenes(out, request)
    resized = _rig_of(request)
    writer = WRITERS[resized.layout](out, resized, seed, frames)
    out.mkdir(parents=True, exist_ok=True)
    _write_manifest(out, request, done, command)
    writer.begin()
    todo = [scene for scene in range(scenes) if scene not in done]
    count = min(workers or os.cpu_count() or 1, max(len(todo), 1))
    with Progress("simulating", scenes * frames, shown=progress) as bar:
        bar.start_at((scenes - len(todo)) * frames)
        for scene in _run(out, request, todo, count):
            done.add(scene)
            writer.finish(sorted(done))
            _write_manifest(out, request, done, command)
            bar.advance(frames)


@lru_cache(maxsize=1)
def _rig_of(request: _Request) -> Rig:
    """Return the rig of a request.

    It is the same object for all scenes, because `scan` keeps the rays that it has found for a rig.
    """
    return RIGS[request.rig].resized(request.image_size)


def _check_at_least(name: str, value: int, least: int) -> None:
    """Raise ValueError if an argument is too small."""
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")


def _run(out: Path, request: _Request, scenes: list[int], workers: int) -> Iterator[int]:
    """Simulate scenes and yield the number of each as soon as it is complete.

    With one worker, this process does the work.
    """
    if workers == 1:
        library = Library(request.seed)
        for scene in scenes:
            yield _write_scene(out, request, scene, library)
        return
    # A fork may hang once OpenMP, numba or Embree have started threads; a spawned process may not.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (request.seed,)) as pool:
        pending = [pool.submit(_write_scene_in_worker, out, request, scene) for scene in scenes]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


# The library of a worker process; empty in every other process.
_worker_library: list[Library] = []


def _start_worker(seed: int) -> None:
    """Prepare a worker process: build its library of shapes once for all of its scenes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker_library.append(Library(seed))


def _end_with_parent() -> None:
    """End this worker as soon as its parent has ended.

    A parent that is killed cannot stop its workers. They would simulate the rest of the data set.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _write_scene_in_worker(out: Path, request: _Request, scene: int) -> int:
    """Call `_write_scene` with the library of this worker process."""
    return _write_scene(out, request, scene, _worker_library[0])


def _write_scene(out: Path, request: _Request, scene: int, library: Library) -> int:
    """Simulate and write one drive.

    The files depend only on the request and on the number of the scene.

    Args:
        out: Folder of the data set.
        request: What to simulate.
        scene: Number of the scene.
        library: Shapes to draw from, built with the seed of the request.

    Returns:
        The number of the scene.
    """
    rig = _rig_of(request)
    writer = WRITERS[rig.layout](out, rig, request.seed, request.frames)
    world_seed = int(np.random.SeedSequence([request.seed, scene]).generate_state(1)[0])
    world = World(world_seed, request.frames, library)
    for frame in range(request.frames):
        view = world.view(frame)
        pictures = {name: render(view, camera) for name, camera in rig.cameras.items()}
        images = {name: image for name, (image, _) in pictures.items()}
        masks = {name: mask for name, (_, mask) in pictures.items()}
        writer.write(scene, frame, view, scan(view, rig, request.full_turn), images, masks)
    return scene


def _complete_scenes(out: Path, request: _Request) -> set[int]:
    """Return the scenes that an earlier run of the same request completed.

    Raises:
        ValueError: If the folder holds anything else.
    """
    manifest = out / MANIFEST
    if not manifest.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(
                f"{out}: was not written by `bev-semseg synth` ({MANIFEST} is missing); "
                "choose an empty or a new folder"
            )
        return set()
    try:
        content = json.loads(manifest.read_text())
        content = {"full_turn": False} | content
        earlier = {name: content[name] for name in asdict(request)}
        done = {int(scene) for scene in content["complete_scenes"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{manifest}: damaged ({error}); remove the folder or choose another one"
        ) from error
    wanted = json.loads(json.dumps(asdict(request)))
    differences = []
    for name, value in wanted.items():
        if earlier[name] != value:
            differences.append(f"{name} {earlier[name]} instead of {value}")
    if differences:
        raise ValueError(
            f"{out}: holds another data set ({', '.join(differences)}); "
            "choose another folder or remove this one"
        )
    return done


def _write_manifest(out: Path, request: _Request, done: set[int], command: str) -> None:
    """Record the request and the complete scenes in the folder, atomically."""
    content = {
        **request.to_dict(),
        "scenes": len(done),
        "complete_scenes": sorted(done),
        "version": __version__,
        "command": command,
    }
    temporary = out / (MANIFEST + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(out / MANIFEST)
