"""From a request to ids: the prompt form in the card's wording, then the tokenizer's chat template, then one encoding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from consilience.decode.text import Thinking
from consilience.errors import ModelError
from consilience.model import Card
from consilience.prompt import render
from consilience.types import Request


_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What a template of somebody else's may raise when it is filled."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt. `opened` says that it ends inside the model's thinking, `goes_on` in the middle of a text."""

    text: str
    opened: bool
    goes_on: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chat:
    """How one tokenizer writes conversations.

    Checkpoints without a chat template get plain text: a single user message as it is; longer conversations as
    `User: ...` and `Assistant: ...` paragraphs, ending in `Assistant:`.
    """

    tokenizer: PreTrainedTokenizerBase
    thinking: Thinking | None = Thinking()

    @property
    def templated(self) -> bool:
        """Whether the tokenizer has a chat template."""
        return bool(self.tokenizer.chat_template)

    def prompt(self, request: Request, card: Card) -> Prompt:
        """The prompt of a request, with its partial answer appended after the generation prompt."""
        if request.tools:
            raise ModelError(f"{card.name}: tools were given, but local checkpoints do not call tools; use an endpoint",
                             reason="refused")
        text = self._written(self._messages(render(request, card)), generation=True)
        opening = self.thinking.opening if self.thinking else ""
        opened = bool(opening) and text.rstrip().endswith(opening)
        if opened and request.prefix:
            text, opened = f"{text}\n{self.thinking.closing}\n\n", False
        return Prompt(text + request.prefix, opened, bool(request.prefix) or not self.templated)

    def answered(self, request: Request, answer: str, card: Card) -> str:
        """The whole conversation with `answer` as the assistant's last turn, as verifiers read it."""
        messages = self._messages(render(request, card))
        if not self.templated:
            return self._written(messages, generation=True) + answer
        return self._written([*messages, {"role": "assistant", "content": request.prefix + answer}], generation=False)

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        return [{"role": m.role, "content": m.content} for m in request.messages]

    def _written(self, messages: list[dict[str, Any]], *, generation: bool) -> str:
        if not self.templated:
            return _plain(messages)
        try:
            return self._templated(messages, generation)
        except _FAULTS as error:
            if messages[0]["role"] == "system" and len(messages) > 1:    # some templates know no system role
                first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
                return self._written([first, *messages[2:]], generation=generation)
            roles = [m["role"] for m in messages]
            raise ModelError(f"the chat template does not take these messages (roles {roles}): {error}") from error

    def _templated(self, messages: list[dict[str, Any]], generation: bool) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation))

    def ids(self, text: str) -> tuple[int, ...]:
        """Ids of a rendered text, with one beginning token at most: a template writes its own."""
        ids = self.tokenizer(text, add_special_tokens=not self.templated)["input_ids"]
        bos = self.tokenizer.bos_token_id
        if bos is not None and ids[:2] == [bos, bos]:
            ids = ids[1:]
        return tuple(ids)

    def reader(self, prompt: str, special: Collection[int]) -> Callable[[str], tuple[int, ...]]:
        """From a text that follows a prompt to the ids of both, encoded as one. Behind a `special` id, where no token can
        reach across, the prompt is encoded once."""
        head = self.ids(prompt)
        if not head or head[-1] not in special:
            return lambda text: self.ids(prompt + text)
        return lambda text: (*head, *self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def after(self, prompt: str, text: str) -> tuple[tuple[int, ...], int]:
        """Ids of `prompt + text` encoded as one, and where the tokens of `text` begin."""
        whole, head = self.ids(prompt + text), self.ids(prompt)
        same = next((i for i, (a, b) in enumerate(zip(whole, head, strict=False)) if a != b), min(len(whole), len(head)))
        return whole, max(1, same)

    def text(self, ids: Sequence[int], lead: Sequence[int] = ()) -> str:
        """Text of emitted ids, after the ids `lead`: some tokenizers drop the space in front of a text's first word."""
        return self._decoded([*lead, *ids])[len(self._decoded(lead)):]

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)) if ids else ""


def _plain(messages: Sequence[dict[str, Any]]) -> str:
    if len(messages) == 1 and messages[0]["role"] == "user":
        return str(messages[0]["content"])
    turns = [m["content"] if m["role"] == "system" else f"{m['role'].capitalize()}: {m['content']}" for m in messages]
    return "\n\n".join([*turns, "Assistant:"])
