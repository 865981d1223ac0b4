"""An answer that several members write together: each goes on from the text so far, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log
from typing import Any, ClassVar, Self

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, absence, optional
from consilience.learn.goals import Aimed
from consilience.learn.trials import trials
from consilience.method import Cast, Count, Dev, Level
from consilience.model import NextTokens
from consilience.types import Reply, Request, Token

DELIMITER = "\n\n"
"""What ends a step, in the texts of most models that reason."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who wrote it, its text with the delimiter that ended it, its tokens, and whether it is the last."""

    author: str
    text: str
    tokens: int = 0
    last: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of an answer to `request` so far.

    A step ends at `delimiter` or after `cap` tokens; the answer at `close` (a mark such as `</think>`; empty for none),
    where a model ends by itself, at the request's token limit, after `most` steps, or when steps begin to repeat. A
    server that does not say what ended a text is asked to go on until nothing comes.
    """

    request: Request
    delimiter: str = DELIMITER
    close: str = ""
    cap: int = 512
    most: int = 32
    steps: tuple[Step, ...] = ()

    @property
    def text(self) -> str:
        """The answer so far: the steps, one after the other."""
        return "".join(step.text for step in self.steps)

    @property
    def authors(self) -> list[str]:
        """Who wrote each step."""
        return [step.author for step in self.steps if step.text]

    @property
    def left(self) -> int:
        """Tokens that the request still allows."""
        return self.request.sampling.max_tokens - sum(step.tokens for step in self.steps)

    @property
    def over(self) -> bool:
        """Whether nothing may be added."""
        texts = [step.text for step in self.steps]
        again = len(texts) > 1 and texts[-1] == texts[-2]
        turning = len(texts) > 3 and texts[-2:] == texts[-4:-2]
        return bool(texts) and (self.steps[-1].last or again or turning or len(texts) >= self.most or self.left < 1)

    @property
    def inside(self) -> bool:
        """Whether a block of code or of mathematics is open, in which a delimiter ends nothing."""
        text = self.text
        return (text.count("```") % 2 == 1 or text.count("$$") % 2 == 1 or text.count("\\[") > text.count("\\]")
                or text.count("\\begin{") > text.count("\\end{"))

    def plus(self, *steps: Step) -> Self:
        """The trace with more steps."""
        return replace(self, steps=(*self.steps, *steps))

    def ask(self, limit: int, whole: bool = False) -> Request:
        """The request to go on from here for at most `limit` tokens: to the next delimiter, or with `whole` to the end."""
        stop = self.request.sampling.stop if whole else (*self.request.sampling.stop, self.delimiter)
        prefix = self.request.prefix + self.text
        return self.request.having(prefix=prefix).sampled(stop=stop, max_tokens=max(1, min(limit, self.left)))

    async def write(self, member: Member, *, whole: bool = False) -> Step:
        """The next step (with `whole` all the rest) in a member's words. Raises ModelError and NoAnswerError."""
        reply = await member.ask(self.ask(self.left if whole else self.cap, whole))
        text, spent = reply.text or "", max(1, reply.usage.completion_tokens)
        if self.close and self.close in text:
            return Step(member.name, text[:text.index(self.close)] + self.close, spent, True)
        if whole or not text and not _stopped(reply) or reply.stop != "length" and _stopped(reply) is False:
            return Step(member.name, text, spent, True)
        return Step(member.name, text if reply.stop == "length" else text + self.delimiter, spent)

    async def by(self, first: Member, then: Member, *, whole: bool = False) -> Step:
        """The next step by `first`; by `then` when it fails, or says nothing at the very beginning. When both fail, an
        answer that was begun ends here; else the error is raised."""
        failure: Exception | None = None
        step = Step(first.name, "", last=True)
        for member in (first, then):
            try:
                step = await self.write(member, whole=whole)
            except (ModelError, NoAnswerError) as error:
                member.run.absent.append(absence(member, error))
                failure = error
                continue
            if step.text or self.steps:
                return step
        if failure is not None and not self.steps:
            raise failure
        return step

    async def glimpse(self, member: Member) -> float:
        """Entropy in nats of the member's next token, untempered; -1 when it would end here, infinite when it fails."""
        reply = await optional(member, self.ask(1, whole=True).sampled(temperature=0.0))
        if reply is None:
            return inf
        return entropy(reply.tokens[0]) if reply.tokens else -1.0

    def reply(self) -> Reply:
        """The trace as a reply; its note names the authors."""
        text, form = self.text, self.request.format
        return Reply(text, form.read(text) if form is not None else None, "length" if self.left < 1 else "stop",
                     note={"authors": self.authors})


def _stopped(reply: Reply) -> bool | None:
    """Whether a stop string ended the text, or the model itself; None where nobody says."""
    return bool(reply.note["stopped"]) if "stopped" in reply.note else None


def entropy(token: Token) -> float:
    """Entropy in nats of the distribution that a token was drawn from, as far as its likeliest alternatives tell.

    What these leave over counts as one further token, so it is a lower bound (exact where the alternatives are all).
    """
    chances = [exp(value) for value in {token.text: token.logprob, **dict(token.top)}.values()]
    return -sum(p * log(p) for p in (*chances, 1 - sum(chances)) if p > 0)


async def doubt(judge: Member, check: Request) -> float | None:
    """Probability of `no` as the judge's answer to a request in the form `check`: of the words where it gives their
    log-probabilities, else 0 or 1 by what it says. None where it fails or what it says cannot be read."""
    check = check.sampled(temperature=0.0, max_tokens=16)
    try:
        if judge.model.power(NextTokens) is None:
            return {"no": 1.0, "yes": 0.0}.get((await judge.ask(check)).reading or "")
        chances = [exp(value) for value in await judge.next(check, ("no", "No", "yes", "Yes"))]
    except (ModelError, NoAnswerError) as error:
        judge.run.absent.append(absence(judge, error))
        return None
    return round(sum(chances[:2]) / sum(chances), 6) if any(chances) else None


@dataclass(frozen=True)
class Stepwise(Aimed):
    """A method whose members write one answer together, step by step."""

    level: ClassVar = Level.ROUTE

    steps: Count = field(default=32, kw_only=True)
    """Most steps."""
    step_tokens: Count = field(default=512, kw_only=True)
    """Longest step."""
    delimiter: str = field(default=DELIMITER, kw_only=True)
    """What ends a step; without a space at its end, which many tokenizers join to the next word."""
    close: str = field(default="</think>", kw_only=True)
    """A mark that ends the reasoning; empty: only the model ends it."""

    def trace(self, request: Request) -> Trace:
        """Nothing written yet."""
        return Trace(request, self.delimiter, self.close, self.step_tokens, self.steps)

    async def choose(self, dev: Dev, cast: Cast, option: str, values: Sequence[Any]) -> Self:
        """The copy that learned which of these values of an option the target asks for."""
        settled = self.settle(await trials(dev, cast, [replace(self, **{option: value}) for value in values]))
        return self.with_learned({option: values[settled.setting], "expected": dict(settled.expected)})

    def chosen(self, option: str) -> Any:
        """An option that the user set or that was learned."""
        own = getattr(self, option)
        return own if own is not None else self.found().values[option]
