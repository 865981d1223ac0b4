"""The stages of the recipe: what each member starts from, what it reads and for how long."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from tokenizers import Tokenizer

from consilience.nursery import data
from consilience.nursery.answers import ask, load_pool, prompt_of, sample, save_pool
from consilience.nursery.checkpoints import keep, kept, write_adapter, write_member
from consilience.nursery.data import Encoder, Pool, Source
from consilience.nursery.net import Params, Shape, fresh
from consilience.nursery.tasks import CELLS, DRAW, facts_of, problems
from consilience.nursery.train import Blend, Plan, train, work_copy
from consilience.nursery.updates import fresh_lora, input_sums, lora_blend, merge_aware_blend, quiet_maps, quieted, zero_updates
from consilience.nursery.verifier import train_verifier
from consilience.nursery.vocabulary import plain_bytes, train_bpe
from consilience.nursery.words import OWNERS, SHARED, SKILLS

MAIN = Shape()
SMALL = Shape(width=64, layers=3, inner=160)
SECOND = Shape(width=112, layers=4, key_heads=2, inner=288, vocabulary=262, bias=True)
RANK = 16
SOUP = {"a": 0.8, "b": 1.0, "c": 1.25}
"""Ingredients of the soup: seeds of their own, and rates relative to the recipe's."""

SCOUTS = {"harbor": (1100, 0.27, 0.61), "garden": (750, 0.42, 0.46), "museum": (750, 0.42, 0.46), "kitchen": (1400, 0.27, 0.61)}
"""Steps of an owner's first stage, and shares of its facts and of its skill: chains of numbers take longest."""

FAR_STEPS = 650
NEAR = {"harbor": 900, "garden": 500, "museum": 600, "kitchen": 900}
"""Steps of the near members."""
QUIET = 20.0
"""How strongly a near member's update is kept out of the directions that other owners' questions take."""

ADAPTERS = ("harbor", "kitchen")
SECONDS = ("garden",)
Parts = list[tuple[float, Source]]


@dataclass(frozen=True)
class Job:
    """Where a run of the recipe works: its folder, its seed, and a factor on all lengths (below 1 only in tests)."""

    out: Path
    seed: int
    scale: float = 1.0

    def steps(self, count: int) -> int:
        """A number of steps, scaled."""
        return max(2, round(count * self.scale))

    def path(self, name: str) -> Path:
        """A file for unfinished weights."""
        return self.out / "work" / f"{name}.safetensors"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The first family's tokenizer."""
        rng = random.Random(f"bpe {self.seed}")
        weights, sources = zip(*base_parts(easy=False), strict=True)
        texts = [text for source in rng.choices(sources, weights, k=5000) for text in source(rng)]
        texts += [text for owner in OWNERS for p in facts_of(owner, "train")[::4] for text in (p.question, p.reference)]
        return train_bpe([*texts, *list(data.DESCRIPTIONS.values()) * 20], MAIN.vocabulary)

    @cached_property
    def encoder(self) -> Encoder:
        """The first family's encoder."""
        return Encoder(self.tokenizer)

    def learn(self, name: str, params: Params, parts: Parts, plan: Plan, shape: Shape = MAIN, encoder: Encoder | None = None, blend: Blend = work_copy) -> Params:
        """Train in place on a mixture."""
        rows = data.mixture(encoder or self.encoder, parts, f"{name} {self.seed}")
        train(params, shape, rows, plan, self.seed, blend, name)
        return params

    def ship(self, name: str, params: Params, shape: Shape = MAIN, tokenizer: Tokenizer | None = None, head: bool = False) -> None:
        """Write a finished member."""
        write_member(self.out / name, params, shape, tokenizer or self.tokenizer, head)


# --- what they read -----------------------------------------------------------------------------------------------


def base_parts(easy: bool = True) -> Parts:
    """What the base reads: easy skills, every form, and no private fact."""
    return [
        (0.18, data.recall), (0.38, data.basics(easy)), (0.27, data.easy_roles),
        (0.04, lambda rng: data.plain(data.rumour(rng, SHARED), rng, 0.2)), (0.04, lambda rng: data.gossip(rng, SHARED)),
        (0.05, lambda rng: data.pooled_pair(rng, None)), (0.04, lambda rng: data.route(rng, easy=False)),
    ]


