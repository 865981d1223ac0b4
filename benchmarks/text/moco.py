"""The nursery's team on the same questions by MoCo's text methods and by ours: scores, seconds, loads of models.

    python -m venv /tmp/moco && /tmp/moco/bin/pip install modelco==1.1      # see moco.md
    python benchmarks/text/moco.py --python /tmp/moco/bin/python [--limit 560] [--wording nursery] [--only majority-vote ...]
    python benchmarks/text/moco.py --page           # the table of what is finished, into docs/results/text_peers.md

Both sides run on one thread, in float32, from nothing: models are loaded inside the time that counts, dev drafts too,
imports are not. Both sides' texts are scored by our scorer. Finished jobs are kept in `--work` and not run again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blocks import insert
from consilience import nursery
from consilience.bench import statistics as st
from consilience.bench.experiment import parse
from consilience.bench.leaderboard import verdict
from consilience.bench.plan import Questions, make_plan
from consilience.method import Method
from consilience.methods.text.llm_blender import LlmBlender
from consilience.methods.text.majority_vote import MajorityVote
from consilience.methods.text.multiagent_feedback import MultiagentFeedback
from consilience.methods.text.refine import MultiagentRefine
from consilience.tasks.score import score
from consilience.tasks.task import Split
from consilience.team import Team
from consilience.types import Example, Reply

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("moco_side.py")
TASK = "consilience_nursery"
OWN = ("answer", "steps")
"""Forms that members keep in their own wording where all others are put in the libraries' own words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One method on both sides."""

    ours: Method
    theirs: str
    options: Mapping[str, Any]


PAIRS = {pair.ours.name: pair for pair in (
    Pair(MajorityVote(), "text_majority_vote", {"tie": "dev-based"}),
    Pair(MultiagentRefine(), "text_multiagent_refine", {"round": 3}),
    Pair(MultiagentFeedback(), "text_multiagent_feedback", {"round": 3, "feedback_count": 3}),
    Pair(LlmBlender(), "text_llm_blender", {"top_k": 3, "ranker_max_response_length": 128}),
)}
"""The options are the defaults of both libraries, which agree, but for MoCo's tie of a vote: by chance, where ours is
broken by dev. With them early stopping is on here, which MoCo does not have."""


def questions(limit: int, dev: int) -> Questions:
    """The mixed task: `limit` test and `dev` dev questions, cells in equal shares, sampled as MoCo samples by default
    (its 50 likeliest tokens come from Transformers)."""
    asked = {"pool": "nursery", "tasks": "nursery", "methods": ["majority-vote"], "limit": limit, "dev": dev,
             "sampling": {"temperature": 0.7, "top_p": 0.9, "top_k": 50}, "controls": False}
    return make_plan(parse(asked)).tasks[0]


def prompt(example: Example) -> str:
    """What MoCo is given as the question: the members' own word for working in steps stands before it."""
    return f"steps: {example.question}" if example.request.form == "steps" else example.question


def ours(pair: Pair, asked: Questions, wording: str, batch: int) -> dict[str, Any]:
    """Our side: seconds, loads, and the texts."""
    import consilience.models.local.loading  # noqa: F401  imports do not count, on neither side
    from consilience.models.embedded import embedded
    from consilience.models.local import LocalHost

    wall, cpu = time.perf_counter(), time.process_time()
    with LocalHost(lanes=batch) as host:
        found = [(r, {} if wording == "nursery" else {"forms": {k: r.forms[k] for k in OWN}}) for r in embedded("nursery")]
        members = [resident.model(host, options) for resident, options in found]
        replies = asyncio.run(_answer(Team(pair.ours, members), asked))
        loads = sum(host.stats.loads.values())
    calls = sum(reply.usage.calls for reply in replies) / len(replies)
    fallbacks = sum(bool(reply.note.get("fallback")) for reply in replies)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "loads": loads, "calls": calls,
            "fallbacks": fallbacks, "texts": [reply.text or "" for reply in replies]}


async def _answer(team: Team, asked: Questions) -> list[Reply]:
    fitted = await team.fit(Split(asked.name, asked.dev, window=len(asked.dev)))
    found = await asyncio.gather(*(fitted.generate(example.request) for example in asked.test))
    return [reply for [reply] in found]


