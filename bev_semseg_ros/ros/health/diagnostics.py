"""The content of /diagnostics: statistics of the last frames, and what is wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.ros.health.health import LAST_FRAMES, Counts, FrameRecord
from bev_semseg_ros.ros.health.stages import STAGES
from bev_semseg_ros.ros.synchronizer import MOST_WAITING

OK, WARN, ERROR = range(3)  # as in diagnostic_msgs/DiagnosticStatus

# Why a message or frame was dropped, or a frame was published without one of its sensors or without
# the ego motion (degraded).
# STREAM is points or image, or NAME/points or NAME/image for a named sensor. Other causes that
# concern one named sensor also begin with NAME/.
CAUSES = {
    "unmatched_STREAM": "within max_wait, no message arrived whose stamp differs by at most slop; "
    "or a newer message of the same sensor was processed first",
    "queue_full_STREAM": f"more than {MOST_WAITING} messages of this sensor waited, and this was "
    "the oldest: max_wait is too long for the rate of the sensor",
    "repeated_STREAM": "a message of this sensor with the same stamp arrived before",
    "late_STREAM": "a message of this sensor with a newer stamp was already processed. With three "
    "or more sensors, also: its frame was already processed without it",
    "time_jump_STREAM": "the message was waiting when the stamps of this sensor jumped back, as "
    "when a bag starts again",
    "overwritten": "a newer frame replaced this one before the network was free",
    "no_stamp_STREAM": "the stamp of the message is 0",
    "no_transform": "TF does not know the pose of output_frame or of a sensor "
    "([effects](several_sensors.md#5-what-happens-when-a-sensor-fails))",
    "no_ego_motion": "the motion of the vehicle is not known. The frame is processed as if the "
    "vehicle stood still",
    "no_camera_info": "the image arrived before the first camera_info",
    "deactivated": "the message was waiting when the node was deactivated",
    "no_STREAM": "no message of this sensor arrived in time for the frame",
    "bad_points": "the cloud cannot be decoded",
    "empty_points": "the cloud has no point that is finite and not zero",
    "bad_image": "the image cannot be decoded",
    "bad_camera_info": "the camera_info cannot be used, or its aspect ratio is not that of the "
    "image. With `intrinsics: calibration`, this refers to the camera in the calibration file",
    "new_image_size": "the network is being compiled for the aspect ratio of the image, which "
    "takes seconds (only on a CPU)",
    "inference_error": "the network or the publishing failed",
    "callback_error": "an internal error of the node: please report it",
}


def explain_cause(cause: str) -> str:
    """Return the meaning of a cause, which may name a stream or a sensor, as in front/bad_image."""
    plain = cause.rpartition("/")[2]
    if plain in CAUSES:
        return CAUSES[plain]
    stems = {name.removesuffix("STREAM"): text for name, text in CAUSES.items()}
    return next(text for stem, text in stems.items() if cause.startswith(stem))


NOT_SEARCHED = "none"  # instead of the number of boxes, if their input is missing

# The keys of ~/timing; CAUSE is one of CAUSES.
TIMING_KEYS = {
    "stamp": "stamp of the frame, nanoseconds",
    "mode": "the mode in which the frame was processed",
    **STAGES,
    "overhead_ms": "total_ms minus network_ms: all other stages, `wait_ms` included",
    "boxes": f"number of published boxes, or `{NOT_SEARCHED}` if the network needs a cloud "
    "and the frame has none",
    "points": "number of points in all clouds of the frame",
    "received/STREAM": "messages received",
    "published": "frames published, this one included",
    "dropped/CAUSE": "messages and frames without a result",
    "degraded/CAUSE": "frames published without a sensor, or without the ego motion",
}

# The keys of /diagnostics; CAUSE is one of CAUSES, INPUT is points, image or camera_info, OUTPUT
# is a topic without ~/.
KEYS = {
    "mode": "value of the parameter `mode`, but `lidar_only` if the network uses no images",
    "mode_actual": "the mode in which the last frame of the last second was processed",
    "input/INPUT/topic": "full name of the topic",
    "input/INPUT/rate_hz": "messages received per second",
    "input/INPUT/lost": "messages that did not reach the node: a newer one replaced them (depth "
    "1), or DDS lost them. Not counted while the topic has several publishers",
    "input/INPUT/age_ms": "time since the last message, or `never` if there was none",
    "output/frames/rate_hz": "frames published per second",
    "output/OUTPUT/rate_hz": "messages published per second on this topic",
    "published": "frames published",
    "input_age_ms": "time from the stamp of the last frame until its results were published, by "
    "the clock of the node",
    "sync_offset_ms": "stamp of the first cloud of a frame minus stamp of its first image, "
    f"without offsets; median over the last {LAST_FRAMES} frames",
    "dropped/CAUSE": "messages and frames without a result",
    "dropped_last_second/CAUSE": "the same in the last second",
    "degraded/CAUSE": "frames published without a sensor, or without the ego motion",
    "latency_ms/p50": f"median of total_ms over the last {LAST_FRAMES} frames",
    "latency_ms/p95": f"95th percentile of total_ms over the last {LAST_FRAMES} frames",
    "latency_ms/p99": f"99th percentile of total_ms over the last {LAST_FRAMES} frames",
    "device": "the device of the network",
    "precision": "arithmetic of the network: fp32, bf16 or fp16",
    "engine": "library that runs the dense layers of the network: torch or openvino",
    "memory/resident_mib": "memory of the process",
    "memory/cuda_mib": "memory held on the GPU; only if the network runs on a GPU",
}


@dataclass(frozen=True)
class Snapshot:
    """A node at one moment.

    Attributes:
        mode: The mode of the node.
        counts: The counters and the last frames.
        reasons: What is wrong with the input, in words.
        hardware: Values of the keys device, precision, engine and memory/...
    """

    mode: str
    counts: Counts = field(default_factory=Counts)
    reasons: Sequence[str] = ()
    hardware: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The content of a message on /diagnostics.

    Attributes:
        level: OK, WARN or ERROR.
        message: The reason, or the rate if the level is OK.
        values: The values, by `KEYS`.
    """

    level: int
    message: str
    values: dict[str, Any]


