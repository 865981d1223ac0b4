"""Train the whole pool from nothing: `python -m consilience.nursery.recipe --out DIR --seed 0 --jobs 2`.

Every stage is one process with one thread; a stage that is done is not done again, so a stopped run goes on where
it was. `DIR/<member>` are finished members, `DIR/work` holds what only the recipe needs, with the CPU seconds of
each stage.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from consilience.nursery.stages import STAGES, Kitchen, Stage, finish, finished

log = logging.getLogger(__name__)


def run_stage(kitchen: Kitchen, name: str) -> None:
    """Do one stage in this process."""
    import torch

    torch.set_num_threads(1)
    finish(kitchen, next(stage for stage in STAGES if stage.name == name))


def run_all(kitchen: Kitchen, jobs: int, only: frozenset[str] = frozenset()) -> None:
    """Do every stage that is not done, up to `jobs` at a time, each when what it needs is there."""
    wanted = [stage for stage in STAGES if not only or stage.name in only]
    running: dict[str, subprocess.Popen[bytes]] = {}
    while True:
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                if process.returncode:
                    raise RuntimeError(f"stage {name} failed; see {kitchen.out / 'work' / name}.log")
        waiting = [stage for stage in wanted if stage.name not in running and not finished(kitchen, stage)]
        if not waiting and not running:
            return
        done = {stage.name for stage in STAGES if finished(kitchen, stage)}
        for stage in waiting:
            if len(running) < jobs and done.issuperset(stage.needs):
                running[stage.name] = _start(kitchen, stage)
        time.sleep(0.2)


def _start(kitchen: Kitchen, stage: Stage) -> subprocess.Popen[bytes]:
    (kitchen.out / "work").mkdir(parents=True, exist_ok=True)
    log.info("stage %s", stage.name)
    command = [sys.executable, "-m", "consilience.nursery.recipe", "--out", str(kitchen.out), "--seed", str(kitchen.seed)]
    command += ["--scale", str(kitchen.scale), "--stage", stage.name]
    threads = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with (kitchen.out / "work" / f"{stage.name}.log").open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **threads})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the nursery from nothing.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all lengths; below 1 only to try the recipe")
    parser.add_argument("--stage", help="do only this stage, in this process")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    kitchen = Kitchen(options.out, options.seed, options.scale)
    if options.stage:
        run_stage(kitchen, options.stage)
    else:
        run_all(kitchen, options.jobs)


if __name__ == "__main__":
    main()
