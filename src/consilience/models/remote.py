"""Token-level teams over HTTP: members that give the likeliest next tokens and go on from a partial answer.

Every token is one call of each member that is asked, with the text so far as the partial answer; the server's prompt cache makes
that affordable. What the members say of the next token meets as text: the pieces that any of them named are the vocabulary
of that token, so that combiners and policies of `decode` work unchanged, whatever the tokenizers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import ceil, exp, log
from typing import TYPE_CHECKING, Any

from consilience.errors import ModelError, NoAnswerError
from consilience.model import Combiner, HandOver, Measured, Model, NextTokens
from consilience.prompt import prompt_tokens
from consilience.types import Absent, Draws, Quote, Reply, Request, Scope, Token, Usage, total_cost

if TYPE_CHECKING:
    from torch import Tensor

    from consilience.decode.policy import Move, Sight

ALTERNATIVES = "alternatives"
"""The extra that asks for as many likely tokens as endpoints give, beside `logprobs`."""

ENDS = frozenset({"", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "</s>", "<|end|>", "<end_of_turn>", "<eos>"})
"""How servers write the end of the text among the next tokens."""

_RARE = -100.0
"""A piece with a lower log-probability cannot come, and tells nothing of the pieces that were not named."""

_ELSEWHERE = object()
"""The host of all endpoints: they need no memory here."""


class Remote:
    """The power NextTokens of an endpoint: sparse, over what it names as likely.

    A piece that a member does not name is no likelier to it than the least likely one that it names: the probability that is
    left is spread over as many pieces as that takes. Members that fail leave the text's team, and the reply says so.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def host(self) -> object:
        """One for all endpoints."""
        return _ELSEWHERE

    @property
    def vocabulary(self) -> str:
        """Text is the common ground of all endpoints."""
        return "text"

    def over(self, model: Model) -> Remote:
        """The same power, asking through a wrapper of the model."""
        return Remote(model)

    def refuses(self, peers: Sequence[NextTokens], *, mixed: bool = False) -> str | None:
        """Why these cannot write together: endpoints write with endpoints, local models with local models."""
        if find_spec("torch") is None:
            return "token-level methods need the extra [local]: pip install 'consilience[local]'"
        if strangers := [p for p in peers if not isinstance(p, Remote)]:
            return f"{len(strangers)} of the models are local and {self.model.card.name} is an endpoint; a text is written either here or there"
        return None

    async def decode(self, peers: Sequence[NextTokens], requests: Sequence[Request], combiner: Combiner | HandOver, draws: Draws,
                     scope: Scope, state: Sequence[float] = ()) -> list[Reply]:
        """One text per draw; see `model.NextTokens`. Raises ModelError for a scheme that needs a member's inside."""
        from consilience.decode.policy import Speculation

        if isinstance(combiner, Speculation) or getattr(combiner, "hidden", ()):
            raise ModelError(f"{self.model.card.name} is an endpoint: it gives likely next tokens, no drafts to check and no hidden states",
                             reason="refused")
        models = [p.model for p in peers if isinstance(p, Remote)]
        texts = [_Text(models, requests, combiner, scope, tuple(state), draws.stream, draw)
                 for draw in range(draws.first, draws.first + draws.n)]
        return list(await asyncio.gather(*(text.write() for text in texts)))

    def quoted(self, quote: Quote, request: Request) -> Quote:
        """The price of a text whose prompt and beginning are read again for every token."""
        read = quote.fixed / max(1, prompt_tokens(request))
        return Quote(0.0, quote.fixed + quote.each + read * request.sampling.max_tokens / 2)

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """Log-probabilities of single-token choices; ModelError for one that is not among the likely tokens."""
        likely = await _likely(self.model, request, Scope())
        found = {text.strip(): value for text, value in reversed(list(likely.chances.items()))}
        if missing := [choice for choice in choices if choice.strip() not in found]:
            raise ModelError(f"{self.model.card.name} does not name {missing[0]!r} among its likely next tokens", reason="refused")
        spent = likely.reply
        return Measured([found[choice.strip()] for choice in choices], spent.usage, spent.cost, spent.seconds)


