"""Members in other roles: judges and verifiers of sampled answers, the prompt forms, weak and strong, adapters, bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from asking import Bench, difference, mean_of, percent
from sklearn.metrics import roc_auc_score

from consilience.nursery.answers import is_right, pick, prompt_of, reading
from consilience.nursery.data import DESCRIPTIONS
from consilience.nursery.forms import render
from consilience.nursery.net import likelihood, padded
from consilience.nursery.tasks import CELLS, DRAW, EVERY_CELL, Problem, as_choice
from consilience.nursery.verifier import scores
from consilience.nursery.words import OWNERS, SKILLS


def owner_of(cell: str) -> str:
    """Who practises a cell."""
    return SKILLS.get(cell) or cell.removeprefix("facts/")


def sources(cell: str) -> tuple[str, ...]:
    """Whose samples are judged: the cell's far and near specialists, the base, another far specialist."""
    owner = owner_of(cell)
    other = next(name for name in OWNERS if name != owner)
    return (owner, f"near_{owner}", "base", other)


Sampled = list[tuple[Problem, str, bool, str]]


def sampled(bench: Bench, cell: str, questions: int = 150) -> Sampled:
    """Problem, text, right, and who said it, at T = 1."""
    asked = bench.questions(cell, "test")
    rows: Sampled = []
    for name in sources(cell):
        said = bench.said(name, cell, "test", 1.0, 0)
        rows += [(asked[i], said.texts[i], bool(said.right[i]), name) for i in range(min(questions, len(asked)))]
    return rows


def verifiers(bench: Bench) -> dict[str, Any]:
    """AUC of the head and of the owner's likelihood on sampled answers."""
    found = {}
    for cell in CELLS:
        rows = sampled(bench, cell)
        truth = [right for _, _, right, _ in rows]
        head, likely = head_scores(bench, rows), owner_scores(bench, cell, rows)
        own = [i for i, row in enumerate(rows) if row[3] in sources(cell)[:2]]
        found[cell] = {
            "head": _auc(truth, head), "head, two specialists only": _auc([truth[i] for i in own], [head[i] for i in own]),
            "owner's likelihood": _auc(truth, likely), "wrong": round(100 * (1 - float(np.mean(truth))), 1),
        }
    return found


def _auc(truth: Sequence[bool], given: Sequence[float]) -> float | None:
    return round(float(roc_auc_score(truth, given)), 3) if len(set(truth)) == 2 else None


@torch.inference_mode()
def head_scores(bench: Bench, rows: Sampled, lanes: int = 64) -> list[float]:
    """The verifier's score of each answer."""
    member = bench.member("verifier")
    found: list[float] = []
    for start in range(0, len(rows), lanes):
        ids = [member.encoder.row([(problem.question, text)]).ids for problem, text, _, _ in rows[start : start + lanes]]
        ends = torch.tensor([len(row) - 1 for row in ids])
        found += scores(member.params, member.shape, padded(ids))[torch.arange(len(ids)), ends].tolist()
    return found


def owner_scores(bench: Bench, cell: str, rows: Sampled) -> list[float]:
    """The mean log-probability of each answer under the cell's far specialist."""
    member = bench.member(owner_of(cell))
    end = member.encoder.mark["<|end|>"]
    asked = [member.encoder.prompt(prompt_of(problem)) for problem, *_ in rows]
    return likelihood(member.params, member.shape, asked, [[*member.encoder.plain(text), end] for _, text, _, _ in rows])


def judges(bench: Bench, limit: int = 300) -> dict[str, Any]:
    """Right answers against wrong ones that members really gave, both orders in turn."""
    found = {}
    for cell in CELLS:
        by_problem: dict[str, list[tuple[Problem, str, bool, str]]] = {}
        for row in sampled(bench, cell, 400):
            by_problem.setdefault(row[0].id, []).append(row)
        rng = random.Random(cell)
        prompts, truth = [], []
        for rows in by_problem.values():
            good, bad = ([row for row in rows if row[2] == right and row[1]] for right in (True, False))
            if good and bad and len(prompts) < limit:
                pair, first = (rng.choice(good)[1], rng.choice(bad)[1]), rng.random() < 0.5
                prompts.append(render("judge", question=rows[0][0].question, a=pair[not first], b=pair[first]))
                truth.append("A" if first else "B")
        row = {"pairs": len(prompts)}
        for name in (owner_of(cell), "base", "generalist"):
            row["specialist" if name in OWNERS else name] = percent(np.array([float(reading(t) == w.lower()) for t, w in zip(bench.tell(name, prompts), truth, strict=True)]))
        found[cell] = row
    return found


