"""What cascades share: targets, failures, budgets, and dev seen by the code that runs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from math import log, nan
from typing import Any

import pytest

from consilience.errors import BudgetError, ConfigError, TargetError, TeamError
from consilience.method import Scored
from consilience.methods.route.cascade import Cascade
from consilience.methods.route.frugal_gpt import FrugalGPT
from consilience.model import Price
from consilience.models.recorded import Recorded, Recording
from consilience.reading import Choice
from consilience.saved import load, save
from consilience.tasks.build import Options
from consilience.tasks.recorded import load as recorded_task
from consilience.tasks.task import Split
from consilience.team import Team
from consilience.types import Reply, Request, Token
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

CHEAP, MIDDLE, DEAR = Price(1, 1), Price(5, 5), Price(20, 20)
DEV = split([(f"{kind} {i}", "A") for kind in ("easy", "fair", "hard") for i in range(10)])


def knowing(name: str, known: str, price: Price | None, seconds: float = 1.0) -> Scripted:
    """Right and sure about these kinds, else wrong and unsure."""
    def answer(request: Request, draw: int) -> Answer:
        right = request.question.split()[0] in known
        number = int(request.question.split()[1])
        chance = (.7 if right else .3) + .02 * number
        return Reply("A" if right else "B", model=name, cost=price.of(100, 0) if price else None, seconds=seconds,
                     tokens=(Token("A", log(chance)),))
    return Scripted(name, answer, price=price)


def members() -> list[Scripted]:
    return [knowing("cheap", "easy", CHEAP), knowing("middle", "easy fair", MIDDLE, 2.0), knowing("dear", "easy fair hard", DEAR, 4.0)]


def expected(method: Cascade, given: list[Scripted] | None = None) -> dict[str, Any]:
    found = Team(method, given or members()).fit_sync(DEV).method.found()
    return dict(found.values["expected"])


def test_without_a_target_the_best_dev_score_at_the_least_cost() -> None:
    told = expected(Cascade())
    assert told["quality"][0] > .9
    assert told["cost_per_1k"][0] == pytest.approx(1000 * 1e-4 * (1 + 5 * 2 / 3 + 20 / 3), rel=.2), "halves differ a little"


def test_each_target_gets_its_setting() -> None:
    cheap = expected(Cascade(max_cost_per_1k=.3))
    assert cheap["cost_per_1k"][0] <= .36 and .3 <= cheap["quality"][0] < 1
    enough = expected(Cascade(min_quality="60% of best"))
    assert .5 < enough["quality"][0] < 1 and enough["cost_per_1k"][0] < expected(Cascade())["cost_per_1k"][0]
    assert expected(Cascade(max_latency=3.0))["latency"] <= 3.0
    assert expected(Cascade(tradeoff=100.0))["cost_per_1k"][0] == pytest.approx(.1), "money matters more than anything"


def test_a_target_out_of_reach_names_the_nearest_setting_and_its_cost() -> None:
    with pytest.raises(TargetError, match=r"max_cost_per_1k 0.001 .*nearest.*\$0.1 per 1,000"):
        expected(Cascade(max_cost_per_1k=.001))
    with pytest.raises(ConfigError, match="dear is unknown.*price"):
        expected(Cascade(min_quality="90% of best"), [*members()[:2], knowing("dear", "easy fair hard", None)])


def test_members_of_equal_cost_and_unknown_costs_are_no_hindrance() -> None:
    same = [knowing(name, known, CHEAP) for name, known in (("a", "easy"), ("b", "easy fair"), ("c", "easy fair hard"))]
    assert expected(Cascade(), same)["quality"][0] > .9
    unpriced = [knowing(name, known, None) for name, known in (("a", "easy"), ("b", "easy fair hard"))]
    told = expected(Cascade(), unpriced)
    assert told["quality"][0] > .9 and told["cost_per_1k"] is None


def test_members_that_never_differ_are_not_asked_for_nothing() -> None:
    team = Team(Cascade(), [knowing("cheap", "easy", CHEAP), knowing("dear", "easy", DEAR)]).fit_sync(DEV)
    assert {asyncio.run(team.generate(e.request))[0].usage.calls for e in DEV} == {0}
    assert {len(asyncio.run(team.generate(e.request))[0].parts) for e in DEV} == {1}


def test_duplicates_are_learned_from_once_and_an_empty_dev_is_an_error() -> None:
    twice = Split("dev", tuple(replace(e, id=f"{e.id}-{n}") for e in DEV for n in range(2)))
    found = Team(Cascade(), members()).fit_sync(twice).method.found().values
    assert found["expected"]["questions"] == 30
    with pytest.raises(ConfigError, match="there are none"):
        Team(Cascade(), members()).fit_sync(Split("dev", ()))


def test_a_score_that_is_no_number_is_an_error_that_names_it() -> None:
    class Odd(Split):
        async def replies(self, *args: Any, **more: Any) -> list[list[Scored]]:
            table = await super().replies(*args, **more)
            return [[Scored(line[0].reply, nan), *line[1:]] for line in table]
    with pytest.raises(ConfigError, match="cheap on q000 is nan"):
        Team(Cascade(), members()).fit_sync(Odd("dev", DEV.examples))


def test_other_members_are_refused() -> None:
    method = Team(Cascade(), members()).fit_sync(DEV).method
    with pytest.raises(TeamError, match="fitted for the members cheap, middle, dear"):
        Team(method, members()[::-1])


def test_a_rung_that_cannot_be_paid_leaves_the_best_answer_so_far() -> None:
    method = Team(Cascade(), members()).fit_sync(DEV).method
    def broke(name: str) -> Scripted:
        return Scripted(name, [BudgetError(f"{name}: nothing is left")])
    [reply] = asyncio.run(Team(method, [members()[0], broke("middle"), broke("dear")]).generate(DEV[25].request))
    assert reply.reading == "B" and reply.note["fallback"] == "last ask failed"
    assert [(a.member, a.reason) for a in reply.absent] == [("middle", "budget"), ("dear", "budget")]
    [reply] = asyncio.run(Team(method, [down("cheap"), down("middle"), members()[2]]).generate(DEV[25].request))
    assert reply.reading == "A" and len(reply.absent) == 2


def test_copies_of_one_model_are_further_draws_on_dev_too() -> None:
    def answer(request: Request, draw: int) -> Answer:
        return Reply("A" if draw else "B", model="same", cost=1e-4, tokens=(Token("x", log(.9 if draw else .2)),))
    same = Scripted("same", answer, price=CHEAP)
    found = Team(Cascade(), [same, same, knowing("dear", "easy fair hard", DEAR)]).fit_sync(DEV).method.found().values
    assert found["thresholds"]["1"] < 1 and found["expected"]["cost_per_1k"][0] < 1, "the second draw is the right one"


def test_the_margin_is_the_lead_over_the_second_answer() -> None:
    def samples(text: str) -> Scripted:
        return Scripted("cheap", lambda r, d: text[d % len(text)], price=CHEAP)
    async def sure(text: str, rule: Any) -> float:
        method = Cascade(confidence=rule, draws=5, order="given").with_learned(
            {"members": ["cheap", "dear"], "rungs": [0, 1], "thresholds": {"0": 0.0}})
        [reply] = await Team(method, [samples(text), Scripted("dear", ["C"])]).generate(
            Request.of("Which?", form="answer", format=Choice(4)))
        return float(reply.note["confidence"])
    assert asyncio.run(sure("AAABB", "agreement")) == .6 and asyncio.run(sure("AAABB", "margin")) == pytest.approx(.2)
    assert asyncio.run(sure("AAABC", "margin")) == pytest.approx(.4)


def test_a_fitted_cascade_is_saved_and_loaded(tmp_path: Any) -> None:
    team = Team(Cascade(), [replace_spec(m) for m in members()]).fit_sync(DEV)
    save(team, tmp_path)
    by_spec = {m.card.spec: m for m in team.members}
    again = load(tmp_path, lambda spec: [by_spec[spec]])
    assert again.card.fingerprint == team.card.fingerprint


def replace_spec(member: Scripted) -> Any:
    class Named(Scripted):
        @property
        def card(self) -> Any:
            return replace(super().card, spec=f"scripted:{self.name}")
    return Named(member.name, member.answers, price=member.price)


def test_recorded_scores_stand_for_references_in_a_team_too(tmp_path: Any) -> None:
    lines = [{"dataset": "d", "id": i, "prompt": f"question {i}", "model": model, "response": text, "score": score, "cost_usd": cost}
             for i in range(12) for model, text, score, cost in (("cheap", "surely this" if i % 2 else "perhaps that", i % 2, .001),
                                                                  ("dear", "this", 1, .01))]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    task = recorded_task(path, "d", Options())
    both = [Recorded(Recording.load(path), name) for name in ("cheap", "dear")]
    team = Team(FrugalGPT(), both).fit_sync(task.dev)
    assert team.method.found().values["rungs"] and asyncio.run(task.test.evaluate(team))
