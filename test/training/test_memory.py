"""A training step reuses the memory of the step before."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Prints the number of page faults when 64 MB are allocated and freed ten times.
PROGRAM = """
import ctypes, resource, sys
from bev_semseg_ros.training.memory import keep_freed_memory

def fill_and_free():
    block = ctypes.create_string_buffer(64 << 20)
    ctypes.memset(block, 1, len(block))

if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("no glibc")
fill_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=False
    )
    if "no glibc" in run.stderr:
        pytest.skip("needs glibc")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@pytest.mark.slow
def test_freed_memory_is_reused_without_page_faults() -> None:
    assert faults("given back") > 20 * max(faults("kept"), 100)
