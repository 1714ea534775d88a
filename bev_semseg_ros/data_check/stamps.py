"""Whether the stamps of a scene follow each other."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data_check.finding import Cases, DataFinding

# A gap is a jump if it is so many times the usual one of its scene, and so many seconds. Labelled
# frames are often a selection, with gaps of all sizes.
JUMP_FACTOR, JUMP_SECONDS = 20.0, 2.0
LONGEST_GAP = 3600.0  # seconds: more lies in no scene


class StampCheck:
    """Compares the stamps of each scene."""

    def __init__(self) -> None:
        self._scenes: dict[str, list[tuple[str, int]]] = {}

    def add(self, scene: str, name: str, stamp_ns: int) -> None:
        """Add a frame, in the order of the data set.

        Args:
            scene: Its scene.
            name: Its name.
            stamp_ns: Its time, nanoseconds; 0 without one.
        """
        self._scenes.setdefault(scene, []).append((name, stamp_ns))

    def findings(self) -> list[DataFinding]:
        """Return the stamps that do not follow each other."""
        unstamped, backwards, jumps = Cases(), Cases(), Cases()
        for scene, frames in self._scenes.items():
            if len(frames) < 2:
                continue
            for name, stamp_ns in frames:
                if stamp_ns <= 0:
                    unstamped.add(f"{name} of {scene}")
            stamped = [(name, stamp_ns) for name, stamp_ns in frames if stamp_ns > 0]
            gaps = np.diff([stamp_ns for _, stamp_ns in stamped]) * 1e-9
            forward = gaps[gaps > 0]
            usual = float(np.median(forward)) if len(forward) > 2 else LONGEST_GAP / JUMP_FACTOR
            limit = min(max(JUMP_FACTOR * usual, JUMP_SECONDS), LONGEST_GAP)
            for index, gap in enumerate(gaps):
                where = f"{gap:+.1f} s from {stamped[index][0]} to {stamped[index + 1][0]}"
                if gap <= 0:
                    backwards.add(where)
                elif gap > limit:
                    jumps.add(where)
        correct = "correct the stamps (frames.csv, timestamps.txt, or the .json beside the images)"
        bag = "`bag` stamps such a frame 0.5 s after the one before it"
        order = f"{bag}; number the frames in the order of their time, or {correct}"
        other = f"{bag}; if they are another drive, give them another scene, else {correct}"
        found = []
        for cases, text, remedy in (
            (unstamped, "frames have no time", f"{bag}; {correct}"),
            (backwards, "frames are not later than the one before", order),
            (jumps, "frames come long after the one before in their scene", other),
        ):
            if cases.count:
                found.append(cases.finding("stamps", "warning", f"{cases.count} {text}", remedy))
        return found
