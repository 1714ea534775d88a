"""The table of the ablation, `rows.yaml`: its networks, their training and their comparisons.

Rows and branches are data. A row that names a part of the network that this version lacks stays in
the table; `Table.obstacle` says why it cannot run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Mode
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.yaml_file import read_yaml

TABLE = Path(__file__).with_name("rows.yaml")
TEST = "test"  # the place that every row is evaluated on


@dataclass(frozen=True)
class Branch:
    """A checkpoint that rows are initialized from.

    Attributes:
        steps: Steps of its training; 0: it has only what its network takes from `init`.
        settings: Settings as for `bev-semseg train --set`.
        init: Checkpoint that it is initialized from, relative to the repository; empty: none.
    """

    steps: int = 0
    settings: tuple[str, ...] = ()
    init: str = ""

    def __post_init__(self) -> None:
        if not (self.steps or self.init):
            raise ValueError("a branch needs steps, or a checkpoint (init) that it is made of")


@dataclass(frozen=True)
class Row:
    """One network of the ablation.

    Attributes:
        name: Name of the row and of its run folders.
        section: Heading of its table in the document.
        part: What distinguishes the row, in words.
        init: Branches from whose checkpoints it is initialized; later ones win.
        settings: Settings as for `bev-semseg train --set`.
        trained_as: Row whose checkpoint this one shares; empty: it has its own.
        against: Rows that it is compared with.
        seeds: Seeds of its trainings.
        places: Data that it is evaluated on: "test", or a name from `run.py --real`.
        mode: Sensors that it is tested with.
        disturbed: Also score its boxes with wrong calibrations and wrong images.
        figures: Column -> path of the figure in the report, if it differs from `Table.figures`.
    """

    name: str
    section: str
    part: str
    init: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    trained_as: str = ""
    against: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    places: tuple[str, ...] = (TEST,)
    mode: Mode = "fused"
    disturbed: bool = False
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def training(self) -> str:
        """Name of the row whose training this one uses."""
        return self.trained_as or self.name


@dataclass(frozen=True)
class Table:
    """All rows.

    Attributes:
        common: Settings of every row.
        figures: Column -> path of the figure in a report, such as "detection.map".
        branches: Name -> branch.
        rows: Rows in the order of the document.
    """

    common: tuple[str, ...]
    figures: dict[str, str]
    branches: dict[str, Branch]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if both := sorted(set(names) & set(self.branches)):
            raise ValueError(f"{both[0]}: is a row and a branch; give each its own name")
        for row in self.rows:
            if names.count(row.name) > 1:
                raise ValueError(f"{row.name}: occurs twice; give each row its own name")
            unknown = {*row.against, row.training} - set(names)
            unknown |= {f"branch {each}" for each in row.init if each not in self.branches}
            if unknown:
                raise ValueError(f"{row.name}: no row or branch is called {sorted(unknown)[0]!r}")
            if columns := set(row.figures) - set(self.figures):
                raise ValueError(f"{row.name}: figures has no column {sorted(columns)[0]!r}")
            if TEST not in row.places:
                raise ValueError(f"{row.name}: places must have {TEST!r}, which all rows share")

    def row(self, name: str) -> Row:
        """Return a row by its name.

        Raises:
            ValueError: If there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in self.rows)
        raise ValueError(f"no row is called {name!r}; known are {known}")

    def figures_of(self, row: Row) -> dict[str, str]:
        """Return the path of each column's figure in a row's reports."""
        return self.figures | row.figures

    def settings_of(self, row: Row) -> tuple[str, ...]:
        """Return the settings with which a row's network is trained."""
        return (*self.common, *self.row(row.training).settings)

    def obstacle(self, row: Row) -> str:
        """Return why this version cannot train a row, or an empty text if it can."""
        branches = [self.branches[name].settings for name in self.row(row.training).init]
        reasons = map(_why_unknown, (self.settings_of(row), *branches))
        return next((reason for reason in reasons if reason), "")


@cache
def _why_unknown(settings: tuple[str, ...]) -> str:
    """Return why no network has these settings, or an empty text if one can be built."""
    try:
        with torch.device("meta"):  # allocates no weights
            build_network(configuration.with_settings(Config(), settings))
    except (ValueError, FileNotFoundError) as error:
        return " ".join(str(error).split())
    return ""


def read_table(path: Path = TABLE) -> Table:
    """Read a table of rows.

    Raises:
        ValueError: If the file is wrong.
    """
    content: Any = read_yaml(path)
    try:
        return TypeAdapter(Table).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ValueError(f"{path}: {place + ': ' if place else ''}{reason}") from error
