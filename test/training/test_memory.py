"""Steps use the memory of the step before again."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Prints how many page faults it costs to take and free the same 64 MB ten times.
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
def test_the_memory_of_a_step_costs_page_faults_once() -> None:
    assert faults("given back") > 20 * max(faults("kept"), 100)
