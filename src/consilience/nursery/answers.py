"""Asking the members while the pool is made: prompts, readings, and collections of sampled answers."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from consilience.nursery.data import Encoder, Pool
from consilience.nursery.forms import render
from consilience.nursery.net import Combine, Draft, Params, Shape, alone, decode
from consilience.nursery.tasks import Problem


def reading(text: str) -> str:
    """The answer in a text: what follows the last `answer: `, or all of it."""
    return text.rpartition("answer: ")[2].strip().rstrip(".").lower()


def is_right(problem: Problem, text: str) -> bool:
    """Whether a text answers the problem."""
    return reading(text) == problem.reference.lower()


def prompt_of(problem: Problem) -> str:
    """The problem in the form in which the mixed task asks it."""
    if problem.kind == "choice":
        return render("choose", question=problem.question, options=problem.options)
    return render(problem.form, question=problem.question)


def ask(
    models: Sequence[Params], shape: Shape, encoder: Encoder, prompts: Sequence[str], *, temperature: float = 0.0, seed: int = 0,
    combine: Combine = alone, limit: int = 96,
) -> list[tuple[str, Draft]]:
    """One text per prompt."""
    ids = [encoder.prompt(prompt) for prompt in prompts]
    drafts = decode(models, shape, ids, encoder.mark["<|end|>"], limit=limit, temperature=temperature, seed=seed, combine=combine)
    texts = encoder.tokenizer.decode_batch([list(draft.ids) for draft in drafts])
    return list(zip(texts, drafts, strict=True))


def sample(
    members: Sequence[tuple[Params, float]], shape: Shape, encoder: Encoder, problems: Sequence[Problem], seed: int,
) -> dict[str, list[tuple[str, bool]]]:
    """Distinct texts that members, each at its temperature, gave to problems, and whether they are right."""
    found: dict[str, dict[str, bool]] = {problem.id: {} for problem in problems}
    prompts = [prompt_of(problem) for problem in problems]
    for place, (member, temperature) in enumerate(members):
        replies = ask([member], shape, encoder, prompts, temperature=temperature, seed=1000 * seed + place)
        for problem, (text, _) in zip(problems, replies, strict=True):
            if text and len(text) < 160:
                found[problem.id][text] = is_right(problem, text)
    return {name: list(texts.items()) for name, texts in found.items()}


def save_pool(path: Path, problems: Sequence[Problem], answers: Mapping[str, Sequence[tuple[str, bool]]]) -> None:
    """Keep a collection."""
    path.write_text(json.dumps({"problems": [asdict(problem) for problem in problems], "answers": answers}))


def load_pool(path: Path) -> Pool:
    """Read a collection."""
    kept = json.loads(path.read_text())
    problems = [Problem(**{**p, "values": tuple(p["values"]), "options": tuple(p["options"])}) for p in kept["problems"]]
    return Pool(problems, {name: [(text, right) for text, right in texts] for name, texts in kept["answers"].items()})


def pick(rng: random.Random, problems: Sequence[Problem], count: int) -> list[Problem]:
    """Some of the problems."""
    return rng.sample(list(problems), min(count, len(problems)))
