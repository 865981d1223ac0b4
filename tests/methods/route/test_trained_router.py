"""Trained router: a model of the embedded pool learns who knows what."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("trl")

from consilience import nursery
from consilience.errors import ConfigError, NoAnswerError, TeamError
from consilience.methods.route.trained_router import TrainedRouter
from consilience.model import Model, Price
from consilience.models.embedded import embedded
from consilience.reading import Choice
from consilience.saved import read_learned, write_learned
from consilience.tasks.task import Split
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

torch.set_num_threads(1)      # two threads on a busy machine wait for each other at every operation

if not nursery.WEIGHTS.is_dir():
    pytest.skip("the weights of the embedded pool are not here", allow_module_level=True)

_WORDS = ["red", "blue", "city", "ship", "plant", "gold", "Rome", "Oslo", "clock", "hall"]


def questions(n: int, seed: int) -> Split:
    """A keyword tells who knows: `sum` the first member, `color` the second."""
    rng, pairs = random.Random(seed), []
    for i in range(n):
        words = [*rng.sample(_WORDS, 3)]
        words.insert(rng.randrange(4), "sum" if i % 2 else "color")
        pairs.append((f"What is the {' '.join(words)}?", "A"))
    return split(pairs)


def member(name: str, keyword: str, price: float = 1.0) -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        return "A" if keyword in request.question else "B"
    return Scripted(name, answer, price=Price(price, price))


def pool() -> list[Scripted]:
    return [member("math", "sum"), member("art", "color", 3.0)]


@pytest.fixture(scope="module")
def router() -> Model:
    return embedded("nursery/base")[0].model()


@pytest.fixture(scope="module")
def team(router: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILIENCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        method = TrainedRouter(epochs=6, rate=1e-3, rank=0, batch=16)
        yield Team(method, pool(), router=router).fit_sync(questions(64, 0))


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def test_it_sends_every_question_to_who_knows(team: Team) -> None:
    values = team.method.found().values
    assert sum(values["labels"].values()) == values["learned"] > 50 and min(values["labels"].values()) > 20
    assert values["held_out"] == values["named_right"] > 4
    assert values["expected"]["cost_per_1k"] is not None and values["prices"] == (0, 0, 0)
    for example in questions(20, 1).examples:
        reply = ask(team, example.question)
        assert reply.reading == "A" and reply.note["expected"] > .5
        assert reply.usage.calls == 2 and [p.asked for p in reply.parts] == ["next", "answer"]


def test_what_was_learned_is_small_and_survives_the_disk(team: Team, router: Model, tmp_path: Path) -> None:
    learned = team.method.found()
    write_learned(learned, tmp_path)
    assert read_learned(tmp_path) == learned or read_learned(tmp_path).digest == learned.digest  # type: ignore[union-attr]
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 10_000


def test_a_target_is_met_by_asking_the_cheap_member(team: Team, router: Model) -> None:
    method = TrainedRouter(epochs=6, rate=1e-3, rank=0, batch=16, held_out=.1, tradeoff=1e9)
    cheap = Team(method, pool(), router=router).fit_sync(questions(64, 0))
    asked = [ask(cheap, e.question).note["route"] for e in questions(20, 1).examples]
    assert asked.count("math") > 12
    assert cheap.method.found().values["checkpoint"] == team.method.found().values["checkpoint"], "tuned once"


def test_members_that_fail_and_a_router_that_cannot_be_asked(team: Team, router: Model) -> None:
    broken = Team(team.method, [down("math"), pool()[1]], router=router)
    assert ask(broken, "What is the sum red?").reading == "B"
    with pytest.raises(NoAnswerError):
        ask(Team(team.method, [down("math"), down("art")], router=router), "What is the sum?")
    long = ask(Team(team.method, pool(), router=router, standing=(.2, .9)), "color " * 2000)
    assert long.reading == "A" and long.note["routed"] is False and long.absent[0].reason == "context"


def test_errors(team: Team, router: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(TeamError, match="fitted for the members math, art"):
        Team(team.method, pool()[::-1], router=router)
    with pytest.raises(TeamError, match="router"):
        Team(TrainedRouter(), pool())
    with pytest.raises(TeamError, match="Weights"):
        Team(TrainedRouter(), pool(), router=pool()[0])
    same = [Scripted(n, ["A"]) for n in ("a", "b")]
    with pytest.raises(ConfigError, match="score alike"):
        Team(TrainedRouter(), same, router=router).fit_sync(questions(8, 0))
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path))
    with pytest.raises(TeamError, match="fit the team again"):
        ask(team, "What is the sum?")


def test_one_member_needs_no_router(router: Model) -> None:
    alone = Team(TrainedRouter(), pool()[:1], router=router).fit_sync(questions(4, 0))
    assert ask(alone, "What is the sum?").usage.calls == 1
