"""Policies: who is asked, who writes, who catches up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from consilience.decode.policy import Move, Policy, Sight
from consilience.decode.tensors import MeanLogits, Only, entropy, log_probs
from consilience.types import Sampling
from tests.decode.scenes import bound, broken, prompt, row, run


@dataclass(frozen=True)
class Unsure(Policy):
    """The first writes while its entropy is at most `most`; where it is not, the second does."""

    most: float

    def decide(self, sight: Sight) -> Move:
        first, second = sight.known
        unsure = first & (entropy(log_probs(sight.logits[0])) > self.most)
        return Move(torch.stack([~first, unsure]), (unsure & second).long())


@dataclass(frozen=True)
class Turns(Policy):
    """Everybody writes `patch` tokens in turn; the state counts what was written in this turn and by whom."""

    patch: int
    state: ClassVar[tuple[float, ...]] = (0.0, 0.0)

    def decide(self, sight: Sight) -> Move:
        author, written = sight.state[:, 0].long(), sight.state[:, 1]
        over = written + 1 >= self.patch
        state = torch.stack([torch.where(over, (author + 1) % len(sight.known), author), torch.where(over, 0, written + 1)], -1)
        ask = torch.arange(len(sight.known))[:, None] == author
        return Move(ask, author, state=state)


@dataclass(frozen=True)
class Routed(Policy):
    """The first member's hidden state says whose logits are added to its own."""

    hidden: ClassVar[tuple[int, ...]] = (0,)

    def decide(self, sight: Sight) -> Move:
        states = sight.hidden[0]
        if states is None:
            return Move(torch.stack([torch.ones_like(sight.known[0]), *[torch.zeros_like(sight.known[0])] * 2]))
        expert = 1 + (states.sum(-1) > 0).long()
        own = torch.stack(list(sight.logits))[expert, torch.arange(len(expert))]
        ask = torch.arange(3)[:, None] == expert
        return Move(ask, expert, log_probs(own) + sight.logits[0])


def rows_of(count: int, members: int, limit: int = 10) -> list:
    return [row([prompt(i * members + m) for m in range(members)], limit=limit + i % 4) for i in range(count)]


@torch.no_grad()
def plain(family: str, text: tuple[int, ...] | list[int], seed: int = 0) -> torch.Tensor:
    return bound(family, seed).model(torch.tensor([list(text)])).logits[0, -1]


def test_the_other_is_asked_only_where_the_first_is_unsure_and_reads_what_it_missed() -> None:
    models, rows = [bound("llama"), bound("qwen2")], rows_of(9, 2)
    run(models, rows, Unsure(2.9), lanes=5)
    asked = 0
    for one in rows:
        text: list[int] = []
        for token, author in zip(one.ids, one.authors, strict=True):
            first = plain("llama", [*one.prompts[0], *text])
            unsure = float(entropy(log_probs(first))) > 2.9
            logits = plain("qwen2", [*one.prompts[1], *text]) if unsure else first
            assert (token, author) == (int(logits.argmax()), int(unsure))
            text.append(token)
            asked += unsure
        assert one.asked == [len(one.ids), sum(one.authors)]
    assert 0 < asked < sum(len(r.ids) for r in rows)


def test_a_policy_that_never_asks_a_member_never_runs_it() -> None:
    models, rows, alone = [bound("llama"), bound("qwen2")], rows_of(4, 2), rows_of(4, 2)
    engine = run(models, rows, Unsure(99.0))
    assert engine.slots[1].nbytes == 0
    run(models, alone, Only(0))
    assert [r.ids for r in rows] == [r.ids for r in alone]


@pytest.mark.parametrize("patch", [1, 3])
def test_turns_with_state_and_catching_up(patch: int) -> None:
    families = ["llama", "qwen2", "mistral"]
    rows = rows_of(7, 3)
    run([bound(f) for f in families], rows, Turns(patch), lanes=4)
    for one in rows:
        text: list[int] = []
        for step, token in enumerate(one.ids):
            author = step // patch % 3
            assert one.authors[step] == author
            assert int(plain(families[author], [*one.prompts[author], *text]).argmax()) == token
            text.append(token)
        assert sum(one.asked) == len(one.ids), "one forward per token, by its author"


