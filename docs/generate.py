"""Rewrites the generated parts of README.md and docs/*.md: what stands between `<!-- generated: NAME -->` and
`<!-- /generated -->`. Run by `make docs`; a test holds that it would change nothing."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- /generated -->)", re.S)


def methods() -> str:
    """The table of methods, from the registry."""
    from consilience.cli.lists import method_table
    from consilience.registry import methods as registered

    return method_table(list(registered().values()))


def extras() -> str:
    """The table of extras, from the doctor's book."""
    from consilience.cli.doctor import EXTRAS

    rows = [f"| `consilience[{name}]` | {purpose} |" for name, (_, purpose) in EXTRAS.items()]
    return "\n".join(["| install | for |", "| --- | --- |", *rows])


def results(name: str = "nursery", command: str = "`make results`") -> str:
    """The table of results of a leaderboard that is kept in docs/results, and the command that made it."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return f"*No results are kept yet: {command} runs the experiment.*"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    head = ["| | level | score | 95% interval | difference to the best single member | | calls per question |",
            "| --- | --- | --: | --: | --: | --- | --: |"]
    return "\n".join([*head, *(_result(line) for line in lines),
                      "", f"{lines[0]['questions']} held-out questions of the mixed task; the best single member, chosen on "
                      f"dev, is `{lines[0]['reference']}`. From `docs/results/{name}.csv`, written by {command}."])


def _result(line: Mapping[str, str]) -> str:
    score, low, high = (f"{float(line[key]):.1%}" for key in ("score", "ci_low", "ci_high"))
    difference = ""
    if line["difference"]:
        delta, least, most = (100 * float(line[key]) for key in ("difference", "diff_low", "diff_high"))
        difference = f"{delta:+.1f} [{least:+.1f}, {most:+.1f}]"
    calls = float(line["calls"]) / max(1, int(line["questions"]))
    return f"| {line['method']} | {line['level']} | {score} | {low} – {high} | {difference} | {line['verdict']} | {calls:.1f} |"


def _example(name: str) -> Callable[[], str]:
    return partial(results, name, f"`consilience bench examples/{name}.yaml`")


def prefixes() -> str:
    """How much of their prompts the text methods share, measured with scripted members."""
    sys.path.insert(0, str(ROOT))
    from tests.methods.prefixes import table

    return table()


PARTS: Mapping[str, Callable[[], str]] = {
    "methods": methods, "extras": extras, "results": results, "prefixes": prefixes,
    **{f"results-{name}": _example(name) for name in ("decoding", "routing", "small_and_large")}}


def files() -> list[Path]:
    """All files that may hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rewritten(text: str) -> str:
    """The text with its generated parts made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Rewrite all files."""
    for path in files():
        old = path.read_text(encoding="utf-8")
        new = rewritten(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"rewritten: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