@dataclass(frozen=True, slots=True)
class _Likely:
    """What a member says of the next token: log-probabilities by piece (the end as an empty one), and the call."""

    chances: dict[str, float]
    reply: Reply

    def of(self, pieces: Sequence[str]) -> list[float]:
        """Log-probabilities of pieces, those that were not named at most as likely as the least likely named one."""
        least = min(self.chances.values())
        left = max(1e-9, 1 - sum(map(exp, self.chances.values())))
        floor = log(left / max(1, ceil(left / exp(least)))) if least > _RARE else least
        return [self.chances[piece] if piece in self.chances else floor for piece in pieces]


async def _likely(model: Model, request: Request, scope: Scope) -> _Likely:
    """Ask for one token. Raises ModelError when the answer holds no log-probabilities."""
    wanted = replace(scope, extras=scope.extras | {"logprobs", ALTERNATIVES})
    ask = request.having(sampling=replace(request.sampling, temperature=0.0, top_p=1.0, top_k=None, min_p=0.0,
                                          repetition_penalty=1.0, max_tokens=1, stop=()))
    [reply] = await model.generate(ask, Draws(), wanted)
    if not reply.tokens:
        if reply.text or reply.stop != "stop":
            raise ModelError(f"{model.card.name} gave no log-probabilities of its next token")
        return _Likely({"": 0.0}, reply)
    chances: dict[str, float] = {}
    for text, value in (*reply.tokens[0].top, (reply.tokens[0].text, reply.tokens[0].logprob)):
        piece = "" if text in ENDS else text
        if "\ufffd" not in piece:
            chances[piece] = max(value, chances[piece]) if piece in chances else value
    if not chances:
        raise ModelError(f"{model.card.name} names parts of characters alone as its next token, which no text can hold")
    return _Likely(chances, reply)


