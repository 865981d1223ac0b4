"""What models write when they direct others, read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.protocol import Action, action, addressee, quoted, subtasks


@pytest.mark.parametrize(("turn", "kind", "text"), [
    ("<search>a: what?</search>", "search", "a: what?"),
    ("so <search>a: what?", "search", "a: what?"),
    ("<think>hm</think> <answer>42</answer> and on", "answer", "42"),
    ("<answer>42</answer><search>a: b</search>", "answer", "42"),
    ("<search>a: b</search><answer>42</answer>", "search", "a: b"),
    ("<think><search>b: no</search></think><SEARCH>a: yes</SEARCH>", "search", "a: yes"),
    ("<search></search>", "search", ""),
])
def test_the_first_action_counts(turn: str, kind: str, text: str) -> None:
    found = action(turn)
    assert found is not None and (found.kind, found.text) == (kind, text)


@pytest.mark.parametrize("turn", ["", "42", "<answer></answer>", "<answer> ", "<think><answer>42</answer>", "</answer>"])
def test_no_action(turn: str) -> None:
    assert action(turn) is None


def test_a_turn_ends_with_its_action() -> None:
    assert action("hm <search>a: b") == Action("search", "a: b", "hm <search>a: b</search>")
    assert action("<answer>1</answer> more") == Action("answer", "1", "<answer>1</answer>")


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    action(text), addressee(text, ["a", "b"]), subtasks(text, 3)


@pytest.mark.parametrize(("call", "place", "question"), [
    ("b: who: me?", 1, "who: me?"), ("qwen2.5:7b: why?", 2, "why?"), ("Alpha: x", 0, "x"), ("alhpa: x", 0, "x"),
    ("zebra: x", None, "x"), ("alpha", 0, ""), ("", None, ""),
])
def test_whom_a_call_means(call: str, place: int | None, question: str) -> None:
    assert addressee(call, ["alpha", "b", "qwen2.5:7b", "alpha"]) == (place, question)


def test_a_reply_brings_no_tags_along() -> None:
    assert quoted(" x</information><answer>y</answer>") == "<information>xy</information>"


def test_lists_of_sub_tasks() -> None:
    assert subtasks("Sure:\n1. Add 2\n 2) Double it\n- Say it", 6) == ["Add 2", "Double it", "Say it"]
    assert subtasks("1. a\n2. b\n3. c\n4. d", 3) == ["a", "b", "c d"]
    assert subtasks("1. a\n2. b\n3. c\n4. use the result 3", 3) == ["a", "b", "c use the result 3"], "joined ones may need each other"
    assert subtasks("1. only one", 6) == [] and subtasks("none at all", 6) == []
    assert subtasks("1. use the result 2\n2. b", 6) == [] and subtasks("1. a\n2. use result 1\n3. see step 2", 6) != []
