"""Rounds in which members answer again after reading others, and the summary that ends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from consilience.gather import Member, Members, Wave, agreed, ask_again, ask_all, plurality, put, shuffled, stated
from consilience.method import Last
from consilience.types import Reply, Request

Turn: TypeAlias = Callable[[Wave, int], Awaitable[Sequence[Request | None]]]
"""What each member is asked after a round (None: nothing, it keeps its reply), by that round and its number from 0."""


async def discussed(request: Request, members: Members, rounds: int, turn: Turn, early_stop: bool = False) -> tuple[Wave, Wave]:
    """What members said in the last of `rounds` rounds, and what each last stated as its answer. With `early_stop` rounds end
    once all have stated the same."""
    wave = last = await ask_all(members, request)
    for number in range(rounds - 1):
        if early_stop and await agreed(request, last):
            break
        wave = await ask_again(wave, await turn(wave, number))
        last = stated(last, wave)
    return wave, last


async def summary(request: Request, last: Wave, summariser: Member, early_stop: bool) -> Reply | Last:
    """What a summariser writes from what was last stated; the vote on it where that fails, or where all agree."""
    vote = await plurality(request, last)
    if early_stop and await agreed(request, last):
        return vote.noting(agreed=True)
    return Last(summariser, put(request, "fuse", candidates=shuffled(request, [r.text or "" for r in last.replies])), vote)
