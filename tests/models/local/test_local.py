"""A local checkpoint as a model."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from consilience.decode.tensors import Alone, MeanLogits
from consilience.decode.text import Thinking
from consilience.errors import ConfigError, ModelError, TeamError
from consilience.model import Continue, NextTokens, Price, Score, Verify, Weights, powers_of
from consilience.models.local import LocalHost, LocalModel
from consilience.types import Draws, Message, Request, Sampling, Scope
from tests.models.local.tiny import SPECIAL, checkpoint, network

GREEDY = Request.of("Hello", sampling=Sampling(temperature=0, max_tokens=12))
WARM = Request.of("Hello", sampling=Sampling(temperature=1.0, max_tokens=12))
pytestmark = pytest.mark.anyio
LOGPROBS = Scope(extras=frozenset({"logprobs"}))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for name, family, seed in (("a", "llama", 0), ("b", "llama", 1), ("c", "qwen2", 2), ("judge", "verifier", 3)):
        checkpoint(root / name, family, seed)
    checkpoint(root / "other", "llama", 0, extra=("th",))
    checkpoint(root / "bare", "llama", 0, template=None)
    return root


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with LocalHost(memory=1 << 30) as made:
        yield made


@pytest.fixture
def model(folder: Path, host: LocalHost) -> LocalModel:
    return LocalModel(folder / "a", host=host, price=Price(1.0, 2.0))


async def test_greedy_text_is_that_of_generate(model: LocalModel) -> None:
    [reply] = await model.generate(GREEDY)
    net, words = network("llama"), model.chat.tokenizer
    text = "<s><|user|>Hello<|end|><|assistant|>"
    ids = words(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    assert model.chat.ids(model.chat.prompt(GREEDY, model.card).text) == tuple(ids[0].tolist())
    assert ids[0].tolist().count(words.bos_token_id) == 1
    out = net.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
                       pad_token_id=words.pad_token_id, eos_token_id=words.eos_token_id)
    assert reply.text == words.decode(out[0, ids.shape[1]:], skip_special_tokens=True)
    assert reply.usage.prompt_tokens == ids.shape[1]
    assert reply.cost == pytest.approx((ids.shape[1] + 2 * reply.usage.completion_tokens) / 1e6)
    assert reply.seconds > 0 and reply.model == "a"


async def test_draws_are_named_by_request_stream_and_index_alone(model: LocalModel, folder: Path) -> None:
    three = [r.text for r in await model.generate(WARM, Draws(3))]
    assert len(set(three)) == 3
    [second] = await model.generate(WARM, Draws(1, first=1))
    assert second.text == three[1] and second.draw == 1
    crowd = await asyncio.gather(*(model.generate(WARM.having(seed=s), Draws(2)) for s in range(30)))
    assert [r.text for r in crowd[0]] == three[:2]
    assert crowd[1][0].text != three[0]
    assert (await model.generate(WARM, Draws(1, 0, "other")))[0].text != three[0]
    again = LocalModel(folder / "a", host=model.host, name="renamed")
    assert (await again.generate(WARM, Draws(1, 2)))[0].text == three[2]


async def test_stream_is_generate_in_pieces(model: LocalModel) -> None:
    request = WARM.sampled(max_tokens=40, stop=("7",))
    [whole] = await model.generate(request, Draws(1, 4))
    events = [event async for event in model.stream(request, Draws(1, 4))]
    assert [e.kind for e in events[:-1]] == ["delta"] * (len(events) - 1) and len(events) > 2
    assert events[-1].reply is not None and events[-1].reply.text == "".join(e.text for e in events[:-1]) == whole.text


async def test_stop_strings_are_cut_off(model: LocalModel) -> None:
    [free] = await model.generate(GREEDY.sampled(max_tokens=30))
    assert free.text is not None
    mark = free.text[2:4]
    [cut] = await model.generate(GREEDY.sampled(max_tokens=30, stop=(mark, "never seen")))
    assert cut.text == free.text[:free.text.index(mark)] and cut.stop == "stop"
    assert cut.usage.completion_tokens < 30
    [whole] = await model.generate(GREEDY.sampled(max_tokens=30, stop=("never seen",)))
    assert (cut.note["stopped"], whole.note["stopped"]) == (True, False) and "stopped" not in free.note


async def test_logprobs_score_and_next_agree_with_a_plain_forward(model: LocalModel) -> None:
    [reply] = await model.generate(GREEDY, scope=LOGPROBS)
    assert reply.tokens is not None
    net = network("llama")
    text = "Yes, it is"
    scored = await model.power(Score).score(GREEDY, text)          # type: ignore[union-attr]
    prompt = model.chat.ids(model.chat.prompt(GREEDY, model.card).text)
    ids = (*prompt, *model.chat.tokenizer(text, add_special_tokens=False)["input_ids"])
    log_p = torch.log_softmax(net(torch.tensor([ids])).logits[0], -1)
    wanted = [float(log_p[i - 1, ids[i]]) for i in range(len(prompt), len(ids))]
    assert [t.logprob for t in scored.value] == pytest.approx(wanted, abs=1e-4)
    assert "".join(t.text for t in scored.value) == text
    single = (await model.next(GREEDY, ["Y", "N"])).value
    assert single == pytest.approx([float(log_p[len(prompt) - 1, model.chat.tokenizer.convert_tokens_to_ids(c)])
                                    for c in "YN"], abs=1e-4)
    several = (await model.next(GREEDY, ["Y", "Yes, it is"])).value
    assert several == pytest.approx([single[0], sum(wanted)], abs=1e-4)
    assert scored.usage.prompt_tokens == len(ids) and scored.cost == pytest.approx(len(ids) / 1e6)


async def test_a_partial_answer_is_continued(model: LocalModel) -> None:
    [whole] = await model.generate(GREEDY, scope=LOGPROBS)
    assert whole.text is not None and whole.tokens is not None
    prompt = model.chat.prompt(GREEDY.having(prefix="The answer"), model.card)
    assert prompt.text.endswith("<|assistant|>The answer")
    assert model.power(Continue) is not None


async def test_lockstep_needs_one_vocabulary_and_one_host(model: LocalModel, folder: Path, host: LocalHost) -> None:
    members = [model, LocalModel(folder / "b", host=host), LocalModel(folder / "c", host=host, price=Price(1, 1))]
    assert model.refuses(members) is None
    [reply] = await model.decode(members, [GREEDY] * 3, MeanLogits(), Draws(), LOGPROBS)
    assert reply.usage.calls == 3 and reply.usage.completion_tokens == 3 * 12
    assert reply.cost is None           # one member's price is unknown
    [single] = await model.generate(GREEDY)
    [twin] = await model.decode([model, LocalModel(folder / "a", host=host)], [GREEDY] * 2, MeanLogits(), Draws(), Scope())
    assert twin.text == single.text
    [alone] = await model.decode([model], [GREEDY], Alone(), Draws(), Scope())
    assert alone.text == single.text
    stranger = LocalModel(folder / "other", host=host)
    assert "vocabularies differ: other" in str(model.refuses([model, stranger]))
    with pytest.raises(TeamError, match="one tokenizer"):
        await model.decode([model, stranger], [GREEDY] * 2, MeanLogits(), Draws(), Scope())
    with LocalHost(memory=1 << 30) as second:
        with pytest.raises(TeamError, match="one local host"):
            await model.decode([model, LocalModel(folder / "b", host=second)], [GREEDY] * 2, MeanLogits(), Draws(), Scope())


async def test_prompts_that_fill_the_context_are_refused_and_others_cut(model: LocalModel) -> None:
    with pytest.raises(ModelError, match="600.*context of 512") as caught:
        await model.generate(Request.of("x" * (600 - 4)))
    assert caught.value.reason == "context"
    [reply] = await model.generate(Request.of("x" * 500, sampling=Sampling(temperature=0, max_tokens=400)))
    assert reply.stop == "length" and reply.usage.prompt_tokens + reply.usage.completion_tokens == 512
    with pytest.raises(ModelError, match="context of 512"):
        await model.score(GREEDY, "y" * 600)
    with pytest.raises(ModelError, match="tools"):
        await model.generate(GREEDY.having(tools=("t",)))


async def test_a_verifier_only_rates(folder: Path, host: LocalHost) -> None:
    judge = LocalModel(folder / "judge", host=host)
    assert powers_of(judge) == {"Verify", "Weights"} == judge.card.powers
    assert judge.power(NextTokens) is None
    got = await judge.power(Verify).verify(GREEDY, ["yes", "no, certainly not"])        # type: ignore[union-attr]
    net = network("verifier", seed=3)
    net.config.pad_token_id = judge.chat.tokenizer.pad_token_id
    for value, answer in zip(got.value, ["yes", "no, certainly not"], strict=True):
        text = f"<s><|user|>Hello<|end|><|assistant|>{answer}<|end|>"
        ids = judge.chat.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        assert value == pytest.approx(float(net(ids).logits[0, 0]), abs=1e-4)
    with pytest.raises(ModelError, match="verifier"):
        await judge.generate(GREEDY)


async def test_hidden_states_and_embeddings(model: LocalModel) -> None:
    states = (await model.hidden(GREEDY, "abc")).value
    ids = model.chat.ids(model.chat.prompt(GREEDY, model.card).text + "abc")
    plain = network("llama")(torch.tensor([ids]), output_hidden_states=True).hidden_states
    assert states.shape == (3, 3, 32) and states.dtype.name == "float32"
    for layer, wanted in zip(states, plain, strict=True):
        torch.testing.assert_close(torch.from_numpy(layer), wanted[0, -3:].detach(), atol=1e-4, rtol=0)
    vectors = (await model.embed(["abc", "a longer text", "abc"])).value
    assert vectors.shape == (3, 32)
    assert (vectors[0] == vectors[2]).all()


async def test_base_models_get_plain_text(folder: Path, host: LocalHost) -> None:
    bare = LocalModel(folder / "bare", host=host)
    assert bare.chat.prompt(GREEDY.having(prefix=" well"), bare.card).text == "Hello well"
    talk = Request((Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "Why")))
    assert bare.chat.prompt(talk, bare.card).text == "Be brief.\n\nUser: Hi\n\nAssistant: Yes?\n\nUser: Why\n\nAssistant:"
    assert (await bare.generate(GREEDY))[0].text is not None


async def test_thinking_goes_to_reasoning(folder: Path, host: LocalHost, tmp_path: Path) -> None:
    opened = shutil.copytree(folder / "a", tmp_path / "thinker")
    template = (opened / "chat_template.jinja").read_text()
    (opened / "chat_template.jinja").write_text(template.replace("<|assistant|>{% endif", "<|assistant|><think>\n{% endif"))
    thinker = LocalModel(opened, host=host)
    assert thinker.card.fingerprint != LocalModel(folder / "a", host=host).card.fingerprint
    [silent] = await thinker.generate(GREEDY)
    assert silent.text == "" and silent.reasoning and silent.stop == "length"
    raw = silent.reasoning
    at = next(i for i in range(2, len(raw) - 2) if raw[i].isprintable() and raw[i] not in raw[:i] + " \ufffd")
    marked = LocalModel(opened, host=host, thinking=Thinking("<think>", raw[at]))
    [spoken] = await marked.generate(GREEDY)
    assert spoken.reasoning == raw[:at].strip() and spoken.text == raw[at + 1:].lstrip()
    assert (await LocalModel(opened, host=host, thinking=["<think>", raw[at]]).generate(GREEDY))[0].text == spoken.text
    assert (await LocalModel(opened, host=host, thinking=False).generate(GREEDY))[0].text == raw
    with pytest.raises(ConfigError, match="two marks"):
        LocalModel(opened, host=host, thinking="</think>").chat
    events = [e async for e in marked.stream(GREEDY)]
    assert "".join(e.text for e in events[:-1]) == spoken.text
    assert thinker.chat.prompt(GREEDY.having(prefix="So"), thinker.card).text.endswith("<think>\n\n</think>\n\nSo")


async def test_several_end_tokens(folder: Path, host: LocalHost, tmp_path: Path) -> None:
    [free] = await LocalModel(folder / "a", host=host).generate(GREEDY, scope=LOGPROBS)
    model = LocalModel(folder / "a", host=host)
    prompt = model.chat.ids(model.chat.prompt(GREEDY, model.card).text)
    fourth = network("llama").generate(torch.tensor([prompt]), max_new_tokens=4, do_sample=False, pad_token_id=0)[0, -1]
    ended = shutil.copytree(folder / "a", tmp_path / "ended")
    facts = json.loads((ended / "generation_config.json").read_text())
    (ended / "generation_config.json").write_text(json.dumps({**facts, "eos_token_id": [int(fourth), 261]}))
    [reply] = await LocalModel(ended, host=host).generate(GREEDY, scope=LOGPROBS)
    assert reply.stop == "stop" and reply.usage.completion_tokens <= 4
    assert reply.tokens == free.tokens[:len(reply.tokens)]      # type: ignore[index, arg-type]


async def test_an_adapter_is_peft_s_model_and_has_a_whole_checkpoint(folder: Path, host: LocalHost, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model
    torch.manual_seed(7)
    net = get_peft_model(network("llama"), LoraConfig(r=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM",
                                                      init_lora_weights=False))
    net.save_pretrained(tmp_path / "adapter")
    facts = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        json.dumps({**facts, "base_model_name_or_path": str(folder / "a")}))
    adapted = LocalModel(tmp_path / "adapter", host=host, price=Price(1, 1))
    base = LocalModel(folder / "a", host=host)
    assert adapted.card.fingerprint != base.card.fingerprint and adapted.card.parameters == base.card.parameters
    wanted = PeftModel.from_pretrained(network("llama"), str(tmp_path / "adapter")).eval()
    ids = adapted.chat.ids(adapted.chat.prompt(GREEDY, adapted.card).text + "abc")
    log_p = torch.log_softmax(wanted(torch.tensor([ids])).logits[0], -1)
    got = (await adapted.score(GREEDY, "abc")).value
    assert [t.logprob for t in got] == pytest.approx([float(log_p[i - 1, ids[i]]) for i in range(-3, 0)], abs=1e-4)
    whole = adapted.power(Weights).path                             # type: ignore[union-attr]
    assert sorted(f.name for f in whole.glob("*.safetensors")) == ["model.safetensors"]
    child = adapted.sibling(whole, "child")
    assert child.card.price == Price(1, 1) and child.card.name == "child"
    assert [t.logprob for t in (await child.score(GREEDY, "abc")).value] == pytest.approx([t.logprob for t in got], abs=1e-4)
    assert base.power(Weights).path == folder / "a"                 # type: ignore[union-attr]


def test_special_tokens_of_the_template_are_single_ids(model: LocalModel) -> None:
    ids = model.chat.ids("".join(SPECIAL))
    assert len(ids) == len(SPECIAL)
