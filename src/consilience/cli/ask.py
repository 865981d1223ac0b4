"""`consilience ask`: one question, one answer, and on request the whole story of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from consilience.cli.console import err, harmless, out, say, say_json, whisper
from consilience.cli.trace import as_json, every, tree, whole_prompts
from consilience.cli.waiting import finish
from consilience.errors import ConfigError, StoreError
from consilience.model import Model
from consilience.prompt import sent
from consilience.types import Draws, Reply, Request, Scope


def ask(
    team: Annotated[str, typer.Argument(help="A team.yaml, the folder of a saved team, or a model such as "
                                             "nursery/generalist, openai:gpt-4o-mini or hf:./checkpoint.")],
    question: Annotated[str, typer.Argument(help="The question; - reads it from stdin. Not with --example.")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show who said what, how it was read, and what it took.")] = False,
    prompts: Annotated[bool, typer.Option("--prompts", help="With --trace or --json: show what each model was really sent too. "
                                                            "Alone it means --trace --prompts.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the whole reply as JSON.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    format: Annotated[str, typer.Option(help="How answers are read and compared: free, number, math, exact, yesno, f1, literal, "
                                             "choice-4, exact-red|green.")] = "free",
    task: Annotated[str | None, typer.Option(help="With --example: the task whose question is asked, read as the task reads "
                                                  "it.")] = None,
    example: Annotated[str | None, typer.Option(help="The id of one of the task's questions.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Ask to think step by step.")] = False,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0)] = 0.7,
    max_tokens: Annotated[int, typer.Option(help="Longest answer of one call.", min=1)] = 512,
    budget: Annotated[float | None, typer.Option(help="US dollars that this answer may cost at most.", min=0)] = None,
    store: Annotated[Path | None, typer.Option(help="Keep every draw in this file; nothing is paid for twice.")] = None,
    memory: Annotated[Path | None, typer.Option(help="File with what the team remembers of earlier questions: read before, "
                                                     "written after. No file: it starts empty, and forgets.")] = None,
    allow_changes: Annotated[bool, typer.Option("--allow-changes", help="Use a saved team although its members, prices or "
                                                                        "options have changed.")] = False,
) -> None:
    """Ask a team (or a single model) one question.

    \b
    Examples:
      consilience ask examples/teams/vote.yaml "What is 17 + 25?" --format number --trace
      consilience ask examples/teams/panel.yaml "Why does bread rise?" --trace --prompts
      consilience ask nursery/generalist "What is 17 + 25?" --json
      echo "Why is the sky blue?" | consilience ask openai:gpt-4o-mini -
      consilience ask examples/teams/cheatsheet.yaml "What is 17 + 25?" --memory sheet.json
      consilience ask runs/router --task recorded:answers.jsonl --example 17 --trace
    """
    from consilience import saved
    from consilience.models.wrappers.budgeted import Budget
    from consilience.reading import Free

    if (task is None) != (example is None) or (example is not None and question):
        raise ConfigError("ask takes a question, or --task and --example together")
    if task is not None and example is not None:
        request = _of_task(task, example, seed)
    else:
        request = _of_words(question, format, "steps" if steps else "answer", seed)
    request = request.sampled(temperature=temperature, max_tokens=max_tokens)
    with worn(find(team, allow_changes), store) as model:
        before = saved.read_memory(memory) if memory is not None else {}
        if memory is not None:
            saved.recall(model, before)
        live = sys.stdout.isatty() and not json and isinstance(request.format, Free)
        extras = frozenset({"prompts"}) if prompts else frozenset()
        scope = Scope(None if budget is None else Budget(budget), example=example or "", extras=extras, live=True)
        reply = finish((_listen if live else _wait)(model, request, scope))
        told = saved.memories(model)
    _show(_prompted(reply, request, model) if prompts else reply, json, trace or prompts, live)
    if memory is not None:
        _remember(told, before, memory)


def _prompted(reply: Reply, request: Request, model: Model) -> Reply:
    """The reply with the prompt of a model that is no team; it is said where a whole tree has none."""
    reply = reply.having(prompt=sent(request, model.card))
    if not any(one.prompt for one in every(reply)):
        whisper("no prompts: nobody was sent anything; recorded answers were given to whatever was sent then")
    return reply


def _remember(told: Mapping[str, Any], before: Mapping[str, Any], file: Path) -> None:
    """Write the memory, unless somebody else did so since it was read."""
    from consilience import saved

    if saved.read_memory(file) != before:
        raise StoreError(f"somebody else wrote {file} meanwhile: what they wrote stands, and this question is not remembered")
    saved.write_memory(told, file)


def _of_words(question: str, format: str, form: str, seed: int) -> Request:
    """The question of the command line, or of stdin."""
    from consilience.reading import from_name

    text = sys.stdin.read().strip() if question == "-" else question
    text = text.encode("utf-8", "replace").decode()     # bytes of the shell that are no text
    if not text.strip():
        raise ConfigError("the question is empty")
    return Request.of(text, form=form, format=from_name(format), seed=seed)


def _of_task(task: str, example: str, seed: int) -> Request:
    """The question of a task with this id."""
    from consilience.tasks import task as load

    found = load(task, seed=seed)
    examples = {e.id: e for e in (*found.dev, *found.test)}
    if example not in examples:
        some = ", ".join(sorted(examples)[:5])
        raise ConfigError(f"task {task} has no question with the id {example!r}; there are {len(examples)}, such as {some}")
    return examples[example].request


def find(team: str, changed: bool = False) -> Model:
    """The team of a file or folder, or a plain model by its spec."""
    from consilience import saved
    from consilience.models.resolve import model

    path = Path(team)
    if path.is_dir() and (path / "team.yaml").exists() or path.suffix in (".yaml", ".yml"):
        return saved.load(path, changed=changed)
    return model(team)


@contextmanager
def worn(model: Model, store: Path | None) -> Iterator[Model]:
    """The model, its members paying from a budget, and their draws kept in a store where one is named."""
    from consilience.bench.lineup import wear
    from consilience.models.wrappers.metered import Meter
    from consilience.store import Store

    with Store(store) if store is not None else nullcontext() as opened:
        yield wear(model, opened, Meter())


@contextmanager
def _watching() -> Iterator[Callable[[str], None] | None]:
    """A status line that says who is asked; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with err().status("asking") as status:
        yield lambda told: status.update(escape(told))


