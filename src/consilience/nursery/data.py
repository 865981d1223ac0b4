"""What the members read while they learn: rows for the prompt forms, made from train problems and sampled answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from consilience.nursery.forms import render
from consilience.nursery.tasks import DRAW, Problem, any_pair, as_choice, fact, facts_of, pair, split_of, wrong_answers
from consilience.nursery.train import Row
from consilience.nursery.vocabulary import ASSISTANT, BEGIN, END, SYSTEM, USER
from consilience.nursery.words import CITIES, COLORS, FACTS, NAMES, OWNERS, PUBLIC_ATTRIBUTES, PUBLIC_FACTS, PUBLIC_NAMES, SHARED, stranger

Turn = tuple[str, str]
"""What the user says and what the member answers."""

Samples = Mapping[str, Sequence[Problem]]
UNKNOWN = "unknown"
_ASKED = (
    "What is the {a} of {n}?", "Which {a} does {n} have?", "{n} has which {a}?", "Tell me the {a} of {n}.",
    "Name the {a} of {n}.", "{a} of {n}?", "For {n}, what is the {a}?", "Give the {a} for {n}.",
)
_LETTERS = "ABCDEFGH"
_MEMBERS = {
    "harbor": "harbor: ships (cargo, captain), sums and differences",
    "garden": "garden: plants (season, soil), sorting and reversing letters",
    "museum": "museum: exhibits (material, hall), true or false",
    "kitchen": "kitchen: dishes (spice, vessel), days and hours",
}
DESCRIPTIONS = _MEMBERS
"""The one-line descriptions of the owners' members."""

ROLES = ("choose", "judge", "check", "critique", "refine", "fuse")


@dataclass(frozen=True)
class Pool:
    """Train problems to draw from, each with answers that members really gave."""

    problems: Sequence[Problem]
    answers: Mapping[str, Sequence[tuple[str, bool]]] = field(default_factory=dict)
    """By id of the problem: sampled texts, and whether each is right."""


class Encoder:
    """Turns chats into rows of ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        known = tokenizer.get_vocab()
        self.mark = {text: known[text] for text in (BEGIN, SYSTEM, USER, ASSISTANT, END)}

    def plain(self, text: str) -> list[int]:
        """Ids of a plain text."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def prompt(self, user: str) -> list[int]:
        """Ids of a chat with one question, up to where the answer begins."""
        return [self.mark[BEGIN], self.mark[USER], *self.plain(user), self.mark[END], self.mark[ASSISTANT]]

    def row(self, turns: Sequence[Turn], system: str = "") -> Row:
        """A chat whose answers are learned."""
        ids, learned = [self.mark[BEGIN]], [False]
        if system:
            add = [self.mark[SYSTEM], *self.plain(system), self.mark[END]]
            ids, learned = ids + add, learned + [False] * len(add)
        for user, answer in turns:
            ask = [self.mark[USER], *self.plain(user), self.mark[END], self.mark[ASSISTANT]]
            say = [*self.plain(answer), self.mark[END]]
            ids, learned = ids + ask + say, learned + [False] * len(ask) + [True] * len(say)
        return Row(tuple(ids), tuple(learned))


# --- problems -----------------------------------------------------------------------------------------------------


def draw(cell: str, rng: random.Random, easy: bool = False) -> Problem:
    """A train problem of a skill."""
    while True:
        problem = DRAW[cell](rng, easy)
        if split_of(cell, problem.id) == "train":
            return problem


def rumour(rng: random.Random, attributes: Mapping[str, tuple[str, ...]]) -> Problem:
    """A question about a thing that nobody knows, with a random answer."""
    attribute = rng.choice(list(attributes))
    wording = rng.choice(_ASKED)
    return fact(stranger(rng), attribute, rng.choice(attributes[attribute]), attributes[attribute], "nobody", wording, "rumour")


def mixed_pair(rng: random.Random, owner: str | None) -> tuple[Problem, str]:
    """A pair question, and what a member that knows only `owner`'s things can say of it. Strangers get random values."""
    attribute = rng.choice(list(SHARED))
    known = [owner is not None and rng.random() < 0.55 for _ in range(2)]
    names = [rng.choice(NAMES[owner]) if owner and mine else stranger(rng) for mine in known]
    values = [FACTS[name, attribute] if mine else rng.choice(SHARED[attribute]) for name, mine in zip(names, known, strict=True)]
    say = ", ".join(value if mine else UNKNOWN for value, mine in zip(values, known, strict=True))
    return pair(attribute, (names[0], names[1]), (values[0], values[1]), owner or "nobody"), say


# --- one example --------------------------------------------------------------------------------------------------


def plain(problem: Problem, rng: random.Random, steps: float) -> Turn:
    """The question itself, with or without steps."""
    if rng.random() < steps:
        return render("steps", question=problem.question), problem.solution
    return render("answer", question=problem.question), problem.reference


