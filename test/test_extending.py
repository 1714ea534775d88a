"""docs/extending.md, followed word for word: its files are written and its commands are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import ROOT

from bev_semseg_ros.cli.main import main

PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)


@dataclass
class Section:
    """The files and commands of one section of the page."""

    files: dict[str, str]
    commands: list[str]


def sections() -> dict[str, Section]:
    found = {}
    for part in re.split(r"^## ", PAGE, flags=re.M):
        blocks = BLOCK.findall(part)
        files = {name: text for _, name, text in blocks if name}
        commands = [text for language, name, text in blocks if language == "sh" and not name]
        found[part.splitlines()[0]] = Section(files, commands)
    return found


SECTIONS = sections()
NEW_TERMINAL = SECTIONS["# Extending"].commands[0]  # sets PYTHONPATH


def write(folder: Path, section: Section) -> None:
    for name, text in section.files.items():
        (folder / name).write_text(text)


def run_in_shell(folder: Path, section: Section) -> str:
    """Run a section as a reader does."""
    write(folder, section)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    output = ""
    for command in section.commands:
        result = subprocess.run(
            ["sh", "-ec", NEW_TERMINAL + command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        output += result.stdout + result.stderr
    return output


def run_here(section: Section) -> None:
    """Run the `bev-semseg` commands of a section in this process, which has torch loaded."""
    write(Path.cwd(), section)
    for line in "".join(section.commands).splitlines():
        words = shlex.split(line)
        if words[0] == "bev-semseg":
            assert main(words[1:]) == 0, line
        else:
            assert f"{line}\n" == NEW_TERMINAL


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return run(section), which returns the output of its commands."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))

    def run_section(section: Section) -> str:
        run_here(section)
        return capsys.readouterr().out

    return run_section


@pytest.fixture(scope="module")
def folder(kernels: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the page creates first: simulated frames and quick.yaml."""
    folder = tmp_path_factory.mktemp("extending")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(os, "sched_getaffinity", lambda _: {0})  # more workers would take longer
        run_here(SECTIONS["# Extending"])
    return folder


def test_every_file_and_command_of_the_page_is_run() -> None:
    blocks = [block for block in re.findall(r"^```(\w*)", PAGE, re.M) if block]
    run_in_test = sum(len(each.files) + len(each.commands) for each in SECTIONS.values())
    assert len(blocks) == run_in_test


@pytest.mark.slow
def test_a_task_is_one_file_and_one_line(folder: Path, run) -> None:
    output = run(SECTIONS["A task"])
    assert "distance:" in output and "boxes, boxes_4:" in output and "masks, driving_13:" in output
    report = json.loads((folder / "distance.json").read_text())
    assert report["distance"]["num_images"] == 3 and report["distance"]["relative_error"] > 0
    assert len(list((folder / "pictures").glob("*.png"))) == 1


@pytest.mark.slow
def test_a_neck_is_one_file(folder: Path) -> None:
    run_in_shell(folder, SECTIONS["A neck"])
    assert (folder / "runs" / "neck" / "checkpoint.pt").is_file()


@pytest.mark.slow
def test_a_lidar_encoder_gets_pose_ring_and_time(folder: Path, run) -> None:
    run(SECTIONS["A lidar encoder"])
    assert (folder / "runs" / "rays" / "checkpoint.pt").is_file()


@pytest.mark.slow
def test_classes_are_chosen_mixed_and_written_by_hand(folder: Path, run) -> None:
    output = run(SECTIONS["Classes"])
    report = json.loads((folder / "fine.json").read_text())["segmentation"]
    assert list(report["by_labels"]) == ["driving_13", "camvid_11", "groups_6"]
    assert "newly initialised: logits.weight, logits.bias (its classes differ)" in output
    assert "camera encoder: taken" in output


def test_the_table_of_label_sets_is_complete() -> None:
    from bev_semseg_ros.labels import shipped_label_sets

    named = re.findall(r"^\| `(\w+)` \| (?:masks|boxes|the bird's-eye view) \|", PAGE, re.M)
    assert tuple(sorted(named)) == shipped_label_sets()
