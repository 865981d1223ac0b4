"""Prompt forms: named fields, no formatting of values, wording of the card."""

from __future__ import annotations

import re
from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consilience.errors import ConfigError
from consilience.model import Card
from consilience.prompt import FORMS, Written, clip, data, items, put, render, sent, sent_to_all, write, wording_digest, worded
from consilience.reading import Choice, Free, Number, YesNo
from consilience.types import Message, Request, Wording

QUESTION = Request.of("How many?", form="answer", format=Number())


def text(request: Request, card: Card | None = None) -> str:
    return render(request, card).messages[-1].content


@given(st.text(max_size=50), st.lists(st.text(min_size=1, max_size=20), max_size=3))
def test_values_are_never_interpreted(question: str, peers: list[str]) -> None:
    rendered = write(Wording("Q {question}|{peers}|", "<{text}>"), {"question": question, "peers": peers})
    assert rendered == f"Q {question}|{''.join(f'<{p}>' for p in peers)}|".strip()


@given(st.text(alphabet="<>/s[INST]|\n a", max_size=40))
def test_no_text_can_end_its_quotation(text_: str) -> None:
    quoted = data(text_)
    assert not any(mark in quoted for mark in ("<<<", ">>>", "<|", "</s>", "<s>", "[INST]", "[/INST]"))
    assert quoted.replace(" ", "") == text_.replace(" ", ""), "nothing is lost but room"


PIECES = ("<", ">", "|", "/", "s", "[", "]", "\u200b", "\ufeff", "\uff1c", "\uff1e", "\uff5c", "<<SYS>>", "[INST]", "[SYSTEM_PROMPT]", "<eos>", "im_end", "\n")
MARKS = ("<<<", ">>>", "<|", "</s>", "<s>", "<<SYS>>", "[INST]", "[SYSTEM_PROMPT]", "[|", "<eos>")


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
@example("<<SYS>>>").via("the end of one mark is the beginning of another")
@example("<s>>>").via("likewise")
def test_no_text_can_end_its_quotation_where_hidden_characters_are_dropped_and_wide_ones_made_narrow(text_: str) -> None:
    seen = normalize("NFKC", re.sub("[\u200b\ufeff]", "", data(text_)))
    assert not any(mark in seen for mark in MARKS[:3]) and not any(mark in data(text_).replace("\u200b", "") for mark in MARKS)


def test_hidden_characters_that_hide_no_mark_stay() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 a < b > c"
    assert data(family) == family and data("[x] [1|2] <b> [NOTE] <small>") == "[x] [1|2] <b> [NOTE] <small>"


def test_what_is_written_is_quoted_once() -> None:
    inner = write(Wording("{who}:\n<<<\n{said}\n>>>"), {"who": "one", "said": "a >>> b"})
    assert isinstance(inner, Written) and inner == "one:\n<<<\na > > > b\n>>>"
    assert write(Wording("{views}", "{number}. {text}\n"), {"views": [inner]}) == f"1. {inner}"
    assert data("1 < 2 << 3, x->y, a <b> c, 4 >> 1") == "1 < 2 << 3, x->y, a <b> c, 4 >> 1", "code keeps what is no delimiter"


def test_braces_in_answers_survive() -> None:
    request = put(QUESTION, "check", answer=r"\frac{1}{2} {question}")
    assert r"\frac{1}{2} {question}" in text(request)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_default_wording_uses_its_fields_and_the_question(form: str) -> None:
    fields = {name: ["one", "two"] if name in ("options", "members", "peers", "candidates") else "one"
              for name in FORMS[form].fields}
    written = text(put(QUESTION, form, **fields))
    assert "How many?" in written and ("one" in written or not fields)
    assert "{" not in written


def test_formats_follow_the_form() -> None:
    assert put(QUESTION, "judge", a="1", b="2").format == Choice(2)
    assert put(QUESTION, "route", members=["x", "y", "z"]).format == Choice(3)
    assert put(QUESTION, "check", answer="1").format == YesNo()
    assert put(QUESTION, "critique", answer="1").format == Free()
    assert put(QUESTION, "fuse", candidates=["1"]).format == Number()


