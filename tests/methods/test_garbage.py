"""Members that say what no reader of texts expects: long runs of one thing, numbers of thousands of digits, marks that never
close. Every method of the text level goes on, soon, or says that there is no answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from consilience.errors import NoAnswerError
from consilience.learn.bank import lessons
from consilience.learn.knowledge import extracted
from consilience.learn.memory import short, tagged
from consilience.learn.plans import constraints, reward
from consilience.learn.procedure import code
from consilience.learn.skills import listed
from consilience.learn.turns import judged
from consilience.learn.wiring import Wiring
from consilience.method import Level
from consilience.methods.text.panel import parsed
from consilience.reading import Choice, from_name
from consilience.registry import methods
from consilience.team import Team
from consilience.types import Request, Sampling
from tests.methods.test_contract import STANDING, answer, fitted, roles_for, speaker, speakers

QUESTION = Request.of("Which of the four?", form="answer", format=Choice(4), sampling=Sampling(max_tokens=64))
RUN, DIGITS = 6000, "9" * 5000
GARBAGE = {
    "newlines": "\n" * RUN, "spaces": " " * RUN, "digits": DIGITS, "brackets": "(" * RUN, "braces": "{" * RUN,
    "a fence": "```" + " " * RUN + "`", "a title": "Title" + " " * RUN, "an action": "ACTION" + ":" * RUN,
    "a fact": "Fact:" + "\n" * RUN, "a list": "- a" + " " * RUN + "b\n1. a" + " " * RUN + "b", "open tags": "<search><think><cheatsheet>" * 300,
    "numbers": f"1. a -> {DIGITS}\n{DIGITS}: {DIGITS}\nScore: {DIGITS}\nConfidence: {DIGITS}\ngo on; {DIGITS}; {DIGITS}; x",
    "steps": f"1. step {DIGITS}\n2. step {DIGITS}\nraise size {DIGITS}\nlower edge 1 {DIGITS}", "deep": '{"consensus": ' + "[" * RUN,
    "a verdict": '{"consensus": 5, "contradictions": {"a": null}, "blind_spots": [[1]], "unique_insights": NaN}',
    "no numbers": "Confidence: \u00b2\n\u00b2. a -> \u0663\nScore: nan\n\u00b2 \u00b2 \u00b2", "nothing to see": "\x00\u202e\u200b\ufeff" * 100,
}


@pytest.mark.parametrize("name", [name for name, cls in methods().items() if cls.level is Level.TEXT])
def test_whatever_members_say_the_method_ends(name: str) -> None:
    method = fitted(name, speakers()).method
    for what, text in GARBAGE.items():
        members = [speaker(who, "C", i, [text]) for i, who in enumerate("abc", 1)]
        began = time.process_time()
        try:
            answer(Team(method, members, standing=STANDING, **roles_for(method)), QUESTION)
        except NoAnswerError:
            pass
        assert time.process_time() - began < 4, f"{what}: too long"


UNITS = ["\n", " ", " \n", "- ", "-", "*", "1", "1. ", "(", "{", "`", "```\n", "|", "a|", "<cheatsheet>", "Title: ", "fact:", "advice:", "0.", ".", "a "]
READERS: dict[str, Callable[[str], object]] = {
    "facts": lambda text: extracted(text, "stage", "question"), "lessons": lambda text: lessons(text, 3), "code": code,
    "constraints": constraints, "reward": reward, "judged": judged, "sheet": lambda text: short(text, 2000), "skills": listed,
    "tagged": lambda text: tagged(text, "cheatsheet"), "verdict": parsed, "directions": Wiring.start(3, [0.5, 0.4, 0.3]).told,
    **{name: from_name(name).read for name in ("choice-4", "number", "exact", "yesno", "f1", "exact-red|green")},
}


@pytest.mark.parametrize("name", READERS)
def test_a_long_run_of_anything_is_read_soon(name: str) -> None:
    began = time.process_time()
    for opening in ("", "Title", "Fact:", "1.0", "- a", "```", "answer is ", "("):
        for unit in UNITS:
            READERS[name](opening + unit * (8000 // len(unit)) + "b")
    assert time.process_time() - began < 3
