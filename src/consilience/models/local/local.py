"""A local checkpoint as a model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from consilience.errors import ConfigError, MissingExtraError, ModelError, TeamError
from consilience.model import (
    Card,
    Combiner,
    Continue,
    Embed,
    HandOver,
    Hidden,
    Measured,
    NextTokens,
    Price,
    Score,
    Verify,
    Weights,
)
from consilience.models.local.calls import Work
from consilience.models.local.checkpoint import open_checkpoint, optional_json
from consilience.models.local.host import LocalHost, default_host
from consilience.types import Absent, Draws, Event, Reply, Request, Scope, Token, Usage, Wording, digest

if TYPE_CHECKING:
    import numpy as np

    from consilience.decode.bridge import Bridge
    from consilience.decode.row import Row
    from consilience.decode.text import Thinking
    from consilience.decode.vocabulary import Vocabulary
    from consilience.models.local.chat import Chat, Prompt

P = TypeVar("P")

WRITES = (NextTokens, Continue, Score, Hidden, Embed, Weights)
"""Powers of a model that writes."""
RATES = (Verify, Weights)
"""Powers of a model that rates."""
SETTINGS = frozenset({"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_tokens", "stop", "seed",
                      "logprobs", "prefix", "n"})
ALTERNATIVES = 5
"""Likeliest alternatives given with each token when log-probabilities are wanted."""


class LocalModel:
    """A Transformers checkpoint (folder, or hub name `org/name`) or a PEFT adapter folder, on a local host.

    A checkpoint for sequence classification with one label is a verifier: it offers Verify and writes nothing. `name`
    is the folder's by default; `price`, `forms` (wordings of prompt forms) and `description` go on the card; `context`
    may lower the checkpoint's own. `thinking` holds the two marks around reasoning (False: there is none). `base` overrides the base
    that an adapter names. Raises ConfigError for pickled weights and for checkpoints that bring their own code, which
    `trust_remote_code=True` allows.
    """

    def __init__(self, source: str | Path, *, host: LocalHost | None = None, name: str = "", price: Price | None = None,
                 forms: Mapping[str, Wording] | None = None, description: str = "", context: int | None = None,
                 base: str | Path | None = None, revision: str | None = None,
                 thinking: Thinking | Sequence[str] | bool | None = True,
                 trust_remote_code: bool = False, spec: str = "") -> None:
        self.checkpoint = open_checkpoint(source, base=base, revision=revision, trust_remote_code=trust_remote_code)
        self._host = host if host is not None else default_host()
        self._name = name or self.checkpoint.path.name
        self._price, self._forms, self._description = price, dict(forms or {}), description
        self._context, self._thinking, self._spec = context, thinking, spec

    @property
    def host(self) -> LocalHost:
        """The host that runs it."""
        return self._host

    @cached_property
    def chat(self) -> Chat:
        """Its tokenizer and template."""
        try:
            from consilience.decode.text import Thinking
            from consilience.decode.vocabulary import tokenizer_of
            from consilience.models.local.chat import Chat
        except ImportError as error:
            raise MissingExtraError("local", "a local checkpoint") from error
        marks = self._thinking
        if isinstance(marks, Sequence):
            if isinstance(marks, str) or len(marks) != 2 or not marks[1]:
                raise ConfigError(f"thinking={marks!r}: give two marks, such as ['<think>', '</think>'], or false")
            marks = Thinking(*marks)
        elif marks is True:
            marks = Thinking()
        return Chat(tokenizer_of(self.checkpoint.tokenizer, self.checkpoint.trust_remote_code), marks or None)

    @cached_property
    def card(self) -> Card:
        """Facts; the fingerprint covers weights, configuration, tokenizer, chat template and run type."""
        dtype = str(self._host.dtype_of(self.checkpoint))
        kinds = RATES if self.checkpoint.verifier else WRITES
        return Card(name=self._name, price=self._price, context=self.context, description=self._description,
                    fingerprint=digest(["local", self.checkpoint.fingerprint, dtype, self.chat.tokenizer.chat_template,
                                        repr(self.chat.thinking),
                                        {k: [w.text, w.item] for k, w in sorted(self._forms.items())}]),
                    parameters=self.checkpoint.parameters, powers=frozenset(k.__name__ for k in kinds),
                    settings=SETTINGS, forms=self._forms, spec=self._spec)

    @cached_property
    def context(self) -> int | None:
        """The longest row in tokens: the checkpoint's, or less where the caller said so."""
        own = [c for key in ("max_position_embeddings", "n_positions") if (c := self.checkpoint.text.get(key))]
        return min((c for c in (*own[:1], self._context) if c), default=None)

    @cached_property
    def _vocabulary(self) -> tuple[str, int]:
        from consilience.decode.binding import vocabulary
        if "vocab_size" not in self.checkpoint.text:
            raise ConfigError(f"{self.checkpoint.root}: config.json names no vocab_size; is it a language model?")
        return vocabulary(self.chat.tokenizer, self.checkpoint.text["vocab_size"])

    @property
    def vocabulary(self) -> str:
        """Digest of the id-to-token map."""
        return self._vocabulary[0]

    @cached_property
    def words(self) -> Vocabulary:
        """The pieces of text that its ids stand for."""
        from consilience.decode.vocabulary import Vocabulary
        return Vocabulary.of(self.chat.tokenizer, self._vocabulary[1], self._ends)

    def power(self, kind: type[P]) -> P | None:
        """Itself for the powers that it offers: a verifier only rates, every other checkpoint does the rest."""
        return cast(P, self) if kind in (RATES if self.checkpoint.verifier else WRITES) else None

    # -- writing ---------------------------------------------------------------------------------------------------

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """One reply per draw. Raises ModelError, with reason `context` when the prompt leaves no room."""
        from consilience.decode.tensors import Alone
        return await self.decode([self], [request], Alone(), draws, scope)

    async def decode(self, peers: Sequence[NextTokens], requests: Sequence[Request], combiner: Combiner | HandOver,
                     draws: Draws = Draws(), scope: Scope = Scope(), state: Sequence[float] = ()) -> list[Reply]:
        """Decode one text with `peers` (self first); see `model.NextTokens`."""
        mates = self._mates(peers, mixed=getattr(combiner, "mixed", False))
        return await self._decode(mates, requests, combiner, draws, scope, None, tuple(state))

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """Deltas of one draw as its row is decoded, then `done`."""
        from consilience.decode.tensors import Alone
        return self._stream(request, Alone(), draw, scope)

    async def _stream(self, request: Request, combiner: Combiner, draw: Draws, scope: Scope) -> AsyncIterator[Event]:
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

        def emit(text: str) -> None:
            """Pass a piece of text from the decoding thread to the loop."""
            loop.call_soon_threadsafe(events.put_nowait, Event("delta", text))

        work = asyncio.create_task(self._decode([self], [request], combiner, replace(draw, n=1), scope, emit))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            [reply] = work.result()
            yield Event("done", reply=reply)
        finally:
            work.cancel()

    async def _decode(self, mates: Sequence[LocalModel], requests: Sequence[Request], combiner: Combiner | HandOver,
                      draws: Draws, scope: Scope, emit: Callable[[str], None] | None,
                      state: tuple[float, ...] = ()) -> list[Reply]:
        if silent := [m._name for m in mates if m.checkpoint.verifier]:
            raise ModelError(f"{', '.join(silent)}: a verifier rates answers and writes none", reason="refused")
        prompts = [m.chat.prompt(r, m.card) for m, r in zip(mates, requests, strict=True)]
        ids = tuple(m.chat.ids(p.text) for m, p in zip(mates, prompts, strict=True))
        limit = self._limit(mates, ids, requests[0])
        numbers = range(draws.first, draws.first + draws.n)
        mixed = any(m.vocabulary != self.vocabulary for m in mates)
        rows = [self._row(requests[0], prompts[0], ids, limit, draws.stream, draw, scope, emit, mixed) for draw in numbers]
        wanted = mixed or getattr(combiner, "reads_text", False) or getattr(combiner, "mixed", False)
        words = tuple(m.words for m in mates) if wanted else ()
        sizes = [m._vocabulary[1] for m in mates]
        for row in rows:
            row.state, row.stop_ids = state, row.stop_ids.union(*(m._ends for m in mates))
            if mixed:
                row.bridge = _bridge(mates, prompts, ids)
        work = Work(tuple(m.checkpoint for m in mates), "decode", combiner,
                    tuple(sizes) if mixed else (min(sizes),) * len(sizes), words, mixed)
        done = await self._host.submit(work, rows)
        return [self._reply(mates, row, prompts[0], requests[0], draw) for draw, row in zip(numbers, done, strict=True)]

    def _mates(self, peers: Sequence[NextTokens], *, mixed: bool) -> list[LocalModel]:
        if (reason := self.refuses(peers, mixed=mixed)) is not None:
            raise TeamError(reason)
        return [p for p in peers if isinstance(p, LocalModel)]

    def refuses(self, peers: Sequence[NextTokens], *, mixed: bool = False) -> str | None:
        """Why these models cannot decode together (other hosts, too little memory, and unless `mixed` other
        vocabularies), or None."""
        mates = [p for p in peers if isinstance(p, LocalModel)]
        if len(mates) < len(peers) or any(m.host is not self._host for m in mates):
            strangers = [getattr(p, "_name", "a member") for p in peers
                         if not isinstance(p, LocalModel) or p.host is not self._host]
            return f"token-level methods need all members on one local host; not on that of {self._name}: {', '.join(strangers)}"
        if not mixed and (others := [m._name for m in mates if m.vocabulary != self.vocabulary]):
            return (f"the vocabularies differ: {', '.join(others)} and {self._name} do not share one. Members whose "
                    "logits are mixed must have one tokenizer; mix texts (vote, fuse, refine) instead")
        return self._host.refuses([m.checkpoint for m in mates])

    def _limit(self, mates: Sequence[LocalModel], ids: Sequence[tuple[int, ...]], request: Request) -> int:
        """New tokens that fit all members' contexts."""
        limit = request.sampling.max_tokens
        for mate, prompt in zip(mates, ids, strict=True):
            room = limit if mate.context is None else mate.context - len(prompt)
            if not prompt or room < 1:
                raise ModelError(f"{mate._name}: the prompt has {len(prompt)} tokens, "
                                 f"{'at least one is needed' if not prompt else f'which fills the context of {mate.context}'}",
                                 reason="context")
            limit = min(limit, room)
        return limit

    def _row(self, request: Request, prompt: Prompt, ids: tuple[tuple[int, ...], ...], limit: int, stream: str,
             draw: int, scope: Scope, emit: Callable[[str], None] | None, mixed: bool) -> Row:
        from consilience.decode.row import Row
        from consilience.decode.sampler import noise_key
        from consilience.decode.text import Watcher
        stops = request.sampling.stop
        watch = None
        if stops or emit:
            decode, lead = (_utf8, ()) if mixed else (self.chat.text, _lead(ids[0], prompt))
            watch = Watcher(decode, lambda raw: self._split(raw, prompt), stops, emit, lead)
        return Row(prompts=ids, sampling=request.sampling, noise=noise_key(self.card.fingerprint, request.content(), stream, draw),
                   stop_ids=self._ends | self._special(stops), limit=limit, done=lambda _: None, watch=watch,
                   logprobs=ALTERNATIVES if "logprobs" in scope.extras else None)

    def _split(self, raw: str, prompt: Prompt) -> tuple[str, str]:
        thinking = self.chat.thinking
        return thinking.split(raw, prompt.opened) if thinking else ("", raw)

    @cached_property
    def _ends(self) -> frozenset[int]:
        """All end tokens: of the generation configuration, the configuration and the tokenizer."""
        found: set[int] = set()
        for facts in (optional_json(self.checkpoint.root / "generation_config.json"), self.checkpoint.config):
            ends = facts.get("eos_token_id")
            found |= set(ends if isinstance(ends, list) else [] if ends is None else [ends])
        own = self.chat.tokenizer.eos_token_id
        return frozenset(found | ({own} if own is not None else set()))

    def _special(self, stops: Sequence[str]) -> frozenset[int]:
        """Ids of stop strings that are special tokens, which never appear in the text."""
        special = dict(zip(self.chat.tokenizer.all_special_tokens, self.chat.tokenizer.all_special_ids, strict=False))
        return frozenset(special[s] for s in stops if s in special)

    def _reply(self, mates: Sequence[LocalModel], row: Row, prompt: Prompt, request: Request, draw: int) -> Reply:
        from consilience.decode.text import Watcher, first_stop
        raw = _utf8(row.ids) if row.bridge is not None else self.chat.text(row.ids, _lead(row.prompts[0], prompt))
        reasoning, text = self._split(raw, prompt)
        at = first_stop(text, request.sampling.stop)
        if at >= 0:
            text = text[:at]
        if isinstance(row.watch, Watcher) and row.watch.emits:
            text = row.watch.close(text)
        bills = [Usage(1, row.read[i] - asked + 1, asked) if asked else Usage() for i, asked in enumerate(row.asked)]
        costs = [m._price.of(b.prompt_tokens, b.completion_tokens) if m._price else None
                 for m, b in zip(mates, bills, strict=True) if b.calls]
        return Reply(text, stop=row.reason, usage=sum(bills, Usage()), reasoning=reasoning, seconds=row.seconds,
                     cost=None if None in costs else sum(c for c in costs if c is not None), model=self._name,
                     asked=request.form or "answer", draw=draw, tokens=self._tokens(row),
                     absent=tuple(Absent(mates[i]._name, "nan", why) for i, why in sorted(row.gone.items())),
                     note=_story(row, mates) | ({"stopped": at >= 0} if request.sampling.stop else {}))

    def _tokens(self, row: Row) -> tuple[Token, ...] | None:
        if row.logprobs is None:
            return None
        if row.bridge is not None:
            return tuple(Token(_utf8(piece), lp) for piece, (lp, _) in zip(row.bridge.pieces, row.marks, strict=True))
        one = self._piece
        return tuple(Token(one(i), lp, tuple((one(t), p) for t, p in top))
                     for i, (lp, top) in zip(row.ids, row.marks, strict=True))

    def _piece(self, token: int) -> str:
        return str(self.chat.tokenizer.decode([token], clean_up_tokenization_spaces=False))

    # -- reading ---------------------------------------------------------------------------------------------------

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """Log-probability of each of `choices` as the text that follows the prompt and prefix."""
        from consilience.models.local.forward import Text
        prompt = self.chat.prompt(request, self.card).text
        whole = [self.chat.after(prompt, choice) for choice in choices]
        heads = {ids[:start] for ids, start in whole}
        if len(heads) == 1 and all(len(ids) == start + 1 for ids, start in whole):
            [head] = heads
            got = await self._run("next", [Text(head, choices=tuple(ids[-1] for ids, _ in whole))])
            return self._measured(got, got.value[0])
        got = await self._run("score", [Text(ids, start) for ids, start in whole])
        return self._measured(got, [sum(lps) for lps in got.value])

    async def score(self, request: Request, text: str) -> Measured[list[Token]]:
        """The tokens of `text` as an answer to `request` (after its prefix), each with its log-probability."""
        from consilience.models.local.forward import Text
        ids, start = self.chat.after(self.chat.prompt(request, self.card).text, text)
        got = await self._run("score", [Text(ids, start)])
        return self._measured(got, [Token(self._piece(i), lp) for i, lp in zip(ids[start:], got.value[0], strict=True)])

    async def hidden(self, request: Request, text: str, before: int = 0) -> Measured[np.ndarray]:
        """Hidden states of the tokens of `text` as an answer, and of the `before` tokens before it: float32
        [layers + 1, before + tokens, width]."""
        from consilience.models.local.forward import Text
        ids, start = self.chat.after(self.chat.prompt(request, self.card).text, text)
        got = await self._run("hidden", [Text(ids, max(0, start - before))])
        return self._measured(got, got.value[0])

    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        """Mean over tokens of the last hidden states: float32 [texts, width]."""
        import numpy as np

        from consilience.models.local.forward import Text
        got = await self._run("embed", [Text(tuple(self.chat.tokenizer(t)["input_ids"]) or (0,)) for t in texts])
        return self._measured(got, np.stack(got.value).astype(np.float32))

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        """The head's score of each answer, read at the last token of the whole conversation."""
        from consilience.models.local.forward import Text
        texts = [Text(self.chat.ids(self.chat.answered(request, a, self.card))) for a in answers]
        got = await self._run("verify", texts)
        return self._measured(got, list(got.value))

    async def _run(self, operation: str, texts: Sequence[Any]) -> Measured[list[Any]]:
        longest = max((len(t.ids) for t in texts), default=0)
        if self.context is not None and longest > self.context:
            raise ModelError(f"{self._name}: {longest} tokens do not fit the context of {self.context}", reason="context")
        outcomes = await self._host.submit(Work((self.checkpoint,), operation), texts) if texts else []
        usage = Usage(len(texts), sum(len(t.ids) for t in texts))
        cost = self._price.of(usage.prompt_tokens, 0) if self._price else None
        return Measured([o.value for o in outcomes], usage, cost, sum(o.seconds for o in outcomes))

    def _measured(self, got: Measured[list[Any]], value: Any) -> Measured[Any]:
        return Measured(value, got.usage, got.cost, got.seconds)

    # -- weights ---------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """A folder with the whole checkpoint; an adapter is merged into a copy on first use."""
        from consilience.models.local.loading import merged
        return merged(self.checkpoint)

    def sibling(self, path: Path, name: str) -> LocalModel:
        """The checkpoint at `path` as a model on the same host, with this model's price and wordings."""
        return LocalModel(path, host=self._host, name=name, price=self._price, forms=self._forms,
                          context=self._context, thinking=self._thinking)


