"""Data sets of simulated drives.

Worker processes simulate the scenes in parallel. An interrupted run can be resumed, and several
runs may write to one folder at the same time. The same seed gives the same files, whatever the
number of workers and runs.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros.progress import Progress
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate
from bev_semseg_ros.sim.manifest import Manifest, Request
from bev_semseg_ros.sim.rigs.bonnet import in_world
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.rigs.source import RigSource, rig_source
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan, sees_an_image
from bev_semseg_ros.sim.sensors.sweep import Path as EgoPath
from bev_semseg_ros.sim.sensors.sweep import seen_from
from bev_semseg_ros.sim.writers import WRITERS


def generate(
    out: str | Path,
    rig: str | Rig | RigSource,
    scenes: int,
    frames: int,
    seed: int,
    image_size: tuple[int, int] | None = None,
    workers: int | None = None,
    progress: bool = True,
    command: str = "",
    full_turn: bool = False,
    first_scene: int = 0,
) -> None:
    """Write a data set of simulated drives in the layout of the rig's real data set.

    Scenes that the folder already contains are kept, so an interrupted run is resumed and a larger
    number of scenes extends the data set. Several runs may write different ranges of scenes to one
    folder at the same time, even from several machines with a shared file system.

    Args:
        out: Folder of the data set, created if it does not exist.
        rig: Sensors: a key of RIGS, "random" for a different rig in each scene, a rig, or a
            source of rigs.
        scenes: Number of drives, each of which is a scene.
        frames: Frames per drive, 0.1 s apart.
        seed: The same seed gives the same files.
        image_size: (width, height) of the images in pixels; None for the rig's own.
        workers: Number of processes; None for one per core. The result does not depend on it.
        progress: Whether to show a progress bar.
        command: Command line to record in synth.json.
        full_turn: Whether to keep the lidar points that no camera sees. Real A2D2 frames do not
            have them. Those of KITTI do, but have no labels there.
        first_scene: Number of the first of these scenes, counted from 0.

    Raises:
        ValueError: If an argument is out of range, if no lidar beam of the rig falls within an
            image although `full_turn` is off, or if the folder contains anything but the result of
            earlier runs of this version with the same seed, rig, frames, image size and
            `full_turn`.
        ChildProcessError: If a worker process was killed.
    """
    _check_at_least("scenes", scenes, 1)
    _check_at_least("frames", frames, 1)
    _check_at_least("seed", seed, 0)
    _check_at_least("first scene", first_scene, 0)
    if workers is not None:
        _check_at_least("workers", workers, 1)
    source = rig_source(rig, seed, image_size)
    if not full_turn and not source.is_recorded and not sees_an_image(source.rig_of(first_scene)):
        raise ValueError(
            f"{source.name}: no lidar beam falls within an image, so the frames would contain no "
            "points and no boxes; check ego_from_lidar and camera_from_ego of the calibration "
            "file, or keep the points that no camera sees (--full-turn)"
        )
    out = Path(out)
    request = Request(
        seed, source.name, frames, source.image_size, full_turn, rig_digest=source.digest
    )
    writer = WRITERS[source.layout](out, source.rig_of(first_scene), seed, frames)
    manifest = Manifest(out, request, command)
    done = manifest.begin(writer)
    wanted = range(first_scene, first_scene + scenes)
    todo = [scene for scene in wanted if scene not in done]
    count = min(workers or len(os.sched_getaffinity(0)), max(len(todo), 1))
    with Progress("simulating", scenes * frames, shown=progress) as bar:
        bar.start_at((scenes - len(todo)) * frames)
        try:
            for scene in _run(out, request, source, todo, count):
                manifest.add(scene, writer)
                bar.advance(frames)
        finally:
            manifest.flush(writer)


def _check_at_least(name: str, value: int, least: int) -> None:
    """Raise ValueError if an argument is too small."""
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")


def _run(
    out: Path, request: Request, source: RigSource, scenes: list[int], workers: int
) -> Iterator[int]:
    """Simulate scenes and yield the number of each one as soon as it is complete.

    With one worker, the scenes are simulated in this process.
    """
    if workers == 1:
        library = Library(request.seed)
        for scene in scenes:
            yield _write_scene(out, request, source, library, scene)
        return
    # A forked process may hang if OpenMP, numba or Embree have already started threads. A spawned
    # process does not.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (request.seed, source)) as pool:
        pending = [pool.submit(_write_scene_in_worker, out, request, scene) for scene in scenes]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"{out}: a worker process was killed, probably because memory ran out; "
                "repeat the command with fewer --workers; it continues after the complete drives"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


# Rigs and shapes that a worker process uses for all its scenes; empty in every other process.
_worker_parts: list[tuple[RigSource, Library]] = []


def _start_worker(seed: int, source: RigSource) -> None:
    """Prepare a worker process: build its library of shapes once for all its scenes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker_parts.append((source, Library(seed)))


def _end_with_parent() -> None:
    """End this worker as soon as its parent has ended.

    A parent that is killed cannot stop its workers. Without this, they would simulate the rest of
    the data set.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _write_scene_in_worker(out: Path, request: Request, scene: int) -> int:
    """Call `_write_scene` with the rigs and the library of this worker process."""
    return _write_scene(out, request, *_worker_parts[0], scene)


def _write_scene(
    out: Path, request: Request, source: RigSource, library: Library, scene: int
) -> int:
    """Simulate and write one drive.

    The files depend only on the request, the source and the number of the scene.

    Args:
        out: Folder of the data set.
        request: What to simulate.
        source: Source of the rig.
        library: Shapes to draw from, built with the seed of the request.
        scene: Number of the scene.

    Returns:
        The number of the scene.
    """
    rig = source.rig_of(scene)
    writer = WRITERS[rig.layout](out, rig, request.seed, request.frames)
    if source.is_recorded:
        writer.write_rig(scene)
    world_seed = int(np.random.SeedSequence([request.seed, scene]).generate_state(1)[0])
    world = World(world_seed, request.frames, library)
    bonnet = None if rig.bonnet is None else rig.bonnet.mesh(world.materials)
    for frame in range(request.frames):
        view = seen_from(world.view(frame), rig.vehicle_from_ego)
        path = None
        if rig.sweep is not None:
            path = EgoPath.of(world, frame, rig.sweep, rig.vehicle_from_ego)
        images, masks = _take_images(world, frame, rig, view, bonnet)
        points = scan(view, rig, request.full_turn, path)
        writer.write(scene, frame, view, points, images, masks)
    return scene


def _take_images(
    world: World, frame: int, rig: Rig, view: View, bonnet: Mesh | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the images and the masks of a frame, by camera name.

    Args:
        world: The drive.
        frame: Number of the frame.
        rig: Cameras and image effects.
        view: State of the world at the time of the frame.
        bonnet: Visible part of the ego vehicle, in the ego frame; None if there is none.
    """
    effects = rig.effects
    if effects is not None and effects.delay:
        view = seen_from(world.view(frame, effects.delay), rig.vehicle_from_ego)
    if bonnet is not None:
        own = in_world(bonnet, view.world_from_ego)
        view = replace(view, moving=concatenate([view.moving, own]))
    images, masks = {}, {}
    for name, camera in rig.cameras.items():
        image, masks[name] = render(view, camera)
        images[name] = image if effects is None else effects.apply(image)
    return images, masks
