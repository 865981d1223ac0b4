"""From rows to tasks: duplicates, splits, forms, options in the question."""

import pytest

from consilience.errors import ConfigError, TaskError
from consilience.reading import Choice, Exact, Number
from consilience.tasks.build import Options, Row, as_format, build, choice, listed, with_options
from consilience.tasks.task import content
from consilience.types import Sampling


def rows(n: int, split: str = "") -> list[Row]:
    return [Row(str(i), f"What is {i} + 1?", (str(i + 1),), Number(), split=split) for i in range(n)]


def test_one_split_is_divided_by_content_and_for_ever() -> None:
    whole, part = build("sums", rows(200), Options(), "here"), build("sums", rows(100), Options(), "here")
    assert {e.id for e in part.dev} == {e.id for e in whole.dev if int(e.id) < 100}
    assert 70 < len(whole.dev) < 130 and not {content(e) for e in whole.dev} & {content(e) for e in whole.test}
    assert len(build("sums", rows(200), Options(dev_share=0.1), "here").dev) < 40


def test_duplicates_are_dropped_and_test_keeps_them() -> None:
    made = build("sums", [*rows(4, "dev"), *rows(2, "test"), Row("9", "what  is 1 + 1?", ("2",), Number(), split="test")], Options(), "here")
    assert [e.id for e in made.dev] == ["2", "3"] and len(made.test) == 2 and made.dropped == {"duplicate": 3}


def test_equal_ids_become_distinct() -> None:
    made = build("x", [Row("7", "one?", ("1",), Number(), split="dev"), Row("7", "two?", ("2",), Number(), split="test")], Options(), "")
    assert made.dev[0].id == "7" and made.test[0].id.startswith("7~")


def test_same_text_beside_other_material_is_another_question() -> None:
    pair = [Row(str(i), "Which is better?", ("1",), Number(), split="", beside=f"pair {i}") for i in range(2)]
    made = build("x", [*pair, *rows(50)], Options(), "")
    assert not made.dropped and len({e.id in {d.id for d in made.dev} for e in (*made.dev, *made.test) if e.id in "01" and "better" in e.question}) == 1


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(TaskError, match="the test split of sums .* is empty: 3 questions"):
        build("sums", rows(3, "dev"), Options(), "here")
    with pytest.raises(TaskError, match="line 4: the question is empty"):
        build("x", [Row("1", " ", ("1",), Number(), where="f, line 4")], Options(), "")


def test_limit_is_a_fixed_choice() -> None:
    few, more = (build("s", rows(100), Options(limit=n), "") for n in (5, 9))
    assert len(few.dev) == len(few.test) == 5 and {e.id for e in few.test} < {e.id for e in more.test}


def test_forms_formats_and_sampling() -> None:
    text = Row("t", "Name it.", ("x",), Exact())
    made = build("x", [*rows(40), text], Options(), "")
    forms = {e.request.format.name: e.request.form for e in (*made.dev, *made.test)}  # type: ignore[union-attr]
    assert forms == {"number/1": "steps", "exact/1": "answer"}
    over = build("x", rows(40), Options(form="answer", format=Exact(), sampling=Sampling(max_tokens=7), seed=3, name="mine"), "")
    request = over.test[0].request
    assert (request.form, request.format, request.sampling.max_tokens, request.seed, over.name) == ("answer", Exact(), 7, 3, "mine")


def test_options_are_written_once() -> None:
    texts = ("red", "blue")
    assert with_options("Which? ", texts) == "Which?\nA) red\nB) blue"
    for given in ("Which?\nA. red\nB. blue", "Which? (A) red (B) blue"):
        assert listed(given, texts) and with_options(given, texts) == given
    assert with_options("Open?", ()) == "Open?"


@pytest.mark.parametrize(("bad", "message"), [
    ({"form": "rap"}, "'answer' or 'steps'"), ({"limit": 0}, "at least 1"), ({"dev_share": 1.0}, "between 0 and 1")])
def test_wrong_options(bad: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Options(**bad)  # type: ignore[arg-type]


def test_formats_from_names_and_descriptions() -> None:
    assert as_format("choice-4", "f") == Choice(4) and as_format({"name": "exact", "among": ["a", "b"]}, "f") == Exact(("a", "b"))
    with pytest.raises(TaskError, match="line 3: unknown answer format 'nubmer'.* 'number'"):
        as_format("nubmer", "f, line 3")
    with pytest.raises(TaskError, match="line 3: a choice has 2 to 26"):
        choice(("one",), "f, line 3")
