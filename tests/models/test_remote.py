"""Endpoints that write one text together: what they name as likely meets as text, and who fails leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")

from consilience.decode.policy import Move, Policy, Sight  # noqa: E402 (needs torch)
from consilience.decode.tensors import MeanLogits, Only  # noqa: E402
from consilience.errors import ModelError, TeamError  # noqa: E402
from consilience.methods.token.contrast import Steered  # noqa: E402
from consilience.learn.contrasts import Contrasted  # noqa: E402
from consilience.model import Card, Combiner, HandOver, NextTokens, Price, stream_whole  # noqa: E402
from consilience.models.remote import Remote  # noqa: E402
from consilience.registry import method  # noqa: E402
from consilience.team import Team  # noqa: E402
from consilience.types import Draws, Reply, Request, Sampling, Scope, Token, Usage  # noqa: E402
from tests.members import Scripted  # noqa: E402

Says = Callable[[str], Mapping[str, float] | Reply | Exception]


@dataclass
class Speller:
    """Names the likely next pieces of a text, as its script says of the text so far."""

    name: str
    says: Says
    asked: list[str] = field(default_factory=list)

    @property
    def card(self) -> Card:
        return Card(self.name, f"speller-{self.name}", Price(1.0, 2.0), powers=frozenset({"NextTokens"}))

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        assert request.sampling.max_tokens == 1 and "logprobs" in scope.extras
        self.asked.append(request.prefix)
        said = self.says(request.prefix)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Reply):
            return [said]
        top = tuple((piece, log(p)) for piece, p in sorted(said.items(), key=lambda one: -one[1]))
        return [Reply(top[0][0], usage=Usage(1, 10, 1), cost=1e-5, seconds=0.5, model=self.name, tokens=(Token(*top[0], top),))]

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> Any:
        return stream_whole(self, request, draw, scope)

    def power(self, kind: type) -> Any:
        return Remote(self) if kind is NextTokens else None


def spelling(text: str, sure: float = 0.6, other: str = "?") -> Says:
    """Writes `text` word by word, with `other` as its second choice."""
    pieces = [*(f" {word}" for word in text.split()), ""]
    return lambda prefix: {pieces[min(len(prefix.split()), len(pieces) - 1)]: sure, other: 1 - sure}


def write(scheme: Combiner | HandOver, *models: Speller, most: int = 8, stop: tuple[str, ...] = ()) -> Reply:
    powers = [Remote(model) for model in models]
    request = Request.of("Say it.", sampling=Sampling(temperature=0.0, max_tokens=most, stop=stop))
    [reply] = asyncio.run(powers[0].decode(powers, [request] * len(models), scheme, Draws(), Scope()))
    return reply


def test_pieces_meet_as_text() -> None:
    a, b = Speller("a", spelling("one two three", other=" six")), Speller("b", spelling("one six three", 0.9, " two"))
    reply = write(MeanLogits(), a, b)
    assert (reply.text, reply.stop) == (" one six three", "stop") and [t.text for t in reply.tokens or ()] == [" one", " six", " three"]
    assert reply.usage == Usage(8, 80, 8) and reply.cost == pytest.approx(8e-5) and reply.seconds == 2.0
    assert reply.note["asked"] == {"a": 4, "b": 4} and reply.absent == ()


def test_a_text_ends_at_a_stop_or_at_the_limit() -> None:
    model = Speller("a", spelling("one two END three"))
    assert (write(Only(0), model, stop=(" END",)).text, write(Only(0), model, most=2).stop) == (" one two", "length")


def test_who_fails_leaves_and_the_others_go_on() -> None:
    def dying(prefix: str) -> Any:
        return ModelError("b is down", reason="down") if prefix else {" one": 1.0}
    reply = write(MeanLogits(), Speller("a", spelling("one two")), Speller("b", dying))
    assert reply.text == " one two" and [(gone.member, gone.reason) for gone in reply.absent] == [("b", "down")]
    assert reply.note["asked"] == {"a": 3, "b": 1}
    with pytest.raises(ModelError, match="no member is left: b is down"):
        write(MeanLogits(), Speller("a", dying), Speller("b", dying))

    @dataclass(frozen=True)
    class Both:
        def combine(self, logits: Any) -> Any:
            return logits.sum(0)
    with pytest.raises(ModelError, match="b is down; the others cannot go on without it"):
        write(Both(), Speller("a", spelling("one two")), Speller("b", dying))


@pytest.mark.parametrize(("reply", "words"), [
    (Reply("one", usage=Usage(1)), "a gave no log-probabilities of its next token"),
    (Reply("", stop="length", usage=Usage(1)), "a gave no log-probabilities of its next token"),
    (Reply("\ufffd", tokens=(Token("\ufffd", -0.1, (("\ufffd", -0.1),)),)), "parts of characters alone"),
])
def test_answers_that_name_no_next_token(reply: Reply, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        write(Only(0), Speller("a", lambda prefix: reply))


@pytest.mark.parametrize("end", ["", "<|im_end|>", "</s>"])
def test_the_end_has_many_names(end: str) -> None:
    assert write(Only(0), Speller("a", lambda prefix: {" one": 1.0} if not prefix else {end: 0.9, " two": 0.1})).text == " one"


def test_an_empty_answer_that_stopped_is_the_end() -> None:
    reply = write(Only(0), Speller("a", lambda prefix: {" one": 1.0} if not prefix else Reply("", stop="stop", usage=Usage(1))))
    assert (reply.text, reply.stop) == (" one", "stop")


@dataclass(frozen=True)
class Turns(Policy):
    """The members write in turns, whoever is there or not."""

    def decide(self, sight: Sight) -> Move:
        turn = int(sight.step[0]) % len(sight.logits)
        ask = torch.zeros_like(sight.known)
        ask[turn] = ~sight.known[turn] & ~sight.gone[turn]
        return Move(ask, torch.tensor([turn]))


def test_members_write_in_turns() -> None:
    a, b = Speller("a", spelling("one two three four")), Speller("b", spelling("1 2 3 4"))
    reply = write(Turns(), a, b)
    assert reply.text == " one 2 three 4" and reply.note["wrote"] == {"a": 3, "b": 2} and a.asked[1] == " one 2"
    with pytest.raises(ModelError, match="b was to write and is not there"):
        write(Turns(), a, Speller("b", lambda prefix: ModelError("down", reason="down")))


def test_a_scheme_that_rules_out_all_ends_the_text() -> None:
    @dataclass(frozen=True)
    class Never:
        def combine(self, logits: Any) -> Any:
            return torch.full_like(logits[0], -torch.inf)
    with pytest.raises(ModelError, match="every token was ruled out"):
        write(Never(), Speller("a", spelling("one")))


def test_chances_of_given_choices() -> None:
    model = Speller("a", lambda prefix: {" A": 0.7, "B": 0.2, "\n": 0.1})
    found = asyncio.run(Remote(model).next(Request.of("Which?"), ["A", "B"]))
    assert found.value == pytest.approx([log(0.7), log(0.2)]) and found.usage.calls == 1 and found.cost == 1e-5
    with pytest.raises(ModelError, match="a does not name 'C' among its likely next tokens"):
        asyncio.run(Remote(model).next(Request.of("Which?"), ["A", "C"]))


def test_a_team_of_endpoints_and_none_with_strangers() -> None:
    a, b = Speller("a", spelling("one two")), Speller("b", spelling("one two"))
    team = Team(method("logit-fusion"), [a, b])
    reply = team.ask(Request.of("Say it.", sampling=Sampling(temperature=0.0)))
    assert reply.text == " one two" and sum(part.usage.calls for part in reply.parts) == reply.usage.calls == 6

    class Local(Scripted):
        def power(self, kind: type) -> Any:
            return Here() if kind is NextTokens else None

    class Here:
        host, vocabulary = object(), "x"
    with pytest.raises(TeamError, match="1 of the models are local and a is an endpoint"):
        Team(method("logit-fusion"), [a, Local("c", ["x"])])


def test_hidden_states_are_not_to_be_had() -> None:
    @dataclass(frozen=True)
    class Inside(Turns):
        hidden: Sequence[int] = (0,)
    with pytest.raises(ModelError, match="a is an endpoint: it gives likely next tokens"):
        write(Inside(), Speller("a", spelling("one")))


@pytest.mark.parametrize("scheme", [Steered(1.0, 1.0, 0.0), Contrasted(0.1, 0.5)])
def test_who_steers_may_leave_and_who_is_steered_may_not(scheme: Combiner) -> None:
    gone = Speller("gone", lambda prefix: ModelError("gone", reason="down"))
    cast = [Speller("a", spelling("one two")), *(Speller(name, spelling("six two")) for name in "bc"[:2 if isinstance(scheme, Steered) else 1])]
    assert write(scheme, *cast[:-1], gone).text == " one two"
    with pytest.raises(ModelError, match="gone; the others cannot go on without it"):
        write(scheme, gone, *cast[1:])


def test_a_policy_may_read_the_text() -> None:
    @dataclass(frozen=True)
    class AfterStop(Policy):
        """The second writes after a full stop."""
        reads_text: ClassVar[bool] = True

        def decide(self, sight: Sight) -> Move:
            author = sight.ends_with(b".", b"!").long()
            return Move((torch.arange(2)[:, None] == author) & ~sight.known, author)
    a, b = Speller("a", spelling("One. x Two! x end")), Speller("b", spelling("x yes x no x"))
    assert write(AfterStop(), a, b).text == " One. yes Two! no end"
