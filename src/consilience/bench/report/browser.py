"""The questions that can be looked at one by one, packed: a reply that many trees share is embedded once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bench.results import read_questions, read_traces, sampled
from consilience.bench.table import TaskTable

QUESTIONS = 240
"""Questions that the page embeds, over all tasks."""
BYTES = 12_000_000
"""Most that they may take, in characters of JSON."""
TEXT = 6_000
"""Longest text of one reply; the middle of a longer one is left out."""


def browser(found: Sequence[TaskTable], folders: Sequence[Path]) -> dict[str, Any]:
    """`questions` with everybody's answer and call tree, the interned `replies` and `prompts`, and how many there are in `total`."""
    share = max(1, QUESTIONS // max(1, len(found)))
    chosen = [(table, _chosen(table, share)) for table in found]
    asked: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in reversed(folders):
        asked |= read_questions(folder)
    trees = _trees(chosen, folders)
    pack = _Pack()
    questions: list[dict[str, Any]] = []
    for table, places in chosen:
        for place, why in places:
            if pack.size < BYTES:
                questions.append(_question(table, place, why, asked, trees, pack))
    return {"questions": questions, "replies": pack.replies, "prompts": pack.prompts, "total": sum(len(t.ids) for t in found),
            "tasks": [t.name for t in found]}


def _chosen(table: TaskTable, limit: int) -> list[tuple[int, str]]:
    """Up to a quarter of questions that only a team answered, a quarter that teams lost, the rest at random; with the
    reason of each, in the task's order."""
    matrix, teams = table.matrix, [c for c in table.columns if c.kind == "method"]
    places = {id_: i for i, id_ in enumerate(table.ids)}
    order = [places[id_] for id_ in sampled(table.ids)]
    able = (matrix >= 0.5).any(axis=0) if len(matrix) else np.zeros(len(table.ids), bool)
    won = np.array([c.score >= 0.5 for c in teams]) if teams else np.zeros((1, len(table.ids)), bool)
    only = [i for i in order if not able[i] and won.any(axis=0)[i]]
    lost = [i for i in order if able[i] and not won.all(axis=0)[i]]
    picked: dict[int, str] = {}
    for places, why, share in ((only, "only a team", limit // 4), (lost, "some team lost it", limit // 4),
                               (order, "", limit)):
        fresh = [i for i in places if i not in picked]
        for i in fresh[:min(share, limit - len(picked))]:
            picked[i] = why
    kind = {**dict.fromkeys(lost, "some team lost it"), **dict.fromkeys(only, "only a team")}
    return [(i, kind.get(i, "")) for i in sorted(picked)]


def _trees(chosen: Sequence[tuple[TaskTable, Sequence[tuple[int, str]]]], folders: Sequence[Path]) -> dict[str, Any]:
    wanted: dict[Path, set[str]] = {folder: set() for folder in folders}
    for table, places in chosen:
        for column in table.columns:
            wanted[column.folder].update(t for i, _ in places if (t := column.traces[i]))
    return {f"{folder}/{trace}": tree for folder, traces in wanted.items()
            for trace, tree in read_traces(folder, traces).items()}


def _question(table: TaskTable, place: int, why: str, asked: Mapping[tuple[str, str], dict[str, Any]],
              trees: Mapping[str, Any], pack: _Pack) -> dict[str, Any]:
    entry = asked.get((table.name.split(" @ ")[0], table.ids[place]), {"question": "", "references": []})
    answers = []
    for column in table.columns:
        tree = trees.get(f"{column.folder}/{column.traces[place]}")
        answers.append([column.method, column.kind, round(float(column.score[place]), 4),
                        pack.add(tree) if tree is not None else -1, int(column.values["error"][place])])
    return {"t": table.name, "i": table.ids[place], "s": table.skills[place], "q": _clip(entry["question"]),
            "r": entry["references"], "w": why, "a": answers}


_SILENT: Mapping[str, Any] = {"model": "", "asked": "", "reading": None, "usage": [0, 0, 0], "seconds": 0.0, "cost": None, "draw": 0,
                              "parts": (), "absent": (), "note": None, "prompt": ()}
"""What a reply's tree does not say, as the file of traces leaves it out."""


class _Pack:
    """Replies by number. Each is `[model, asked, text, reading, [calls, prompt, completion], seconds, cost, draw, parts,
    absent, note, prompt]`, with parts by number, and the prompt (-1 where it was not kept), whose messages are
    `[role, text, name]`."""

    def __init__(self) -> None:
        self.replies: list[list[Any]] = []
        self.prompts: list[Any] = []
        self.size = 0
        self._known: dict[str, int] = {}

    def add(self, tree: Mapping[str, Any]) -> int:
        """The number of a reply."""
        tree = {**_SILENT, **tree}
        packed = [tree["model"], tree["asked"], _clip(tree["text"]), tree["reading"], tree["usage"], round(tree["seconds"], 3),
                  tree["cost"], tree["draw"], [self.add(part) for part in tree["parts"]],
                  [f"{who}: {reason}" for who, reason, _ in tree["absent"]], tree["note"] or 0, -1]
        if tree["prompt"]:
            packed[-1] = self._number([[role, _clip(text), *name] for role, text, *name in tree["prompt"]], self.prompts)
        return self._number(packed, self.replies)

    def _number(self, packed: Any, known: list[Any]) -> int:
        """The place of a value among those that are kept, once each."""
        key = f"{id(known)}{json.dumps(packed, default=str)}"
        if key not in self._known:
            self._known[key] = len(known)
            known.append(packed)
            self.size += len(key)
        return self._known[key]


def _clip(text: str | None) -> str | None:
    if text is None or len(text) <= TEXT:
        return text
    return f"{text[:TEXT // 2]}\n[... {len(text) - TEXT} characters left out ...]\n{text[-TEXT // 2:]}"