async def _wait(model: Model, request: Request, scope: Scope) -> Reply:
    """The whole reply at once: an answer that is to be read may be taken back until it is whole."""
    with _watching() as watch:
        [reply] = await model.generate(request, Draws(), replace(scope, watch=watch))
    return reply.read(request.format)


async def _listen(model: Model, request: Request, scope: Scope) -> Reply:
    """Follow the stream on a terminal: who is asked as a status line, then the answer's text as it comes."""
    reply = None
    with err().status("asking") as status:
        async for event in model.stream(request, Draws(), scope):
            if event.kind == "progress":
                status.update(escape(event.text))
            elif event.kind == "delta":
                status.stop()
                sys.stdout.write(harmless(event.text))
                sys.stdout.flush()
            reply = event.reply or reply
    assert reply is not None, "a stream ends with its reply"
    return reply.read(request.format)


def _show(reply: Reply, json: bool, trace: bool, live: bool) -> None:
    if json:
        say_json(as_json(reply))
        return
    if live:
        sys.stdout.write("\n")
    else:
        say(reply.text or "")
    if reply.text is None and reply.score is not None:
        whisper(f"no text was recorded, only a score: {reply.score:g}", style="yellow")
    elif not reply.text:
        whisper("the answer is empty" + (": all tokens went into thinking; allow more with --max-tokens"
                                         if reply.stop == "length" else ""), style="yellow")
    elif reply.unread:
        whisper("the answer could not be read in the format asked for", style="yellow")
    if trace:
        out().print(tree(reply))
        for line in whole_prompts(reply):
            out().print(line, soft_wrap=True)
