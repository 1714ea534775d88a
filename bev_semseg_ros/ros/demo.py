"""The demo of `make demo`: play drives to the node over ROS 2, and score and draw the results."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from bev_semseg_ros.data.dataset import Dataset, Subset, open_dataset
from bev_semseg_ros.data.files import write_png
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, Report
from bev_semseg_ros.frame import Annotation, Boxes, Frame, Mode, Prediction
from bev_semseg_ros.geometry import wrap_angle
from bev_semseg_ros.inference.engine import convolution_rate
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.bag.recorder import record
from bev_semseg_ros.ros.bag.recording import Recording
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.visualization.panel import panel
from bev_semseg_ros.visualization.video import WITHOUT_H264, open_video, writes_h264

SEED = 990_000  # no training run used drives with this seed
FRAMES = 12
SHOWN_SCORE = 0.3
SUMMARY, FIRST_PICTURE = "summary.json", "first.png"
PICTURE_EVERY = 4  # frames
VIDEO_RATE = 5.0  # frames per second
RATES = {"5hz": 0.5, "10hz": 1.0}  # playback rate relative to the recorded 10 Hz
TASKS = {"detection", "segmentation"}  # of the results that are recorded and drawn
REAL_DATA = {"kitti": "kitti_raw", "a2d2": "a2d2"}  # name -> its folder


@dataclass(frozen=True)
class _Simulated:
    """A simulated drive.

    Attributes:
        name: Prefix of the names of the results.
        rig: Name of the rig, see `bev-semseg synth --rig`.
        rates: Keys of RATES: the rates at which the drive is played.
    """

    name: str
    rig: str
    rates: tuple[str, ...]


# The second drive has a rig that occurs in no training data.
SIMULATED = (
    _Simulated("synthetic", "a2d2", ("5hz", "10hz")),
    _Simulated("random_rig", "random", ("5hz",)),
)


def pairs(dataset: Dataset) -> Subset:
    """Return the frames with a cloud, an image and a camera, which a bag of pairs needs."""

    def is_pair(frame: Frame) -> bool:
        return frame.points is not None and frame.image is not None and frame.camera is not None

    return Subset(dataset, [index for index in range(len(dataset)) if is_pair(dataset[index][0])])


def run_demo(out: str | Path, checkpoint: str | Path, real_data: Path | None) -> dict[str, Any]:
    """Run simulated and real drives through the node.

    Args:
        out: Folder for all results. Those of an earlier run are removed.
        checkpoint: Checkpoint of the trained network.
        real_data: Folder that may contain `kitti_raw` and `a2d2`; None to play no real drives.

    Returns:
        The summary, which is also written to out/summary.json: for each drive, the result of
        `Recording.summary`; for simulated drives, also the scores and the result of `parity`.

    Raises:
        ValueError: If a file is damaged, if `out` has other content than an earlier run, or if the
            network lacks a task.
        RecordingError: If the node or the player fails.
    """
    out = Path(out)
    _empty(out)
    _write_summary(out, {})  # marks the folder as that of a demo, for the next run
    predictor = Predictor.load(checkpoint)
    if missing := TASKS - predictor.label_sets.keys():
        raise ValueError(
            f"{checkpoint}: the network lacks the task {' and '.join(sorted(missing))}, which the "
            "demo needs; draw its results with bev-semseg visualize"
        )
    tflops = convolution_rate("bf16", len(os.sched_getaffinity(0)))
    summary: dict[str, Any] = {"conv_tflops": tflops}
    print(f"network: {predictor.description}; convolutions at {tflops:.2f} TFLOP/s in bf16")
    if not writes_h264():
        print(WITHOUT_H264)

    for drive in SIMULATED:
        summary |= _run_simulated(out, predictor, checkpoint, drive)
    summary |= _run_real(out, predictor, checkpoint, real_data)

    _write_summary(out, summary)
    return summary


def _empty(out: Path) -> None:
    """Create the folder of the results, or remove those of an earlier run, finished or not.

    Raises:
        ValueError: The folder has other content. Nothing was removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    entries = {entry.name for entry in out.iterdir()}
    others = sorted(entries - _results()) if SUMMARY in entries else sorted(entries)
    if others:
        raise ValueError(
            f"{out}: has files that are no results of a demo, such as {others[0]}; give another "
            "folder with --out, or empty this one"
        )
    shutil.rmtree(out)
    out.mkdir()


def _results() -> set[str]:
    """Return the names of all files and folders that a demo may write into its folder."""
    drives = [*(drive.name for drive in SIMULATED), *REAL_DATA]
    runs = [f"{drive.name}_{rate}" for drive in SIMULATED for rate in drive.rates]
    return {SUMMARY, FIRST_PICTURE, *drives, *runs, *(f"{name}_bag" for name in drives)}