class Monitor:
    """Judges snapshots of a node, one per second."""

    def __init__(self, now: float) -> None:
        """Start to measure silence.

        Args:
            now: `time.monotonic()`, seconds.
        """
        self._last_look = self._last_in_time = now
        self._last_error = now
        self._counted: Counter[tuple[str, str]] = Counter()

    def look(
        self, now: float, snapshot: Snapshot, max_processing_time_ms: float, max_silence_ms: float
    ) -> Verdict:
        """Judge the time since the last call.

        ERROR: no frame was published in time for longer than `max_silence_ms`.
        WARN: a frame was late, or something is wrong with the input.

        Args:
            now: `time.monotonic()`, seconds.
            snapshot: The current state of the node.
            max_processing_time_ms: Longest `total_ms` of a frame in time; longer ones are late.
            max_silence_ms: Longest allowed time without a frame in time.

        Returns:
            The verdict. Its rates are those since the last call.
        """
        frames = snapshot.counts.frames
        recent = [frame for frame in frames if self._last_look < frame.at <= now]
        elapsed = max(now - self._last_look, 1e-3)
        self._last_look = now
        values = self._values(snapshot, recent, elapsed)
        causes = list(snapshot.reasons)
        late = [frame.total_ms for frame in recent if frame.total_ms > max_processing_time_ms]
        if late:
            causes.insert(
                0,
                f"{len(late)} of {len(recent)} frames took longer than "
                f"{max_processing_time_ms:g} ms, up to {max(late):.0f} ms",
            )
        in_time = [frame.at for frame in frames if frame.total_ms <= max_processing_time_ms]
        silence = self._longest_silence(now, in_time)
        if silence * 1e3 > max_silence_ms:
            self._last_error = now
            if not causes:
                causes = _why_silent(now, snapshot.counts, max_processing_time_ms, max_silence_ms)
            reason = "; ".join(causes) or "no reason is known"
            return Verdict(ERROR, f"no frame in time for {silence:.1f} s: {reason}", values)
        if causes:
            return Verdict(WARN, "; ".join(causes), values)
        return Verdict(OK, f"{values['output/frames/rate_hz']:.1f} frames/s", values)

    def _longest_silence(self, now: float, in_time: Sequence[float]) -> float:
        """Return the longest time without a frame in time that lasts or ended since the last look.

        A silence that has ended counts only from the last error, which reported it until then.

        Args:
            now: As in `look`.
            in_time: When the last frames in time were published.
        """
        before = self._last_in_time
        new = [at for at in in_time if at > before]
        self._last_in_time = max([before, *new])
        ended = [
            later - earlier for earlier, later in pairwise([max(before, self._last_error), *new])
        ]
        return max([now - self._last_in_time, *ended])

    def _values(
        self, snapshot: Snapshot, recent: Sequence[FrameRecord], elapsed: float
    ) -> dict[str, Any]:
        counts = snapshot.counts
        received = {name: state.received for name, state in counts.inputs.items()}
        new_messages = self._added("received", received)
        new_outputs = self._added("sent", counts.sent)
        new_drops = self._added("dropped", counts.dropped)
        new_frames = self._added("published", {"frames": counts.published})["frames"]
        values: dict[str, Any] = {
            "mode": snapshot.mode,
            "mode_actual": recent[-1].mode if recent else "none",
        }
        for name, state in counts.inputs.items():
            values |= {
                f"input/{name}/topic": state.topic,
                f"input/{name}/rate_hz": new_messages[name] / elapsed,
                f"input/{name}/lost": state.lost,
                f"input/{name}/age_ms": "never" if state.age is None else state.age * 1e3,
            }
        values["output/frames/rate_hz"] = new_frames / elapsed
        for topic, count in new_outputs.items():
            values[f"output/{topic.lstrip('~/')}/rate_hz"] = count / elapsed
        age_ms = counts.input_age_ms
        values["published"] = counts.published
        values["input_age_ms"] = "none" if age_ms is None else age_ms
        for key, by_cause in (
            ("dropped", counts.dropped),
            ("dropped_last_second", new_drops),
            ("degraded", counts.degraded),
        ):
            values |= {f"{key}/{cause}": count for cause, count in sorted(by_cause.items())}
        return values | _statistics(counts.frames) | dict(snapshot.hardware)

    def _added(self, kind: str, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the increase of each counter since the last call."""
        added = {name: count - self._counted[kind, name] for name, count in counts.items()}
        self._counted.update({(kind, name): count for name, count in added.items()})
        return added


def _statistics(frames: Sequence[FrameRecord]) -> dict[str, Any]:
    totals = [frame.total_ms for frame in frames]
    offsets = [frame.sync_offset_ms for frame in frames if frame.sync_offset_ms is not None]
    values: dict[str, Any] = {"sync_offset_ms": float(np.median(offsets)) if offsets else "none"}
    for percentile in (50, 95, 99):
        value = float(np.percentile(totals, percentile)) if totals else "none"
        values[f"latency_ms/p{percentile}"] = value
    return values


def memory(device: str) -> dict[str, float]:
    """Measure the memory of this process.

    Args:
        device: The device of the network, such as "cpu" or "cuda:0".

    Returns:
        Memory in MiB, by `KEYS`; without `memory/resident_mib` if /proc cannot be read.
    """
    found = {}
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found["memory/resident_mib"] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError, ValueError):
        pass
    if device.startswith("cuda"):
        import torch  # the network has already loaded it

        found["memory/cuda_mib"] = torch.cuda.memory_reserved(device) / 2**20
    return found


def status(
    name: str, level: int, message: str, values: Mapping[str, Any], hardware_id: str = ""
) -> Any:
    """Return a diagnostic_msgs/DiagnosticStatus with `values` as text."""
    from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

    pairs = [
        KeyValue(key=key, value=f"{value:.3f}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    return DiagnosticStatus(
        level=bytes([level]), name=name, message=message, hardware_id=hardware_id, values=pairs
    )


def _why_silent(
    now: float, counts: Counts, max_processing_time_ms: float, max_silence_ms: float
) -> list[str]:
    """Return what the frames show about a silence that the input does not explain."""
    causes = []
    if counts.in_process_since is not None:
        causes.append(f"a frame has been in process for {now - counts.in_process_since:.1f} s")
    if counts.frames and counts.frames[-1].total_ms > max_processing_time_ms:
        causes.append(
            f"the last frame took {counts.frames[-1].total_ms:.0f} ms, "
            f"longer than {max_processing_time_ms:g} ms"
        )
    intervals = [later.at - earlier.at for earlier, later in pairwise(counts.frames[-5:])]
    if intervals and min(intervals) * 1e3 > max_silence_ms:
        causes.append(
            f"frames come every {np.median(intervals):.1f} s: if the sensors are not faster, raise "
            f"max_silence_ms ({max_silence_ms:g})"
        )
    return causes
