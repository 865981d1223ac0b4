"""Who writes the next token: nudging, Co-LLM, FusionRoute, switch generation, MentorCollab; policies by hand, then tiny models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from consilience.decode.policy import Policy, Sight
from consilience.learn.heads import Deferred, Head
from consilience.method import Method
from consilience.methods.token.budget_guidance import BudgetGuidance, Guided
from consilience.methods.token.co_llm import CoLlm
from consilience.methods.token.fusion_route import FusionRoute, Routed
from consilience.methods.token.mentor_collab import Mentored, MentorCollab
from consilience.methods.token.nudging import Nudged, Nudging
from consilience.methods.token.switch_generation import SwitchGeneration, Switching
from consilience.models.local import LocalModel
from consilience.team import Team
from consilience.types import Reply, Request
from tests.methods.local import models

GREEDY = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=10)


def sight(p: Sequence[Sequence[float]], state: Sequence[float] = (0.0,), hidden: Sequence[float] | None = None,
          prepared: Any = None, noise: float = .5, known: bool = True) -> Sight:
    """One row, at which every member gives these probabilities."""
    n, row = len(p), torch.zeros(1)
    states = [None if hidden is None else torch.tensor([hidden])] + [None] * (n - 1)
    return Sight([torch.tensor([q]).log() for q in p], torch.full((n, 1), known), torch.zeros(n, 1, dtype=torch.bool), states,
                 row.long(), torch.tensor([state]), row + noise, row.long(), row.long(), prepared)


def written(policy: Policy, *args: Any, **more: Any) -> tuple[int, list[float]]:
    """Who writes, and the row's next state."""
    move = policy.decide(sight(*args, **more))
    assert move.author is not None
    return int(move.author), [] if move.state is None else move.state[0].tolist()


def head(*rows: Sequence[float]) -> Head:
    return Head.of(np.array(rows))


def test_nudges_begin_where_the_base_is_unsure_and_end_with_a_word() -> None:
    opens = torch.tensor([True, False])
    sure, unsure, word, inside = (.9, .1), (.3, .7), (.9, .1), (.1, .9)
    policy = Nudged(.8)
    assert written(policy, [sure, word], prepared=opens) == (0, [0.0])
    assert written(policy, [unsure, word], prepared=opens) == (1, [1.0])
    assert written(policy, [sure, inside], [1.0], prepared=opens) == (1, [1.0]), "it goes on within a word"
    assert written(policy, [sure, word], [1.0], prepared=opens) == (0, [0.0])
    assert written(policy, [unsure, word], [1.0], prepared=opens) == (1, [1.0])
    ask = policy.decide(sight([sure, inside], [1.0], prepared=opens, known=False)).ask
    assert ask is not None and ask[:, 0].tolist() == [False, True], "within a nudge the base is not asked at first"


def test_a_head_defers_above_eta() -> None:
    lifted = head([0, 0, 0], [2, 0, 0])
    for x, share in ((1.0, .8808), (-1.0, .1192)):
        for eta in (share - .01, share + .01):
            policy = Deferred(lifted, eta, False)
            assert written(policy, [(.9, .1), (.1, .9)], hidden=[x, 0.0], prepared=policy.head.tensor("cpu"))[0] == (share > eta)
    mixed = Deferred(head([0, 0], [0, -.8472979]), .5, True)
    scores = mixed.decide(sight([(.2, .8), (.9, .1)], hidden=[0.0], prepared=mixed.head.tensor("cpu"))).scores
    assert scores is not None and scores.exp()[0, 0].item() == pytest.approx(.41), "d = .3: .7 * .2 + .3 * .9"


def test_a_router_adds_its_own_logits() -> None:
    policy = Routed(head([0, 1], [0, 0]), 1.0)
    own = torch.tensor([0.0, 1.5, 0.0])
    seen = sight([own.softmax(0).tolist(), torch.tensor([2.0, 1.0, 0.0]).softmax(0).tolist(), (.1, .1, .8)], hidden=[0.0],
                 prepared=policy.head.tensor("cpu"))
    move = policy.decide(seen)
    assert move.scores is not None and int(move.author) == 1  # type: ignore[arg-type]
    assert move.scores.softmax(-1)[0, 0].item() == pytest.approx(.3592, abs=1e-4) and move.scores.argmax() == 1
    plain = Routed(policy.head, 0.0).decide(seen).scores
    assert plain is not None and plain.softmax(-1)[0, 0].item() == pytest.approx(.6652, abs=1e-4)