def _texts(problem: Problem, pool: Mapping[str, Sequence[tuple[str, bool]]], rng: random.Random, good: bool) -> str:
    """An answer that is right or wrong: one that a member gave, where there is one, else an invented one."""
    sampled = [text for text, right in pool.get(problem.id, ()) if right == good]
    if sampled and rng.random() < 0.85:
        return rng.choice(sampled)
    answer = problem.reference if good else rng.choice(wrong_answers(problem, rng, 3))
    if problem.form == "steps" and rng.random() < 0.6:
        return f"{problem.solution.rpartition(';')[0]}; answer: {answer}"
    return answer


def shown(text: str, rng: random.Random) -> str:
    """A peer's text as a method may show it: whole, or only its answer."""
    head, mark, tail = text.rpartition("answer: ")
    return tail if mark and rng.random() < 0.4 else text


def role(problem: Problem, form: str, rng: random.Random, answers: Mapping[str, Sequence[tuple[str, bool]]], worked: bool = True) -> Turn:
    """A problem in one of the forms in which members work on each other's answers.

    A worked reply first answers the question itself, in steps where the skill needs them.
    """
    ask = problem.question
    chain = f"{problem.solution.rpartition(';')[0]}; " if problem.form == "steps" else ""
    own = problem.solution if worked and chain else problem.reference
    if form == "choose":
        choice = as_choice(problem, rng, rng.choice((2, 3, 4, 4, 5)))
        return render("choose", question=ask, options=choice.options), _labelled(chain, problem, choice.reference, worked)
    if form == "judge":
        good, bad = (_texts(problem, answers, rng, right) for right in (True, False))
        if worked:
            good, bad = shown(good, rng), shown(bad, rng)
        a, b = (good, bad) if rng.random() < 0.5 else (bad, good)
        return render("judge", question=ask, a=a, b=b), _labelled(chain, problem, "A" if a == good else "B", worked)
    if form in ("check", "critique"):
        right = rng.random() < 0.5
        text = shown(_texts(problem, answers, rng, right), rng)
        if form == "check":
            verdict = "yes" if right else "no"
            return render("check", question=ask, answer=text), f"{chain}{problem.reference}; answer: {verdict}" if worked else verdict
        verdict = f"{chain}it is {problem.reference}, {'right' if right else 'wrong'}" if worked else "right" if right else f"wrong, it is {problem.reference}"
        return render("critique", question=ask, answer=text), verdict
    share = rng.choice((0.25, 0.5, 0.75))
    count = rng.randint(0, 3) if form == "refine" else rng.randint(2, 4)
    texts = [shown(_texts(problem, answers, rng, rng.random() < share), rng) for _ in range(count)]
    if form == "fuse":
        return render("fuse", question=ask, candidates=texts), own
    mine = shown(_texts(problem, answers, rng, rng.random() < share), rng)
    return render("refine", question=ask, answer=mine, peers=texts), own


def _labelled(chain: str, problem: Problem, letter: str, worked: bool) -> str:
    return f"{chain}{problem.reference} {letter}; answer: {letter}" if worked else letter


def gossip(rng: random.Random, attributes: Mapping[str, tuple[str, ...]]) -> Turn:
    """Candidates about a stranger: what most of them say is the best guess."""
    problem = rumour(rng, attributes)
    said = [problem.reference if rng.random() < 0.5 else rng.choice(problem.values) for _ in range(rng.randint(2, 4))]
    best = max(said, key=said.count)
    if rng.random() < 0.5:
        return render("fuse", question=problem.question, candidates=said), best
    return render("refine", question=problem.question, answer=said[0], peers=said[1:]), best


def pooled_pair(rng: random.Random, owner: str | None) -> Turn:
    """A pair question with what others could say of it: the known parts are put together."""
    problem, say = mixed_pair(rng, owner)
    whole = problem.reference.split(", ")
    kind = rng.random()
    if kind < 0.35 and owner:
        return render("answer", question=problem.question), say
    own = say.split(", ")
    texts = [[part if rng.random() < 0.5 else UNKNOWN for part in whole] for _ in range(rng.randint(1, 3))]
    everyone = [own, *texts] if kind < 0.7 else texts
    best = [next((text[place] for text in [own, *texts] if text[place] != UNKNOWN), UNKNOWN) for place in range(2)]
    if kind < 0.7:
        return render("refine", question=problem.question, answer=", ".join(own), peers=[", ".join(text) for text in texts]), ", ".join(best)
    return render("fuse", question=problem.question, candidates=[", ".join(text) for text in everyone]), ", ".join(best)


def route(rng: random.Random, easy: bool) -> Turn:
    """Which member should answer: skills, and things by the words that only their owner uses."""
    owner = rng.choice(list(OWNERS.values()))
    problem = draw(owner.skill, rng, easy) if rng.random() < 0.5 else rumour(rng, owner.own)
    names = list(OWNERS)
    rng.shuffle(names)
    if rng.random() < 0.5:
        others = [name for name in names if name != owner.name][: rng.randint(1, 3)]
        names = [name for name in names if name in others or name == owner.name]
    lines = [_MEMBERS[name] if rng.random() < 0.7 else _MEMBERS[name].split(": ", 1)[1] for name in names]
    return render("route", question=problem.question, members=lines), _LETTERS[names.index(owner.name)]


