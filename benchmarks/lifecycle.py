"""Measure time and memory of the node's lifecycle transitions over several cycles.

usage: python benchmarks/lifecycle.py [--cycles N] [--checkpoint C]

A cycle is configure, activate, some frames, deactivate and cleanup. The benchmark measures the time
of each transition and the resident memory after it. Cleanup should free what configure allocated,
except for libraries, and memory should not grow from cycle to cycle.
Writes docs/reliability.md and runs/proof/lifecycle.json.
"""

from __future__ import annotations

import argparse
import time

from car import Car, simulated_drive
from document import conditions, table, write
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from support.faults import recover
from support.process import Process

STEPS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--checkpoint", default="", help="default: the shipped one")
    args = parser.parse_args()
    setting = conditions()
    car = Car(simulated_drive()[0][0])
    node = car.start_node(
        "waiting for",
        autostart="false",
        **({"checkpoint": args.checkpoint} if args.checkpoint else {}),
    )
    start = node.resident / MIB
    cycles = [cycle(car, node) for _ in range(args.cycles)]
    node.interrupt()
    node.wait()
    car.close()
    rows = [["started, unconfigured", "", f"{start:.0f}", "", ""]]
    for name in STEPS:
        row = [f"after {name}"]
        for measured in (cycles[0][name], cycles[-1][name]):
            row += [f"{measured['seconds']:.2f}", f"{measured['mib']:.0f}"]
        rows.append(row)
    last = f"cycle {args.cycles}"
    text = table(("", "first cycle, s", "first cycle, MiB", f"{last}, s", f"{last}, MiB"), rows)
    write(
        "lifecycle",
        f"{setting}.\n\n{text}",
        {"conditions": setting, "started_mib": start, "cycles": cycles},
    )


def cycle(car: Car, node: Process) -> dict[str, dict[str, float]]:
    """Measure each transition's time and the memory after it (for activate, after some frames)."""
    found = {}
    for name, transition in STEPS.items():
        begin = time.monotonic()
        answer = car.call(
            ChangeState,
            "change_state",
            ChangeState.Request(transition=Transition(id=transition)),
            120,
        )
        if not answer.success:
            raise SystemExit(f"{name} failed:\n" + "\n".join(node.lines[-5:]))
        seconds = time.monotonic() - begin
        if name == "activate":
            for _ in range(5):
                recover(car)
        found[name] = {"seconds": seconds, "mib": node.resident / MIB}
    return found


if __name__ == "__main__":
    main()