def test_a_speaker_keeps_the_floor_for_a_patch() -> None:
    policy = Switching(head([0, 0], [0, 1]), 3)
    prepared, p = policy.head.tensor("cpu"), [(.5, .5)] * 3
    first, state = written(policy, p, [0.0, 0.0], hidden=[0.0], prepared=prepared)
    assert first == 2 and state == [2.0, 2.0]
    assert written(policy, p, [1.0, 2.0], prepared=prepared) == (1, [1.0, 1.0])
    ask = policy.decide(sight(p, [1.0, 2.0], known=False)).ask
    assert ask is not None and ask[:, 0].tolist() == [False, True, False], "the selector is not asked within a patch"


def test_a_mentor_is_compared_with_now_and_then() -> None:
    own, other = (.6, .4), (.2, .8)
    policy = Mentored(None, .25, 3)
    assert written(policy, [own, other], noise=.3) == (0, [0.0]), "not at this token"
    assert written(policy, [own, other], noise=.2) == (1, [2.0]), "the mentor is surer"
    assert written(policy, [(.9, .1), other], noise=.2) == (0, [0.0])
    assert written(policy, [own, (.9, .1)], noise=.2) == (0, [0.0]), "they agree"
    assert written(policy, [own, other], [2.0], noise=.9) == (1, [1.0])
    taught = Mentored(head([0, 1], [0, 0]), .25, 3)
    assert written(taught, [own, other], noise=.2, hidden=[0.0], prepared=taught.head and taught.head.tensor("cpu"))[0] == 0


def test_the_end_is_favoured_where_more_is_to_come_than_is_left() -> None:
    import math
    for left, shift in ((10, 0.0), (3, math.log(8 / 4)), (0, math.log(8))):
        policy = Guided(head([0, math.log(8)]), left, 1.0)
        scores = policy.decide(sight([(.5, .5)], hidden=[0.0], prepared=(policy.head.tensor("cpu"), [1]))).scores
        assert scores is not None and (scores[0, 1] - scores[0, 0]).item() == pytest.approx(shift, abs=1e-5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[LocalModel]:
    return models(tmp_path_factory.mktemp("tiny"), 3)


def said(method: Method, members: list[LocalModel], **roles: LocalModel) -> Reply:
    return asyncio.run(Team(method, members, **roles).generate(GREEDY))[0]


def alone(member: LocalModel) -> str | None:
    return asyncio.run(member.generate(GREEDY))[0].text


def width(member: LocalModel) -> int:
    import json
    return int(json.loads((member.path / "config.json").read_text())["hidden_size"])


def test_the_ends_of_every_method_are_its_models(tiny: list[LocalModel]) -> None:
    a, b, c = tiny
    n = width(a) + 1
    to_second = np.zeros((2, n))
    to_second[1, -1] = 9.0
    assert said(Nudging(gamma=0.0), tiny, base=a, nudger=b).text == alone(a)
    assert said(Nudging(gamma=1.1), tiny, base=a, nudger=b).text == alone(b)
    deferring = CoLlm(eta=.5).with_learned({"eta": .5}, head=to_second)
    assert said(deferring, tiny, base=a, assistant=b).text == alone(b)
    assert said(CoLlm(eta=1.0).with_learned({"eta": 1.0}, head=to_second), tiny, base=a, assistant=b).text == alone(a)
    third = np.zeros((3, n))
    third[2, -1] = 9.0
    assert said(FusionRoute().with_learned({"beta": 0.0}, head=third), tiny, router=a).text == alone(c)
    reply = said(SwitchGeneration(patch=4).with_learned({}, head=third), tiny, selector=a)
    assert reply.text == alone(c) and reply.note["switches"] == 0
    assert said(MentorCollab(share=0.0), tiny, generator=a, mentor=b).text == alone(a)
    followed = MentorCollab(share=1.0, patch=99).with_learned({}, head=to_second)
    assert said(MentorCollab(share=1.0), [a, a, c], generator=a, mentor=a).text == alone(a), "identical models"
    assert said(followed, tiny, generator=a, mentor=b).note["wrote"]["m1"] > 0


def test_a_budget_ends_a_text(tiny: list[LocalModel]) -> None:
    more = np.zeros((1, width(tiny[0]) + 1))
    more[0, -1] = 1.7       # four and a half tokens are to come, always
    free = said(BudgetGuidance(budget=400).with_learned({}, head=more), tiny[:1])
    assert free.text == alone(tiny[0])
    tight = said(BudgetGuidance(budget=4, strength=40.0).with_learned({}, head=more), tiny[:1])
    assert 1 < tight.usage.completion_tokens < free.usage.completion_tokens and tight.stop == "stop"
