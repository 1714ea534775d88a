"""Make the data sets on which networks are compared, from one commit of the simulator.

usage: python benchmarks/sim_v1.py --out FOLDER [--train N --val N --test N] [--rigs RIG ...]
       python benchmarks/sim_v1.py --out FOLDER --write-manifest

Each FOLDER/RIG/SPLIT is a data set of N scenes with one frame each; N = 0 leaves a split out. The
commit and the seeds are in sim_v1.yaml. The simulator of that commit runs in a worktree of this
repository, with the Python that runs this script. To resume, repeat the command. Several processes
may fill the folder, each with a different range (--first-scene N --scenes K).

`bev-semseg evaluate` compares a complete test set with the manifest, which --write-manifest makes
from a complete folder.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation import fixed_set

ROOT = Path(__file__).resolve().parents[1]
RECIPE = Path(__file__).with_suffix(".yaml")
SPLITS = ("train", "val", "test")


def main(arguments: list[str] | None = None) -> None:
    recipe = yaml.safe_load(RECIPE.read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=int, default=recipe["scenes"][split], metavar="N")
    parser.add_argument("--rigs", nargs="+", choices=tuple(recipe["rigs"]), default=recipe["rigs"])
    parser.add_argument("--first-scene", type=int, default=0, metavar="N")
    parser.add_argument("--scenes", type=int, metavar="K", help="per data set (default: all)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--image-size", metavar="WxH", help="for a trial; not for the set")
    parser.add_argument("--commit", default=recipe["commit"], help="for a trial; not for the set")
    parser.add_argument("--write-manifest", nargs="?", type=Path, const=True, metavar="FILE")
    args = parser.parse_args(arguments)
    if args.write_manifest:
        name = f"{recipe['name']}.json"
        chosen = args.write_manifest
        path = fixed_set.MANIFESTS / name if chosen is True else chosen
        fixed_set.write_manifest(path, recipe["commit"], described(args.out, recipe))
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        return
    refuse_other_commit(args.out, args.commit)
    simulator = worktree(args.out, args.commit)
    for rig in args.rigs:
        for split in SPLITS:
            count = getattr(args, split)
            last = count if args.scenes is None else min(count, args.first_scene + args.scenes)
            if last > args.first_scene:
                folder = args.out / rig / split
                seed = recipe["rigs"][rig][split]
                _simulate(simulator, folder, rig, seed, args, last - args.first_scene)
                named = {"name": recipe["name"], "part": f"{rig}/{split}", "commit": args.commit}
                fixed_set_file = folder / fixed_set.NAME_FILE
                fixed_set_file.write_text(json.dumps(named) + "\n")


def refuse_other_commit(out: Path, commit: str) -> None:
    """Raise SystemExit if a folder has frames of another commit, which must not be mixed in."""
    for path in sorted(out.glob(f"*/*/{fixed_set.NAME_FILE}")):
        found = json.loads(path.read_text())["commit"]
        if found != commit:
            raise SystemExit(
                f"{path.parent}: was made by the simulator {found} instead of {commit}; give "
                "another --out"
            )


def worktree(out: Path, commit: str) -> Path:
    """Return a worktree of a commit in the folder of the data sets; create it if necessary."""
    out.mkdir(parents=True, exist_ok=True)
    path = (out / f".simulator-{commit[:12]}").resolve()
    with open(out / ".simulator.lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            # It gets its name only when it is complete, because git may be interrupted.
            partial = path.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _git("worktree", "add", "--detach", "--force", "--force", partial, commit)
            _git("worktree", "move", partial, path)
    return path


def _git(*arguments: str | Path) -> None:
    subprocess.run(["git", "-C", ROOT, *arguments], check=True, stdout=subprocess.DEVNULL)


def _simulate(
    simulator: Path, folder: Path, rig: str, seed: int, args: argparse.Namespace, scenes: int
) -> None:
    """Run `synth` of a worktree for a range of scenes."""
    command = [sys.executable, "-m", "bev_semseg_ros.cli.main", "synth", folder.resolve()]
    command += ["--rig", rig, "--seed", seed, "--frames", 1, "--scenes", scenes]
    command += ["--first-scene", args.first_scene, "--workers", args.workers]
    if args.image_size and rig != "random":
        command += ["--image-size", args.image_size]
    environment = os.environ | {"PYTHONPATH": str(simulator)}
    subprocess.run(list(map(str, command)), check=True, cwd=simulator, env=environment)


def described(out: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of the manifest: a summary of each data set, and each frame of a test set.

    Raises:
        SystemExit: If data sets are incomplete or of another simulator.
    """
    folders = [(f"{rig}/{split}", split) for rig, split in product(recipe["rigs"], SPLITS)]
    faults = {name: _fault(out / name, recipe, split) for name, split in folders}
    if lines := [f"{out / name}: {fault}" for name, fault in faults.items() if fault]:
        raise SystemExit("\n".join([*lines, "sim_v1: first make the whole set, with --out alone"]))
    parts: dict[str, Any] = {}
    for name, split in folders:
        folder = out / name
        dataset = open_dataset(folder, cameras="all")
        found = {}
        for index in range(len(dataset)):
            frame, annotation = dataset[index]
            found[frame.name] = fixed_set.describe(frame, annotation)
        part: dict[str, Any] = {"request": fixed_set.request_of(folder)}
        part["summary"] = fixed_set.summarize(list(found.values()))
        if split == "test":
            part["frames"] = found
        parts[name] = part
    return parts


def _fault(folder: Path, recipe: dict[str, Any], split: str) -> str:
    """Return why a data set is not part of the complete set, or an empty text."""
    name_file = folder / fixed_set.NAME_FILE
    if not name_file.is_file():
        return "is missing or not complete"
    commit = json.loads(name_file.read_text())["commit"]
    if commit != recipe["commit"]:
        return f"was made by the simulator {commit} instead of {recipe['commit']}"
    found, wanted = fixed_set.request_of(folder)["complete_scenes"], recipe["scenes"][split]
    return "" if found == wanted else f"holds {found} scenes instead of {wanted}"


if __name__ == "__main__":
    main()
