"""What /diagnostics says: the figures of the last frames, and whether all is well, in words."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.ros.health.stages import STAGES
from bev_semseg_ros.ros.input.synchronizer import MOST_WAITING

OK, WARN, ERROR = range(3)  # as in diagnostic_msgs/DiagnosticStatus
FRAMES = 100  # so many of the last frames are looked at

# Why a message or frame was dropped, or published without one of its sensors (degraded); STREAM is points or image.
CAUSES = {
    "unmatched_STREAM": "no partner within slop came within max_wait, or before newer ones were processed",
    "queue_full_STREAM": f"the oldest of more than {MOST_WAITING} that waited: max_wait is longer than there is room",
    "late_STREAM": "older than a result already given, or a stamp repeated",
    "time_jump_STREAM": "waiting when the stamps jumped back",
    "overwritten": "a newer frame came before the network was free",
    "no_stamp_STREAM": "its stamp is 0",
    "no_transform": "TF does not know where a sensor is, or output_frame at the cloud's stamp (extrinsics tf)",
    "no_camera_info": "an image before the first camera_info",
    "no_STREAM": "the partner did not come",
    "bad_points": "the cloud cannot be decoded",
    "empty_points": "the cloud has no finite point",
    "bad_image": "the image cannot be decoded",
    "bad_camera_info": "the camera_info cannot be used, or is of another image size",
    "new_image_size": "the network is being made ready for images of this size, which takes seconds",
    "inference_error": "the network or the publishing failed",
    "callback_error": "an error of the node itself",
}

NOT_SEARCHED = "none"  # the number of boxes where the network had nothing to find them in

# The keys of ~/timing; CAUSE is one of CAUSES.
TIMING_KEYS = {
    "stamp": "the frame's, in nanoseconds",
    "mode": "the mode it was processed in",
    **STAGES,
    "overhead_ms": "total_ms without network_ms",
    "boxes": f"boxes published; `{NOT_SEARCHED}` if the network could not look for any",
    "points": "points of the cloud",
    "received/STREAM": "messages since activation",
    "published": "frames published since activation, this one included",
    "dropped/CAUSE": "messages and frames without a result since activation",
    "degraded/CAUSE": "frames published without a sensor since activation",
}

# The keys of /diagnostics; CAUSE is one of CAUSES, INPUT points, image or camera_info, OUTPUT a topic without ~/.
KEYS = {
    "mode": "the mode asked for",
    "mode_actual": "the mode the last frame was processed in; none: no frame in the last second",
    "input/INPUT/topic": "the topic's full name",
    "input/INPUT/rate_hz": "messages in the last second",
    "input/INPUT/lost": "messages since the first one that newer ones replaced before the node took them (depth 1), or "
    "that were lost on the way; counted while the topic has one publisher",
    "input/INPUT/age_ms": "since the last message came; never: none came",
    "output/frames/rate_hz": "frames published in the last second",
    "output/OUTPUT/rate_hz": "messages on that topic in the last second; only topics that ever carried one",
    "published": "frames published since activation",
    "input_age_ms": "from the last frame's stamp to its results, by the node's clock; none: there was no frame",
    "sync_offset_ms": "median over the last frames of the cloud's stamp minus the image's; none: there was no pair",
    "dropped/CAUSE": "messages and frames without a result since activation",
    "dropped_last_second/CAUSE": "the same in the last second",
    "degraded/CAUSE": "frames published without a sensor since activation",
    "latency_ms/p50": f"median of total_ms over the last {FRAMES} frames; none: there was no frame",
    "latency_ms/p95": "its 95th percentile",
    "latency_ms/p99": "its 99th percentile",
    "device": "what the network runs on",
    "precision": "arithmetic of the network",
    "engine": "what runs its dense layers",
    "memory/resident_mib": "memory of the process",
    "memory/cuda_mib": "memory held on the GPU; only where one is used",
}


@dataclass(frozen=True)
class FrameRecord:
    """A frame that was published; at: time.monotonic() then; sync_offset_ms: cloud minus image, None without a pair."""

    at: float
    total_ms: float
    mode: str
    sync_offset_ms: float | None = None


@dataclass(frozen=True)
class InputState:
    """received, lost: messages so far; age: seconds since the last one, None if none came."""

    topic: str
    received: int
    age: float | None
    lost: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A node at one moment; counters count since activation. sent: messages by output topic; reasons: what is wrong."""

    mode: str
    inputs: Mapping[str, InputState] = field(default_factory=dict)
    frames: Sequence[FrameRecord] = ()  # the last ones
    published: int = 0
    input_age_ms: float | None = None  # of the last frame
    sent: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    degraded: Mapping[str, int] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    hardware: Mapping[str, Any] = field(
        default_factory=dict
    )  # device, precision, engine, memory/...


@dataclass(frozen=True)
class Verdict:
    """level: OK, WARN or ERROR; message: why; values: by KEYS."""

    level: int
    message: str
    values: dict[str, Any]


