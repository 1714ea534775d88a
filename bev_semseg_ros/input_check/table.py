"""Format findings as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bev_semseg_ros.input_check.finding import LEVELS, Finding

WIDTH = 118


def findings_table(findings: Sequence[Finding]) -> str:
    """Return one finding per row, the worst first, with its remedy on separate lines."""
    width = max((len(finding.item) for finding in findings), default=0)
    lines = []
    for finding in sorted(findings, key=lambda finding: -LEVELS.index(finding.level)):
        head = f"{finding.level:<8}{finding.item:<{width}}  "
        indent = " " * len(head)
        lines += _wrap(finding.text, head, indent) or [head]
        lines += _wrap(finding.remedy, indent + "-> ", indent + "   ")
    return "\n".join(lines)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as "1 fault" or "2 faults"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _wrap(text: str, first_indent: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first_indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,  # paths must stay whole, so that they can be copied
    )
