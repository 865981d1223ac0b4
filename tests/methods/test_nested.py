"""Nesting needs no method: a team is a member, at any depth, fitted from the inside out."""

from __future__ import annotations

import asyncio

from consilience.methods.route.cascade import Cascade
from consilience.methods.route.knn_router import KnnRouter
from consilience.methods.text.llm_blender import LlmBlender
from consilience.methods.text.majority_vote import MajorityVote
from consilience.methods.text.self_consistency import SelfConsistency
from consilience.reading import Choice
from consilience.saved import load, save
from consilience.team import Team
from consilience.types import Draws, Request
from tests.members import Scripted
from tests.methods.questions import split

FRUIT = ["apple pie", "pear tart", "plum cake", "apple jam", "pear juice", "plum wine"]
METAL = ["iron bar", "copper wire", "zinc plate", "iron nail", "copper pot", "zinc roof"]
DEV = split([(q, "A") for q in FRUIT + METAL])
QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def expert(name: str, known: list[str]) -> Scripted:
    return Scripted(name, lambda request, draw: "A" if request.question in known else "B")


def test_nested_teams_learn_from_the_inside_out_each_on_its_own_part_of_dev() -> None:
    router = Team(KnnRouter(k=1), [expert("fruit", FRUIT), expert("metal", METAL)], name="router")
    team = Team(MajorityVote(), [router, Scripted("x", ["A"]), Scripted("y", ["B"])]).fit_sync(DEV)
    inner = team.members[0]
    assert isinstance(inner, Team) and len(inner.method.found().arrays["merit"]) == len(DEV) // 2
    assert team.standing is not None and inner.standing is not None


def test_three_levels_add_up() -> None:
    vote = Team(MajorityVote(stop="never"), [Scripted(x, [x]) for x in "AAB"], name="vote")
    cascade = Team(Cascade(confidence="ask", order="given"), [vote, Scripted("dear", ["C"])], name="cascade")
    team = Team(LlmBlender(top=1), [cascade, samples("B"), Scripted("z", ["D"])], name="blend", judge=Scripted("j", ["A"]))
    [reply] = asyncio.run(team.generate(QUESTION))
    assert reply.usage.calls == 1 + sum(p.usage.calls for p in reply.parts if p.model != "j") + 2
    [inner] = [p for p in reply.parts if p.model == "cascade"]
    assert [p.model for p in inner.parts] == ["vote", "vote", "dear"], "asked, checked itself, and passed on"
    assert [p.asked for p in inner.parts[0].parts] == ["answer"] * 3


def samples(letter: str) -> Team:
    return Team(SelfConsistency(draws=3), [Scripted(f"s{letter}", [letter])], name="samples")


def test_draws_of_a_nested_team_are_independent() -> None:
    inner = Team(SelfConsistency(draws=1), [Scripted("a", list("ABCD"))], name="inner")
    replies = asyncio.run(Team(SelfConsistency(draws=4, stop="never"), [inner]).generate(QUESTION, Draws(1)))
    assert [p.draw for p in replies[0].parts] == [0, 1, 2, 3]


def test_a_fitted_nest_is_saved_and_comes_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import replace
    models = {name: expert(name, known) for name, known in (("fruit", FRUIT), ("metal", METAL))}

    class Named(Scripted):
        @property
        def card(self):  # type: ignore[no-untyped-def, override]
            return replace(super().card, spec=self.name)
    named = {n: Named(n, m.answers) for n, m in models.items()}
    team = Team(KnnRouter(k=1), [*named.values()], name="router").fit_sync(DEV)
    save(team, tmp_path / "team")
    again = load(tmp_path / "team", lambda spec: [named[spec]])
    for e in DEV:
        assert asyncio.run(again.generate(e.request))[0].text == asyncio.run(team.generate(e.request))[0].text
