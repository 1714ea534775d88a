"""`synth.json`: the record of the drives in a folder, from which a run can be resumed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from bev_semseg_ros import __version__
from bev_semseg_ros.sim.writers.base import Writer

MANIFEST = "synth.json"
_TEMPORARY = MANIFEST + ".tmp"
# Lock file, held while the manifest and the files that the writer derives from it are accessed.
_LOCK = ".synth.lock"
PAUSE = 20.0  # least pause after a write of the record, as a multiple of the duration of the write
# Attribute of a request -> what differs if its digest does.
_DIGESTS = {
    "rig_digest": "another description of the rig's sensors",
    "simulator": "scenes of another version of the simulator",
}


@cache
def simulator_digest(folder: Path = Path(__file__).parent) -> str:
    """Return a digest of the simulator's code and shapes, which determine the scenes of a seed."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".npz"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Request:
    """Arguments that determine the content of all frames, the same for all runs into one folder.

    Attributes:
        seed: Seed of the data set.
        rig: Name of the sensor rig, or of the source of rigs.
        frames: Frames per scene.
        image_size: (width, height) of the images in pixels; None if each rig has its own.
        full_turn: Whether points that no camera sees are kept.
        rig_digest: Distinguishes rigs of the same name; empty if the name is enough.
        simulator: Digest of the simulator.
    """

    seed: int
    rig: str
    frames: int
    image_size: tuple[int, int] | None
    full_turn: bool
    rig_digest: str = ""
    simulator: str = field(default_factory=simulator_digest)


class Manifest:
    """The record of a folder. Several processes may add scenes to it at the same time."""

    def __init__(self, out: Path, request: Request, command: str) -> None:
        """Prepare the record; nothing is created yet.

        Args:
            out: Folder of the data set.
            request: What is simulated.
            command: Command line to record.
        """
        self._out, self._request, self._command = out, request, command
        self._unrecorded: set[int] = set()
        self._next_record = 0.0  # time.monotonic

    def begin(self, writer: Writer) -> set[int]:
        """Create the folder and its record, and let the writer begin.

        Returns:
            Numbers of the scenes that earlier runs of the same request completed.

        Raises:
            ValueError: If the folder contains other files, the drives of another request, or a
                damaged record.
        """
        self._refuse_other_files()
        self._out.mkdir(parents=True, exist_ok=True)
        with self._locked():
            done = self._complete_scenes()
            self._write(done)
            writer.begin()
        return done

    def add(self, scene: int, writer: Writer) -> None:
        """Record a complete scene, now or with later ones; call `flush` after the last.

        Writing the record of tens of thousands of scenes takes longer than simulating one scene.
        """
        self._unrecorded.add(scene)
        if time.monotonic() >= self._next_record:
            self.flush(writer)

    def flush(self, writer: Writer) -> None:
        """Record the complete scenes, and let the writer finish what depends on them."""
        if not self._unrecorded:
            return
        begin = time.monotonic()
        with self._locked():
            done = self._complete_scenes() | self._unrecorded
            writer.finish(sorted(done))
            self._write(done)
        self._unrecorded.clear()
        end = time.monotonic()
        self._next_record = end + PAUSE * (end - begin)

    def _refuse_other_files(self) -> None:
        """Raise ValueError if the folder contains files but no record."""
        out = self._out
        if (out / MANIFEST).is_file() or not out.exists():
            return
        own = (_LOCK, _TEMPORARY)
        if not out.is_dir() or any(entry.name not in own for entry in out.iterdir()):
            # Another run may have created the record in the meantime.
            if (out / MANIFEST).is_file():
                return
            raise ValueError(
                f"{out}: was not written by `bev-semseg synth` ({MANIFEST} is missing); "
                "choose an empty or a new folder"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the record against other processes."""
        path = self._out / _LOCK
        with open(path, "w") as file:
            try:
                # This kind of lock also works between machines that share a folder by NFS.
                fcntl.lockf(file, fcntl.LOCK_EX)
            except OSError as error:
                raise OSError(
                    f"{path}: the file system cannot lock files ({error}); write to a folder on "
                    "another one and move it afterwards"
                ) from error
            yield

    def _complete_scenes(self) -> set[int]:
        """Return the numbers of the recorded scenes.

        Raises:
            ValueError: If the record is damaged or is that of another request.
        """
        path = self._out / MANIFEST
        if not path.is_file():
            return set()
        try:
            content = json.loads(path.read_text())
            done = {int(scene) for scene in content["complete_scenes"]}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: damaged ({error}); remove the folder or choose another one"
            ) from error
        differences = []
        for name, value in json.loads(json.dumps(asdict(self._request))).items():
            earlier = content.get(name)
            if earlier != value:
                differences.append(_DIGESTS.get(name, f"{name} {earlier} instead of {value}"))
        if differences:
            raise ValueError(
                f"{self._out}: holds another data set ({', '.join(differences)}); "
                "choose another folder or remove this one"
            )
        return done

    def _write(self, done: set[int]) -> None:
        """Write the record, atomically."""
        content = {
            **asdict(self._request),
            "scenes": len(done),
            "complete_scenes": sorted(done),
            "command": self._command,
            "version": __version__,
        }
        temporary = self._out / _TEMPORARY
        temporary.write_text(json.dumps(content, indent=1) + "\n")
        temporary.replace(self._out / MANIFEST)
