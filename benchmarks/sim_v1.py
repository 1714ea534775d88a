"""Make the data sets on which networks are compared, from one commit of the simulator.

usage: python benchmarks/sim_v1.py --out FOLDER [--train N --val N --test N] [--rigs RIG ...]
       python benchmarks/sim_v1.py --out FOLDER --write-manifest

FOLDER/RIG/SPLIT is a data set each, of N scenes with one frame; 0 leaves a split out. The commit
and the seeds stand in sim_v1.yaml. The simulator of that commit runs from a worktree of this
repository with the Python that runs this script. Repeat the command to continue. Several processes
may fill the folder, each with a range of its own (--first-scene N --scenes K).

`bev-semseg evaluate` compares a complete test set with the manifest, which --write-manifest makes
from a folder that is complete.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
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
    parser.add_argument("--scenes", type=int, metavar="K", help="of each data set (default: all)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--image-size", metavar="WxH", help="for a trial; not of the set")
    parser.add_argument("--commit", default=recipe["commit"], help="for a trial; not of the set")
    parser.add_argument("--write-manifest", nargs="?", type=Path, const=True, metavar="FILE")
    args = parser.parse_args(arguments)
    if args.write_manifest:
        name = f"{recipe['name']}.json"
        chosen = args.write_manifest
        path = fixed_set.MANIFESTS / name if chosen is True else chosen
        fixed_set.write_manifest(path, args.commit, _described(args.out, args.rigs))
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        return
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


def worktree(out: Path, commit: str) -> Path:
    """Return a worktree of a commit in the folder of the data sets; it is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    path = (out / f".simulator-{commit[:12]}").resolve()
    with open(out / ".simulator.lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            subprocess.run(
                ["git", "-C", ROOT, "worktree", "add", "--detach", "--force", path, commit],
                check=True,
                stdout=subprocess.DEVNULL,
            )
    return path


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


def _described(out: Path, rigs: list[str]) -> dict[str, Any]:
    """Return the parts of the manifest: every frame of the tests, the others together."""
    parts = {}
    for rig in rigs:
        for split in SPLITS:
            folder = out / rig / split
            if not (folder / fixed_set.NAME_FILE).is_file():
                print(f"{folder}: not there, and left out")
                continue
            dataset = open_dataset(folder, cameras="all")
            found = {}
            for index in range(len(dataset)):
                frame, annotation = dataset[index]
                found[frame.name] = fixed_set.describe(frame, annotation)
            part: dict[str, Any] = {"request": fixed_set.request_of(folder)}
            part["summary"] = fixed_set.summarize(list(found.values()))
            if split == "test":
                part["frames"] = found
            parts[f"{rig}/{split}"] = part
    return parts


if __name__ == "__main__":
    main()
