"""Results in a document: between the markers `<!-- NAME -->` and `<!-- /NAME -->`, with the conditions they are of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from network import FLAGS

from bev_semseg_ros.inference.predictor import cpu_flags

ROOT = Path(__file__).resolve().parent.parent
RELIABILITY = ROOT / "docs" / "reliability.md"
RUNS = ROOT / "runs" / "proof"  # where simulated drives and JSON go


def conditions() -> str:
    """The command and what it ran on, in one line."""
    flags = [flag for flag in FLAGS if flag in cpu_flags()]
    command = " ".join(
        ["python", str(Path(sys.argv[0]).resolve().relative_to(ROOT)), *sys.argv[1:]]
    )
    load = os.getloadavg()[0]
    return (
        f"`{command}`, {len(os.sched_getaffinity(0))} cores with {' '.join(flags) or 'no vector extensions'}, "
        f"torch {torch.__version__}, other load {load:.1f} at the start"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def write(name: str, text: str, result: Any) -> None:
    """Print the text, put it into docs/reliability.md in place of the last one, the result into runs/proof as JSON."""
    text = text.replace(f"{ROOT}/", "")  # files of the project in the node's own words
    print(text)
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = RELIABILITY.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{RELIABILITY}: no section between {begin.strip()} and {end}")
    RELIABILITY.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")
