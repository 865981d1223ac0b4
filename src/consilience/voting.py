"""Asking for votes only as long as they can matter: until the lead cannot be caught."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from consilience.compare import Class
from consilience.gather import Member, Wave, attempt, attempt_each, check_quorum, clock, granted, timed
from consilience.types import Absent, Reply, Request

Tally = Callable[[Wave], Awaitable[Sequence[Class]]]
"""The classes of equal answers in what has been heard so far."""


def lead(groups: Sequence[Class]) -> float:
    """By how much the heaviest class leads the next one."""
    first, second = (*sorted((group.weight for group in groups), reverse=True), 0.0, 0.0)[:2]
    return first - second


def enough(ahead: float, worths: Sequence[float]) -> int:
    """The fewest further voters that could decide a vote in which the leader is `ahead`, all siding with it: then the lead
    exceeds what is left. `worths` are the most that each voter could add, in the order of asking; at least 1."""
    left = sum(worths)
    for number, worth in enumerate(worths, 1):
        ahead, left = ahead + worth, left - worth
        if ahead > left + 1e-9:
            return number
    return max(1, len(worths))


async def ask_in_waves(members: Sequence[Member], request: Request, n: int, count: Tally,
                       worth: Callable[[Member], float]) -> Wave:
    """Ask members in order, in waves as small as could decide, until the lead exceeds all that those not yet asked could add
    (`worth`, for their `n` draws). Saves calls, for up to a few rounds more of waiting."""
    heard, left, ahead = Wave((), ()), list(members), 0.0
    while left and ahead <= sum(map(worth, left)) + 1e-9:
        size = enough(ahead, [worth(member) for member in left])
        now, left = left[:size], left[size:]
        wave = await attempt_each(now, [request] * size, n)
        heard = Wave((*heard.members, *wave.members), (*heard.by_member, *wave.by_member))
        ahead = lead(await count(heard)) if left else 0.0
    check_quorum(heard)
    return heard


async def ask_at_once(members: Sequence[Member], request: Request, n: int, count: Tally,
                      worth: Callable[[Member], float]) -> Wave:
    """Ask all members at once, and wait no longer than until the lead exceeds all that those not yet heard could add; the
    others are cancelled, and absent. Saves time. Who comes first is decided on recorded seconds, or on the clock while
    somebody waits."""
    heard: list[tuple[Reply, ...]] = [()] * len(members)
    out = set(range(len(members)))
    async with aclosing(_arriving(members, request, n)) as arriving:
        async for place, replies, end in arriving:
            heard[place] = replies
            out.remove(place)
            clock.set(max(clock.get(), end))
            wave = Wave(tuple(members), tuple(heard))
            if out and lead(await count(wave)) > sum(worth(members[i]) for i in out) + 1e-9:
                break
    for place in sorted(out):
        members[place].run.absent.append(Absent(members[place].name, "decided", "the vote was decided before it answered"))
    wave = Wave(tuple(members), tuple(heard))
    check_quorum(wave)
    return wave


async def _arriving(members: Sequence[Member], request: Request,
                    n: int) -> AsyncIterator[tuple[int, tuple[Reply, ...], float]]:
    """Places of members with their replies as they come, and when on the recorded clock; who is not waited for is
    cancelled."""
    live = members[0].run.scope.live
    with granted(members, [request] * len(members), n) as grants:
        tasks = [asyncio.create_task(timed(attempt(member, request, n, grant)))
                 for member, grant in zip(members, grants, strict=True)]
        places = {task: place for place, task in enumerate(tasks)}
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, return_when=asyncio.FIRST_COMPLETED if live else asyncio.ALL_COMPLETED)
                for task in sorted(done, key=lambda task: (task.result()[1], places[task])):
                    yield places[task], *task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