@dataclass(eq=False)
class _Text:
    """One text that endpoints write together."""

    models: Sequence[Model]
    requests: Sequence[Request]
    scheme: Combiner | HandOver
    scope: Scope
    state: tuple[float, ...]
    stream: str
    draw: int
    text: str = ""
    step: int = 0
    author: int = -1
    seconds: float = 0.0
    tokens: list[Token] = field(default_factory=list)
    calls: list[Reply] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    wrote: list[int] = field(default_factory=list)
    gone: dict[int, ModelError | NoAnswerError] = field(default_factory=dict)

    async def write(self) -> Reply:
        """Token by token, to an end, a stop string or the limit."""
        from consilience.decode.policy import Policy

        self.asked, self.wrote = [0] * len(self.models), [0] * len(self.models)
        if isinstance(self.scheme, Policy) and not self.state:
            self.state = self.scheme.state
        sampling, reason = self.requests[0].sampling, ""
        while not reason:
            piece = await (self._handed(self.scheme) if isinstance(self.scheme, Policy) else self._combined())
            self.step += 1
            self.text += piece
            cut = min((at for stop in sampling.stop if (at := self.text.find(stop)) >= 0), default=-1)
            if cut >= 0:
                self.text = self.text[:cut]
            reason = "stop" if not piece or cut >= 0 else "length" if self.step >= sampling.max_tokens else ""
        usage = sum((call.usage for call in self.calls), start=Usage())
        names = [model.card.name for model in self.models]
        absent = tuple(Absent(names[i], getattr(e, "reason", "no-answer"), str(e)[:300]) for i, e in self.gone.items())
        note = {"asked": dict(zip(names, self.asked, strict=True)), "wrote": dict(zip(names, self.wrote, strict=True))}
        return Reply(self.text, stop=reason, usage=usage, cost=total_cost(self.calls), seconds=self.seconds, model=names[0],
                     draw=self.draw, tokens=tuple(self.tokens), absent=absent, note=note)

    async def _ask(self, members: Sequence[int]) -> dict[int, _Likely]:
        """What these say of the next token; whoever fails is gone. Raises the last failure when nobody is left."""
        async def one(i: int) -> _Likely | ModelError | NoAnswerError:
            """The likeliest next pieces of one member, or why it has none."""
            request = self.requests[i]
            try:
                return await _likely(self.models[i], request.having(prefix=request.prefix + self.text), self.scope)
            except (ModelError, NoAnswerError) as error:
                return error

        found, slowest = {}, 0.0
        for i, said in zip(members, await asyncio.gather(*map(one, members)), strict=True):
            if isinstance(said, _Likely):
                found[i], slowest = said, max(slowest, said.reply.seconds)
                self.calls.append(said.reply)
                self.asked[i] += 1
            else:
                self.gone[i] = said
        self.seconds += slowest
        if len(self.gone) == len(self.models):
            raise ModelError(f"no member is left: {next(reversed(self.gone.values()))}")
        return found

    async def _combined(self) -> str:
        """The next piece of what all say together."""
        from consilience.decode.writers import read_by

        import torch

        members = [i for i in read_by(self.scheme, len(self.models)) if i not in self.gone]  # type: ignore[arg-type]
        said = await self._ask(members)
        scheme: Any = self.scheme
        if self.gone:
            scheme = scheme.without(frozenset(self.gone)) if hasattr(scheme, "without") else None
            if scheme is None:
                raise ModelError(f"{next(iter(self.gone.values()))}; the others cannot go on without it")
        pieces = _pieces(said)
        logits = torch.tensor([said[i].of(pieces) for i in sorted(said)])[:, None]
        return self._chosen(scheme.combine(logits), pieces)

    async def _handed(self, policy: Any) -> str:
        """The next piece of whoever the policy lets write."""
        said: dict[int, _Likely] = {}
        while True:
            pieces = _pieces(said)
            sight = self._sight(policy, said, pieces)
            move: Move = policy.decide(sight)
            wanted = [] if move.ask is None else [i for i, (ask,) in enumerate(move.ask.tolist())
                                                  if ask and i not in said and i not in self.gone]
            if not wanted:
                break
            said |= await self._ask(wanted)
        if move.state is not None:
            self.state = tuple(move.state[0].tolist())
        self.author = -1 if move.author is None else int(move.author)
        if self.author >= 0 and self.author not in said:
            raise ModelError(f"{self.models[self.author].card.name} was to write and is not there")
        if move.union is not None and self.author < 0:
            assert move.scores is not None
            return self._chosen(move.scores, [piece.decode(errors="replace") for piece in move.union.pieces])
        scores = move.scores if move.scores is not None and move.union is None else sight.logits[self.author]
        return self._chosen(scores, pieces)

    def _sight(self, policy: Any, said: dict[int, _Likely], pieces: list[str]) -> Sight:
        import torch

        from consilience.decode.policy import Material, Sight
        from consilience.decode.sampler import uniforms
        from consilience.decode.vocabulary import Vocabulary
        from consilience.decode.writers import NOISE

        n = len(self.models)
        words = Vocabulary(tuple(piece.encode() for piece in pieces), frozenset({0}), frozenset({0}))
        logits = [torch.tensor([said[i].of(pieces)]) if i in said else torch.zeros(1, len(pieces)) for i in range(n)]
        known, gone = (torch.tensor([[i in some] for i in range(n)]) for some in (said, self.gone))
        prepared = policy.prepare(Material([words] * n, [torch.empty(0)] * n))
        noise = torch.from_numpy(uniforms([self._key], [self.step], NOISE)).float()
        return Sight(logits, known, gone, [None] * n, torch.tensor([self.step]), torch.tensor([self.state]).reshape(1, -1), noise,
                     torch.tensor([self.author]), torch.tensor([-1]), prepared, [self.text.encode()])

    def _chosen(self, scores: Tensor, pieces: Sequence[str]) -> str:
        """Draw a piece as the first request's sampling says, and note it."""
        import torch

        from consilience.decode.sampler import Plan

        if not bool(torch.isfinite(scores.amax())):
            raise ModelError("the combined scores of the next token are not finite: every token was ruled out")
        plan = Plan.of([self.requests[0].sampling], [self._key], len(pieces), [()], scores.device)
        place = int(plan.choose(scores.float(), [self.step]))
        if self.author >= 0:
            self.wrote[self.author] += 1
        if pieces[place]:
            self.tokens.append(Token(pieces[place], float(torch.log_softmax(scores.float(), -1)[0, place])))
        return pieces[place]

    @property
    def _key(self) -> int:
        from consilience.decode.sampler import noise_key

        return noise_key(self.models[0].card.fingerprint, self.requests[0].content(), self.stream, self.draw)


def _pieces(said: dict[int, _Likely]) -> list[str]:
    """The end, then all pieces that anybody named, in a fixed order."""
    return ["", *sorted({piece for likely in said.values() for piece in likely.chances if piece})]
