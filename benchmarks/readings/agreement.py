"""How our readings agree with published ones, and every disagreement with its reason.

    python benchmarks/readings/agreement.py DATA/recorded [--out docs/readings.md]

Three recordings are compared: the scores of ZeroEval's GSM8K and CRUXEval replies, and the letters of MMLU-Pro replies that
were not cut (shorter than 1,500 characters). Ids, letters and reasons are written, never the texts.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.reading import Choice, Literal, Number
from consilience.types import AnswerFormat

CUT = 1500
"""MMLU-Pro replies were published up to this length."""
_STATED = re.compile(r"\banswer\b[^.\n:]{0,30}?(?:\bis|:)[:\s]*(?:likely\s+)?[*`]*\(?([A-J])\b")
_JOINED = re.compile(r"\(?\b[A-J]\)?\s*(?:,|/|\band\b|\bor\b)\s*(?:also\s+)?\(?[A-J]\b|\([A-J]{2,}\)")
_WORD = re.compile(r"answer\b[^.\n:]{0,30}?(?:\bis|:)?[:\s]*I\s+(?:can|do|am|would|need|have)|\bI\s+can(?:not|'t)")


@dataclass(frozen=True, slots=True)
class Compared:
    """One reply: what the source read or scored, what we do, and why they differ (empty: they agree)."""

    id: str
    model: str
    theirs: str
    ours: str
    reason: str = ""
    commits: bool = True


def lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a recording."""
    with gzip.open(path, "rt") as stream:
        for line in stream:
            yield json.loads(line)


def gsm8k(folder: Path) -> list[Compared]:
    """ZeroEval's GSM8K: our score of each reply beside the published one."""
    return _scored(folder / "zeroeval_gsm8k_half.jsonl.gz", Number(), _gsm8k_reason)


def cruxeval(folder: Path) -> list[Compared]:
    """ZeroEval's CRUXEval: the score that `format: literal` gives beside the published one."""
    return _scored(folder / "zeroeval_cruxeval_half.jsonl.gz", Literal(), _crux_reason)


def _scored(path: Path, format: AnswerFormat, why: Callable[[Mapping[str, Any], str | None, float], str]) -> list[Compared]:
    found = []
    for line in lines(path):
        reading = format.read(line["response"])
        score = asyncio_run(format.score(reading, [line["reference"]]))
        reason = "" if score == line["score"] else why(line, reading, score)
        found.append(Compared(line["id"], line["model"], f"{line.get('answer') is not None and 'read' or 'unread'}, "
                              f"{line['score']:g}", f"{reading is not None and 'read' or 'unread'}, {score:g}", reason))
    return found


def _gsm8k_reason(line: Mapping[str, Any], reading: str | None, score: float) -> str:
    if reading is None:
        return "the field holds a calculation, not a number: we abstain, the source takes its first number"
    if line.get("answer") is None:
        return "the source found no field; the reply states the right number elsewhere"
    if re.search(r"\bor\b", str(line["answer"])):
        return "two numbers joined by `or`: the source takes the first, we the last"
    if "." in reading and score == 1:
        return "a number off by rounding of floating point: equal within 1e-6 here, not in the source"
    return "another number was taken"


def _crux_reason(line: Mapping[str, Any], reading: str | None, score: float) -> str:
    theirs, format = line.get("answer"), Literal()
    if score == 1 and theirs is not None and format.refer(theirs) == format.refer(line["reference"]):
        return "the same value in another writing (spaces between items, kind of quotes): the source compares texts"
    if score == 1:
        return "a broken reply, of which the source reads another part"
    return "a lone sign or a lone quote at the end of a text: we cut it off"


def asyncio_run(call: Any) -> float:
    """The result of a coroutine that never waits (numbers and letters need no worker)."""
    try:
        call.send(None)
    except StopIteration as done:
        return float(done.value)
    return asyncio.run(call)