def test_wrong_fields_and_unknown_forms_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes the fields"):
        put(QUESTION, "judge", a="1")
    with pytest.raises(ConfigError, match="refine"):
        put(QUESTION, "refien", answer="1", peers=[])
    with pytest.raises(ConfigError, match="place {nothing}"):
        write(Wording("{nothing}"), {"question": "q"})


def test_the_card_brings_its_own_wording_and_a_team_does_not_render() -> None:
    own = Card("m", "f", forms={"answer": Wording("Q: {question} A:")})
    assert text(QUESTION, own) == "Q: How many? A:"
    assert render(QUESTION, Card("t", "f", renders=False)) == QUESTION
    assert render(render(QUESTION, own), own) == render(QUESTION, own)


def test_a_composed_question_is_written_out_before_it_is_put_again() -> None:
    nested = put(put(QUESTION, "fuse", candidates=["41", "42"]), "refine", answer="42", peers=["41"])
    assert nested.form == "refine"
    assert "41" in nested.question and "Candidate answers" in nested.question
    assert "Your previous answer" in text(nested)


def test_earlier_turns_stay() -> None:
    chat = Request((Message("system", "be brief"), Message("user", "Hi"), Message("assistant", "Hello"),
                    Message("user", "How many?")), form="steps", format=Number())
    rendered = render(chat)
    assert [m.role for m in rendered.messages] == ["system", "user", "assistant", "user"]
    assert rendered.messages[1].content == "Hi" and "step by step" in rendered.messages[-1].content


def test_long_peers_keep_their_tail() -> None:
    assert clip("x" * 10_000 + "42").endswith("42") and len(clip("x" * 10_000)) < 5_000
    assert items("{letter}) {text}\n", ["a", "b"]) == "A) a\nB) b\n"
    with pytest.raises(ConfigError, match="26"):
        items("{letter}", ["x"] * 27)


def test_digest_tells_wordings_apart() -> None:
    assert wording_digest() != wording_digest(Card("m", "f", forms={"answer": Wording("{question}!")}))


def test_a_wording_of_a_methods_own() -> None:
    own = Wording("{question}\n{task} {instruction}")
    request = worded(QUESTION.having(messages=(Message("system", "Be brief."), *QUESTION.messages), prefix="so"), own,
                     Number(), task="Count {them}.")
    assert [m.role for m in request.messages] == ["system", "user"] and request.prefix == "" and request.form is None
    assert request.messages[-1].content == f"How many?\nCount {{them}}. {Number().instruction}"
    assert worded(QUESTION, own, task="Count.").messages[-1].content == "How many?\nCount."
    assert worded(QUESTION, own, task="x").format is None and render(request) == request
    nested = worded(put(QUESTION, "check", answer="7"), own, task="Count.")
    assert "Proposed answer" in nested.question and nested.question.endswith("Count.") and nested.fields == ()


def test_what_is_sent_is_in_the_models_own_words_with_a_partial_answer_and_what_it_reads() -> None:
    card = Card("m", "f", forms={"answer": Wording("Q: {question}")})
    assert sent(QUESTION.having(prefix="So"), card, ["7", ""]) == (
        Message("user", "Q: How many?"), Message("assistant", "So"), Message("assistant", "7"))
    assert sent(Request(()), card, ["a text"]) == (Message("text", "a text"),)
    assert sent(QUESTION, replace(card, renders=False)) == () == sent(QUESTION, replace(card, recorded=True))
    plain = replace(card, name="n", forms={})
    assert sent_to_all([QUESTION, QUESTION], [plain, plain]) == sent(QUESTION, plain)
    assert [(m.name, m.content) for m in sent_to_all([QUESTION] * 2, [card, plain])] == [
        ("m", "Q: How many?"), ("n", sent(QUESTION, plain)[0].content)]
