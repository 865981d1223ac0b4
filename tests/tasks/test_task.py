"""Splits as what methods learn from: replies, evaluation, folds."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.bench.split import DevSplit
from consilience.errors import ModelError, TaskError
from consilience.gather import Members
from consilience.method import Level, Method
from consilience.reading import Number
from consilience.tasks import Split, Task, Unscored, task
from consilience.tasks.task import content, windowed
from consilience.types import Draws, Example, Reply, Request
from tests.members import Scripted


def sums(n: int, **changes: object) -> Split:
    return Split("sums/dev", tuple(
        Example(str(i), Request.of(f"{i} + {i}?", format=Number()).having(**changes), (str(2 * i),), "sums", skill=f"s{i % 2}")
        for i in range(n)))


def right(name: str) -> Scripted:
    return Scripted(name, lambda request, draw: str(2 * int(request.question.split()[0])))


class First(Method):
    """The first member answers."""

    level = Level.ROUTE

    async def run(self, request: Request, members: Members) -> Reply:
        return await members[0].ask(request)


def test_replies_are_scored_by_model_and_example() -> None:
    wrong = Scripted("wrong", ["7"])
    down = Scripted("down", [ModelError("gone", reason="down")])
    table = asyncio.run(sums(5).replies([right("right"), wrong, down]))
    assert [[s.score for s in row] for row in table] == [[1.0] * 5, [0.0] * 5, [0.0] * 5]
    assert [s.reply.reading for s in table[0] if s.reply] == ["0", "2", "4", "6", "8"]
    assert all(s.reply is None for s in table[2]) and table[0][3].reply is not None
    assert [r.question for r in wrong.asked] == [f"{i} + {i}?" for i in range(5)]


def test_draws_are_passed_on() -> None:
    model = Scripted("two", ["1", "2"])
    [row] = asyncio.run(sums(1).replies([model], Draws(1, first=1)))
    assert row[0].reply is not None and row[0].reply.text == "2"


class Leader(First):
    """The member that is best on dev answers."""

    async def run(self, request: Request, members: Members) -> Reply:
        return await members.best.ask(request)


@pytest.mark.parametrize("kind", [Split, DevSplit])
def test_members_stand_in_an_evaluation_as_they_did_in_replies(kind: type[Split]) -> None:
    async def work() -> list[list[float]]:
        split, members = kind("sums/dev", sums(6).examples), [Scripted("wrong", ["7"]), right("right")]
        before = await split.evaluate(Leader(), members)
        await split.replies(members, Draws(1, first=1))
        other = await split.evaluate(Leader(), members)
        await split.replies(members)
        return [before, other, await split.evaluate(Leader(), members), await split[:3].evaluate(Leader(), members)]

    assert asyncio.run(work()) == [[0.0] * 6, [0.0] * 6, [1.0] * 6, [0.0] * 3]


def test_evaluate_takes_a_method_or_a_model() -> None:
    members = [right("right"), Scripted("wrong", ["7"])]
    assert asyncio.run(sums(4).evaluate(First(), members)) == [1.0] * 4
    assert asyncio.run(sums(4).evaluate(members[1])) == [0.0] * 4


def test_a_refused_task_asks_nobody() -> None:
    model = right("right")
    with pytest.raises(TaskError, match="running code"):
        asyncio.run(sums(3, format=Unscored("code", "sums")).replies([model]))
    assert not model.asked


def test_the_window_is_kept() -> None:
    running, most = 0, 0

    async def call(job: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return job

    assert asyncio.run(windowed(call, range(40), 7)) == list(range(40)) and most == 7


def test_the_first_error_ends_all() -> None:
    async def call(job: int) -> int:
        if job == 3:
            raise TaskError("third")
        await asyncio.sleep(10)
        return job

    with pytest.raises(TaskError, match="third"):
        asyncio.run(windowed(call, range(40), 8))


@given(st.integers(1, 6), st.integers(6, 30))
def test_folds_are_disjoint_complete_and_even(k: int, n: int) -> None:
    split = sums(n)
    parts = split.folds(k)
    ids = [e.id for part in parts for e in part]
    assert sorted(ids) == sorted(e.id for e in split) and len(set(ids)) == n
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_folds_keep_clusters_and_equal_questions_together() -> None:
    examples = [Example(str(i), Request.of("same" if i < 3 else f"q{i}", format=Number()), ("1",), cluster="c" if 3 <= i < 6 else "")
                for i in range(9)]
    where = {e.id: place for place, part in enumerate(Split("x", tuple(examples)).folds(3)) for e in part}
    assert len({where[str(i)] for i in range(3)}) == 1 and len({where[str(i)] for i in range(3, 6)}) == 1
    with pytest.raises(TaskError, match="6 folds .* 5 distinct"):
        Split("x", tuple(examples)).folds(6)


def test_a_split_is_a_sequence() -> None:
    split = sums(5)
    assert len(split) == 5 and split[1].id == "1" and [e.id for e in split[1:3]] == ["1", "2"] and isinstance(split[:2], Split)


def test_facts_of_a_task() -> None:
    made = Task("sums", sums(4), sums(2, format=Unscored("judge", "sums")))
    assert made.formats == ("number/1", "unscored-judge-free/1") and made.skills == ("s0", "s1")
    assert "judge model" in made.refusal and Task("sums", sums(4), sums(2)).refusal == ""
    assert made.digest() == Task("other", sums(4), sums(2, format=Unscored("judge", "sums"))).digest() != Task("s", sums(4), sums(2)).digest()


def test_content_does_not_see_case_and_spaces() -> None:
    one, two = (Example("x", Request.of(q), ()) for q in ("What  is\nit?", "what is it?"))
    assert content(one) == content(two)


def test_dev_of_the_embedded_task_fits_the_protocol() -> None:
    dev = task("nursery/arith", limit=6).dev
    answers: Sequence[Example] = dev.examples
    assert len(answers) == 6 and sum(map(len, dev.folds(2))) == 6
