"""What is measured beside votes and judges: medoids of free text, samples of one model that stop early, orders of twelve
models by graded comparisons, and which methods a recording can replay at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from judges import JUDGEBENCH, LLMBAR, champion, pandalm, played
from sets import DATA, Recordings, by_name, prepared
from votes import Pages, mark, ranking

import consilience as cs
from consilience.errors import ConsilienceError
from consilience.learn.ranking import by_margins, by_wins, order
from consilience.method import Level, Method
from consilience.models.recorded import Recorded, Recording
from consilience.registry import methods
from consilience.tasks.task import Split
from consilience.team import Team, run_sync
from consilience.types import Scope

DRAWS = 20
STOPS: dict[str, dict[str, Any]] = {"one sample": {"draws": 1, "stop": "never"}, "5 samples": {"draws": 5, "stop": "never"},
                                    "20 samples": {"draws": DRAWS, "stop": "never"},
                                    "20, stop when the lead cannot be caught": {"draws": DRAWS, "stop": "lead"},
                                    "20, stop at 95% by the Beta rule": {"draws": DRAWS, "stop": "beta"}}
BASELINE = "gpt4_1106_preview"
MEDOIDS = 200
"""Test questions of a split for medoids, whose similarities take time."""


def jobs(work: Path, seeds: int) -> dict[str, Callable[[], Any]]:
    """Everything, by name."""
    return {"judgebench": lambda: played(JUDGEBENCH, seeds), "llmbar": lambda: played(LLMBAR, seeds), "pandalm": pandalm,
            "medoid": lambda: medoid(prepared(by_name("alpaca-eval"), work), seeds), "graded": lambda: graded(prepared(by_name("alpaca-eval"), work)),
            "samples": samples, "replayable": lambda: replayable(prepared(by_name("gsm8k-21"), work))}


def medoid(recordings: Recordings, seeds: int) -> dict[str, Any]:
    """The medoid of free answers of AlpacaEval's twelve models against the best on dev: who is most like the others."""
    task = recordings.task
    examples = (*task.dev, *task.test)
    place = {e.id: i for i, e in enumerate(examples)}
    members = [m for m in recordings.members if m.card.name != BASELINE]
    rows = run_sync(Split("all", examples).replies(members))
    score = np.array([[s.score for s in row] for row in rows]).T
    pages = Pages(len(examples))
    for seed in range(seeds):
        dev, test = ([place[e.id] for e in part] for part in recordings.split(seed, 300, MEDOIDS))
        standing, where = score[dev].mean(axis=0), np.array(test)
        top = ranking(standing)
        pages.add("best single", where, score[where, top[0]])
        pages.add("random member", where, score[where].mean(axis=1))
        pages.add("oracle", where, score[where].max(axis=1))
        asked = Split("test", tuple(examples[i] for i in test))
        for size in (3, 5, len(members)):
            some = sorted(top[:size])
            team = Team(cs.MedoidVote(), [members[i] for i in some], standing=standing[some].tolist())
            label = "medoid of all 12" if size == len(members) else f"medoid of the best {size}"
            pages.add(label, where, np.array([s.score for s in run_sync(asked.replies([team]))[0]]))
    return {"questions": len(examples), "members": {m.card.name: float(q) for m, q in zip(members, score.mean(axis=0), strict=True)},
            "figures": {n: asdict(pages.figure(n)) for n in pages.sums}, "gaps": {n: asdict(pages.difference(n, "best single")) for n in pages.sums}}


def graded(recordings: Recordings) -> dict[str, Any]:
    """On how many questions max-logits, max-wins and a bubble pass put the same of twelve answers first, where the margin of two
    is the difference of the log-odds that each had against the one baseline."""
    members = [m for m in recordings.members if m.card.name != BASELINE]
    rows = run_sync(Split("all", (*recordings.task.dev, *recordings.task.test)).replies(members))
    odds = np.array([[s.score for s in row] for row in rows]).T.clip(1e-6, 1 - 1e-6)
    odds = np.log(odds / (1 - odds))
    same = 0
    for line in odds:
        margins = (line[:, None] - line[None, :]).tolist()
        same += len({order(by_margins(margins))[0], order(by_wins(margins))[0], champion(margins)}) == 1
    return {"questions": len(odds), "same": same, "members": len(members)}


def samples() -> dict[str, Any]:
    """Self-consistency of gpt-3.5-turbo on DATE: twenty recorded samples of each question, all of them or until it is settled."""
    path = DATA / "mot_cascade_date_gsm_half.jsonl.gz"
    task = cs.task(f"recorded:{path}#mot_date")
    asked = Split("date", (*task.dev, *task.test))
    pages, found = Pages(len(asked)), {}
    everywhere = np.arange(len(asked))
    for variant in ("cot1", "cot2", "pot1", "pot2"):
        member = Recorded(Recording.load(path), "gpt-3.5-turbo", variant)
        readings = {}
        for label, options in STOPS.items():
            [rows] = run_sync(asked.replies([Team(cs.SelfConsistency(**options), [member])]))
            pages.add(label, everywhere, np.array([run_sync(mark(e, s)) for e, s in zip(asked, rows, strict=True)]))
            pages.add(f"{label}: samples", everywhere, np.array([s.reply.note["samples"] if s.reply else 0 for s in rows], float))
            readings[label] = [s.reply.reading if s.reply else None for s in rows]
        for label in STOPS:
            pages.add(f"{label}: same", everywhere, np.array([a == b for a, b in zip(readings[label], readings["20 samples"], strict=True)], float))
    found["figures"] = {n: asdict(pages.figure(n)) for n in pages.sums}
    found["gaps"] = {n: asdict(pages.difference(n, "20 samples")) for n in STOPS}
    return {"questions": len(asked), **found}


def replayable(recordings: Recordings) -> dict[str, str]:
    """Every method of the text level, asked the question on which five recorded members differ most: empty where it answers
    from what was recorded alone, else why not."""
    members, asked = recordings.members[:5], recordings.task.test
    rows = run_sync(asked.replies(members))
    example = max(zip(asked, *rows, strict=True), key=lambda row: len({s.reply.reading for s in row[1:] if s.reply is not None}))[0]
    return {name: _refusal(cls, members, example) for name, cls in sorted(methods().items()) if cls.level is Level.TEXT}


def _refusal(cls: type[Method], members: list[Recorded], example: Any) -> str:
    try:
        method = cls()
        team = Team(method, members, standing=[0.5] * len(members), **{r.name: members[0] for r in method.roles if not r.default})
        if method.must_fit:
            return "learns from what live members say"
        [reply] = run_sync(team.generate(example.request, scope=Scope(example=example.id)))
    except ConsilienceError as error:
        return str(error)
    return "; ".join(sorted({a.detail for a in reply.absent}))
