"""Runs on a budget: money is shared out the same way each time, kept for later asks, and never spent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import BudgetError, NoAnswerError
from consilience.gather import Members, ask_all, decode_together, together
from consilience.method import Last, Level, Method
from consilience.methods.search.best_of_n import BestOfN
from consilience.methods.text.majority_vote import MajorityVote
from consilience.methods.text.mixture_of_agents import MixtureOfAgents
from consilience.methods.text.refine import MultiagentRefine
from consilience.model import Measured, Model, Price
from consilience.models.wrappers import Budget, Budgeted, Stored
from consilience.purse import Ask, Purse, evenly
from consilience.reading import Number
from consilience.store import Store
from consilience.team import Team
from consilience.types import Draws, Reply, Request, Sampling, Scope, Usage
from tests.members import Scripted

ASK = Request.of("How many?", form="answer", format=Number(), sampling=Sampling(max_tokens=100))
PER_TOKEN = Price(0.0, 1e6)     # a dollar a token


def run(work: Any) -> Any:
    return asyncio.run(work)


def says(words: int, answer: str = "7") -> Callable[[Request, int], str]:
    """A member that would say so many words, and stops where it is cut."""
    def answers(request: Request, draw: int) -> str:
        return " ".join([answer] * min(words, request.sampling.max_tokens))
    return answers


def member(name: str, words: int = 10, answer: str = "7", **more: Any) -> Budgeted:
    return Budgeted(Scripted(name, says(words, answer), price=more.pop("price", PER_TOKEN), **more))


def cuts(*members: Budgeted) -> list[list[int]]:
    """The lengths that members were allowed, call by call."""
    return [[r.sampling.max_tokens for r in m.inner.asked] for m in members]  # type: ignore[attr-defined]


def ask(team: Model, dollars: float, request: Request = ASK) -> tuple[Reply, Budget]:
    budget = Budget(dollars)
    [reply] = run(team.generate(request, scope=Scope(budget)))
    return reply, budget


def test_what_is_enough_for_all_cuts_nobody_whatever_they_cost() -> None:
    cheap, dear = member("cheap"), member("dear", price=Price(0.0, 9e6))
    reply, budget = ask(Team(MajorityVote(stop="never"), [cheap, dear]), 1000.0)
    assert cuts(cheap, dear) == [[100], [100]] and budget.spent == 100 == reply.cost and budget.left == 900


def test_what_is_not_is_shared_and_the_worst_on_dev_are_left_out() -> None:
    for dollars, found in ((150.0, [[50], [50], [50]]), (60.0, [[20], [20], [20]]), (47.0, [[], [23], [23]]), (31.0, [[], [31], []])):
        members = [member(name) for name in "abc"]
        reply, budget = ask(Team(MajorityVote(stop="never"), members, standing=[0.1, 0.9, 0.5]), dollars)
        assert cuts(*members) == found and budget.spent == 10 * sum(map(len, found))
        assert [a.reason for a in reply.absent] == ["budget"] * found.count([])


def test_shares_are_by_what_answers_cost() -> None:
    cheap, dear = member("cheap"), member("dear", price=Price(0.0, 4e6))
    ask(Team(MajorityVote(stop="never"), [cheap, dear]), 250.0)
    assert cuts(cheap, dear) == [[50], [50]]


def test_later_rounds_and_the_last_ask_have_their_part() -> None:
    members = [member(name, words=1000, answer=str(i)) for i, name in enumerate("abc")]
    team = Team(MultiagentRefine(rounds=2), members)
    reply, budget = ask(team, 330.0)
    first, rest = cuts(*members), [c[1:] for c in cuts(*members)]
    assert [c[0] for c in first] == [47, 47, 47], "three calls of seven"
    assert [c[0] for c in rest] == [47, 47, 47] and rest[0][1] == 48, "then three of four, and the summary"
    assert budget.spent == 330 == reply.cost


@dataclass(frozen=True)
class Ladder(Method):
    """The members in order, as long as they say nothing of use."""

    level: ClassVar = Level.ROUTE
    cost: ClassVar = "N"

    async def run(self, request: Request, members: Members) -> Reply | Last:
        for rung in members[:-1]:
            [reply] = (await ask_all([rung], request)).replies
            if reply.reading is not None:
                return reply
        return Last(members[-1], request)


def test_a_cascade_spends_on_its_last_rung_what_the_first_left() -> None:
    small, large = member("small", words=3, answer="?"), member("large", words=1000)
    ask(Team(Ladder(), [small, large]), 100.0)
    assert cuts(small, large) == [[50], [97]]


def test_the_cheapest_answer_is_better_than_none() -> None:
    members = [member(name, words=1000) for name in "abcdefghi"]
    team = Team(MixtureOfAgents(), members)
    reply, budget = ask(team, 20.0)
    assert reply.text and reply.note["fallback"] == "the budget pays for one member alone" and budget.spent == 20
    with pytest.raises(NoAnswerError, match="are left"):
        ask(team, 15.0)


def three_levels(delays: Sequence[float], dress: Callable[[Scripted], Model]) -> Team:
    """A cascade and a vote with a debate in it, under a mixture of agents."""
    price = [Price(5.0, 20.0), Price(10.0, 40.0), Price(50.0, 200.0), Price(1.0, 4.0)]
    a, b, c, d = (dress(Scripted(n, says(40 + 20 * i, str(i)), price=price[i], delay=delays[i], seconds=1.0 + i))
                  for i, n in enumerate("abcd"))
    debate = Team(MultiagentRefine(rounds=2), [a, b, d], name="debate")
    vote = Team(MajorityVote(draws=3), [debate, d], name="vote")
    cascade = Team(Ladder(), [d, c], name="cascade")
    return Team(MixtureOfAgents(), [vote, cascade, a, a], name="whole")


@pytest.mark.parametrize("cents", [0.2, 1.0, 3.0, 100.0])
def test_a_cent_over_three_levels_gives_an_answer_and_the_same_one_each_time(cents: float, tmp_path: Path) -> None:
    async def work() -> None:
        told = set()
        with Store(tmp_path / "s.db") as store:
            dresses: list[Callable[[Scripted], Model]] = [Budgeted, lambda m: Budgeted(Stored(m, store))]
            for delays in ([0, 0, 0, 0], [0.02, 0, 0.01, 0.005], [0, 0.02, 0.001, 0.03]):
                for dress in dresses:
                    budget = Budget(cents / 100)
                    [reply] = await three_levels(delays, dress).generate(ASK, scope=Scope(budget))
                    told.add((reply.text, budget.spent, reply.usage, tuple(a.member for a in reply.absent)))
        assert len(told) == 1
        [(text, spent, _, _)] = told
        assert text and 0 < spent <= cents / 100
    run(work())


def test_streams_have_the_same_purse() -> None:
    async def listen(team: Team, budget: Budget) -> str:
        events = [e async for e in team.stream(ASK, scope=Scope(budget))]
        assert events[-1].reply is not None
        return events[-1].reply.text or ""

    teams = [Team(MixtureOfAgents(), [member(n, words=1000) for n in "abc"]) for _ in range(2)]
    whole, streamed = Budget(200.0), Budget(200.0)
    [reply] = run(teams[0].generate(ASK, scope=Scope(whole)))
    assert run(listen(teams[1], streamed)) == reply.text and streamed.spent == whole.spent > 100


def test_copies_and_draws_at_once_have_equal_parts() -> None:
    one = Scripted("a", says(1000), price=PER_TOKEN)
    ask(Team(MajorityVote(draws=2), [Budgeted(one), Budgeted(one)]), 200.0)
    assert [r.sampling.max_tokens for r in one.asked] == [50] * 4
    budget, two = Budget(100.0), member("b", words=1000)
    run(Team(MajorityVote(), [two]).generate(ASK, Draws(2), Scope(budget)))
    assert cuts(two) == [[50, 50]] and budget.spent == 100


@dataclass(frozen=True)
class Chains(Method):
    """Two chains of two asks each, at once."""

    level: ClassVar = Level.TEXT
    cost: ClassVar = "2*N"

    async def run(self, request: Request, members: Members) -> Reply:
        async def chain(i: int) -> Reply:
            await members[i].ask(request)
            return await members[i].ask(request)

        return (await together(*(chain(i) for i in range(len(members)))))[0]


def test_chains_of_asks_do_not_take_from_each_other() -> None:
    for delays in ((0.0, 0.02), (0.02, 0.0)):
        pair = [member(name, words=1000, delay=d) for name, d in zip("ab", delays, strict=True)]
        _, budget = ask(Team(Chains(), pair), 120.0)
        assert cuts(*pair) == [[30, 30], [30, 30]] and budget.spent == 120


def test_a_run_without_a_budget_inside_one_with_it_is_free() -> None:
    inner = Team(MajorityVote(), [member("a", words=1000)])

    async def work() -> None:
        budget = Budget(10.0)
        outer = Budgeted(Scripted("b", ["7"], price=PER_TOKEN))
        await outer.generate(ASK.sampled(max_tokens=5), scope=Scope(budget))
        assert (await inner.generate(ASK))[0].text and budget.spent == 1
    run(work())


class Judge(Scripted):
    """Rates answers at a dollar a token that it reads."""

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        return Measured([1.0] * len(answers), Usage(1, 9, 0), 9.0, 0.1)


def test_verifying_is_paid_too() -> None:
    judge = Budgeted(Judge("v", ["?"], price=Price(1e7, 0.0), scores=lambda text: 1.0))
    team = Team(BestOfN(draws=1), [member("a"), member("b")], verifier=judge)
    _, budget = ask(team, 1000.0)
    assert budget.spent == 10 + 10 + 9 and budget.left == 1000 - budget.spent
    reply, budget = ask(team, 200.0)
    assert budget.spent == 20 and reply.text and ("v", "budget") in {(a.member, a.reason) for a in reply.absent}


class Lockstep(Scripted):
    """Decodes with others, one dollar a token each."""

    def power(self, kind: type) -> object | None:
        return self if kind.__name__ == "NextTokens" else super().power(kind)

    def refuses(self, peers: Sequence[Any]) -> None:
        return None

    async def decode(self, peers: Sequence[Any], requests: Sequence[Request], *rest: Any) -> list[Reply]:
        n = min(requests[0].sampling.max_tokens, 60)
        return [Reply("7", usage=Usage(len(peers), 0, n * len(peers)), cost=float(n * len(peers)), model=self.name)]


@dataclass(frozen=True)
class Both(Method):
    level: ClassVar = Level.TOKEN
    cost: ClassVar = "N"

    async def run(self, request: Request, members: Members) -> Reply:
        return await decode_together(members, [request] * len(members), None)  # type: ignore[arg-type]


def test_decoding_together_is_paid_by_the_token_of_all() -> None:
    team = Team(Both(), [Budgeted(Lockstep(n, ["7"], price=PER_TOKEN)) for n in "ab"])
    assert ask(team, 1000.0)[1].spent == 120
    assert ask(team, 80.0)[1].spent == 80, "cut to 40 tokens of each"
    reply, budget = ask(team, 31.0)
    assert budget.spent == 1 and reply.note["fallback"], "two tokens' price is too little for both, so one answers"


asks = st.builds(lambda least, more: Ask(least, least + more), st.floats(0, 20), st.floats(0, 50))


@given(st.floats(0, 100), st.floats(0, 20), st.lists(asks, min_size=1, max_size=6))
def test_shares_are_what_is_there_and_no_more(dollars: float, to_come: float, wanted: list[Ask]) -> None:
    budget = Budget(dollars)
    shares = Purse(budget, to_come).shares(wanted, len(wanted))
    parts = [s.left for s in shares]
    fund = dollars * len(wanted) / max(len(wanted), to_come)
    assert sum(parts) <= fund + 1e-9 and budget.left >= 0
    assert all(part == 0 or part >= ask.least - 1e-9 for part, ask in zip(parts, wanted, strict=True))
    if sum(ask.most for ask in wanted) <= fund:
        assert all(part >= ask.most - 1e-6 for part, ask in zip(parts, wanted, strict=True))
    if any(part and ask.most > ask.least + 1e-3 for part, ask in zip(parts, wanted, strict=True)):
        assert sum(parts) == pytest.approx(fund, abs=1e-6), "nothing is held back from those that are asked"
    for share in shares:
        share.close()
    assert budget.left == pytest.approx(dollars, abs=1e-9)


def test_equal_parts_come_back() -> None:
    budget = Budget(9.0)
    with evenly(Scope(budget), 3) as scopes:
        assert [s.ledger.left for s in scopes if s.ledger] == pytest.approx([3, 3, 3]) and budget.left == pytest.approx(0)
        assert scopes[0].ledger is not None
        scopes[0].ledger.reserve(2.0).settle(2.0)
        with pytest.raises(BudgetError):
            scopes[0].ledger.reserve(2.0)
    assert budget.left == 7
    with evenly(Scope(), 2) as scopes:
        assert scopes == [Scope(), Scope()]
