"""Checks whether the stamps of a scene increase without jumps."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data_check.finding import Cases, DataFinding
from bev_semseg_ros.input_check import counted

# A gap is a jump if it exceeds JUMP_FACTOR times the median gap of its scene and JUMP_SECONDS.
# Labelled frames are often a selection, so gaps vary.
JUMP_FACTOR, JUMP_SECONDS = 20.0, 2.0
LONGEST_GAP = 3600.0  # seconds; a longer gap is always a jump


class StampCheck:
    """Compares the stamps of the frames of each scene."""

    def __init__(self) -> None:
        self._scenes: dict[str, list[tuple[str, int]]] = {}

    def add(self, scene: str, name: str, stamp_ns: int) -> None:
        """Add a frame, in the order of the data set.

        Args:
            scene: Scene of the frame.
            name: Name of the frame.
            stamp_ns: Time of the frame, nanoseconds; 0 if it has none, or at the start of a scene.
        """
        self._scenes.setdefault(scene, []).append((name, stamp_ns))

    def findings(self) -> list[DataFinding]:
        """Return the findings about missing, decreasing and jumping stamps."""
        unstamped, backwards, jumps = Cases(), Cases(), Cases()
        for scene, frames in self._scenes.items():
            if len(frames) < 2:
                continue
            # The times of a simulated drive or one of KITTI tracking begin at 0.
            begins_at_0 = frames[0][1] == 0 and 0 < frames[1][1] <= LONGEST_GAP * 1e9
            stamped = frames[:1] if begins_at_0 else []
            for name, stamp_ns in frames[len(stamped) :]:
                if stamp_ns > 0:
                    stamped.append((name, stamp_ns))
                else:
                    unstamped.add(f"{name} of {scene}")
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
        other = f"{bag}; if they are of another drive, give them another scene, otherwise {correct}"
        found = []
        for cases, text, remedy in (
            (unstamped, "without a time", f"{bag}; {correct}"),
            (backwards, "not later than the previous one", order),
            (jumps, "much later than the previous one in their scene", other),
        ):
            if cases.count:
                text = f"{counted(cases.count, 'frame')} {text}"
                found.append(cases.finding("stamps", "warning", text, remedy))
        return found