class Monitor:
    """Judges a node that is active since `now` (time.monotonic())."""

    def __init__(self, now: float) -> None:
        self._looked = self._last_in_time = now
        self._counted: Counter[tuple[str, str]] = Counter()

    def look(
        self, now: float, snapshot: Snapshot, max_processing_time_ms: float, max_silence_ms: float
    ) -> Verdict:
        """To be called once a second: rates and what is new count from the last look.

        ERROR: for more than max_silence_ms no frame took less than max_processing_time_ms. WARN: a frame took longer,
        or something is wrong with the input.
        """
        recent = [frame for frame in snapshot.frames if self._looked < frame.at <= now]
        elapsed, self._looked = max(now - self._looked, 1e-3), now
        values = self._values(snapshot, recent, elapsed)
        late = [frame.total_ms for frame in recent if frame.total_ms > max_processing_time_ms]
        causes = (
            [
                f"{len(late)} of {len(recent)} frames took longer than {max_processing_time_ms:g} ms, up to "
                f"{max(late):.0f} ms"
            ]
            if late
            else []
        )
        causes += snapshot.reasons
        in_time = [
            frame.at for frame in snapshot.frames if frame.total_ms <= max_processing_time_ms
        ]
        self._last_in_time = max([self._last_in_time, *in_time])
        silence = now - self._last_in_time
        if silence * 1e3 > max_silence_ms:
            text = (
                f"no frame in time for {silence:.1f} s: {'; '.join(causes) or 'no reason is known'}"
            )
            return Verdict(ERROR, text, values)
        if causes:
            return Verdict(WARN, "; ".join(causes), values)
        return Verdict(OK, f"{values['output/frames/rate_hz']:.1f} frames/s", values)

    def _values(
        self, snapshot: Snapshot, recent: Sequence[FrameRecord], elapsed: float
    ) -> dict[str, Any]:
        received = self._news(
            "received", {name: state.received for name, state in snapshot.inputs.items()}
        )
        sent, dropped = self._news("sent", snapshot.sent), self._news("dropped", snapshot.dropped)
        published = self._news("published", {"frames": snapshot.published})["frames"]
        values: dict[str, Any] = {
            "mode": snapshot.mode,
            "mode_actual": recent[-1].mode if recent else "none",
        }
        for name, state in snapshot.inputs.items():
            values |= {
                f"input/{name}/topic": state.topic,
                f"input/{name}/rate_hz": received[name] / elapsed,
                f"input/{name}/lost": state.lost,
                f"input/{name}/age_ms": "never" if state.age is None else state.age * 1e3,
            }
        values["output/frames/rate_hz"] = published / elapsed
        values |= {
            f"output/{topic.lstrip('~/')}/rate_hz": count / elapsed for topic, count in sent.items()
        }
        values |= {
            "published": snapshot.published,
            "input_age_ms": "none" if snapshot.input_age_ms is None else snapshot.input_age_ms,
        }
        values |= {f"dropped/{cause}": count for cause, count in sorted(snapshot.dropped.items())}
        values |= {
            f"dropped_last_second/{cause}": count for cause, count in sorted(dropped.items())
        }
        values |= {f"degraded/{cause}": count for cause, count in sorted(snapshot.degraded.items())}
        return values | _statistics(snapshot.frames) | dict(snapshot.hardware)

    def _news(self, kind: str, counts: Mapping[str, int]) -> dict[str, int]:
        """What was added to each counter since the last look."""
        news = {name: count - self._counted[kind, name] for name, count in counts.items()}
        self._counted.update({(kind, name): count for name, count in news.items()})
        return news


def _statistics(frames: Sequence[FrameRecord]) -> dict[str, Any]:
    totals = [frame.total_ms for frame in frames]
    offsets = [frame.sync_offset_ms for frame in frames if frame.sync_offset_ms is not None]
    return {
        "sync_offset_ms": float(np.median(offsets)) if offsets else "none",
        **{
            f"latency_ms/p{p}": float(np.percentile(totals, p)) if totals else "none"
            for p in (50, 95, 99)
        },
    }


def memory(device: str) -> dict[str, float]:
    """Memory of this process in MiB, by KEYS; without `memory/resident_mib` where /proc does not tell."""
    found = {}
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found["memory/resident_mib"] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError, ValueError):
        pass
    if device.startswith("cuda"):
        import torch  # by then the network has loaded it

        found["memory/cuda_mib"] = torch.cuda.memory_reserved(device) / 2**20
    return found


def status(
    name: str, level: int, message: str, values: Mapping[str, Any], hardware_id: str = ""
) -> Any:
    """A diagnostic_msgs/DiagnosticStatus with `values` as text."""
    from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

    pairs = [
        KeyValue(key=key, value=f"{value:.3f}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    return DiagnosticStatus(
        level=bytes([level]), name=name, message=message, hardware_id=hardware_id, values=pairs
    )
