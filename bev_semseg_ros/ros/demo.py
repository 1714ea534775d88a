"""What `make demo` runs: simulated and real drives through the node, over real ROS 2, scored and drawn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.dataset import Dataset, Subset, open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, Report
from bev_semseg_ros.frame import Boxes, Frame, Prediction
from bev_semseg_ros.geometry import wrap_angle
from bev_semseg_ros.inference.engine import convolution_rate
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.bag.recorder import Recording, record
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.visualization.panel import panel

SEED = 990_000  # never trained on
SCENES, FRAMES = 3, 20
SHOWN_SCORE = 0.3
VIDEO_RATE = 5.0

Say = Callable[[str], None]


def pairs(dataset: Dataset) -> Subset:
    """The frames of a data set that have both sensors: what a bag of pairs can be made of."""

    def is_pair(frame: Frame) -> bool:
        return frame.points is not None and frame.image is not None and frame.camera is not None

    return Subset(dataset, [index for index in range(len(dataset)) if is_pair(dataset[index][0])])


def run_demo(
    out: str | Path, checkpoint: str | Path, real_data: Path | None, say: Say = print
) -> dict[str, Any]:
    """Run everything, write it to `out` and return the summary (also out/summary.json).

    checkpoint: of the network; real_data: a folder that may hold `kitti_raw` and `a2d2`, or None; say: gets a line at
    every step. Raises ValueError or RecordingError if a part of it cannot run.
    """
    # Here, because the simulator needs packages that a vehicle need not have.
    from bev_semseg_ros.sim.generate import generate

    out = Path(out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    predictor = Predictor.load(checkpoint)
    summary: dict[str, Any] = {
        "conv_tflops": convolution_rate("bf16", len(os.sched_getaffinity(0)))
    }
    say(
        f"network: {predictor.description}; convolutions at {summary['conv_tflops']:.2f} TFLOP/s in bf16"
    )

    say(f"simulating {SCENES} drives of {FRAMES} frames, seed {SEED}")
    for scenes in (1, SCENES):  # the first drive alone, so that there is something to look at soon
        generate(out / "synthetic", "a2d2", scenes, FRAMES, SEED)
        drives = open_dataset(out / "synthetic")
        if scenes == 1:
            _first_picture(predictor, drives, out / "first.png")
            say(f"first picture: {out / 'first.png'}")
    bag = _bag(drives, out / "synthetic_bag", say)
    offline = [
        predictor.predict(drives[index][0], "fused", SCORE_THRESHOLD)
        for index in range(len(drives))
    ]
    for rate, name in ((0.5, "synthetic_5hz"), (1.0, "synthetic_10hz")):
        say(f"playing at {10 * rate:g} Hz to the node")
        recording = _record(bag, out / name, rate, checkpoint)
        online = list(_recorded(recording))
        there = [
            each and now for each, now in zip(online, offline, strict=True)
        ]  # what came out, as offline
        (miou, ap_car), (miou_offline, ap_car_offline) = (
            _score(predictor, drives, each) for each in (online, there)
        )
        summary[name] = recording.summary() | {
            "miou": miou,
            "ap_car": ap_car,
            "miou_offline": miou_offline,
            "ap_car_offline": ap_car_offline,
            "parity": parity(online, offline),
        }
        _draw(predictor, drives, recording, out / name)

    real = {
        name: real_data / folder
        for name, folder in (("kitti", "kitti_raw"), ("a2d2", "a2d2"))
        if real_data is not None and (real_data / folder).is_dir()
    }
    if not real:
        say(
            "no real data; set BEV_SEMSEG_DATA to a folder that holds kitti_raw/ and a2d2/ to see real drives, too"
        )
    for name, path in real.items():
        frames = pairs(open_dataset(path))
        say(f"{name}: {len(frames)} real frames to the node")
        recording = _record(_bag(frames, out / f"{name}_bag", say), out / name, 1.0, checkpoint)
        summary[name] = recording.summary()
        _draw(predictor, frames, recording, out / name)

    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def table(summary: dict[str, Any], out: Path) -> str:
    """The summary for reading, and where to look."""
    lines = [
        f"{'':16} {'in':>4} {'out':>4} {'latency p50/p95':>16} {'network':>8} {'overhead':>8}   "
        f"{'mIoU':>11}   {'AP car':>11}  dropped"
    ]
    for name, run in summary.items():
        if not isinstance(run, dict):
            continue

        def ms(key: str, p: str = "p50", run: dict = run) -> str:
            value = run[key][p]
            return "-" if value is None else f"{value:.0f}"

        scores = [
            f"{run[key]:.3f}/{run[key + '_offline']:.3f}" if run.get(key) is not None else ""
            for key in ("miou", "ap_car")
        ]
        causes = (
            ", ".join(f"{count} {cause}" for cause, count in run["dropped"].items() if count)
            or "none"
        )
        lines.append(
            f"{name:16} {run['frames_in']:4} {run['frames_out']:4} "
            f"{ms('latency_ms') + '/' + ms('latency_ms', 'p95') + ' ms':>16} {ms('network_ms') + ' ms':>8} "
            f"{ms('overhead_ms') + ' ms':>8}   {scores[0]:>11}   {scores[1]:>11}  {causes}"
        )
    lines += [
        "(scores: node/offline)",
        "",
        f"pictures and videos: {out}/*/*.png, {out}/*/drive.mp4; figures: {out / 'summary.json'}",
    ]
    return "\n".join(lines)


def _bag(dataset: Dataset, path: Path, say: Say) -> Path:
    written = write_bag(dataset, path)
    if written.unrelated:
        say(f"{path.name}: {written.unrelated} frames follow no drive and are stamped 0.5 s apart")
    return path


def _record(bag: Path, folder: Path, rate: float, checkpoint: str | Path) -> Recording:
    return record(bag, folder, rate, {"checkpoint": checkpoint, "score_threshold": SCORE_THRESHOLD})


def _first_picture(predictor: Predictor, dataset: Dataset, path: Path) -> None:
    frame, annotation = dataset[0]
    picture = panel(
        frame, annotation, predictor.predict(frame, "fused", SHOWN_SCORE), predictor.config
    )
    cv2.imwrite(str(path), picture[..., ::-1])


def parity(online: Sequence[Prediction | None], offline: Sequence[Prediction]) -> dict[str, Any]:
    """How far the node is from offline inference on the same frames.

    {frames, same_boxes: frames with as many boxes of each class, max_box_difference: metres and radians over those,
    label_agreement: the smallest share of equal pixels in a frame}; None where no frame came out.
    """
    differences, agreements, frames = [], [], 0
    for ours, theirs in zip(online, offline, strict=True):
        if ours is None:
            continue
        frames += 1
        agreements.append(float((ours.mask == theirs.mask).mean()))
        if ours.boxes is None or theirs.boxes is None:
            continue
        a, b = (_ordered(each.boxes) for each in (ours, theirs))
        if np.array_equal(a.labels, b.labels):
            parts = (a.centers - b.centers, a.sizes - b.sizes, wrap_angle(a.yaws - b.yaws))
            differences.append(
                max((float(np.abs(part).max()) for part in parts if part.size), default=0.0)
            )
    return {
        "frames": frames,
        "same_boxes": len(differences),
        "max_box_difference": max(differences, default=None),
        "label_agreement": min(agreements, default=None),
    }


def _ordered(boxes: Boxes) -> Boxes:
    """By class and place: scores are published rounded, so their order may differ."""
    return boxes[
        np.lexsort(
            (np.round(boxes.centers[:, 1], 2), np.round(boxes.centers[:, 0], 2), boxes.labels)
        )
    ]


def _recorded(recording: Recording) -> Iterator[Prediction | None]:
    """What the node said of the frames in the order of the bag; None for a frame that was dropped."""
    for stamp in sorted(recording.published):
        result = recording.complete.get(stamp)
        yield result and Prediction(
            result.boxes,
            result.mask,
            None,
            result.timing.get("mode", "fused"),
            float(result.timing.get("network_ms", 0)),
        )


def _score(
    predictor: Predictor, dataset: Dataset, predictions: Iterable[Prediction | None]
) -> tuple[float | None, float | None]:
    """(mIoU, AP of cars) of what came out; frames without a result were counted as dropped and are not scored."""
    report = Report(predictor.config.grid)
    for index, prediction in enumerate(predictions):
        if prediction is not None:
            report.add(*dataset[index], prediction)
    result = report.result()
    return result["segmentation"]["miou"], result["detection"]["car"]["ap"]


def _draw(predictor: Predictor, dataset: Dataset, recording: Recording, folder: Path) -> None:
    """A picture of every fourth frame and a video of all, from what the node published."""
    video = None
    for index, prediction in enumerate(_recorded(recording)):
        if prediction is None:
            continue
        boxes = prediction.boxes
        if boxes is not None:
            boxes = boxes[boxes.scores >= SHOWN_SCORE]
        frame, annotation = dataset[index]
        picture = panel(
            frame,
            annotation,
            Prediction(boxes, prediction.mask, None, prediction.mode, prediction.network_ms),
            predictor.config,
        )[..., ::-1]
        if index % 4 == 0:
            cv2.imwrite(str(folder / f"{index:03d}.png"), picture)
        even = np.ascontiguousarray(
            picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        )
        if video is None:
            size = (even.shape[1], even.shape[0])
            video = cv2.VideoWriter(
                str(folder / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), VIDEO_RATE, size
            )
        video.write(cv2.resize(even, size) if even.shape[1::-1] != size else even)
    if video is not None:
        video.release()
