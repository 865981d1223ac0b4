"""Structured interaction: members rewrite their answers seeing only their neighbours in a fixed graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.errors import TeamError
from consilience.gather import Members, Wave, plurality, put, shuffled
from consilience.learn.rounds import discussed
from consilience.method import Cast, Count, Level, Method
from consilience.registry import register
from consilience.types import Reply, Request

Shape = Literal["chain", "tree", "star", "circle", "complete", "wheel", "custom"]


@register
@dataclass(frozen=True)
class StructuredInteraction(Method):
    """All answer; in each further round a member with neighbours rewrites its answer after reading theirs.

    Only the round before is seen, so that news travels one edge per round; a member without incoming edges keeps its
    answer. The best member on dev has the last word, or a vote; a vote too where that word cannot be read. What a member last
    stated counts. Places in the graph are team order. Deviation: `star` is a pure star (MoCo joins its leaves in a ring, here
    `wheel`), and no graph has self-loops.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "MoCo, arXiv 2601.21257; topologies: NetSafe, arXiv 2410.15686"
    cost: ClassVar = "N*rounds"

    structure: Shape = "chain"
    """The graph of who reads whom."""
    rounds: Count = 3
    """Rounds including the first answers."""
    matrix: tuple[tuple[int, ...], ...] = ()
    """For `custom`: entry [i][j] is 1 when member j reads member i."""
    final: Literal["best", "vote"] = "best"
    """Whose last answer is given: the best member's on dev, or that of a vote over all."""
    early_stop: bool = True
    """Stop when all readings agree."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for a matrix that does not fit the number of members."""
        edges(self.structure, len(cast.members), self.matrix)

    async def run(self, request: Request, members: Members) -> Reply:
        """Rounds in which every member sees the answers of those that the structure names, then the vote, or the best
        member's answer where that can be read."""
        readers = edges(self.structure, len(members), self.matrix)

        async def turn(wave: Wave, number: int) -> list[Request | None]:
            """What each member is asked next, from the answers that it may see."""
            return [self._request(request, wave, i, sources) for i, sources in enumerate(readers)]

        _, last = await discussed(request, members, self.rounds, turn, self.early_stop)
        voted = self.final == "vote" or last.best.reading is None
        return await plurality(request, last) if voted else last.best

    def _request(self, request: Request, wave: Wave, i: int, sources: list[int]) -> Request | None:
        own = wave.firsts[i]
        peers = [reply.text for j in sources if (reply := wave.firsts[j]) is not None and reply.text]
        if own is None or not own.text or not peers:
            return None
        return put(request, "refine", answer=own.text, peers=shuffled(request, peers))


def edges(shape: Shape, n: int, matrix: tuple[tuple[int, ...], ...] = ()) -> list[list[int]]:
    """For each of `n` nodes the nodes that it reads, in order."""
    if shape == "custom":
        if len(matrix) != n or any(len(row) != n for row in matrix):
            raise TeamError(f"a custom structure of {n} members needs a {n} x {n} matrix of 0 and 1")
        return [[i for i in range(n) if matrix[i][j] and i != j] for j in range(n)]
    chain = {(i, i + 1) for i in range(n - 1)}
    ring = chain | {(n - 1, 0)}
    star = {(0, i) for i in range(1, n)}
    pairs = {"chain": chain, "circle": ring, "star": star,
             "tree": {(i, c) for i in range(n) for c in (2 * i + 1, 2 * i + 2) if c < n},
             "wheel": star | {(i, i + 1) for i in range(1, n - 1)} | {(n - 1, 1)},
             "complete": {(i, j) for i in range(n) for j in range(i)}}[shape]
    both = {(a, b) for a, b in pairs if a != b and max(a, b) < n} | {(b, a) for a, b in pairs if a != b and max(a, b) < n}
    return [sorted(i for i, j in both if j == node) for node in range(n)]
