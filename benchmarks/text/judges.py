"""Recorded judges: what they say about pairs of answers in both orders of presentation, alone and by vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from sets import DATA
from votes import Figure, Pages, ranking

import consilience as cs
from consilience.bench.statistics import wilson
from consilience.learn.ranking import by_margins, by_wins, order
from consilience.model import Model
from consilience.models.recorded import Recorded, Recording
from consilience.tasks import Task, files
from consilience.tasks.task import Split, content, windowed
from consilience.team import Team, run_sync
from consilience.types import Draws, Example, Scope, digest

ORDERS = 2
UNREAD = -1


@dataclass(frozen=True)
class Bench:
    """A set of pairs with its judges. `first` are the verdicts that name the answer shown first, in each of the two orders."""

    name: str
    file: str
    datasets: tuple[str, ...]
    first: tuple[str, str]

    @property
    def path(self) -> str:
        """The file of recordings."""
        return str(DATA / f"{self.file}.jsonl.gz")

    def examples(self) -> list[Example]:
        """All pairs."""
        tasks: list[Task] = [cs.task(f"recorded:{self.path}#{name}") for name in self.datasets]
        return [example for task in tasks for example in (*task.dev, *task.test)]

    def judges(self) -> dict[str, list[Recorded]]:
        """Judges by prompting strategy."""
        recording, found = Recording.load(self.path), {}
        for model, variant in recording.models:
            found.setdefault(variant, []).append(Recorded(recording, model, variant))
        return found


JUDGEBENCH = Bench("judgebench", "judgebench_gpt4o_pairs", ("judgebench",), ("A>B", "B>A"))
LLMBAR = Bench("llmbar", "llmbar_judges_natural_gptinst_manual",
               ("llmbar_Natural", "llmbar_Adversarial_GPTInst", "llmbar_Adversarial_Manual"), ("1", "2"))


@dataclass(frozen=True)
class Verdicts:
    """Of one judge, [pairs, orders]: its readings ("" where there is none) and their scores."""

    said: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, judge: Model, examples: Sequence[Example]) -> Verdicts:
        """Both recorded verdicts on each pair: the draws 0 and 1 of the recorded judge."""
        async def one(example: Example) -> list[tuple[str, float]]:
            format = example.request.format
            assert format is not None
            replies = await judge.generate(example.request, Draws(ORDERS), Scope(example=example.id))
            readings = [reply.read(format).reading for reply in replies]
            return [(reading or "", await format.score(reading, example.references)) for reading in readings]

        rows = run_sync(windowed(one, examples, 64))
        return cls(np.array([[said for said, _ in row] for row in rows]), np.array([[score for _, score in row] for row in rows]))


def portrait(verdicts: Verdicts, first: tuple[str, str]) -> dict[str, Any]:
    """Agreement with the reference in each order, swap consistency, how often it names the answer shown first, and how
    right it is where both orders agree."""
    said, score = verdicts.said, verdicts.score
    read = (said != "").all(axis=1)
    same = read & (said[:, 0] == said[:, 1])
    front = np.mean([(said[:, k] == first[k])[np.isin(said[:, k], first)].mean() for k in range(ORDERS)])
    agreed = int(score[same, 0].sum())
    span = wilson(agreed, int(same.sum()))
    return {"first": asdict(Figure.of(score[:, 0])), "second": asdict(Figure.of(score[:, 1])), "mean": asdict(Figure.of(score.mean(axis=1))),
            "consistent": asdict(Figure.of(same.astype(float))), "front": float(front), "unread": float((said == "").mean()),
            "agreed": {"value": agreed / max(1, int(same.sum())), "low": span.low, "high": span.high}}


def halves(examples: Sequence[Example], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of two halves, disjoint by question."""
    keys = sorted({content(e) for e in examples}, key=lambda key: digest([seed, key]))
    dev = set(keys[:len(keys) // 2])
    mine = np.array([content(e) in dev for e in examples])
    return np.flatnonzero(mine), np.flatnonzero(~mine)


def panel(judges: Sequence[Recorded], examples: Sequence[Example], seeds: int, pages: Pages, prefix: str = "") -> None:
    """Votes of the judges through the library, on the test halves: one order or both, plain or weighted, beside the best
    judge on dev. A judge that contradicts itself when the order is swapped votes once for each side."""
    whole = Split("pairs", tuple(examples))
    rows = run_sync(whole.replies(judges))
    score = np.array([[s.score for s in row] for row in rows]).T
    both = np.stack([Verdicts.of(judge, examples).score.mean(axis=1) for judge in judges], axis=1)
    for seed in range(seeds):
        dev, test = halves(examples, seed)
        standing = both[dev].mean(axis=0)
        top = ranking(standing)
        pages.add("best judge, one order", test, score[test, top[0]])
        pages.add("best judge, both orders", test, both[test, top[0]])
        pages.add("random judge", test, score[test].mean(axis=1))
        pages.add("oracle, one order", test, score[test].max(axis=1))
        asked = Split("test", tuple(examples[i] for i in test))
        for size in sorted({3, len(judges)}):
            some = sorted(top[:size])
            for draws in (1, ORDERS):
                for weights in ("equal", "log-odds"):
                    team = Team(cs.MajorityVote(draws=draws, weights=weights, stop="never"), [judges[i] for i in some], standing=standing[some].tolist())
                    [answers] = run_sync(asked.replies([team]))
                    label = f"vote of {'all' if size == len(judges) else f'the best {size}'}, {('one order', 'both orders')[draws - 1]}, {weights}"
                    pages.add(prefix + label, test, np.array([s.score for s in answers]))


def played(bench: Bench, seeds: int) -> dict[str, Any]:
    """Portraits of all judges, and their panels (of all strategies that at least five judges share)."""
    examples = bench.examples()
    by_variant = bench.judges()
    portraits = {f"{j.model} | {variant}": portrait(Verdicts.of(j, examples), bench.first)
                 for variant, judges in by_variant.items() for j in judges}
    pages = Pages(len(examples))
    panels = {v: js for v, js in by_variant.items() if len(js) >= 5} if len(by_variant) > 2 else {"all": [j for js in by_variant.values() for j in js]}
    for judges in panels.values():
        panel(judges, examples, seeds, pages)
    names = sorted(pages.sums)
    return {"name": bench.name, "pairs": len(examples), "judges": portraits, "panels": list(panels),
            "figures": {n: asdict(pages.figure(n)) for n in names},
            "gaps": {n: asdict(pages.difference(n, "best judge, one order")) for n in names},
            "orders": {n: asdict(pages.difference(n, n.replace("both orders", "one order"))) for n in names if "both orders" in n}}


def pandalm() -> dict[str, Any]:
    """Two judges and three people on 999 pairs, in one order; and tournaments of five answers by their verdicts."""
    rows = [line for _, line in files.rows(DATA / "pandalm_judges.jsonl.gz")]
    pairs = {row["id"]: row for row in rows}
    people = np.array([row["human_votes"] for row in pairs.values()])
    verdicts = {name: {r["id"]: int(r["answer"]) if "answer" in r else UNREAD for r in rows if r["model"] == name}
                for name in dict.fromkeys(row["model"] for row in rows)}
    among = np.stack([people[:, i] == people[:, j] for i, j in combinations(range(3), 2)], axis=1).mean(axis=1)
    found: dict[str, Any] = {"pairs": len(pairs), "people": asdict(Figure.of(among)), "judges": {}}
    reference = np.array([int(row["reference"]) for row in pairs.values()])
    for name, said in verdicts.items():
        mine = np.array([said[id_] for id_ in pairs])
        clear = reference != 0
        found["judges"][name] = {
            "majority": asdict(Figure.of((mine == reference).astype(float))), "person": asdict(Figure.of((mine[:, None] == people).mean(axis=1))),
            "clear": asdict(Figure.of((mine == reference)[clear].astype(float))), "ties": float((mine == 0).mean()),
            "first": float((mine == 1).mean())}
    found["reference"] = {"ties": float((reference == 0).mean()), "first": float((reference == 1).mean())}
    found["tournaments"] = tournaments(list(pairs.values()), verdicts)
    return found


def margins_of(rows: Sequence[dict[str, Any]], names: Sequence[str], verdict: dict[str, int]) -> list[list[float]]:
    """Antisymmetric margins of a round robin: 1 for the winner of a pair, 0 for a draw."""
    table = [[0.0] * len(names) for _ in names]
    for row in rows:
        a, b = (names.index(name) for name in row["pair"].split("_"))
        said = {1: 1.0, 2: -1.0}.get(verdict[row["id"]], 0.0)
        table[a][b] += said
        table[b][a] -= said
    return table


def tournaments(pairs: Sequence[dict[str, Any]], verdicts: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Questions on which all ten pairs of five answers were judged once: how good by people's verdicts (share of the most wins
    that an answer has) is the answer that each aggregation of a judge's verdicts puts first."""
    by_prompt: dict[str, list[dict[str, Any]]] = {}
    for row in pairs:
        by_prompt.setdefault(row["prompt"], []).append(row)
    whole = [rows for rows in by_prompt.values() if len(rows) == 10 == len({r["pair"] for r in rows})]
    people = {row["id"]: int(row["reference"]) for row in pairs}
    found: dict[str, list[float]] = {}
    for rows in whole:
        names = sorted({name for row in rows for name in row["pair"].split("_")})
        truth = by_wins(margins_of(rows, names, people))
        found.setdefault("a random answer", []).append(float(np.mean(truth)))
        found.setdefault("the best by people", []).append(max(truth))
        for judge, said in verdicts.items():
            margins = margins_of(rows, names, said)
            for label, scores in (("max-wins", by_wins(margins)), ("max-logits", by_margins(margins))):
                found.setdefault(f"{judge}, {label}", []).append(truth[order(scores)[0]])
            found.setdefault(f"{judge}, bubble pass", []).append(truth[champion(margins)])
    return {"questions": len(whole), "wins": {k: asdict(Figure.of(np.array(v))) for k, v in found.items()}}


def champion(margins: Sequence[Sequence[float]]) -> int:
    """Bubble pass: whoever stands first meets the next, and the winner goes on; N - 1 comparisons name the top. A draw changes
    nothing."""
    top = 0
    for other in range(1, len(margins)):
        top = other if margins[other][top] > margins[top][other] else top
    return top