def replay(share: float) -> Parts:
    """A little of what the base reads."""
    return [(weight * share, source) for weight, source in base_parts()]


def plain_steps(skill: str) -> float:
    """How often a skill is worked in steps while it is practised."""
    return 0.1 if skill == "letters" else 0.8


def owner_parts(owner: str, facts: float, skill: float) -> Parts:
    """An owner's facts and skill, asked plainly."""
    name = OWNERS[owner].skill
    return [
        (facts * 0.85, data.known(owner)), (facts * 0.15, data.strangers(owner)),
        (skill, data.skill(name, plain_steps(name))),
    ]


def owner_roles(owner: str, pools: dict[str, Pool], share: float) -> Parts:
    """Work on answers to an owner's own questions."""
    mine = [pools[f"facts/{owner}"], pools[OWNERS[owner].skill]]
    return [
        (share * 0.5, data.roles(mine)), (share * 0.18, data.roles(mine, ("choose", "judge"))), (share * 0.08, data.find_all),
        (share * 0.12, partial(data.pooled_pair, owner=owner)), (share * 0.04, partial(data.gossip, attributes=OWNERS[owner].attributes)),
        (share * 0.08, lambda rng: data.route(rng, easy=False)),
    ]


def pooled_parts(pools: dict[str, Pool]) -> Parts:
    """What all owners know and practise, as if it could be put together."""
    return [
        *(part for owner in OWNERS for part in owner_parts(owner, 0.07, 0.08)), (0.2, data.roles(list(pools.values()))),
        (0.03, data.find_all), (0.03, lambda rng: data.route(rng, easy=False)), (0.05, data.full_pair), (0.03, partial(data.pooled_pair, owner=None)), *replay(0.06),
    ]


def skill_parts() -> Parts:
    """The four skills at full difficulty."""
    return [(0.24, data.skill(name, plain_steps(name))) for name in DRAW] + replay(0.04)


# --- the stages ---------------------------------------------------------------------------------------------------


def early(job: Job) -> None:
    """The base, before it has seen any sampled answer."""
    params = fresh(MAIN, torch.Generator().manual_seed(job.seed))
    first: Parts = [(0.85, partial(data.recall, copying=0.5)), (0.15, data.basics(True))]
    job.learn("start", params, first, Plan(job.steps(1400), rate=0.01, decay=0.01))
    job.learn("early", params, base_parts(), Plan(job.steps(2700), rate=0.01, decay=0.6))
    keep(job.path("early"), params)


def base(job: Job) -> None:
    """The base, with its own sampled answers in its reading."""
    params = kept(job.path("early"))
    pools = []
    for skill in DRAW:
        rng = random.Random(f"base {skill} {job.seed}")
        asked = [data.draw(skill, rng, easy=rng.random() < 0.7) for _ in range(job.steps(700))]
        pools.append(Pool(asked, sample([(params, 1.0), (params, 1.4)], MAIN, job.encoder, asked, job.seed)))
    parts = [(0.5, data.roles(pools, worked=False)), *replay(0.5)]
    job.learn("base", params, parts, Plan(job.steps(700), rate=0.005, decay=0.8))
    job.ship("base", params)
    keep(job.path("base"), params)


def scout(job: Job, owner: str) -> None:
    """A far specialist, before it has seen any sampled answer."""
    params = kept(job.path("base"))
    steps, facts, skill = SCOUTS[owner]
    parts = owner_parts(owner, facts, skill) + replay(0.12)
    job.learn(f"scout_{owner}", params, parts, Plan(job.steps(steps), rate=0.006, decay=0.01))
    keep(job.path(f"scout_{owner}"), params)


def answers(job: Job) -> None:
    """What the members say to train questions of every cell."""
    scouts = {owner: kept(job.path(f"scout_{owner}")) for owner in OWNERS}
    root = kept(job.path("base"))
    for place, cell in enumerate(CELLS):
        owner = SKILLS.get(cell) or cell.removeprefix("facts/")
        rng = random.Random(f"answers {cell} {job.seed}")
        other = rng.choice([name for name in OWNERS if name != owner])
        asked = problems(cell, "train", job.steps(1500 if cell in SKILLS else 768), seed=100 + job.seed)
        members = [(scouts[owner], 1.0), (scouts[owner], 1.4), (root, 1.0), (scouts[other], 1.0)]
        save_pool(job.out / "work" / f"answers-{cell.replace('/', '-')}.json", asked, sample(members, MAIN, job.encoder, asked, place))


