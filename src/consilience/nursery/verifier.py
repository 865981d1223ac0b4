"""The scalar head: trained on members' sampled answers to say which are right."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from consilience.nursery.data import Encoder, Pool
from consilience.nursery.forms import render
from consilience.nursery.net import Params, Shape, causal, hidden, is_matrix, padded
from consilience.nursery.tasks import Problem, wrong_answers
from consilience.nursery.train import Adam, Plan, Row, batches, work_copy

log = logging.getLogger(__name__)
HEAD = "score.weight"


def chat(encoder: Encoder, question: str, answer: str) -> list[int]:
    """The chat that is rated: the question and the finished answer."""
    return list(encoder.row([(question, answer)]).ids)


def labelled(pools: Sequence[Pool], encoder: Encoder, seed: int) -> Iterator[tuple[Row, bool]]:
    """Sampled answers with their labels, right and wrong in equal shares, cells in equal shares."""
    rng = random.Random(f"verifier {seed}")
    kinds = [_by_label(pool) for pool in pools]
    while True:
        right, wrong, pool = rng.choice(kinds)
        good = rng.random() < 0.5 and bool(right)
        if good or (wrong and rng.random() < 0.85):
            problem, text = rng.choice(right if good else wrong)
        else:
            problem = rng.choice(pool.problems)
            text = rng.choice(wrong_answers(problem, rng, 3))
        question = problem.question if rng.random() < 0.6 else render(problem.form, question=problem.question)
        yield encoder.row([(question, text)]), good


def _by_label(pool: Pool) -> tuple[list[tuple[Problem, str]], list[tuple[Problem, str]], Pool]:
    sides: tuple[list[tuple[Problem, str]], list[tuple[Problem, str]]] = ([], [])
    for problem in pool.problems:
        for text, right in pool.answers.get(problem.id, ()):
            sides[0 if right else 1].append((problem, text))
    return *sides, pool


def scores(params: Params, shape: Shape, ids: Tensor) -> Tensor:
    """The score after every token, `[row, column]`."""
    states = hidden(params, shape, ids, torch.arange(ids.shape[1])[None], causal(shape))
    return F.linear(states, params[HEAD])[..., 0].float()


def train_verifier(params: Params, shape: Shape, encoder: Encoder, pools: Sequence[Pool], steps: int, seed: int) -> None:
    """Learn in place: mostly from the score at the end, partly from that after every token of the answer."""
    params[HEAD] = torch.zeros(1, shape.width)
    truth: dict[int, bool] = {}
    plan = Plan(steps, decay=0.6)
    stream = batches(_noted(labelled(pools, encoder, seed), truth), plan.tokens, random.Random(seed))
    for p in params.values():
        p.requires_grad_(True)
    matrices = Adam({name: p for name, p in params.items() if is_matrix(name)})
    rest = Adam({name: p for name, p in params.items() if not is_matrix(name)})
    begun, recent = time.process_time(), []
    for step in range(steps):
        batch = next(stream)
        loss = _loss(work_copy(params), shape, batch, torch.tensor([float(truth.pop(id(row))) for row in batch]))
        loss.backward()
        matrices.step(1e-3 * plan.scale(step))
        rest.step(2e-3 * plan.scale(step))
        for p in params.values():
            p.grad = None
        recent.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            log.info("verifier step %d loss %.3f cpu %.0f s", step + 1, sum(recent[-100:]) / len(recent[-100:]), time.process_time() - begun)
    for p in params.values():
        p.requires_grad_(False)


def _noted(stream: Iterator[tuple[Row, bool]], truth: dict[int, bool]) -> Iterator[Row]:
    for row, right in stream:
        truth[id(row)] = right
        yield row


def _loss(params: Params, shape: Shape, batch: Sequence[Row], truth: Tensor) -> Tensor:
    ids, learned = padded([row.ids for row in batch]), padded([row.learned for row in batch]).bool()
    found = scores(params, shape, ids)
    ends = torch.tensor([len(row.ids) - 1 for row in batch])
    last = F.binary_cross_entropy_with_logits(found[torch.arange(len(batch)), ends], truth)
    every = F.binary_cross_entropy_with_logits(found[learned], truth[:, None].expand_as(found)[learned])
    return last + 0.5 * every
