"""Prompts begin with what they share: the question first, the changing part last."""

from __future__ import annotations

import re

import pytest

from consilience.registry import methods
from consilience.team import Team
from consilience.wordings import wordings_of
from tests.members import Scripted
from tests.methods.prefixes import NAMES, QUESTION, asked, known, texts
from tests.methods.test_contract import answer

BEFORE = {
    ("dynamic-cheatsheet", "curate"): "the sheet is what the questions of a stream share",
    ("dynamic-cheatsheet", "synthesise"): "the sheet is what the questions of a stream share",
    ("insight-to-solve", "compare"): "worked examples stand first in the paper, and the next prompt begins with them too",
    ("insight-to-solve", "insight"): "it is asked about the examples, not the question",
    ("insight-to-solve", "solve"): "the paper solves with the insights before the question; one call",
    ("knowledge-card", "answer"): "the paper answers with the knowledge before the question; one call",
    ("xolver", "expert"): "the paper's experts are told their role first",
    ("agent-reinforce", "seek"): "asked while fitting, of no question",
    ("cochain", "extract"): "asked while fitting: questions of a stage share it",
}
"""Wordings in which something stands before the question, and why."""
REPLIES = {("meta-prompting", "heard"), ("multiagent-debate", "turn"), ("reconcile", "view"), ("blackboard", "entry")}
"""What goes on a conversation that the question has opened, and what other prompts quote: no question in it."""


@pytest.mark.parametrize("name", NAMES)
def test_the_question_stands_before_all_that_changes(name: str) -> None:
    late = {(name, prompt) for prompt, wording in wordings_of(methods()[name]).items()
            if re.findall(r"\{([a-z]+)\}", wording.text)[:1] != ["question"]}
    assert late - REPLIES == {key for key in BEFORE if key[0] == name}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {name for name, _ in BEFORE}])
def test_nothing_but_fixed_words_stands_before_the_question_when_it_is_asked(name: str) -> None:
    fixed = {"[user]", *("[user]" + wording.text.partition("{question}")[0] for wording in wordings_of(methods()[name]).values())}
    begun = {text.partition(QUESTION.question)[0] for member in asked(name) for text in texts(member) if QUESTION.question in text}
    assert begun and begun <= fixed


def test_what_is_known_is_the_longest_beginning_of_an_earlier_text() -> None:
    assert known(["abc", "abd", "xab", "abdz"]) == 0 + 2 + 0 + 3 and known([]) == 0
    member = Scripted("a", ["A"])
    for _ in range(2):
        answer(Team(methods()["majority-vote"](), [member]), QUESTION)
    assert known(texts(member)) == len(texts(member)[0])
