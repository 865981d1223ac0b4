"""The contract that every registered method keeps, whatever it does."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from consilience.formula import most_calls
from consilience.errors import ConfigError, ModelError, NoAnswerError, TeamError
from consilience.method import Level, Method
from consilience.model import Model, Price, Verify
from consilience.reading import Choice
from consilience.registry import method, methods, options_of
from consilience.tasks.task import Split
from consilience.team import Team, ordered, run_sync
from consilience.types import Example, Reply, Request, Sampling, total_cost
from tests.members import Answer, Scripted
from tests.methods.local import models as local_models
from tests.methods.questions import split

NAMES = list(methods())
LOCAL = [n for n, cls in methods().items() if cls.level in (Level.TOKEN, Level.LATENT, Level.WEIGHT)
         or {*cls.needs, *(p for r in cls.roles if r.default != "none" for p in r.needs)} - {Verify}]
"""Methods that need powers which scripted members lack."""
SPOKEN = [n for n in NAMES if n not in LOCAL]
OPTIONS: dict[str, dict[str, Any]] = {"structured-interaction": {"structure": "complete"},
                                      "trained-router": {"epochs": 1, "rank": 0, "drop_uninformative": False}}
"""Options for which a method must not care about the order of members (a graph has places)."""
VARIED = {"ada-switch", "agent-reinforce", "atom-of-thoughts", "blackboard", "ceo-discussion", "cochain", "cascade-routing", "frugal-gpt", "fusion-route", "glimp-router", "halo", "insight-to-solve", "meta-prompting", "metagpt", "plan-gen", "r2-reasoner", "relay", "router-r1", "self-consistency", "self-collaboration", "standard-procedure", "switch-generation"}
"""Methods whose number of calls hangs on what is said (steps, sub-tasks, turns) or on what dev taught: their formula is
a bound."""
STANDING = (.2, .5, .8)
DEV = split([("one", "C"), ("two", "C"), ("three", "C"), ("four", "B"), ("five", "B"), ("six", "A")], max_tokens=4)
QUESTION = Request.of("Which?", form="answer", format=Choice(4), sampling=Sampling(max_tokens=6))


def speaker(name: str, letter: str, place: int, script: Any = None) -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        return {"judge": "A", "route": "B", "check": "no"}.get(request.form or "", f"The answer is {letter}.")
    return Scripted(name, script or answer, price=Price(place, place), logprob=-.1)


def speakers(script: Any = None, **changes: Any) -> list[Scripted]:
    made = [speaker(n, x, i + 1, script) for i, (n, x) in enumerate(zip("abc", "ABC", strict=True))]
    for key, value in changes.items():
        for one in made:
            setattr(one, key, value)
    return made


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Model]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILIENCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield local_models(tmp_path_factory.mktemp("contract"), 4)


def roles_for(cls: type[Method] | Method, spare: Model | None = None) -> dict[str, Model]:
    """Models for the roles that must be named."""
    verifier = Scripted("v", [""], scores=lambda text: float(len(text) + text.count("C")))
    return {r.name: verifier if Verify in r.needs else spare for r in cls.roles if not r.default}  # type: ignore[misc]


def fitted(name: str, members: Sequence[Model], standing: Sequence[float] = STANDING, spare: Model | None = None,
           options: dict[str, Any] | None = None) -> Team:
    made = method(name, OPTIONS.get(name, {}) if options is None else options)
    roles = roles_for(made, spare)
    learned = run_sync(made.fit(DEV, Team(made, members, standing=standing, **roles).cast))
    return Team(learned, members, standing=standing, **roles)


def team_of(name: str, checkpoints: list[Model]) -> Team:
    return fitted(name, checkpoints[:3] if name in LOCAL else speakers(), spare=checkpoints[3])


def answer(team: Team, request: Request = QUESTION) -> Reply:
    """What a team answers when it remembers nothing."""
    for one in ordered(team).values():
        one.memory = None
    return asyncio.run(team.generate(request))[0]


# -- facts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    cls = methods()[name]
    assert cls.paper and cls.cost and cls.__doc__ and "->" not in (cls.__doc__ or "").split("\n")[0]
    assert all(role.doc for role in cls.roles) and all(o.doc for o in options_of(cls)), name
    method(name)
    source = Path(inspect.getfile(cls))
    assert size(source) <= 80, f"{source.name} is no short file"


def size(source: Path) -> int:
    """Lines of a file, without those in which functions say what they do."""
    said = [node.body[0] for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None]
    return len(source.read_text().splitlines()) - sum((node.end_lineno or 0) - node.lineno + 1 for node in said)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_get_a_hint(name: str) -> None:
    with pytest.raises(ConfigError, match="has no option 'zzz'"):
        method(name, {"zzz": 1})
    for option in options_of(methods()[name])[:1]:
        with pytest.raises(ConfigError, match=f"Did you mean '{option.name}'"):
            method(name, {option.name + "x": 1})


# -- accounts ----------------------------------------------------------------------------------------------------------


def leaves(reply: Reply) -> list[Reply]:
    return [leaf for part in reply.parts for leaf in leaves(part)] if reply.parts else [reply]


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_is_the_sum_of_the_parts_and_keeps_to_the_formula(name: str, checkpoints: list[Model]) -> None:
    team = team_of(name, checkpoints)
    reply = answer(team)
    assert reply.text is not None
    assert reply.usage.calls == sum(leaf.usage.calls for leaf in leaves(reply))
    assert reply.cost == total_cost(reply.parts)
    most = most_calls(team.method, len(team.members))
    assert most is not None and reply.usage.calls <= most
    if name not in VARIED and not any(Verify in role.needs for role in team.method.roles):
        assert reply.usage.calls == most, "members that never agree and are never sure cost what the formula says"


@pytest.mark.parametrize("name", NAMES)
def test_equal_requests_have_equal_answers(name: str, checkpoints: list[Model]) -> None:
    team = team_of(name, checkpoints)
    first, second = answer(team), answer(team)
    assert (first.text, first.usage, dict(first.note)) == (second.text, second.usage, dict(second.note))
    assert [p.text for p in first.parts] == [p.text for p in second.parts]


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_members_changes_nothing(name: str, checkpoints: list[Model]) -> None:
    own: list[Model] = checkpoints[:3] if name in LOCAL else [*speakers()]
    request = QUESTION.sampled(temperature=0.0)
    found = set()
    for order in list(permutations(range(3)))[::1 if name in SPOKEN else 2]:
        team = fitted(name, [own[i] for i in order], [STANDING[i] for i in order], checkpoints[3])
        found.add(answer(team, request).text)
    assert len(found) == 1


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", SPOKEN)
def test_one_member_down(name: str, place: int) -> None:
    members = speakers()
    healthy = fitted(name, members)
    members[place] = speaker(members[place].name, "A", place + 1, [ModelError("gone", reason="down")])
    reply = answer(Team(healthy.method, members, standing=STANDING, **roles_for(healthy.method)))
    assert reply.text and {a.member for a in reply.absent} <= {members[place].name}


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("said", [ModelError("gone", reason="down"), None, ""])
def test_no_text_at_all_is_no_answer(name: str, said: Answer) -> None:
    healthy = fitted(name, speakers())
    with pytest.raises(NoAnswerError):
        answer(Team(healthy.method, speakers([said]), standing=STANDING, **roles_for(healthy.method)))


@pytest.mark.parametrize("name", SPOKEN)
def test_text_that_nobody_can_read_is_given_unread(name: str) -> None:
    healthy = fitted(name, speakers())
    reply = answer(Team(healthy.method, speakers(["hm"]), standing=STANDING, **roles_for(healthy.method)))
    assert reply.text == "hm" and reply.unread and reply.reading is None


@pytest.mark.parametrize("name", LOCAL)
def test_a_prompt_that_no_model_can_take_is_no_answer(name: str, checkpoints: list[Model]) -> None:
    with pytest.raises(NoAnswerError):
        answer(team_of(name, checkpoints), QUESTION.having(messages=Request.of("long " * 2000).messages))


@pytest.mark.parametrize("name", NAMES)
def test_what_must_be_fitted_says_so(name: str, checkpoints: list[Model]) -> None:
    made = method(name)
    if made.must_fit:
        with pytest.raises(TeamError, match="fit"):
            answer(Team(made, checkpoints[:3] if name in LOCAL else speakers(), **roles_for(made, checkpoints[3])))


# -- conduct -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPOKEN)
def test_it_cancels_cleanly(name: str) -> None:
    healthy = fitted(name, speakers())
    slow = Team(healthy.method, speakers(delay=5.0), standing=STANDING, **roles_for(healthy.method))

    async def cancel() -> None:
        work = asyncio.create_task(slow.generate(QUESTION))
        await asyncio.sleep(.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert asyncio.all_tasks() == {asyncio.current_task()}
    asyncio.run(cancel())


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_ends_with_the_sum_of_its_deltas(name: str, checkpoints: list[Model]) -> None:
    team = team_of(name, checkpoints)

    async def collect() -> tuple[str, Reply | None]:
        text, done = "", None
        async for event in team.stream(QUESTION.sampled(temperature=0.0)):
            text += event.text if event.kind == "delta" else ""
            done = event.reply or done
        return text, done
    text, done = asyncio.run(collect())
    assert done is not None and done.text == text == answer(team, QUESTION.sampled(temperature=0.0)).text


@pytest.mark.parametrize("name", NAMES)
def test_it_works_as_a_member(name: str, checkpoints: list[Model]) -> None:
    inner = team_of(name, checkpoints)
    outer = Team(method("majority-vote", {"stop": "never"}), [inner, *speakers()[:2]])
    reply = answer(outer)
    assert reply.usage.calls == 2 + reply.parts[0].usage.calls and reply.parts[0].parts


@pytest.mark.parametrize("name", SPOKEN)
def test_teams_are_its_members(name: str) -> None:
    inner = Team(method("majority-vote"), speakers(), name="inner", standing=STANDING)
    team = fitted(name, [inner, *speakers()[:2]])
    assert answer(team).text


@pytest.mark.parametrize("name", NAMES)
def test_references_are_never_shown(name: str, checkpoints: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit on references that nobody would say: no request, at fitting or after, holds one."""
    secret = Split("dev", tuple(Example(e.id, e.request, ("D", f"violet-{i}"), solution="indigo")
                                for i, e in enumerate(DEV.examples)))
    monkeypatch.setattr("tests.methods.test_contract.DEV", secret)
    members = speakers()
    team = fitted(name, checkpoints[:3] if name in LOCAL else members, spare=checkpoints[3])
    answer(team, secret[0].request)
    shown = [p for m in members for p in m.prompts]
    assert not any("violet" in p or "indigo" in p for p in shown) and (shown or name in LOCAL)