def _write_summary(out: Path, summary: dict[str, Any]) -> None:
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n")


def _simulate(out: Path, drive: _Simulated, predictor: Predictor) -> Dataset:
    """Simulate a drive. If it is the first drive, draw its first frame."""
    # Imported here, because the simulator needs packages that a vehicle may not have.
    from bev_semseg_ros.sim.generate import generate

    print(f"simulating a drive of {FRAMES} frames, rig {drive.rig}, seed {SEED}")
    folder = out / drive.name
    generate(folder, drive.rig, 1, FRAMES, SEED)
    frames = open_dataset(folder)
    first = out / FIRST_PICTURE
    if not first.exists():
        frame, annotation = frames[0]
        prediction = predictor.predict(frame, "fused", SHOWN_SCORE)
        write_png(first, _panel(predictor, frame, annotation, prediction))
        print(f"first picture: {first}")
    return frames


def _run_simulated(
    out: Path, predictor: Predictor, checkpoint: str | Path, drive: _Simulated
) -> dict[str, Any]:
    """Simulate a drive, play it at each of its rates, and compare with offline inference."""
    summary: dict[str, Any] = {}
    frames = _simulate(out, drive, predictor)
    bag = _write_bag(frames, out / f"{drive.name}_bag")
    offline = [
        predictor.predict(frames[index][0], "fused", SCORE_THRESHOLD)
        for index in range(len(frames))
    ]
    for rate in drive.rates:
        name = f"{drive.name}_{rate}"
        print(f"{drive.name}: playing at {10 * RATES[rate]:g} Hz to the node")
        recording = _record(bag, out / name, RATES[rate], predictor, checkpoint)
        online = _predictions(recording)
        # Dropped frames are counted elsewhere. Both scores cover only the published frames.
        same_frames = [
            None if ours is None else theirs for ours, theirs in zip(online, offline, strict=True)
        ]
        summary[name] = recording.summary() | {
            "scores": _scores(predictor, frames, online),
            "scores_offline": _scores(predictor, frames, same_frames),
            "parity": parity(online, offline),
        }
        _draw(predictor, frames, online, out / name)
    return summary


def _run_real(
    out: Path, predictor: Predictor, checkpoint: str | Path, real_data: Path | None
) -> dict[str, Any]:
    """Play those of the real drives that exist."""
    summary: dict[str, Any] = {}
    for name, folder in REAL_DATA.items():
        if real_data is None or not (real_data / folder).is_dir():
            continue
        frames = pairs(open_dataset(real_data / folder))
        print(f"{name}: {len(frames)} real frames to the node")
        bag = _write_bag(frames, out / f"{name}_bag")
        recording = _record(bag, out / name, 1.0, predictor, checkpoint)
        summary[name] = recording.summary()
        _draw(predictor, frames, _predictions(recording), out / name)
    if not summary:
        print(
            "No real drives were played: set BEV_SEMSEG_DATA to a folder that holds kitti_raw/ "
            "and a2d2/."
        )
    return summary


def table(summary: dict[str, Any], out: Path) -> str:
    """Return the summary as a readable table, with the paths of the results."""
    lines = [
        f"{'':16} {'in':>4} {'out':>4} {'latency p50/p95':>16} {'network':>8} {'overhead':>8}"
        "  dropped"
    ]
    runs = {name: run for name, run in summary.items() if isinstance(run, dict)}
    lines += [_row(name, run) for name, run in runs.items()]
    lines += ["", "scores of the node and offline:"]
    lines += [f"{name:16} {_score_text(run)}" for name, run in runs.items() if "scores" in run]
    lines += [
        "",
        f"pictures and videos: {out}/*/*.png, {out}/*/drive.mp4; figures: {out / SUMMARY}",
    ]
    return "\n".join(lines)


def _row(name: str, run: dict[str, Any]) -> str:
    """Return the row of a drive in `table`."""

    def milliseconds(key: str, percentile: str = "p50") -> str:
        value = run[key][percentile]
        return "-" if value is None else f"{value:.0f}"

    latency = f"{milliseconds('latency_ms')}/{milliseconds('latency_ms', 'p95')} ms"
    network = f"{milliseconds('network_ms')} ms"
    overhead = f"{milliseconds('overhead_ms')} ms"
    causes = [f"{count} {cause}" for cause, count in run["dropped"].items() if count]
    return (
        f"{name:16} {run['frames_in']:4} {run['frames_out']:4} {latency:>16} {network:>8} "
        f"{overhead:>8}  {', '.join(causes) or 'none'}"
    )


