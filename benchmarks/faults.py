"""Measure how the node behaves under faults over real DDS, and how fast it recovers.

usage: python benchmarks/faults.py [--seconds S] [--only REGEX] [--checkpoint C]

Writes docs/reliability.md and runs/proof/faults.json. The scene is simulated (seed in car.py). The
faults are those of the tests (test/support/faults.py).
"""

from __future__ import annotations

import argparse
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from car import Car, simulated_bag, simulated_drive
from document import conditions, table, write
from support.faults import FAULTS, PERIOD, Fault, fail, recover, storm
from support.process import Process

STORM = 5000
HEAD = (
    "fault",
    "`dropped/`",
    "`degraded/`",
    "duration, s",
    "gap, s",
    "recovery, ms",
)
HEARD = 1.2  # seconds until the node has logged its line about the last second
LOG_HEAD = re.compile(r"^\[\w+\] \[[\d.]+\] \[[\w.]+\]: (?:\S+ results? in the last second: )?")


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes:
        fault: Name of the fault.
        counters: Increase of the node's counters `dropped/*` and `degraded/*`.
        words: Lines of the node's log.
        seconds: Duration of the fault.
        gap: Longest time without a result of both sensors, seconds.
        recovery_ms: Time from the first good pair to its result, which must have the same boxes
            as before the fault.
    """

    fault: str
    counters: dict[str, int]
    words: list[str]
    seconds: float
    gap: float
    recovery_ms: float


class Proof:
    """A node, a car that sends to it, and the outcomes of the faults so far."""

    def __init__(self, checkpoint: str) -> None:
        self._parameters = {"checkpoint": checkpoint} if checkpoint else {}
        self.car = Car(simulated_drive()[0][0])
        self.node = self._started()
        self.outcomes: list[Outcome] = []
        timing, _ = recover(self.car)
        self.car.reference = self.car.result("markers", int(timing["stamp"]))

    def _started(self) -> Process:
        return self.car.start_node(**self._parameters)

    def suffer(self, name: str, inflict: Callable[[], object]) -> None:
        """Inflict a fault between two good drives and record the outcome."""
        self._drive_well()
        before, _ = recover(self.car)
        for messages in self.car.received.values():
            messages.clear()
        node, first_line, start = self.node, len(self.node.lines), time.monotonic()
        inflict()
        seconds = time.monotonic() - start
        after, recovery = recover(self.car)
        # The subscription of `arrivals` may find a restarted node later than the one of `recover`.
        recovered = time.monotonic()
        fused = [
            start,
            *(
                arrival
                for arrival, timing in self.car.arrivals
                if start < arrival < recovered and timing["mode"] == "fused"
            ),
            recovered,
        ]
        gap = max(later - earlier for earlier, later in itertools.pairwise(fused))
        if node is self.node:
            self._drive_well()
        else:
            before, first_line = {}, 0
        counters = {
            key: int(value) - int(before.get(key, 0))
            for key, value in after.items()
            if key.startswith(("dropped/", "degraded/")) and int(value) > int(before.get(key, 0))
        }
        words = [LOG_HEAD.sub("", line) for line in self.node.lines[first_line:]]
        self.outcomes.append(Outcome(name, counters, words, seconds, gap, 1000 * recovery))
        print(*row(self.outcomes[-1]), sep=" | ", flush=True)

    def _drive_well(self) -> None:
        """Send good input until the node has logged its line about the preceding time."""
        fail(self.car, Fault("none", lambda events: events), round(HEARD / PERIOD))

    @property
    def network_ms(self) -> float:
        return float(np.median([float(timing["network_ms"]) for _, timing in self.car.arrivals]))

    def suffer_from(self, fault: Fault, seconds: float) -> None:
        # With slower events, the network has time to process some of the faulty messages.
        fault = replace(fault, period=PERIOD)
        self.suffer(fault.name, lambda: fail(self.car, fault, round(seconds / PERIOD)))

    def restart(self) -> None:
        """Kill the node with SIGKILL and start another one."""
        self.node.kill()
        self.node = self._started()

    def kill_player(self) -> None:
        """Kill a player in the middle of its bag and let another one play the bag to its end."""
        bag = simulated_bag()
        first = Process("play", str(bag), "--loop", "--for", "/perception")
        self.car.spin_until(lambda: self._has_result_of(bag), what="a result of the bag")
        first.kill()
        last = Process("play", str(bag), "--for", "/perception")
        self.car.spin_until(lambda: last.has_ended, what="the end of the bag")
        last.wait()
        self.car.stamp = time.time_ns()

    def _has_result_of(self, bag: object) -> bool:
        return any(
            int(timing["stamp"]) < self.car.stamp - 10**15 for _, timing in self.car.arrivals
        )

    def end(self) -> tuple[float, int, int]:
        """End the node with SIGINT.

        Returns:
            Seconds until the node has ended, files left in /dev/shm, and processes left.
        """
        files, children = self.node.shared_memory, self.node.children
        start = time.monotonic()
        self.node.interrupt()
        code = self.node.wait()
        seconds = time.monotonic() - start
        if code != 0:
            raise SystemExit(f"the node ended with {code} after SIGINT")
        return (
            seconds,
            sum(file.exists() for file in files),
            sum(is_alive(number) for number in children),
        )


def is_alive(number: int) -> bool:
    return Path(f"/proc/{number}").exists()


def row(outcome: Outcome) -> list[str]:
    return [
        outcome.fault,
        _counts(outcome, "dropped/"),
        _counts(outcome, "degraded/"),
        f"{outcome.seconds:.1f}",
        f"{outcome.gap:.1f}",
        f"{outcome.recovery_ms:.0f}",
    ]


def _counts(outcome: Outcome, kind: str) -> str:
    return ", ".join(
        f"{count} {name.removeprefix(kind)}"
        for name, count in outcome.counters.items()
        if name.startswith(kind)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration of each fault (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="faults whose names match")
    parser.add_argument("--checkpoint", default="", help="default: the shipped one")
    args = parser.parse_args()
    setting = conditions()
    proof = Proof(args.checkpoint)
    faults = {fault.name: partial(proof.suffer_from, fault, args.seconds) for fault in FAULTS}
    faults |= {
        name: partial(proof.suffer, name, inflict)
        for name, inflict in (
            (f"{STORM} set_parameters, half of them wrong", lambda: storm(proof.car, STORM)),
            ("player killed and started again", proof.kill_player),
            ("node killed and started again", proof.restart),
        )
    }
    for name, run in faults.items():
        if re.search(args.only, name):
            run()
    seconds, files, processes = proof.end()
    proof.car.close()
    slowest = max(outcome.recovery_ms for outcome in proof.outcomes)
    text = (
        f"{setting}; network {proof.network_ms:.0f} ms per frame, input at 10 Hz. "
        f"Slowest recovery: {slowest:.0f} ms. After all faults, SIGINT ended the node in "
        f"{seconds:.1f} s. Left over: files in /dev/shm: {files}, processes: {processes}.\n\n"
        + table(HEAD, map(row, proof.outcomes))
    )
    write(
        "faults",
        text,
        {
            "conditions": setting,
            "sigint_s": seconds,
            "files_left": files,
            "processes_left": processes,
            "faults": [asdict(outcome) for outcome in proof.outcomes],
        },
    )


if __name__ == "__main__":
    main()