def _bridge(mates: Sequence[LocalModel], prompts: Sequence[Prompt], ids: Sequence[Sequence[int]]) -> Bridge:
    """What carries the text of one row from one vocabulary to the others."""
    from consilience.decode.bridge import Bridge
    readers = [m.chat.reader(p.text, m.words.special) for m, p in zip(mates, prompts, strict=True)]
    return Bridge(ids, readers, [m.words for m in mates])


def _utf8(ids: Sequence[int]) -> str:
    """The text of bytes."""
    return bytes(ids).decode("utf-8", "replace")


def _story(row: Row, mates: Sequence[LocalModel]) -> dict[str, Any]:
    """For the note: how many forwards each model took, and how the tokens came about where that was decided."""
    if not row.authors:
        return {}
    wrote = Counter(row.authors)
    story: dict[str, Any] = {"asked": {m._name: n for m, n in zip(mates, row.asked, strict=True)},
                             "wrote": {m._name: wrote[i] for i, m in enumerate(mates)},
                             "switches": sum(a != b for a, b in pairwise(row.authors))}
    return story | ({"drafted": row.drafted, "kept": row.kept} if row.drafted else {})


def _lead(ids: Sequence[int], prompt: Prompt) -> Sequence[int]:
    """The id before the first new one, where the prompt ends in the middle of a text."""
    return ids[-1:] if prompt.goes_on else ()