def _score_text(run: dict[str, Any]) -> str:
    """Return the scores of a drive, as "miou 0.500/0.510, map 0.400/0.400"."""
    texts = []
    for name, online in run["scores"].items():
        offline = run["scores_offline"][name]
        if online is not None and offline is not None:
            texts.append(f"{name} {online:.3f}/{offline:.3f}")
    return ", ".join(texts)


def _write_bag(dataset: Dataset, path: Path) -> Path:
    written = write_bag(dataset, path)
    if written.unrelated:
        print(
            f"{path.name}: {written.unrelated} frames do not follow the one before them in a drive "
            "and are stamped 0.5 s after it"
        )
    return path


def _record(
    bag: Path, folder: Path, rate: float, predictor: Predictor, checkpoint: str | Path
) -> Recording:
    parameters = {"checkpoint": checkpoint, "score_threshold": SCORE_THRESHOLD}
    return record(bag, folder, predictor.label_sets["detection"], rate, parameters)


def parity(online: Sequence[Prediction | None], offline: Sequence[Prediction]) -> dict[str, Any]:
    """Compare the node with offline inference on the same frames.

    Args:
        online: What the node published for each frame; None for a dropped one.
        offline: What the predictor returned for each frame.

    Returns:
        frames: Number of published frames.
        same_boxes: Number of these frames with the same number of boxes of each class as offline.
        max_box_difference: Largest difference of a box in these, metres or radians; None if there
            are no such frames.
        label_agreement: Smallest fraction of equal pixels in a mask; None without masks.
    """
    differences: list[float] = []
    agreements: list[float] = []
    frames = 0
    for ours, theirs in zip(online, offline, strict=True):
        if ours is None:
            continue
        frames += 1
        if ours.mask is not None and theirs.mask is not None:
            agreements.append(float(np.mean(ours.mask == theirs.mask)))
        if ours.boxes is None or theirs.boxes is None:
            continue
        a, b = _ordered(ours.boxes), _ordered(theirs.boxes)
        if np.array_equal(a.labels, b.labels):
            differences.append(_largest_difference(a, b))
    return {
        "frames": frames,
        "same_boxes": len(differences),
        "max_box_difference": max(differences, default=None),
        "label_agreement": min(agreements, default=None),
    }


def _ordered(boxes: Boxes) -> Boxes:
    """Sort by class and position: published scores are rounded, so their order may differ."""
    x, y = np.round(boxes.centers[:, :2], 2).T
    return boxes[np.lexsort((y, x, boxes.labels))]


def _largest_difference(a: Boxes, b: Boxes) -> float:
    """Return the largest difference between paired boxes, metres or radians; 0 without boxes."""
    parts = [a.centers - b.centers, a.sizes - b.sizes, wrap_angle(a.yaws - b.yaws)]
    return max(float(np.max(np.abs(part), initial=0.0)) for part in parts)


def _predictions(recording: Recording) -> list[Prediction | None]:
    """Return what the node published for each frame of the bag; None for a dropped one."""
    complete = recording.complete
    predictions: list[Prediction | None] = []
    for stamp in sorted(recording.published):
        result = complete.get(stamp)
        if result is None:
            predictions.append(None)
            continue
        mode = cast(Mode, result.timing.get("mode", "fused"))
        network_ms = float(result.timing.get("network_ms", 0))
        predictions.append(Prediction.of(result.boxes, result.mask, None, mode, network_ms))
    return predictions


def _scores(
    predictor: Predictor, dataset: Dataset, predictions: Sequence[Prediction | None]
) -> dict[str, float | None]:
    """Return the main scores of all tasks, for the published frames."""
    report = Report(predictor.tasks)
    for index, prediction in enumerate(predictions):
        if prediction is not None:
            report.add(*dataset[index], prediction)
    return report.headline()


def _draw(
    predictor: Predictor,
    dataset: Dataset,
    predictions: Sequence[Prediction | None],
    folder: Path,
) -> None:
    """Draw what the node published: a video of all frames and a picture of every fourth one."""
    with open_video(folder / "drive.mp4", VIDEO_RATE) as video:
        for index, prediction in enumerate(predictions):
            if prediction is None:
                continue
            boxes = prediction.boxes
            if boxes is not None:
                boxes = boxes[boxes.scores >= SHOWN_SCORE]
            frame, annotation = dataset[index]
            shown = replace(prediction, boxes=boxes)
            picture = _panel(predictor, frame, annotation, shown)
            if index % PICTURE_EVERY == 0:
                write_png(folder / f"{index:03d}.png", picture)
            video.write(picture)


def _panel(
    predictor: Predictor, frame: Frame, annotation: Annotation, prediction: Prediction
) -> np.ndarray:
    """Draw a frame with the classes of the predictor."""
    return panel(frame, annotation, prediction, predictor.config, predictor.label_sets)