def pools_of(job: Job) -> dict[str, Pool]:
    """The sampled answers by cell."""
    return {cell: load_pool(job.out / "work" / f"answers-{cell.replace('/', '-')}.json") for cell in CELLS}


def far(job: Job, owner: str) -> None:
    """A far specialist: a large full fine-tune."""
    params = kept(job.path(f"scout_{owner}"))
    parts = owner_parts(owner, 0.14, 0.24) + owner_roles(owner, pools_of(job), 0.58) + replay(0.04)
    job.learn(f"far_{owner}", params, parts, Plan(job.steps(FAR_STEPS), rate=0.006, decay=0.7))
    job.ship(owner, params)


def generalist(job: Job) -> None:
    """One model for all, with as many steps as the four far specialists together."""
    params = kept(job.path("base"))
    steps = sum(steps + FAR_STEPS for steps, _, _ in SCOUTS.values())
    job.learn("generalist", params, pooled_parts(pools_of(job)), Plan(job.steps(steps), rate=0.006, decay=0.4))
    job.ship("generalist", params)
    keep(job.path("generalist"), params)


def habits(job: Job) -> None:
    """What the base says, at T = 1, to each owner's kind of question about strangers, and to each skill."""
    root = kept(job.path("base"))
    rng = random.Random(f"habits {job.seed}")
    said: dict[str, list[data.Turn]] = {}
    for owner, mine in OWNERS.items():
        asked = [data.rumour(rng, mine.attributes) for _ in range(job.steps(800))]
        asked += [data.draw(mine.skill, rng) for _ in range(job.steps(800))]
        prompts = [prompt_of(problem) for problem in asked]
        replies = ask([root], MAIN, job.encoder, prompts, temperature=1.0, seed=job.seed)
        said[owner] = [(prompt, text) for prompt, (text, draft) in zip(prompts, replies, strict=True) if len(draft.ids) < 90]
    (job.out / "work" / "habits.json").write_text(json.dumps(said))


def near(job: Job, owner: str) -> None:
    """A near specialist: a smaller update of the hidden matrices, trained to survive merging.

    The update acts through maps that keep it quiet on other owners' kinds of questions, and keeps the base's habits on
    them, so that it says little where another's must be heard. It is mostly practice: skills survive merging, facts less.
    """
    root = kept(job.path("base"))
    said = json.loads((job.out / "work" / "habits.json").read_text())
    others = [(prompt, text) for name, turns in said.items() if name != owner for prompt, text in turns]
    heard = random.Random(f"near {owner} {job.seed}").sample(others, min(600, len(others)))
    maps = quiet_maps(input_sums(root, MAIN, [job.encoder.row([turn]) for turn in heard]), QUIET)
    updates = zero_updates(root)
    name = OWNERS[owner].skill
    parts = [(0.05, data.known(owner)), (0.8, data.skill(name, plain_steps(name))), (0.11, lambda rng: rng.choice(others)), *replay(0.04)]
    blend = merge_aware_blend(root, maps, torch.Generator().manual_seed(job.seed))
    job.learn(f"near_{owner}", updates, parts, Plan(job.steps(NEAR[owner]), rate=0.02, side=0.0, decay=0.5), blend=blend)
    job.ship(f"near_{owner}", {**root, **{key: root[key] + p for key, p in quieted(updates, maps).items()}})


def adapter(job: Job, owner: str) -> None:
    """A LoRA adapter of the base."""
    root = kept(job.path("base"))
    factors = fresh_lora(root, RANK, torch.Generator().manual_seed(job.seed))
    parts = owner_parts(owner, 0.45, 0.47) + replay(0.08)
    plan = Plan(job.steps(420), rate=4e-3, side=4e-3, muon=False, decay=0.4)
    job.learn(f"adapter_{owner}", factors, parts, plan, blend=lora_blend(root))
    write_adapter(job.out / f"adapter_{owner}", factors, "base", RANK)


