"""The visible part of a reply and the span that states its answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.reading.text import answered, asks, boxed, cut, json_answer, last_sentence, plain, refuses, sets, stated, visible, words


@pytest.mark.parametrize(("text", "seen"), [
    ("  C ", "C"), ("<think>A or B</think> C", "C"), ("thinking only</think>\nC", "C"), ("<think>never closed: C", ""),
    ("<think>one</think>draft<think>two</think>last", "last"), ("C <think>again", ""), ("", ""),
])
def test_only_what_follows_the_mark_is_seen(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(("text", "found"), [
    ('<think>x</think>{"answer": "*2*"}', ('{"answer": "*2*"}', "*2*")), ("**The answer is 4.**", ("The answer is 4.", "4.")),
    ("It is late.", ("It is late.", None)),
])
def test_what_is_answered(text: str, found: tuple[str, str | None]) -> None:
    assert answered(text) == found


@pytest.mark.parametrize(("text", "inside"), [
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"), (r"first \boxed{1} then \boxed{2}", "2"), (r"\boxed {C}", "C"), (r"\box{x}", "x"),
    (r"\boxed{4", None), (r"\boxed{3} and \boxed{4", "3"), ("a box of {things}", None), (r"\boxed{) ) }}", ") ) }"),
    (r"$\boxed{4}$", "4"), (r"\frac{\boxed{3}}{2}", "3"),
])
def test_the_last_balanced_box(text: str, inside: str | None) -> None:
    assert boxed(text) == inside


@pytest.mark.parametrize(("text", "value"), [
    ('{"reasoning": "1 + 1", "answer": "2"}', "2"), ('```json\n{"answer": 2}\n```', "2"), ('{"answer": "broken', "broken"),
    ('{"answer": $4,}', "$4"), ("{'answer': 'single'}", "single"), ('{"answer": [1, 2]}', "[1, 2]"), ("The answer: 2", None),
    ('{"answer": "1"} Sorry: {"answer": "2"}', "1"), ('{"answer": "a \\"b\\""}', 'a "b"'), ('{"reasoning": "none"}', None),
])
def test_the_first_json_document_is_the_reply(text: str, value: str | None) -> None:
    assert json_answer(text) == value


@pytest.mark.parametrize(("text", "span"), [
    ("So the answer is 42.", "42."), ("**Final Answer:**\n\nx = 2", "x = 2"), ("The answer is not clear.", None),
    ("The answer is 1. No, the answer is 2.", "2."), ("A: 05/01/2021", "05/01/2021"), ("work\n#### 18", "18"),
    ("The answer is Not My Responsibility", "Not My Responsibility"), ("nothing here", None),
    ("I say\n<answer>gold</answer>", "gold"), ("<answer>a</answer> or <Final_Answer> b </Final_Answer>", "b"), ("an empty <answer></answer>", None),
])
def test_the_stated_span(text: str, span: str | None) -> None:
    assert stated(plain(text)) == span


@pytest.mark.parametrize(("span", "kept"), [
    ("gold, which completes the solution.", "gold"), ("yes, because it is", "yes"), ("42 because 6*7=42", "42"),
    ("18. That is all.", "18"), ("J. R. R. Tolkien.", "J. R. R. Tolkien"), ("Arnett v. Kennedy", "Arnett v. Kennedy"),
    ("Christmas Island, Other Territories", "Christmas Island, Other Territories"), ("U.S. Route 5", "U.S. Route 5"),
])
def test_explanations_are_cut_off_and_names_are_not(span: str, kept: str) -> None:
    assert cut(span) == kept


def test_emphasis_goes_and_products_stay() -> None:
    assert plain("**C** and __D__ and `E`") == "C and D and E"
    assert plain("2**3 * 4**5") == "2**3 * 4**5"


def test_questions_tasks_and_refusals_are_known() -> None:
    assert asks("In which city was he born?") and not asks("Paris.") and not asks("Who Is Princess?")
    assert sets("Compute $2 + 2$.") and sets("What is 2 + 2?") and not sets("We compute 2 + 2 = 4.")
    assert not refuses("I can't get no satisfaction") and refuses("I won\u2019t answer.") and refuses("I must decline.")
    assert refuses("I cannot help with that.") and refuses("I'm sorry, but no") and not refuses("I think it is 4.")


def test_last_sentence_keeps_initials() -> None:
    assert last_sentence("One. He is George W. Bush.") == "He is George W. Bush."


def test_words_keep_something() -> None:
    assert words("The red, red car!") == ["red", "red", "car"]
    assert words("A") == ["a"] and words("?!") == ["?!"] and words("") == []


@given(st.text(max_size=400))
def test_nothing_raises(text: str) -> None:
    for call in (visible, plain, boxed, json_answer, stated, cut, asks, sets, refuses, words):
        call(text)


@pytest.mark.parametrize("piece", ["answer ", "the answer is ", "**a ", r"\boxed{", '"answer": ', "answer (a b c) ", "A, ", "$1 ", ", which "])
def test_long_repetitive_texts_stay_quick(piece: str) -> None:
    text = piece * 20_000
    start = time.process_time()
    stated(plain(visible(text)))
    assert time.process_time() - start < 3
