"""The recorded sets: which answers, scored and priced how, and split five times into dev and test.

The recordings are read from `$CONSILIENCE_DATA/recorded` (else `../shared/data/recorded` beside the repository), brought to
one data set a file in our format, and kept in the work folder. Nothing is filled in but prices, and where they come from
is said.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import consilience as cs
from consilience.model import Price
from consilience.models.recorded import Recorded, Recording
from consilience.tasks import Task
from consilience.tasks.task import content
from consilience.types import Example, digest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CONSILIENCE_DATA", ROOT.parent / "shared" / "data")) / "recorded"

Prices = Mapping[str, tuple[float, float]]
"""US dollars per million prompt and completion tokens, by model."""

_LIST = "list prices of the time, assumed; a token = 4 characters of question and answer"
_SIZE = "the number of parameters stands for the price (1 cent per billion and million tokens); a token = 4 characters"


@dataclass(frozen=True)
class Source:
    """One set. `score` is the field that holds it, where it is not `score`; `costs` says where dollars come from."""

    name: str
    file: str
    about: str
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    variant: str = ""
    score: str = "score"
    prices: Prices = field(default_factory=dict)
    costs: str = "none published: quality only"
    pair: tuple[str, str] = ("", "")
    """The weak and the strong model of a set of two."""
    part: bool = False
    """Whether it is a part of another set, or one of that kind: played last."""


_GPT4, _MIXTRAL = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
_ROUTELLM: dict[str, Any] = {
    "prices": {_GPT4: (24.7, 24.7), _MIXTRAL: (0.24, 0.24)}, "pair": (_MIXTRAL, _GPT4),
    "costs": "prices of the RouteLLM paper ($24.7 and $0.24 per million tokens); a token = 4 characters"}
_BILLIONS = {"codegemma-7b": 7, "gemma-2-9b-it": 9, "llama-3.1-8b-instruct": 8, "llama-3.1-nemotron-51b-instruct": 51,
             "llama-3.3-nemotron-super-49b-v1": 49, "llama3-chatqa-1.5-70b": 70, "llama3-chatqa-1.5-8b": 8,
             "mistral-7b-instruct-v0.3": 7, "qwen2.5-7b-instruct": 7}
_GSM: Prices = {"claude-3-5-haiku-20241022": (0.8, 4), "claude-3-5-sonnet-20241022": (3, 15), "claude-3-opus-20240229": (15, 75),
                "gemini-1.5-flash": (0.075, 0.3), "gpt-3.5-turbo-0125": (0.5, 1.5), "gpt-4o-2024-08-06": (2.5, 10)}
_CRUX: Prices = {"claude-3-5-sonnet-20240620": (3, 15), "claude-3-haiku-20240307": (0.25, 1.25),
                 "claude-3-sonnet-20240229": (3, 15), "gemini-1.5-flash": (0.075, 0.3), "gemini-1.5-pro": (1.25, 5),
                 "gpt-3.5-turbo-0125": (0.5, 1.5), "gpt-4-turbo-2024-04-09": (10, 30), "gpt-4o-2024-08-06": (2.5, 10)}
_RC = "seven 7-8B models; no answers"

SOURCES = (
    Source("routellm-mmlu", "routellm_mmlu_even", "MMLU, 29 of 57 subjects, right or wrong; no answers", **_ROUTELLM),
    Source("routellm-mt-bench", "routellm_mt_bench", "MT-Bench, both turns, answers judged by gpt-4", **_ROUTELLM),
    Source("routerbench", "routerbench_mbpp_arc", "MBPP and ARC-Challenge mixed, eleven models", costs="published, per call"),
    Source("routerbench-arc", "routerbench_mbpp_arc", "its ARC-Challenge alone", ("routerbench_arc_challenge",),
           costs="published, per call", part=True),
    Source("routerbench-mbpp", "routerbench_mbpp_arc", "its MBPP alone", ("routerbench_mbpp",), costs="published, per call", part=True),
    Source("llmrouter-9", "llmrouter_9models", "question answering, mathematics, code, logic mixed, nine models; no answers",
           prices={name: (b / 100, b / 100) for name, b in _BILLIONS.items()}, costs=_SIZE),
    Source("gsm8k-hosted", "zeroeval_gsm8k_half", "GSM8K, six hosted models with answers", models=tuple(_GSM), prices=_GSM,
           costs=_LIST),
    Source("cruxeval-hosted", "zeroeval_cruxeval_half", "CRUXEval output prediction, eight hosted models with answers",
           models=tuple(_CRUX), prices=_CRUX, costs=_LIST),
    Source("mot-date", "mot_cascade_date_gsm_half", "DATE, three draws each of gpt-3.5-turbo and gpt-4", ("mot_date",),
           ("gpt-3.5-turbo", "gpt-4"), "cot1", prices={"gpt-3.5-turbo": (1.5, 2), "gpt-4": (30, 60)}, costs=_LIST,
           pair=("gpt-3.5-turbo", "gpt-4")),
    Source("routerdc", "routerdc_7models", f"MMLU, ARC, GSM8K, MBPP, HumanEval mixed, {_RC}", score="correct"),
    Source("routerdc-mmlu", "routerdc_7models", f"its MMLU alone, {_RC}", ("routerdc_mmlu",), score="correct", part=True),
    Source("routerdc-gsm8k", "routerdc_7models", f"its GSM8K alone, {_RC}", ("routerdc_gsm8k",), part=True),
    Source("mmlu-pro", "mmlu_pro_even_categories", "MMLU-Pro, 7 of 14 categories, the letters that 18 models chose"),
    Source("gsm8k-21", "zeroeval_gsm8k_half", "GSM8K, 21 models with answers", part=True),
    Source("cruxeval-26", "zeroeval_cruxeval_half", "CRUXEval output prediction, 26 models with answers", part=True),
    Source("alpaca-eval", "alpaca_eval_2_12models", "AlpacaEval 2, thirteen models, graded by a judge"),
    Source("emotion", "emotion_option_logits_half", "emotion of a sentence, the letters that eleven base models chose",
           variant="task_icl1", part=True),
    Source("gpt3-gsm8k", "openai_gsm8k_solutions_half", "GSM8K, GPT-3 of 6B and 175B, fine-tuned or re-ranked by a verifier", part=True),
)

LEFT_OUT = {
    "judgebench, llmbar, pandalm": "verdicts of judges about pairs of answers, not answers to a question",
    "llmfao": "19 prompts without scores",
    "emotion, base_icl1": "the same questions under another prompt, five of the models",
    "mot: program-of-thought and GSM8K": "only one model has answers to all questions",
    "routerdc: ARC, MBPP, HumanEval alone": "parts of the mixed set; alone, small",
}
"""Recordings that no router is measured on, and why."""


def by_name(name: str) -> Source:
    """The set of this name."""
    return next(source for source in SOURCES if source.name == name)


@dataclass(frozen=True)
class Recordings:
    """A set as members and questions."""

    source: Source
    path: Path

    @cached_property
    def members(self) -> list[Recorded]:
        """The models, in order of appearance; of a pair the weak one first. Where costs are published per call, the price by
        which cascades order members is that of their mean call, as if it had 1,000 tokens."""
        recording = Recording.load(self.path)
        names = [n for n in self.source.pair if n] or [name for name, _ in recording.models]
        return [Recorded(recording, name, **({"price": self._price(recording, name)} if self.priced else {})) for name in names]

    def _price(self, recording: Recording, name: str) -> Price:
        if name in self.source.prices:
            return Price(*self.source.prices[name])
        costs = [line.cost or 0.0 for line in recording.models[name, ""].values()]
        return Price(*[1000 * sum(costs) / len(costs)] * 2)

    @cached_property
    def task(self) -> Task:
        """The questions as a task (its own split is not used)."""
        return cs.task(f"recorded:{self.path}#{self.source.name}")

    @property
    def priced(self) -> bool:
        """Whether dollars are known."""
        return not self.source.costs.startswith("none")

    def split(self, seed: int, dev: int, test: int) -> tuple[list[Example], list[Example]]:
        """One of the random splits: halves that are disjoint by content (turns of one dialogue stay together), at most `dev`
        and `test` questions of them."""
        groups: dict[str, list[Example]] = {}
        for example in (*self.task.dev, *self.task.test):
            groups.setdefault(_whole(self.source, example), []).append(example)
        order = sorted(groups, key=lambda key: digest([seed, key]))
        half = len(order) // 2
        parts = ([e for key in keys for e in groups[key]] for keys in (order[:half], order[half:]))
        first, second = parts
        return first[:dev], second[:test]


def _whole(source: Source, example: Example) -> str:
    """What must not be torn apart by a split."""
    return example.id.split("/")[1] if source.name == "routellm-mt-bench" else content(example)


def prepared(source: Source, work: Path) -> Recordings:
    """The set in our format, written on first use. Only questions that all models answered are kept, and none that the
    source marks as contaminated."""
    path = work / "sets" / f"{source.name}.jsonl.gz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [_line(source, entry) for entry in _entries(source) if not entry.get("contaminated")]
        models = {line["model"] for line in lines}
        having: dict[str, set[str]] = {}
        for line in lines:
            having.setdefault(line["id"], set()).add(line["model"])
        draft = path.with_suffix(".part")
        with gzip.open(draft, "wt", encoding="utf-8", compresslevel=5) as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines if having[line["id"]] == models)
        draft.rename(path)
    return Recordings(source, path)


def _entries(source: Source) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / f"{source.file}.jsonl.gz", "rt", encoding="utf-8") as file:
        for raw in file:
            entry = json.loads(raw)
            if ((not source.datasets or entry["dataset"] in source.datasets)
                    and (not source.models or entry["model"] in source.models)
                    and (not source.variant or entry["variant"] == source.variant)):
                yield entry


_KEPT = ("prompt", "reference", "options", "response", "answer", "responses", "answers", "sample_scores", "cost_usd")


def _line(source: Source, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry in our format, with the score that counts and a cost where prices are known."""
    line = {"dataset": source.name, "id": f"{entry['dataset']}/{entry['id']}", "model": entry["model"],
            "category": entry["dataset"], **{key: entry[key] for key in _KEPT if key in entry}}
    line["score"] = entry.get(source.score, entry["score"])
    if "responses" in line:                               # as many draws as every model has
        for key in ("responses", "answers", "sample_scores"):
            line[key] = line[key][:3]
    if source.prices:
        line["cost_usd"] = _cost(source.prices[entry["model"]], entry)
    return line


def _cost(price: tuple[float, float], entry: Mapping[str, Any]) -> float:
    asked = len(entry["prompt"]) + len(entry.get("first_turn") or "")
    said = len(entry.get("response") or (entry.get("responses") or [""])[0])
    return (price[0] * max(1.0, asked / 4) + price[1] * max(1.0, said / 4)) / 1e6