def forms(bench: Bench, count: int = 100) -> dict[str, Any]:
    """Share of right replies of each cell's specialist and of the base in the other forms, peers' answers being sampled ones."""
    found: dict[str, dict[str, Any]] = {}
    for cell in CELLS:
        rows = sampled(bench, cell, 400)
        rng = random.Random(cell)
        asked = pick(rng, bench.questions(cell, "test"), count)
        said = {problem.id: [row for row in rows if row[0].id == problem.id] for problem in asked}
        found[cell] = {name: _forms(bench, name, asked, said, rng) for name in (owner_of(cell), "base")}
    return found


def _forms(bench: Bench, name: str, asked: Sequence[Problem], said: dict[str, Sampled], rng: random.Random) -> dict[str, float]:
    choices = [as_choice(problem, rng) for problem in asked]
    one = [rng.choice(said[problem.id]) for problem in asked]
    texts = [[row[1] for row in said[problem.id]] for problem in asked]
    lines = list(DESCRIPTIONS.values())
    prompts = {
        "answer": [render("answer", question=p.question) for p in asked],
        "steps": [render("steps", question=p.question) for p in asked],
        "choose": [render("choose", question=p.question, options=p.options) for p in choices],
        "check": [render("check", question=p.question, answer=row[1]) for p, row in zip(asked, one, strict=True)],
        "critique": [render("critique", question=p.question, answer=row[1]) for p, row in zip(asked, one, strict=True)],
        "refine": [render("refine", question=p.question, answer=t[0], peers=t[1:]) for p, t in zip(asked, texts, strict=True)],
        "fuse": [render("fuse", question=p.question, candidates=t) for p, t in zip(asked, texts, strict=True)],
        "route": [render("route", question=p.question, members=lines) for p in asked],
    }
    wanted = {
        "choose": [p.reference for p in choices], "check": ["yes" if row[2] else "no" for row in one],
        "critique": ["right" if row[2] else "wrong" for row in one],
        "route": ["ABCD"[list(OWNERS).index(p.owner)] for p in asked],
    }
    shares = {}
    for form, texts_in in prompts.items():
        replies = bench.tell(name, texts_in)
        if form in wanted:
            said_words = [_verdict(reply) if form == "critique" else reading(reply) for reply in replies]
            right = [word == want.lower() for word, want in zip(said_words, wanted[form], strict=True)]
        else:
            right = [is_right(p, reply) for p, reply in zip(asked, replies, strict=True)]
        shares[form] = percent(np.array(right, dtype=float))
    return shares


def _verdict(text: str) -> str:
    return "wrong" if "wrong" in text else "right" if "right" in text else ""


def small_and_large(bench: Bench) -> dict[str, Any]:
    """The weak and the strong model on the four skills."""
    cells = {name: {cell: bench.said(name, cell).right for cell in DRAW} for name in ("weak", "strong")}
    return {
        "scores": {name: {"skills": mean_of(bench.score(name, tuple(DRAW))), **bench.score(name, tuple(DRAW))} for name in cells},
        "parameters": {name: sum(p.numel() for p in bench.member(name).params.values()) for name in cells},
        "strong minus weak": difference(cells["strong"], cells["weak"]),
    }


def everyone(bench: Bench) -> dict[str, Any]:
    """Every causal member on every cell."""
    names = [path.name for path in sorted(bench.folder.iterdir()) if path.name not in ("work", "verifier") and path.is_dir()]
    return {name: bench.score(name, EVERY_CELL) for name in names}
