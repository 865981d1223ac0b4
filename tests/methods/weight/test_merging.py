"""Merging methods: soups, task vectors, what is learned on dev, the child that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from consilience.errors import TeamError
from consilience.method import Dev, Scored
from consilience.methods.weight.dare import Dare, DareTies
from consilience.methods.weight.greedy_soup import GreedySoup
from consilience.methods.weight.task_arithmetic import TaskArithmetic
from consilience.methods.weight.ties import Ties
from consilience.methods.weight.uniform_soup import UniformSoup
from consilience.model import Model, Weights
from consilience.models.local import LocalModel
from consilience.team import Team
from consilience.types import Draws, Example, Request
from tests.members import Scripted
from tests.methods.local import models

REQUEST = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=8)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LocalModel]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILIENCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield models(tmp_path_factory.mktemp("pool"), 4)


def norm_of(model: Model) -> torch.Tensor:
    power = model.power(Weights)
    assert power is not None
    return load_file(power.path / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]


def child(team: Team) -> Model:
    made = asyncio.run(team.child())
    assert made is not None
    return made


@dataclass
class Scores:
    """A dev split whose scores a test lays down, by which members a model is the mean of."""

    pool: Sequence[LocalModel]
    by_soup: dict[frozenset[int], float]
    asked: list[frozenset[int]] = field(default_factory=list)
    examples: Sequence[Example] = (Example("q", REQUEST),)

    def parts(self, model: Model) -> frozenset[int]:
        target = norm_of(model)
        for soup in self.by_soup:
            if torch.allclose(torch.stack([norm_of(self.pool[i]) for i in soup]).mean(0), target, atol=1e-6):
                return soup
        raise AssertionError("a soup that the test does not know")

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        self.asked += [self.parts(m) for m in models]
        return [[Scored(None, self.by_soup[self.parts(m)])] for m in models]

    async def evaluate(self, method: object, members: Sequence[Model]) -> list[float]:
        raise NotImplementedError

    def folds(self, k: int) -> list[Dev]:
        raise NotImplementedError


def soup(*members: int) -> frozenset[int]:
    return frozenset(members)


def test_uniform_soup_is_the_mean_and_answers_with_one_call(pool: list[LocalModel]) -> None:
    team = Team(UniformSoup(), pool[:3])
    assert torch.allclose(norm_of(child(team)), sum(norm_of(m) for m in pool[:3]) / 3, atol=1e-6)
    [reply] = asyncio.run(team.generate(REQUEST))
    assert reply.text and reply.usage.calls == 1 and len(reply.parts) == 1
    assert child(Team(UniformSoup(), pool[2::-1])) is not None
    weighted = Team(UniformSoup(weights=(1, 3)), pool[:2])
    assert torch.allclose(norm_of(child(weighted)), .25 * norm_of(pool[0]) + .75 * norm_of(pool[1]), atol=1e-6)


def test_copies_of_one_model_make_that_model(pool: list[LocalModel]) -> None:
    [mine] = asyncio.run(Team(UniformSoup(), [pool[0]] * 2).generate(REQUEST))
    [its] = asyncio.run(pool[0].generate(REQUEST))
    assert mine.text == its.text


def test_greedy_soup_of_the_catalogue(pool: list[LocalModel]) -> None:
    scores = {soup(0): .8, soup(1): .7, soup(2): .6, soup(0, 1): .82, soup(0, 1, 2): .81}
    dev = Scores(pool, scores)
    team = Team(GreedySoup(), pool[:3]).fit_sync(dev)
    found = team.method.found().values
    assert found["soup"] == [0, 1] and found["score"] == .82
    assert dev.asked == [soup(0), soup(1), soup(2), soup(0, 1), soup(0, 1, 2)], "N single and N - 1 merged evaluations"
    assert dev.parts(child(team)) == soup(0, 1)


def test_a_soup_of_one_is_the_member_untouched(pool: list[LocalModel]) -> None:
    scores = {soup(0): .5, soup(1): .8, soup(0, 1): .79}
    team = Team(GreedySoup(), pool[:2]).fit_sync(Scores(pool, scores))
    assert child(team) is pool[1]
    kept = Team(GreedySoup(), pool[:2]).fit_sync(Scores(pool, {**scores, soup(0, 1): .8}))
    assert kept.method.found().values["soup"] == [1, 0], "a tie is kept, as in the paper"
    strict = Team(GreedySoup(margin=.01), pool[:2]).fit_sync(Scores(pool, {**scores, soup(0, 1): .8}))
    assert strict.method.found().values["soup"] == [1]


def test_task_arithmetic(pool: list[LocalModel]) -> None:
    base, one, two = pool[3], pool[0], pool[1]
    team = Team(TaskArithmetic(scale=.5), [one, two], base=base)
    expected = norm_of(base) + .5 * (norm_of(one) + norm_of(two) - 2 * norm_of(base))
    assert torch.allclose(norm_of(child(team)), expected, atol=1e-6)
    assert torch.allclose(norm_of(child(Team(TaskArithmetic(scale=1.0), [one], base=base))), norm_of(one), atol=1e-6)
    assert torch.equal(norm_of(child(Team(TaskArithmetic(scale=0.0), [one], base=base))), norm_of(base))
    assert asyncio.run(team.generate(REQUEST))[0].usage.calls == 1


def test_the_family_differs_by_its_rule(pool: list[LocalModel]) -> None:
    base, members = pool[3], pool[:2]
    made = {m.name: norm_of(child(Team(m, members, base=base)))
            for m in (TaskArithmetic(), Ties(), Dare(), DareTies())}
    assert set(made) == {"task-arithmetic", "ties", "dare", "dare-ties"}
    assert len({round(float(t.abs().sum()), 3) for t in made.values()}) == 4
    kept = (made["ties"] != norm_of(base)).float().mean()
    assert .2 <= kept <= .4, "20% of each of two"
    assert Ties().density == .2 and Dare().density == .1


def test_the_scale_is_chosen_on_dev(pool: list[LocalModel]) -> None:
    base, one = pool[3], pool[0]

    class Nearest(Scores):
        def parts(self, model: Model) -> frozenset[int]:
            step = (norm_of(model) - norm_of(base)).norm() / (norm_of(one) - norm_of(base)).norm()
            return soup(round(float(step) * 10))
    dev = Nearest(pool, {soup(i): 1 - abs(i - 6) / 10 for i in range(11)})
    assert Team(TaskArithmetic(), [one], base=base).fit_sync(dev).method.found().values["scale"] == .6
    assert Team(TaskArithmetic(scale=.3), [one], base=base).fit_sync(dev).method.learned is None


def test_what_cannot_be_merged_is_refused_when_bound(pool: list[LocalModel], tmp_path: Path) -> None:
    with pytest.raises(TeamError, match="Weights"):
        Team(UniformSoup(), [pool[0], Scripted("a", ["A"])])
    with pytest.raises(TeamError, match="'base'"):
        Team(TaskArithmetic(), pool[:2])
    with pytest.raises(TeamError, match="weights"):
        Team(UniformSoup(weights=(1,)), pool[:2])
    with pytest.raises(TeamError, match="fitted"):
        asyncio.run(Team(GreedySoup(), pool[:2]).generate(REQUEST))
