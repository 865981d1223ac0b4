"""From a request to ids, and from ids to text."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from consilience.decode.text import Watcher
from consilience.errors import ModelError
from consilience.model import Card
from consilience.models.local.chat import Chat
from consilience.prompt import put
from consilience.types import Message, Request, Wording
from tests.models.local.tiny import TEMPLATE, tokenizer

CARD = Card("m", "f")


def spaced() -> PreTrainedTokenizerFast:
    """A tokenizer that marks spaces in front of words, as SentencePiece's do."""
    words = ["<unk>", "▁the", "▁cat", "▁sat", "s", "</s>"]
    inner = Tokenizer(models.Unigram([(w, -1.0) for w in words], unk_id=0))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")


def test_forms_are_written_in_the_cards_wording() -> None:
    chat = Chat(tokenizer())
    card = Card("m", "f", forms={"check": Wording("{question} -> {answer}?")})
    request = put(Request.of("1+1"), "check", answer="2")
    assert chat.prompt(request, card).text == "<s><|user|>1+1 -> 2?<|end|><|assistant|>"
    assert "Proposed answer" in chat.prompt(request, CARD).text


def test_one_beginning_token_with_and_without_a_template() -> None:
    chat = Chat(tokenizer())
    bos = chat.tokenizer.bos_token_id
    assert chat.ids(chat.prompt(Request.of("x"), CARD).text).count(bos) == 1
    from tokenizers.processors import TemplateProcessing
    adds = tokenizer(None)
    adds._tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    plain = Chat(adds)
    assert plain.ids("x")[0] == bos and plain.ids("x").count(bos) == 1
    assert plain.ids("<s>x").count(bos) == 1


def test_a_system_message_that_the_template_refuses_joins_the_first_user_message() -> None:
    strict = TEMPLATE.replace("{% for m in messages %}", "{% for m in messages %}{% if m.role == 'system' %}"
                              "{{ raise_exception('no system role') }}{% endif %}")
    talk = Request((Message("system", "Be brief."), Message("user", "Why?")))
    assert Chat(tokenizer(strict)).prompt(talk, CARD).text == "<s><|user|>Be brief.\n\nWhy?<|end|><|assistant|>"
    never = TEMPLATE + "{{ raise_exception('never') }}"
    with pytest.raises(ModelError, match=r"roles \['user'\].*never"):
        Chat(tokenizer(never)).prompt(Request.of("x"), CARD)


@pytest.mark.parametrize("mistake", ["{{ messages[0]['content'] + 1 }}", "{{ 1 / 0 }}", "{{ nobody.there }}", "{{ '%d' % 'x' }}"])
def test_a_template_with_a_mistake_fails_its_member_only(mistake: str) -> None:
    with pytest.raises(ModelError, match="chat template"):
        Chat(tokenizer(TEMPLATE + mistake)).prompt(Request.of("x"), CARD)


def test_text_and_its_place_in_the_ids() -> None:
    chat = Chat(tokenizer())
    ids, start = chat.after("<s><|user|>hi<|end|><|assistant|>", "you")
    assert chat.text(ids[start:]) == "you" and len(ids) - start == 3
    merged = Chat(tokenizer(None, extra=("th",)))
    ids, start = merged.after("", "ab")
    assert start == 1 and len(ids) == 2         # nothing stands before the first token, so it has no probability


def test_a_text_that_goes_on_keeps_its_space() -> None:
    chat = Chat(spaced())
    ids = chat.tokenizer("the cat sat", add_special_tokens=False)["input_ids"]
    assert chat.text(ids[1:]) == "cat sat"
    assert chat.text(ids[1:], ids[:1]) == " cat sat"
    pieces: list[str] = []
    watcher = Watcher(chat.text, lambda raw: ("", raw), (), pieces.append, ids[:1])
    for n in (2, 3):
        watcher(ids[1:n])
    assert pieces == [" cat", " sat"]
    assert chat.prompt(Request.of("x"), CARD).goes_on
    assert not Chat(tokenizer()).prompt(Request.of("x"), CARD).goes_on
    assert Chat(tokenizer()).prompt(Request.of("x", prefix="The"), CARD).goes_on