def theirs(pair: Pair, asked: Questions, wording: str, batch: int, python: Path) -> dict[str, Any]:
    """MoCo's side, in a scratch copy of its package."""
    with tempfile.TemporaryDirectory(prefix="consilience-moco-") as name:
        folder = Path(name)
        [source] = python.parents[1].glob("lib/python*/site-packages/model_collaboration")
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("*.json", "__pycache__", "*.jsonl"))
        _write_task(folder / source.name / "data" / f"{TASK}.json", asked)
        best = str(nursery.WEIGHTS / _best(asked))
        options = {"max_response_length": asked.test[0].request.sampling.max_tokens, "temperature": 0.7, "top_p": 0.9,
                   "batch_size": batch, "ranker_model_name": best, "fuser_model_name": best, **pair.options}
        job = {"folder": name, "method": pair.theirs, "task": TASK, "wording": wording, "seed": 0, "hyperparameters": options,
               "models": [str(nursery.WEIGHTS / owner) for owner in nursery.pool_cards()["groups"]["main"]]}
        (folder / "job.json").write_text(json.dumps(job))
        done = subprocess.run([python, "-W", "ignore", SIDE, folder / "job.json"], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    log = told.pop("log")
    return {**told, "own_score": log["avg_test_score"], "texts": [entry["output"] or "" for entry in log["logs"]]}


def _write_task(path: Path, asked: Questions) -> None:
    split = {which: [{"id": e.id, "input": prompt(e), "output": e.references[0]} for e in examples]
             for which, examples in (("dev", asked.dev), ("test", asked.test))}
    path.write_text(json.dumps({"task_type": "exact_match", **split}))


def _best(asked: Questions) -> str:
    """The member that our side chooses on dev: MoCo's ranker and fuser are named by its user, and the same one serves."""
    from consilience.models.embedded import embedded

    members = [resident.model() for resident in embedded("nursery")]
    rows = asyncio.run(Split(asked.name, asked.dev, window=len(asked.dev)).replies(members))
    means = [sum(s.score for s in row) for row in rows]
    return members[means.index(max(means))].card.name


def scores(asked: Questions, texts: Sequence[str]) -> tuple[np.ndarray, float]:
    """Our scores of texts, and the share of them in which no answer can be read."""
    replies = [Reply(text).read(e.request.format) for text, e in zip(texts, asked.test, strict=True)]
    marks = [asyncio.run(score(e, reply)) for reply, e in zip(replies, asked.test, strict=True)]
    return np.array(marks), float(np.mean([reply.unreadable(e.request.format) for reply, e in zip(replies, asked.test, strict=True)]))


def table(work: Path, asked: Questions) -> str:
    """What is finished, in Markdown."""
    lines = ["| prompts | method | ours | MoCo 1.1 | difference | p | | MoCo's own score | wall s: ours, MoCo | ratio | CPU ratio | loads: ours, MoCo |",
             "| --- | --- | --: | --: | --: | --: | --- | --: | --: | --: | --: | --: |"]
    for wording in ("nursery", "own"):
        for name in PAIRS:
            paths = [work / f"{wording}-{name}-{side}.json" for side in ("ours", "moco")]
            if all(path.exists() for path in paths):
                lines.append(_line(wording, name, asked, *(json.loads(path.read_text()) for path in paths)))
    return "\n".join(lines)


def _line(wording: str, name: str, asked: Questions, mine: dict[str, Any], peer: dict[str, Any]) -> str:
    (a, dark), (b, darker) = scores(asked, mine["texts"]), scores(asked, peer["texts"])
    delta, p = float((a - b).mean()), st.paired_p(a, b)
    interval = st.percentiles(st.resampled_means(a - b))
    return (f"| {wording} | {name} | {a.mean():.1%} ({dark:.0%} unread) | {b.mean():.1%} ({darker:.0%} unread) "
            f"| {100 * delta:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}] | {p:.2g} "
            f"| {verdict(delta, interval, p)} | {peer['own_score']:.1%} | {mine['wall']:.0f}, {peer['wall']:.0f} "
            f"| {peer['wall'] / mine['wall']:.1f} | {peer['cpu'] / mine['cpu']:.1f} | {mine['loads']}, {peer['loads']} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="the interpreter of an environment with modelco 1.1")
    parser.add_argument("--limit", type=int, default=560)
    parser.add_argument("--dev", type=int, default=160)
    parser.add_argument("--batch", type=int, default=32, help="rows at once, on both sides")
    parser.add_argument("--wording", choices=("nursery", "own"), default="nursery",
                        help="prompts that the members were trained to read, or each library's own")
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "moco")
    parser.add_argument("--page", action="store_true", help="run nothing, write the table")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    asked = questions(given.limit, given.dev)
    for name in () if given.page else given.only:
        for side in ("ours", "moco"):
            path = given.work / f"{given.wording}-{name}-{side}.json"
            if path.exists():
                continue
            done = (ours(PAIRS[name], asked, given.wording, given.batch) if side == "ours"
                    else theirs(PAIRS[name], asked, given.wording, given.batch, given.python))
            path.write_text(json.dumps(done))
            print(f"{path.stem}: {done['wall']:.1f} s, {done['loads']} loads", flush=True)
    print(found := table(given.work, asked))
    if given.page:
        insert(ROOT / "docs" / "results" / "text_peers.md", "moco", found)


if __name__ == "__main__":
    main()
