"""Writes `docs/results/text.md`, its table and its figures from finished parts."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import figures
import numpy as np
import panels
from layout import differences, grid, percent, verdicts
from run import CHECKED, PICTURED, SETS, STOPPED, SUBSETS, TOPS
from sets import ROOT, by_name
from votes import WEIGHTS

import consilience

RESULTS = ROOT / "docs" / "results"

Found = dict[str, Any]
"""Finished parts by name."""

HEAD = """# Votes and judges on the recorded answers of real models

What voting, weighting, early stopping and panels of judges do with published answers of real models: no model was run. Written by

```bash
python benchmarks/text/run.py
```

on {date} (consilience {version}; {cpu:.0f} CPU seconds, one thread; `--page` writes the page alone). All figures: [text.csv](text.csv).

- **Splits.** {seeds} seeded splits into halves that are disjoint by content (at most 300 dev and 1,000 test questions). Whatever is
  chosen or weighted (best single, order, accuracy) comes from dev; every figure is of test. A question counts once, with its mean
  over the splits and teams in which it was a test question.
- **Intervals** are 95% bootstrap intervals over questions, differences are paired by question, p-values are of sign flips, Holm-adjusted
  over the differences of a set (a row, or a column where sets are columns); **better**/**worse** needs an adjusted p below .05 and an
  interval without zero.
- **Replay.** Answers are read, compared and scored by the library's answer formats, so that equal answers score alike; where a recording has
  no references (routerbench-arc) scores are the published ones. Votes are the library's `majority-vote` over
  `recorded:` members; those of thousands of teams are counted in one batch. On {checked} test questions of every split, each vote of the
  main table and one random team of each size is held against the library's own team: one that scores otherwise ends the run.
- **Controls.** *Best single*: the member that was best on dev. *Oracle*: whoever is right. An oracle over many members and few options
  is inflated by luck."""


def write(work: Path, seeds: int, names: Sequence[str]) -> None:
    """The page, its table and its figures."""
    loaded = {name: json.loads((work / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    found: Found = {name: one["found"] for name, one in loaded.items()}
    sets = [found[name] for name in SETS]
    RESULTS.mkdir(parents=True, exist_ok=True)
    head = HEAD.format(date=datetime.now(UTC).strftime("%d %B %Y"), version=consilience.__version__, seeds=seeds, checked=CHECKED,
                       cpu=sum(one["cpu"] for one in loaded.values()))
    parts = [head, findings(found, sets), votes(sets), growing(sets), adds(sets), why(sets), stopping(sets), samples(found["samples"]),
             medoids(found["medoid"]), panels.section(found), panels.ranked(found), replays(found["replayable"]), left_out(sets)]
    (RESULTS / "text.md").write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    table(RESULTS / "text.csv", found)
    figures.growth(sets, RESULTS / "text_votes.png")
    figures.reasons(sets, RESULTS / "text_why.png")
    figures.judges(found["llmbar"], found["judgebench"], RESULTS / "text_judges.png")


def findings(found: Found, sets: Sequence[Found]) -> str:
    """What the tables below say, in numbers."""
    columns = {key: [verdicts([one["gaps"][k] for k in main_keys(one)])[place] for one in sets] for place, key in enumerate(MAIN)}
    n = len(sets)
    chosen = [100 * one["gaps"]["chosen on dev"]["value"] for one in sets]
    added = {w: [100 * one["added"][f"vote of all {one['n']}, {w}"]["value"] for one in sets] for w in WEIGHTS[1:]}
    reasons = {key: [corr([t["gain"] for t in one["teams"]], [t[key] for t in one["teams"]]) for one in sets] for key in ("spread", "correlation")}
    tells = sum(abs(a) > abs(b) for a, b in zip(*reasons.values(), strict=True))
    panel = [mark for bench in (found["judgebench"], found["llmbar"]) for name, mark in panels.marks(bench).items() if name.startswith("vote")]
    saved = [100 * (1 - one["figures"]["stop best first, equal: calls"]["value"]) for one in sets]
    money = [100 * (1 - one["figures"][key]["value"]) for one in sets if (key := "stop cheapest first, equal: money") in one["figures"]]
    same = min(value["value"] for one in sets for key, value in one["figures"].items() if key.endswith(": same"))
    beta = found["samples"]["figures"]["20, stop at 95% by the Beta rule: samples"]["value"]
    bench, free = found["llmbar"], found["medoid"]["gaps"]
    biased = {name: one["front"] for name, one in panels.pooled(bench["judges"]).items()}
    most = max(biased, key=lambda name: abs(biased[name] - 0.5))
    lines = [
        "**A vote is no free lunch.** Against the best single member, on " + str(n) + " sets: " + "; ".join(
            f"{key}: better on {marks.count('better')}, worse on {marks.count('worse')}" for key, marks in columns.items()) + ".",
        f"**Let dev choose between the best member and a vote**: that lies {min(chosen):+.1f} to {max(chosen):+.1f} points from the best single member, and is shown to be worse on "
        f"{columns['chosen on dev'].count('worse')} of {n} sets.",
        f"**Votes lose where members are unequal.** Over random teams of {PICTURED} the gain of a plain vote falls with the spread of strengths (correlations {span(reasons['spread'], '+.2f')}), "
        f"which tells more than the correlation of errors on {tells} of {n} sets. Errors are far from independent everywhere (phi {span([one['correlation'] for one in sets], '.2f')}; two wrong "
        f"members give the same wrong answer in {span([100 * one['echoed'] for one in sets], '.0f')}%): that caps what any vote can win.",
        f"**Weights repair part of it**: log-odds add {span(added['log-odds'], '+.1f')} points to the plain vote of all members, accuracies {span(added['accuracy'], '+.1f')}.",
        f"**Early stopping saves {span(saved, '.0f')}% of the calls** of a plain vote, best first, with the same reading on {100 * same:.0f}% of the questions; cheapest first it saves "
        f"{span(money, '.0f')}% of the money where prices are known. Of twenty samples of one model, the Beta rule asks {beta:.1f}.",
        f"**Judges**: {most} names the answer shown first in {100 * biased[most]:.0f}% of its verdicts. Asking in both orders adds "
        f"{100 * bench['orders']['vote of all, both orders, equal']['value']:+.1f} points to a plain panel on LLMBar. Of {len(panel)} panels on two sets {panel.count('better')} are shown to be better than their best judge, {panel.count('worse')} worse. Where a judge agrees with "
        "itself in both orders it is right more often; that costs a second call, and the pairs on which it does not.",
        f"**Free text**: likeness is no quality. The medoid of AlpacaEval's twelve is {100 * free['medoid of all 12']['value']:+.0f} points from the best single member, that of the best "
        f"three {100 * free['medoid of the best 3']['value']:+.1f}."]
    return "## Findings\n\n" + "\n".join(f"- {line}" for line in lines)


def span(values: Sequence[float], kind: str) -> str:
    """Least to most."""
    return f"{min(values):{kind}} to {max(values):{kind}}"


MAIN = ("all, plain", "all, log-odds", f"best {TOPS[0]}, log-odds", f"best {TOPS[1]}, log-odds", "chosen on dev")
"""Columns of the main table."""


def main_keys(one: Found) -> list[str]:
    """The contestants of the main table."""
    return [f"vote of all {one['n']}, equal", f"vote of all {one['n']}, log-odds", *(f"top {k}, log-odds" for k in TOPS[:2]), "chosen on dev"]


def votes(sets: Sequence[Found]) -> str:
    """The main table: all members, the best few, and what dev chooses, against the best single."""
    rows = []
    for one in sets:
        f = one["figures"]
        rows.append([f"{one['set']} ({one['n']})", str(one["questions"]), *(percent(f[k], span=False) for k in ("random member", "best single", "oracle")),
                     *differences([one["gaps"][k] for k in main_keys(one)])])
    return ("## Does a vote beat its best member?\n\nAccuracy in %; votes as points above the best single member.\n\n"
            + grid(["set (members)", "questions", "random member", "best single", "oracle", *MAIN], rows)
            + "\n\n*Chosen on dev* takes whatever was best on dev: the best single, or a vote of all, or of the best 3, 5 or 7, with any weights. "
            + "Sets: " + "; ".join(f"*{one['set']}*: {by_name(one['set']).about}" for one in sets) + ".")


def at(one: Found, k: int, what: str) -> dict[str, float]:
    """A figure of the curves."""
    return one["figures"][f"size {k:02} {what}"]


def growing(sets: Sequence[Found]) -> str:
    """Quality against the number of members."""
    rows = []
    for one in sets:
        for k in (3, 5, 9):
            if f"size {k:02} best" in one["figures"]:
                gaps = [one["paired"][f"size {k:02} vote, {w}"] for w in WEIGHTS]
                rows.append([one["set"], str(k), *(percent(at(one, k, what), span=False) for what in ("random", "best", "oracle", "top, equal")),
                             *differences(gaps)])
    return (f"## Quality against the number of members\n\nUp to {SUBSETS} random teams of each size and split (all of them where there are fewer); "
            "*best* is the member of that team that was best on dev, so a vote is held against what its own team has. *Best k* is the plain vote of the k "
            "best members of all.\n\n![Score against the number of members](text_votes.png)\n\n"
            + grid(["set", "members", "random member", "best of the team", "oracle", "best k, plain", *(f"{w}: to best of the team" for w in WEIGHTS)], rows))


def adds(sets: Sequence[Found]) -> str:
    """What weights add to a plain vote."""
    rows = []
    for one in sets:
        labels = [f"vote of all {one['n']}", f"top {TOPS[1]}"]
        keys = [f"{label}, {w}" for label in labels for w in WEIGHTS[1:] if f"{label}, {w}" in one["added"]]
        cells = differences([one["added"][k] for k in keys])
        rows.append([one["set"], *cells, *["–"] * (4 - len(cells))])
    return ("## What weighting adds\n\nPoints above the plain vote of the same members.\n\n"
            + grid(["set", "all: accuracy", "all: log-odds", f"best {TOPS[1]}: accuracy", f"best {TOPS[1]}: log-odds"], rows)
            + "\n\n`weights: likelihood` needs log-probabilities of the members' own answers, which no set here has: it is refused.")


def why(sets: Sequence[Found]) -> str:
    """Strength spread and correlated errors."""
    rows = []
    for one in sets:
        gap = one["gaps"][f"vote of all {one['n']}, equal"]["value"]
        teams = one["teams"]
        gain = [t["gain"] for t in teams]
        rows.append([one["set"], f"{100 * gap:+.1f}", f"{100 * one['spread']:.1f}", f"{one['correlation']:.2f}", f"{100 * one['echoed']:.0f}%",
                     f"{100 * one['independent']:.1f}", f"{100 * one['majority']:.1f}",
                     *(f"{corr(gain, [t[k] for t in teams]):+.2f}" for k in ("spread", "correlation"))])
    return ("## Where voting loses to the best single, and why\n\n"
            + grid(["set", "plain vote of all, to best single", "spread: best minus mean", "correlation of errors", "two wrong ones agree",
                    "majority right if independent", "majority right in fact", "gain and spread", "gain and correlation"], rows)
            + f"\n\n*Spread*: how far the best member stands above the mean one. *Correlation of errors*: mean phi of two members' right-or-wrong. *Two wrong ones "
            "agree*: two members that are wrong on a question give the same wrong answer. *Majority right*: more than half of the members are right, in fact, and if members of these "
            f"strengths erred independently (Condorcet). The last two columns correlate, over the random teams of {PICTURED}, the gain of the plain vote over the team's "
            "best member with the team's spread and with its error correlation.\n\n![Gain of a vote against spread and correlated errors](text_why.png)")


def corr(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation."""
    return float(np.corrcoef(a, b)[0, 1])


def stopping(sets: Sequence[Found]) -> str:
    """Votes saved by asking one after the other."""
    rows = []
    for one in sets:
        for order in ("best first", "cheapest first"):
            f = {key.rpartition(", ")[2]: value for key, value in one["figures"].items() if key.startswith(f"stop {order}")}
            if f:
                rows.append([one["set"], str(one["n"]), order, *(_saved(f, key) for key in ("equal: calls", "accuracy: calls", "equal: money")),
                             f"{100 * min(value['value'] for key, value in f.items() if key.endswith('same')):.1f}%"])
    return (f"## Early stopping\n\n`majority-vote` asks in waves as small as could decide the vote, best on dev first (without dev in team order, here the cheapest first), until the lead "
            f"cannot be caught (`stop: calls`, its default). Against the same vote of all members, on {STOPPED} test questions of each split. Log-odds depend on how many different answers "
            "there are, so they need everybody and stop nothing. Calls are saved at the price of a few rounds more of waiting.\n\n"
            + grid(["set", "members", "order", "calls saved, plain", "calls saved, accuracy", "money saved, plain", "same reading as the vote of all"], rows))


def _saved(figures: Found, key: str) -> str:
    return f"{100 * (1 - figures[key]['value']):.0f}%" if key in figures else "–"


def samples(found: Found) -> str:
    """Self-consistency with early stops."""
    f = found["figures"]
    labels = [k for k in f if ":" not in k]
    rows = [[k, percent(f[k]), gap, f"{f[f'{k}: samples']['value']:.1f}", f"{100 * f[f'{k}: same']['value']:.1f}%"]
            for k, gap in zip(labels, differences([found["gaps"][k] for k in labels]), strict=True)]
    return (f"### Samples of one model\n\n`self-consistency` over twenty recorded samples of gpt-3.5-turbo on {found['questions']} questions of DATE, mean of four prompts.\n\n"
            + grid(["", "accuracy", "to all 20", "samples asked", "same answer as all 20"], rows))


def medoids(found: Found) -> str:
    """Free text."""
    keys = [k for k in found["figures"] if k != "best single"]
    rows = [["best single", percent(found["figures"]["best single"]), ""]]
    rows += [[k, percent(found["figures"][k]), gap] for k, gap in zip(keys, differences([found["gaps"][k] for k in keys]), strict=True)]
    return ("## Free text: the medoid\n\n`medoid-vote` on AlpacaEval 2: the answer that shares most words with the others. The score is the published chance that the judge "
            "(gpt-4-turbo) prefers the answer to gpt4_1106_preview's.\n\n" + grid(["", "score", "to best single"], rows))


def replays(found: dict[str, str]) -> str:
    """Which methods a recording can replay."""
    able = sorted(name for name, reason in found.items() if not reason)
    return (f"## What cannot be replayed\n\nA recording answers the question as it was asked and nothing else. Of {len(found)} methods of the text level, asked with five "
            f"recorded members that disagree, {len(able)} answer from the recording alone: {', '.join(able)}; self-consistency does where several samples were recorded. All others put "
            "members' answers to a live judge, fuser or peer (universal self-consistency, LLM-Blender, refine, debate, "
            "mixture of agents and so on): the library refuses them here, and this page says nothing about them. What they do stands in the "
            "[results on the embedded pool](../nursery.md).")


def left_out(sets: Sequence[Found]) -> str:
    """What the data do not allow."""
    gap = {one["set"]: 100 * one["published"] for one in sets}
    other = max(value for name, value in gap.items() if name != "cruxeval-26")
    return ("## What was not shown\n\n"
            "- One draft per member was recorded, under the prompt and temperature of its source; other prompts may give other errors.\n"
            "- Prices of gsm8k-hosted, a part of gsm8k-21, are list prices of the time, its tokens estimated at 4 characters; routerbench-arc has published costs.\n"
            "- Scores are of the library's reading. A member's accuracy differs from the published one by at most "
            f"{other:.1f} points, but on cruxeval-26, where an answer may be empty, or differ by quotes and spaces alone, which text answers do not tell apart (`format: literal` does), by up to {gap['cruxeval-26']:.1f}.\n"
            "- Models have seen some of these questions in training, not all models alike.\n"
            "- LLMBar and JudgeBench are built to be hard for judges; agreement on everyday pairs is higher.")


def table(path: Path, found: Found) -> None:
    """Every figure in one long table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["set", "kind", "name", "value", "low", "high", "p"])
        for name, one in found.items():
            for kind in ("figures", "gaps", "added", "paired", "orders", "judges"):
                for key, value in (one.get(kind) or {}).items() if isinstance(one, dict) else ():
                    leaves = {key: value} if "value" in value else {f"{key}: {k}": v for k, v in value.items() if isinstance(v, dict)}
                    out.writerows([name, kind, k, *(f"{v[c]:.6g}" if c in v and v[c] == v[c] else "" for c in ("value", "low", "high", "p"))]
                                  for k, v in leaves.items())