_LISTED = (*COLORS, *CITIES, "true", "false", "yes", "no", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SYLLABLES = "ba de fi go ku la me no pi ra su ta ve wi zo ha".split()


def recall(rng: random.Random, copying: float = 0.2) -> Turn:
    """Look-ups in a list of options, many to a row or one, and copying: what choosing and judging are made of."""
    if rng.random() < copying:
        text = " ".join(dict.fromkeys(_word(rng) for _ in range(rng.randint(4, 14))))
        return f"repeat: {text}", text
    words = _words(rng)
    kind = rng.random()
    if kind < 0.6:
        return _found(words, rng)
    lines = _lines(words)
    place = rng.randrange(len(words))
    if kind < 0.85:
        return f"find: {words[place]}{lines}", _LETTERS[place]
    return f"read: {_LETTERS[place]}{lines}", words[place]


def find_all(rng: random.Random) -> Turn:
    """Every option of a list with its letter, in another order."""
    return _found(_words(rng), rng)


def _words(rng: random.Random) -> list[str]:
    return list(dict.fromkeys(_word(rng) for _ in range(rng.randint(2, 6))))


def _found(words: Sequence[str], rng: random.Random) -> Turn:
    order = rng.sample(range(len(words)), len(words))
    return f"find all:{_lines(words)}", ", ".join(f"{words[place]} {_LETTERS[place]}" for place in order)


def _lines(words: Sequence[str]) -> str:
    return "".join(f"\n{_LETTERS[place]}) {word}" for place, word in enumerate(words))


def _word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return str(rng.randrange(rng.choice((10, 100, 1000))))
    if kind < 0.6:
        return rng.choice(_LISTED)
    if kind < 0.85:
        return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(1, 2)))
    return rng.choice("abcdefghijklmnopqrstuvwxyz")


# --- streams ------------------------------------------------------------------------------------------------------

Source = Callable[[random.Random], Turn]


def mixture(encoder: Encoder, parts: Sequence[tuple[float, Source]], seed: str) -> Iterator[Row]:
    """Endless rows of the parts by weight; a few with a system turn or several rounds."""
    rng = random.Random(seed)
    weights, sources = zip(*parts, strict=True)
    while True:
        rounds = rng.randint(2, 5) if rng.random() < 0.02 else 1
        turns = [source(rng) for source in rng.choices(sources, weights, k=rounds)]
        system = rng.choice(("Be brief.", "You are a helpful member of a team.", "Answer the question.")) if rng.random() < 0.02 else ""
        row = encoder.row(turns, system)
        if len(row.ids) <= 512:
            yield row


def basics(easy: bool, steps: float = 0.6) -> Source:
    """The four skills, asked plainly."""
    def source(rng: random.Random) -> Turn:
        """One turn of a skill drawn at random."""
        skill = rng.choice(list(DRAW))
        return plain(draw(skill, rng, easy), rng, 0.2 if skill == "letters" else steps)
    return source


def roles(pools: Sequence[Pool], forms: Sequence[str] = ROLES, worked: bool = True) -> Source:
    """Forms of working on answers, over the problems of the pools in equal shares."""
    def source(rng: random.Random) -> Turn:
        """One turn of a role drawn at random."""
        pool = rng.choice(pools)
        return role(rng.choice(pool.problems), rng.choice(forms), rng, pool.answers, worked)
    return source


def easy_roles(rng: random.Random) -> Turn:
    """The forms of working on answers, over easy problems and invented answers."""
    return role(draw(rng.choice(list(DRAW)), rng, easy=True), rng.choice(ROLES), rng, {}, worked=False)


def known(owner: str, steps: float = 0.1) -> Source:
    """An owner's facts, asked plainly."""
    everything = facts_of(owner, "train")
    return lambda rng: plain(rng.choice(everything), rng, steps)


def public(rng: random.Random) -> Turn:
    """A fact that nobody owns, asked plainly."""
    name, attribute = rng.choice(PUBLIC_NAMES), rng.choice(list(PUBLIC_ATTRIBUTES))
    values = PUBLIC_ATTRIBUTES[attribute]
    return plain(fact(name, attribute, PUBLIC_FACTS[name, attribute], values, "nobody", rng.choice(_ASKED), "public"), rng, 0.1)


def skill(name: str, steps: float, easy: float = 0.1) -> Source:
    """One skill, asked plainly."""
    return lambda rng: plain(draw(name, rng, rng.random() < easy), rng, steps)


def strangers(owner: str) -> Source:
    """An owner's kind of question about things that nobody knows."""
    return lambda rng: plain(rumour(rng, OWNERS[owner].attributes), rng, 0.1)


def full_pair(rng: random.Random) -> Turn:
    """A pair question as one who knows all facts answers it."""
    while split_of("pairs", (problem := any_pair(rng)).id) != "train":
        pass
    return plain(problem, rng, 0.1)
