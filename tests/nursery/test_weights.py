"""The shipped members are what their cards say, and ordinary Transformers folders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from consilience import nursery

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

POOL = nursery.pool_cards()
CARDS = {card["name"]: card for card in POOL["members"]}
MODELS = [name for name, card in CARDS.items() if card["kind"] not in ("adapter", "verifier")]


def folder(name: str) -> Path:
    return nursery.FOLDER / CARDS[name]["folder"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_weights_fit_and_are_the_ones_described() -> None:
    files = list(nursery.WEIGHTS.rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in files) <= 30_000_000
    described = {nursery.FOLDER / card["folder"] / name: digest for card in CARDS.values() for name, digest in card["sha256"].items()}
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == described


def test_groups_name_members() -> None:
    assert set(POOL["groups"]["main"]) == {"harbor", "garden", "museum", "kitchen"}
    assert {name for members in POOL["groups"].values() for name in members} == set(CARDS)


def test_prices_are_proportional_to_parameters() -> None:
    for card in CARDS.values():
        assert card["price"]["prompt"] == pytest.approx(card["parameters"] * 1e-7, rel=0.01)
        assert card["price"]["completion"] == pytest.approx(4 * card["price"]["prompt"], rel=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_members_load_and_answer(name: str) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder(name), dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder(name))
    assert tokenizer.model_input_names == ["input_ids", "attention_mask"]
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.max_position_embeddings >= 1024
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 4 + 5? \u00e9\u4e2d\U0001f600"}]
    batch = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    reply = model.generate(**batch, max_new_tokens=4, do_sample=False)
    assert reply.shape[1] > batch["input_ids"].shape[1]


def test_any_text_survives_the_tokenizers() -> None:
    for name in ("base", *POOL["groups"]["second"]):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder(name))
        for text in ("Answer: 42, na\u00efve \u4e2d\u6587 \U0001f600\n\ttabs", "  two  spaces ", "A) x\nB) y"):
            assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_templates_continue_a_partial_answer() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder("base"))
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "the answer"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False).endswith("<|assistant|>the answer<|end|>")
    assert tokenizer.apply_chat_template(chat, tokenize=False, continue_final_message=True).endswith("<|assistant|>the answer")
    assert tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True) == "<|begin|><|user|>Hi<|end|><|assistant|>"


def test_adapters_belong_to_the_base() -> None:
    peft = pytest.importorskip("peft")
    from consilience.nursery.checkpoints import read_adapter, read_member
    from consilience.nursery.net import causal, hidden

    params, shape, _ = read_member(folder("base"))
    for name in POOL["groups"]["adapters"]:
        base = transformers.AutoModelForCausalLM.from_pretrained(folder("base"), dtype=torch.float32)
        model = peft.PeftModel.from_pretrained(base, str(folder(name))).eval()
        ids = torch.arange(6, 30)[None]
        ours = read_adapter(folder(name), params)
        states = hidden(ours, shape, ids, torch.arange(24)[None], causal(shape))
        with torch.no_grad():
            assert torch.allclose(model(input_ids=ids).logits, states @ ours["model.embed_tokens.weight"].T, atol=1e-3)


def test_the_verifier_prefers_right_answers() -> None:
    """On the owner whose facts the head learned best; what it reaches elsewhere is in docs/nursery.md."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder("verifier"), dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder("verifier"))
    wins = []
    for problem in nursery.examples("nursery/facts/kitchen", "test", limit=30):
        wrong = next(value for value in problem.values if value != problem.reference)
        scores = []
        for text in (problem.reference, wrong):
            chat = [{"role": "user", "content": problem.question}, {"role": "assistant", "content": text}]
            batch = tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True)
            with torch.no_grad():
                scores.append(float(model(**batch).logits[0, 0]))
        wins.append(scores[0] > scores[1])
    assert sum(wins) >= 20


@pytest.mark.parametrize("cell", ["arith", "facts/garden"])
def test_scores_are_those_of_the_cards(cell: str) -> None:
    """Again on fresh questions: within four standard errors of the published score."""
    from consilience.nursery.answers import ask, is_right, prompt_of
    from consilience.nursery.checkpoints import read_member
    from consilience.nursery.data import Encoder

    name = next(card["name"] for card in CARDS.values() if card["kind"] == "far" and cell in (card["skill"], f"facts/{card['owner']}"))
    params, shape, tokenizer = read_member(folder(name))
    asked = nursery.problems(cell, "test", 100, seed=7)
    replies = ask([params], shape, Encoder(tokenizer), [prompt_of(problem) for problem in asked])
    score = sum(is_right(problem, text) for problem, (text, _) in zip(asked, replies, strict=True)) / len(asked)
    published = CARDS[name]["scores"][cell] / 100
    assert abs(score - published) <= 4 * max(0.02, (published * (1 - published) / len(asked)) ** 0.5)


def test_cards_are_plain_json() -> None:
    text = (nursery.FOLDER / "pool.json").read_text()
    assert json.loads(text) == POOL
    assert len(POOL["wordings"]) == 9
