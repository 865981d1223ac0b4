"""What a method says about the next token: a hand-over policy with what it sees and does, or a combiner to be drafted for.

A plain `Combiner` (see `model.py`) runs all its members at every token. A `Policy` says token by token who is run and
who writes; members that are not asked are not run, and catch up in one forward when they are asked next. A
`Speculation` is a combiner whose tokens one member drafts and the others check, several in one forward, without any
change of the distribution. All are values: equal ones share batches. Nothing here loads torch.
"""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from consilience.model import Combiner

if TYPE_CHECKING:
    from torch import Tensor

    from consilience.decode.union import Union
    from consilience.decode.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a policy sees of R rows, each at its next token. M members, in team order; all tensors on one device."""

    logits: Sequence[Tensor]
    """Per member [R, vocabulary]: raw float32 logits, zeros where the member was not asked."""
    known: Tensor
    """bool [M, R]: whether the member was asked at this token."""
    gone: Tensor
    """bool [M, R]: the member has left this row (its numbers were not finite), or cannot read the text as it stands
    (it ends within a character)."""
    hidden: Sequence[Tensor | None]
    """Per member [R, width]: last hidden states, of the members that the policy names in `hidden`, where known."""
    step: Tensor
    """int64 [R]: tokens written so far."""
    state: Tensor
    """float32 [R, K]: the row's own numbers."""
    noise: Tensor
    """float32 [R]: a number in (0, 1) for this row and token, for policies that ask by chance."""
    author: Tensor
    """int64 [R]: who wrote the last token; -1 at the start and for tokens of everybody."""
    last: Tensor
    """int64 [R]: id of the last token, in its author's vocabulary; -1 at the start."""
    prepared: Any = None
    """What `Policy.prepare` made."""
    texts: Sequence[bytes] = ()
    """The new text of each row, where the policy says `reads_text`."""

    def ends_with(self, *marks: bytes) -> Tensor:
        """bool [R]: whether a row's new text ends with one of `marks`."""
        import torch
        return torch.tensor([text.endswith(marks) for text in self.texts], device=self.known.device)


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """What a policy decides. A row goes on asking while `ask` names a member that is not known yet; when it names none,
    its token is drawn from `scores`."""

    ask: Tensor | None = None
    """bool [M, R]: who is needed; None: nobody more."""
    author: Tensor | None = None
    """int64 [R]: who writes, for the bill and the next `Sight`; None: everybody."""
    scores: Tensor | None = None
    """[R, vocabulary] of which the sampler makes probabilities by softmax; None: the author's own logits. With members
    of several vocabularies they are over the columns of `union`, and count for rows without an author only."""
    union: Union | None = None
    """The vocabulary of `scores`, where members have several."""
    state: Tensor | None = None
    """float32 [R, K], kept once the token is written; None: unchanged."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What the members are made of, for `Policy.prepare`."""

    vocabularies: Sequence[Vocabulary] = ()
    """Pieces of text by id, where the policy says `reads_text` or `mixed`."""
    embeddings: Sequence[Tensor] = ()
    """Input embeddings [ids, width]."""
    memo: dict[Any, Any] = field(default_factory=dict)
    """What was prepared before."""
    mixed: bool = False
    """Whether the members' ids differ, so that the text is their common ground."""

    def prepared(self, policy: Policy) -> Any:
        """What the policy prepares of this, made once."""
        key = (policy, *map(id, self.embeddings))
        owners, made = self.memo.get(key, ((), None))
        if made is None or any(ref() is not e for ref, e in zip(owners, self.embeddings, strict=True)):
            made = policy.prepare(self)
            self.memo[key] = tuple(map(weakref.ref, self.embeddings)), made
        return made


class Policy:
    """Who writes the next token: a pure function of what is seen. Subclasses are frozen dataclasses, equal by value."""

    state: ClassVar[tuple[float, ...]] = ()
    """The numbers that a row begins with, where `decode(..., state=)` gives none."""
    hidden: ClassVar[tuple[int, ...]] = ()
    """Members whose hidden states are wanted."""
    reads_text: ClassVar[bool] = False
    """Whether `Sight.texts` and `Material.vocabularies` are wanted."""
    mixed: ClassVar[bool] = False
    """Whether members may have different vocabularies."""

    def prepare(self, material: Material) -> Any:
        """What can be made once for these members, such as tables of their vocabularies or the weights of a head as
        tensors; it is kept while the models are in memory, and seen as `Sight.prepared`."""
        return None

    @abstractmethod
    def decide(self, sight: Sight) -> Move:
        """Asked again, with more known, until no row asks for anybody; the last answer counts."""


@dataclass(frozen=True, slots=True)
class Speculation:
    """A combiner run by drafting: member `drafter` writes ahead, the others check it in one forward each.

    A drafted token stays with probability min(1, r / q) (r: the combined distribution, q: the one it was drawn from),
    otherwise one is drawn from what r has more of; so the text is distributed as in lockstep (Leviathan et al.,
    arXiv 2211.17192; for combined distributions arXiv 2502.01662), and greedy text is the same text.
    """

    combiner: Combiner
    drafter: int = 1
    length: int = 4
    """Most tokens of a draft."""
    sure: float = 0.0
    """The draft ends before a token of whose distribution no token has this share."""
    turns: bool = field(default=False, kw_only=True)
    """When a whole draft stayed, the last checker's distribution of the token after it proposes the next draft
    (`turn_length` tokens), and the others check that."""
    turn_length: int = field(default=1, kw_only=True)
    adaptive: bool = field(default=False, kw_only=True)
    """A row's drafts grow by 2 when a whole one stayed and shrink by 1 otherwise, between 1 and twice `length`."""

    def combine(self, logits: Tensor) -> Tensor:
        """What the tokens are drawn from: the combiner's."""
        return self.combiner.combine(logits)  # type: ignore[no-any-return]
