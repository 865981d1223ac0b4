"""Budgets: reserved before, settled after, nested, and never overdrawn by more than an estimate."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import BudgetError, ModelError
from consilience.model import Price
from consilience.models.recorded import Recorded, Recording
from consilience.models.wrappers import Allowance, Budget, Budgeted, Stored
from consilience.prompt import prompt_tokens
from consilience.store import Store
from consilience.types import Draws, Request, Sampling, Scope
from tests.members import Scripted, down

ASK = Request.of("why?", sampling=Sampling(max_tokens=100))
PRICE = Price(0.0, 1e6)     # a dollar a token


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_without_a_ledger_nothing_happens() -> None:
    inner = Scripted("a", ["x"], price=None)
    assert run(Budgeted(inner).generate(ASK))[0].text == "x"


def test_what_is_not_spent_returns() -> None:
    budget = Budget(150.0)
    inner = Scripted("a", ["one two three"], price=PRICE)
    run(Budgeted(inner).generate(ASK, scope=Scope(ledger=budget)))
    assert budget.spent == 3 and budget.left == 147 and inner.asked[0].sampling.max_tokens == 100


def test_an_ask_is_cut_to_what_can_be_paid() -> None:
    inner = Scripted("a", ["one two three"], price=PRICE)
    run(Budgeted(inner).generate(ASK, scope=Scope(ledger=Budget(40.0))))
    assert inner.asked[0].sampling.max_tokens == 40
    run(Budgeted(inner).generate(ASK, Draws(2), Scope(ledger=Budget(40.0))))
    assert inner.asked[1].sampling.max_tokens == 20
    run(Budgeted(inner).generate(ASK.sampled(temperature=0), Draws(2), Scope(ledger=Budget(40.0))))
    assert inner.asked[-1].sampling.max_tokens == 40        # a greedy draw is made once


def test_below_the_minimum_the_member_is_absent() -> None:
    inner = Scripted("a", ["x"], price=PRICE)
    with pytest.raises(BudgetError) as caught:
        run(Budgeted(inner).generate(ASK, scope=Scope(ledger=Budget(15.9))))
    assert caught.value.reason == "budget" and not inner.asked
    short = ASK.sampled(max_tokens=4)       # an ask that wants less than the minimum needs only that
    assert run(Budgeted(inner).generate(short, scope=Scope(ledger=Budget(4.0))))[0].text == "x"


def test_an_unknown_price_cannot_be_paid() -> None:
    with pytest.raises(BudgetError, match="price of a is unknown"):
        run(Budgeted(Scripted("a", ["x"], price=None)).generate(ASK, scope=Scope(ledger=Budget(1e9))))


def test_the_prompt_is_paid_too() -> None:
    inner = Scripted("a", ["x"], price=Price(1e6, 1e6))
    need = prompt_tokens(ASK)
    with pytest.raises(BudgetError):
        run(Budgeted(inner).generate(ASK, scope=Scope(ledger=Budget(need + 15.0))))
    budget = Budget(need + 16.0)
    run(Budgeted(inner).generate(ASK, scope=Scope(ledger=budget)))
    assert inner.asked[0].sampling.max_tokens == 16 and budget.spent == 2


def test_failures_cost_nothing() -> None:
    budget = Budget(200.0)
    inner = down("a")
    inner.price = PRICE
    with pytest.raises(ModelError):
        run(Budgeted(inner).generate(ASK, scope=Scope(ledger=budget)))
    assert budget.left == 200


def test_asks_at_the_same_time_share_what_is_there() -> None:
    async def work() -> None:
        budget = Budget(150.0)
        inner = Scripted("a", ["one two"], price=PRICE, delay=0.01)
        model = Budgeted(inner)
        results = await asyncio.gather(*(model.generate(ASK.having(seed=i), scope=Scope(ledger=budget)) for i in range(3)),
                                       return_exceptions=True)
        assert [r.sampling.max_tokens for r in inner.asked] == [100, 50]
        assert isinstance(results[2], BudgetError) and budget.spent == 4 and budget.left == 146
    run(work())


def test_a_warm_store_spends_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            inner = Scripted("a", ["one two three"], price=PRICE)
            spent = []
            for _ in range(2):
                budget = Budget(40.0)
                await Budgeted(Stored(inner, store)).generate(ASK, scope=Scope(ledger=budget))
                spent.append(budget.spent)
            assert spent == [3, 3] and len(inner.asked) == 1
            await Budgeted(Stored(inner, store)).generate(ASK, scope=Scope(ledger=Budget(39.0)))
            assert len(inner.asked) == 2        # another cut is another request
    run(work())


def test_streams_are_paid() -> None:
    async def work() -> None:
        budget = Budget(40.0)
        inner = Scripted("a", ["one two"], price=PRICE)
        kinds = [e.kind async for e in Budgeted(inner).stream(ASK, scope=Scope(ledger=budget))]
        assert kinds == ["delta", "done"] and budget.spent == 2 and budget.left == 38
    run(work())


def test_children_return_what_they_leave() -> None:
    whole = Budget(10.0)
    with whole.split(6.0) as child:
        assert whole.left == 4
        grandchild = child.split(2.0)
        grandchild.reserve(1.0).settle(0.5)
        grandchild.close()
        grandchild.close()
        assert child.left == 5.5
        with pytest.raises(BudgetError, match="6.0"):
            child.split(6.0)
    assert whole.spent == 0.5 and whole.left == 9.5


steps = st.lists(st.tuples(st.sampled_from(["reserve", "settle", "split", "close"]), st.integers(0, 9),
                           st.floats(0, 5, allow_nan=False)), max_size=40)


@given(st.floats(0, 20), steps)
def test_no_sequence_reserves_more_than_there_is(dollars: float, sequence: list[tuple[str, int, float]]) -> None:
    whole = Budget(dollars)
    ledgers: list[Budget] = [whole]
    open_: list[tuple[Any, float]] = []
    for verb, which, amount in sequence:
        ledger = ledgers[which % len(ledgers)]
        if verb in ("reserve", "split"):
            fits = amount <= ledger.left
            try:
                if verb == "reserve":
                    open_.append((ledger.reserve(amount), amount))
                else:
                    ledgers.append(ledger.split(amount))
            except BudgetError:
                assert not fits
        elif verb == "settle" and open_:
            reserved, most = open_.pop(which % len(open_))
            reserved.settle(min(amount, most))
        assert all(one.left >= 0 and one.spent <= one.dollars + 1e-9 for one in ledgers)
    for reserved, _ in open_:
        reserved.settle(0)
    total = 0.0
    for one in reversed(ledgers[1:]):
        one.close()
    total = whole.spent
    assert whole.left == pytest.approx(max(0.0, dollars - total), abs=1e-9)


def recorded(folder: Path, cost: float | None, **card: Any) -> Budgeted:
    line = {"dataset": "d", "id": "1", "model": "m", "prompt": "why?", "response": "so", "prompt_tokens": 30,
            "completion_tokens": 400}
    path = folder / "r.jsonl"
    path.write_text(json.dumps(line | ({} if cost is None else {"cost_usd": cost})) + "\n")
    return Budgeted(Recorded(Recording.load(path), "m", **card))


def test_a_recorded_answer_costs_what_was_recorded_or_is_not_to_be_had(tmp_path: Path) -> None:
    member, budget = recorded(tmp_path, 0.03), Budget(0.05)
    assert run(member.generate(ASK, scope=Scope(budget)))[0].text == "so"
    assert budget.spent == 0.03
    with pytest.raises(BudgetError, match=r"m: \$0.020000 are left; it costs \$0.030000"):
        run(member.generate(ASK, scope=Scope(budget)))
    assert budget.left == pytest.approx(0.02)


def test_a_recorded_answer_without_a_cost_is_priced_by_its_tokens(tmp_path: Path) -> None:
    budget = Budget(1.0)
    run(recorded(tmp_path, None, price=Price(1000.0, 1000.0)).generate(ASK, scope=Scope(budget)))
    assert budget.spent == pytest.approx(0.43)
    with pytest.raises(BudgetError, match="price of m is unknown"):
        run(recorded(tmp_path, None).generate(ASK, scope=Scope(budget)))


def test_an_allowance_saves_what_questions_leave_and_lends_nothing() -> None:
    allowance = Allowance.per_1k(40_000.0)          # forty dollars a question
    inner = Scripted("a", lambda request, _: "word " * min(70, request.sampling.max_tokens), price=PRICE)
    model = Budgeted(inner)
    for spent in (40, 80, 120):
        run(model.generate(ASK, scope=Scope(allowance.question())))
        assert allowance.spent == spent and allowance.left == 0
    with pytest.raises(BudgetError):
        run(model.generate(ASK, scope=Scope(allowance)))
    allowance.question()
    run(model.generate(ASK, scope=Scope(allowance.question())))
    assert inner.asked[-1].sampling.max_tokens == 80 and allowance.left == 10, "two questions' money for one"


def test_savings_have_a_limit_where_one_is_stated() -> None:
    allowance = Allowance(1.0, most=2.5)
    assert [allowance.question().left for _ in range(4)] == [1.0, 2.0, 2.5, 2.5]


stream = st.lists(st.tuples(st.sampled_from(["question", "reserve", "settle"]), st.integers(0, 9), st.floats(0, 3)), max_size=60)


@given(st.floats(0.01, 1.0), st.floats(0.0, 0.5), stream)
def test_an_allowance_is_never_overdrawn_by_more_than_the_estimates_in_flight(
        each: float, error: float, sequence: list[tuple[str, int, float]]) -> None:
    """Settling may exceed what was set aside by `error`: what is missing afterwards is that of the calls in flight."""
    allowance, questions = Allowance(each), 0
    flying: list[tuple[Any, float]] = []
    most = 0
    for verb, which, amount in sequence:
        if verb == "question":
            allowance.question()
            questions += 1
        elif verb == "reserve":
            there = allowance.left
            try:
                flying.append((allowance.reserve(amount), amount))
                assert amount <= there + 1e-9
            except BudgetError:
                assert amount > there and allowance.left == there
        elif flying:
            reserved, set_aside = flying.pop(which % len(flying))
            reserved.settle(min(amount, set_aside + error))
        most = max(most, len(flying))
        assert allowance.dollars == pytest.approx(questions * each)
        assert allowance.spent <= questions * each + most * error + 1e-9
    spent = allowance.spent
    for reserved, _ in flying:
        reserved.settle(0.0)
    assert allowance.left == pytest.approx(max(0.0, questions * each - spent), abs=1e-9), "what is not spent comes back"