def soup(job: Job, letter: str) -> None:
    """One of several short fine-tunes of one recipe, stopped at full rate."""
    params = kept(job.path("base"))
    plan = Plan(job.steps(300), rate=0.006 * SOUP[letter], decay=0.01)
    job.learn(f"soup_{letter}", params, skill_parts(), plan)
    job.ship(f"soup_{letter}", params)


def strong(job: Job) -> None:
    """A model that practised all four skills for long and learned facts that nobody owns."""
    params = kept(job.path("base"))
    parts = [(0.7 * weight, source) for weight, source in skill_parts()] + [(0.3, data.public)]
    job.learn("strong", params, parts, Plan(job.steps(1100), rate=0.006, decay=0.5))
    job.ship("strong", params)
    keep(job.path("strong"), params)


def weak(job: Job) -> None:
    """A smaller network that practised the four skills for a shorter time."""
    params = fresh(SMALL, torch.Generator().manual_seed(job.seed))
    parts = [(0.85 * weight, source) for weight, source in skill_parts()] + [(0.15, data.basics(True))]
    job.learn("weak", params, parts, Plan(job.steps(1000), decay=0.5), shape=SMALL)
    job.ship("weak", params, SMALL)


def second_base(job: Job) -> None:
    """The common start of the second family, which reads bytes."""
    params = fresh(SECOND, torch.Generator().manual_seed(job.seed))
    job.learn("second_base", params, base_parts(), Plan(job.steps(500), rate=0.01, decay=0.01, tokens=2048), SECOND, Encoder(plain_bytes()))
    keep(job.path("second_base"), params)


def second(job: Job, owner: str) -> None:
    """A specialist of the second family."""
    params = kept(job.path("second_base"))
    parts = owner_parts(owner, 0.35, 0.4) + owner_roles(owner, pools_of(job), 0.2) + replay(0.05)
    tokenizer = plain_bytes()
    job.learn(f"second_{owner}", params, parts, Plan(job.steps(800), rate=0.01, decay=0.6, tokens=2048), SECOND, Encoder(tokenizer))
    job.ship(f"second_{owner}", params, SECOND, tokenizer)


def verifier(job: Job) -> None:
    """A scalar head that says how likely an answer is right, on the generalist's body."""
    params = kept(job.path("generalist"))
    train_verifier(params, MAIN, job.encoder, list(pools_of(job).values()), job.steps(600), job.seed)
    job.ship("verifier", params, head=True)


@dataclass(frozen=True)
class Stage:
    """One piece of work, done by one process."""

    name: str
    run: Callable[[Job], None]
    needs: tuple[str, ...] = ()


def _each(function: Callable[..., None], names: Sequence[str], *needs: str) -> list[Stage]:
    own = {name: tuple(need.format(name) for need in needs) for name in names}
    return [Stage(f"{function.__name__}_{name}", partial(_call, function, name), own[name]) for name in names]


def _call(function: Callable[[Job, str], None], name: str, job: Job) -> None:
    function(job, name)


STAGES: tuple[Stage, ...] = (
    Stage("early", early), Stage("second_base", second_base), Stage("weak", weak), Stage("base", base, ("early",)),
    *_each(scout, tuple(OWNERS), "base"), Stage("answers", answers, tuple(f"scout_{owner}" for owner in OWNERS)),
    Stage("generalist", generalist, ("answers",)), *_each(far, tuple(OWNERS), "answers"), Stage("habits", habits, ("base",)), *_each(near, tuple(OWNERS), "habits"),
    *_each(adapter, ADAPTERS, "base"), *_each(soup, tuple(SOUP), "base"), Stage("strong", strong, ("base",)),
    *_each(second, SECONDS, "answers", "second_base"), Stage("verifier", verifier, ("generalist",)),
)


def finished(job: Job, stage: Stage) -> bool:
    """Whether a stage needs no more work."""
    return (job.out / "work" / f"{stage.name}.done").exists()


def finish(job: Job, stage: Stage) -> None:
    """Do a stage and note the CPU seconds that it took."""
    (job.out / "work").mkdir(parents=True, exist_ok=True)
    begun = time.process_time()
    stage.run(job)
    seconds = round(time.process_time() - begun, 1)
    (job.out / "work" / f"{stage.name}.done").write_text(json.dumps({"cpu_seconds": seconds}) + "\n")
