"""Questions with exact answers: four skills, the private facts of four owners, and pairs of facts. Pure Python.

A question's split is fixed by what it asks, so `train`, `dev` and `test` never share one: skills and pairs are
divided by a checksum of the problem, facts by the wording of the question (every fact must be learned to be known;
what is held out is how it is asked for).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from consilience.nursery.words import FACTS, NAMES, OWNER_OF, OWNERS, PLURAL, SHARED, SKILLS

SPLITS = ("train", "dev", "test")
CELLS = (*SKILLS, *(f"facts/{owner}" for owner in OWNERS))
"""The eight cells of the mixed task, in equal shares."""

EVERY_CELL = (*CELLS, "pairs")
_CHAINS = ("arith", "logic", "clock")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WORDINGS = {
    "train": (
        "What is the {a} of {n}?", "Tell me the {a} of {n}.", "{n} has which {a}?", "Which {a} does {n} have?",
        "Name the {a} of {n}.", "{a} of {n}?", "For {n}, what is the {a}?", "Give the {a} for {n}.",
    ),
    "dev": ("What {a} does {n} have?", "State the {a} of {n}."),
    "test": ("Which {a} has {n}?", "Do you know the {a} of {n}?", "{n}: what is its {a}?"),
}


@dataclass(frozen=True)
class Problem:
    """One question with its answer."""

    id: str
    cell: str
    skill: str
    owner: str
    """Who practises the skill or holds the fact; both holders, joined by `+`, for pairs."""
    question: str
    reference: str
    kind: str
    """How the answer is read: `number`, `text` or `choice`."""
    solution: str
    """A worked chain that ends in `answer: ` and the reference."""
    form: str
    """The form in which the mixed task asks it: `answer` or `steps`."""
    values: tuple[str, ...] = ()
    """The closed set that the answer comes from, where there is one."""
    options: tuple[str, ...] = ()
    """Texts to choose from; only where `kind` is `choice`."""


def split_of(cell: str, key: str) -> str:
    """The split that a problem belongs to, for ever."""
    bucket = zlib.crc32(f"{cell}:{key}".encode()) % 20
    return "test" if bucket < 3 else "dev" if bucket < 5 else "train"


def _skill(cell: str, key: str, question: str, reference: str, kind: str, work: str, values: tuple[str, ...] = ()) -> Problem:
    return Problem(
        id=f"{cell}/{key}", cell=cell, skill=cell, owner=SKILLS[cell], question=question, reference=reference, kind=kind,
        solution=f"{work}; answer: {reference}", form="steps" if cell in _CHAINS else "answer", values=values,
    )


def arith(rng: random.Random, easy: bool = False) -> Problem:
    """Sums and differences, worked column by column."""
    digits = rng.choice((1, 2, 2)) if easy else rng.choice((2, 2, 3))
    a, b = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
    if rng.random() < 0.5:
        return _skill("arith", f"{a}+{b}", f"What is {a} + {b}?", str(a + b), "number", _add(a, b))
    a, b = max(a, b), min(a, b)
    return _skill("arith", f"{a}-{b}", f"What is {a} - {b}?", str(a - b), "number", _subtract(a, b))


def _add(a: int, b: int) -> str:
    columns, carry = [], 0
    while a or b:
        total = a % 10 + b % 10 + carry
        columns.append(f"{a % 10}+{b % 10}{'+1' if carry else ''}={total}")
        a, b, carry = a // 10, b // 10, total // 10
    return ", ".join(columns)


def _subtract(a: int, b: int) -> str:
    columns, borrow = [], 0
    while a or b:
        top, low = a % 10 - borrow, b % 10
        borrow = int(top < low)
        columns.append(f"{top + 10 * borrow}-{low}={top + 10 * borrow - low}")
        a, b = a // 10, b // 10
    return ", ".join(columns)


def letters(rng: random.Random, easy: bool = False) -> Problem:
    """Letters to sort or to turn round."""
    row = rng.sample("abcdefghijklmnopqrstuvwxyz", rng.randint(3, 6) if easy else rng.randint(7, 10))
    verb = rng.choice(("Sort", "Reverse"))
    answer = " ".join(sorted(row) if verb == "Sort" else row[::-1])
    return _skill("letters", f"{verb.lower()}-{''.join(row)}", f"{verb}: {' '.join(row)}", answer, "text", answer)


def logic(rng: random.Random, easy: bool = False) -> Problem:
    """Nested true and false, worked from the inside."""
    text, value, work = _expression(rng, rng.randint(1, 2) if easy else rng.randint(3, 4))
    answer = _truth(value)
    key = text.replace(" ", "").replace("true", "1").replace("false", "0").replace("and", "&").replace("or", "|").replace("not", "!")
    return _skill("logic", key, f"True or false: {text}?", answer, "text", ", ".join(work), ("true", "false"))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _expression(rng: random.Random, depth: int) -> tuple[str, bool, list[str]]:
    if depth == 0:
        value = rng.random() < 0.5
        return _truth(value), value, []
    if depth > 1 and rng.random() < 0.2:
        text, value, work = _expression(rng, depth - 1)
        return f"not ({text})", not value, [*work, f"not {_truth(value)} = {_truth(not value)}"]
    sides = [depth - 1, rng.randint(0, max(0, depth - 2))]
    rng.shuffle(sides)
    (left, p, first), (right, q, second) = (_expression(rng, side) for side in sides)
    word = rng.choice(("and", "or"))
    value = (p and q) if word == "and" else (p or q)
    work = [*first, *second, f"{_truth(p)} {word} {_truth(q)} = {_truth(value)}"]
    return f"{_wrap(left)} {word} {_wrap(right)}", value, work


def _wrap(text: str) -> str:
    return f"({text})" if " " in text else text


def clock(rng: random.Random, easy: bool = False) -> Problem:
    """Days of the week and hours of the clock, far ahead."""
    ahead = rng.randint(5, 60) if easy else rng.randint(14, 220)
    if rng.random() < 0.5:
        day = rng.randrange(7)
        answer = _DAYS[(day + ahead) % 7]
        work = f"{ahead}=7*{ahead // 7}+{ahead % 7}, {_DAYS[day]}+{ahead % 7}={answer}"
        return _skill("clock", f"{_DAYS[day]}+{ahead}", f"Today is {_DAYS[day]}. Which day is it in {ahead} days?", answer, "text", work, _DAYS)
    hour = rng.randint(1, 12)
    total = hour + ahead % 12
    answer = str(total - 12 if total > 12 else total)
    work = f"{ahead}=12*{ahead // 12}+{ahead % 12}, {hour}+{ahead % 12}={total}" + (f", {total}-12={answer}" if total > 12 else "")
    return _skill("clock", f"{hour}+{ahead}", f"It is {hour} o'clock. Which hour is it in {ahead} hours?", answer, "number", work)


def fact(name: str, attribute: str, value: str, values: tuple[str, ...], owner: str, wording: str, tag: str) -> Problem:
    """A question for one attribute of one named thing."""
    question = wording.format(a=attribute, n=name)
    return Problem(
        id=f"facts/{owner}/{name}-{attribute}-{tag}", cell=f"facts/{owner}", skill="facts", owner=owner,
        question=question[0].upper() + question[1:], reference=value, kind="text",
        solution=f"the {attribute} of {name} is {value}; answer: {value}", form="answer", values=values,
    )


def facts_of(owner: str, split: str) -> list[Problem]:
    """All questions for an owner's facts in a split: every fact in each of the split's wordings."""
    return [
        fact(name, attribute, FACTS[name, attribute], values, owner, wording, f"{split}{number}")
        for name in NAMES[owner]
        for attribute, values in OWNERS[owner].attributes.items()
        for number, wording in enumerate(_WORDINGS[split])
    ]


def pair(attribute: str, names: tuple[str, str], answers: tuple[str, str], owner: str) -> Problem:
    """A question for one shared attribute of two things, which may belong to two owners."""
    both = ", ".join(answers)
    work = ", ".join(f"{name}: {answer}" for name, answer in zip(names, answers, strict=True))
    return Problem(
        id=f"pairs/{names[0]}-{names[1]}-{attribute}", cell="pairs", skill="pairs", owner=owner,
        question=f"What are the {PLURAL[attribute]} of {names[0]} and {names[1]}?", reference=both, kind="text",
        solution=f"{work}; answer: {both}", form="answer", values=SHARED[attribute],
    )


def any_pair(rng: random.Random) -> Problem:
    """A pair whose two things belong to two owners."""
    owners = rng.sample(list(OWNERS), 2)
    names = rng.choice(NAMES[owners[0]]), rng.choice(NAMES[owners[1]])
    attribute = rng.choice(list(SHARED))
    return pair(attribute, names, (FACTS[names[0], attribute], FACTS[names[1], attribute]), "+".join(owners))


DRAW: dict[str, Callable[..., Problem]] = {"arith": arith, "letters": letters, "logic": logic, "clock": clock}


def _stream(cell: str, split: str, rng: random.Random) -> Iterator[Problem]:
    if cell.startswith("facts/"):
        everything = facts_of(cell.removeprefix("facts/"), split)
        rng.shuffle(everything)
        yield from everything
        return
    seen: set[str] = set()
    idle = 0
    while idle < 5000:
        problem = any_pair(rng) if cell == "pairs" else DRAW[cell](rng)
        idle += 1
        if problem.id not in seen and split_of(cell, problem.id) == split:
            seen.add(problem.id)
            idle = 0
            yield problem


def problems(cell: str, split: str, limit: int, seed: int = 0) -> list[Problem]:
    """Up to `limit` different problems of one cell and split, the same ones for the same seed."""
    if cell not in EVERY_CELL or split not in SPLITS:
        raise ValueError(f"no cell {cell!r} or split {split!r}; cells: {', '.join(EVERY_CELL)}; splits: {', '.join(SPLITS)}")
    stream = _stream(cell, split, random.Random(f"{cell} {split} {seed}"))
    return [problem for problem, _ in zip(stream, range(limit), strict=False)]


def wrong_answers(problem: Problem, rng: random.Random, count: int) -> list[str]:
    """Different wrong answers of the right kind."""
    found: list[str] = []
    for _ in range(200):
        text = _wrong(problem, rng)
        if text != problem.reference and text not in found:
            found.append(text)
        if len(found) == count:
            break
    return found


def _wrong(problem: Problem, rng: random.Random) -> str:
    if problem.cell == "pairs":
        return ", ".join(part if rng.random() < 0.4 else rng.choice(problem.values) for part in problem.reference.split(", "))
    if problem.values:
        return rng.choice(problem.values)
    if problem.kind == "number":
        number = int(problem.reference)
        return str(abs(number + rng.choice((-1, 1)) * rng.choice((1, 1, 2, 3, 10, 10, 11, 20))))
    row = problem.reference.split()
    i, j = rng.sample(range(len(row)), 2)
    row[i], row[j] = row[j], row[i]
    return " ".join(row)


def as_choice(problem: Problem, rng: random.Random, count: int = 4) -> Problem:
    """The same question with options; the reference is the letter of the right one."""
    options = [problem.reference, *wrong_answers(problem, rng, count - 1)]
    rng.shuffle(options)
    letter = "ABCDEFGH"[options.index(problem.reference)]
    return replace(
        problem, id=f"{problem.id}/choice", kind="choice", reference=letter, options=tuple(options), form="choose",
        solution=f"{problem.solution}; answer: {letter}",
    )


def holder(problem: Problem) -> str:
    """The one owner who can answer this, or an empty string."""
    return problem.owner if problem.owner in OWNERS else ""


__all__ = ["CELLS", "EVERY_CELL", "OWNER_OF", "Problem", "SPLITS", "as_choice", "problems", "split_of", "wrong_answers"]
