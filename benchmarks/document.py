"""Write results into docs/reliability.md, between `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from network import FLAGS

from bev_semseg_ros.inference.choices import cpu_flags

ROOT = Path(__file__).resolve().parent.parent
RELIABILITY = ROOT / "docs" / "reliability.md"
RUNS = ROOT / "runs" / "proof"  # for simulated drives and JSON


def conditions() -> str:
    """Describe the command and the machine in one line."""
    flags = [flag for flag in FLAGS if flag in cpu_flags()]
    command = " ".join(
        ["python", str(Path(sys.argv[0]).resolve().relative_to(ROOT)), *sys.argv[1:]]
    )
    load = os.getloadavg()[0]
    return (
        f"`{command}`, {len(os.sched_getaffinity(0))} cores with "
        f"{' '.join(flags) or 'no vector extensions'}, torch {torch.__version__}, "
        f"load of other processes {load:.1f} at the start"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def write(name: str, text: str, result: Any) -> None:
    """Print a result, and write it to the document and to a JSON file.

    Args:
        name: Section of docs/reliability.md, and name of the JSON file in runs/proof.
        text: Markdown that replaces the content of the section.
        result: Everything that the JSON file holds.

    Raises:
        ValueError: If docs/reliability.md has no such section.
    """
    text = text.replace(f"{ROOT}/", "")  # the log of the node has absolute paths
    print(text)
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = RELIABILITY.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{RELIABILITY}: no section between {begin.strip()} and {end}")
    RELIABILITY.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")
