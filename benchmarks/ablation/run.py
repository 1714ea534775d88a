r"""Train and evaluate the rows of the ablation. Work that is already done is not repeated.

usage: python benchmarks/ablation/run.py --data FOLDER --out RUNS [--rows NAME ...]
           [--steps 300] [--seed N ...] [--branch NAME=CHECKPOINT ...] [--real NAME=PATH ...]
       python benchmarks/ablation/run.py --data FOLDER --out RUNS --times

FOLDER is made by `benchmarks/sim_v1.py`: the data sets to train on are FOLDER/*/train, those to
test on FOLDER/*/test. Every row is tested on the same scenes, evenly spaced over all test sets.
Real frames that rows name in `places` need --real, such as --real a2d2=../shared/data/a2d2.

RUNS gets a run folder for each training, and in RUNS/results a file for each row and seed. A run
that was killed continues from its checkpoint when the same command runs again. `collect.py` writes
docs/ablation.md from these files, which are kept in benchmarks/ablation/results. Rows can be
trained on several machines: each begins from the same weights.

--times measures the times of all rows, in turn and on the same frames; it needs no training.

Rows are initialized from the checkpoints of branches, which are made first. --branch takes an
existing checkpoint instead. A row that names a part of the network that this version lacks is
reported and does not stop the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for fusion.py and document.py

import torch
from evidence import TIMES, Evidence, gather, read_result, result_name
from rows import TABLE, TEST, Branch, Row, Table, read_table
from scenes import data_sets, scenes_of

from bev_semseg_ros import config as configuration
from bev_semseg_ros.cli.arguments import add_cameras_argument
from bev_semseg_ros.cli.main import main as bev_semseg
from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.evaluation.report import spaced
from bev_semseg_ros.frame import Frame
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.initialization import load_checkpoints

ROOT = Path(__file__).resolve().parents[2]
RECORD = "training.json"
INTERRUPTED = 130  # what `bev-semseg` returns after Ctrl-C


@dataclass(frozen=True)
class Training:
    """One run of `bev-semseg train`.

    Attributes:
        name: Name of the run folder.
        settings: Settings as for --set.
        init: Checkpoints to initialize from.
        steps: Steps of the optimizer.
    """

    name: str
    settings: tuple[str, ...]
    init: tuple[str, ...]
    steps: int


class Ablation:
    """Trains and evaluates rows into a folder."""

    def __init__(self, arguments: argparse.Namespace, table: Table) -> None:
        self.arguments, self.table = arguments, table
        self.out: Path = arguments.out
        self.train_sets = data_sets(arguments.data, "train")
        test_sets = data_sets(arguments.data, "test")
        self.places: dict[str, Dataset] = {
            TEST: scenes_of(test_sets, arguments.scenes, arguments.cameras)
        }
        self.places |= {name: open_dataset(path) for name, path in arguments.real}
        self.given = {name: Path(path).resolve() for name, path in arguments.branch}

    def run(self, rows: Sequence[Row]) -> dict[str, str]:
        """Train and evaluate rows. Return row -> reason, for each row that failed."""
        failed = {}
        for row in rows:
            if reason := self.table.obstacle(row):
                failed[row.name] = f"cannot run: {reason}"
                continue
            try:
                for seed in self.arguments.seed or row.seeds:
                    self.evaluate(row, seed, self.train_row(row, seed))
            except (ValueError, OSError) as error:
                failed[row.name] = str(error)
        return failed

    def train_row(self, row: Row, seed: int) -> Path:
        """Return the checkpoint of a row; train it if its training is not finished yet."""
        trained = self.table.row(row.training)
        init = tuple(str(self.branch(name)) for name in trained.init)
        settings = (*self.table.settings_of(row), f"seed={seed}")
        name = run_name(trained.name, seed)
        return self.train(Training(name, settings, init, self.arguments.steps))

    def branch(self, name: str) -> Path:
        """Return the checkpoint of a branch; make it if there is none."""
        if name in self.given:
            return self.given[name]
        branch = self.table.branches[name]
        folder = f"branch_{name}"
        init = (str(ROOT / branch.init),) if branch.init else ()
        if not branch.steps:
            return self.take(branch, init, self.out / folder / "checkpoint.pt")
        steps = self.arguments.branch_steps or branch.steps
        return self.train(Training(folder, branch.settings, init, steps))

    def take(self, branch: Branch, init: Sequence[str], path: Path) -> Path:
        """Write a checkpoint of what a branch's network takes from others, unless it exists.

        Raises:
            ValueError: If the checkpoint was made with other settings or from other checkpoints.
        """
        wanted = {"settings": [*branch.settings, *self.arguments.set], "init": digests_of(init)}
        if not is_there(path, wanted):
            config = self.config(branch.settings)
            torch.manual_seed(config.seed)  # for the weights that no checkpoint has
            network = build_network(config)
            _, infos = load_checkpoints(network, [Path(each) for each in init])
            tasks = [task.name for task in network.tasks]
            info = {"tasks": tasks, "begun_from": infos, "steps": 0}
            remember(path, wanted)
            checkpoint.save(path, network, config, info)
        return path

    def config(self, settings: Sequence[str]) -> Config:
        """Return the configuration of a network with settings of the table."""
        base = configuration.load(self.arguments.config)
        return configuration.with_settings(base, [*settings, *self.arguments.set])

    def train(self, training: Training) -> Path:
        """Start or continue a training, unless it is finished.

        Raises:
            ValueError: If the run folder belongs to another training, or the training failed.
        """
        folder = self.out / training.name
        settings = [*training.settings, *self.arguments.set, f"name={training.name}"]
        path = folder / "checkpoint.pt"
        wanted = {
            "settings": settings,
            "steps": training.steps,
            "data": [str(path.resolve()) for path in self.train_sets],
            "init": digests_of(training.init),
        }
        if is_there(path, wanted) and checkpoint.load(path).info["steps"] >= training.steps:
            return path
        remember(path, wanted)
        begin = ["--init", *training.init] if training.init else []
        status = bev_semseg(
            [
                "train",
                *("--config", str(self.arguments.config)),
                *("--data", *map(str, self.train_sets)),
                *("--out", str(folder)),
                *(["--cameras", *self.arguments.cameras] if self.arguments.cameras else []),
                *(["--resume"] if path.is_file() else begin),
                *("--set", *settings, f"training.max_steps={training.steps}"),
            ]
        )
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if status:
            raise ValueError(f"{folder}: the training failed (the lines above say why)")
        return path

    def evaluate(self, row: Row, seed: int, path: Path) -> None:
        """Score a row on each of its places that its file does not have yet."""
        file = self.out / "results" / result_name(row.name, seed)
        digest = digest_of(path)
        scenes = {
            name: [dataset.scene(index) for index in range(len(dataset))]
            for name, dataset in self.places.items()
        }
        result: Evidence = read_result(file) if file.is_file() else {}
        if result.get("checkpoint") != digest:
            result = {}
        places = {
            name: each
            for name, each in result.get("places", {}).items()
            if name not in self.places or each["scenes"] == scenes[name]
        }
        missing = [name for name in row.places if name in self.places and name not in places]
        for name in row.places:
            if name not in self.places and name not in places:
                print(f"{row.name}: not evaluated on {name}; give --real {name}=PATH")
        if missing:
            predictor = self.predictor(path)
            for name in missing:
                title = f"{run_name(row.name, seed)} on {name}"
                places[name] = gather(predictor, self.places[name], row.mode, row.disturbed, title)
                places[name]["scenes"] = scenes[name]
        loaded = checkpoint.load(path)
        steps, batch_size = loaded.info["steps"], loaded.config.training.batch_size
        network = loaded.build()
        used = network.used_weights()
        result = {
            "row": asdict(row),
            "seed": seed,
            "checkpoint": digest,
            "steps": steps,
            "samples": steps * batch_size,
            "parameters": sum(
                weight.numel() for name, weight in network.named_parameters() if name in used
            ),
            "places": places,
        }
        write_result(file, result)

    def predictor(self, path: Path) -> Predictor:
        """Load a network with the engine and the number of threads of the command."""
        return Predictor.load(
            path, engine=self.arguments.engine, num_threads=self.arguments.threads
        )

    def measure_times(self) -> None:
        """Measure the networks on the same frames, in turn, so that all share the machine's load.

        Weights make no difference to the time, so these are new networks.
        """
        dataset = self.places[TEST]
        frames = [dataset[index][0] for index in spaced(len(dataset), self.arguments.rounds)]
        # Images of one size only: each size would cost each network another compilation.
        frames = [frame for frame in frames if image_sizes(frame) == image_sizes(frames[0])]
        rows = [row for row in self.table.rows if not self.table.obstacle(row)]
        predictors = {}
        for row in rows:
            config = self.config(self.table.settings_of(row))
            if row.training not in predictors:
                predictors[row.training] = Predictor(
                    build_network(config),
                    config,
                    engine=self.arguments.engine,
                    num_threads=self.arguments.threads,
                )
        modes = {row.training: row.mode for row in rows}
        times: dict[str, list[float]] = {name: [] for name in predictors}
        for frame in frames:
            for name, predictor in predictors.items():
                predictor.predict(frame, modes[name])  # compiles it for the size of this image
                times[name].append(predictor.predict(frame, modes[name]).network_ms)
        found = {
            "on": next(iter(predictors.values())).description,
            "ms": {row.name: statistics.median(times[row.training]) for row in rows},
        }
        write_whole(self.out / "results" / TIMES, (json.dumps(found, indent=1) + "\n").encode())


def image_sizes(frame: Frame) -> list[tuple[int, int]]:
    """Return (width, height) of a frame's images."""
    return [seen.camera.size for seen in frame.cameras.values()]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests_of(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> SHA-256 of files."""
    return {path: digest_of(Path(path)) for path in paths}


def is_there(path: Path, wanted: dict[str, Any]) -> bool:
    """Return whether there is a checkpoint that was made as wanted.

    Raises:
        ValueError: If there is one that was made differently.
    """
    if not path.is_file():
        return False
    record = path.with_name(RECORD)
    known = json.loads(record.read_text()) if record.is_file() else {}
    if changed := [key for key in wanted if known.get(key) != wanted[key]]:
        raise ValueError(
            f"{path.parent}: was made with other {' and '.join(changed)} ({RECORD} says which); "
            "delete this folder, or choose another --out"
        )
    return True


def remember(path: Path, wanted: dict[str, Any]) -> None:
    """Write a file beside a checkpoint that says how it is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(RECORD).write_text(json.dumps(wanted, indent=1) + "\n")


def run_name(row: str, seed: int) -> str:
    """Return the name of the run folder of a row."""
    return f"{row}-seed{seed}"


def write_result(file: Path, result: Evidence) -> None:
    """Compress the result of a row and write it atomically."""
    # Further digits would take most of the file and make no difference.
    rounded = json.loads(json.dumps(result), parse_float=lambda text: round(float(text), 4))
    write_whole(file, lzma.compress(json.dumps(rounded).encode()))


def write_whole(file: Path, content: bytes) -> None:
    """Write a file atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(file)


def _pair(text: str) -> tuple[str, str]:
    """Return the two parts of NAME=PATH."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=PATH")
    return name, path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a row failed, 2 if nothing could run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--out", required=True, type=Path, metavar="RUNS")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument(
        "--steps", type=int, default=300, help="training steps of each row (default: 300)"
    )
    parser.add_argument("--branch-steps", type=int, help="default: those of the table")
    parser.add_argument("--seed", nargs="+", type=int, help="default: those of the table")
    parser.add_argument(
        "--scenes", type=int, default=200, help="number of test scenes (default: 200)"
    )
    parser.add_argument("--branch", nargs="+", type=_pair, default=[], metavar="NAME=CHECKPOINT")
    parser.add_argument("--real", nargs="+", type=_pair, default=[], metavar="NAME=PATH")
    parser.add_argument("--set", nargs="+", default=[], help="further settings of every training")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "synthetic.yaml")
    add_cameras_argument(parser)
    parser.add_argument("--table", type=Path, default=TABLE, help="default: rows.yaml")
    parser.add_argument("--engine", default="auto", help="auto, torch or openvino")
    parser.add_argument("--threads", type=int, help="threads of the networks (default: all cores)")
    parser.add_argument("--times", action="store_true", help="measure the times, nothing else")
    parser.add_argument("--rounds", type=int, default=30, help="frames for --times (default: 30)")
    parsed = parser.parse_args(arguments)
    try:
        table = read_table(parsed.table)
        rows = [table.row(name) for name in parsed.rows] if parsed.rows else table.rows
        ablation = Ablation(parsed, table)
        if parsed.times:
            ablation.measure_times()
            return 0
        failed = ablation.run(rows)
    except (ValueError, OSError) as error:
        print(f"ablation: error: {error}", file=sys.stderr)
        return 2
    for name, reason in failed.items():
        print(f"{name}: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
