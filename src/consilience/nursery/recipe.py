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

from consilience.nursery.stages import STAGES, Job, Stage, finish, finished

log = logging.getLogger(__name__)


def run_stage(job: Job, name: str) -> None:
    """Do one stage in this process."""
    import torch

    torch.set_num_threads(1)
    finish(job, next(stage for stage in STAGES if stage.name == name))


def run_all(job: Job, jobs: int, only: frozenset[str] = frozenset()) -> None:
    """Do every stage that is not done, up to `jobs` at a time, each when what it needs is there."""
    wanted = [stage for stage in STAGES if not only or stage.name in only]
    running: dict[str, subprocess.Popen[bytes]] = {}
    while True:
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                if process.returncode:
                    raise RuntimeError(f"stage {name} failed; see {job.out / 'work' / name}.log")
        waiting = [stage for stage in wanted if stage.name not in running and not finished(job, stage)]
        if not waiting and not running:
            return
        done = {stage.name for stage in STAGES if finished(job, stage)}
        for stage in waiting:
            if len(running) < jobs and done.issuperset(stage.needs):
                running[stage.name] = _start(job, stage)
        time.sleep(0.2)


def _start(job: Job, stage: Stage) -> subprocess.Popen[bytes]:
    (job.out / "work").mkdir(parents=True, exist_ok=True)
    log.info("stage %s", stage.name)
    command = [sys.executable, "-m", "consilience.nursery.recipe", "--out", str(job.out), "--seed", str(job.seed)]
    command += ["--scale", str(job.scale), "--stage", stage.name]
    threads = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    memory = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}  # keep freed buffers
    with (job.out / "work" / f"{stage.name}.log").open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **threads, **memory})


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
    job = Job(options.out, options.seed, options.scale)
    if options.stage:
        run_stage(job, options.stage)
    else:
        run_all(job, options.jobs)


if __name__ == "__main__":
    main()
