"""A reply and its parts for eyes and for JSON: who said what, how it was read, what it took, and what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from consilience.cli.console import dollars, harmless, seconds
from consilience.types import Message, Reply

Prompt = tuple[Message, ...]

SHOWN = 240
"""Characters of a text that the tree quotes."""


def tree(reply: Reply) -> Tree:
    """The call tree of a reply; where prompts were kept, with the number that each has in `whole_prompts`."""
    numbers = {prompt: place for place, prompt in enumerate(_prompts(reply), 1)}
    node = Tree(_line(reply, numbers))
    _grow(node, reply, numbers)
    return node


def whole_prompts(reply: Reply) -> Iterator[Text]:
    """The prompts of a call tree in full, each once: its number, to whom it went at what stage, and the messages."""
    for place, (prompt, parts) in enumerate(_prompts(reply).items(), 1):
        whom = Counter(part.model for part in parts)
        names = ", ".join(name + (f" x {n}" if n > 1 else "") for name, n in whom.items())
        stages = " or ".join(dict.fromkeys(part.asked or "answer" for part in parts))
        yield Text("\n").append(f"prompt {place}", style="bold cyan").append(f"  {stages}, to {names}", style="dim")
        for message in prompt:
            speaker = f"{message.name}, {message.role}" if message.name else message.role
            yield Text(f"{speaker}: ", style="dim").append(harmless(message.content), style="not dim")


def _prompts(reply: Reply) -> dict[Prompt, list[Reply]]:
    """The replies that each prompt was answered with, in the order of the tree."""
    found: dict[Prompt, list[Reply]] = {}
    for one in every(reply):
        if one.prompt:
            found.setdefault(one.prompt, []).append(one)
    return found


def every(reply: Reply) -> Iterator[Reply]:
    """A reply and all that it was made of."""
    yield reply
    for part in reply.parts:
        yield from every(part)


def _grow(node: Tree, reply: Reply, numbers: Mapping[Prompt, int]) -> None:
    for part in reply.parts:
        _grow(node.add(_line(part, numbers)), part, numbers)
    for absent in reply.absent:
        node.add(Text(f"{absent.member} is absent ({absent.reason}): {harmless(absent.detail)}", style="red"))


def _line(reply: Reply, numbers: Mapping[Prompt, int]) -> Text:
    line = Text()
    line.append(reply.model or "?", style="bold")
    line.append(f"  {reply.asked}" if reply.asked else "", style="cyan")
    if reply.text is not None:
        line.append(f"  “{_short(reply.text)}”")
    if reply.reading is not None and reply.reading != (reply.text or "").strip():
        line.append(f"  read as {_short(reply.reading)}", style="green")
    elif reply.unread:
        line.append("  could not be read", style="yellow")
    if reply.note:
        line.append(f"  {_noted(reply.note)}", style="magenta")
    usage = reply.usage
    line.append(f"  {usage.prompt_tokens}→{usage.completion_tokens} tokens, {seconds(reply.seconds)}, "
                f"{dollars(reply.cost)}" + (f", {usage.calls} call{'s' * (usage.calls != 1)}" if reply.parts else ""), style="dim")
    if reply.prompt:
        line.append(f"  prompt {numbers[reply.prompt]}", style="cyan")
    return line


def _short(text: str) -> str:
    flat = harmless(" ".join(text.split()))
    return flat if len(flat) <= SHOWN else flat[:SHOWN - 1] + "…"


def _noted(note: Mapping[str, Any]) -> str:
    return "; ".join(f"{key} {_short(str(value))}" for key, value in note.items())


def as_json(reply: Reply) -> dict[str, Any]:
    """The same as a JSON value, whole texts included."""
    usage = reply.usage
    value = {
        "model": reply.model, "asked": reply.asked, "text": reply.text, "reading": reply.reading, "unread": reply.unread,
        "stop": reply.stop, "reasoning": reply.reasoning, "calls": usage.calls, "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens, "cost": reply.cost, "seconds": reply.seconds, "score": reply.score,
        "note": dict(reply.note), "absent": [{"member": a.member, "reason": a.reason, "detail": a.detail}
                                             for a in reply.absent],
        "prompt": [{"role": m.role, "content": m.content} | ({"name": m.name} if m.name else {}) for m in reply.prompt],
        "parts": [as_json(part) for part in reply.parts],
    }
    dull = ("", None, {}, [], False)
    return {k: v for k, v in value.items() if k in ("text", "reading", "cost") or not any(v is d or v == d for d in dull)
            or (isinstance(v, int | float) and not isinstance(v, bool))}
