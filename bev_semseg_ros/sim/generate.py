"""Data sets of simulated drives: many scenes in worker processes, resumable, the same for the same seed."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros import __version__
from bev_semseg_ros.progress import Progress
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.rig import RIGS
from bev_semseg_ros.sim.writers import WRITERS

MANIFEST = "synth.json"
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 4096


@dataclass(frozen=True)
class _Request:
    """What decides the content of a scene's frames; it must not differ between two runs into the same folder."""

    seed: int
    rig: str
    frames: int
    image_size: tuple[int, int]


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
) -> None:
    """Write `scenes` drives of `frames` frames (10 Hz) to `out` in the layout of the rig's data set.

    rig: "a2d2" or "kitti"; image_size: (width, height), the rig's own by default; workers: processes, one per core by
    default, on which the result does not depend; command: kept in synth.json. Scenes that `out` already holds are kept,
    so an interrupted run is resumed and a larger `scenes` extends it.
    Raises ValueError for bad numbers, or if `out` holds something else than an earlier run of the same request.
    """
    if rig not in RIGS:
        raise ValueError(f"unknown rig {rig!r}, expected one of {', '.join(RIGS)}")
    for name, value, least in (
        ("scenes", scenes, 1),
        ("frames", frames, 1),
        ("seed", seed, 0),
        ("workers", 1 if workers is None else workers, 1),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    size = RIGS[rig].camera.size if image_size is None else image_size
    if not all(MIN_IMAGE_SIZE <= value <= MAX_IMAGE_SIZE for value in size):
        raise ValueError(
            f"image size: expected {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels a side, got "
            f"{size[0]}x{size[1]}"
        )
    out = Path(out)
    request = _Request(seed, rig, frames, (int(size[0]), int(size[1])))
    done = _complete_scenes(out, request)
    resized = RIGS[rig].resized(request.image_size)
    writer = WRITERS[rig](out, resized, seed, frames)
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


def _run(out: Path, request: _Request, scenes: list[int], workers: int) -> Iterator[int]:
    """Yield the scenes as they are complete; one worker is this process."""
    if workers == 1:
        library = Library(request.seed)
        for scene in scenes:
            yield _write_scene(out, request, scene, library)
        return
    # Spawned, not forked: a fork after OpenMP, numba or Embree have started threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (request.seed,)) as pool:
        pending = [pool.submit(_write_scene_in_worker, out, request, scene) for scene in scenes]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


_library: Library | None = None


def _start_worker(seed: int) -> None:
    global _library
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _library = Library(seed)


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its workers: they would go on for the rest of the data set."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _write_scene_in_worker(out: Path, request: _Request, scene: int) -> int:
    return _write_scene(out, request, scene, _library)


def _write_scene(out: Path, request: _Request, scene: int, library: Library) -> int:
    """Simulate and write one drive; it depends on the request and the scene's number alone. Returns that number."""
    rig = RIGS[request.rig].resized(request.image_size)
    writer = WRITERS[request.rig](out, rig, request.seed, request.frames)
    world_seed = int(np.random.SeedSequence([request.seed, scene]).generate_state(1)[0])
    world = World(world_seed, request.frames, library)
    for frame in range(request.frames):
        view = world.view(frame)
        image, mask = render(view, rig.camera)
        writer.write(scene, frame, view, scan(view, rig), image, mask)
    return scene


def _complete_scenes(out: Path, request: _Request) -> set[int]:
    """The scenes an earlier run of the same request completed. Raises ValueError if `out` holds something else."""
    manifest = out / MANIFEST
    if not manifest.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(
                f"{out}: exists and was not written by `bev-semseg synth` ({MANIFEST} is missing); "
                "choose another folder"
            )
        return set()
    try:
        content = json.loads(manifest.read_text())
        earlier = {name: content[name] for name in asdict(request)}
        done = {int(scene) for scene in content["complete_scenes"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{manifest}: damaged ({error}); remove the folder or choose another"
        ) from error
    wanted = json.loads(json.dumps(asdict(request)))
    if different := [
        f"{name} {earlier[name]} instead of {wanted[name]}"
        for name in wanted
        if earlier[name] != wanted[name]
    ]:
        raise ValueError(
            f"{out}: holds another data set ({', '.join(different)}); choose another folder or remove it"
        )
    return done


def _write_manifest(out: Path, request: _Request, done: set[int], command: str) -> None:
    content = {
        **asdict(request),
        "scenes": len(done),
        "complete_scenes": sorted(done),
        "version": __version__,
        "command": command,
    }
    temporary = out / (MANIFEST + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(out / MANIFEST)
