"""Write the table of the nursery: `python benchmarks/nursery/table.py`, from `seed*.json` to `results.json` and `docs/nursery.md`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "nursery.md"
MARK = "<!-- measured -->"
SKILLS = ("arith", "letters", "logic", "clock")
Seeds = dict[str, dict[str, Any]]


def interval(row: dict[str, float]) -> str:
    """A difference with its interval."""
    return f"{row['difference']:+.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def judged(values: Iterable[float | None], least: float) -> int:
    """How many values reach a threshold."""
    return sum(value is not None and value >= least for value in values)


def _verifier(found: dict[str, Any], which: str) -> tuple[str, bool]:
    cells = found["verifiers"]
    skills = judged((cells[cell][which] for cell in SKILLS), 0.75)
    owners = judged((cells[cell][which] for cell in cells if cell not in SKILLS), 0.75)
    return f"{skills} of 4 skills, {owners} of 4 owners", skills >= 2 and owners >= 2


def _judge(found: dict[str, Any]) -> tuple[str, bool]:
    skills = judged((found["judges"][cell]["specialist"] for cell in SKILLS), 70)
    owners = judged((row["specialist"] for cell, row in found["judges"].items() if cell not in SKILLS), 70)
    return f"{skills} of 4 skills, {owners} of 4 owners", skills >= 2


Row = dict[str, float]


def _at(*path: str) -> Callable[[dict[str, Any]], tuple[Row, str]]:
    def find(found: dict[str, Any]) -> tuple[Row, str]:
        row = found
        for key in path:
            row = row[key]
        return row, ""
    return find


def _consistency(found: dict[str, Any]) -> tuple[Row, str]:
    name, row = max(found["self-consistency"].items(), key=lambda item: item[1]["low"])
    return row, f" ({name})"


def _merge(found: dict[str, Any]) -> tuple[Row, str]:
    pair = found["merges"]["pair chosen on dev"]
    row = found["merges"]["groups"][pair]
    method = row["method chosen on dev"]
    return row["methods"][method], f" ({pair}, {method})"


GAINS: dict[str, tuple[Callable[[dict[str, Any]], tuple[Row, str]], float]] = {
    "oracle at least 25 above the best single member": (_at("mixed", "minus best single", "oracle"), 25),
    "router fitted on dev at least 15 above": (_at("mixed", "minus best single", "router fitted on dev"), 15),
    "most confident member above": (_at("mixed", "minus best single", "most confident member"), 0),
    "logit average above": (_at("mixed", "minus best single", "logit average"), 0),
    "confidence-weighted logits above": (_at("mixed", "minus best single", "confidence-weighted logits"), 0),
    "majority vote above (not expected)": (_at("mixed", "minus best single", "majority vote"), 0),
    "generalist above the router (control)": (_at("mixed", "generalist minus router"), 0),
    "vote of 9 above one sample, best skill": (_consistency, 0),
    "soup above its best ingredient": (_at("soup", "soup minus best ingredient"), 0),
    "merge above the better parent, pair chosen on dev": (_merge, 0),
    "strong at least 15 above weak": (_at("weak and strong", "strong minus weak"), 15),
    "pairs: one round of refining above the best single member": (_at("pairs", "vote after one round minus best single"), 0),
    "pairs: one round of refining above the oracle of single members": (_at("pairs", "vote after one round minus oracle"), 0),
}
"""Differences that were wanted, and how large at least."""


def _gain(name: str) -> Callable[[dict[str, Any]], tuple[str, bool]]:
    def check(found: dict[str, Any]) -> tuple[str, bool]:
        find, least = GAINS[name]
        row, which = find(found)
        return interval(row) + which, row["low"] > 0 and row["difference"] >= least
    return check


def over_seeds(name: str, seeds: Seeds) -> str:
    """The mean difference with its 95% t interval over training seeds; empty for other requirements and for one seed."""
    if name not in GAINS or len(seeds) < 2:
        return ""
    values = [GAINS[name][0](found)[0]["difference"] for found in seeds.values()]
    middle, low, high = fmean(values), *t.interval(0.95, len(values) - 1, fmean(values), stdev(values) / len(values) ** 0.5)
    return interval({"difference": middle, "low": low, "high": high})


CHECKS: dict[str, Callable[[dict[str, Any]], tuple[str, bool]]] = {
    **{name: _gain(name) for name in GAINS},
    "verifier head, AUC at least .75": lambda found: _verifier(found, "head"),
    "owner's likelihood, AUC at least .75": lambda found: _verifier(found, "owner's likelihood"),
    "specialists judge sampled answers, at least 70%": _judge,
}


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " --- |" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def requirements(seeds: Seeds) -> str:
    """What was wanted and what was found, seed by seed."""
    rows = []
    for name, found in requirements_met(seeds).items():
        cells = list(found.values())
        rows.append([name, *(text for text, _ in cells), over_seeds(name, seeds), f"{sum(good for _, good in cells)} of {len(cells)}"])
    return grid(["on test", *seeds, "mean over seeds", "reached"], rows)


def mixed(seeds: Seeds) -> str:
    """Scores on the mixed task; the mean over seeds, with the range."""
    first = next(iter(seeds.values()))["mixed"]["scores"]
    columns = list(next(iter(first.values())))
    rows = [[name, *(spread([found["mixed"]["scores"][name][column] for found in seeds.values()], column == "mixed") for column in columns)] for name in first]
    return grid(["", *columns], rows)


def spread(values: Sequence[float], ranged: bool = True) -> str:
    """A mean, with the range over seeds."""
    mean = f"{sum(values) / len(values):.1f}"
    return f"{mean} ({min(values):.1f} to {max(values):.1f})" if ranged and len(values) > 1 else mean


def merges(seeds: Seeds) -> str:
    """Every pair and all four, seed by seed."""
    rows = []
    for seed, found in seeds.items():
        for group, row in found["merges"]["groups"].items():
            mark = " (chosen)" if group == found["merges"]["pair chosen on dev"] else ""
            methods = [interval(row["methods"][m]) + (" *" if m == row["method chosen on dev"] else "") for m in row["methods"]]
            rows.append([seed, group + mark, row["better parent"], row["parent"], *methods])
    return grid(["", "near members", "better parent", "its score", "linear", "task arithmetic", "TIES"], rows)


def section(seeds: Seeds, name: str, inner: Callable[[dict[str, Any]], dict[str, dict[str, Any]]], first: str) -> str:
    """Means over seeds of a section of named rows."""
    table = [inner(found) for found in seeds.values()]
    names = list(table[0])
    columns = [key for key, value in table[0][names[0]].items() if not isinstance(value, str)]
    rows = [[row, *(_mean([one[row][column] for one in table]) for column in columns)] for row in names]
    return f"### {name}\n\n" + grid([first, *columns], rows)


def _mean(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    mean = sum(there) / len(there)
    return f"{mean:.3f}" if max(map(abs, there)) <= 1 else f"{mean:.1f}"


def weights(seeds: Seeds) -> str:
    """The members that were measured."""
    names = next(iter(seeds.values()))["weights"]
    return grid(["", *seeds], [[name, *(f"`{found['weights'][name][:16]}`" for found in seeds.values())] for name in names])


def page(seeds: Seeds) -> str:
    """The measured part of the page."""
    minutes = {seed: sum(found.get("cpu seconds", {}).values()) / 60 for seed, found in seeds.items()}
    parts = [
        "## What was measured", "",
        f"Training seeds: {', '.join(seeds)} (seed 0 is shipped). 400 test questions for each cell; every choice",
        "(best single member, temperature of the weights, router, scales and methods of merges) was made on 160 dev questions for each cell.",
        "Intervals of a seed are 95% paired bootstrap intervals over questions; those of means are t intervals over training seeds.",
        f"Training took {', '.join(f'{value:.0f}' for value in minutes.values())} CPU minutes of one core each.", "",
        requirements(seeds), "", "### The mixed task: per cent right, mean over seeds (range)", "", mixed(seeds), "",
        section(seeds, "Pairs of facts that two owners hold", lambda f: {k: {"right": v} for k, v in f["pairs"]["scores"].items()}, ""), "",
        section(seeds, "One sample and a vote of nine, T = 1", lambda f: f["self-consistency"], ""), "",
        section(seeds, "Soup", lambda f: f["soup"]["scores"], ""), "", "### Merges of near members, minus the better parent",
        "", "The method marked * was chosen on dev.", "", merges(seeds), "",
        section(seeds, "Verifiers: AUC on sampled answers", lambda f: f["verifiers"], ""), "",
        section(seeds, "Judges of sampled answers", lambda f: f["judges"], ""), "",
        section(seeds, "The prompt forms, by each cell's specialist", lambda f: {c: next(iter(r.values())) for c, r in f["forms"].items()}, ""), "",
        section(seeds, "Every member on every cell", lambda f: f["scores"], ""), "",
        "### The weights that were measured (SHA-256, first 16 digits)", "", weights(seeds), "",
    ]
    return "\n".join(parts)


def read() -> Seeds:
    """What was measured, by seed."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("seed?.json"))}


def requirements_met(seeds: Seeds) -> dict[str, dict[str, tuple[str, bool]]]:
    """Each requirement, seed by seed: what was found, and whether that is enough."""
    return {name: {seed: check(found) for seed, found in seeds.items()} for name, check in CHECKS.items()}


def main() -> None:
    """Write both files."""
    seeds = read()
    (HERE / "results.json").write_text(json.dumps(requirements_met(seeds), indent=1) + "\n")
    head = DOCS.read_text().partition(MARK)[0] if DOCS.exists() else "# The nursery\n\n"
    DOCS.write_text(f"{head}{MARK}\n\n{page(seeds)}")


if __name__ == "__main__":
    main()
