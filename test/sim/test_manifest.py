import json
import resource
import subprocess
import sys
from dataclasses import replace

import pytest

from bev_semseg_ros.sim.manifest import Manifest, Request, simulator_digest
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.writers import WRITERS

REQUEST = Request(4, "kitti", 2, (160, 100), False)
# Program that adds ten scenes to a folder. Arguments: folder, number of the first scene.
RUN = """
import pathlib, sys
from bev_semseg_ros.sim.manifest import Manifest, Request
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.writers import WRITERS
out, first = pathlib.Path(sys.argv[1]), int(sys.argv[2])
manifest = Manifest(out, Request(4, "kitti", 2, (160, 100), False), "")
writer = WRITERS["kitti"](out, RIGS["kitti"], 4, 2)
manifest.begin(writer)
for scene in range(first, first + 10):
    manifest.add(scene, writer)
manifest.flush(writer)
"""


def writer_to(out):
    return WRITERS["kitti"](out, RIGS["kitti"], 4, 2)


@pytest.mark.slow
def test_simultaneous_runs_lose_no_scene(tmp_path):
    out = tmp_path / "set"
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, str(out), str(first)]) for first in (0, 10)
    ]
    assert [run.wait(120) for run in runs] == [0, 0]
    content = json.loads((out / "synth.json").read_text())
    assert content["complete_scenes"] == list(range(20)) and content["scenes"] == 20
    frames = (out / "training" / "frames.csv").read_text().splitlines()
    assert len(frames) == 1 + 20 * 2


def test_the_manifest_of_many_scenes_is_not_written_for_each_scene(tmp_path):
    writer, first = writer_to(tmp_path), Manifest(tmp_path, REQUEST, "")
    first.begin(writer)
    for scene in range(20_000):
        first.add(scene, writer)
    first.flush(writer)
    table = tmp_path / "training" / "frames.csv"
    manifest, written = Manifest(tmp_path, REQUEST, ""), set()
    manifest.begin(writer)
    for scene in range(20_000, 20_030):
        manifest.add(scene, writer)
        written.add(table.stat().st_mtime_ns)
    manifest.flush(writer)
    assert len(written) < 5
    assert len(table.read_text().splitlines()) == 1 + 20_030 * 2
    assert manifest.begin(writer) == set(range(20_030))


def test_a_full_disk_leaves_the_table_of_the_complete_scenes(tmp_path):
    writer, manifest = writer_to(tmp_path), Manifest(tmp_path, REQUEST, "")
    manifest.begin(writer)
    for scene in range(100):
        manifest.add(scene, writer)
    manifest.flush(writer)
    table = tmp_path / "training" / "frames.csv"
    before = table.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 1, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            manifest.add(100, writer)
            manifest.flush(writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert table.read_text() == before


def test_another_rig_of_the_same_name_is_refused(tmp_path):
    Manifest(tmp_path, REQUEST, "").begin(writer_to(tmp_path))
    other = Request(4, "kitti", 2, (160, 100), False, "ab12")
    with pytest.raises(ValueError, match="another description of the rig's sensors"):
        Manifest(tmp_path, other, "").begin(writer_to(tmp_path))


def test_the_drives_of_another_simulator_are_refused(tmp_path):
    (tmp_path / "code").mkdir()
    digests = []
    for line in ("WIDTH = 1.0", "WIDTH = 1.1"):
        (tmp_path / "code" / "cars.py").write_text(line)
        simulator_digest.cache_clear()
        digests.append(simulator_digest(tmp_path / "code"))
    earlier, later = (replace(REQUEST, simulator=digest) for digest in digests)
    Manifest(tmp_path / "out", earlier, "").begin(writer_to(tmp_path / "out"))
    with pytest.raises(ValueError, match="scenes of another version of the simulator"):
        Manifest(tmp_path / "out", later, "").begin(writer_to(tmp_path / "out"))


def test_a_folder_with_other_files_is_refused_and_left_unchanged(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="was not written by"):
        Manifest(tmp_path, REQUEST, "").begin(writer_to(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "synth.json").write_text("{")
    with pytest.raises(ValueError, match=r"synth\.json: damaged"):
        Manifest(tmp_path, REQUEST, "").begin(writer_to(tmp_path))
