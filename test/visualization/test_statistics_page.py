"""The statistics page is valid and self-contained, and has every data set with its pictures."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import TinyDataset

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.evaluation.statistics.data_set import measure
from bev_semseg_ros.visualization.contact_sheet import HEIGHT, jpeg, thumbnail
from bev_semseg_ros.visualization.statistics_page import Column, render_page

VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """Collects the text and the references of a page, and refuses tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells = ""
        self.references: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells += data + "\n"


def test_data_sets_are_shown_side_by_side_and_nothing_is_fetched():
    whole = Column("first <set>", measure(TinyDataset(2)).summary(), [("a", b"\xff\xd8")])
    no_points = Column("images", measure(TinyDataset(4, "points")).summary())
    page = Page(render_page([whole, no_points]))
    assert "first <set>" in page.cells and "images" in page.cells
    for heading in (
        "Points per frame by range",
        "Intensity",
        "Lidars",
        "Objects per frame",
        "People per frame",
        "Points per car by range",
        "Sizes of boxes",
        "Height profile",
        "Cameras",
        "Pixels per class, driving_13",
    ):
        assert heading in page.cells
    rows = re.sub(r"\s*\n\s*", "|", page.cells)
    assert "|frames|2|4|" in rows
    assert "|all|500|500|" in rows
    assert page.references == ["data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8").decode()]


@pytest.mark.parametrize("missing", ["points", "image", "boxes", "mask"])
def test_incomplete_and_empty_data_sets_have_a_page(missing: str):
    half = Column("half", measure(TinyDataset(2, missing)).summary())
    nothing = Column("nothing", measure(TinyDataset(0)).summary())
    Page(render_page([nothing, half]))
    Page(render_page([nothing]))


@pytest.mark.parametrize("missing", ["", "points", "image", "boxes", "mask"])
def test_an_incomplete_frame_has_a_thumbnail(missing: str):
    frame, annotation = TinyDataset(2, missing)[1]
    picture = thumbnail(frame, annotation)
    assert picture.shape[0] == HEIGHT and picture.dtype == np.uint8
    decoded = cv2.imdecode(np.frombuffer(jpeg(picture), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded[..., ::-1].astype(int) - picture).mean() < 8  # RGB stays RGB


def test_the_thumbnail_of_an_empty_frame_shows_a_message():
    frame, annotation = TinyDataset(1)[0]
    picture = thumbnail(frame.without_points().without_images(), annotation)
    assert picture.shape == (HEIGHT, HEIGHT, 3)
    assert picture.std() > 0


def pictures(path: Path) -> int:
    return len(re.findall("data:image/jpeg", path.read_text()))


def test_the_command_writes_a_page_and_the_numbers(tmp_path: Path, capsys):
    kitti, a2d2 = tmp_path / "kitti", tmp_path / "a2d2"
    tiny_data.write_kitti_drive(kitti, 3)
    tiny_data.write_a2d2_rig(a2d2)
    tiny_data.write_a2d2_frame(a2d2)
    page, numbers = tmp_path / "new" / "page.html", tmp_path / "numbers.json"
    data = ["statistics", "--data", str(kitti), str(a2d2), "--out", str(page)]
    assert main([*data, "--json", str(numbers), "--pictures", "2"]) == 0
    assert "4 frames of 2 data sets" in capsys.readouterr().out
    assert pictures(page) == 3
    found = json.loads(numbers.read_text())
    assert list(found) == ["kitti", "a2d2"]
    assert found["kitti"]["frames"] == 3
    assert main([*data, "--no-pictures", "--limit", "1"]) == 0
    assert pictures(page) == 0


def test_folders_of_the_same_name_are_shown_with_their_paths(tmp_path: Path):
    paths = [tmp_path / "a" / "set", tmp_path / "b" / "set"]
    for path in paths:
        tiny_data.write_kitti_drive(path, 1)
    page = tmp_path / "page.html"
    assert main(["statistics", "--data", *map(str, paths), "--out", str(page)]) == 0
    text = page.read_text()
    assert all(str(path) in text for path in paths)
