"""How long a routing decision takes, and how long fitting: 10,000 dev questions, 20 members, one question at a time, warm.

    python benchmarks/routing/speed.py [--python /tmp/llmrouter/bin/python] [--out runs/routing/speed.json]

A decision is the CPU time of a team's whole answer less that of `best-on-dev` over the same instantaneous members, so the
question's vector is in it. Peers (`--python` names an environment with llmrouter-lib and routellm) run their own code on vectors
that are given to them, because their embedders have to be downloaded or need a key: their decision is the part behind the
embedding.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import asyncio  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import AsyncIterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from consilience.errors import ConsilienceError  # noqa: E402
from consilience.learn.routers import Router  # noqa: E402
from consilience.method import Method, Scored  # noqa: E402
from consilience.model import Card, Model, P, stream_whole  # noqa: E402
from consilience.registry import method, methods  # noqa: E402
from consilience.team import Team  # noqa: E402
from consilience.types import Draws, Event, Example, Reply, Request, Scope  # noqa: E402

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("speed_side.py")
TOPICS, WORDS = 24, 60


class Instant:
    """A member that answers at once, at a known cost."""

    def __init__(self, name: str, cost: float) -> None:
        self.card, self.reply = Card(name, name), Reply("yes", cost=cost, model=name)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The one reply."""
        return [self.reply] * draws.n

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The reply in one piece."""
        return stream_whole(self, request, draw, scope)

    def power(self, kind: type[P]) -> P | None:
        """None."""
        return None


@dataclass(frozen=True)
class Known:
    """Dev questions whose scores are there already (the protocol `method.Dev`)."""

    examples: Sequence[Example]
    scores: np.ndarray
    members: Sequence[Instant]

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(), extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """What every member did."""
        return [[Scored(one.reply, float(s)) for s in column] for one, column in zip(self.members, self.scores.T, strict=True)]

    async def evaluate(self, method: Method, members: Sequence[Model]) -> list[float]:
        """No router asks for it."""
        raise NotImplementedError

    def folds(self, k: int) -> list[Any]:
        """No router asks for it."""
        raise NotImplementedError


def made(questions: int, members: int) -> tuple[list[Instant], Known, list[Request]]:
    """Members, dev questions on topics that members are good at or not, and 500 more questions."""
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i}" for i in range(20_000)])
    chance = 1 / np.arange(1, 501)
    topic = rng.integers(0, TOPICS, questions + 500)
    texts = [" ".join(vocabulary[500 * t + rng.choice(500, WORDS, p=chance / chance.sum())]) for t in topic]
    skill = rng.uniform(0.2, 0.9, (TOPICS, members))
    scores = (rng.random((questions, members)) < skill[topic[:questions]]).astype(float)
    pool = [Instant(f"m{i}", 1e-4 * (i + 1)) for i in range(members)]
    asked = [Request.of(text) for text in texts]
    examples = [Example(f"{i:05}", request, skill=str(t)) for i, (request, t) in enumerate(zip(asked, topic[:questions], strict=False))]
    return pool, Known(examples, scores, pool), asked[questions:]


async def answering(team: Team, questions: Sequence[Request]) -> float:
    """CPU seconds per question, one at a time, after a warm-up."""
    for request in questions[:50]:
        await team.generate(request)
    started = time.process_time()
    for request in questions[50:]:
        await team.generate(request)
    return (time.process_time() - started) / len(questions[50:])


def measure(questions: int, members: int, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Every router that chooses before answering and asks one member."""
    pool, dev, asked = made(questions, members)
    control = asyncio.run(answering(Team(method("best-on-dev"), pool, standing=dev.scores.mean(axis=0).tolist()), asked))
    found: list[dict[str, Any]] = []
    for name, cls in methods().items():
        if not issubclass(cls, Router) or (chosen and name not in chosen):
            continue
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            team = asyncio.run(Team(method(name), pool).fit(dev))
            fit = time.process_time() - cpu, time.perf_counter() - wall
            took = asyncio.run(answering(team, asked)) - control
        except ConsilienceError as error:
            print(f"{name}: {error}")
            continue
        found.append({"router": name, "fit_cpu_s": round(fit[0], 2), "fit_wall_s": round(fit[1], 2), "decide_ms": round(1000 * took, 4)})
        print(found[-1], flush=True)
    return found


def peers(python: str, questions: int, members: int) -> list[dict[str, Any]]:
    """The peers' own code, in their environment."""
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run([python, "-W", "ignore", str(SIDE), folder, str(questions), str(members)], stdout=subprocess.PIPE, text=True,
                              check=True, env={**os.environ, "OPENAI_API_KEY": "not used"})
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--python", help="the interpreter of an environment with the peers")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "routing" / "speed.json")
    given = parser.parse_args()
    rows = measure(given.questions, given.members, given.methods)
    rows += peers(given.python, given.questions, given.members) if given.python else []
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"questions": given.questions, "members": given.members, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
