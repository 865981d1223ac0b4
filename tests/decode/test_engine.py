"""Rows that join, leave and stop; several models in lockstep."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from consilience.decode.engine import Engine
from consilience.decode.tensors import Alone, MeanLogits
from consilience.types import Sampling
from tests.decode.scenes import VOCABULARY, bound, prompt, row, run

@pytest.mark.parametrize("family", ["llama", "qwen2", "mistral", "gpt2"])
def test_greedy_text_is_that_of_generate_with_rows_joining(family: str) -> None:
    model = bound(family)
    rows = [row([prompt(i)], limit=3 + i % 9) for i in range(25)]
    run([model], rows, lanes=6)
    model.model.generation_config.eos_token_id = None
    for one in rows:
        ids = torch.tensor([one.prompts[0]])
        out = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=one.limit, do_sample=False,
                                   pad_token_id=0)
        assert out[0, ids.shape[1]:].tolist() == one.ids


def test_a_sampled_row_is_the_same_in_any_company() -> None:
    model, sampling = bound("qwen2"), Sampling(temperature=1.0, top_p=0.9)
    alone = row([prompt(1)], sampling, noise=77, limit=20)
    run([model], [alone])
    crowd = [row([prompt(i)], Sampling(temperature=0.1 * (i % 12)), noise=i, limit=5 + i % 20) for i in range(40)]
    again = row([prompt(1)], sampling, noise=77, limit=20)
    run([model], [*crowd[:17], again, *crowd[17:]], lanes=9)
    assert again.ids == alone.ids
    other = row([prompt(1)], sampling, noise=78, limit=20)
    run([model], [other])
    assert other.ids != alone.ids


def test_equal_prompts_share_a_prefill_and_keep_their_own_noise() -> None:
    model, sampling = bound("llama"), Sampling(temperature=1.0)
    together = [row([prompt(2)], sampling, noise=i) for i in range(5)]
    pushed: list[int] = []
    engine = Engine([model.slots()], Alone(), VOCABULARY)
    push = engine.slots[0].push_with_states
    engine.slots[0].push_with_states = lambda at, ids, **k: (pushed.append(len(ids)), push(at, ids, **k))[1]    # type: ignore
    waiting = [together]
    engine.run(lambda most: waiting.pop() if waiting else [])
    assert pushed[0] == 1
    for one in together:
        apart = row([prompt(2)], sampling, noise=one.noise)
        run([model], [apart])
        assert apart.ids == one.ids
    assert len({tuple(r.ids) for r in together}) > 1


def test_end_tokens_limits_and_watchers() -> None:
    model = bound("llama")
    free = row([prompt(3)], limit=10)
    run([model], [free])
    assert (free.reason, free.emitted, len(free.ids)) == ("length", 10, 10)
    end = free.ids[4]
    first = free.ids.index(end)
    stopped = row([prompt(3)], limit=10, stop=frozenset({end, 96}))
    watched = row([prompt(3)], limit=10, watch=lambda ids: len(ids) == 3)
    run([model], [stopped, watched])
    assert (stopped.reason, stopped.ids, stopped.emitted) == ("stop", free.ids[:first], first + 1)
    assert (watched.reason, watched.ids) == ("stop", free.ids[:3])


def test_cancelled_rows_leave_and_waiting_ones_never_start() -> None:
    rows = [row([prompt(i)], limit=50) for i in range(3)]
    rows[0].watch = lambda ids: setattr(rows[1], "cancelled", len(ids) >= 4) or False
    rows[2].cancelled = True
    run([bound("llama")], rows, lanes=2)
    assert rows[1].reason == "cancelled" and len(rows[1].ids) < 6
    assert rows[2].reason == "cancelled" and rows[2].ids == []
    assert rows[0].reason == "length" and len(rows[0].ids) == 50


def test_logprobs_are_those_of_a_plain_forward_at_temperature_one() -> None:
    model = bound("qwen2")
    one = row([prompt(4)], Sampling(temperature=0.5), limit=6, logprobs=3)
    run([model], [one, row([prompt(5)])])
    text = torch.tensor([[*one.prompts[0], *one.ids]])
    log_p = torch.log_softmax(model.model(text).logits[0].detach(), -1)
    for place, (token, (lp, top)) in enumerate(zip(one.ids, one.marks, strict=True), len(one.prompts[0]) - 1):
        assert lp == pytest.approx(float(log_p[place, token]), abs=1e-4)
        assert [t for t, _ in top] == log_p[place].topk(3).indices.tolist()


def test_lockstep_is_the_combined_distribution_with_each_members_own_prompt() -> None:
    models = [bound("llama"), bound("qwen2"), bound("mistral")]
    prompts = [(prompt(6), prompt(7), prompt(8)), (prompt(9), prompt(10), prompt(11))]
    rows = [row(p, limit=8) for p in prompts]
    run(models, rows, MeanLogits())
    for one in rows:
        text: list[int] = []
        for token in one.ids:
            each = [m.model(torch.tensor([[*p, *text]])).logits[0, -1] for m, p in zip(models, one.prompts, strict=True)]
            assert int(torch.stack(each).mean(0).argmax()) == token
            text.append(token)


def test_two_copies_of_one_model_are_that_model() -> None:
    model, sampling = bound("qwen2"), Sampling(temperature=0.9)
    single, double = row([prompt(1)], sampling, noise=3), row([prompt(1)] * 2, sampling, noise=3)
    run([model], [single])
    run([model, model], [double], MeanLogits())
    assert single.ids == double.ids


@dataclass(frozen=True)
class NotNumbers:
    """Poisons one row of the batch, once."""

    victim: int

    def combine(self, logits: torch.Tensor) -> torch.Tensor:
        scores = logits[0].clone()
        scores[scores[:, 0] == scores[self.victim % len(scores), 0]] = torch.nan
        return scores


def test_a_row_of_nan_fails_alone_and_says_so() -> None:
    poisoned, fine = row([prompt(1)]), row([prompt(2)])
    run([bound("llama")], [poisoned], NotNumbers(0))
    assert poisoned.reason == "error"
    assert poisoned.error is not None and "not finite" in str(poisoned.error)
    run([bound("llama")], [fine])
    assert fine.reason == "length"


def test_the_caches_stay_in_their_room() -> None:
    """Fewer rows at once, the same texts."""
    model = bound("llama")
    freely, tightly = ([row([prompt(i)], limit=8) for i in range(10)] for _ in range(2))
    run([model], freely)
    room = model.slots().cost(2, 40)
    engine = run([model], tightly, room=room)
    assert engine.slots[0].nbytes <= room
    assert [r.ids for r in freely] == [r.ids for r in tightly]


@dataclass(frozen=True)
class Hungry:
    """Asks for more memory than there is when it gets more than `most` rows."""

    most: int

    def combine(self, logits: torch.Tensor) -> torch.Tensor:
        if logits.shape[1] > self.most:
            torch.empty(1 << 60)
        return logits[0]


def test_out_of_memory_halves_the_batch_and_changes_no_text(caplog: pytest.LogCaptureFixture) -> None:
    model, sampling = bound("qwen2"), Sampling(temperature=1.0)
    freely, tightly = ([row([prompt(i)], sampling, noise=i, limit=5 + i % 6) for i in range(13)] for _ in range(2))
    run([model], freely)
    engine = run([model], tightly, Hungry(3), lanes=16)
    assert [r.ids for r in tightly] == [r.ids for r in freely]
    assert engine.lanes == 3
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 2 and "out of memory with 13 rows; 7 wait, and at most 6 run at once" in said[0]
    assert "allocate" in said[0]


def test_a_single_row_that_does_not_fit_fails_and_the_others_too_one_by_one() -> None:
    rows = [row([prompt(i)]) for i in range(3)]
    run([bound("llama")], rows, Hungry(0))
    assert all(r.reason == "error" and r.error is not None and r.error.reason == "memory" for r in rows)
    assert "single row of" in str(rows[0].error)


def test_memory_that_ran_out_between_two_models_leaves_no_trace() -> None:
    """The first model has moved on already when the second one's cache cannot grow."""
    models = [bound("llama"), bound("qwen2")]
    freely, tightly = ([row([prompt(i), prompt(i + 9)], limit=7) for i in range(6)] for _ in range(2))
    run(models, freely, MeanLogits())
    waiting = [list(tightly)]
    engine = Engine([m.slots() for m in models], MeanLogits(), VOCABULARY)
    push = engine.slots[1].push_with_states

    def fails_once(*args: object, **options: object) -> object:
        if engine.steps == 3 and len(engine.rows) > 3:
            torch.empty(1 << 60)
        return push(*args, **options)  # type: ignore[arg-type]

    engine.slots[1].push_with_states = fails_once  # type: ignore[method-assign, assignment]
    engine.run(lambda most: waiting.pop() if waiting else [])
    assert [r.ids for r in tightly] == [r.ids for r in freely] and engine.lanes == 3
