"""The zstd module of the standard library (Python 3.14 and later), or else its backport."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # a dependency of rosbags

__all__ = ["zstd"]
