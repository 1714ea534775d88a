"""The zstd module: of the standard library from Python 3.14 on, before that of a backport."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # a dependency of rosbags

__all__ = ["zstd"]
