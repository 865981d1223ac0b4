"""What every router does with what dev sets and users are like, whatever it learns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from consilience import saved
from consilience.errors import ConfigError, ModelError, NoAnswerError, TargetError, TeamError
from consilience.learn.routers import Router, lot, price_for, prices
from consilience.learn.table import Table
from consilience.method import Method
from consilience.model import Card, Embed, Measured, Model, Price
from consilience.reading import Choice
from consilience.registry import method, methods
from consilience.tasks.task import Split
from consilience.team import Team
from consilience.types import Example, Reply, Request, Usage
from tests.members import Scripted, down

ROUTERS = [name for name, cls in methods().items() if issubclass(cls, Router)]
ALWAYS_LARGE = {"hybrid-llm"}
"""Routers that need a difference in cost to choose at all."""
FRUIT, METAL = ("apple", "pear", "plum"), ("iron", "copper", "zinc")


def questions(count: int, start: int = 0) -> list[str]:
    return [f"{(FRUIT + METAL)[i % 6]} number {i} of the {'kitchen' if i % 6 < 3 else 'smithy'}" for i in range(start, start + count)]


def dev_of(texts: Sequence[str], name: str = "dev") -> Split:
    return Split(name, tuple(Example(f"q{i:03}", Request.of(t, form="answer", format=Choice(4)), ("A",), task="letters")
                             for i, t in enumerate(texts)))


DEV, TEST = dev_of(questions(48)), dev_of(questions(12, 100), "test")


@dataclass
class Priced(Scripted):
    """A scripted member that charges `cost` for each answer, and can be saved."""

    cost: float | None = .001

    @property
    def card(self) -> Card:
        return replace(super().card, spec=f"scripted:{self.name}")

    def _one(self, request: Request, draw: int) -> Reply:
        return super()._one(request, draw).having(cost=self.cost)


def member(name: str, right: Callable[[str], bool], cost: float | None = .001, seconds: float = 1.0) -> Priced:
    return Priced(name, lambda r, d: "A" if right(r.question) else "B", seconds=seconds, cost=cost, price=Price(1, 1))


def sometimes(share: float, salt: str = "") -> Callable[[str], bool]:
    return lambda text: crc32(f"{salt}{text}".encode()) % 1000 < 1000 * share


def experts(cost: Sequence[float | None] = (.001, .001, .004)) -> list[Priced]:
    return [member("fruit", lambda t: t.startswith(FRUIT), cost[0]), member("metal", lambda t: t.startswith(METAL), cost[1]),
            member("large", sometimes(.9), cost[2], seconds=4.0)]


def fit(name: str, members: Sequence[Model], dev: Split = DEV, options: dict[str, Any] | None = None, **roles: Model) -> Team:
    brief = {"steps": 60} if hasattr(methods()[name], "steps") else {}
    return Team(method(name, {"folds": 2, **brief, **(options or {})}), members, **roles).fit_sync(dev)


def route(team: Team, text: str) -> str:
    reply = asyncio.run(team.generate(Request.of(text, form="answer", format=Choice(4))))[0]
    return str(reply.note["route"])


def expected(team: Team) -> dict[str, Any]:
    return dict(team.method.found().values["expected"])


# -- sound -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTERS)
def test_it_scores_between_the_worst_and_the_oracle_and_says_so(name: str, fits: Callable[[str], Team]) -> None:
    team = fits(name)
    got = asyncio.run(TEST.replies([team, *experts()]))
    for answer, *own in zip(*got, strict=True):
        assert min(s.score for s in own) <= answer.score <= max(s.score for s in own)
    told = expected(team)
    assert told["quality"][1] <= told["quality"][0] <= told["quality"][2] and told["questions"] == len(DEV)
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-5) and set(told["shares"]) == {"fruit", "metal", "large"}
    assert told["best"] == "large" and told["best_cost_per_1k"] == pytest.approx(4.0)
    json.dumps(team.method.found().values)


@pytest.mark.parametrize("name", ROUTERS)
def test_what_is_learned_hangs_on_dev_alone_and_not_on_its_order(name: str, fits: Callable[[str], Team]) -> None:
    team = fits(name)
    again = fit(name, experts(), Split("dev", (*DEV.examples[::-1], *DEV.examples[5:8])))
    assert team.method.found().digest == again.method.found().digest, "order and repeated questions mean nothing"
    loud = [member(m.name, sometimes(.5, m.name), m.cost) for m in experts()]
    assert [route(Team(team.method, loud), e.question) for e in TEST] == [route(team, e.question) for e in TEST]


@pytest.mark.parametrize("name", sorted(set(ROUTERS) - {"elo-router"}))
def test_no_worse_than_the_best_member_where_questions_tell_who_is_right(name: str) -> None:
    dear = experts((.001, .001, .002))
    team = fit(name, dear, dev_of(questions(120)))
    best = max(np.mean([s.score for s in row]) for row in asyncio.run(TEST.replies(dear)))
    assert np.mean(asyncio.run(TEST.evaluate(team))) >= best - 1e-9


# -- targets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTERS)
def test_an_impossible_target_names_the_nearest_and_its_cost(name: str) -> None:
    for options, told in (({"max_cost_per_1k": .5}, r"nearest has a mean score of 0\.\d+ at \$"), ({"min_quality": 1.0}, r"nearest .* at \$"),
                          ({"max_latency": .01}, r"nearest .* s$")):
        with pytest.raises(TargetError, match=told):
            fit(name, [member("a", sometimes(.5, "a")), member("b", sometimes(.6, "b"), .003)], options=options)


@pytest.mark.parametrize("name", ROUTERS)
def test_good_enough_is_the_cheaper_one(name: str) -> None:
    pair = [member("dear", sometimes(.9, "same"), .01), member("cheap", sometimes(.88, "same"), .001)]
    team = fit(name, pair, dev_of(questions(96)), {"min_quality": "95% of best"})
    told = expected(team)
    assert told["shares"]["cheap"] > .5 and told["cost_per_1k"][0] < 5
    assert sum(route(team, e.question) == "cheap" for e in TEST) > 6


@pytest.mark.parametrize("name", ROUTERS)
def test_a_budget_is_kept_on_dev_and_the_slow_are_left_out(name: str) -> None:
    team = fit(name, experts(), options={"max_cost_per_1k": 2.0, "max_latency": 2.0})
    told = expected(team)
    assert told["shares"]["large"] == 0 and told["cost_per_1k"][0] <= 2.0
    assert "large" not in {route(team, e.question) for e in TEST}


def test_what_is_expected_holds_for_new_questions() -> None:
    rng = np.random.default_rng(5)
    chance = {(name, word): rng.uniform(.3, .95) for name in ("a", "b", "c") for word in FRUIT + METAL}

    def noisy(name: str, cost: float) -> Priced:
        return member(name, lambda t: sometimes(chance[name, t.split()[0]], name)(t), cost)

    members = [noisy("a", .001), noisy("b", .002), noisy("c", .005)]
    new = dev_of(questions(300, 1000), "test")
    for name in ("linear-router", "knn-router", "boosted-router"):
        for budget in (1.5, 2.5, 3.5):
            team = fit(name, members, dev_of(questions(240)), {"folds": 5, "max_cost_per_1k": budget})
            told, [row] = expected(team), asyncio.run(new.replies([team]))
            score = np.mean([chance[s.reply.parts[0].model, e.question.split()[0]] for s, e in zip(row, new, strict=True) if s.reply])
            cost = 1000 * np.mean([s.reply.cost for s in row if s.reply is not None and s.reply.cost is not None])
            half = told["cost_per_1k"][2] - told["cost_per_1k"][0]
            assert told["cost_per_1k"][0] <= budget and abs(cost - told["cost_per_1k"][0]) <= 2 * half, (name, budget, cost, told)
            assert told["quality"][1] <= score <= told["quality"][2] + .1, ("no more is promised than is kept", name, budget, score, told)


def test_prices_and_lots() -> None:
    assert prices(np.array([[.5, .9]]), np.array([[1.0, 3.0]]))[1] == pytest.approx(.2)
    assert prices(np.array([[.5, .9]]), np.array([[1.0, 1.0]])) == [0.0] == prices(np.array([[.9, .5]]), np.array([[1.0, 3.0]]))
    assert prices(np.ones((2, 2)), np.full((2, 2), np.nan)) == [0.0]
    drawn = [price_for(text, (1.0, 2.0, .25)) for text in questions(400)]
    assert .2 < drawn.count(2.0) / 400 < .3 and all(0 <= lot(t) < 1 for t in questions(5))


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("right", [(1.0, 1.0), (1.0, 0.0)])
def test_one_class_and_members_that_never_differ(name: str, right: tuple[float, float]) -> None:
    members = [member("dear", sometimes(right[0]), .002), member("cheap", sometimes(right[1]), .001)]
    team = fit(name, members, dev_of(questions(12)))
    found = {route(team, e.question) for e in TEST}
    assert found == ({"cheap"} if right[0] == right[1] else {"dear"})


@pytest.mark.parametrize("name", ROUTERS)
def test_equal_and_unknown_costs(name: str) -> None:
    for cost in (.001, None):
        team = fit(name, experts((cost, cost, cost)))
        assert {route(team, e.question) for e in TEST} <= {"fruit", "metal", "large"}
        assert (expected(team)["cost_per_1k"] is None) == (cost is None)
        if name not in ALWAYS_LARGE:
            fit(name, experts((cost, cost, cost)), options={"max_latency": 9})
    with pytest.raises(ConfigError, match="the cost of fruit is unknown; give a price"):
        fit(name, experts((None, .001, .001)), options={"max_cost_per_1k": 1})


@pytest.mark.parametrize("name", ROUTERS)
def test_a_score_that_is_no_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def strange(self: Choice, reading: str | None, references: Sequence[str]) -> float:
        return float("nan") if reading == "B" else 1.0
    monkeypatch.setattr(Choice, "score", strange)
    with pytest.raises(ConfigError, match="the dev score of metal on q000 is nan, no number"):
        fit(name, experts())


@pytest.mark.parametrize("name", ROUTERS)
def test_one_dev_question_none_and_one_member(name: str) -> None:
    assert route(fit(name, experts(), dev_of(["apple"])), "pear") in ("fruit", "metal", "large")
    with pytest.raises(ConfigError, match="there are none"):
        fit(name, experts(), dev_of([]))
    alone = fit(name, experts()[:1])
    reply = asyncio.run(alone.generate(Request.of("iron", form="answer", format=Choice(4))))[0]
    assert reply.usage.calls == 1 and reply.reading == "B"


@pytest.mark.parametrize("name", ROUTERS)
def test_the_next_answers_when_the_first_is_down(name: str, fits: Callable[[str], Team]) -> None:
    team = fits(name)
    first = route(team, "apple number 7 of the kitchen")
    broken = Team(team.method, [down(m.name) if m.name == first else m for m in experts()])
    reply = asyncio.run(broken.generate(Request.of("apple number 7 of the kitchen", form="answer", format=Choice(4))))[0]
    assert reply.note["fallback"] is True and reply.text


@pytest.mark.parametrize("text", ["", "???", "𝔘𝔫𝔨𝔫𝔬𝔴𝔫", "x" * 20_000, "\x00"])
@pytest.mark.parametrize("name", ROUTERS)
def test_questions_unlike_any(name: str, text: str, fits: Callable[[str], Team]) -> None:
    assert route(fits(name), text) in ("fruit", "metal", "large")


@pytest.fixture(scope="module")
def fits() -> Callable[[str], Team]:
    kept: dict[str, Team] = {}
    return lambda name: kept.setdefault(name, fit(name, experts())) if name not in kept else kept[name]


# -- saving ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTERS)
def test_a_saved_router_decides_the_same_and_knows_its_members(name: str, tmp_path: Path, fits: Callable[[str], Team]) -> None:
    team, known = fits(name), {m.name: m for m in [*experts(), member("other", sometimes(.5))]}
    saved.save(team, tmp_path)

    def resolve(spec: str) -> list[Model]:
        return [known[spec.removeprefix("scripted:")]]
    again = saved.load(tmp_path, resolve)
    assert again.method.found().digest == team.method.found().digest
    assert [route(again, e.question) for e in TEST] == [route(team, e.question) for e in TEST]
    assert not [f for f in tmp_path.rglob("*") if f.suffix not in (".yaml", ".json", ".safetensors")]
    text = (tmp_path / "team.yaml").read_text()
    (tmp_path / "team.yaml").write_text(text.replace("scripted:metal", "scripted:other").replace("name: metal", "name: other"))
    with pytest.raises(TeamError, match="fitted for the members fruit, metal, large .*got fruit, other, large"):
        saved.load(tmp_path, resolve, changed=True)
    with pytest.raises(TeamError, match="in this order"):
        Team(team.method, experts()[::-1])


# -- vectors -----------------------------------------------------------------------------------------------------------


@dataclass
class Embedding(Scripted):
    """A model that embeds: one direction for each kind of question."""

    width: int = 4
    fault: Exception | float | None = None

    def power(self, kind: type) -> object | None:
        return self if kind is Embed else super().power(kind)

    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        if isinstance(self.fault, Exception):
            raise self.fault
        found = np.array([np.eye(self.width)[int(t.startswith(METAL))] for t in texts], np.float32)
        return Measured(found * (1.0 if self.fault is None else self.fault), Usage(1, len(texts), 0), .0, .1)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_model_that_embeds(name: str) -> None:
    team = fit(name, experts((.001, .001, .002)), embedder=Embedding("e", [""]))
    reply = asyncio.run(team.generate(TEST[0].request))[0]
    assert reply.usage.calls == 2 and [p.asked for p in reply.parts] == ["embed", "answer"]
    assert not any(k.startswith("space.") for k in team.method.found().arrays)


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("error", [ModelError("no power", reason="down"), NoAnswerError("nothing")])
def test_an_embedder_that_fails(name: str, error: Exception) -> None:
    with pytest.raises(ConfigError, match="the embedder failed on the dev questions, so nothing was learned"):
        fit(name, experts(), embedder=Embedding("e", [""], fault=error))
    healthy = fit(name, experts(), embedder=Embedding("e", [""]))
    team = Team(healthy.method, experts(), standing=healthy.standing, embedder=Embedding("e", [""], fault=error))
    reply = asyncio.run(team.generate(TEST[0].request))[0]
    assert reply.text and [a.member for a in reply.absent] == ["e"]


def test_vectors_that_are_none() -> None:
    with pytest.raises(ConfigError, match="vectors of dev questions that are no numbers"):
        fit("linear-router", experts(), embedder=Embedding("e", [""], fault=float("nan")))
    healthy = fit("linear-router", experts(), embedder=Embedding("e", [""]))
    strange = Team(healthy.method, experts(), standing=healthy.standing, embedder=Embedding("e", [""], fault=float("nan")))
    assert route(strange, "apple") == "large", "the best on dev"
    with pytest.raises(TeamError, match="vectors of width 4, and the embedder now gives 5"):
        route(Team(healthy.method, experts(), embedder=Embedding("e", [""], width=5)), "apple")


def test_a_second_fit_keeps_the_space() -> None:
    team = fit("linear-router", experts())
    more = Team(team.method, experts()).fit_sync(dev_of(questions(60)))
    before, after = (t.method.found().arrays["space.directions"] for t in (team, more))
    assert np.array_equal(before, after)


def test_every_router_is_here() -> None:
    assert {"knn-router", "linear-router", "svm-router", "mlp-router", "boosted-router", "elo-router", "similarity-bt",
            "matrix-factorisation", "hybrid-llm", "fusion-factory", "tryage"} <= set(ROUTERS)
    assert all(issubclass(methods()[name], Method) for name in ROUTERS)


def test_a_table_keeps_what_else_is_learned_from() -> None:
    table = asyncio.run(Table.of(DEV, experts()))
    wide = replace(table, also=(table.scores * 2,))
    assert np.array_equal(wide.among(np.array([3, 1])).also[0], 2 * table.scores[[3, 1]])


@pytest.mark.parametrize("name", ("knn-router", "avengers", "linear-router"))
def test_a_new_member_joins_by_fitting_again(name: str) -> None:
    team = fit(name, experts(), dev_of(questions(60)))
    before = team.method.found()
    joined = Team(team.method, [*team.members, member("new", sometimes(1.0), .0005)])
    with pytest.raises(TeamError, match="fit the team again"):
        asyncio.run(joined.generate(TEST[0].request))
    again = joined.fit_sync(dev_of(questions(60)))
    assert route(again, TEST[0].question) == "new" and again.method.found().values["members"][-1] == "new"
    for key in ("space.directions", "centres"):
        if key in before.arrays:
            assert np.array_equal(before.arrays[key], again.method.found().arrays[key]), "the space stays as it was"