@pytest.mark.parametrize("lean", [True, False])
def test_hidden_states_are_the_last_ones_of_a_plain_forward(lean: bool) -> None:
    from consilience.decode.binding import Bound
    first = bound("llama")
    first = Bound(first.model, first.limit, first.lean if lean else None, first.verdict)
    rows = rows_of(5, 3, limit=6)
    run([first, bound("qwen2"), bound("llama", 4)], rows, Routed(), lanes=3)
    for one in rows:
        text: list[int] = []
        for token in one.ids:
            with torch.inference_mode():
                out = first.model(torch.tensor([[*one.prompts[0], *text]]), output_hidden_states=True)
            right = out.hidden_states[-1][0, -1].sum() > 0
            expert = plain("llama", [*one.prompts[2], *text], 4) if right else plain("qwen2", [*one.prompts[1], *text])
            assert int((log_probs(expert) + out.logits[0, -1]).argmax()) == token
            text.append(token)


def test_a_rows_text_does_not_depend_on_its_company() -> None:
    models, sampling = [bound("llama"), bound("qwen2")], Sampling(temperature=1.0)
    alone, again = (row([prompt(1), prompt(2)], sampling, noise=9, limit=20) for _ in range(2))
    run(models, [alone], Unsure(2.9))
    others = rows_of(11, 2)
    run(models, [*others[:4], again, *others[4:]], Unsure(2.9), lanes=6)
    assert again.ids == alone.ids and again.authors == alone.authors


def test_a_combiner_reads_only_the_members_that_it_names() -> None:
    engine = run([bound("llama"), bound("qwen2")], rows_of(3, 2), Only(1))
    assert engine.slots[0].nbytes == 0


def test_a_policy_that_writes_with_somebody_whom_it_did_not_ask_fails_its_rows() -> None:
    @dataclass(frozen=True)
    class Blind(Policy):
        def decide(self, sight: Sight) -> Move:
            return Move(None, torch.zeros(len(sight.step), dtype=torch.long))

    [one] = rows = rows_of(1, 2)
    run([bound("llama"), bound("qwen2")], rows, Blind())
    assert one.reason == "error" and one.error is not None


def test_members_that_have_left_are_seen_and_the_mean_goes_on_without_them() -> None:
    """One member's weights hold NaN: it leaves, the others' text is what they write without it."""
    sound, ill, other = bound("llama"), broken(), bound("qwen2")
    rows = [row([prompt(i), prompt(i + 20), prompt(i + 40)], limit=6) for i in range(5)]
    run([sound, ill, other], rows, MeanLogits(), lanes=3)
    wanted = [row([prompt(i), prompt(i + 40)], limit=6) for i in range(5)]
    run([sound, other], wanted, MeanLogits(), lanes=3)
    assert [r.ids for r in rows] == [r.ids for r in wanted]
    assert all(list(r.gone) == [1] and "finite" in r.gone[1] for r in rows)


def test_a_policy_sees_who_has_left() -> None:
    @dataclass(frozen=True)
    class Spare(Policy):
        """The first writes; where it has left, the second."""

        def decide(self, sight: Sight) -> Move:
            author = sight.gone[0].long()
            return Move(torch.arange(2)[:, None] == author, author)

    rows = rows_of(3, 2)
    run([broken(), bound("llama")], rows, Spare())
    alone = [row([one.prompts[1]], limit=one.limit) for one in rows]
    run([bound("llama")], alone)
    assert [r.ids for r in rows] == [r.ids for r in alone]
    assert all(set(r.authors) == {1} and r.gone for r in rows)


def test_a_policy_that_decides_nothing_and_what_is_no_combiner_are_named() -> None:
    @dataclass(frozen=True)
    class Undecided(Policy):
        def decide(self, sight: Sight) -> Move:
            return Move()

    with pytest.raises(ValueError, match="Undecided.* gave neither scores nor an author"):
        run([bound("llama"), bound("qwen2")], rows_of(1, 2), Undecided())
    with pytest.raises(TypeError, match="has no `combine`, and is no decode.policy.Policy"):
        run([bound("llama")], rows_of(1, 1), object())      # type: ignore[arg-type]
