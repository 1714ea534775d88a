"""The source files of the package and their imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from support.paths import PACKAGE


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a Python file, once for all tests."""
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> set[str]:
    """Find the modules that a file imports, at its top or inside functions.

    Args:
        path: A Python file.

    Returns:
        Dotted names. `from a import b` gives both "a" and "a.b".
    """
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]
