"""Blackboard: members see one shared board and choose again and again what to add to it, until one concludes. MoCo's BBMAS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Member, Members, optional, together
from consilience.learn.board import ACTIONS, END, PERFORM, Entry, choose, due, elected
from consilience.learn.marks import concluded
from consilience.method import Count, Last, Level, Method
from consilience.prompt import worded
from consilience.reading import Free
from consilience.registry import register
from consilience.types import Reply, Request

@register
@dataclass(frozen=True)
class Blackboard(Method):
    """In each round some members read the board, choose one action (strategy, step, verify, critique, terminate) and do it;
    who terminates concludes, and all vote when conclusions differ.

    For questions that need plans and checks by different models. Turns fall by lot. An action that fails or cannot be read adds
    nothing. When nobody has concluded in the last round, or everybody had a turn and nothing stands there, the best member on
    dev answers from the board. Deviations: each agent is a model of its own; ballots that cannot be read abstain, and ties go
    to the earlier conclusion.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "MoCo, arXiv 2601.21257; blackboards: LbMAS, arXiv 2507.01701; arXiv 2510.01285"
    cost: ClassVar = "iterations*min(acting, N)*(tries + 1) + max(1, N*(acting > 1))"

    iterations: Count = 10
    """Rounds at most (MoCo: 50)."""
    acting: Count = 1
    """Members that act in a round."""
    stops: Count = 1
    """Members of a round that must conclude for the work to end."""
    idle: Count = 6
    """Rounds without a turn after which a member comes first."""
    tries: Count = 3
    """Times that a member is asked to name its action."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Rounds of agents that read the board and act on it, until enough of them conclude; without that the best on dev
        answers from the board."""
        agents, lot = members.ranking, [members.run.stream, request.key()]
        board, asked = list[Entry](), [0] * len(agents)
        for turn in range(1, self.iterations + 1):
            if not board and all(asked):
                break
            who = due(lot, turn, asked, self.acting, self.idle)
            asked = [turn if i in who else last for i, last in enumerate(asked)]
            done = [made for made in await together(*(self._act(request, agents[i], board) for i in who)) if made is not None]
            board += [Entry(turn, action, reply.text or "") for action, reply in done]
            ends = [concluded(reply, request.format) for action, reply in done if action == "terminate"]
            if ends and len(ends) >= min(self.stops, len(who)):
                return (await elected(request, members, ends)).noting(entries=len(board), rounds=turn)
        ask = worded(request, END, request.format, board=[entry.told for entry in board]) if board else request
        return Last.ranked(agents, ask, entries=len(board), forced=True)

    async def _act(self, request: Request, agent: Member, board: Sequence[Entry]) -> tuple[str, Reply] | None:
        """The action that an agent chose and what it wrote; None when it failed."""
        entries = [entry.told for entry in board] or ["(empty)"]
        if (choice := await choose(request, agent, entries, self.tries)) is None:
            return None
        action, thought = choice
        form = request.format if action == "terminate" else Free()
        reply = await optional(agent, worded(request, PERFORM, form, board=entries, thought=thought, task=ACTIONS[action]))
        return None if reply is None or not reply.text or reply.unreadable(form) else (action, reply)