def mmlu_pro(folder: Path) -> list[Compared]:
    """MMLU-Pro: our letter of each uncut reply beside the published one."""
    format = Choice(10)
    found = []
    for line in lines(folder / "mmlu_pro_even_categories.jsonl.gz"):
        text = line.get("response")
        if text is None or len(text) >= CUT:
            continue
        ours, theirs = format.read(text), line.get("answer")
        stated = set(_STATED.findall(text))
        commits = len(stated) == 1 and theirs is not None and not _hedges(text)
        reason = "" if ours == theirs else _mmlu_reason(text, theirs, ours)
        found.append(Compared(str(line["id"]), line["model"], theirs or "-", ours or "-", reason, commits))
    return found


def _hedges(text: str) -> bool:
    """True when an answer phrase names several letters, such as `(A) or (B)`."""
    return any(_JOINED.match(text, match.end() - 2) or _JOINED.match(text, match.end() - 1)
               for match in _STATED.finditer(text))


def _mmlu_reason(text: str, theirs: str | None, ours: str | None) -> str:
    stated = _STATED.findall(text)
    if theirs is None:
        return "the source reads no letter; the reply states one in another phrasing"
    if theirs == "I" and _WORD.search(text):
        return "the source reads the word `I` as option I"
    if ours is None:
        return ("several letters joined (`(A) and (E)`): we abstain, the source takes the first" if _hedges(text)
                else "the reply commits to no letter: we abstain, the source finds one in passing")
    if stated and stated[0] == theirs and ours in stated[1:]:
        return "several answers one after the other: the source takes the first, we the last"
    if _hedges(text):
        return "first several letters joined, then one of them: the source takes the first of all, we the last word"
    return "a letter in another phrasing came last"


def report(title: str, found: list[Compared]) -> str:
    """A section: figures, then the disagreements by reason."""
    apart = [c for c in found if c.reason]
    committed = [c for c in found if c.commits]
    lost = [c for c in committed if c.reason]
    rows = [f"## {title}", "", f"{len(found)} replies, {len(apart)} disagreements. Of the {len(committed)} replies that "
            f"commit to one answer, {len(lost)} disagree: agreement {1 - len(lost) / len(committed):.4%}.", ""]
    groups: dict[tuple[bool, str], list[Compared]] = defaultdict(list)
    for compared in apart:
        groups[not compared.commits, compared.reason].append(compared)
    for (outside, reason), group in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]))):
        rows += [f"**{reason}** ({len(group)}{', no single commitment' if outside else ''})", ""]
        rows += ["; ".join(f"{c.id} {_short(c.model)} {c.theirs}→{c.ours}" for c in group), ""]
    return "\n".join(rows)


def _short(model: str) -> str:
    return {"Qwen1.5-7B-Chat": "Qw", "gemini-1.5-pro-002": "Gp", "gemini-1.5-flash-002": "Gf", "c4ai-command-r-v01": "Co",
            "Meta-Llama-3_1-70B-Instruct": "Ll"}.get(model, model)


HEAD = """# Readings beside published ones

Made by `python benchmarks/readings/agreement.py DATA/recorded --out docs/readings.md`. Each entry is the question's id, the
model, and the published → our reading (`-`: none). Models of MMLU-Pro: Qw Qwen1.5-7B-Chat, Gp gemini-1.5-pro-002, Gf
gemini-1.5-flash-002, Co command-r, Ll Llama-3.1-70B-Instruct.

A reply *commits to one answer* when its answer phrases (`answer is`, `answer:`) name one letter only, not joined to another, and the
source read a letter too. For GSM8K and CRUXEval all replies count. Sources: WildEval/ZeroEval and TIGER-AI-Lab/MMLU-Pro.
"""


def main() -> None:
    """Compare, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = {"GSM8K scores (ZeroEval)": gsm8k(options.folder), "MMLU-Pro letters, uncut replies": mmlu_pro(options.folder),
             "CRUXEval scores (ZeroEval), read as literals": cruxeval(options.folder)}
    page = "\n".join([HEAD, *(report(title, compared) for title, compared in found.items())])
    if options.out:
        options.out.write_text(page.rstrip() + "\n")
    for title, compared in found.items():
        print(title, len(compared), Counter(c.reason for c in compared if c.reason and c.commits))
        print("  committed:", sum(c.commits for c in compared), "disagree:", sum(c.commits and bool(c.reason) for c in compared))


if __name__ == "__main__":
    main()
